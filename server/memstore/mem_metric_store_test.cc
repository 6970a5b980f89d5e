#include "memstore/mem_metric_store.h"

#include <doctest/doctest.h>

using namespace sonde;
using namespace sonde::storage;
using memstore::MemMetricStore;

namespace {

CommitOutcome put(MemMetricStore& store, LabelSet labels, std::vector<Sample> samples) {
  Batch batch;
  uint32_t s = batch.add_series(std::move(labels));
  for (const Sample& x : samples) batch.add_float(s, x.t, x.v);
  auto outcome = commit_and_wait(store, std::move(batch));
  REQUIRE(outcome);
  return *outcome;
}

std::string dump(const MemMetricStore& store, const Matchers& matchers, int64_t from, int64_t to) {
  auto set = store.select(
      {}, matchers, {.from = {from}, .to = {to}, .step = {}, .func = "", .range = {}, .grouping = {}}, {});
  REQUIRE(set);
  std::string out;
  while (*(*set)->next()) {
    out += (*set)->labels().to_string();
    ColumnBlock block;
    while (*(*set)->next_block(block)) {
      for (size_t i = 0; i < block.times.size(); i++) {
        out += " " + std::to_string(block.times[i].ms) + "=";
        out += block.values.empty() ? "h" + format_value(block.histograms[i]->count)
                                    : format_value(block.values[i]);
      }
    }
    out += "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("memstore: what was committed is selected, clipped and in order of labels") {
  MemMetricStore store;
  put(store, {{"__name__", "up"}, {"job", "b"}}, {{{10}, 1}, {{20}, 2}, {{30}, 3}});
  put(store, {{"__name__", "up"}, {"job", "a"}}, {{{-5}, 7}, {{20}, 8}});
  put(store, {{"__name__", "down"}}, {{{10}, 1}});
  CHECK(dump(store, {Matcher::equal("__name__", "up")}, 10, 20) ==
        "up{job=\"a\"} 20=8\nup{job=\"b\"} 10=1 20=2\n");
  CHECK(dump(store, {Matcher::equal("__name__", "up")}, -5, -5) == "up{job=\"a\"} -5=7\n");
  CHECK(*store.label_values({}, "job", {}, {0}, {100}, 0) == std::vector<std::string>{"a", "b"});
  CHECK(*store.label_values({}, "job", {}, {0}, {100}, 1) == std::vector<std::string>{"a"});
  CHECK(*store.label_names({}, {{Matcher::equal("__name__", "down")}}, {0}, {100}, 0) ==
        std::vector<std::string>{"__name__"});
  Scope scope{{Matcher::equal("job", "a")}};
  CHECK(*store.label_values(scope, "job", {}, {0}, {100}, 0) == std::vector<std::string>{"a"});
}

TEST_CASE("memstore: rejections are counted, and everything received is accounted for") {
  MemMetricStore store;
  put(store, {{"__name__", "m"}}, {{{10}, 1}});
  CommitOutcome o = put(store, {{"__name__", "m"}}, {{{5}, 1}, {{10}, 1}, {{10}, 2}, {{11}, 3}});
  CHECK(o.floats_stored == 2);
  CHECK(o.floats_rejected == 2);
  REQUIRE(o.rejections.size() == 2);
  CHECK(o.rejections[0].reason == RejectReason::kOutOfOrder);
  CHECK(o.rejections[1].reason == RejectReason::kDuplicate);
  CHECK(put(store, {}, {{{5}, 1}}).floats_rejected == 1);
  MemMetricStore small({.retention = {}, .series_max = 1});
  put(small, {{"__name__", "a"}}, {{{1}, 1}});
  CHECK(put(small, {{"__name__", "b"}}, {{{1}, 1}}).rejections[0].reason == RejectReason::kSeriesLimit);
}

TEST_CASE("memstore: floats and histograms of one series come as blocks of one kind, with start timestamps") {
  MemMetricStore store;
  Batch batch;
  uint32_t s = batch.add_series({{"__name__", "h"}});
  NativeHistogram h;
  h.count = 4;
  uint32_t early = batch.add_series({{"__name__", "early"}});
  batch.add_float(early, {1000}, 1);
  batch.histograms.push_back({s, {20}, std::make_shared<NativeHistogram>(h), {}});
  batch.add_float(s, {10}, 1, {5});
  batch.add_float(s, {30}, 0);
  batch.add_float(batch.add_series({{"__name__", "other"}}), {5}, 0);
  REQUIRE(commit_and_wait(store, std::move(batch)));
  CHECK(dump(store, {Matcher::equal("__name__", "h")}, 0, 100) == "h 10=1 20=h4 30=0\n");
  auto set =
      store.select({}, {Matcher::equal("__name__", "h")},
                   {.from = {0}, .to = {100}, .step = {}, .func = "", .range = {}, .grouping = {}}, {});
  REQUIRE(*(*set)->next());
  ColumnBlock block;
  REQUIRE(*(*set)->next_block(block));
  REQUIRE(block.starts.size() == 1);
  CHECK(block.starts[0] == Timestamp{5});
  REQUIRE(*(*set)->next_block(block));
  CHECK(block.histograms.size() == 1);
  CHECK(block.values.empty());
}

TEST_CASE("memstore: deleting takes an interval out, retention the old, and empty series go") {
  MemMetricStore store({.retention = Duration::milliseconds(15)});
  put(store, {{"__name__", "m"}}, {{{10}, 1}, {{20}, 2}, {{30}, 3}});
  put(store, {{"__name__", "n"}}, {{{10}, 1}});
  REQUIRE(store.delete_series({{Matcher::equal("__name__", "m")}}, {15}, {25}));
  CHECK(dump(store, {Matcher::equal("__name__", "m")}, 0, 100) == "m 10=1 30=3\n");
  REQUIRE(store.apply_retention({30}));
  CHECK(dump(store, {Matcher::equal("__name__", "m")}, 0, 100) == "m 30=3\n");
  CHECK(store.head_stats(10).series == 1);
}

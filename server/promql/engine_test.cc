#include "promql/engine.h"

#include <doctest/doctest.h>

#include "memstore/mem_metric_store.h"

using namespace sonde;
using namespace sonde::promql;

namespace {

struct Fixture {
  memstore::MemMetricStore store;
  VirtualClock clock;
  EngineOptions options;
  QueryContext context;

  Fixture() {
    storage::Batch batch;
    for (const char* instance : {"b", "a", "c"}) {
      uint32_t s = batch.add_series({{"__name__", "up"}, {"instance", instance}});
      for (int i = 0; i < 10; i++) batch.add_float(s, {i * 60'000}, i);
    }
    REQUIRE(storage::commit_and_wait(store, std::move(batch)).has_value());
  }
  Result<QueryResult> instant(std::string_view query, int64_t ms = 300'000) const {
    return Engine(store, clock, options).instant(query, {ms}, context);
  }
  Result<QueryResult> range(std::string_view query, int64_t start, int64_t end, int64_t step) const {
    return Engine(store, clock, options).range(query, {start}, {end}, Duration::milliseconds(step), context);
  }
};

}  // namespace

TEST_CASE("engine: a range query answers with a matrix sorted by labels") {
  Fixture f;
  auto r = f.range("up + 0", 0, 120'000, 60'000);
  REQUIRE(r.has_value());
  const auto& m = std::get<Matrix>(r->value);
  REQUIRE(m.size() == 3);
  CHECK(m[0].labels.get("instance") == "a");
  CHECK(m[2].labels.get("instance") == "c");
  CHECK(m[0].floats == std::vector<double>{0, 1, 2});
  CHECK(r->stats.series_read == 3);
}

TEST_CASE("engine: a query that would hold too many samples fails with Prometheus's words") {
  Fixture f;
  f.options.max_samples = 5;
  auto r = f.range("up", 0, 540'000, 60'000);
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error().code == ErrorCode::kLimit);
  CHECK(r.error().message == "query processing would load too many samples into memory in query execution");
  CHECK_FALSE(f.instant("sum_over_time(vector(1)[10y:1ms])").has_value());
}

TEST_CASE("engine: cancellation and deadlines stop a query") {
  Fixture f;
  f.context.cancel = Cancellation::create(&f.clock, f.clock.monotonic() + Duration::seconds(1));
  CHECK(f.instant("sum(up)").has_value());
  f.clock.advance(Duration::seconds(2));
  auto late = f.instant("sum(up)");
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == ErrorCode::kTimeout);
  f.context.cancel = Cancellation::create(&f.clock, f.clock.monotonic() + Duration::seconds(1));
  f.context.cancel.cancel();
  auto cancelled = f.instant("sum(up)");
  REQUIRE_FALSE(cancelled.has_value());
  CHECK(cancelled.error().code == ErrorCode::kCancelled);
}

TEST_CASE("engine: the reader's scope and lookback hold for every selector") {
  Fixture f;
  f.context.scope.enforced.push_back(Matcher::equal("instance", "a"));
  auto r = f.instant("count(up)");
  REQUIRE(r.has_value());
  CHECK(std::get<Vector>(r->value)[0].value == 1);
  CHECK(std::get<Vector>(f.instant("up", 800'000)->value).size() == 1);
  f.context.lookback = Duration::seconds(30);
  CHECK(std::get<Vector>(f.instant("up", 800'000)->value).empty());
}

TEST_CASE("engine: errors of text, of evaluation and of parameters have different codes") {
  Fixture f;
  CHECK(f.instant("sum(").error().code == ErrorCode::kInvalid);
  CHECK(f.instant("up + on () up").error().code == ErrorCode::kConflict);
  CHECK(f.range("up", 0, 100, 0).error().code == ErrorCode::kInvalid);
  CHECK(f.range("up", 100, 0, 1).error().code == ErrorCode::kInvalid);
  CHECK(f.range("up[5m]", 0, 100, 1).error().code == ErrorCode::kInvalid);
  CHECK(f.instant("label_replace(up, \"a\", \"\", \"b\", \"(\")").error().code == ErrorCode::kConflict);
}

TEST_CASE("engine: instant queries answer with every type of value") {
  Fixture f;
  CHECK(type_of(f.instant("1")->value) == ValueType::kScalar);
  CHECK(type_of(f.instant("\"a\"")->value) == ValueType::kString);
  CHECK(type_of(f.instant("up")->value) == ValueType::kVector);
  auto m = f.instant("up[2m]");
  REQUIRE(type_of(m->value) == ValueType::kMatrix);
  CHECK(std::get<Matrix>(m->value)[0].floats == std::vector<double>{4, 5});
  CHECK(std::get<Matrix>(m->value)[0].labels.metric_name() == "up");
}

TEST_CASE("engine: deep and broad expressions within the bounds evaluate") {
  Fixture f;
  std::string deep = std::string(400, '(') + "up" + std::string(400, ')');
  CHECK(f.instant(deep).has_value());
  std::string broad = "up";
  for (int i = 0; i < 400; i++) broad += " or up";
  auto r = f.instant(broad);
  REQUIRE(r.has_value());
  CHECK(std::get<Vector>(r->value).size() == 3);
}

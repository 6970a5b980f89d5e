#include "memstore/mem_log_store.h"

#include <doctest/doctest.h>

using namespace sonde;
using namespace sonde::storage;
using memstore::MemLogStore;

namespace {

LogRecord record(int64_t seconds, LabelSet stream, std::string line) {
  LogRecord r;
  r.time = {seconds * 1'000'000'000};
  r.stream = std::move(stream);
  r.line = std::move(line);
  return r;
}

void put(MemLogStore& store, std::vector<LogRecord> records) {
  size_t n = records.size();
  bool called = false;
  store.append_logs(std::move(records), "test", [&](Result<EventOutcome> outcome) {
    called = true;
    REQUIRE(outcome);
    CHECK(outcome->stored == n);
  });
  CHECK(called);
}

std::string lines(const MemLogStore& store, const Scope& scope, const LogSelect& select) {
  auto cursor = store.select_logs(scope, select, {});
  REQUIRE(cursor);
  std::string out;
  const LogRecord* r = nullptr;
  while (*(*cursor)->next(r)) out += r->line + " ";
  return out;
}

LogSelect all() {
  LogSelect s;
  s.to = {100'000'000'000};
  s.direction = Direction::kForward;
  return s;
}

}  // namespace

TEST_CASE("mem log store: records come in order of time, those of one time in order of arrival") {
  MemLogStore store;
  LabelSet a{{"app", "a"}};
  put(store, {record(3, a, "three"), record(1, a, "one")});
  put(store, {record(2, a, "two"), record(2, a, "two-b")});
  LogSelect select = all();
  CHECK(lines(store, {}, select) == "one two two-b three ");
  select.direction = Direction::kBackward;
  CHECK(lines(store, {}, select) == "three two-b two one ");
  select.from = {2'000'000'000};
  select.to = {3'000'000'000};
  CHECK(lines(store, {}, select) == "two-b two ");
}

TEST_CASE("mem log store: selectors, scope, substrings and trace ids all restrict") {
  MemLogStore store;
  LogRecord traced = record(4, {{"app", "b"}}, "traced tail");
  traced.trace_id = *TraceId::from_hex("abc");
  put(store, {record(1, {{"app", "a"}}, "head"), record(2, {{"app", "b"}}, "tail"), traced});
  LogSelect select = all();
  CHECK(lines(store, {.enforced = {Matcher::equal("app", "a")}}, select) == "head ");
  select.stream = {Matcher::equal("app", "b")};
  CHECK(lines(store, {}, select) == "tail traced tail ");
  CHECK(lines(store, {.enforced = {Matcher::equal("app", "a")}}, select) == "");
  select.contains = {"ai", "trac"};
  CHECK(lines(store, {}, select) == "traced tail ");
  select.contains.clear();
  select.trace_id = *TraceId::from_hex("abc");
  CHECK(lines(store, {}, select) == "traced tail ");
}

TEST_CASE("mem log store: labels, values and streams are of the time asked for") {
  MemLogStore store({.retention = Duration::seconds(5)});
  put(store, {record(1, {{"app", "a"}, {"old", "1"}}, "x"), record(8, {{"app", "b"}}, "yy"),
              record(9, {{"app", "b"}}, "z")});
  EventTime from{0}, mid{5'000'000'000}, to{100'000'000'000};
  CHECK(*store.log_label_names({}, from, to) == std::vector<std::string>{"app", "old"});
  CHECK(*store.log_label_names({}, mid, to) == std::vector<std::string>{"app"});
  CHECK(*store.log_label_values({}, "app", {}, from, to) == std::vector<std::string>{"a", "b"});
  CHECK(*store.log_label_values({}, "app", {Matcher::equal("old", "1")}, from, to) ==
        std::vector<std::string>{"a"});
  auto streams = store.log_streams({}, {{Matcher::equal("app", "b")}}, from, to);
  REQUIRE(streams->size() == 1);
  CHECK((*streams)[0].records == 2);
  CHECK((*streams)[0].bytes == 3);
  CHECK(store.event_stats().records == 3);
  REQUIRE(store.apply_retention({10'000}));
  CHECK(store.event_stats().records == 2);
  CHECK(store.event_stats().min_time.ns == 8'000'000'000);
}

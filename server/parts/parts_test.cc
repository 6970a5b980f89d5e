#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/faulty_file_system.h"
#include "parts/event_codec.h"
#include "parts/log_store.h"
#include "parts/part_file.h"
#include "parts/span_store.h"

using namespace sonde;
using namespace sonde::parts;

namespace {

constexpr EventTime kStart{1'700'000'000'000'000'000};

LogRecord line(std::string_view service, int64_t second, std::string text, uint8_t trace = 0) {
  LogRecord r;
  r.time = kStart + Duration::seconds(second);
  r.observed = r.time + Duration::milliseconds(3);
  r.stream = LabelSet{{"service_name", service}, {"level", "info"}};
  r.line = std::move(text);
  r.severity_number = 9;
  r.attributes = {{"user", "ann"},
                  {"n", int64_t{-5}},
                  {"ratio", 0.25},
                  {"ok", true},
                  {"list", AttributeArray{1, "x"}},
                  {"nested", Attributes{{"k", Bytes{std::string("\0\xff", 2)}}}}};
  r.resource = std::make_shared<const Attributes>(Attributes{{"service.name", service}});
  if (trace != 0) r.trace_id.bytes[15] = trace;
  return r;
}

Span span_of(uint8_t trace, uint8_t id, uint8_t parent, std::string service, std::string name, int64_t ms,
             int64_t took_ms) {
  Span s;
  s.trace_id.bytes[0] = trace;
  s.span_id.bytes[0] = id;
  if (parent != 0) s.parent_id.bytes[0] = parent;
  s.service = std::move(service);
  s.name = std::move(name);
  s.kind = SpanKind::kServer;
  s.start = kStart + Duration::milliseconds(ms);
  s.end = s.start + Duration::milliseconds(took_ms);
  s.attributes = {{"http.route", "/users/{id}"}, {"http.response.status_code", int64_t{200}}};
  s.events = {{s.start + Duration::milliseconds(1), "retry", {{"attempt", int64_t{2}}}}};
  s.links = {{s.trace_id, s.span_id, {{"why", "batch"}}}};
  return s;
}

struct Disk {
  FaultyFileSystem fs;
  VirtualClock clock{kStart + Duration::hours(1)};
  PartsOptions options{.dir = "data/logs", .log_segment_bytes = 1 << 20, .threads = false};
};

// Appends and commits; what the store answered.
Result<storage::EventOutcome> push(storage::LogStore& store, std::vector<LogRecord> records) {
  Result<storage::EventOutcome> out = fail(ErrorCode::kInternal, "no answer");
  store.append_logs(std::move(records), "test", [&](Result<storage::EventOutcome> r) { out = std::move(r); });
  commit_pending(store);
  return out;
}

std::vector<std::string> lines(const storage::LogStore& store, storage::LogSelect select = {}) {
  if (select.to == EventTime{}) select.to = EventTime{INT64_MAX};
  auto cursor = store.select_logs({}, select, {});
  REQUIRE(cursor);
  std::vector<std::string> out;
  const LogRecord* r = nullptr;
  for (;;) {
    auto more = (*cursor)->next(r);
    REQUIRE(more);
    if (!*more) return out;
    out.push_back(r->line);
  }
}

std::unique_ptr<storage::LogStore> open_logs(Disk& d) {
  auto store = open_log_store(d.fs, d.clock, d.options);
  REQUIRE_MESSAGE(store, (store ? "" : store.error().message));
  return std::move(*store);
}

}  // namespace

TEST_CASE("event codec: logs and spans come back as they went in") {
  LogRecord a = line("web", 1, "hello \"x\"\n", 7), b = line("db", 0, "");
  b.resource = nullptr;
  std::vector<const LogRecord*> both{&a, &b};
  auto back = decode_logs(encode_logs(both));
  REQUIRE(back);
  REQUIRE(back->size() == 2);
  CHECK((*back)[0].line == a.line);
  CHECK((*back)[0].attributes == a.attributes);
  CHECK(*(*back)[0].resource == *a.resource);
  CHECK((*back)[0].trace_id == a.trace_id);
  CHECK((*back)[0].observed == a.observed);
  CHECK((*back)[1].stream == b.stream);
  CHECK((*back)[1].resource == nullptr);

  Span s = span_of(1, 2, 3, "web", "GET /", 5, 10);
  s.status = SpanStatus::kError;
  s.status_message = "no";
  std::vector<const Span*> one{&s};
  auto spans = decode_spans(encode_spans(one));
  REQUIRE(spans);
  CHECK((*spans)[0].parent_id == s.parent_id);
  CHECK((*spans)[0].events[0].attributes == s.events[0].attributes);
  CHECK((*spans)[0].links[0].span_id == s.span_id);
  CHECK((*spans)[0].status == SpanStatus::kError);
  CHECK((*spans)[0].duration() == Duration::milliseconds(10));
}

TEST_CASE("event codec: cut and changed bytes are an error or another value, never a crash") {
  LogRecord a = line("web", 1, "hello", 7);
  std::vector<const LogRecord*> one{&a};
  std::string bytes = encode_logs(one);
  for (size_t n = 0; n < bytes.size(); n++) CHECK(!decode_logs(bytes.substr(0, n)));
  for (size_t i = 0; i < bytes.size() * 8; i++) {
    std::string changed = bytes;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    (void)decode_logs(changed);
  }
}

TEST_CASE("log store: acknowledged lines survive a power cut, in the log and in part files alike") {
  Disk d;
  for (int round = 0; round < 3; round++) {
    auto store = open_logs(d);
    REQUIRE(push(*store, {line("web", round, "r" + std::to_string(round))}));
    if (round == 1) REQUIRE(flush_now(*store));
    d.fs.crash();
    store.reset();  // its last flush finds dead files
  }
  auto store = open_logs(d);
  CHECK(lines(*store) == std::vector<std::string>{"r2", "r1", "r0"});
}

TEST_CASE("log store: no acknowledgement before the sync, whatever fails") {
  for (FileOp op : {FileOp::kSync, FileOp::kWrite, FileOp::kCreate, FileOp::kSyncDirectory, FileOp::kRename,
                    FileOp::kRemove}) {
    for (bool forever : {false, true}) {
      for (uint64_t nth = 1;; nth++) {
        CAPTURE(static_cast<int>(op));
        CAPTURE(nth);
        Disk d;
        std::set<std::string> acknowledged, sent;
        {
          auto store = open_logs(d);
          d.fs.fail_at(op, nth, ErrorCode::kIo, forever);
          for (int i = 0; i < 6; i++) {
            std::string text = "l" + std::to_string(i);
            sent.insert(text);
            if (push(*store, {line("web", i, text)})) acknowledged.insert(text);
            if (i == 2) (void)flush_now(*store);
          }
        }
        bool fired = d.fs.fault_fired();
        d.fs.clear_faults();
        d.fs.crash();
        auto store = open_logs(d);
        auto back = lines(*store);
        std::set<std::string> found(back.begin(), back.end());
        CHECK(found.size() == back.size());  // nothing twice
        for (const auto& a : acknowledged) CHECK_MESSAGE(found.contains(a), "lost ", a);
        for (const auto& f : found) CHECK(sent.contains(f));
        if (!fired) break;
      }
    }
  }
}

TEST_CASE("log store: power lost at any instant loses nothing acknowledged and invents nothing") {
  for (uint64_t nth = 1;; nth++) {
    CAPTURE(nth);
    Disk d;
    std::set<std::string> acknowledged;
    {
      auto store = open_logs(d);
      d.fs.lose_power_at(nth);
      for (int i = 0; i < 8; i++) {
        std::string text = "l" + std::to_string(i);
        if (push(*store, {line("web", i, text)})) acknowledged.insert(text);
        if (i % 3 == 2) (void)flush_now(*store);
      }
    }
    bool fired = d.fs.fault_fired();
    d.fs.clear_faults();
    d.fs.crash();
    auto store = open_logs(d);
    auto back = lines(*store);
    std::set<std::string> found(back.begin(), back.end());
    CHECK(found.size() == back.size());
    for (const auto& a : acknowledged) CHECK_MESSAGE(found.contains(a), "lost ", a);
    if (!fired) break;
  }
}

TEST_CASE("log store: reads in both directions merge parts and buffer by time, within bounds") {
  Disk d;
  auto store = open_logs(d);
  REQUIRE(push(*store, {line("web", 4, "e"), line("web", 0, "a")}));
  REQUIRE(flush_now(*store));
  REQUIRE(push(*store, {line("db", 2, "c"), line("web", 6, "g")}));
  REQUIRE(flush_now(*store));
  REQUIRE(push(*store, {line("web", 3, "d"), line("web", 1, "b"), line("web", 5, "f")}));
  CHECK(lines(*store, {.direction = storage::Direction::kForward}) ==
        std::vector<std::string>{"a", "b", "c", "d", "e", "f", "g"});
  CHECK(lines(*store) == std::vector<std::string>{"g", "f", "e", "d", "c", "b", "a"});
  CHECK(lines(*store, {.stream = {Matcher::equal("service_name", "db")}}) == std::vector<std::string>{"c"});
  CHECK(lines(*store, {.from = kStart + Duration::seconds(2), .to = kStart + Duration::seconds(4)}) ==
        std::vector<std::string>{"d", "c"});
  CHECK(lines(*store, {.contains = {"f"}}) == std::vector<std::string>{"f"});
  CHECK(*store->log_label_values({}, "service_name", {}, {}, EventTime{INT64_MAX}) ==
        std::vector<std::string>{"db", "web"});
  CHECK(*store->log_label_names({}, {}, EventTime{INT64_MAX}) ==
        std::vector<std::string>{"level", "service_name"});
  auto streams = store->log_streams({}, {{Matcher::equal("service_name", "web")}}, {}, EventTime{INT64_MAX});
  REQUIRE(streams->size() == 1);
  CHECK((*streams)[0].records == 6);
  CHECK(lines(*store, {.stream = {}, .direction = storage::Direction::kForward}).size() == 7);
  storage::Scope scope{{Matcher::equal("service_name", "db")}};
  auto cursor = store->select_logs(scope, {.to = EventTime{INT64_MAX}}, {});
  const LogRecord* r = nullptr;
  CHECK(*(*cursor)->next(r));
  CHECK(r->line == "c");
  CHECK(!*(*cursor)->next(r));
}

TEST_CASE("log store: the lines of a trace are found through the index") {
  Disk d;
  auto store = open_logs(d);
  REQUIRE(push(*store, {line("web", 1, "x", 9), line("web", 2, "y")}));
  REQUIRE(flush_now(*store));
  REQUIRE(push(*store, {line("db", 3, "z", 9)}));
  TraceId id;
  id.bytes[15] = 9;
  CHECK(lines(*store, {.trace_id = id}) == std::vector<std::string>{"z", "x"});
}

TEST_CASE("log store: what is too old or too far ahead is rejected, counted and explained") {
  Disk d;
  d.options.retention = Duration::hours(2);
  auto store = open_logs(d);
  auto r = push(*store,
                {line("web", 0, "good"), line("web", -7200 * 2, "old"), line("web", 3600 + 601, "future")});
  REQUIRE(r);
  CHECK(r->stored == 1);
  CHECK(r->rejected == 2);
  CHECK(r->error.find("older than the retention") != std::string::npos);
  CHECK(lines(*store) == std::vector<std::string>{"good"});
}

TEST_CASE("log store: retention removes whole parts, also over a restart") {
  Disk d;
  d.options.retention = Duration::hours(2);
  auto store = open_logs(d);
  REQUIRE(push(*store, {line("web", 0, "first")}));
  REQUIRE(flush_now(*store));
  d.clock.advance(Duration::hours(1));
  REQUIRE(push(*store, {line("web", 3600, "second")}));
  REQUIRE(flush_now(*store));
  d.clock.advance(Duration::minutes(30));
  REQUIRE(store->apply_retention(d.clock.timestamp()));
  CHECK(lines(*store) == std::vector<std::string>{"second"});
  store.reset();
  store = open_logs(d);
  CHECK(lines(*store) == std::vector<std::string>{"second"});
}

TEST_CASE("log store: a bound on size removes the oldest parts") {
  Disk d;
  d.options.retention = Duration{};
  auto store = open_logs(d);
  uint64_t one = 0;
  for (int i = 0; i < 4; i++) {
    REQUIRE(push(*store, {line("web", i, "line" + std::to_string(i))}));
    REQUIRE(flush_now(*store));
    for (const auto& f : d.fs.files()) {
      if (f.ends_with(".part")) one = std::max<uint64_t>(one, d.fs.file_size(f));
    }
  }
  store.reset();
  d.options.retention_bytes = 2 * one;
  store = open_logs(d);
  REQUIRE(store->apply_retention(d.clock.timestamp()));
  CHECK(lines(*store) == std::vector<std::string>{"line3", "line2"});
  store.reset();
  store = open_logs(d);
  CHECK(lines(*store) == std::vector<std::string>{"line3", "line2"});
}

TEST_CASE("log store: a damaged part is set aside and the rest is served") {
  Disk d;
  {
    auto store = open_logs(d);
    REQUIRE(push(*store, {line("web", 0, "a")}));
    REQUIRE(flush_now(*store));
    REQUIRE(push(*store, {line("web", 1, "b")}));
    REQUIRE(flush_now(*store));
  }
  std::vector<std::string> parts;
  for (const auto& f : d.fs.files()) {
    if (f.ends_with(".part")) parts.push_back(f);
  }
  REQUIRE(parts.size() == 2);
  d.fs.flip_bit(parts[0], (d.fs.file_size(parts[0]) - 40) * 8);  // in the index
  REQUIRE(d.fs.remove_all("data/logs/log"));                     // cut, as it is once it has grown
  auto store = open_logs(d);
  CHECK(lines(*store) == std::vector<std::string>{"b"});
  CHECK(store->event_stats().damaged == 1);
  CHECK(d.fs.exists(parts[0] + ".damaged"));
  REQUIRE(push(*store, {line("web", 2, "c")}));
  store.reset();
  store = open_logs(d);
  CHECK(lines(*store) == std::vector<std::string>{"c", "b"});
}

TEST_CASE("log store: what the log still has of a damaged part is written again, once") {
  for (size_t damaged = 0; damaged < 2; damaged++) {
    CAPTURE(damaged);
    Disk d;
    {
      auto store = open_logs(d);
      REQUIRE(push(*store, {line("web", 0, "a")}));
      REQUIRE(flush_now(*store));
      REQUIRE(push(*store, {line("web", 1, "b")}));
      REQUIRE(flush_now(*store));
    }
    std::vector<std::string> parts;
    for (const auto& f : d.fs.files()) {
      if (f.ends_with(".part")) parts.push_back(f);
    }
    REQUIRE(parts.size() == 2);
    d.fs.flip_bit(parts[damaged], (d.fs.file_size(parts[damaged]) - 40) * 8);
    // Whether it is found now, or by a start that was cut off.
    if (damaged == 0) REQUIRE(d.fs.rename(parts[damaged], parts[damaged] + ".damaged"));
    for (int start = 0; start < 3; start++) {
      CAPTURE(start);
      auto store = open_logs(d);
      CHECK(lines(*store) == std::vector<std::string>{"b", "a"});
      CHECK(store->event_stats().damaged == 1);
    }
  }
}

TEST_CASE("log store: a part that a damaged bigger one would have held is kept") {
  Disk d;
  {
    auto store = open_logs(d);
    REQUIRE(push(*store, {line("web", 0, "a")}));
    REQUIRE(flush_now(*store));
  }
  std::string small;
  for (const auto& f : d.fs.files()) {
    if (f.ends_with(".part")) small = f;
  }
  REQUIRE(!small.empty());
  std::string big = small;
  big.replace(big.size() - 21, 16, "00000000000000ff");
  REQUIRE(d.fs.write_file_atomically(big, "torn"));
  REQUIRE(d.fs.remove_all("data/logs/log"));
  auto store = open_logs(d);
  CHECK(lines(*store) == std::vector<std::string>{"a"});
}

TEST_CASE("log store: a log that lost its end is not read a second time") {
  Disk d;
  constexpr uint64_t kPage = 32 << 10;
  {
    auto store = open_logs(d);
    for (int i = 0; i < 8; i++) {
      std::string text(20'000, static_cast<char>('a' + i));
      REQUIRE(push(*store, {line("web", i, text)}));
    }
    REQUIRE(flush_now(*store));
  }
  for (const auto& f : d.fs.files()) {
    if (f.find("/log/") == std::string::npos) continue;
    for (uint64_t at = 2 * kPage + 1000; at < d.fs.file_size(f); at += kPage) d.fs.flip_bit(f, at * 8);
  }
  for (int start = 0; start < 3; start++) {
    CAPTURE(start);
    auto store = open_logs(d);
    CHECK(lines(*store).size() == 8);
  }
}

TEST_CASE("log store: one flipped bit anywhere never shows a wrong line nor stops the start") {
  Random random(7);
  for (int round = 0; round < 60; round++) {
    Disk d;
    std::set<std::string> sent;
    {
      auto store = open_logs(d);
      for (int i = 0; i < 12; i++) {
        std::string text = "line number " + std::to_string(i);
        sent.insert(text);
        REQUIRE(push(*store, {line("web", i, text)}));
        if (i == 5) REQUIRE(flush_now(*store));
      }
      d.fs.crash();
    }
    std::vector<std::string> files;
    for (const auto& f : d.fs.files()) {
      if (d.fs.file_size(f) > 0) files.push_back(f);
    }
    const std::string& file = files[random.below(files.size())];
    uint64_t bytes = std::min<uint64_t>(d.fs.file_size(file), 8192);
    d.fs.flip_bit(file, random.below(bytes * 8));
    CAPTURE(file);
    auto store = open_logs(d);
    for (const auto& text : lines(*store)) CHECK(sent.contains(text));
  }
}

TEST_CASE("log store: a log that was lost starts a new generation, and nothing new is taken for old") {
  Disk d;
  {
    auto store = open_logs(d);
    for (int i = 0; i < 5; i++) REQUIRE(push(*store, {line("web", i, "old" + std::to_string(i))}));
    REQUIRE(flush_now(*store));
  }
  REQUIRE(d.fs.remove_all("data/logs/log"));
  {
    auto store = open_logs(d);
    REQUIRE(push(*store, {line("web", 10, "new")}));
    d.fs.crash();
  }
  auto store = open_logs(d);
  CHECK(lines(*store).size() == 6);
  CHECK(lines(*store)[0] == "new");
}

TEST_CASE("log store: a second opener of the directory is refused") {
  Disk d;
  auto store = open_logs(d);
  auto second = open_log_store(d.fs, d.clock, d.options);
  REQUIRE(!second);
  CHECK(second.error().code == ErrorCode::kConflict);
}

TEST_CASE("log store: writers, readers and flushes at once agree in the end") {
  FaultyFileSystem fs;
  VirtualClock clock{kStart + Duration::hours(1)};
  PartsOptions options{.dir = "logs", .buffer_bytes_max = 64 << 10, .threads = true};
  auto store = std::move(open_log_store(fs, clock, options)).value();
  constexpr int kWriters = 3, kBatches = 40, kLines = 10;
  std::atomic<int> stored{0};
  std::vector<std::thread> threads;
  for (int w = 0; w < kWriters; w++) {
    threads.emplace_back([&, w] {
      for (int b = 0; b < kBatches; b++) {
        std::vector<LogRecord> batch;
        for (int i = 0; i < kLines; i++)
          batch.push_back(line("w" + std::to_string(w), b, "text", static_cast<uint8_t>(1 + i)));
        store->append_logs(std::move(batch), "test", [&](Result<storage::EventOutcome> r) {
          stored += r ? static_cast<int>(r->stored) : 0;
        });
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 30; i++) (void)lines(*store);
  });
  for (auto& t : threads) t.join();
  REQUIRE(flush_now(*store));
  CHECK(stored == kWriters * kBatches * kLines);
  CHECK(lines(*store).size() == static_cast<size_t>(stored));
}

TEST_CASE("span store: traces, services, operations and search over parts and buffer") {
  Disk d;
  d.options.dir = "data/spans";
  auto store = std::move(open_span_store(d.fs, d.clock, d.options)).value();
  auto push_spans = [&](std::vector<Span> spans) {
    bool ok = false;
    store->append_spans(std::move(spans), "test",
                        [&](Result<storage::EventOutcome> r) { ok = r.has_value(); });
    commit_pending(*store);
    return ok;
  };
  Span failed = span_of(1, 2, 1, "orders", "POST /order", 10, 30);
  failed.status = SpanStatus::kError;
  REQUIRE(push_spans({failed, span_of(1, 1, 0, "web", "GET /", 0, 50)}));
  REQUIRE(flush_now(*store));
  REQUIRE(push_spans(
      {span_of(2, 1, 0, "web", "GET /slow", 1000, 900), span_of(1, 3, 2, "stock", "SELECT", 12, 5)}));
  REQUIRE(push_spans({span_of(1, 3, 2, "stock", "SELECT", 12, 5)}));  // sent twice
  CHECK(*store->services({}) == std::vector<std::string>{"orders", "stock", "web"});
  CHECK(store->operations({}, "web")->size() == 2);
  TraceId id;
  id.bytes[0] = 1;
  auto trace = store->trace({}, id, {});
  REQUIRE(trace->size() == 3);
  CHECK((*trace)[0].name == "GET /");
  CHECK((*trace)[2].name == "SELECT");
  storage::SpanSearch all{.from = kStart, .to = kStart + Duration::hours(1)};
  auto found = store->search({}, all, {});
  REQUIRE(found->size() == 2);
  CHECK((*found)[0].root_name == "GET /slow");
  CHECK((*found)[1].root_service == "web");
  CHECK((*found)[1].span_count == 3);
  CHECK((*found)[1].error_count == 1);
  CHECK((*found)[1].duration == Duration::milliseconds(50));
  storage::SpanSearch slow = all;
  slow.min_duration = Duration::milliseconds(500);
  CHECK(store->search({}, slow, {})->size() == 1);
  storage::SpanSearch errors = all;
  errors.tags = {{"error", "true"}};
  CHECK(store->search({}, errors, {})->size() == 1);
  storage::SpanSearch tagged = all;
  tagged.service = "web";
  tagged.tags = {{"http.response.status_code", "200"}};
  CHECK(store->search({}, tagged, {})->size() == 2);
  tagged.tags = {{"http.response.status_code", "500"}};
  CHECK(store->search({}, tagged, {})->empty());
  storage::SpanSearch newest = all;
  newest.limit = 1;
  CHECK((*store->search({}, newest, {}))[0].root_name == "GET /slow");
  int visited = 0;
  REQUIRE(store->scan({}, {.attribute_key = "http.route", .from = kStart, .to = kStart + Duration::hours(1)},
                      {}, [&](const Span&) {
                        visited++;
                        return true;
                      }));
  CHECK(visited == 5);
}

TEST_CASE("part file: an index that does not fit its file is refused") {
  PartIndex index;
  index.streams.push_back({LabelSet{{"a", "b"}}, 1, 1});
  index.blocks.push_back({24, 10, 100, 1, 1, kStart, kStart, {0}});
  CHECK(decode_index(encode_index(index), 34));
  CHECK(!decode_index(encode_index(index), 33));
  index.blocks[0].streams = {1};
  CHECK(!decode_index(encode_index(index), 34));
}

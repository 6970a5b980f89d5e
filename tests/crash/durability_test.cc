// From the push routes down to the platter: what was answered 2xx survives, whatever the disk does.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/faulty_file_system.h"
#include "ingest/all.h"
#include "net/http.h"
#include "parts/log_store.h"
#include "parts/span_store.h"
#include "tsdb/tsdb_store.h"
#include "wire/remote_write.h"

using namespace sonde;

namespace {

constexpr int64_t kStartMs = 1'700'000'000'000;  // where VirtualClock starts

enum class Signal : uint8_t { kSample, kLog, kSpan };
constexpr Signal kSignals[] = {Signal::kSample, Signal::kLog, Signal::kSpan};
const char* to_string(Signal signal) {
  constexpr const char* kNames[] = {"sample", "log", "span"};
  return kNames[static_cast<size_t>(signal)];
}

struct Item {
  Signal signal = Signal::kSample;
  int number = 0;
  auto operator<=>(const Item&) const = default;
};
using Items = std::set<Item>;

std::string padded(int number) { return std::to_string(1'000'000 + number).substr(1); }
double value_of(int number) { return number * 3 + 0.25; }

class StringBody final : public net::BodyReader {
 public:
  explicit StringBody(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    size_t n = std::min(out.size(), bytes_.size() - at_);
    std::memcpy(out.data(), bytes_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

struct Answer {
  int status = 0;
  std::string body;
  bool finished = false;
  uint64_t syncs = 0;  // of the disk when the status was written
  bool is_success() const { return status >= 200 && status < 300; }
};

// Records the answer; can take the power away at the instant a 2xx status is written.
class WatchingWriter final : public net::ResponseWriter {
 public:
  WatchingWriter(FaultyFileSystem& fs, std::shared_ptr<Answer> answer, bool cut_power)
      : fs_(fs), answer_(std::move(answer)), cut_power_(cut_power) {}
  void status(int code) override {
    answer_->status = code;
    answer_->syncs = fs_.syncs();
    if (cut_power_ && answer_->is_success()) fs_.lose_power_at(1);
  }
  void header(std::string, std::string) override {}
  Result<> write(std::string_view chunk) override {
    answer_->body += chunk;
    return {};
  }
  void trailer(std::string, std::string) override {}
  void finish() override { answer_->finished = true; }

 private:
  FaultyFileSystem& fs_;
  std::shared_ptr<Answer> answer_;
  bool cut_power_;
};

template <class T>
T opened(Result<T> store) {
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

// The three stores behind the real routes, on the caller's thread alone.
class Server {
 public:
  Server(FaultyFileSystem& fs, VirtualClock& clock) : fs_(fs), clock_(clock) {
    tsdb::TsdbOptions metrics;
    metrics.dir = "data/metrics";
    metrics.wal_segment_bytes = 512 << 10;
    metrics.background = false;
    metrics_ = opened(tsdb::TsdbStore::open(fs_, clock_, metrics));
    parts::PartsOptions logs{.dir = "data/logs", .log_segment_bytes = 1 << 20, .threads = false};
    logs_ = opened(parts::open_log_store(fs_, clock_, logs));
    parts::PartsOptions spans{.dir = "data/spans", .log_segment_bytes = 1 << 20, .threads = false};
    spans_ = opened(parts::open_span_store(fs_, clock_, spans));
    ingest::add_ingest_routes(
        router_, ingest::IngestContext{*metrics_, *logs_, *spans_, clock_, answers_, memory_, stats_, {}});
  }

  // Hands a request over; events are not committed yet.
  std::shared_ptr<Answer> post(Item item, bool cut_power = false) {
    int64_t ns = (kStartMs + item.number) * 1'000'000;
    std::string number = padded(item.number);
    switch (item.signal) {
      case Signal::kSample: {
        wire::MetricRows rows;
        uint32_t series = rows.add_series({{"__name__", "item"}, {"job", "ledger"}});
        rows.floats.push_back({series, {kStartMs + item.number}, value_of(item.number), {}});
        return send("/api/v1/write", "application/x-protobuf", wire::encode_remote_write_v1(rows), cut_power);
      }
      case Signal::kLog:
        return send("/loki/api/v1/push", "application/json",
                    R"({"streams":[{"stream":{"job":"ledger"},"values":[[")" + std::to_string(ns) +
                        R"(","item )" + number + R"("]]}]})",
                    cut_power);
      case Signal::kSpan:
        return send("/v1/traces", "application/json",
                    R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name",)"
                    R"("value":{"stringValue":"ledger"}}]},"scopeSpans":[{"spans":[{"traceId":")" +
                        std::string(26, 'a') + number + R"(","spanId":")" + std::string(10, 'b') + number +
                        R"(","name":"item )" + number + R"(","kind":2,"startTimeUnixNano":")" +
                        std::to_string(ns) + R"(","endTimeUnixNano":")" + std::to_string(ns + 1000) +
                        R"("}]}]}]})",
                    cut_power);
    }
    return nullptr;
  }

  void commit_logs() { parts::commit_pending(*logs_); }
  void commit_spans() { parts::commit_pending(*spans_); }
  void commit() {
    commit_logs();
    commit_spans();
  }
  void flush() {
    (void)parts::flush_now(*logs_);
    (void)parts::flush_now(*spans_);
  }

  // Everything that is there; fails on what is there twice, or not as it was sent.
  Items content() const {
    Items out;
    auto found = [&](Signal signal, int number) {
      CHECK_MESSAGE(out.insert({signal, number}).second, to_string(signal), " ", number, " is there twice");
    };
    storage::SelectHints hints;
    hints.from = {INT64_MIN};
    hints.to = {INT64_MAX};
    auto series = metrics_->select({}, {Matcher::equal("__name__", "item")}, hints, {});
    REQUIRE(series);
    while (*(*series)->next()) {
      storage::ColumnBlock block;
      while (*(*series)->next_block(block)) {
        for (size_t i = 0; i < block.times.size(); i++) {
          int number = static_cast<int>(block.times[i].ms - kStartMs);
          CHECK(block.values[i] == value_of(number));
          found(Signal::kSample, number);
        }
      }
    }
    storage::LogSelect select;
    select.to = EventTime{INT64_MAX};
    auto logs = logs_->select_logs({}, select, {});
    REQUIRE(logs);
    const LogRecord* record = nullptr;
    while (*(*logs)->next(record)) {
      int number = static_cast<int>(record->time.ns / 1'000'000 - kStartMs);
      CHECK(record->line == "item " + padded(number));
      found(Signal::kLog, number);
    }
    storage::SpanSelect all;
    all.to = EventTime{INT64_MAX};
    REQUIRE(spans_->scan({}, all, {}, [&](const Span& span) {
      int number = static_cast<int>(span.start.ns / 1'000'000 - kStartMs);
      CHECK(span.name == "item " + padded(number));
      CHECK(span.trace_id.to_hex() == std::string(26, 'a') + padded(number));
      CHECK(span.service == "ledger");
      found(Signal::kSpan, number);
      return true;
    }));
    return out;
  }

 private:
  std::shared_ptr<Answer> send(const std::string& path, const std::string& type, std::string body,
                               bool cut_power) {
    auto answer = std::make_shared<Answer>();
    net::Router::Match match = router_.match("POST", path);
    REQUIRE(match.route);
    net::Request request;
    request.method = "POST";
    request.path = request.raw_target = path;
    request.headers.add("Content-Type", type);
    if (type == "application/x-protobuf") request.headers.add("Content-Encoding", "snappy");
    request.body = std::make_unique<StringBody>(std::move(body));
    match.route->handler(request, std::make_shared<WatchingWriter>(fs_, answer, cut_power));
    return answer;
  }

  FaultyFileSystem& fs_;
  VirtualClock& clock_;
  InlineExecutor answers_;
  MemoryAccountant memory_;
  ingest::IngestStats stats_;
  std::unique_ptr<tsdb::TsdbStore> metrics_;
  std::unique_ptr<storage::LogStore> logs_;
  std::unique_ptr<storage::SpanStore> spans_;
  net::Router router_;
};

// Requests of all signals in turn, with a flush in between; the items that were acknowledged.
struct Run {
  Items sent;
  Items acknowledged;
};
Run run_requests(Server& server, VirtualClock& clock, int rounds) {
  Run out;
  for (int number = 0; number < rounds; number++) {
    for (Signal signal : kSignals) {
      Item item{signal, number};
      out.sent.insert(item);
      auto answer = server.post(item);
      server.commit();
      // Every sender gets one answer: the item is safe, or it may come again.
      CHECK(answer->finished);
      CHECK_MESSAGE((answer->is_success() || answer->status == 503), answer->status, " ", answer->body);
      if (answer->is_success()) out.acknowledged.insert(item);
    }
    if (number % 3 == 2) server.flush();
    clock.advance(Duration::seconds(1));
  }
  return out;
}

void check_survivors(const Items& found, const Run& run) {
  for (const Item& item : run.acknowledged)
    CHECK_MESSAGE(found.contains(item), "lost ", to_string(item.signal), " ", item.number);
  for (const Item& item : found)
    CHECK_MESSAGE(run.sent.contains(item), "invented ", to_string(item.signal), " ", item.number);
}

}  // namespace

TEST_CASE("durability: the status is written after the sync, and power cut at that instant loses nothing") {
  for (Signal signal : kSignals) {
    CAPTURE(to_string(signal));
    FaultyFileSystem fs;
    VirtualClock clock;
    Items acknowledged;
    for (int number = 0; number < 8; number++) {
      CAPTURE(number);
      auto server = std::make_unique<Server>(fs, clock);
      uint64_t syncs = fs.syncs();
      auto answer = server->post({signal, number}, true);
      // Logs and spans wait for the committer, which is us.
      if (signal != Signal::kSample) {
        CHECK(answer->status == 0);
        CHECK(fs.syncs() == syncs);
        server->commit();
      }
      REQUIRE_MESSAGE(answer->is_success(), answer->status, " ", answer->body);
      CHECK(answer->syncs > syncs);
      CHECK(fs.fault_fired() == false);  // nothing was left to do
      acknowledged.insert({signal, number});
      fs.crash();
      server.reset();  // whose files are dead
      CHECK(Server(fs, clock).content() == acknowledged);
    }
  }
}

TEST_CASE("durability: requests that share a commit share its fate, and no other's") {
  FaultyFileSystem fs;
  VirtualClock clock;
  Server server(fs, clock);
  std::vector<std::shared_ptr<Answer>> logs, spans;
  for (int number = 0; number < 5; number++) {
    logs.push_back(server.post({Signal::kLog, number}));
    spans.push_back(server.post({Signal::kSpan, number}));
  }
  fs.fail_at(FileOp::kSync, 1, ErrorCode::kIo, true);
  server.commit_logs();
  CHECK(fs.fault_fired());
  fs.clear_faults();
  for (const auto& answer : logs) CHECK(answer->status == 503);
  for (const auto& answer : spans) CHECK(answer->status == 0);
  server.commit_spans();
  for (const auto& answer : spans) CHECK(answer->status == 200);
}

TEST_CASE("durability: whatever operation fails, once or for ever, what was answered 2xx survives") {
  for (FileOp op : {FileOp::kSync, FileOp::kWrite, FileOp::kCreate, FileOp::kSyncDirectory, FileOp::kRename,
                    FileOp::kRemove, FileOp::kTruncate, FileOp::kPreallocate}) {
    for (bool forever : {false, true}) {
      for (uint64_t nth = 1;; nth++) {
        CAPTURE(static_cast<int>(op));
        CAPTURE(forever);
        CAPTURE(nth);
        FaultyFileSystem fs;
        VirtualClock clock;
        Run run;
        bool fired = false;
        {
          Server server(fs, clock);
          fs.fail_at(op, nth, ErrorCode::kIo, forever);
          run = run_requests(server, clock, 7);
          fired = fs.fault_fired();
          if (!fired) CHECK(run.acknowledged == run.sent);
          if (fired && forever && op == FileOp::kSync) CHECK(run.acknowledged.size() < run.sent.size());
          // One fault costs the requests of one commit, not the stores.
          if (!forever) CHECK(run.sent.size() - run.acknowledged.size() <= 1);
          fs.crash();
        }
        check_survivors(Server(fs, clock).content(), run);
        if (!fired) {
          // Each request syncs at least once, so there were as many places to fail.
          if (op == FileOp::kSync || op == FileOp::kWrite) CHECK(nth > run.sent.size());
          break;
        }
      }
    }
  }
}

TEST_CASE("durability: power lost at any operation loses nothing that was answered 2xx") {
  for (bool reordering : {false, true}) {
    Random random(7);
    for (uint64_t nth = 1;; nth++) {
      CAPTURE(reordering);
      CAPTURE(nth);
      FaultyFileSystem fs;
      VirtualClock clock;
      Run run;
      bool fired = false;
      {
        Server server(fs, clock);
        fs.lose_power_at(nth);
        run = run_requests(server, clock, 7);
        fired = fs.fault_fired();
        if (!fired) CHECK(run.acknowledged == run.sent);
        if (reordering) {
          fs.crash_with_reordering(random);
        } else {
          fs.crash();
        }
      }
      check_survivors(Server(fs, clock).content(), run);
      if (!fired) break;
    }
  }
}

TEST_CASE("durability: a full disk answers 503 and, once there is room again, 2xx that survives") {
  FaultyFileSystem fs;
  VirtualClock clock;
  Run run;
  {
    Server server(fs, clock);
    Run before = run_requests(server, clock, 2);
    CHECK(before.acknowledged == before.sent);
    fs.limit_space(fs.used_bytes());
    // Preallocated segments have room for some more; then there is none.
    Items refused;
    for (int number = 2; number < 40'000 && refused.size() < 3; number++) {
      for (Signal signal : kSignals) {
        if (refused.contains({signal, 0})) continue;
        Item item{signal, number};
        auto answer = server.post(item);
        server.commit();
        run.sent.insert(item);
        CHECK((answer->is_success() || answer->status == 503));
        if (answer->is_success()) {
          run.acknowledged.insert(item);
        } else {
          refused.insert({signal, 0});
        }
      }
    }
    CHECK(refused.size() == 3);
    fs.limit_space(0);
    clock.advance(Duration::seconds(10));
    for (Signal signal : kSignals) {
      Item item{signal, 100'000};
      auto answer = server.post(item);
      server.commit();
      CHECK_MESSAGE(answer->is_success(), to_string(signal), ": ", answer->status, " ", answer->body);
      run.sent.insert(item);
      if (answer->is_success()) run.acknowledged.insert(item);
    }
    run.sent.insert(before.sent.begin(), before.sent.end());
    run.acknowledged.insert(before.acknowledged.begin(), before.acknowledged.end());
    fs.crash();
  }
  check_survivors(Server(fs, clock).content(), run);
}

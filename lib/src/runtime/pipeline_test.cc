// Logs, spans and export as a host sees them: init() to shutdown(), real files, real sockets.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "export/wire_reader.h"
#include "log/json_reader.h"
#include "runtime/drops.h"
#include "sonde/expose.h"
#include "sonde/sonde.h"
#ifdef SONDE_HAVE_OTLP
#include "sonde/otlp.h"
#endif

using namespace sonde::literals;
using namespace std::chrono_literals;
using sonde::detail::DropReason;
using sonde::detail::Signal;

namespace {

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class TempFile {
 public:
  TempFile() {
    static int n = 0;
    path_ = "/tmp/sonde_pipeline_test_" + std::to_string(getpid()) + "_" + std::to_string(n++);
  }
  ~TempFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::ifstream in(path_);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }

 private:
  std::string path_;
};

// Keeps what it is given; answers as told.
class Collector final : public sonde::Transport {
 public:
  sonde::TransportResult post(const sonde::TransportRequest& r) noexcept override {
    std::lock_guard lock(mu_);
    posts_++;
    if (status_ / 100 == 2) (r.url.ends_with("/v1/traces") ? traces_ : logs_).emplace_back(r.body);
    headers_ = r.headers;
    return {status_, retry_after_ms_};
  }
  void answer(int status, int64_t retry_after_ms = -1) {
    std::lock_guard lock(mu_);
    status_ = status;
    retry_after_ms_ = retry_after_ms;
  }
  std::vector<std::string> traces() {
    std::lock_guard lock(mu_);
    return traces_;
  }
  std::vector<std::string> logs() {
    std::lock_guard lock(mu_);
    return logs_;
  }
  std::string headers() {
    std::lock_guard lock(mu_);
    return headers_;
  }
  int posts() {
    std::lock_guard lock(mu_);
    return posts_;
  }

 private:
  std::mutex mu_;
  int status_ = 200;
  int64_t retry_after_ms_ = -1;
  int posts_ = 0;
  std::vector<std::string> traces_, logs_;
  std::string headers_;
};

// The spans of all requests, with their bytes.
std::vector<wire::Message> spans_of(const std::vector<std::string>& bodies) {
  std::vector<wire::Message> out;
  for (const std::string& body : bodies) {
    for (const auto& resource : wire::Message(body).all(1)) {
      for (const auto& scope : resource.all(2)) {
        for (const auto& span : scope.all(2)) out.push_back(span);
      }
    }
  }
  return out;
}

std::string big_endian(uint64_t v) {
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift);
  return out;
}

template <class F>
bool eventually(F&& f, int64_t ms = 10'000) {
  for (int64_t end = now_ms() + ms; now_ms() < end; std::this_thread::sleep_for(5ms)) {
    if (f()) return true;
  }
  return f();
}

}  // namespace

TEST_CASE("log: a line is one valid JSON object with typed fields, place, thread and trace") {
  TempFile file;
  static constinit sonde::Logger db{"db"};
  {
    auto telemetry = sonde::init({.service = "shop", .log_path = file.path()});
    REQUIRE_MESSAGE(telemetry, sonde::problem());
    std::string hostile =
        "quote\" back\\ line\n tab\t nul" + std::string(1, '\0') + " bad\xff\xfe ok\xc3\xa4 \x7f";
    sonde::info("order placed", "order_id"_f = 42, "total"_f = 12.5, "paid"_f = true, "who"_f = hostile,
                "big"_f = UINT64_MAX, "small"_f = INT64_MIN, "nan"_f = 0.0 / 0.0, "message"_f = "mine",
                "none"_f = static_cast<const char*>(nullptr));
    int line = __LINE__ - 3;
    db.warn(sonde::Text{hostile}, "k\"ey"_f = 1, "twice"_f = 1, "twice"_f = 2);
    sonde::debug("below the level", "x"_f = 1);
    {
      sonde::Span span{"work"};
      db.error("in a span");
      CHECK(sonde::flush(5000));
      auto lines = file.lines();
      REQUIRE(lines.size() == 3);
      json::Object first(lines[0]), second(lines[1]), third(lines[2]);
      REQUIRE_MESSAGE(first.valid(), lines[0]);
      CHECK(first.at("level") == "info");
      CHECK(first.at("message") == "order placed");
      CHECK(first.at("order_id") == "42");
      CHECK(first.at("total") == "12.5");
      CHECK(first.at("paid") == "true");
      std::string cleaned = "quote\" back\\ line\n tab\t nul" + std::string(1, '\0') +
                            " bad\xef\xbf\xbd\xef\xbf\xbd ok\xc3\xa4 \x7f";
      CHECK(first.at("who") == cleaned);
      CHECK(first.at("big") == "18446744073709551615");
      CHECK(first.at("small") == "-9223372036854775808");
      CHECK(first.at("nan") == "NaN");
      CHECK(first.at("fields.message") == "mine");
      CHECK(first.at("none") == "");
      CHECK(first.at("service.name") == "shop");
      CHECK(first.at("code.file.path").ends_with("pipeline_test.cc"));
      CHECK(std::abs(std::stoi(first.at("code.line.number")) - line) <= 2);
      CHECK(first.at("thread.id") == std::to_string(gettid()));
      CHECK(first.at("trace_id") == "<absent>");
      std::string t = first.at("timestamp");
      CHECK(t.size() == 30);
      CHECK(t[10] == 'T');
      CHECK(t.back() == 'Z');
      REQUIRE_MESSAGE(second.valid(), lines[1]);
      CHECK(second.at("logger") == "db");
      CHECK(second.at("message") == cleaned);
      CHECK(second.at("k\"ey") == "1");
      CHECK(second.at("twice") == "2");
      REQUIRE_MESSAGE(third.valid(), lines[2]);
      CHECK(third.at("trace_id") == span.context().traceparent().trace_id());
      CHECK(third.at("span_id") == span.context().traceparent().span_id());
      CHECK(third.at("trace_flags") == "01");
    }
  }
}

TEST_CASE("log: levels change at run time, for all and by name, before and after a logger's first line") {
  TempFile file;
  static constinit sonde::Logger early{"levels.early"};
  static constinit sonde::Logger late{"levels.late"};
  auto telemetry = sonde::init({.level = sonde::Level::kWarn, .log_path = file.path()});
  REQUIRE_MESSAGE(telemetry, sonde::problem());
  early.info("no");
  sonde::set_level("levels.early", sonde::Level::kDebug);
  sonde::set_level("levels.late", sonde::Level::kDebug);
  early.debug("yes 1");
  late.debug("yes 2");
  late.trace("no");
  sonde::reset_level("levels.late");
  late.info("no");
  sonde::set_level(sonde::Level::kTrace);
  sonde::trace("yes 3");
  late.trace("yes 4");
  sonde::set_level(sonde::Level::kOff);
  sonde::fatal("no");
  sonde::set_level(sonde::Level::kInfo);
  CHECK(sonde::flush(5000));
  auto lines = file.lines();
  REQUIRE(lines.size() == 4);
  for (size_t i = 0; i < 4; i++)
    CHECK(json::Object(lines[i]).at("message") == "yes " + std::to_string(i + 1));
  sonde::LoggerLevel known[64];
  size_t n = sonde::loggers(known, 64);
  bool found = false;
  for (size_t i = 0; i < n; i++) {
    if (known[i].name != "levels.early") continue;
    found = known[i].level == sonde::Level::kDebug && !known[i].inherited;
  }
  CHECK(found);
  sonde::Level level;
  CHECK(sonde::parse_level("WARNING", level));
  CHECK(level == sonde::Level::kWarn);
  CHECK_FALSE(sonde::parse_level("loud", level));
}

TEST_CASE("log: lines of many threads are all there, whole, and in each thread's order") {
  TempFile file;
  auto telemetry = sonde::init({.log_path = file.path(), .ring_bytes = 1 << 20});
  REQUIRE_MESSAGE(telemetry, sonde::problem());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([t] {
      for (int i = 0; i < 2000; i++) {
        if (i % 80 == 0) CHECK(sonde::flush(20'000));  // less than a ring between two
        sonde::info("line", "thread"_f = t, "i"_f = i, "pad"_f = std::string(100, 'x'));
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(sonde::flush(20'000));
  int next[4] = {};
  auto lines = file.lines();
  CHECK(lines.size() == 8000);
  for (const auto& line : lines) {
    json::Object o(line);
    REQUIRE_MESSAGE(o.valid(), line);
    int t = std::stoi(o.at("thread"));
    CHECK(o.at("i") == std::to_string(next[t]++));
  }
}

TEST_CASE("log: without init() a line is dropped and counted, and a span is nothing") {
  uint64_t before = sonde::detail::drops(Signal::kLogs, DropReason::kNotStarted);
  sonde::info("nobody hears", "x"_f = 1);
  CHECK(sonde::detail::drops(Signal::kLogs, DropReason::kNotStarted) == before + 1);
  sonde::Span span{"nothing"};
  CHECK_FALSE(span.recording());
  CHECK_FALSE(span.context().valid());
  CHECK_FALSE(sonde::current_context().valid());
  CHECK(sonde::flush(10));
  CHECK(sonde::shutdown(10));
}

TEST_CASE("log: a record larger than a quarter of the ring is dropped and counted") {
  TempFile file;
  auto telemetry = sonde::init({.log_path = file.path()});
  uint64_t before = sonde::detail::drops(Signal::kLogs, DropReason::kTooLarge);
  sonde::info("large", "x"_f = std::string(2 << 20, 'x'));
  CHECK(sonde::detail::drops(Signal::kLogs, DropReason::kTooLarge) == before + 1);
  sonde::info("small");
  CHECK(sonde::flush(5000));
  CHECK(file.lines().size() == 1);
}

TEST_CASE("log: a reader that stops reading blocks no caller; drops are counted and shutdown() is on time") {
  int pipe_fds[2];
  REQUIRE(pipe(pipe_fds) == 0);
  std::string path = "/proc/self/fd/" + std::to_string(pipe_fds[1]);
  auto telemetry = sonde::init({.log_path = path});
  REQUIRE_MESSAGE(telemetry, sonde::problem());
  REQUIRE(sonde::problem() == "");
  close(pipe_fds[1]);
  constexpr int kLines = 50'000;
  uint64_t full = sonde::detail::drops(Signal::kLogs, DropReason::kRingFull);
  std::string pad(200, 'x');
  int64_t start = now_ms();
  // A thread of its own: the ring of this one may be larger, from an earlier test.
  std::thread([&] {
    for (int i = 0; i < kLines; i++) sonde::info("stuck", "i"_f = i, "pad"_f = pad);
  }).join();
  CHECK(now_ms() - start < 5'000);
  CHECK(sonde::detail::drops(Signal::kLogs, DropReason::kRingFull) - full > kLines / 2);
  start = now_ms();
  CHECK_FALSE(sonde::shutdown(200));
  int64_t took = now_ms() - start;
  CHECK(took >= 190);
  CHECK(took < 450);
  // Until the stuck thread has ended there can be no other.
  CHECK_FALSE(sonde::init({}));
  CHECK(sonde::problem() == "init: a thread of the one before has not ended");
  std::string out;
  char buffer[65536];
  for (ssize_t n; (n = read(pipe_fds[0], buffer, sizeof buffer)) > 0;)
    out.append(buffer, static_cast<size_t>(n));
  close(pipe_fds[0]);
  uint64_t lines = 0;
  for (size_t at = 0; at < out.size();) {
    size_t end = out.find('\n', at);
    REQUIRE(end != std::string::npos);
    CHECK(json::Object(std::string_view(out).substr(at, end - at)).valid());
    at = end + 1;
    lines++;
  }
  CHECK(lines + sonde::detail::drops(Signal::kLogs, DropReason::kRingFull) - full == kLines);
  CHECK(eventually([] {
    TempFile file;
    auto again = sonde::init({.log_path = file.path()});
    return static_cast<bool>(again);
  }));
}

TEST_CASE("span: OTLP bytes say what was set, decoded independently") {
  TempFile file;
  Collector collector;
  sonde::Context remote =
      sonde::Context::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "k=v");
  uint64_t parent_id = 0, child_id = 0;
  auto telemetry = sonde::init({.service = "shop",
                                .version = "1.4.2",
                                .resource_attributes = "deployment.environment=pro%64,host.name=h1",
                                .log_path = file.path(),
                                .otlp_endpoint = "http://collector:4318/",
                                .otlp_headers = "authorization=Bearer%20x",
                                .transport = &collector});
  REQUIRE_MESSAGE(telemetry, sonde::problem());
  int64_t before = std::chrono::system_clock::now().time_since_epoch().count();
  {
    sonde::Span parent{"GET /users/{id}",
                       {.kind = sonde::Span::Kind::kServer,
                        .parent = &remote,
                        .attributes = {"http.route"_f = "/users/{id}"}}};
    parent_id = parent.context().span_id();
    {
      sonde::Span child{"SELECT", {.kind = sonde::Span::Kind::kClient}};
      child_id = child.context().span_id();
      child.set({"rows"_f = 7, "ratio"_f = 0.5, "hit"_f = false, "rows"_f = 8});
      child.event("retry", {"attempt"_f = 2});
      child.link(sonde::Context(1, 2, 3, 1));
      child.rename("SELECT users");
      child.error("bad \xff bytes");
      sonde::error("query failed", "code"_f = "57014");
    }
    std::string long_value(3000, 'v');
    parent.set("long"_f = long_value);
    parent.set("too.long"_f = std::string(20'000, 'v'));
    parent.ok();
  }
  CHECK(sonde::flush(10'000));
  int64_t after = std::chrono::system_clock::now().time_since_epoch().count();
  auto spans = spans_of(collector.traces());
  REQUIRE(spans.size() == 2);
  const wire::Message &child = spans[0], &parent = spans[1];
  std::string trace_id = big_endian(0x0af7651916cd43dd) + big_endian(0x8448eb211c80319c);
  CHECK(child.valid);
  CHECK(child.text(1) == trace_id);
  CHECK(child.text(2) == big_endian(child_id));
  CHECK(child.text(3) == "k=v");
  CHECK(child.text(4) == big_endian(parent_id));
  CHECK(child.text(5) == "SELECT users");
  CHECK(child.number(6) == 3);
  CHECK(static_cast<int64_t>(child.number(7)) >= before - 5'000'000);
  CHECK(child.number(8) >= child.number(7));
  CHECK(static_cast<int64_t>(child.number(8)) <= after + 5'000'000);
  CHECK(wire::attribute(child, 9, "rows") == "i:8");
  CHECK(wire::attribute(child, 9, "ratio") == "d:" + std::to_string(std::bit_cast<int64_t>(0.5)));
  CHECK(wire::attribute(child, 9, "hit") == "b:0");
  auto events = child.all(11);
  REQUIRE(events.size() == 1);
  CHECK(events[0].text(2) == "retry");
  CHECK(wire::attribute(events[0], 3, "attempt") == "i:2");
  auto links = child.all(13);
  REQUIRE(links.size() == 1);
  CHECK(links[0].text(1) == big_endian(1) + big_endian(2));
  CHECK(links[0].text(2) == big_endian(3));
  auto status = child.all(15);
  REQUIRE(status.size() == 1);
  CHECK(status[0].text(2) == "bad \xef\xbf\xbd bytes");
  CHECK(status[0].number(3) == 2);
  CHECK(child.number(16) == 0x101);
  CHECK(parent.text(4) == big_endian(0xb7ad6b7169203331));
  CHECK(parent.number(6) == 2);
  CHECK(parent.number(16) == 0x301);
  CHECK(wire::attribute(parent, 9, "http.route") == "s:/users/{id}");
  CHECK(wire::attribute(parent, 9, "long") == "s:" + std::string(3000, 'v'));
  CHECK(wire::attribute(parent, 9, "too.long") == "<absent>");
  CHECK(parent.number(10) == 1);
  CHECK(parent.all(15).at(0).number(3) == 1);

  wire::Message request(collector.traces().at(0));
  auto resource = request.all(1).at(0).all(1).at(0);
  CHECK(wire::attribute(resource, 1, "service.name") == "s:shop");
  CHECK(wire::attribute(resource, 1, "service.version") == "s:1.4.2");
  CHECK(wire::attribute(resource, 1, "deployment.environment") == "s:prod");
  CHECK(wire::attribute(resource, 1, "telemetry.sdk.language") == "s:cpp");
  CHECK(collector.headers() == "authorization: Bearer x\n");

  auto logs = spans_of(collector.logs());  // the same nesting
  REQUIRE(logs.size() == 1);
  CHECK(logs[0].number(2) == 17);
  CHECK(logs[0].text(3) == "ERROR");
  CHECK(logs[0].all(5).at(0).text(1) == "query failed");
  CHECK(wire::attribute(logs[0], 6, "code") == "s:57014");
  CHECK(logs[0].number(8) == 1);
  CHECK(logs[0].text(9) == trace_id);
  CHECK(logs[0].text(10) == big_endian(child_id));
  CHECK(sonde::expose().body.find("target_info{telemetry_sdk_name=\"sonde\"") != std::string::npos);
  CHECK(sonde::expose().body.find("\nshop_build_info{version=\"1.4.2\"} 1\n") != std::string::npos);
}

TEST_CASE("span: samplers, and what an unsampled span still does") {
  TempFile file;
  Collector collector;
  size_t sampled = 0;  // of the last count, exported or not
  auto count = [&](sonde::Sampler sampler, const sonde::Context* parent, int n) {
    sampled = 0;
    size_t before = spans_of(collector.traces()).size();
    auto telemetry = sonde::init({.log_path = file.path(),
                                  .sampler = sampler,
                                  .otlp_endpoint = "http://c",
                                  .transport = &collector,
                                  .ring_bytes = 1 << 20});
    REQUIRE_MESSAGE(telemetry, sonde::problem());
    for (int i = 0; i < n; i++) {
      sonde::Span span{"s", {.parent = parent}};
      CHECK(span.context().valid());
      CHECK(span.context().sampled() == span.recording());
      sampled += span.context().sampled() ? 1 : 0;
      if (parent != nullptr) CHECK(span.context().trace_id_low() == parent->trace_id_low());
    }
    CHECK(sonde::flush(10'000));
    return spans_of(collector.traces()).size() - before;
  };
  sonde::Context yes(1, ~0ull, 5, 1), no(1, 1, 5, 0);
  CHECK(count(sonde::always_sample, &no, 3) == 3);
  CHECK(count(sonde::never_sample, &yes, 3) == 0);
  CHECK(count(sonde::parent_based(sonde::never_sample), &yes, 3) == 3);
  CHECK(count(sonde::parent_based(sonde::always_sample), &no, 3) == 0);
  CHECK(count(sonde::parent_based(sonde::always_sample), nullptr, 3) == 3);
  CHECK(count(sonde::sample_ratio(0.5), &yes, 3) == 0);  // by the trace id
  CHECK(count(sonde::sample_ratio(0.5), &no, 3) == 3);
  // So many at once may overrun the ring of a loaded machine: what counts is what was chosen.
  count(sonde::sample_ratio(0.5), nullptr, 2000);
  CHECK(sampled > 850);
  CHECK(sampled < 1150);
}

TEST_CASE("span: ids are not repeated, over threads") {
  TempFile file;
  auto telemetry = sonde::init({.log_path = file.path()});
  std::mutex mu;
  std::set<uint64_t> ids;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; i++) {
        sonde::Span span{"s"};
        std::lock_guard lock(mu);
        ids.insert(span.context().span_id());
      }
    });
  }
  for (auto& t : threads) t.join();
  CHECK(ids.size() == 4000);
}

TEST_CASE("span: a detached span does not become current and ends on another thread") {
  TempFile file;
  Collector collector;
  auto telemetry =
      sonde::init({.log_path = file.path(), .otlp_endpoint = "http://c", .transport = &collector});
  sonde::Span span{"async", {.detached = true}};
  CHECK_FALSE(sonde::current_context().valid());
  std::thread([&] {
    sonde::ContextScope scope(span.context());
    {
      sonde::Span inner{"inner"};
    }
    span.end();
    CHECK(sonde::current_context().span_id() == span.context().span_id());
  }).join();
  CHECK(sonde::flush(10'000));
  auto spans = spans_of(collector.traces());
  REQUIRE(spans.size() == 2);
  CHECK(spans[0].text(4) == big_endian(span.context().span_id()));
  CHECK(spans[1].text(5) == "async");
}

TEST_CASE("span: the console exporter writes valid JSON beside the logs") {
  TempFile file;
  auto telemetry = sonde::init({.log_path = file.path(), .spans = sonde::SpanExport::kConsole});
  {
    sonde::Span span{"na\"me"};
    span.set("a"_f = 1);
    span.event("e\n", {"name"_f = "x"});
    span.error("why");
  }
  CHECK(sonde::flush(5000));
  auto lines = file.lines();
  REQUIRE(lines.size() == 1);
  json::Object o(lines[0]);
  REQUIRE_MESSAGE(o.valid(), lines[0]);
  CHECK(o.at("span") == "na\"me");
  CHECK(o.at("attributes") == "{\"a\":1}");
  CHECK(o.at("status") == "error");
  CHECK(o.at("status_description") == "why");
}

TEST_CASE("export: a collector that is away gets everything when it is back") {
  TempFile file;
  Collector collector;
  collector.answer(503);
  auto telemetry =
      sonde::init({.log_path = file.path(), .otlp_endpoint = "http://c", .transport = &collector});
  {
    sonde::Span span{"kept"};
  }
  CHECK_FALSE(sonde::flush(100));
  CHECK(collector.posts() >= 1);
  collector.answer(200);
  CHECK(eventually([&] { return collector.traces().size() == 1; }));
  CHECK(sonde::flush(5000));
}

TEST_CASE("export: a refusal for good drops the batch, and counts its items") {
  TempFile file;
  Collector collector;
  collector.answer(400);
  auto telemetry =
      sonde::init({.log_path = file.path(), .otlp_endpoint = "http://c", .transport = &collector});
  uint64_t before = sonde::detail::drops(Signal::kSpans, DropReason::kRejected);
  for (int i = 0; i < 3; i++) sonde::Span{"refused"};
  CHECK(sonde::flush(5000));
  CHECK(sonde::detail::drops(Signal::kSpans, DropReason::kRejected) == before + 3);
}

TEST_CASE(
    "export: the queue is bounded; what does not fit is dropped and counted, nothing is lost silently") {
  TempFile file;
  Collector collector;
  collector.answer(503);
  auto rejected = [] {
    return sonde::detail::drops(Signal::kSpans, DropReason::kQueueFull) +
           sonde::detail::drops(Signal::kSpans, DropReason::kShutdown) +
           sonde::detail::drops(Signal::kSpans, DropReason::kRingFull);
  };
  uint64_t before = rejected();
  {
    auto telemetry = sonde::init({.log_path = file.path(),
                                  .otlp_endpoint = "http://c",
                                  .transport = &collector,
                                  .batch_bytes = 4096,
                                  .queue_bytes = 16384});
    for (int i = 0; i < 2000; i++) {
      sonde::Span span{"many"};
      span.set("pad"_f = "0123456789012345678901234567890123456789");
    }
    CHECK_FALSE(sonde::flush(200));
    CHECK(sonde::detail::drops(Signal::kSpans, DropReason::kQueueFull) > 0);
    CHECK_FALSE(sonde::shutdown(100));
  }
  CHECK(eventually([&] { return rejected() - before == 2000; }));
}

#ifdef SONDE_HAVE_OTLP
namespace {

// A listening socket on the loopback; what it does with connections is up to the test.
class Listener {
 public:
  Listener() {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(fd_, 8);
  }
  ~Listener() { close(fd_); }
  int fd() const { return fd_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Reads one request and answers it; returns the request.
  std::string serve(const std::string& answer) const {
    int c = accept(fd_, nullptr, nullptr);
    std::string in;
    char buffer[4096];
    size_t want = std::string::npos;
    while (in.size() < want) {
      ssize_t n = read(c, buffer, sizeof buffer);
      if (n <= 0) break;
      in.append(buffer, static_cast<size_t>(n));
      size_t end = in.find("\r\n\r\n");
      size_t at = in.find("Content-Length: ");
      if (end != std::string::npos && at != std::string::npos)
        want = end + 4 + std::stoul(in.substr(at + 16));
    }
    for (size_t sent = 0; sent < answer.size();) {
      ssize_t n = send(c, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    close(c);
    return in;
  }

 private:
  int fd_;
  int port_;
};

}  // namespace

TEST_CASE("otlp: spans arrive over HTTP, with type, path and headers") {
  TempFile file;
  Listener listener;
  std::string request;
  std::thread server([&] { request = listener.serve("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); });
  auto telemetry = sonde::init({.log_path = file.path(),
                                .otlp_endpoint = listener.url(),
                                .otlp_headers = "x-key=1",
                                .transport = sonde::otlp::transport()});
  {
    sonde::Span span{"over http"};
  }
  CHECK(sonde::flush(10'000));
  server.join();
  CHECK(request.starts_with("POST /v1/traces HTTP/1.1\r\n"));
  CHECK(request.find("Content-Type: application/x-protobuf\r\n") != std::string::npos);
  CHECK(request.find("x-key: 1\r\n") != std::string::npos);
  auto spans = spans_of({request.substr(request.find("\r\n\r\n") + 4)});
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].text(5) == "over http");
}

TEST_CASE("otlp: an answer without end is cut off") {
  TempFile file;
  Listener listener;
  std::thread server([&] {
    listener.serve("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + std::string(4 << 20, 'x'));
  });
  auto telemetry = sonde::init(
      {.log_path = file.path(), .otlp_endpoint = listener.url(), .transport = sonde::otlp::transport()});
  {
    sonde::Span span{"s"};
  }
  int64_t start = now_ms();
  CHECK(sonde::flush(8'000));
  CHECK(now_ms() - start < 5'000);
  server.join();
}

TEST_CASE("otlp: with a collector that hangs, flush() and shutdown() return on time and logging goes on") {
  TempFile file;
  Listener listener;  // accepts into its backlog and never answers
  auto telemetry = sonde::init({.log_path = file.path(),
                                .otlp_endpoint = listener.url(),
                                .transport = sonde::otlp::transport(),
                                .batch_delay_ms = 1});
  uint64_t before = sonde::detail::drops(Signal::kSpans, DropReason::kShutdown);
  {
    sonde::Span span{"s"};
  }
  int64_t start = now_ms();
  CHECK_FALSE(sonde::flush(150));
  CHECK(now_ms() - start < 400);
  sonde::info("still here");
  CHECK(eventually([&] { return file.lines().size() == 1; }));
  start = now_ms();
  CHECK_FALSE(sonde::shutdown(200));
  CHECK(now_ms() - start < 500);
  CHECK(
      eventually([&] { return sonde::detail::drops(Signal::kSpans, DropReason::kShutdown) == before + 1; }));
}

TEST_CASE("otlp: with nobody listening the data waits, and arrives once somebody does") {
  TempFile file;
  Collector unused;
  auto listener = std::make_unique<Listener>();
  std::string url = listener->url();
  int port = std::stoi(url.substr(url.rfind(':') + 1));
  listener.reset();
  auto telemetry =
      sonde::init({.log_path = file.path(), .otlp_endpoint = url, .transport = sonde::otlp::transport()});
  {
    sonde::Span span{"late"};
  }
  CHECK_FALSE(sonde::flush(300));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  listen(fd, 8);
  std::thread server([&] {
    int c = accept(fd, nullptr, nullptr);
    char buffer[4096];
    CHECK(read(c, buffer, sizeof buffer) > 0);
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    CHECK(send(c, answer.data(), answer.size(), MSG_NOSIGNAL) > 0);
    close(c);
  });
  CHECK(sonde::flush(10'000));
  server.join();
  close(fd);
}
#endif

TEST_CASE("init: the environment overrides the code") {
  TempFile file;
  Collector collector;
  setenv("OTEL_SERVICE_NAME", "from_env", 1);
  setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=lesser,team=blue", 1);
  setenv("OTEL_TRACES_SAMPLER", "always_off", 1);
  {
    auto telemetry = sonde::init({.service = "shop", .log_path = file.path()});
    REQUIRE(telemetry);
    sonde::Span span{"s"};
    CHECK_FALSE(span.context().sampled());
    sonde::info("x");
    CHECK(sonde::flush(5000));
    CHECK(json::Object(file.lines().at(0)).at("service.name") == "from_env");
    CHECK(sonde::expose().body.find("team=\"blue\"") != std::string::npos);
    CHECK_FALSE(sonde::init({}));
    CHECK(sonde::problem() == "init: already started");
  }
  setenv("OTEL_TRACES_SAMPLER", "sometimes", 1);
  {
    auto telemetry = sonde::init({.log_path = file.path()});
    CHECK(sonde::problem() == "OTEL_TRACES_SAMPLER: cannot use \"sometimes\"");
  }
  unsetenv("OTEL_TRACES_SAMPLER");
  setenv("OTEL_SDK_DISABLED", "true", 1);
  CHECK_FALSE(sonde::init({.log_path = file.path()}));
  unsetenv("OTEL_SDK_DISABLED");
  unsetenv("OTEL_SERVICE_NAME");
  unsetenv("OTEL_RESOURCE_ATTRIBUTES");
  {
    auto telemetry = sonde::init({.log_path = file.path(), .otlp_endpoint = "http://c"});
    CHECK(sonde::problem() == "otlp endpoint http://c: no transport given, nothing is exported");
  }
}

// The thread sanitizer cannot follow threads that a forked child starts; the other builds run it.
#if defined(__SANITIZE_THREAD__)
constexpr bool kForkIsBeyondSanitizer = true;
#else
constexpr bool kForkIsBeyondSanitizer = false;
#endif

TEST_CASE(
    "fork: the child counts from zero, keeps gauges, logs by itself and repeats nothing of the parent's" *
    doctest::skip(kForkIsBeyondSanitizer)) {
  static constinit sonde::Counter<"fork_events_total"> events{{.help = "x"}};
  static constinit sonde::Gauge<"fork_level"> level{{.help = "x"}};
  TempFile file;
  auto telemetry = sonde::init({.log_path = file.path()});
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done) {
      events.inc();
      sonde::info("from the parent's thread");
      std::this_thread::yield();
    }
  });
  events.inc(5);
  level.set(7);
  uint64_t parent_id = sonde::Span{"p"}.context().span_id();
  for (int i = 0; i < 20; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      events.inc();
      sonde::info("child", "pid"_f = getpid());
      std::string body = sonde::expose().body;
      bool ok = body.find("\nfork_events_total 1\n") != std::string::npos &&
                body.find("\nfork_level 7\n") != std::string::npos;
      ok = ok && sonde::Span{"c"}.context().span_id() != parent_id;
      ok = ok && sonde::flush(5000) && sonde::shutdown(5000);
      _exit(ok ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
  }
  done = true;
  busy.join();
  CHECK(sonde::flush(10'000));
  int children = 0;
  for (const auto& line : file.lines()) {
    json::Object o(line);
    REQUIRE_MESSAGE(o.valid(), line);
    if (o.at("message") == "child") children++;
  }
  CHECK(children == 20);
}

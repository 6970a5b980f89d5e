#include "metrics/family.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "runtime/lane.h"
#include "sonde/expose.h"
#include "sonde/registry.h"
#include "sonde/span.h"

namespace {

constinit sonde::Counter<"family_orders_total", "channel", "result"> g_orders{{.help = "Orders placed"}};
constinit sonde::Counter<"family_plain_total"> g_plain{{.help = "No labels"}};
constinit sonde::Counter<"family_threads_total", "n"> g_threads{{.help = "Sums"}};
constinit sonde::Counter<"family_capped_total", "id"> g_capped{{.help = "Capped", .max_series = 3}};
constinit sonde::Gauge<"family_queue", "name"> g_queue{{.help = "Queue"}};
constinit sonde::Histogram<"family_wait_seconds", "kind"> g_wait{{.help = "Wait", .buckets = {0.1, 1}}};
constinit sonde::Histogram<"family_size_bytes"> g_size{{.help = "Size", .buckets = {10, 100}}};

std::string page() { return sonde::expose().body; }

bool has_line(const std::string& body, const std::string& line) {
  return ("\n" + body).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("counter: the same label values are the same series, whatever their type") {
  g_orders("web", "ok").inc();
  g_orders(std::string("web"), std::string_view("ok")).inc(2);
  auto bound = g_orders.bind("web", "ok");
  bound.inc();
  g_orders("web", 404).inc();
  g_orders(true, "404").inc();
  std::string body = page();
  CHECK(has_line(body, "family_orders_total{channel=\"web\",result=\"ok\"} 4"));
  CHECK(has_line(body, "family_orders_total{channel=\"web\",result=\"404\"} 1"));
  CHECK(has_line(body, "family_orders_total{channel=\"true\",result=\"404\"} 1"));
}

TEST_CASE("counter: label values that join to the same text are different series") {
  g_orders("ab", "c").inc();
  g_orders("a", "bc").inc();
  std::string body = page();
  CHECK(has_line(body, "family_orders_total{channel=\"ab\",result=\"c\"} 1"));
  CHECK(has_line(body, "family_orders_total{channel=\"a\",result=\"bc\"} 1"));
}

TEST_CASE("counter: without labels there are no braces, and bind() shows a zero") {
  g_plain.bind();
  CHECK(has_line(page(), "family_plain_total 0"));
  g_plain.inc(3);
  CHECK(has_line(page(), "family_plain_total 3"));
}

TEST_CASE("counter: sums over threads that live, ended and share are exact, while scrapes go on") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 3;
  constexpr int kIncrements = 20000;
  std::atomic<bool> done{false};
  std::thread scraper([&] {
    uint64_t before = 0;
    while (!done.load()) {
      std::string body = page();
      size_t at = body.find("family_threads_total{n=\"0\"} ");
      uint64_t now = at == std::string::npos ? 0 : std::stoull(body.substr(at + 28));
      CHECK(now >= before);
      before = now;
    }
  });
  for (int round = 0; round < kRounds; round++) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; t++) {
      threads.emplace_back([] {
        auto bound = g_threads.bind(0);
        for (int i = 0; i < kIncrements; i++) {
          bound.inc();
          g_threads(i % 7 + 1).inc();
          g_wait("thread").observe(0.5);
        }
      });
    }
    for (auto& t : threads) t.join();
  }
  done = true;
  scraper.join();
  std::string body = page();
  CHECK(has_line(body, "family_threads_total{n=\"0\"} " + std::to_string(kThreads * kRounds * kIncrements)));
  uint64_t sum = 0;
  for (int n = 1; n <= 7; n++) {
    std::string key = "family_threads_total{n=\"" + std::to_string(n) + "\"} ";
    size_t at = body.find(key);
    REQUIRE(at != std::string::npos);
    sum += std::stoull(body.substr(at + key.size()));
  }
  CHECK(sum == kThreads * kRounds * kIncrements);
  CHECK(has_line(body, "family_wait_seconds_count{kind=\"thread\"} 480000"));
  CHECK(has_line(body, "family_wait_seconds_sum{kind=\"thread\"} 240000"));
}

TEST_CASE("counter: a lane is used again after its thread ended, so that threads do not add memory") {
  for (int i = 0; i < 5; i++) std::thread([] { g_plain.inc(); }).join();
  page();
  uint32_t before = sonde::detail::lane_count();
  for (int i = 0; i < 200; i++) std::thread([] { g_plain.inc(); }).join();
  CHECK(sonde::detail::lane_count() == before);
}

TEST_CASE("family: past the limit label sets count on the overflow series, and that is counted") {
  for (int i = 0; i < 10; i++) g_capped(i).inc();
  g_capped(1).inc();
  std::string body = page();
  CHECK(has_line(body, "family_capped_total{id=\"0\"} 1"));
  CHECK(has_line(body, "family_capped_total{id=\"1\"} 2"));
  CHECK(has_line(body, "family_capped_total{id=\"2\"} 1"));
  CHECK(has_line(body, "family_capped_total{id=\"_overflow\"} 7"));
  CHECK(body.find("family_capped_total{id=\"3\"}") == std::string::npos);
  CHECK(has_line(body, "sonde_series_overflow_total{family=\"family_capped_total\"} 7"));
}

TEST_CASE("family: a label value of a megabyte goes to the overflow series") {
  g_orders(std::string(1 << 20, 'x'), "ok").inc();
  CHECK(has_line(page(), "family_orders_total{channel=\"_overflow\",result=\"_overflow\"} 1"));
}

TEST_CASE("gauge: set, inc and dec, over threads") {
  auto queue = g_queue.bind("mail");
  queue.set(12.5);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; i++) queue.inc();
      for (int i = 0; i < 999; i++) queue.dec();
    });
  }
  for (auto& t : threads) t.join();
  CHECK(has_line(page(), "family_queue{name=\"mail\"} 16.5"));
  {
    sonde::InFlight in_flight(queue);
    CHECK(has_line(page(), "family_queue{name=\"mail\"} 17.5"));
  }
  CHECK(has_line(page(), "family_queue{name=\"mail\"} 16.5"));
}

TEST_CASE(
    "histogram: bounds are inclusive, the sum of seconds is exact and the count is that of the buckets") {
  auto wait = g_wait.bind("x");
  wait.observe(0.1);
  wait.observe(0.10000001);
  wait.observe(7);
  wait.observe_ns(200'000'000);
  wait.observe(-3);
  wait.observe_ns(-1);
  wait.observe(__builtin_nan(""));
  std::string body = page();
  CHECK(has_line(body, "family_wait_seconds_bucket{kind=\"x\",le=\"0.1\"} 3"));
  CHECK(has_line(body, "family_wait_seconds_bucket{kind=\"x\",le=\"1.0\"} 5"));
  CHECK(has_line(body, "family_wait_seconds_bucket{kind=\"x\",le=\"+Inf\"} 6"));
  CHECK(has_line(body, "family_wait_seconds_sum{kind=\"x\"} 7.40000001"));
  CHECK(has_line(body, "family_wait_seconds_count{kind=\"x\"} 6"));
  CHECK(body.find("sonde_dropped_total{signal=\"metrics\",reason=\"nan\"} 0\n") == std::string::npos);
}

TEST_CASE("histogram: sums that are not seconds are doubles, over threads too") {
  std::thread([] { g_size.observe(0.5); }).join();
  std::thread([] { g_size.observe(50); }).join();
  g_size.observe(1e6);
  std::string body = page();
  CHECK(has_line(body, "family_size_bytes_bucket{le=\"10.0\"} 1"));
  CHECK(has_line(body, "family_size_bytes_sum 1000050.5"));
  CHECK(has_line(body, "family_size_bytes_count 3"));
}

TEST_CASE("histogram: a timer observes once, at the end of its scope or at stop()") {
  auto timed = g_wait.bind("timer");
  {
    auto timer = timed.time();
  }
  {
    auto timer = timed.time();
    CHECK(timer.stop() >= 0);
    CHECK(timer.stop() == 0);
  }
  {
    auto timer = timed.time();
    timer.cancel();
  }
  CHECK(has_line(page(), "family_wait_seconds_count{kind=\"timer\"} 2"));
}

TEST_CASE("registry: a family made at run time, and one that asks for the same name in another shape") {
  sonde::CounterFamily statements("dynamic_statements", "Statements", {"system", "fingerprint"});
  statements.with({"sqlite", "f00d"}).inc(5);
  statements.with({"sqlite"}).inc();  // wrong number: counts nowhere
  sonde::CounterFamily again("dynamic_statements_total", "Statements", {"system", "fingerprint"});
  again.with({"sqlite", "f00d"}).inc();
  uint64_t before = sonde::detail::conflict_count();
  sonde::GaugeFamily other("dynamic_statements_total", "Other", {});
  other.with({}).set(3);
  sonde::HistogramFamily bad("dynamic_bad-name", "Bad", {});
  bad.with({}).observe(1);
  sonde::HistogramFamily reserved("dynamic_le_seconds", "Reserved", {"le"});
  reserved.with({"1"}).observe(1);
  CHECK(sonde::detail::conflict_count() == before + 3);
  sonde::HistogramFamily good("dynamic_good_seconds", "Good", {"a"}, {1, 2});
  good.with({"v"}).observe(1.5);
  std::string body = page();
  CHECK(has_line(body, "dynamic_statements_total{system=\"sqlite\",fingerprint=\"f00d\"} 6"));
  CHECK(has_line(body, "dynamic_good_seconds_bucket{a=\"v\",le=\"2.0\"} 1"));
  CHECK(body.find("dynamic_bad") == std::string::npos);
  CHECK(body.find("dynamic_le_") == std::string::npos);
}

TEST_CASE("registry: a collector is asked at every scrape until its registration ends") {
  int calls = 0;
  {
    auto registration = sonde::register_collector([&](sonde::MetricSink& sink) {
      calls++;
      sink.family(sonde::MetricKind::kCounter, "collected_rows", "Rows");
      sink.count({{"table", "a\"b"}}, 7);
      sink.count({{"table", "a\"b"}}, 8);  // twice: left out
      sink.family(sonde::MetricKind::kGauge, "collected_rows_total", "Another kind");
      sink.value({{"table", "z"}}, 1.0);
      sink.family(sonde::MetricKind::kHistogram, "collected_seconds", "Times");
      const double bounds[] = {0.5, 1};
      const uint64_t counts[] = {1, 2, 3};
      sink.histogram({{"q", "x"}}, bounds, counts, 4.25);
      sink.value({{"q", "y"}}, 1.0);  // not a histogram: left out
    });
    CHECK(registration);
    std::string body = page();
    CHECK(has_line(body, "collected_rows_total{table=\"a\\\"b\"} 7"));
    CHECK(body.find("collected_rows_total{table=\"z\"}") == std::string::npos);
    CHECK(has_line(body, "collected_seconds_bucket{q=\"x\",le=\"1.0\"} 3"));
    CHECK(has_line(body, "collected_seconds_count{q=\"x\"} 6"));
    CHECK(has_line(body, "collected_seconds_sum{q=\"x\"} 4.25"));
  }
  std::string body = page();
  CHECK(calls == 1);
  CHECK(body.find("collected_") == std::string::npos);
}

TEST_CASE("registry: a gauge callback") {
  double value = 1.5;
  auto registration =
      sonde::gauge_callback("callback_depth", "Depth", {"pool", "main"}, [&] { return value; });
  CHECK(has_line(page(), "callback_depth{pool=\"main\"} 1.5"));
  value = 2;
  CHECK(has_line(page(), "callback_depth{pool=\"main\"} 2"));
}

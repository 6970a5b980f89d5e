#include "sonde/expose.h"

#include <doctest/doctest.h>

#include <unistd.h>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

#include "expose/accept.h"
#include "expose/text.h"
#include "sonde/context.h"
#include "sonde/counter.h"
#include "sonde/gauge.h"
#include "sonde/histogram.h"
#include "sonde/registry.h"

using namespace sonde::detail;

namespace {

constinit sonde::Counter<"golden_orders_total", "channel"> g_orders{
    {.help = "Orders \"placed\"\nby \\ channel"}};
constinit sonde::Histogram<"golden_wait_seconds"> g_wait{{.help = "Waiting time", .buckets = {0.25, 1}}};
constinit sonde::Gauge<"golden_depth", "v"> g_depth{{.help = "Depth"}};

// The lines of the families that start with golden_, HELP and TYPE included.
std::string golden(const std::string& body) {
  std::string out;
  for (size_t at = 0; at < body.size();) {
    size_t end = body.find('\n', at);
    std::string line = body.substr(at, end - at);
    if (line.starts_with("golden_") ||
        (line.starts_with("# ") && line.find(" golden_") != std::string::npos)) {
      out += line + "\n";
    }
    at = end + 1;
  }
  return out;
}

std::string number(double v) {
  std::string out;
  append_double(out, v);
  return out;
}

std::string seconds(int64_t ns) {
  std::string out;
  append_seconds(out, ns);
  return out;
}

constexpr const char* kPrometheusAccept =
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/"
    "openmetrics-text;version=0.0.1;"
    "q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

}  // namespace

TEST_CASE("expose: both formats, byte for byte") {
  g_orders("we\"b\n\\ \xff\xc3\xa4").inc(3);
  g_wait.observe(0.25);
  g_wait.observe(0.5);
  g_depth("x").set(0.1 + 0.2);
  auto text = sonde::expose();
  CHECK(text.content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(golden(text.body) ==
        "# HELP golden_depth Depth\n"
        "# TYPE golden_depth gauge\n"
        "golden_depth{v=\"x\"} 0.30000000000000004\n"
        "# HELP golden_orders_total Orders \"placed\"\\nby \\\\ channel\n"
        "# TYPE golden_orders_total counter\n"
        "golden_orders_total{channel=\"we\\\"b\\n\\\\ \xef\xbf\xbd\xc3\xa4\"} 3\n"
        "# HELP golden_wait_seconds Waiting time\n"
        "# TYPE golden_wait_seconds histogram\n"
        "golden_wait_seconds_bucket{le=\"0.25\"} 1\n"
        "golden_wait_seconds_bucket{le=\"1.0\"} 2\n"
        "golden_wait_seconds_bucket{le=\"+Inf\"} 2\n"
        "golden_wait_seconds_sum 0.75\n"
        "golden_wait_seconds_count 2\n");
  CHECK(text.body.find("# EOF") == std::string::npos);

  {
    sonde::ContextScope span(sonde::Context(0x0123456789abcdef, 0xfedcba9876543210, 0x1122334455667788, 1));
    g_wait.observe(0.75);
    g_orders("we\"b\n\\ \xff\xc3\xa4").inc();
  }
  auto open = sonde::expose(kPrometheusAccept);
  CHECK(open.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8");
  CHECK(open.body.ends_with("\n# EOF\n"));
  std::string lines = golden(open.body);
  CHECK(lines.find(
            "# HELP golden_orders Orders \\\"placed\\\"\\nby \\\\ channel\n# TYPE golden_orders counter\n") !=
        std::string::npos);
  CHECK(lines.find("# UNIT golden_wait_seconds seconds\n") != std::string::npos);
  std::string exemplar = " # {trace_id=\"0123456789abcdeffedcba9876543210\",span_id=\"1122334455667788\"} ";
  CHECK(lines.find("golden_wait_seconds_bucket{le=\"1.0\"} 3" + exemplar + "0.75 1") != std::string::npos);
  CHECK(lines.find("\"} 4" + exemplar + "1 1") != std::string::npos);
  CHECK(sonde::expose().body.find("trace_id") == std::string::npos);
}

TEST_CASE("expose: an exemplar keeps the slowest of its second") {
  static constinit sonde::Histogram<"exemplar_seconds"> slow{{.help = "x", .buckets = {10}}};
  {
    sonde::ContextScope span(sonde::Context(1, 1, 0xaa, 1));
    slow.observe(5);
  }
  {
    sonde::ContextScope span(sonde::Context(1, 1, 0xbb, 1));
    slow.observe(2);
  }
  {
    sonde::ContextScope span(sonde::Context(1, 1, 0xcc, 0));  // not sampled
    slow.observe(9);
  }
  std::string body = sonde::expose("application/openmetrics-text").body;
  CHECK(body.find("exemplar_seconds_bucket{le=\"10.0\"} 3 # {trace_id=\"00000000000000010000000000000001\","
                  "span_id=\"00000000000000aa\"} 5 ") != std::string::npos);
}

TEST_CASE("expose: numbers read back as themselves, durations are exact") {
  CHECK(number(0) == "0");
  CHECK(number(0.1) == "0.1");
  CHECK(number(1e300) == "1e+300");
  CHECK(number(-2.5) == "-2.5");
  CHECK(number(std::nan("")) == "NaN");
  CHECK(number(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(number(-std::numeric_limits<double>::infinity()) == "-Inf");
  CHECK(seconds(0) == "0");
  CHECK(seconds(1) == "0.000000001");
  CHECK(seconds(1'500'000'000) == "1.5");
  CHECK(seconds(-20'000'000'000) == "-20");
  CHECK(seconds(std::numeric_limits<int64_t>::min()) == "-9223372036.854775808");
}

TEST_CASE("expose: Accept decides the format") {
  CHECK(prefers_openmetrics(kPrometheusAccept));
  CHECK(prefers_openmetrics("application/openmetrics-text"));
  CHECK(prefers_openmetrics("Application/OpenMetrics-Text; Version=\"1.0.0\""));
  CHECK(prefers_openmetrics("text/plain;q=0.5, application/openmetrics-text;version=0.0.1;q=0.75"));
  CHECK_FALSE(prefers_openmetrics(""));
  CHECK_FALSE(prefers_openmetrics("*/*"));
  CHECK_FALSE(prefers_openmetrics("text/html"));
  CHECK_FALSE(prefers_openmetrics("application/openmetrics-text;q=0"));
  CHECK_FALSE(prefers_openmetrics("application/openmetrics-text;version=2.0.0"));
  CHECK_FALSE(prefers_openmetrics("application/openmetrics-text;q=0.2,text/plain;version=0.0.4;q=0.3"));
  CHECK_FALSE(prefers_openmetrics(";;;===,,,q"));
}

TEST_CASE("expose: the standard metrics of the process are there") {
  std::string body = sonde::expose().body;
  for (const char* name :
       {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
        "process_open_fds", "process_max_fds", "process_start_time_seconds", "process_threads"}) {
    size_t at = body.find(std::string("\n") + name + " ");
    REQUIRE_MESSAGE(at != std::string::npos, name);
    CHECK(std::strtod(body.c_str() + at + std::string(name).size() + 2, nullptr) > 0);
  }
  CHECK(body.find("\nsonde_build_info{version=\"") != std::string::npos);
  CHECK(body.find("\nsonde_dropped_total{signal=\"logs\",reason=\"ring_full\"} ") != std::string::npos);
}

TEST_CASE("expose: families are sorted and announced once") {
  std::string body = sonde::expose().body;
  std::string last;
  for (size_t at = body.find("# TYPE "); at != std::string::npos; at = body.find("# TYPE ", at + 1)) {
    std::string name = body.substr(at + 7, body.find(' ', at + 7) - at - 7);
    CHECK(last < name);
    last = name;
  }
  CHECK(last > "process");
}

TEST_CASE("expose: promtool has nothing to say about the page") {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    MESSAGE("promtool not found");
    return;
  }
  g_orders("web").inc();
  g_wait.observe(1);
  std::string path = "/tmp/sonde_expose_test_" + std::to_string(getpid());
  std::ofstream(path) << sonde::expose().body;
  int result = std::system(("promtool check metrics < " + path + " > " + path + ".out 2>&1").c_str());
  std::ifstream said(path + ".out");
  std::string text((std::istreambuf_iterator<char>(said)), std::istreambuf_iterator<char>());
  // The names of other tests' metrics are not held to the conventions.
  std::string ours;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    std::string line = text.substr(at, end - at);
    for (const char* prefix : {"golden_", "process_", "sonde_", "target_"}) {
      if (line.starts_with(prefix)) ours += line + "\n";
    }
    if (line.find("error") != std::string::npos) ours += line + "\n";
    at = end == std::string::npos ? text.size() : end + 1;
  }
  CHECK(ours == "");
  CHECK((result == 0 || !text.empty()));
  std::remove(path.c_str());
  std::remove((path + ".out").c_str());
}

#include "wire/log_line.h"

#include <doctest/doctest.h>

using namespace sonde;
using namespace sonde::wire;

namespace {
LogLine parse(std::string_view line) { return LogLineParser().parse(line); }
int64_t ns(std::string_view text) {
  auto t = parse_log_time(text);
  return t ? t->ns : -1;
}
}  // namespace

TEST_CASE("log line: a JSON object gives message, level, time, ids and typed fields") {
  auto l = parse(
      R"({"time":"2024-01-02T03:04:05.123Z","level":"WARNING","msg":"slow","trace_id":"0af7651916cd43dd8448eb211c80319c",)"
      R"("spanId":"b7ad6b7169203331","ms":12,"ratio":0.5,"ok":true,"none":null,"who":{"id":[1,"x"]}})");
  CHECK(l.kind == LineKind::kJson);
  CHECK(l.message == "slow");
  CHECK(l.level == "warn");
  CHECK(l.severity_number == 13);
  CHECK(l.time->ns == 1704164645123000000);
  CHECK(l.trace_id.to_hex() == "0af7651916cd43dd8448eb211c80319c");
  CHECK(l.span_id.to_hex() == "b7ad6b7169203331");
  REQUIRE(l.fields.size() == 5);
  CHECK(l.fields[0].second == AttributeValue(12));
  CHECK(l.fields[1].second == AttributeValue(0.5));
  CHECK(l.fields[2].second == AttributeValue(true));
  CHECK(l.fields[3].second.is_empty());
  CHECK(l.fields[4].second.to_text() == R"({"id":[1,"x"]})");
}

TEST_CASE("log line: logfmt is recognised, quoted values unescaped and numbers typed") {
  auto l = parse(R"(ts=1704164645 level=error msg="it \"broke\"" n=5 code=007 took=1.5 empty= flag)");
  CHECK(l.kind == LineKind::kLogfmt);
  CHECK(l.message == "it \"broke\"");
  CHECK(l.level == "error");
  CHECK(l.time->ns == 1704164645000000000);
  CHECK(*find_attribute(l.fields, "n") == AttributeValue(5));
  CHECK(*find_attribute(l.fields, "code") == AttributeValue("007"));
  CHECK(*find_attribute(l.fields, "took") == AttributeValue(1.5));
  CHECK(*find_attribute(l.fields, "empty") == AttributeValue(""));
  CHECK(find_attribute(l.fields, "flag") != nullptr);
}

TEST_CASE("log line: text that merely contains an equals sign stays plain") {
  for (const char* line :
       {"a = b", "x=1", "the result was x=1 y=2", "a=\"open b=2", "=1 b=2", "{not json}", "{}x", ""}) {
    auto l = parse(line);
    CHECK_MESSAGE(l.kind == LineKind::kPlain, line);
    CHECK(l.message == line);
  }
}

TEST_CASE("log line: a plain line keeps its text and gives away time and level") {
  auto python = parse("2024-01-02 03:04:05,123 ERROR root: it broke");
  CHECK(python.time->ns == 1704164645123000000);
  CHECK(python.level == "error");
  CHECK(python.message == "2024-01-02 03:04:05,123 ERROR root: it broke");
  CHECK(parse("[2024-01-02T03:04:05+01:00] [warn] x").time->ns == 1704161045000000000);
  CHECK(parse("all is well").level.empty());
  CHECK(parse("information overload").level == "info");
}

TEST_CASE("log line: times of all usual kinds are read") {
  int64_t t = 1704164645000000000;
  CHECK(ns("2024-01-02T03:04:05Z") == t);
  CHECK(ns("2024-01-02 03:04:05") == t);
  CHECK(ns("2024-01-02T04:04:05+01:00") == t);
  CHECK(ns("2024-01-02T03:04:05.000000001Z") == t + 1);
  CHECK(ns("2024-01-02T03:04:05.123456789123Z") == t + 123456789);
  CHECK(ns("1704164645") == t);
  CHECK(ns("1704164645.5") == t + 500000000);
  CHECK(ns("1704164645000") == t);
  CHECK(ns("1704164645000000") == t);
  CHECK(ns("1704164645000000000") == t);
  for (const char* bad :
       {"", "x", "2024-13-02T03:04:05Z", "2024-02-30T03:04:05Z", "2024-01-02T25:04:05Z", "-5", "nan",
        "9999-01-01T00:00:00Z", "2024-01-02T03:04:05Zx", "99999999999999999999999"}) {
    CHECK_MESSAGE(ns(bad) == -1, bad);
  }
}

TEST_CASE("log line: levels are detected in JSON, logfmt and words, else unknown") {
  LogLineParser p;
  CHECK(p.detect_level(R"({"severity":"CRITICAL"})") == "critical");
  CHECK(p.detect_level(R"({"level":30,"msg":"error"})") == "info");
  CHECK(p.detect_level("level=dbg a=b") == "debug");
  CHECK(p.detect_level("E: [ERR] disk") == "error");
  CHECK(p.detect_level("nothing to see") == "unknown");
  CHECK(p.detect_level(R"({"msg":"an error in text"})") == "unknown");
}

TEST_CASE("log line: hostile nesting ends in text") {
  std::string deep = "{\"a\":" + std::string(500, '[') + std::string(500, ']') + "}";
  auto l = parse(deep);
  CHECK(l.kind == LineKind::kJson);
  CHECK(l.fields.size() == 1);
  std::string deeper = "{\"a\":" + std::string(5000, '[') + std::string(5000, ']') + "}";
  CHECK(parse(deeper).kind == LineKind::kPlain);
}

TEST_CASE("log line: severity numbers and levels map onto each other") {
  for (std::string_view level : {"trace", "debug", "info", "warn", "error", "fatal"}) {
    CHECK(level_of_severity(severity_of_level(level)) == level);
  }
  CHECK(level_of_severity(0).empty());
  CHECK(level_of_severity(25).empty());
  CHECK(severity_of_level("x") == 0);
}

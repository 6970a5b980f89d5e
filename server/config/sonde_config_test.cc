#include "config/sonde_config.h"

#include <doctest/doctest.h>

namespace sonde::config {
namespace {

std::string bad(std::string_view text) {
  auto c = parse_sonde_config(text, "sonde.yml");
  return c ? "accepted" : c.error().to_string();
}

constexpr const char* kFull = R"(receivers:
- name: oncall
  webhook:
    url: https://hooks.example.com/x
    headers: {Authorization: Bearer t0ken}
    timeout: 5s
inbox: {size: 50}
logs: {retention: {time: 14d, size: 20GB}}
traces: {retention: {time: 3d}}
limits: {ingest_body: 10MB, active_series: 1000000, query_timeout: 30s}
)";

TEST_CASE("sonde.yml: all keys are read, and an empty file has defaults") {
  auto c = parse_sonde_config(kFull, "sonde.yml");
  REQUIRE_MESSAGE(c.has_value(), (c ? "" : c.error().to_string()));
  CHECK(c->receivers.at(0).webhook.headers.at("Authorization").reveal() == "Bearer t0ken");
  CHECK(c->receivers.at(0).webhook.timeout == Duration::seconds(5));
  CHECK(c->inbox_size == 50);
  CHECK(c->logs.time == Duration::hours(14 * 24));
  CHECK(c->logs.size == 20LL << 30);
  CHECK(c->limits.ingest_body == 10 << 20);
  auto defaults = parse_sonde_config("", "sonde.yml");
  REQUIRE(defaults);
  CHECK(defaults->inbox_size == 1000);
  CHECK(defaults->traces.time == Duration::hours(7 * 24));
}

TEST_CASE("sonde.yml: it marshals to itself without its secrets") {
  auto c = parse_sonde_config(kFull, "sonde.yml");
  REQUIRE(c);
  std::string text = marshal(*c);
  CHECK(text.find("t0ken") == std::string::npos);
  auto again = parse_sonde_config(text, "sonde.yml");
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().to_string()));
  CHECK(marshal(*again) == text);
}

TEST_CASE("sonde.yml: every bad input names file, line and reason") {
  CHECK(bad("foo: 1\n") == "sonde.yml:1: unknown key \"foo\" in the sonde configuration");
  CHECK(bad("receivers:\n- name: a\n") == "sonde.yml:2: a receiver needs a webhook");
  CHECK(bad("receivers:\n- webhook: {url: 'http://x'}\n") == "sonde.yml:2: a receiver needs a name");
  CHECK(
      bad("receivers:\n- {name: a, webhook: {url: 'http://x'}}\n- {name: a, webhook: {url: 'http://x'}}\n") ==
      "sonde.yml:3: receiver \"a\" is already defined at line 2");
  CHECK(bad("receivers:\n- name: a\n  webhook:\n    url: file:///etc\n") ==
        "sonde.yml:4: url: URL scheme must be 'http' or 'https'");
  CHECK(bad("receivers:\n- name: a\n  webhook: {url: 'http://x', headers: {'a b': c}}\n") ==
        "sonde.yml:3: \"a b\" is not a header name");
  CHECK(bad("receivers:\n- name: a\n  webhook: {url: 'http://x', timeout: 1h}\n") ==
        "sonde.yml:3: timeout must be between 1ms and 5m");
  CHECK(bad("inbox: {size: 0}\n") == "sonde.yml:1: inbox size must be between 1 and 1000000");
  CHECK(bad("logs:\n  retention:\n    time: 0s\n") == "sonde.yml:3: time must be greater than 0");
  CHECK(bad("traces: {retention: {size: -1GB}}\n") == "sonde.yml:1: size must not be negative");
  CHECK(bad("limits:\n  memory: 2GB\n") == "sonde.yml:2: limits.memory is not supported yet");
  CHECK(bad("limits:\n  active_series_per_job: 5\n") ==
        "sonde.yml:2: limits.active_series_per_job is not supported yet");
  CHECK(bad("limits:\n  ingest_body: lots\n").starts_with("sonde.yml:2: ingest_body: "));
}

}  // namespace
}  // namespace sonde::config

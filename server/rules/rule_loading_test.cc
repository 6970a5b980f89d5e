#include <doctest/doctest.h>

#include "config/memory_files.h"
#include "rules/rule_loading.h"

using namespace sonde;
using namespace sonde::rules;

namespace {

constexpr const char* kGuide = R"(# monitoring/prometheus/alerts.yml
groups:
  - name: api_alerts
    rules:
      - alert: HighErrorRate
        expr: rate(http_requests_total{status=~"5.."}[5m]) > 0.05
        for: 5m
        annotations:
          summary: "High error rate detected"
      
      - alert: HighLatency
        expr: histogram_quantile(0.95, http_request_duration_seconds) > 1
        for: 5m
        annotations:
          summary: "High API latency detected"
)";

Result<std::vector<Group>> load(const std::string& text) {
  config::MemoryFiles fs({{"rules.yml", text}});
  return load_rule_groups(fs, {"rules.yml"}, Duration::seconds(15), Duration::seconds(3));
}

Error error_of(const std::string& text) {
  auto groups = load(text);
  REQUIRE_FALSE(groups);
  return groups.error();
}

}  // namespace

TEST_CASE("rule loading: the guide's alerts load as they are written") {
  auto groups = load(kGuide);
  REQUIRE_MESSAGE(groups, (groups ? "" : groups.error().to_string()));
  REQUIRE(groups->size() == 1);
  const Group& g = groups->front();
  CHECK(g.file == "rules.yml");
  CHECK(g.name == "api_alerts");
  CHECK(g.interval == Duration::seconds(15));
  CHECK(g.query_offset == Duration::seconds(3));
  CHECK(g.limit == 0);
  REQUIRE(g.rules.size() == 2);
  CHECK(g.rules[0].alerting);
  CHECK(g.rules[0].name == "HighErrorRate");
  CHECK(g.rules[0].query == "rate(http_requests_total{status=~\"5..\"}[5m]) > 0.05");
  CHECK(g.rules[0].hold == Duration::minutes(5));
  CHECK(g.rules[0].annotations == TextPairs{{"summary", "High error rate detected"}});
  CHECK(g.rules[0].line == 5);
  REQUIRE(g.rules[0].expr);
  CHECK(promql::to_string(*g.rules[0].expr) == g.rules[0].query);
  CHECK(g.rules[1].query == "histogram_quantile(0.95, http_request_duration_seconds) > 1");
  CHECK(g.rules[1].annotations == TextPairs{{"summary", "High API latency detected"}});
}

TEST_CASE("rule loading: the group's labels and settings reach the rules, whose own labels win") {
  auto groups = load(R"(groups:
  - name: g
    interval: 30s
    query_offset: 1m
    limit: 7
    labels: {team: web, severity: page}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
        labels: {severity: info, area: eu}
      - alert: Down
        expr: up == 0
        keep_firing_for: 2m
)");
  REQUIRE_MESSAGE(groups, (groups ? "" : groups.error().to_string()));
  const Group& g = groups->front();
  CHECK(g.interval == Duration::seconds(30));
  CHECK(g.query_offset == Duration::minutes(1));
  CHECK(g.limit == 7);
  CHECK_FALSE(g.rules[0].alerting);
  CHECK(g.rules[0].labels == TextPairs{{"area", "eu"}, {"severity", "info"}, {"team", "web"}});
  CHECK(g.rules[1].labels == TextPairs{{"severity", "page"}, {"team", "web"}});
  CHECK(g.rules[1].keep_firing_for == Duration::minutes(2));
}

TEST_CASE(
    "rule loading: an expression that does not parse is told with file, line and the column within it") {
  Error e = error_of("groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up == == 1\n");
  CHECK(e.file == "rules.yml");
  CHECK(e.line == 5);
  CHECK_MESSAGE(
      e.message.find("rule \"A\": could not parse expression: 1:7: parse error: ") != std::string::npos,
      e.message);
  e = error_of(
      "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: |\n          up\n           == == "
      "1\n");
  CHECK(e.line == 7);
  CHECK_MESSAGE(e.message.find(": 2:5: parse error: ") != std::string::npos, e.message);
}

TEST_CASE("rule loading: a template that does not parse is told with its line") {
  Error e = error_of(
      "groups:\n  - name: g\n    rules:\n      - alert: A\n        expr: up == 0\n        annotations:\n"
      "          summary: '{{ $labels.instance'\n");
  CHECK(e.line == 7);
  CHECK_MESSAGE(e.message.find("annotation \"summary\"") != std::string::npos, e.message);
}

TEST_CASE(
    "rule loading: files are read in order and once, the first mistake counts, a missing file is named") {
  std::string good = "groups:\n  - name: a\n    rules: [{record: x, expr: up}]\n";
  config::MemoryFiles fs({{"b.yml", good},
                          {"a.yml", good},
                          {"bad1.yml", "groups:\n  - name: g\n    rules: [{record: x, expr: 'sum('}]\n"},
                          {"bad2.yml", "groupz: []\n"}});
  auto both = load_rule_groups(fs, {"b.yml", "a.yml", "b.yml"}, Duration::minutes(1), {});
  REQUIRE(both);
  REQUIRE(both->size() == 2);
  CHECK((*both)[0].file == "b.yml");
  CHECK((*both)[1].file == "a.yml");
  auto bad = load_rule_groups(fs, {"a.yml", "bad1.yml", "bad2.yml"}, Duration::minutes(1), {});
  REQUIRE_FALSE(bad);
  CHECK(bad.error().file == "bad1.yml");
  CHECK(bad.error().line == 3);
  auto missing = load_rule_groups(fs, {"none.yml"}, Duration::minutes(1), {});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().to_string().find("none.yml") != std::string::npos);
}

TEST_CASE("rule loading: experimental functions need the parser's leave, when checking and when loading") {
  std::string text = "groups:\n  - name: g\n    rules: [{record: x, expr: 'sort_by_label(up, \"job\")'}]\n";
  CHECK_FALSE(load(text));
  config::MemoryFiles fs({{"rules.yml", text}});
  CHECK(load_rule_groups(fs, {"rules.yml"}, Duration::minutes(1), {}, promql::ParserOptions::everything()));
  CHECK_FALSE(config::parse_rule_file(text, "rules.yml", rule_check()));
  CHECK(config::parse_rule_file(text, "rules.yml", rule_check(promql::ParserOptions::everything())));
}

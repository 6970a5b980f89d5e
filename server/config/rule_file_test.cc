#include "config/rule_file.h"

#include <doctest/doctest.h>

#include "config/memory_files.h"

namespace sonde::config {
namespace {

RuleCheck check() {
  RuleCheck c;
  c.expression = [](std::string_view e) -> Result<> {
    if (e.find("bad") == std::string_view::npos) return {};
    return fail(Error{ErrorCode::kInvalid, "parse error", {}, 2, 5});
  };
  c.template_text = [](std::string_view name, std::string_view text) -> Result<> {
    if (text.find("{{ nope") == std::string_view::npos) return {};
    return fail(Error{ErrorCode::kInvalid, "template: " + std::string(name) + ":1: no", {}, 1, 0});
  };
  return c;
}

std::string bad(std::string_view text) {
  auto f = parse_rule_file(text, "r.yml", check());
  return f ? "accepted" : f.error().to_string();
}

TEST_CASE("rules: groups, rules and their lines are read") {
  auto f = parse_rule_file(R"(groups:
- name: g
  interval: 30s
  limit: 10
  query_offset: 1m
  labels: {team: a}
  rules:
  - record: job:x:sum
    expr: sum by (job) (x)
    labels: {kind: r}
  - alert: High
    expr: |
      x
      > 1
    for: 5m
    keep_firing_for: 2m
    labels: {severity: page}
    annotations: {summary: '{{ $value }}'}
)",
                           "r.yml", check());
  REQUIRE_MESSAGE(f.has_value(), (f ? "" : f.error().to_string()));
  const RuleGroup& g = f->groups.at(0);
  CHECK(g.name == "g");
  CHECK(*g.interval == Duration::seconds(30));
  CHECK(*g.query_offset == Duration::minutes(1));
  CHECK(g.limit == 10);
  CHECK(g.labels.at("team") == "a");
  CHECK(g.rules.at(0).record == "job:x:sum");
  CHECK(g.rules.at(0).line == 8);
  CHECK(g.rules.at(0).expr_line == 9);
  CHECK(g.rules.at(1).is_alert());
  CHECK(g.rules.at(1).expr == "x\n> 1\n");
  CHECK(g.rules.at(1).expr_line == 13);
  CHECK(g.rules.at(1).for_duration == Duration::minutes(5));
  CHECK(g.rules.at(1).keep_firing_for == Duration::minutes(2));
  CHECK(parse_rule_file("", "empty.yml", check())->groups.empty());
}

TEST_CASE("rules: every bad input names file, line and reason") {
  struct Row {
    const char* text;
    const char* want;
  };
  for (const Row& r : std::initializer_list<Row>{
           {"group: []\n", "r.yml:1: unknown key \"group\" in a rule file"},
           {"groups:\n- rules: []\n", "r.yml:2: Groupname must not be empty"},
           {"groups:\n- name: a\n- name: a\n",
            "r.yml:3: groupname: \"a\" is repeated in the same file, first at line 2"},
           {"groups:\n- name: a\n  rules:\n  - expr: 1\n", "r.yml:4: one of 'record' or 'alert' must be set"},
           {"groups:\n- name: a\n  rules:\n  - record: r\n    alert: A\n    expr: 1\n",
            "r.yml:5: rule \"A\": only one of 'record' and 'alert' must be set"},
           {"groups:\n- name: a\n  rules:\n  - record: r\n",
            "r.yml:4: rule \"r\": field 'expr' must be set in rule"},
           {"groups:\n- name: a\n  rules:\n  - record: r\n    expr: 1\n    for: 1m\n",
            "r.yml:6: rule \"r\": invalid field 'for' in recording rule"},
           {"groups:\n- name: a\n  rules:\n  - record: r\n    expr: 1\n    keep_firing_for: 1m\n",
            "r.yml:6: rule \"r\": invalid field 'keep_firing_for' in recording rule"},
           {"groups:\n- name: a\n  rules:\n  - record: r\n    expr: 1\n    annotations: {a: b}\n",
            "r.yml:6: rule \"r\": invalid field 'annotations' in recording rule"},
           {"groups:\n- name: a\n  rules:\n  - record: r{a=\"b\"}\n    expr: 1\n",
            "r.yml:4: rule \"r{a=\\\"b\\\"}\": braces present in the recording rule name; should it be in "
            "expr?: r{a=\"b\"}"},
           {"groups:\n- name: a\n  rules:\n  - record: r\n    expr: 1\n    labels: {__name__: x}\n",
            "r.yml:6: invalid label name: __name__"},
           {"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: 1\n    annotation: {a: b}\n",
            "r.yml:6: unknown key \"annotation\" in rule"},
           {"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: |\n      x +\n      bad\n",
            "r.yml:7: rule \"A\": could not parse expression: 2:5: parse error"},
           {"groups:\n- name: a\n  rules:\n  - alert: A\n    expr: 1\n    annotations:\n      s: '{{ nope'\n",
            "r.yml:7: rule \"A\": annotation \"s\": template: __alert_A:1: no"},
           {"groups:\n- name: a\n  interval: 5\n", "r.yml:3: interval: not a valid duration string: \"5\""},
       }) {
    INFO(r.text);
    CHECK(bad(r.text) == r.want);
  }
}

TEST_CASE("rules: templates in recording rules are plain text") {
  CHECK(bad("groups:\n- name: a\n  rules:\n  - record: r\n    expr: 1\n    labels: {x: '{{ nope'}\n") ==
        "accepted");
}

TEST_CASE("rules: legacy naming refuses what UTF-8 naming allows") {
  const char* text = "groups:\n- name: a\n  rules:\n  - record: r\n    expr: 1\n    labels: {a-b: x}\n";
  CHECK(bad(text) == "accepted");
  RuleCheck legacy = check();
  legacy.names = NameValidation::kLegacy;
  CHECK(parse_rule_file(text, "r.yml", legacy).error().to_string() == "r.yml:6: invalid label name: a-b");
}

TEST_CASE("rules: a missing file is named") {
  MemoryFiles fs;
  auto f = load_rule_file(fs, "none.yml", check());
  REQUIRE_FALSE(f);
  CHECK(f.error().file == "none.yml");
  CHECK(f.error().code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sonde::config

#include "model/relabel.h"

#include <doctest/doctest.h>

namespace sonde {
namespace {

using A = RelabelAction;

RelabelRule rule(RelabelOptions o, NameValidation names = NameValidation::kUtf8) {
  auto r = RelabelRule::create(std::move(o), names);
  REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().message));
  return *r;
}

// The labels after the rules; "dropped" when they do not survive.
std::string after(const LabelSet& in, std::vector<RelabelOptions> options) {
  RelabelRules rules;
  for (auto& o : options) rules.push_back(rule(std::move(o)));
  LabelBuilder b(in);
  if (!relabel(rules, b)) return "dropped";
  return b.build().to_string();
}

std::string refused(RelabelOptions o, NameValidation names = NameValidation::kUtf8) {
  auto r = RelabelRule::create(std::move(o), names);
  return r ? "accepted" : r.error().message;
}

const LabelSet kAbc{{"a", "foo"}, {"b", "bar"}, {"c", "baz"}};

TEST_CASE("relabel: replace writes the expanded replacement to the target") {
  CHECK(after(kAbc, {{.source_labels = {"a"},
                      .regex = "f(.*)",
                      .target_label = "d",
                      .replacement = "ch${1}-ch${1}"}}) == R"({a="foo", b="bar", c="baz", d="choo-choo"})");
  CHECK(after(kAbc, {{.source_labels = {"a", "b"},
                      .regex = "f(.*);(.*)r",
                      .target_label = "a",
                      .replacement = "b${1}${2}m"},
                     {.source_labels = {"c", "a"},
                      .regex = "(b).*b(.*)ba(.*)",
                      .target_label = "d",
                      .replacement = "$1$2$2$3"}}) == R"({a="boobam", b="bar", c="baz", d="boooom"})");
  CHECK(after({{"a", "foo"}}, {{.source_labels = {"a"}, .regex = "(.*)", .target_label = "b"}}) ==
        R"({a="foo", b="foo"})");
}

TEST_CASE("relabel: replace leaves the labels alone when the expression does not match the whole value") {
  CHECK(after(kAbc, {{.source_labels = {"a"}, .regex = "oo", .target_label = "d", .replacement = "x"}}) ==
        kAbc.to_string());
  CHECK(
      after(kAbc, {{.source_labels = {"a"}, .regex = ".*(b).*", .target_label = "d", .replacement = "$1"}}) ==
      kAbc.to_string());
}

TEST_CASE("relabel: an empty replacement deletes the target") {
  CHECK(after(kAbc, {{.source_labels = {"a"}, .regex = "f.*", .target_label = "b", .replacement = ""}}) ==
        R"({a="foo", c="baz"})");
  CHECK(after({{"a", "foo"}}, {{.source_labels = {"missing"}, .target_label = "a"}}) == "{}");
}

TEST_CASE("relabel: references work in the target, and a target that expands to nothing changes nothing") {
  LabelSet in{{"a", "some-name-value"}, {"b", "x"}};
  CHECK(after(in, {{.source_labels = {"a"},
                    .regex = "some-([^-]+)-([^,]+)",
                    .target_label = "${1}",
                    .replacement = "${2}"}}) == R"({a="some-name-value", b="x", name="value"})");
  CHECK(after(in,
              {{.source_labels = {"a"}, .regex = "some-(.*)", .target_label = "${3}", .replacement = "v"}}) ==
        in.to_string());
  CHECK(after(in, {{.source_labels = {"a"},
                    .regex = "(?P<first>[^-]+)-(.*)",
                    .target_label = "out",
                    .replacement = "${first}/$2/$$/$nothing/$1st"}}) ==
        R"({a="some-name-value", b="x", out="some/name-value/$//"})");
}

TEST_CASE("relabel: a dot matches a newline and the ends are anchored") {
  CHECK(after({{"a", "x\ny"}}, {{.source_labels = {"a"}, .regex = "x.y", .action = A::kDrop}}) == "dropped");
  CHECK(after({{"a", "abc"}}, {{.source_labels = {"a"}, .regex = "a|b", .action = A::kKeep}}) == "dropped");
  CHECK(after({{"a", "b"}}, {{.source_labels = {"a"}, .regex = "a|b", .action = A::kKeep}}) == R"({a="b"})");
}

TEST_CASE("relabel: keep and drop look at the joined source labels") {
  CHECK(after(kAbc,
              {{.source_labels = {"a", "b"}, .separator = "/", .regex = "foo/bar", .action = A::kKeep}}) ==
        kAbc.to_string());
  CHECK(after(kAbc, {{.source_labels = {"a", "b"}, .regex = "foo/bar", .action = A::kKeep}}) == "dropped");
  CHECK(after(kAbc, {{.source_labels = {"a"}, .regex = ".*o.*", .action = A::kDrop},
                     {.source_labels = {"a"}, .target_label = "d"}}) == "dropped");
  CHECK(after(kAbc, {{.source_labels = {"a"}, .regex = "no-match", .action = A::kDrop}}) == kAbc.to_string());
}

TEST_CASE("relabel: keepequal and dropequal compare with the target") {
  LabelSet in{{"__tmp_port", "1234"}, {"__port1", "1234"}, {"__port2", "5678"}};
  CHECK(after(in, {{.source_labels = {"__tmp_port"}, .target_label = "__port1", .action = A::kKeepEqual}}) ==
        in.to_string());
  CHECK(after(in, {{.source_labels = {"__tmp_port"}, .target_label = "__port2", .action = A::kKeepEqual}}) ==
        "dropped");
  CHECK(after(in, {{.source_labels = {"__tmp_port"}, .target_label = "__port1", .action = A::kDropEqual}}) ==
        "dropped");
  CHECK(after(in, {{.source_labels = {"__tmp_port"}, .target_label = "__port2", .action = A::kDropEqual}}) ==
        in.to_string());
}

TEST_CASE("relabel: hashmod takes the last eight bytes of MD5, big-endian") {
  // md5("bar") ends in 76d3bc41c9f588f7fcd0d5bf4718f8f8 -> 0xfcd0d5bf4718f8f8 % 1000 = 976 (a published
  // value).
  CHECK(after({{"a", "foo"}, {"b", "bar"}, {"c", "baz"}},
              {{.source_labels = {"c"}, .modulus = 1000, .target_label = "d", .action = A::kHashMod}}) ==
        R"({a="foo", b="bar", c="baz", d="976"})");
  CHECK(after({{"a", "foo\nbar"}},
              {{.source_labels = {"a"}, .modulus = 1000, .target_label = "b", .action = A::kHashMod}}) ==
        R"({a="foo\nbar", b="734"})");
}

TEST_CASE("relabel: labelmap copies, labeldrop and labelkeep remove by name") {
  LabelSet in{{"__meta_k_env", "prod"}, {"__meta_k_app", "shop"}, {"job", "j"}};
  CHECK(after(in, {{.regex = "__meta_k_(.+)", .action = A::kLabelMap}}) ==
        R"({__meta_k_app="shop", __meta_k_env="prod", app="shop", env="prod", job="j"})");
  CHECK(after(in, {{.regex = "__meta_(k)_(.+)", .replacement = "${1}_${2}_x", .action = A::kLabelMap},
                   {.regex = "__meta.*", .action = A::kLabelDrop}}) ==
        R"({job="j", k_app_x="shop", k_env_x="prod"})");
  CHECK(after(in, {{.regex = "j.*", .action = A::kLabelKeep}}) == R"({job="j"})");
}

TEST_CASE("relabel: lowercase and uppercase change letters beyond ASCII too") {
  LabelSet in{{"foo", "bAr123Foo ÄöÉ Жж"}};
  CHECK(after(in, {{.source_labels = {"foo"}, .target_label = "u", .action = A::kUppercase},
                   {.source_labels = {"foo"}, .target_label = "l", .action = A::kLowercase}}) ==
        R"({foo="bAr123Foo ÄöÉ Жж", l="bar123foo äöé жж", u="BAR123FOO ÄÖÉ ЖЖ"})");
}

TEST_CASE("relabel: legacy validation ignores targets that expand to an illegal name") {
  auto r = rule({.source_labels = {"a"}, .regex = "(.*)", .target_label = "$1", .replacement = "v"},
                NameValidation::kLegacy);
  LabelBuilder b(LabelSet{{"a", "not-legal"}});
  CHECK(r.apply(b));
  CHECK(b.build().to_string() == R"({a="not-legal"})");
  LabelBuilder utf8(LabelSet{{"a", "not-legal"}});
  CHECK(
      rule({.source_labels = {"a"}, .regex = "(.*)", .target_label = "$1", .replacement = "v"}).apply(utf8));
  CHECK(utf8.build().get("not-legal") == "v");
}

TEST_CASE("relabel: a rule with fields that its action cannot use is refused") {
  CHECK(refused({.action = A::kReplace}) ==
        "relabel configuration for replace action requires 'target_label' value");
  CHECK(refused({.source_labels = {"a"}, .target_label = "x", .action = A::kHashMod}) ==
        "relabel configuration for hashmod requires non-zero modulus");
  CHECK(refused({.source_labels = {"a"}, .modulus = 8, .action = A::kHashMod}) ==
        "relabel configuration for hashmod action requires 'target_label' value");
  CHECK(refused({.source_labels = {"a"}, .action = A::kKeepEqual}).find("requires 'target_label'") !=
        std::string::npos);
  CHECK(refused({.source_labels = {"a"}, .regex = "x", .target_label = "b", .action = A::kDropEqual}) ==
        "dropequal action requires only 'source_labels' and `target_label`, and no other fields");
  CHECK(refused({.source_labels = {"a"}, .separator = ",", .target_label = "b", .action = A::kKeepEqual}) !=
        "accepted");
  CHECK(refused({.source_labels = {"a"}, .action = A::kLabelDrop}) ==
        "labeldrop action requires only 'regex', and no other fields");
  CHECK(refused({.modulus = 8, .action = A::kLabelKeep}) != "accepted");
  CHECK(refused({.target_label = "x", .action = A::kLabelKeep}) != "accepted");
  CHECK(refused({.replacement = "y", .action = A::kLabelDrop}) != "accepted");
  CHECK(refused({.separator = ",", .action = A::kLabelDrop}) != "accepted");
  CHECK(refused({.source_labels = {"a"}, .target_label = "b", .replacement = "x", .action = A::kLowercase}) ==
        "'replacement' can not be set for lowercase action");
  CHECK(refused({.source_labels = {"a"}, .action = A::kUppercase}) != "accepted");
  CHECK(refused({.replacement = "\xff", .action = A::kLabelMap}) != "accepted");
  CHECK(refused({.replacement = "a-${1}", .action = A::kLabelMap}, NameValidation::kLegacy) != "accepted");
  CHECK(refused({.replacement = "a-${1}", .action = A::kLabelMap}) == "accepted");
  CHECK(refused({.source_labels = {"a"}, .target_label = "a-b"}, NameValidation::kLegacy) != "accepted");
  CHECK(refused({.source_labels = {"a"}, .target_label = "x${1}_y"}, NameValidation::kLegacy) == "accepted");
  CHECK(refused({.source_labels = {"a"}, .regex = "(", .target_label = "b"}).find("error parsing regexp") !=
        std::string::npos);
  CHECK(refused({.source_labels = {"a"}, .regex = std::string(5000, 'a'), .target_label = "b"}) !=
        "accepted");
}

TEST_CASE("relabel: actions are read in any case, and unknown ones refused") {
  CHECK(*relabel_action_from("LabelMap") == A::kLabelMap);
  CHECK(relabel_action_from("explode").error().message == "unknown relabel action \"explode\"");
  for (int i = 0; i <= static_cast<int>(A::kUppercase); i++) {
    CHECK(*relabel_action_from(to_string(static_cast<A>(i))) == static_cast<A>(i));
  }
}

TEST_CASE("relabel: the steps show the labels after each rule up to the one that drops them") {
  RelabelRules rules{rule({.source_labels = {"a"}, .target_label = "b"}),
                     rule({.source_labels = {"b"}, .regex = "foo", .action = A::kDrop}),
                     rule({.source_labels = {"a"}, .target_label = "c"})};
  auto steps = relabel_steps(rules, LabelSet{{"a", "foo"}});
  REQUIRE(steps.size() == 2);
  CHECK(steps[0].labels.to_string() == R"({a="foo", b="foo"})");
  CHECK(steps[0].keep);
  CHECK_FALSE(steps[1].keep);
}

}  // namespace
}  // namespace sonde

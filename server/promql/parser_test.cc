#include "promql/parser.h"

#include <doctest/doctest.h>

#include "promql/duration.h"
#include "promql/functions/function.h"

using namespace sonde;
using namespace sonde::promql;

namespace {

std::string printed(std::string_view query) {
  auto tree = parse(query, ParserOptions::everything());
  return tree ? to_string(**tree) : tree.error().message;
}

std::string error_of(std::string_view query) {
  auto tree = parse(query);
  return tree ? "parsed" : tree.error().message;
}

}  // namespace

TEST_CASE("parser: what it reads is printed back") {
  for (const char* query : {
           "foo",
           "foo{a=\"b\",c!=\"d\",e=~\"f.*\",g!~\"h\"}",
           "{\"my.metric\",\"a.b\"=\"c\"}",
           "foo[5m]",
           "foo[5m] offset 1h",
           "foo[5m] @ 10.000 offset -1h30m",
           "foo @ start()",
           "rate(foo[5m:1m] @ end())",
           "foo[5m:]",
           "sum by (a, b) (rate(foo_total[5m]))",
           "topk without (a) (3, foo)",
           "count_values(\"v\", foo)",
           "a + on (x) group_left (y) b",
           "a / ignoring (x, \"y.z\") group_right () b",
           "a and on () b",
           "a > bool 5",
           "(a + b) * c",
           "-foo",
           "-(foo + 1) ^ 2",
           "a + fill (0) b",
           "a / fill_left (1) fill_right (2) b",
           "rate(foo[5m] anchored)",
           "increase(foo[5m] smoothed)",
           "foo[5m + step() * 2]",
           "foo offset (1m - range())",
           "h </ 5",
           "h >/ 0.5",
           "label_replace(a, \"b\", \"$1\", \"c\", \"(.*)\")",
           "by + sum + offset",
           "time()",
           "5m",
           "+Inf",
           "NaN",
       }) {
    CHECK(printed(query) == query);
  }
}

TEST_CASE("parser: operators bind as documented") {
  CHECK(printed("a+b*c^d^e") == "a + b * c ^ d ^ e");
  auto tree = parse("a or b and c");
  REQUIRE(tree.has_value());
  const auto* root = as<BinaryExpr>(tree->get());
  REQUIRE(root);
  CHECK(root->op == BinaryOp::kOr);
  CHECK(as<BinaryExpr>(root->rhs.get())->op == BinaryOp::kAnd);
  auto minus = parse("-1 ^ 2");
  REQUIRE(minus.has_value());
  CHECK((*minus)->kind == ExprKind::kUnary);
}

TEST_CASE("parser: keywords and functions are names where they can be") {
  CHECK(printed("sum(rate)") == "sum(rate)");
  CHECK(printed("start") == "start");
  CHECK(printed("foo{by=\"x\",on=\"y\"}") == "foo{by=\"x\",on=\"y\"}");
  CHECK(printed("SUM(foo) BY (bool)") == "sum by (bool) (foo)");
}

TEST_CASE("parser: errors say where and what, as Prometheus does") {
  CHECK(error_of("") == "1:1: parse error: no expression found in input");
  CHECK(error_of("1+") == "1:3: parse error: unexpected end of input");
  CHECK(error_of("foo{}}") == "1:6: parse error: unexpected right brace '}'");
  CHECK(error_of("{}") == "1:1: parse error: vector selector must contain at least one non-empty matcher");
  CHECK(error_of("nosuch(1)") == "1:1: parse error: unknown function with name \"nosuch\"");
  CHECK(error_of("rate(foo)") ==
        "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector");
  CHECK(error_of("1 == 1") == "1:1: parse error: comparisons between scalars must use BOOL modifier");
  CHECK(error_of("\n\n foo[5x]") == "3:6: parse error: bad number or duration syntax: \"5x\"");
  CHECK(error_of("a and 1") ==
        "1:1: parse error: set operator \"and\" not allowed in binary scalar expression");
  CHECK(error_of("mad_over_time(a[5m])").find("mad_over_time") != std::string::npos);
  CHECK(error_of("rate(a[5m] anchored)").find("experimental") != std::string::npos);
}

TEST_CASE("parser: hostile nesting and size are errors") {
  for (const char* open : {"(", "-", "sum(", "a[", "abs(-("}) {
    std::string text;
    while (text.size() < 20'000) text += open;
    CHECK_FALSE(parse(text).has_value());
    CHECK_FALSE(parse(text + "1").has_value());
  }
  std::string closed = std::string(20'000, '(') + "1" + std::string(20'000, ')');
  CHECK_FALSE(parse(closed).has_value());
  std::string chain = "1";
  for (int i = 0; i < 30'000; i++) chain += "+1";
  CHECK_FALSE(parse(chain).has_value());
  CHECK_FALSE(parse(std::string(kQueryBytesMax + 1, ' ')).has_value());
  std::string powers = "1";
  for (int i = 0; i < 20'000; i++) powers += "^1";
  CHECK_FALSE(parse(powers).has_value());
}

TEST_CASE("parser: a lone selector gives its matchers") {
  auto m = parse_selector("foo{a=\"b\"}");
  REQUIRE(m.has_value());
  REQUIRE(m->size() == 2);
  CHECK((*m)[0].to_string() == "a=\"b\"");
  CHECK((*m)[1].value() == "foo");
  CHECK_FALSE(parse_selector("foo offset 5m").has_value());
  CHECK_FALSE(parse_selector("foo + bar").has_value());
}

TEST_CASE("parser: long expressions are broken over lines and mean the same") {
  std::string query =
      "sum by (job, instance) (rate(http_requests_total{status=~\"5..\",environment=\"production\"}[5m])) / "
      "sum by (job, instance) (rate(http_requests_total{environment=\"production\"}[5m]))";
  auto tree = parse(query);
  REQUIRE(tree.has_value());
  std::string pretty = prettify(**tree);
  CHECK(pretty.find('\n') != std::string::npos);
  auto again = parse(pretty);
  REQUIRE(again.has_value());
  CHECK(to_string(**again) == query);
}

TEST_CASE("parser: a walk meets every selector with its range") {
  auto tree = parse("sum(rate(a_total[5m])) / on (x) b or c[1h:]", {});
  CHECK_FALSE(tree.has_value());  // a range vector is no operand
  tree = parse("sum(rate(a_total[5m])) / on (x) b or max_over_time(c[1h:])");
  REQUIRE(tree.has_value());
  auto uses = selectors_of(**tree);
  REQUIRE(uses.size() == 3);
  CHECK(uses[0].selector->name == "a_total");
  CHECK(uses[0].range_ms == 300'000);
  CHECK(uses[1].selector->name == "b");
  CHECK(uses[1].range_ms == 0);
}

TEST_CASE("duration: units combine from large to small") {
  CHECK(parse_duration_ms("1h30m") == 5'400'000);
  CHECK(parse_duration_ms("10s53ms") == 10'053);
  CHECK(parse_duration_ms("0") == 0);
  CHECK_FALSE(parse_duration_ms("30m1h").has_value());
  CHECK_FALSE(parse_duration_ms("5").has_value());
  CHECK_FALSE(parse_duration_ms("99999999999y").has_value());
  CHECK(format_duration_ms(0) == "0s");
  CHECK(format_duration_ms(90'000) == "1m30s");
  CHECK(format_duration_ms(7 * 86'400'000) == "1w");
  CHECK(format_duration_ms(8LL * 86'400'000) == "8d");
  CHECK(format_duration_ms(-1500) == "-1s500ms");
}

TEST_CASE("functions: every row has a name, a text and exactly one way to run") {
  auto all = all_functions();
  int stable = 0;
  for (const Function* f : all) {
    INFO(f->name);
    CHECK(std::string_view(f->doc).size() > 3);
    CHECK((f->window != nullptr) + (f->map != nullptr) + (f->call != nullptr) == 1);
    CHECK(find_function(f->name) == f);
    stable += !f->experimental;
  }
  CHECK(all.size() == 90);
  CHECK(stable == 73);
}

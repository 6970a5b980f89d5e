#include "templates/template.h"

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

namespace sonde::templates {
namespace {

Result<std::vector<QuerySample>> samples(std::string_view expression) {
  if (expression == "metric") {
    return std::vector<QuerySample>{
        {LabelSet{{"__name__", "metric"}, {"instance", "b"}, {"__value__", "two"}}, 21},
        {LabelSet{{"__name__", "metric"}, {"instance", "a"}}, 11}};
  }
  if (expression == "broken") return fail(ErrorCode::kInvalid, "parse error");
  return std::vector<QuerySample>{};
}

FunctionContext context() {
  FunctionContext c;
  c.query = samples;
  c.external_url = "http://testhost:9090/path/prefix";
  c.now = EventTime{1'353'755'652'000'000'000};
  return c;
}

// The output, or "error: " and the message.
std::string run(std::string_view text, const Value& data = {}, const FunctionContext& c = context()) {
  auto t = Template::parse("test", text);
  if (!t) return "error: " + t.error().message;
  auto out = t->execute(data, c);
  return out ? *out : "error: " + out.error().message;
}

bool fails_with(const std::string& result, std::string_view part) {
  return result.starts_with("error: ") && result.find(part) != std::string::npos;
}

const Value kData = Value::map({{"name", "shop"},
                                {"list", Value::list({1, 2, 3})},
                                {"labels", Value::strings(LabelSet{{"job", "api"}, {"zone", "eu"}})},
                                {"empty", ""},
                                {"yes", true}});

TEST_CASE("templates: text, fields, variables and constants") {
  CHECK(run("plain text") == "plain text");
  CHECK(run("{{ .name }}/{{ .labels.job }}/{{ .labels.missing }}/{{ .nothing }}", kData) ==
        "shop/api//<no value>");
  CHECK(run("{{ $x := .labels }}{{ $x.job }} {{ $x = 7 }}{{ $x }} {{ $.name }}", kData) == "api 7 shop");
  CHECK(
      run(R"({{ "a\tb\x41\u00e9" }}{{ `raw\n` }}{{ 'A' }} {{ 1_000 }} {{ 0x10 }} {{ -1.5 }} {{ 1e3 }} {{ true }})") ==
      "a\tbA\xc3\xa9raw\\n65 1000 16 -1.5 1000 true");
  CHECK(run("{{ (index .list 1) }}{{ (print .labels).x }}", kData).starts_with("error"));
}

TEST_CASE("templates: trim markers eat white space and comments print nothing") {
  CHECK(run("a  {{- 1 -}}  b") == "a1b");
  CHECK(run("a \n{{- /* note */ -}}\n b") == "ab");
  CHECK(run("a {{/* note */}} b") == "a  b");
  CHECK(run("{{ -1 }}") == "-1");
  CHECK(run("{{- -1 -}}") == "-1");
}

TEST_CASE("templates: if, else if, with, else") {
  CHECK(run("{{ if .yes }}A{{ else }}B{{ end }}{{ if .empty }}A{{ else if .name }}C{{ else }}B{{ end }}",
            kData) == "AC");
  CHECK(run("{{ with .labels }}{{ .job }}{{ end }}{{ with .empty }}x{{ else }}none{{ end }}", kData) ==
        "apinone");
  CHECK(run("{{ with .empty }}x{{ else with .name }}{{ . }}{{ end }}", kData) == "shop");
  CHECK(
      run("{{ if and .yes .name }}1{{ end }}{{ if or .empty .name }}2{{ end }}{{ if not .empty }}3{{ end }}",
          kData) == "123");
  CHECK(run("{{ if or true (index .list 99) }}short{{ end }}", kData) == "short");
  CHECK(run("{{ if and false (index .list 99) }}{{ else }}short{{ end }}", kData) == "short");
}

TEST_CASE("templates: range over lists, mappings and whole numbers, with break and continue") {
  CHECK(run("{{ range .list }}{{ . }},{{ end }}", kData) == "1,2,3,");
  CHECK(run("{{ range $i, $e := .list }}{{ $i }}={{ $e }} {{ end }}", kData) == "0=1 1=2 2=3 ");
  CHECK(run("{{ range $k, $v := .labels }}{{ $k }}:{{ $v }};{{ end }}", kData) == "job:api;zone:eu;");
  CHECK(run("{{ range 3 }}{{ . }}{{ end }}") == "012");
  CHECK(run("{{ range .nothing }}x{{ else }}empty{{ end }}", kData) == "empty");
  CHECK(run("{{ range .list }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}", kData) == "13");
  CHECK(run("{{ range .list }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}", kData) == "1");
  CHECK(run("{{ $n := 0 }}{{ range .list }}{{ $n = . }}{{ end }}{{ $n }}", kData) == "3");
  CHECK(fails_with(run("{{ range .name }}{{ end }}", kData), "range can't iterate over shop"));
}

TEST_CASE("templates: define, template and block") {
  CHECK(run(R"({{ define "t" }}<{{ . }}>{{ end }}{{ template "t" .name }}{{ template "t" 5 }})", kData) ==
        "<shop><5>");
  CHECK(run(R"({{ block "b" .labels }}{{ .zone }}{{ end }})", kData) == "eu");
  CHECK(run(R"({{ define "x" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template "x" (args "a" 2) }})") == "a-2");
  CHECK(fails_with(run(R"({{ template "missing" }})"), "template \"missing\" not defined"));
  CHECK(fails_with(run(R"({{ define "t" }}1{{ end }}{{ define "t" }}2{{ end }})"), "multiple definition"));
  auto a = Template::parse("a", R"({{ define "greet" }}hello {{ . }}{{ end }})");
  auto b = Template::parse("b", R"({{ template "greet" . }}!)");
  REQUIRE(a);
  // A template that is only defined elsewhere resolves once the sets are joined.
  REQUIRE(b);
  b->add(*a);
  CHECK(*b->execute(Value("you"), context()) == "hello you!");
  CHECK(*b->execute("greet", Value("me"), context()) == "hello me");
  CHECK(b->defines("greet"));
}

TEST_CASE("templates: pipelines hand the value on as the last argument") {
  CHECK(run(R"({{ .name | toUpper | printf "%s-%s" "x" }})", kData) == "x-SHOP");
  CHECK(run(R"({{ 1234.5 | humanize }})") == "1.234k");
  CHECK(fails_with(run("{{ 1 | 2 }}"), "non executable command"));
  CHECK(fails_with(run("{{ .name 1 }}", kData), "can't give argument to non-function .name"));
}

TEST_CASE("templates: comparisons follow Go, which does not mix whole and broken numbers") {
  CHECK(run("{{ eq 1 1 }} {{ eq 1 2 1 }} {{ ne \"a\" \"b\" }} {{ lt 1 2 }} {{ le 2.5 2.5 }} {{ gt \"b\" "
            "\"a\" }} {{ ge 1 2 }}") == "true true true true true true false");
  CHECK(fails_with(run("{{ gt 1.5 1 }}"), "incompatible types for comparison"));
  CHECK(fails_with(run("{{ eq 1 \"1\" }}"), "incompatible types for comparison"));
  CHECK(run("{{ eq .nothing nil }}", kData) == "true");
}

TEST_CASE("templates: len, index, slice, html, js, urlquery") {
  CHECK(run("{{ len .list }}{{ len .name }}{{ len .labels }}", kData) == "342");
  CHECK(run(R"({{ index .labels "job" }}{{ index .list 2 }}{{ index "abc" 0 }})", kData) == "api397");
  CHECK(run(R"({{ slice .list 1 }} {{ slice "abcdef" 1 3 }})", kData) == "[2 3] bc");
  CHECK(fails_with(run("{{ index .list 3 }}", kData), "index out of range: 3"));
  CHECK(fails_with(run("{{ slice \"abc\" 2 1 }}"), "invalid slice index: 2 > 1"));
  CHECK(run(R"({{ html "<a href='x'>&" }})") == "&lt;a href=&#39;x&#39;&gt;&amp;");
  CHECK(run(R"({{ js "it's <b>" }})") == R"(it\'s \u003Cb\u003E)");
  CHECK(run(R"({{ urlquery "a b&c" }}{{ urlQueryEscape "ü/" }})") == "a+b%26c%C3%BC%2F");
}

TEST_CASE("templates: printf knows Go's verbs") {
  struct Row {
    const char* text;
    const char* want;
  };
  for (
      const Row& r : std::initializer_list<Row>{
          {R"({{ printf "%d %5d|%-5d|%05d %x %X %o %b %c %q %U" 42 42 42 42 255 255 8 5 65 65 65 }})",
           "42    42|42   |00042 ff FF 10 101 A 'A' U+0041"},
          {R"({{ printf "%s %10s|%-4s| %q %.2s %x" "a" "b" "c" "d\n" "efg" "hi" }})",
           R"(a          b|c   | "d\n" ef 6869)"},
          {R"({{ printf "%f %.2f %8.3f %e %.2e %g %.3g %G" 1.5 3.14159 2.5 1234.5 1234.5 0.000001 1234567.0 1e100 }})",
           "1.500000 3.14    2.500 1.234500e+03 1.23e+03 1e-06 1.23e+06 1E+100"},
          {R"({{ printf "%v %v %v %v %t %%" 1 2.5 "s" true false }})", "1 2.5 s true false %"},
          {R"({{ printf "%+d %+.1f % d" 3 2.5 7 }})", "+3 +2.5  7"},
          {R"({{ printf "%*d" 5 42 }})", "   42"},
          {R"({{ printf "%d" "x" }})", "%!d(string=x)"},
          {R"({{ printf "%d" 1.5 }})", "%!d(float64=1.5)"},
          {R"({{ printf "%s" }})", "%!s(MISSING)"},
          {R"({{ printf "a" 1 }})", "a%!(EXTRA int=1)"},
          {R"({{ printf "%" }})", "%!(NOVERB)"},
          {R"({{ printf "%T %T" 1 "s" }})", "int string"},
          {R"({{ print 1 2 "a" "b" 3 }}|{{ println "a" 1 }})", "1 2ab3|a 1\n"}}) {
    // print puts a blank only between two operands neither of which is text.
    CHECK(run(r.text) == r.want);
  }
}

TEST_CASE("templates: floats print in Go's shortest form") {
  CHECK(to_text(Value(1.0)) == "1");
  CHECK(to_text(Value(100000.0)) == "100000");
  CHECK(to_text(Value(1e6)) == "1e+06");
  CHECK(to_text(Value(123456789.0)) == "1.23456789e+08");
  CHECK(to_text(Value(0.0001)) == "0.0001");
  CHECK(to_text(Value(0.00001)) == "1e-05");
  CHECK(to_text(Value(-0.0)) == "-0");
  CHECK(to_text(Value(std::nan(""))) == "NaN");
  CHECK(to_text(Value(std::numeric_limits<double>::infinity())) == "+Inf");
  CHECK(to_text(Value(0.1 + 0.2)) == "0.30000000000000004");
}

TEST_CASE("templates: lists, mappings, times and durations print as in Go") {
  CHECK(run("{{ .list }} {{ .labels }}", kData) == "[1 2 3] map[job:api zone:eu]");
  CHECK(
      run("{{ toDuration 3723.5 }} {{ toDuration 0.0015 }} {{ toDuration 0.0000005 }} {{ toDuration 0 }}") ==
      "1h2m3.5s 1.5ms 500ns 0s");
  CHECK(run("{{ toTime 1435065584.128 }}") == "2015-06-23 13:19:44.128 +0000 UTC");
}

TEST_CASE("templates: humanize family") {
  struct Row {
    const char* function;
    std::vector<std::pair<const char*, const char*>> values;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"humanize",
            {{"0.0", "0"},
             {"1.0", "1"},
             {"1234567.0", "1.235M"},
             {"0.12", "120m"},
             {"-1234.0", "-1.234k"},
             {"1e30", "1e+06Y"},
             {"\"0.0000001\"", "100n"},
             {"\"NaN\"", "NaN"},
             {"\"+Inf\"", "+Inf"},
             {"1435065584", "1.435G"}}},
           {"humanize1024",
            {{"0.0", "0"},
             {"1.0", "1"},
             {"1048576.0", "1Mi"},
             {"0.12", "0.12"},
             {"1024.0", "1ki"},
             {"2147483648", "2Gi"}}},
           {"humanizeDuration",
            {{"0", "0s"},
             {"1", "1s"},
             {"60", "1m 0s"},
             {"3600", "1h 0m 0s"},
             {"86400", "1d 0h 0m 0s"},
             {"90061", "1d 1h 1m 1s"},
             {"-1", "-1s"},
             {"-90061", "-1d 1h 1m 1s"},
             {".1", "100ms"},
             {".0001", "100us"},
             {".12345", "123.5ms"},
             {"60.1", "1m 0s"},
             {"1.2345", "1.234s"},
             {"\"-Inf\"", "-Inf"}}},
           {"humanizePercentage",
            {{"-0.22222", "-22.22%"}, {"0.0", "0%"}, {"0.1234567", "12.35%"}, {"1.23456", "123.5%"}}},
           {"humanizeTimestamp",
            {{"1435065584.128", "2015-06-23 13:19:44.128 +0000 UTC"},
             {"0", "1970-01-01 00:00:00 +0000 UTC"},
             {"-1", "1969-12-31 23:59:59 +0000 UTC"},
             {"\"NaN\"", "NaN"}}}}) {
    for (const auto& [in, want] : row.values) {
      std::string text = std::string("{{ ") + row.function + " " + in + " }}";
      INFO(text);
      CHECK(run(text) == want);
    }
  }
  CHECK(fails_with(run("{{ humanize \"one\" }}"), "invalid syntax"));
  CHECK(fails_with(run("{{ humanize true }}"), "can't convert bool to float"));
  CHECK(fails_with(run("{{ toTime 1e300 }}"), "overflows int64"));
}

TEST_CASE("templates: text functions") {
  CHECK(run(R"({{ "aBc" | toUpper }}{{ "aBc" | toLower }}{{ "foo bAr" | title }})") == "ABCabcFoo BAr");
  CHECK(run(R"({{ reReplaceAll "(a)b" "x${1}y$1" "abab c" }})") == "xayaxaya c");
  CHECK(run(R"({{ reReplaceAll "x*" "-" "baxd" }})") == "-b-a-d-");
  CHECK(run(R"({{ match "a+" "baa" }} {{ match "^a" "b" }})") == "true false");
  CHECK(fails_with(run(R"({{ match "(" "b" }})"), "error parsing regexp"));
  CHECK(run(R"({{ stripPort "host:9100" }} {{ stripPort "[::1]:80" }} {{ stripPort "a" }})") == "host ::1 a");
  CHECK(
      run(R"({{ stripDomain "foo.example.com:80" }} {{ stripDomain "1.2.3.4:80" }} {{ stripDomain "a.b" }})") ==
      "foo:80 1.2.3.4:80 a");
  CHECK(run(R"({{ parseDuration "1h2m10ms" }} {{ parseDuration "-5s" }})") == "3720.01 -5");
  CHECK(fails_with(run(R"({{ parseDuration "1s1h" }})"), "not a valid duration"));
  CHECK(run(R"({{ graphLink "up{a=\"b\"}" }} {{ tableLink "x y" }})") ==
        "/graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=0 /graph?g0.expr=x+y&g0.tab=1");
  CHECK(run("{{ externalURL }} {{ pathPrefix }}") == "http://testhost:9090/path/prefix /path/prefix");
  CHECK(run(R"({{ join ", " (stringSlice "a" "b") }} {{ trimSpace "  x " }} {{ safeHtml "<b>" }})") ==
        "a, b x <b>");
  CHECK(run("{{ now }}") == "1.353755652e+09");
}

TEST_CASE("templates: query results and what is made of them") {
  CHECK(run(R"({{ range query "metric" }}{{ .Labels.instance }}={{ .Value }};{{ end }})") == "b=21;a=11;");
  CHECK(run(R"({{ range query "metric" | sortByLabel "instance" }}{{ .Labels.instance }}{{ end }})") == "ab");
  CHECK(run(R"({{ query "metric" | first | value }} {{ query "metric" | first | label "instance" }})") ==
        "21 b");
  CHECK(run(R"({{ query "metric" | first | strvalue }})") == "two");
  CHECK(run(R"({{ with query "nothing" }}x{{ else }}none{{ end }})") == "none");
  CHECK(fails_with(run(R"({{ query "nothing" | first }})"), "first() called on vector with no elements"));
  CHECK(fails_with(run(R"({{ query "broken" }})"), "error calling query: parse error"));
  CHECK(fails_with(run(R"({{ query "metric" | first | label 3 }})"), "error calling label"));
  FunctionContext none;
  CHECK(fails_with(run(R"({{ query "metric" }})", {}, none), "queries are not available"));
}

TEST_CASE("templates: malformed input is an error with its line") {
  struct Row {
    const char* text;
    const char* part;
    int line;
  };
  for (const Row& r : std::initializer_list<Row>{
           {"{{", "unclosed action", 1},
           {"\n{{ if }}{{ end }}", "missing value for if", 2},
           {"a\nb{{ foo }}", "function \"foo\" not defined", 2},
           {"{{ $x }}", "undefined variable \"$x\"", 1},
           {"{{ $x = 1 }}", "undefined variable", 1},
           {"{{ if true }}", "unexpected EOF", 1},
           {"{{ end }}", "unexpected {{end}}", 1},
           {"{{ else }}", "unexpected {{else}}", 1},
           {"{{ if 1 }}{{ else }}{{ else }}{{ end }}", "expected end", 1},
           {"{{ \"abc }}", "unterminated quoted string", 1},
           {"{{ `abc }}", "unterminated raw quoted string", 1},
           {"{{ /* x }}", "unexpected", 1},
           {"{{/* x }}", "unclosed comment", 1},
           {"{{ (1 }}", "unclosed left paren", 1},
           {"{{ 1) }}", "unexpected right paren", 1},
           {"{{ 1x }}", "bad number syntax", 1},
           {"{{ . | }}", "missing value for command", 1},
           {"{{ break }}", "outside {{range}}", 1},
           {"{{ \"a\".b }}", "unexpected . after term", 1},
           {"{{ ? }}", "unexpected \"?\" in command", 1},
           {"{{ define }}{{ end }}", "unexpected", 1},
           {"{{ '' }}", "malformed character", 1},
           {"{{ if 1 }}{{ define \"x\" }}{{ end }}{{ end }}", "unexpected {{define}}", 1}}) {
    INFO(r.text);
    auto t = Template::parse("t", r.text);
    REQUIRE_FALSE(t);
    CHECK(t.error().message.find(r.part) != std::string::npos);
    CHECK(t.error().line == r.line);
    CHECK(t.error().message.starts_with("template: t:" + std::to_string(r.line) + ": "));
  }
}

TEST_CASE("templates: an error while executing names the place") {
  auto t = Template::parse("t", "x\n {{ .name.first }}");
  REQUIRE(t);
  auto out = t->execute(kData, context());
  REQUIRE_FALSE(out);
  CHECK(out.error().message ==
        "template: t:2:4: executing \"t\" at <.name.first>: can't evaluate field first in type string");
  CHECK(out.error().line == 2);
}

TEST_CASE("templates: output, steps, depth and growing texts are bounded") {
  CHECK(fails_with(run("{{ range 1000000000 }}{{ end }}"), "steps"));
  CHECK(fails_with(run("{{ range 100000 }}0123456789012345{{ end }}"), "output is longer"));
  CHECK(fails_with(run(R"({{ define "r" }}{{ template "r" . }}{{ end }}{{ template "r" . }})"),
                   "maximum template depth"));
  CHECK(fails_with(run(R"({{ $x := "ab" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}{{ len $x }})"),
                   "longer than"));
  CHECK(fails_with(run(R"({{ $x := args 1 }}{{ range 31 }}{{ $x = args $x $x }}{{ end }}{{ $x }})"),
                   "longer than"));
  CHECK(
      fails_with(run(R"({{ $x := args 1 }}{{ range 31 }}{{ $x = args $x $x }}{{ end }}{{ printf "%d" $x }})"),
                 "longer than"));
  std::string deep;
  for (int i = 0; i < 100; i++) deep += "{{ if 1 }}";
  CHECK(fails_with(run(deep), "nested too deep"));
  CHECK(fails_with(run("{{ " + std::string(100, '(') + "1" + std::string(100, ')') + " }}"), "too deep"));
  CHECK_FALSE(Template::parse("t", std::string(2u << 20, 'a')));
  VirtualClock clock;
  FunctionContext late = context();
  late.cancellation = Cancellation::create(&clock, clock.monotonic());
  CHECK(fails_with(run("{{ range 100000 }}{{ end }}", {}, late), "timed out"));
}

TEST_CASE("templates: extra functions are known only by the names given to parse") {
  FunctionContext c = context();
  c.extra["twice"] = [](const std::vector<Value>& args) -> Result<Value> {
    return Value(*args[0].as<int64_t>() * 2);
  };
  auto t = Template::parse("t", "{{ twice 21 }}", {"twice"});
  REQUIRE(t);
  CHECK(*t->execute({}, c) == "42");
  CHECK_FALSE(Template::parse("t", "{{ twice 21 }}"));
}

TEST_CASE("alert texts: labels, value and externals are at hand") {
  LabelSet labels{{"alertname", "HighErrors"}, {"instance", "web-1:9100"}, {"service", "shop"}};
  LabelSet external{{"region", "eu"}};
  auto expand = [&](std::string_view text, double value = 0.0512) {
    return expand_alert_text(text, labels, external, "http://sonde/x", value, samples, EventTime{});
  };
  CHECK(expand("no template") == "no template");
  CHECK(
      expand(
          "{{ $labels.service }} on {{ $labels.instance | stripPort }}: {{ $value | humanizePercentage }}") ==
      "shop on web-1: 5.12%");
  CHECK(expand("{{ .Labels.service }} {{ .Value }} {{ $externalLabels.region }} {{ $externalURL }}") ==
        "shop 0.0512 eu http://sonde/x");
  CHECK(expand("{{ $labels.absent }}|") == "|");
  CHECK(expand("{{ $value }}", 1234567) == "1.234567e+06");
  CHECK(expand("{{ if gt $value 0.05 }}high{{ end }}") == "high");
}

TEST_CASE("alert texts: a broken template becomes text") {
  LabelSet labels{{"alertname", "A"}};
  auto expand = [&](std::string_view text) {
    return expand_alert_text(text, labels, {}, "", 1, samples, EventTime{});
  };
  CHECK(expand("{{ nope }}") ==
        "<error expanding template: error parsing template __alert_A: template: __alert_A:1: function "
        "\"nope\" not "
        "defined>");
  std::string failed = expand("{{ $.labels.service }}");
  CHECK(failed.starts_with(
      "<error expanding template: error executing template __alert_A: template: __alert_A:1:"));
  CHECK(failed.find("can't evaluate field labels in type template.AlertTemplateData") != std::string::npos);
  CHECK(check_alert_text("A", "{{ $labels.x }}"));
  CHECK(check_alert_text("A", "a\n{{ $labels.x ").error().line == 2);
}

}  // namespace
}  // namespace sonde::templates

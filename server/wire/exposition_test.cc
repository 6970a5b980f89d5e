#include "wire/exposition.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace sonde;
using namespace sonde::wire;

namespace {

struct Seen {
  std::string series;
  std::string name;
  std::string labels;
  double value = 0;
  std::optional<Timestamp> t;
  std::optional<Exemplar> exemplar;
  std::optional<Timestamp> start;
  int line = 0;
};

class Collect : public ExpositionVisitor {
 public:
  bool on_sample(const ExpositionSample& s) override {
    Seen seen{std::string(s.series), std::string(s.name), {}, s.value, s.t, {}, s.start, s.line};
    auto labels = to_label_set(s);
    seen.labels = labels ? labels->to_string() : "error: " + labels.error().message;
    if (s.exemplar != nullptr)
      seen.exemplar = Exemplar{*to_label_set(*s.exemplar), s.exemplar->value, s.exemplar->t};
    samples.push_back(seen);
    return samples.size() < stop_at;
  }
  void on_metadata(const ExpositionMetadata& m) override {
    metadata.push_back(std::string(m.family) + "|" +
                       (m.field == MetadataField::kType   ? to_string(m.type)
                        : m.field == MetadataField::kHelp ? "help:" + std::string(m.text)
                                                          : "unit:" + std::string(m.text)));
  }
  std::vector<Seen> samples;
  std::vector<std::string> metadata;
  size_t stop_at = SIZE_MAX;
};

Collect text(std::string_view s) {
  Collect c;
  auto r = parse_text_format(s, {}, c);
  INFO(s);
  REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().message));
  CHECK(r->samples == c.samples.size());
  return c;
}
std::string text_error(std::string_view s, ExpositionOptions options = {}) {
  Collect c;
  auto r = parse_text_format(s, options, c);
  return r ? "" : r.error().message;
}
Collect open_metrics(std::string_view s, ExpositionOptions options = {}) {
  Collect c;
  auto r = parse_open_metrics(s, options, c);
  INFO(s);
  REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().message));
  return c;
}
std::string om_error(std::string_view s) {
  Collect c;
  auto r = parse_open_metrics(s, {}, c);
  return r ? "" : r.error().message;
}

}  // namespace

TEST_CASE("text format: samples with and without labels and timestamps") {
  auto c = text("up 1\nhttp{code=\"200\", method = \"GET\" ,} 2.5 1700000000123\n\t a\t3\t-5 \n");
  REQUIRE(c.samples.size() == 3);
  CHECK(c.samples[0].labels == "up");
  CHECK(c.samples[1].labels == R"(http{code="200", method="GET"})");
  CHECK(c.samples[1].series == "http{code=\"200\", method = \"GET\" ,}");
  CHECK(c.samples[1].value == 2.5);
  CHECK(c.samples[1].t->ms == 1700000000123);
  CHECK(c.samples[2].t->ms == -5);
  CHECK(c.samples[2].line == 3);
}

TEST_CASE("text format: the last line needs no line end and blank lines and remarks are skipped") {
  auto c = text("\n# a remark\n#\n \t\na 1\n#HELP\n# HELPER x y\nb 2");
  REQUIRE(c.samples.size() == 2);
  CHECK(c.samples[1].labels == "b");
}

TEST_CASE("text format: values are read as Go reads them") {
  auto value = [](std::string_view v) { return text("a " + std::string(v)).samples.at(0).value; };
  CHECK(value("0") == 0);
  CHECK(value("+1.5e3") == 1500);
  CHECK(value(".5") == 0.5);
  CHECK(value("123456789012345678") == 123456789012345678.0);
  CHECK(value("1e-400") == 0);
  CHECK(std::isinf(value("inf")));
  CHECK(value("-Inf") < 0);
  CHECK(std::isinf(value("+Infinity")));
  CHECK(std::bit_cast<uint64_t>(value("nAn")) == kNormalNanBits);
  for (const char* bad :
       {"1_0", "0x1p-3", "0x10", "1e400", "++1", "+-1", "-nan", "nan(1)", "1.5.", "e5", "--1", "Infin"}) {
    CHECK_MESSAGE(text_error("a " + std::string(bad)) != "", bad);
  }
}

TEST_CASE("text format: label values are unescaped and unknown escapes stay") {
  auto c = text("a{x=\"\\\"\\\\\\n\\z\",y=\"plain\"} 1\n");
  CHECK(c.samples[0].labels == R"(a{x="\"\\\n\\z", y="plain"})");
}

TEST_CASE("text format: names may be quoted UTF-8") {
  auto c = text(
      "{\"my.metric\",\"a.b\"=\"c\"} 1\n{\"just \\\"this\\\"\"} 2\n# TYPE \"my.metric\" counter\n# HELP "
      "\"my.metric\" x\n");
  CHECK(c.samples[0].name == "my.metric");
  CHECK(c.samples[0].labels == R"({"my.metric", "a.b"="c"})");
  CHECK(c.samples[1].name == "just \"this\"");
  CHECK(c.metadata == std::vector<std::string>{"my.metric|counter", "my.metric|help:x"});
  CHECK(text_error("{a=\"b\"} 1").find("no metric name") != std::string::npos);
  CHECK(text_error("{} 1").find("no metric name") != std::string::npos);
  CHECK(text_error("{a=\"b\",\"name\"} 1") != "");
}

TEST_CASE("text format: metadata is handed over unescaped") {
  auto c = text("# HELP a one\\ntwo \\\\ \\\"\n# TYPE a untyped\n#\tTYPE\tb\thistogram \n# HELP a\n");
  CHECK(c.metadata ==
        std::vector<std::string>{"a|help:one\ntwo \\ \\\"", "a|unknown", "b|histogram", "a|help:"});
}

TEST_CASE("text format: errors name the line, the reason and a bounded piece of the text") {
  CHECK(text_error("a 1\nb x\n") == "line 2: value is not a number near \"x\"");
  CHECK(text_error("a{b=\"c\"").find("line 1: braces are not closed") == 0);
  CHECK(text_error("a{b=\"c} 1\n").find("line 1: quotes are not closed") == 0);
  CHECK(text_error("a{b} 1").find("expected '='") != std::string::npos);
  CHECK(text_error("a{b=c} 1").find("quoted label value") != std::string::npos);
  CHECK(text_error("a{b=\"c\"d=\"e\"} 1").find("expected ','") != std::string::npos);
  CHECK(text_error("a{,} 1") != "");
  CHECK(text_error("a 1 1.5").find("milliseconds") != std::string::npos);
  CHECK(text_error("a 1 1 1").find("unexpected text") != std::string::npos);
  CHECK(text_error("a\n").find("no value") != std::string::npos);
  CHECK(text_error("a").find("no value") != std::string::npos);
  CHECK(text_error("a-b 1").find("unexpected character") != std::string::npos);
  CHECK(text_error("# TYPE a nonsense\n").find("unknown metric type") != std::string::npos);
  CHECK(text_error("# HELP a \xff\n").find("not UTF-8") != std::string::npos);
  CHECK(text_error("a " + std::string(100'000, 'x')).size() < 150);
}

TEST_CASE("text format: a line end inside a label value counts as a line") {
  Collect c;
  auto r = parse_text_format("a{b=\"1\n2\"} 1\nb x\n", {}, c);
  REQUIRE_FALSE(r.has_value());
  CHECK(c.samples[0].labels == R"(a{b="1\n2"})");
  CHECK(r.error().line == 3);
}

TEST_CASE("text format: limits end the parse quickly") {
  ExpositionOptions options;
  options.limits = {.labels_max = 2,
                    .label_name_bytes_max = 5,
                    .label_value_bytes_max = 6,
                    .help_bytes_max = 4,
                    .series_max = 2};
  CHECK(text_error("a{b=\"1\",c=\"2\"} 1", options) == "");
  CHECK(text_error("a{b=\"1\",c=\"2\",d=\"3\"} 1", options).find("more than 2 labels") != std::string::npos);
  CHECK(text_error("a{b=\"123456\"} 1", options) == "");
  CHECK(text_error("a{b=\"1234567\"} 1", options).find("longer than 6") != std::string::npos);
  CHECK(text_error("a{bbbbbb=\"1\"} 1", options).find("longer than 5") != std::string::npos);
  CHECK(text_error("aaaaaa 1", options).find("longer than 5") != std::string::npos);
  CHECK(text_error("# HELP a 12345", options).find("longer than 4") != std::string::npos);
  CHECK(text_error("a 1\na 1\n", options) == "");
  CHECK(text_error("a 1\na 1\na 1\n", options).find("more than 2 samples") != std::string::npos);
  std::string wide = "a{";
  for (int i = 0; i < 1'000'000; i++) wide += "l=\"v\",";
  CHECK(text_error(wide + "} 1").find("more than 256 labels") != std::string::npos);
}

TEST_CASE("exposition: a label name given twice and what is not UTF-8 have no label set") {
  CHECK(text("a{b=\"1\",b=\"2\"} 1").samples[0].labels == "error: label name \"b\" is not unique");
  CHECK(text("a{b=\"\xff\"} 1").samples[0].labels == "error: value of label \"b\" is not UTF-8");
}

TEST_CASE("exposition: the visitor can stop the parse") {
  Collect c;
  c.stop_at = 2;
  auto r = parse_text_format("a 1\nb 2\nnonsense", {}, c);
  REQUIRE(r.has_value());
  CHECK(r->stopped);
  CHECK(r->samples == 2);
}

TEST_CASE("open metrics: timestamps are seconds and exemplars come along") {
  auto c = open_metrics(
      "# HELP a help\n# TYPE a counter\n# UNIT a_s s\n"
      "a_total{x=\"1\"} 5 1.5 # {trace_id=\"abc\",\"b.c\"=\"\\\"\"} 0.5 1.25\na_total 2 # {} 1\n# EOF\n");
  REQUIRE(c.samples.size() == 2);
  CHECK(c.samples[0].t->ms == 1500);
  CHECK(c.samples[0].exemplar->labels.to_string() == R"({"b.c"="\"", trace_id="abc"})");
  CHECK(c.samples[0].exemplar->value == 0.5);
  CHECK(c.samples[0].exemplar->t->ms == 1250);
  CHECK(c.samples[1].exemplar->labels.empty());
  CHECK(c.metadata == std::vector<std::string>{"a|help:help", "a|counter", "a_s|unit:s"});
}

TEST_CASE("open metrics: a timestamp beyond all times is saturated") {
  auto c = open_metrics("a 1 12345678901234567890\na 1 -1e300\n# EOF");
  CHECK(c.samples[0].t->ms == INT64_MAX);
  CHECK(c.samples[1].t->ms == INT64_MIN);
}

TEST_CASE("open metrics: the end must be marked, and nothing may follow it") {
  CHECK(om_error("a 1\n").find("does not end with # EOF") != std::string::npos);
  CHECK(om_error("").find("does not end with # EOF") != std::string::npos);
  CHECK(om_error("a 1\n# EOF\na 2\n").find("line 3: text after # EOF") == 0);
  CHECK(om_error("a 1\n# EOFx").find("expected # HELP") != std::string::npos);
  CHECK(om_error("a 1\n# EOF") == "");
}

TEST_CASE("open metrics: what the text format lets pass is refused") {
  CHECK(om_error("\na 1\n# EOF").find("line 1: blank line") == 0);
  CHECK(om_error("a  1\n# EOF") != "");
  CHECK(om_error("a{b=\"c\"}1\n# EOF") != "");
  CHECK(om_error("a 1 \n# EOF") != "");
  CHECK(om_error("a{b=\"1\n2\"} 1\n# EOF") != "");
  CHECK(om_error("# remark\n# EOF") != "");
  CHECK(om_error("a 1 NaN\n# EOF").find("finite") != std::string::npos);
  CHECK(om_error("a 1 # {a=\"b\"}\n# EOF") != "");
  CHECK(om_error("a 1 #{a=\"b\"} 1\n# EOF") != "");
  CHECK(om_error("# UNIT a seconds\n# EOF").find("suffix") != std::string::npos);
}

TEST_CASE("open metrics: _created becomes the start of its label set's samples when asked for") {
  std::string_view exposition =
      "# TYPE a counter\na_total{x=\"1\"} 5\na_created{x=\"1\"} 1.5\na_total{x=\"2\"} 6\n"
      "# TYPE h histogram\nh_bucket{x=\"1\",le=\"1\"} 1\nh_bucket{le=\"+Inf\",x=\"1\"} 2\nh_count{x=\"1\"} "
      "2\nh_sum{x=\"1\"} "
      "2\nh_created{x=\"1\"} 3\nh_bucket{x=\"2\",le=\"+Inf\"} 2\nh_created{x=\"3\"} 9\n"
      "# TYPE g gauge\ng 1\ng_created 4\n# EOF\n";
  auto as_series = open_metrics(exposition);
  CHECK(as_series.samples.size() == 12);
  for (const auto& s : as_series.samples) CHECK_FALSE(s.start.has_value());

  auto c = open_metrics(exposition, {.limits = {}, .created_as_start = true});
  REQUIRE(c.samples.size() == 9);
  CHECK(c.samples[0].start == Timestamp{1500});
  CHECK_FALSE(c.samples[1].start.has_value());
  for (int i = 2; i < 6; i++) CHECK(c.samples[static_cast<size_t>(i)].start == Timestamp{3000});
  CHECK_FALSE(c.samples[6].start.has_value());
  CHECK(c.samples[8].labels == "g_created");
}

TEST_CASE("open metrics verify: a correct exposition of all types passes") {
  auto ok = verify_open_metrics(
      "# TYPE c counter\n# HELP c help\nc_total 1 1 # {a=\"b\"} 1 1\nc_created 1 1\n"
      "# TYPE s stateset\ns{s=\"a\"} 0\ns{s=\"b\"} 1\n# TYPE i info\ni_info{v=\"1\"} 1\n"
      "# TYPE q summary\nq{quantile=\"0.5\"} 1\nq_sum 1\nq_count 1\n"
      "# TYPE gh gaugehistogram\ngh_bucket{le=\"-1\"} 1\ngh_bucket{le=\"+Inf\"} 1\ngh_gsum -3\ngh_gcount 1\n"
      "# TYPE w_seconds gauge\n# UNIT w_seconds seconds\nw_seconds NaN\nu 1\n# EOF\n");
  CHECK_MESSAGE(ok.has_value(), (ok ? "" : ok.error().message));
}

TEST_CASE("open metrics verify: each rule refuses what breaks it") {
  auto reason = [](std::string_view s) {
    auto r = verify_open_metrics(s);
    return r ? std::string("parses") : r.error().message;
  };
  auto refused = [&](std::string_view body, std::string_view why) {
    std::string got = reason(std::string(body) + "\n# EOF\n");
    CHECK_MESSAGE(got.find(why) != std::string::npos, body << ": " << got);
  };
  refused("a{a=\"1\",} 1", "comma before");
  refused("a{ a=\"1\"} 1", "label name");
  refused("{\"a.b\"} 1", "metric name");
  refused("a 1\xff", "UTF-8");
  refused("# TYPE a untyped", "unknown type");
  refused("# HELP a", "expected a keyword");
  refused("# TYPE a counter\n# TYPE a counter", "more than one TYPE");
  refused("# TYPE a info\n# TYPE b gauge\nb 1\n# TYPE a counter", "clashes");
  refused("# TYPE a_total gauge\n# TYPE a counter", "clashes");
  refused("# TYPE a counter\na 1", "clashes");
  refused("# TYPE a histogram\na_bucket{le=\"1\"} 0", "+Inf");
  refused("# TYPE a histogram\na_bucket{le=\"+Inf\"} 0\na_count 1\na_sum 0", "count is not");
  refused("# TYPE a histogram\na_bucket{le=\"+Inf\"} 0\na_count 0", "count without a sum");
  refused("# TYPE a histogram\na_bucket{le=\"+Inf\"} 0.5", "whole number");
  refused("# TYPE a summary\na 0", "quantile");
  refused("# TYPE a counter\na_total 1 # {a=\"1\",a=\"2\"} 1", "twice in an exemplar");
  refused("# TYPE a gauge\na{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"1\"} 1", "stand apart");
  refused("# TYPE a stateset\na{b=\"1\"} 1", "own name");
}

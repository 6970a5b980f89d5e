#include "wire/json_writer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "wire/prometheus_json.h"

using namespace sonde;
using namespace sonde::wire;

namespace {
std::string quoted(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}
template <class F>
std::string written(F&& f) {
  std::string out;
  JsonWriter json(out);
  f(json);
  return out;
}
}  // namespace

TEST_CASE("json writer: commas come between values and nowhere else") {
  CHECK(written([](JsonWriter& j) {
          j.begin_object().field("a", int64_t{1}).key("b").begin_array().end_array();
          j.key("c")
              .begin_array()
              .integer(1)
              .null()
              .boolean(true)
              .begin_object()
              .end_object()
              .string("x")
              .end_array();
          j.end_object();
        }) == R"({"a":1,"b":[],"c":[1,null,true,{},"x"]})");
}

TEST_CASE("json writer: quotes, backslashes and control characters are escaped") {
  CHECK(quoted("a\"b\\c\n\r\t\x01\x1f") == R"("a\"b\\c\n\r\t\u0001\u001f")");
  CHECK(quoted(std::string_view("\0", 1)) == R"("\u0000")");
  CHECK(quoted("é☃😀</script>") == "\"é☃😀</script>\"");
}

TEST_CASE("json writer: what is not UTF-8 becomes the replacement character, byte by byte") {
  CHECK(quoted("a\xff"
               "b") ==
        "\"a\xef\xbf\xbd"
        "b\"");
  CHECK(quoted("\xe2\x98") == "\"\xef\xbf\xbd\xef\xbf\xbd\"");                  // cut
  CHECK(quoted("\xc0\x80") == "\"\xef\xbf\xbd\xef\xbf\xbd\"");                  // overlong
  CHECK(quoted("\xed\xa0\x80") == "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");  // surrogate
}

TEST_CASE("json writer: numbers are shortest and what JSON has no number for is a string") {
  auto number = [](double v) { return written([&](JsonWriter& j) { j.number(v); }); };
  CHECK(number(0.1) == "0.1");
  CHECK(number(1e300) == "1e+300");
  CHECK(number(-0.0) == "-0");
  CHECK(number(std::nan("")) == "\"NaN\"");
  CHECK(number(-std::numeric_limits<double>::infinity()) == "\"-Inf\"");
  CHECK(written([](JsonWriter& j) { j.integer(INT64_MIN); }) == "-9223372036854775808");
  CHECK(written([](JsonWriter& j) { j.unsigned_integer(UINT64_MAX); }) == "18446744073709551615");
  CHECK(written([](JsonWriter& j) { j.integer_string(-5); }) == "\"-5\"");
}

TEST_CASE("prometheus json: timestamps have no more decimals than they need") {
  auto t = [](int64_t ms) { return written([&](JsonWriter& j) { write_timestamp(j, Timestamp{ms}); }); };
  CHECK(t(0) == "0");
  CHECK(t(1000) == "1");
  CHECK(t(1500) == "1.5");
  CHECK(t(1050) == "1.05");
  CHECK(t(1001) == "1.001");
  CHECK(t(-1) == "-0.001");
  CHECK(t(-1500) == "-1.5");
  CHECK(t(INT64_MIN) == "-9223372036854775.808");
}

TEST_CASE("prometheus json: samples carry their value as a string") {
  auto s = [](double v) { return written([&](JsonWriter& j) { write_sample(j, {Timestamp{1500}, v}); }); };
  CHECK(s(2) == "[1.5,\"2\"]");
  CHECK(s(std::nan("")) == "[1.5,\"NaN\"]");
  CHECK(s(1e-7) == "[1.5,\"1e-07\"]");
  CHECK(s(std::numeric_limits<double>::infinity()) == "[1.5,\"+Inf\"]");
}

TEST_CASE("prometheus json: labels come in order of name") {
  CHECK(written([](JsonWriter& j) { write_labels(j, LabelSet{{"job", "a\"b"}, {"__name__", "up"}}); }) ==
        R"({"__name__":"up","job":"a\"b"})");
  CHECK(written([](JsonWriter& j) { write_labels(j, LabelSet{}); }) == "{}");
}

TEST_CASE("prometheus json: histogram buckets ascend and empty ones are left out") {
  NativeHistogram h;
  h.schema = 0;
  h.count = 8;
  h.sum = 4.5;
  h.zero_threshold = 0.001;
  h.zero_count = 2;
  h.positive_spans = {{0, 2}, {1, 1}};
  h.positive_buckets = {1, 0, 3};
  h.negative_spans = {{1, 2}};
  h.negative_buckets = {1, 1};
  CHECK(written([&](JsonWriter& j) { write_histogram(j, h); }) ==
        R"({"count":"8","sum":"4.5","buckets":[[1,"-4","-2","1"],[1,"-2","-1","1"],)"
        R"([3,"-0.001","0.001","2"],[0,"0.5","1","1"],[0,"4","8","3"]]})");
}

TEST_CASE("prometheus json: custom buckets end in infinity and the first is closed below") {
  NativeHistogram h;
  h.schema = kCustomBucketsSchema;
  h.count = 3;
  h.sum = 1;
  h.custom_values = {1, 2};
  h.positive_spans = {{0, 3}};
  h.positive_buckets = {1, 1, 1};
  CHECK(written([&](JsonWriter& j) { write_histogram(j, h); }) ==
        R"({"count":"3","sum":"1","buckets":[[3,"-Inf","1","1"],[0,"1","2","1"],[0,"2","+Inf","1"]]})");
}

TEST_CASE("prometheus json: a histogram without observations has no buckets") {
  CHECK(written([](JsonWriter& j) { write_histogram_sample(j, Timestamp{1000}, NativeHistogram{}); }) ==
        R"([1,{"count":"0","sum":"0"}])");
}

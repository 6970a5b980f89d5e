#include "wire/remote_write.h"

#include <doctest/doctest.h>

#include <protozero/pbf_writer.hpp>

#include "wire/compression.h"

using namespace sonde;
using namespace sonde::wire;

namespace {

MetricRows everything() {
  MetricRows rows;
  uint32_t a = rows.add_series(LabelSet{{"__name__", "a_total"}, {"job", "x"}});
  uint32_t b = rows.add_series(LabelSet{{"__name__", "b"}});
  uint32_t c = rows.add_series(LabelSet{{"__name__", "c"}, {"é", "ü"}});
  rows.floats = {{a, {1000}, 1.5, {}}, {a, {-5}, -2, {}}, {c, {3000}, stale_nan(), {}}};
  auto whole = std::make_shared<NativeHistogram>();
  whole->schema = 3;
  whole->counter_reset = CounterReset::kNoReset;
  whole->count = 9;
  whole->sum = 4.5;
  whole->zero_threshold = 0.001;
  whole->zero_count = 2;
  whole->positive_spans = {{-2, 2}, {3, 1}};
  whole->positive_buckets = {3, 1, 2};
  whole->negative_spans = {{1, 1}};
  whole->negative_buckets = {1};
  auto fractions = std::make_shared<NativeHistogram>();
  fractions->schema = kCustomBucketsSchema;
  fractions->count = 1.5;
  fractions->custom_values = {1, 2.5};
  fractions->positive_spans = {{0, 2}};
  fractions->positive_buckets = {0.5, 1};
  rows.histograms = {{b, {2000}, whole, {}}, {b, {2500}, fractions, {}}};
  rows.exemplars = {{a, {LabelSet{{"trace_id", "abc"}}, 0.5, Timestamp{999}}}};
  rows.metadata = {{"a_total", {MetricType::kCounter, "help", "unit"}}};
  return rows;
}

void check_equal(const MetricRows& got, const MetricRows& want) {
  CHECK(got.rejected == 0);
  CHECK(got.series == want.series);
  REQUIRE(got.floats.size() == want.floats.size());
  for (size_t i = 0; i < want.floats.size(); i++) {
    CHECK(got.floats[i].series == want.floats[i].series);
    CHECK(got.floats[i].t == want.floats[i].t);
    CHECK(got.floats[i].start == want.floats[i].start);
    CHECK(std::bit_cast<uint64_t>(got.floats[i].v) == std::bit_cast<uint64_t>(want.floats[i].v));
  }
  REQUIRE(got.histograms.size() == want.histograms.size());
  for (size_t i = 0; i < want.histograms.size(); i++) {
    CHECK(got.histograms[i].series == want.histograms[i].series);
    CHECK(got.histograms[i].t == want.histograms[i].t);
    CHECK(*got.histograms[i].h == *want.histograms[i].h);
  }
  REQUIRE(got.exemplars.size() == want.exemplars.size());
  for (size_t i = 0; i < want.exemplars.size(); i++) {
    CHECK(got.exemplars[i].exemplar.labels == want.exemplars[i].exemplar.labels);
    CHECK(got.exemplars[i].exemplar.value == want.exemplars[i].exemplar.value);
    CHECK(got.exemplars[i].exemplar.t == want.exemplars[i].exemplar.t);
  }
  REQUIRE(got.metadata.size() == want.metadata.size());
  for (size_t i = 0; i < want.metadata.size(); i++) {
    CHECK(got.metadata[i].family == want.metadata[i].family);
    CHECK(got.metadata[i].metadata == want.metadata[i].metadata);
  }
}

// A request of one series, built by hand.
std::string request_of(const std::vector<std::pair<std::string, std::string>>& labels, double value = 1) {
  std::string raw;
  protozero::pbf_writer request(raw);
  {
    protozero::pbf_writer series(request, 1);
    for (const auto& [n, v] : labels) {
      protozero::pbf_writer label(series, 1);
      label.add_string(1, n);
      label.add_string(2, v);
    }
    protozero::pbf_writer sample(series, 2);
    sample.add_double(1, value);
    sample.add_int64(2, 1);
  }
  return snappy_encode(raw);
}

}  // namespace

TEST_CASE("remote write 1.0: what was encoded decodes to itself") {
  MetricRows rows = everything();
  auto back = decode_remote_write_v1(encode_remote_write_v1(rows), {});
  REQUIRE(back.has_value());
  check_equal(*back, rows);
}

TEST_CASE("remote write 2.0: what was encoded decodes to itself, start timestamps too") {
  MetricRows rows = everything();
  rows.floats[0].start = Timestamp{500};
  rows.histograms[0].start = Timestamp{600};
  auto back = decode_remote_write_v2(encode_remote_write_v2(rows), {});
  REQUIRE(back.has_value());
  check_equal(*back, rows);
  CHECK(back->histograms[0].start == Timestamp{600});
}

TEST_CASE("remote write: labels out of order are sorted and empty ones dropped") {
  auto rows = decode_remote_write_v1(request_of({{"z", "1"}, {"a", ""}, {"__name__", "m"}}), {});
  REQUIRE(rows.has_value());
  CHECK(rows->series.at(0) == LabelSet{{"__name__", "m"}, {"z", "1"}});
}

TEST_CASE("remote write: a series that has no proper labels is left out and counted, the others stay") {
  for (const auto& labels : std::vector<std::vector<std::pair<std::string, std::string>>>{
           {{"a", "b"}},
           {{"__name__", "m"}, {"a", "1"}, {"a", "2"}},
           {{"__name__", "m"}, {"a", "\xff"}},
           {{"__name__", "m"}, {"", "x"}},
           {}}) {
    auto rows = decode_remote_write_v1(request_of(labels), {});
    REQUIRE(rows.has_value());
    CHECK(rows->series.empty());
    CHECK(rows->floats.empty());
    CHECK(rows->rejected == 1);
    CHECK_FALSE(rows->rejection.empty());
  }
}

TEST_CASE("remote write: a histogram whose spans and counts disagree is left out and counted") {
  MetricRows rows = everything();
  auto wrong = std::make_shared<NativeHistogram>(*rows.histograms[0].h);
  wrong->positive_spans[0].length = 7;
  rows.histograms[0].h = wrong;
  auto back = decode_remote_write_v1(encode_remote_write_v1(rows), {});
  REQUIRE(back.has_value());
  CHECK(back->rejected == 1);
  CHECK(back->histograms.size() == 1);
  CHECK(back->rejection.find("spans") != std::string::npos);
}

TEST_CASE("remote write: limits are errors") {
  std::string body = encode_remote_write_v1(everything());
  auto code = [&](RemoteWriteLimits limits) {
    auto r = decode_remote_write_v1(body, limits);
    REQUIRE_FALSE(r.has_value());
    return r.error().code;
  };
  CHECK(code({.bytes_max = 10}) == ErrorCode::kLimit);
  CHECK(code({.series_max = 2}) == ErrorCode::kLimit);
  CHECK(code({.labels_max = 1}) == ErrorCode::kLimit);
  CHECK(code({.label_name_bytes_max = 3}) == ErrorCode::kLimit);
  CHECK(code({.label_value_bytes_max = 3}) == ErrorCode::kLimit);
  CHECK(code({.histogram_buckets_max = 2}) == ErrorCode::kLimit);
  CHECK(code({.values_max = 6}) == ErrorCode::kLimit);
}

TEST_CASE("remote write: cut, garbled and wrongly typed messages are errors that name the field") {
  std::string raw = *snappy_decode(encode_remote_write_v1(everything()), 1 << 20);
  for (size_t n = 1; n < raw.size(); n++) {
    auto r = decode_remote_write_v1(snappy_encode(raw.substr(0, n)), {});
    if (!r) CHECK(r.error().code == ErrorCode::kInvalid);
  }
  CHECK_FALSE(decode_remote_write_v1(snappy_encode(raw.substr(0, raw.size() - 1)), {}).has_value());
  CHECK_FALSE(decode_remote_write_v1("", {}).has_value());
  std::string wrong;
  protozero::pbf_writer(wrong).add_uint64(1, 7);
  auto r = decode_remote_write_v1(snappy_encode(wrong), {});
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error().message == "remote write: timeseries: field 1 has the wrong wire type (before byte 1)");
}

TEST_CASE("remote write 2.0: a reference to a symbol that is not there is an error") {
  std::string raw;
  {
    protozero::pbf_writer request(raw);
    protozero::pbf_writer series(request, 5);
    std::vector<uint32_t> refs = {1, 2};
    series.add_packed_uint32(1, refs.begin(), refs.end());
  }
  auto r = decode_remote_write_v2(snappy_encode(raw), {});
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error().message.find("symbol 1 of 0") != std::string::npos);
}

#include "tsdb/wal_records.h"

#include <doctest/doctest.h>

#include <bit>
#include <limits>

using namespace sonde;
using namespace sonde::tsdb;

TEST_CASE("wal records: rows of every kind come back as they were") {
  WalRows rows;
  rows.add(WalSeries{7, {{"__name__", "up"}, {"job", "a"}}});
  rows.add(WalSeries{3, {{"__name__", "down"}}});
  auto series = decode_series(rows.take());
  REQUIRE(series);
  CHECK(*series ==
        std::vector<WalSeries>{{7, {{"__name__", "up"}, {"job", "a"}}}, {3, {{"__name__", "down"}}}});

  const double values[] = {
      0, -0.0, 1, -1, 0x1p53, 0x1p53 - 1, 1.5, stale_nan(), std::numeric_limits<double>::infinity(), 5e-324};
  uint64_t ref = 1;
  for (double v : values) {
    rows.add(WalFloat{ref++, {1'700'000'000'000}, v, ref % 2 ? Timestamp{1'600'000'000'000} : Timestamp{}});
  }
  rows.add(WalFloat{
      ~uint64_t{0}, {std::numeric_limits<int64_t>::min()}, 1, {std::numeric_limits<int64_t>::max()}});
  auto floats = decode_floats(rows.take());
  REQUIRE(floats);
  REQUIRE(floats->size() == std::size(values) + 1);
  for (size_t i = 0; i < std::size(values); i++) {
    CHECK((*floats)[i].ref == i + 1);
    CHECK(std::bit_cast<uint64_t>((*floats)[i].v) == std::bit_cast<uint64_t>(values[i]));
    CHECK((*floats)[i].start.ms == ((i + 2) % 2 ? 1'600'000'000'000 : 0));
  }
  CHECK(floats->back().start.ms == std::numeric_limits<int64_t>::max());

  NativeHistogram h{.schema = 3,
                    .counter_reset = CounterReset::kNoReset,
                    .zero_threshold = 1e-9,
                    .zero_count = 2,
                    .count = 12,
                    .sum = 3.5,
                    .positive_spans = {{-4, 2}, {3, 1}},
                    .negative_spans = {},
                    .positive_buckets = {1, 2, 7},
                    .negative_buckets = {},
                    .custom_values = {0.5}};
  rows.add(WalHistogram{9, {50}, std::make_shared<NativeHistogram>(h), {4}});
  auto histograms = decode_histograms(rows.take());
  REQUIRE(histograms);
  CHECK(*histograms->at(0).h == h);
  CHECK(histograms->at(0).start == Timestamp{4});

  rows.add(WalExemplar{5, {{{"trace_id", "abc"}}, 0.25, Timestamp{77}}});
  auto exemplars = decode_exemplars(rows.take());
  REQUIRE(exemplars);
  CHECK(exemplars->at(0).exemplar.labels == LabelSet{{"trace_id", "abc"}});
  CHECK(exemplars->at(0).exemplar.t == Timestamp{77});

  rows.add(storage::MetadataRow{"up", {MetricType::kGauge, "help", "s"}});
  CHECK(decode_metadata(rows.take())->at(0).metadata == Metadata{MetricType::kGauge, "help", "s"});

  auto tombstones = decode_tombstones(encode_tombstones({{-5}, {5}, {1, 300}}));
  REQUIRE(tombstones);
  CHECK(tombstones->refs == std::vector<storage::SeriesRef>{1, 300});
}

TEST_CASE("wal records: cut-off and hostile records are errors") {
  WalRows rows;
  rows.add(WalSeries{7, {{"__name__", "up"}, {"job", "a"}}});
  std::string good = rows.take();
  for (size_t n = 1; n < good.size(); n++) CHECK_FALSE(decode_series(std::string_view(good).substr(0, n)));
  ByteWriter unsorted;
  unsorted.svarint(1).text(ByteWriter().text("b").text("1").text("a").text("2").take());
  CHECK_FALSE(decode_series(unsorted.take()));
  ByteWriter huge;
  huge.svarint(0).svarint(0).varint(uint64_t{1} << 60);
  CHECK_FALSE(decode_tombstones(huge.take()));
}

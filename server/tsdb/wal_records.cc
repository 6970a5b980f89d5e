#include "tsdb/wal_records.h"

#include <bit>
#include <cmath>
#include <utility>

namespace sonde::tsdb {
namespace {

enum Flags : uint8_t { kInteger = 1, kStart = 2 };

int64_t wrapped_difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t wrapped_sum(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

// Counters and most gauges are integers: a few bytes instead of eight. -0 and NaN are not among them.
bool as_integer(double v, int64_t& n) {
  if (!(std::fabs(v) < 0x1p53)) return false;
  n = static_cast<int64_t>(v);
  return std::bit_cast<uint64_t>(static_cast<double>(n)) == std::bit_cast<uint64_t>(v);
}

// The canonical encoding of a label set, or an error.
bool read_labels(ByteReader& r, LabelSet& labels) {
  std::string_view encoded = r.text();
  ByteReader in(encoded);
  std::string_view last;
  bool first = true;
  while (in.ok() && !in.at_end()) {
    std::string_view name = in.text(), value = in.text();
    if (!in.ok() || value.empty() || (!first && name <= last)) return false;
    last = name;
    first = false;
  }
  if (!in.ok() || !r.ok()) return false;
  // A length may be written in more bytes than it needs: encoding it again makes it canonical.
  ByteWriter w;
  ByteReader again(encoded);
  while (!again.at_end()) w.text(again.text());
  labels = LabelSet::from_encoded(w.take());
  return true;
}

void write_spans(ByteWriter& w, const std::vector<HistogramSpan>& spans) {
  w.varint(spans.size());
  for (const HistogramSpan& s : spans) w.svarint(s.offset).varint(s.length);
}

std::vector<HistogramSpan> read_spans(ByteReader& r) {
  std::vector<HistogramSpan> spans(r.count(2));
  for (HistogramSpan& s : spans) {
    s.offset = static_cast<int32_t>(r.svarint());
    s.length = static_cast<uint32_t>(r.varint());
  }
  return spans;
}

void write_doubles(ByteWriter& w, const std::vector<double>& values) {
  w.varint(values.size());
  for (double v : values) w.fixed(v);
}

std::vector<double> read_doubles(ByteReader& r) {
  std::vector<double> values(r.count(sizeof(double)));
  for (double& v : values) v = r.fixed<double>();
  return values;
}

std::unexpected<Error> damaged(const char* what) {
  return fail(ErrorCode::kCorrupt, std::string("wal: malformed ") + what + " record");
}

}  // namespace

std::string WalRows::take() {
  ref_ = t_ = 0;
  return std::exchange(out_, {}).take();
}

void WalRows::add(const WalSeries& row) {
  out_.svarint(wrapped_difference(static_cast<int64_t>(row.ref), ref_)).text(row.labels.encoded());
  ref_ = static_cast<int64_t>(row.ref);
}

void WalRows::add(const WalFloat& row) {
  int64_t n = 0;
  bool integer = as_integer(row.v, n);
  bool start = row.start != Timestamp{};
  out_.svarint(wrapped_difference(static_cast<int64_t>(row.ref), ref_));
  out_.fixed(static_cast<uint8_t>((integer ? kInteger : 0) | (start ? kStart : 0)));
  out_.svarint(wrapped_difference(row.t.ms, t_));
  if (integer) {
    out_.svarint(n);
  } else {
    out_.fixed(row.v);
  }
  if (start) out_.svarint(wrapped_difference(row.t.ms, row.start.ms));
  ref_ = static_cast<int64_t>(row.ref);
  t_ = row.t.ms;
}

void WalRows::add(const WalHistogram& row) {
  const NativeHistogram& h = *row.h;
  out_.svarint(wrapped_difference(static_cast<int64_t>(row.ref), ref_))
      .svarint(wrapped_difference(row.t.ms, t_));
  out_.svarint(row.start.ms).svarint(h.schema).fixed(static_cast<uint8_t>(h.counter_reset));
  out_.fixed(h.zero_threshold).fixed(h.zero_count).fixed(h.count).fixed(h.sum);
  write_spans(out_, h.positive_spans);
  write_spans(out_, h.negative_spans);
  write_doubles(out_, h.positive_buckets);
  write_doubles(out_, h.negative_buckets);
  write_doubles(out_, h.custom_values);
  ref_ = static_cast<int64_t>(row.ref);
  t_ = row.t.ms;
}

void WalRows::add(const WalExemplar& row) {
  out_.svarint(wrapped_difference(static_cast<int64_t>(row.ref), ref_));
  out_.svarint(row.exemplar.t.value_or(Timestamp{}).ms).fixed(row.exemplar.value);
  out_.text(row.exemplar.labels.encoded());
  ref_ = static_cast<int64_t>(row.ref);
}

void WalRows::add(const storage::MetadataRow& row) {
  out_.text(row.metric).fixed(static_cast<uint8_t>(row.metadata.type));
  out_.text(row.metadata.help).text(row.metadata.unit);
}

std::string encode_tombstones(const WalTombstones& tombstones) {
  ByteWriter w;
  w.svarint(tombstones.from.ms).svarint(tombstones.to.ms).varint(tombstones.refs.size());
  for (storage::SeriesRef ref : tombstones.refs) w.varint(ref);
  return w.take();
}

Result<std::vector<WalSeries>> decode_series(std::string_view data) {
  ByteReader r(data);
  std::vector<WalSeries> rows;
  int64_t ref = 0;
  while (r.ok() && !r.at_end()) {
    WalSeries row;
    ref = wrapped_sum(ref, r.svarint());
    row.ref = static_cast<storage::SeriesRef>(ref);
    if (!read_labels(r, row.labels) || row.labels.empty() || row.ref == 0) return damaged("series");
    rows.push_back(std::move(row));
  }
  if (!r.ok()) return damaged("series");
  return rows;
}

Result<std::vector<WalFloat>> decode_floats(std::string_view data) {
  ByteReader r(data);
  std::vector<WalFloat> rows;
  int64_t ref = 0, t = 0;
  while (r.ok() && !r.at_end()) {
    WalFloat row;
    ref = wrapped_sum(ref, r.svarint());
    auto flags = r.fixed<uint8_t>();
    t = wrapped_sum(t, r.svarint());
    row.ref = static_cast<storage::SeriesRef>(ref);
    row.t = {t};
    row.v = flags & kInteger ? static_cast<double>(r.svarint()) : r.fixed<double>();
    if (flags & kStart) row.start = {wrapped_difference(t, r.svarint())};
    if (flags > (kInteger | kStart)) return damaged("floats");
    if (r.ok()) rows.push_back(row);
  }
  if (!r.ok()) return damaged("floats");
  return rows;
}

Result<std::vector<WalHistogram>> decode_histograms(std::string_view data) {
  ByteReader r(data);
  std::vector<WalHistogram> rows;
  int64_t ref = 0, t = 0;
  while (r.ok() && !r.at_end()) {
    WalHistogram row;
    NativeHistogram h;
    ref = wrapped_sum(ref, r.svarint());
    t = wrapped_sum(t, r.svarint());
    row.ref = static_cast<storage::SeriesRef>(ref);
    row.t = {t};
    row.start = {r.svarint()};
    h.schema = static_cast<int32_t>(r.svarint());
    auto reset = r.fixed<uint8_t>();
    if (reset > static_cast<uint8_t>(CounterReset::kGauge)) return damaged("histograms");
    h.counter_reset = static_cast<CounterReset>(reset);
    h.zero_threshold = r.fixed<double>();
    h.zero_count = r.fixed<double>();
    h.count = r.fixed<double>();
    h.sum = r.fixed<double>();
    h.positive_spans = read_spans(r);
    h.negative_spans = read_spans(r);
    h.positive_buckets = read_doubles(r);
    h.negative_buckets = read_doubles(r);
    h.custom_values = read_doubles(r);
    if (!r.ok()) break;
    row.h = std::make_shared<const NativeHistogram>(std::move(h));
    rows.push_back(std::move(row));
  }
  if (!r.ok()) return damaged("histograms");
  return rows;
}

Result<std::vector<WalExemplar>> decode_exemplars(std::string_view data) {
  ByteReader r(data);
  std::vector<WalExemplar> rows;
  int64_t ref = 0;
  while (r.ok() && !r.at_end()) {
    WalExemplar row;
    ref = wrapped_sum(ref, r.svarint());
    row.ref = static_cast<storage::SeriesRef>(ref);
    row.exemplar.t = Timestamp{r.svarint()};
    row.exemplar.value = r.fixed<double>();
    if (!read_labels(r, row.exemplar.labels)) return damaged("exemplars");
    rows.push_back(std::move(row));
  }
  if (!r.ok()) return damaged("exemplars");
  return rows;
}

Result<std::vector<storage::MetadataRow>> decode_metadata(std::string_view data) {
  ByteReader r(data);
  std::vector<storage::MetadataRow> rows;
  while (r.ok() && !r.at_end()) {
    storage::MetadataRow row;
    row.metric = r.text();
    auto type = r.fixed<uint8_t>();
    if (type > static_cast<uint8_t>(MetricType::kStateset)) return damaged("metadata");
    row.metadata.type = static_cast<MetricType>(type);
    row.metadata.help = r.text();
    row.metadata.unit = r.text();
    rows.push_back(std::move(row));
  }
  if (!r.ok()) return damaged("metadata");
  return rows;
}

Result<WalTombstones> decode_tombstones(std::string_view data) {
  ByteReader r(data);
  WalTombstones out;
  out.from = {r.svarint()};
  out.to = {r.svarint()};
  out.refs.resize(r.count());
  for (auto& ref : out.refs) ref = r.varint();
  if (!r.at_end()) return damaged("tombstones");
  return out;
}

}  // namespace sonde::tsdb

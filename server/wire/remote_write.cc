#include "wire/remote_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <protozero/pbf_writer.hpp>
#include <unordered_map>
#include <unordered_set>

#include "wire/compression.h"
#include "wire/pbf_error.h"
#include "wire/utf8.h"

namespace sonde::wire {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

void append_text(std::string& out, std::string_view text) {
  size_t n = text.size();
  while (n >= 0x80) {
    out.push_back(static_cast<char>(n | 0x80));
    n >>= 7;
  }
  out.push_back(static_cast<char>(n));
  out += text;
}

// Why the labels are no label set; empty when they are, and then `set` is it. Sorts `labels`.
std::string make_label_set(std::vector<LabelView>& labels, LabelSet& set) {
  if (!std::is_sorted(labels.begin(), labels.end())) std::sort(labels.begin(), labels.end());
  std::string encoded;
  size_t total = 0;
  for (const LabelView& l : labels) total += l.name.size() + l.value.size() + 4;
  encoded.reserve(total);
  std::string_view previous;
  for (const LabelView& l : labels) {
    if (l.name.empty()) return "empty label name";
    if (l.name == previous) return fmt::format("label name {} is not unique", quote(excerpt(l.name)));
    previous = l.name;
    if (!is_valid_utf8(l.name)) return "label name is not UTF-8";
    if (!is_valid_utf8(l.value)) return fmt::format("value of label {} is not UTF-8", quote(excerpt(l.name)));
    if (l.value.empty()) continue;
    append_text(encoded, l.name);
    append_text(encoded, l.value);
  }
  set = LabelSet::from_encoded(std::move(encoded));
  return {};
}

CounterReset reset_from(uint64_t hint) {
  switch (hint) {
    case 1:
      return CounterReset::kReset;
    case 2:
      return CounterReset::kNoReset;
    case 3:
      return CounterReset::kGauge;
    default:
      return CounterReset::kUnknown;
  }
}

// What both versions share, and one series under way.
class Decoder {
 public:
  explicit Decoder(const RemoteWriteLimits& limits) : limits_(limits) {}

  MetricRows rows;

  void request_v1(pbf_reader& r, PbfPlace& place) {
    while (r.next()) {
      if (r.tag() == 1) {
        place.field = "timeseries";
        pbf_reader series = read_message(r);
        series_v1(series, place);
      } else if (r.tag() == 3) {
        place.field = "metadata";
        pbf_reader m = read_message(r);
        metadata_v1(m);
      } else {
        r.skip();
      }
    }
  }

  void request_v2(pbf_reader& r, PbfPlace& place) {
    // Symbols may come after the series that use them.
    for (pbf_reader again = r; again.next();) {
      place.field = "symbols";
      if (again.tag() == 4) {
        std::string_view symbol = read_bytes(again);
        if (symbols_.empty() && !symbol.empty()) refuse(ErrorCode::kInvalid, "the first symbol is not empty");
        if (symbols_.size() == limits_.values_max) {
          refuse(ErrorCode::kLimit, fmt::format("more than {} symbols", limits_.values_max));
        }
        symbols_.push_back(symbol);
      } else {
        again.skip();
      }
    }
    while (r.next()) {
      if (r.tag() == 5) {
        place.field = "timeseries";
        pbf_reader series = read_message(r);
        series_v2(series, place);
      } else {
        r.skip();
      }
    }
  }

 private:
  [[noreturn]] static void refuse(ErrorCode code, std::string message) {
    throw PbfRefusal{code, std::move(message)};
  }

  void begin_series() {
    if (++series_seen_ > limits_.series_max) {
      refuse(ErrorCode::kLimit, fmt::format("more than {} series", limits_.series_max));
    }
    labels_.clear();
    exemplar_labels_.clear();
    floats_ = rows.floats.size();
    histograms_ = rows.histograms.size();
    exemplars_ = rows.exemplars.size();
    // The index that the series gets if its labels are good.
    series_ = static_cast<uint32_t>(rows.series.size());
  }

  // Labels may stand behind the samples, so all is judged at the end; what is refused is taken back.
  LabelSet end_series() {
    LabelSet set;
    std::string wrong = make_label_set(labels_, set);
    if (wrong.empty() && set.metric_name().empty()) wrong = "series without a metric name";
    if (wrong.empty()) {
      rows.series.push_back(set);
      return set;
    }
    size_t samples = rows.floats.size() - floats_ + rows.histograms.size() - histograms_;
    rows.reject(std::max<size_t>(samples, 1), std::move(wrong));
    rows.floats.resize(floats_);
    rows.histograms.resize(histograms_);
    rows.exemplars.resize(exemplars_);
    return {};
  }

  void count_value() {
    if (++values_ > limits_.values_max) {
      refuse(ErrorCode::kLimit, fmt::format("more than {} values", limits_.values_max));
    }
  }

  void check_label(const LabelView& l) const {
    if (l.name.size() > limits_.label_name_bytes_max) {
      refuse(ErrorCode::kLimit, fmt::format("label name longer than {} bytes", limits_.label_name_bytes_max));
    }
    if (l.value.size() > limits_.label_value_bytes_max) {
      refuse(ErrorCode::kLimit,
             fmt::format("label value longer than {} bytes", limits_.label_value_bytes_max));
    }
  }

  void add_label(std::vector<LabelView>& out, LabelView l) const {
    if (out.size() == limits_.labels_max) {
      refuse(ErrorCode::kLimit, fmt::format("more than {} labels", limits_.labels_max));
    }
    check_label(l);
    out.push_back(l);
  }

  void label(pbf_reader r, std::vector<LabelView>& out) const {
    LabelView l;
    while (r.next()) {
      if (r.tag() == 1) {
        l.name = read_bytes(r);
      } else if (r.tag() == 2) {
        l.value = read_bytes(r);
      } else {
        r.skip();
      }
    }
    add_label(out, l);
  }

  void label_refs(pbf_reader& r, std::vector<LabelView>& out) {
    refs_.clear();
    append_uint32s(r, refs_, 2 * limits_.labels_max);
    if (refs_.size() % 2 != 0) refuse(ErrorCode::kInvalid, "odd number of label references");
    for (size_t i = 0; i < refs_.size(); i += 2) add_label(out, {symbol(refs_[i]), symbol(refs_[i + 1])});
  }

  std::string_view symbol(uint32_t ref) const {
    if (ref >= symbols_.size()) {
      if (ref == 0) return {};
      refuse(ErrorCode::kInvalid, fmt::format("symbol {} of {}", ref, symbols_.size()));
    }
    return symbols_[ref];
  }

  void sample(pbf_reader r) {
    count_value();
    MetricRows::Float f;
    f.series = series_;
    while (r.next()) {
      if (r.tag() == 1) {
        f.v = read_double(r);
      } else if (r.tag() == 2) {
        f.t.ms = read_int64(r);
      } else if (r.tag() == 3) {
        f.start.ms = read_int64(r);
      } else {
        r.skip();
      }
    }
    rows.floats.push_back(f);
  }

  void add_exemplar(double value, int64_t t) {
    Exemplar e;
    e.value = value;
    if (t != 0) e.t = Timestamp{t};
    // An exemplar that cannot be kept is not a lost sample.
    if (make_label_set(exemplar_labels_, e.labels).empty()) rows.exemplars.push_back({series_, std::move(e)});
    exemplar_labels_.clear();
  }

  void exemplar(pbf_reader r, bool v2) {
    count_value();
    double value = 0;
    int64_t t = 0;
    while (r.next()) {
      if (r.tag() == 1) {
        if (v2) {
          label_refs(r, exemplar_labels_);
        } else {
          label(read_message(r), exemplar_labels_);
        }
      } else if (r.tag() == 2) {
        value = read_double(r);
      } else if (r.tag() == 3) {
        t = read_int64(r);
      } else {
        r.skip();
      }
    }
    add_exemplar(value, t);
  }

  HistogramSpan span(pbf_reader r) const {
    HistogramSpan s;
    while (r.next()) {
      if (r.tag() == 1) {
        s.offset = read_sint32(r);
      } else if (r.tag() == 2) {
        s.length = read_uint32(r);
      } else {
        r.skip();
      }
    }
    return s;
  }

  void add_span(pbf_reader& r, std::vector<HistogramSpan>& spans) const {
    if (spans.size() == limits_.histogram_buckets_max) {
      refuse(ErrorCode::kLimit, fmt::format("more than {} spans", limits_.histogram_buckets_max));
    }
    spans.push_back(span(read_message(r)));
  }

  // Counts of consecutive buckets from their differences.
  static std::vector<double> absolute(const std::vector<int64_t>& deltas) {
    std::vector<double> counts;
    counts.reserve(deltas.size());
    uint64_t sum = 0;  // unsigned: hostile deltas may wrap
    for (int64_t d : deltas) {
      sum += static_cast<uint64_t>(d);
      counts.push_back(static_cast<double>(static_cast<int64_t>(sum)));
    }
    return counts;
  }

  static bool spans_hold(const std::vector<HistogramSpan>& spans, size_t buckets) {
    uint64_t total = 0;
    for (size_t i = 0; i < spans.size(); i++) {
      if (i > 0 && spans[i].offset < 0) return false;
      total += spans[i].length;
    }
    return total == buckets;
  }

  static const char* wrong_with(const NativeHistogram& h) {
    bool custom = h.schema == kCustomBucketsSchema;
    if (!custom && (h.schema < -4 || h.schema > 8)) return "histogram schema is not supported";
    if (!spans_hold(h.positive_spans, h.positive_buckets.size()))
      return "histogram's positive spans and buckets disagree";
    if (!spans_hold(h.negative_spans, h.negative_buckets.size()))
      return "histogram's negative spans and buckets disagree";
    auto negative = [](double c) { return !(c >= 0); };
    bool gauge = h.counter_reset == CounterReset::kGauge;
    if (!gauge && !is_stale(h.sum) &&
        (negative(h.count) || negative(h.zero_count) ||
         std::any_of(h.positive_buckets.begin(), h.positive_buckets.end(), negative) ||
         std::any_of(h.negative_buckets.begin(), h.negative_buckets.end(), negative))) {
      return "histogram has a negative count";
    }
    if (!(h.zero_threshold >= 0)) return "histogram's zero threshold is negative";
    if (custom) {
      if (!h.negative_buckets.empty()) return "histogram with custom buckets has negative ones";
      if (h.positive_buckets.size() > h.custom_values.size() + 1)
        return "histogram has more buckets than bounds";
      for (size_t i = 0; i < h.custom_values.size(); i++) {
        if (std::isnan(h.custom_values[i]) || (i > 0 && h.custom_values[i] <= h.custom_values[i - 1])) {
          return "histogram's custom bounds do not ascend";
        }
      }
    } else if (!h.custom_values.empty()) {
      return "histogram with exponential buckets has custom bounds";
    }
    return nullptr;
  }

  void histogram(pbf_reader r) {
    count_value();
    auto h = std::make_shared<NativeHistogram>();
    MetricRows::Histogram row;
    row.series = series_;
    std::vector<int64_t> positive_deltas, negative_deltas;
    size_t max = limits_.histogram_buckets_max;
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          h->count = static_cast<double>(read_uint64(r));
          break;
        case 2:
          h->count = read_double(r);
          break;
        case 3:
          h->sum = read_double(r);
          break;
        case 4:
          h->schema = read_sint32(r);
          break;
        case 5:
          h->zero_threshold = read_double(r);
          break;
        case 6:
          h->zero_count = static_cast<double>(read_uint64(r));
          break;
        case 7:
          h->zero_count = read_double(r);
          break;
        case 8:
          add_span(r, h->negative_spans);
          break;
        case 9:
          append_sint64s(r, negative_deltas, max);
          break;
        case 10:
          append_doubles(r, h->negative_buckets, max);
          break;
        case 11:
          add_span(r, h->positive_spans);
          break;
        case 12:
          append_sint64s(r, positive_deltas, max);
          break;
        case 13:
          append_doubles(r, h->positive_buckets, max);
          break;
        case 14:
          h->counter_reset = reset_from(read_uint64(r));
          break;
        case 15:
          row.t.ms = read_int64(r);
          break;
        case 16:
          append_doubles(r, h->custom_values, max);
          break;
        case 17:
          row.start.ms = read_int64(r);
          break;
        default:
          r.skip();
      }
    }
    if (h->positive_buckets.empty()) h->positive_buckets = absolute(positive_deltas);
    if (h->negative_buckets.empty()) h->negative_buckets = absolute(negative_deltas);
    if (const char* wrong = wrong_with(*h)) return rows.reject(1, wrong);
    row.h = std::move(h);
    rows.histograms.push_back(std::move(row));
  }

  void series_v1(pbf_reader& r, PbfPlace& place) {
    begin_series();
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          place.field = "timeseries.labels";
          label(read_message(r), labels_);
          break;
        case 2:
          place.field = "timeseries.samples";
          sample(read_message(r));
          break;
        case 3:
          place.field = "timeseries.exemplars";
          exemplar(read_message(r), false);
          break;
        case 4:
          place.field = "timeseries.histograms";
          histogram(read_message(r));
          break;
        default:
          r.skip();
      }
    }
    end_series();
  }

  void series_v2(pbf_reader& r, PbfPlace& place) {
    begin_series();
    Metadata metadata;
    bool has_metadata = false;
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          place.field = "timeseries.labels_refs";
          label_refs(r, labels_);
          break;
        case 2:
          place.field = "timeseries.samples";
          sample(read_message(r));
          break;
        case 3:
          place.field = "timeseries.histograms";
          histogram(read_message(r));
          break;
        case 4:
          place.field = "timeseries.exemplars";
          exemplar(read_message(r), true);
          break;
        case 5: {
          place.field = "timeseries.metadata";
          pbf_reader m = read_message(r);
          while (m.next()) {
            if (m.tag() == 1) {
              metadata.type = type_from(read_uint64(m));
            } else if (m.tag() == 3) {
              metadata.help = symbol(read_uint32(m));
            } else if (m.tag() == 4) {
              metadata.unit = symbol(read_uint32(m));
            } else {
              m.skip();
            }
          }
          has_metadata = metadata != Metadata{};
          break;
        }
        default:
          r.skip();
      }
    }
    LabelSet set = end_series();
    if (!has_metadata || set.empty()) return;
    std::string family = family_of(set.metric_name(), metadata.type);
    if (families_.insert(family).second) rows.metadata.push_back({std::move(family), std::move(metadata)});
  }

  // Series of classic histograms and summaries carry their parts' names.
  static std::string family_of(std::string_view name, MetricType type) {
    if (type == MetricType::kHistogram || type == MetricType::kGaugeHistogram ||
        type == MetricType::kSummary) {
      for (std::string_view suffix : {"_bucket", "_count", "_sum"}) {
        if (name.ends_with(suffix)) return std::string(name.substr(0, name.size() - suffix.size()));
      }
    }
    return std::string(name);
  }

  static MetricType type_from(uint64_t v) {
    return v <= static_cast<uint64_t>(MetricType::kStateset) ? static_cast<MetricType>(v)
                                                             : MetricType::kUnknown;
  }

  void metadata_v1(pbf_reader& r) {
    count_value();
    MetricRows::MetadataOf m;
    while (r.next()) {
      if (r.tag() == 1) {
        m.metadata.type = type_from(read_uint64(r));
      } else if (r.tag() == 2) {
        m.family = read_bytes(r);
      } else if (r.tag() == 4) {
        m.metadata.help = read_bytes(r);
      } else if (r.tag() == 5) {
        m.metadata.unit = read_bytes(r);
      } else {
        r.skip();
      }
    }
    bool sane = !m.family.empty() && is_valid_utf8(m.family) && is_valid_utf8(m.metadata.help) &&
                is_valid_utf8(m.metadata.unit);
    if (sane) rows.metadata.push_back(std::move(m));
  }

  const RemoteWriteLimits& limits_;
  std::vector<LabelView> labels_;
  std::vector<LabelView> exemplar_labels_;
  std::vector<uint32_t> refs_;
  std::vector<std::string_view> symbols_;
  std::unordered_set<std::string> families_;
  size_t series_seen_ = 0;
  size_t values_ = 0;
  size_t floats_ = 0;
  size_t histograms_ = 0;
  size_t exemplars_ = 0;
  uint32_t series_ = 0;
};

void put_spans(pbf_writer& w, uint32_t tag, const std::vector<HistogramSpan>& spans) {
  for (const HistogramSpan& s : spans) {
    pbf_writer span(w, tag);
    span.add_sint32(1, s.offset);
    span.add_uint32(2, s.length);
  }
}

bool is_whole(double v) { return v >= 0 && v < 9007199254740992.0 && v == std::floor(v); }

void put_buckets(pbf_writer& w, bool whole, uint32_t deltas_tag, uint32_t counts_tag,
                 const std::vector<double>& counts) {
  if (!whole) return w.add_packed_double(counts_tag, counts.begin(), counts.end());
  std::vector<int64_t> deltas;
  int64_t previous = 0;
  for (double c : counts) {
    deltas.push_back(static_cast<int64_t>(c) - previous);
    previous = static_cast<int64_t>(c);
  }
  w.add_packed_sint64(deltas_tag, deltas.begin(), deltas.end());
}

void put_histogram(pbf_writer& w, const MetricRows::Histogram& row) {
  const NativeHistogram& h = *row.h;
  auto all_whole = [](const std::vector<double>& v) { return std::all_of(v.begin(), v.end(), is_whole); };
  bool whole = is_whole(h.count) && is_whole(h.zero_count) && all_whole(h.positive_buckets) &&
               all_whole(h.negative_buckets);
  if (whole) {
    w.add_uint64(1, static_cast<uint64_t>(h.count));
  } else {
    w.add_double(2, h.count);
  }
  w.add_double(3, h.sum);
  w.add_sint32(4, h.schema);
  w.add_double(5, h.zero_threshold);
  if (whole) {
    w.add_uint64(6, static_cast<uint64_t>(h.zero_count));
  } else {
    w.add_double(7, h.zero_count);
  }
  put_spans(w, 8, h.negative_spans);
  put_buckets(w, whole, 9, 10, h.negative_buckets);
  put_spans(w, 11, h.positive_spans);
  put_buckets(w, whole, 12, 13, h.positive_buckets);
  static constexpr int kHint[] = {0, 1, 2, 3};
  w.add_enum(14, kHint[static_cast<int>(h.counter_reset)]);
  w.add_int64(15, row.t.ms);
  w.add_packed_double(16, h.custom_values.begin(), h.custom_values.end());
}

// Row numbers of each series, in order.
template <class Rows>
std::vector<std::vector<size_t>> by_series(const MetricRows& rows, const Rows& of) {
  std::vector<std::vector<size_t>> out(rows.series.size());
  for (size_t i = 0; i < of.size(); i++) out.at(of[i].series).push_back(i);
  return out;
}

class Symbols {
 public:
  Symbols() { add(""); }
  uint32_t add(std::string_view text) {
    auto [it, fresh] = index_.try_emplace(std::string(text), static_cast<uint32_t>(list_.size()));
    if (fresh) list_.push_back(it->first);
    return it->second;
  }
  std::vector<uint32_t> add(const LabelSet& labels) {
    std::vector<uint32_t> refs;
    for (LabelView l : labels) {
      refs.push_back(add(l.name));
      refs.push_back(add(l.value));
    }
    return refs;
  }
  const std::vector<std::string>& list() const { return list_; }

 private:
  std::unordered_map<std::string, uint32_t> index_;
  std::vector<std::string> list_;
};

}  // namespace

Result<MetricRows> decode_remote_write_v1(std::string_view body, const RemoteWriteLimits& limits) {
  SONDE_TRY(std::string raw, snappy_decode(body, limits.bytes_max));
  Decoder decoder(limits);
  SONDE_CHECK(decode_pbf("remote write", raw, [&](auto& r, auto& place) { decoder.request_v1(r, place); }));
  return std::move(decoder.rows);
}

Result<MetricRows> decode_remote_write_v2(std::string_view body, const RemoteWriteLimits& limits) {
  SONDE_TRY(std::string raw, snappy_decode(body, limits.bytes_max));
  Decoder decoder(limits);
  SONDE_CHECK(
      decode_pbf("remote write 2.0", raw, [&](auto& r, auto& place) { decoder.request_v2(r, place); }));
  return std::move(decoder.rows);
}

std::string encode_remote_write_v1(const MetricRows& rows) {
  std::string raw;
  pbf_writer request(raw);
  auto floats = by_series(rows, rows.floats);
  auto histograms = by_series(rows, rows.histograms);
  auto exemplars = by_series(rows, rows.exemplars);
  auto put_labels = [](pbf_writer& w, const LabelSet& labels) {
    for (LabelView l : labels) {
      pbf_writer label(w, 1);
      label.add_string(1, l.name.data(), l.name.size());
      label.add_string(2, l.value.data(), l.value.size());
    }
  };
  for (size_t s = 0; s < rows.series.size(); s++) {
    pbf_writer series(request, 1);
    put_labels(series, rows.series[s]);
    for (size_t i : floats[s]) {
      pbf_writer sample(series, 2);
      sample.add_double(1, rows.floats[i].v);
      sample.add_int64(2, rows.floats[i].t.ms);
    }
    for (size_t i : exemplars[s]) {
      const Exemplar& e = rows.exemplars[i].exemplar;
      pbf_writer exemplar(series, 3);
      put_labels(exemplar, e.labels);
      exemplar.add_double(2, e.value);
      if (e.t) exemplar.add_int64(3, e.t->ms);
    }
    for (size_t i : histograms[s]) {
      pbf_writer histogram(series, 4);
      put_histogram(histogram, rows.histograms[i]);
    }
  }
  for (const auto& m : rows.metadata) {
    pbf_writer metadata(request, 3);
    metadata.add_enum(1, static_cast<int>(m.metadata.type));
    metadata.add_string(2, m.family);
    metadata.add_string(4, m.metadata.help);
    metadata.add_string(5, m.metadata.unit);
  }
  return snappy_encode(raw);
}

std::string encode_remote_write_v2(const MetricRows& rows) {
  std::string raw;
  pbf_writer request(raw);
  Symbols symbols;
  auto floats = by_series(rows, rows.floats);
  auto histograms = by_series(rows, rows.histograms);
  auto exemplars = by_series(rows, rows.exemplars);
  std::unordered_map<std::string_view, const Metadata*> metadata;
  for (const auto& m : rows.metadata) metadata.try_emplace(m.family, &m.metadata);
  for (size_t s = 0; s < rows.series.size(); s++) {
    pbf_writer series(request, 5);
    auto refs = symbols.add(rows.series[s]);
    series.add_packed_uint32(1, refs.begin(), refs.end());
    for (size_t i : floats[s]) {
      pbf_writer sample(series, 2);
      sample.add_double(1, rows.floats[i].v);
      sample.add_int64(2, rows.floats[i].t.ms);
      if (rows.floats[i].start.ms != 0) sample.add_int64(3, rows.floats[i].start.ms);
    }
    for (size_t i : histograms[s]) {
      pbf_writer histogram(series, 3);
      put_histogram(histogram, rows.histograms[i]);
      if (rows.histograms[i].start.ms != 0) histogram.add_int64(17, rows.histograms[i].start.ms);
    }
    for (size_t i : exemplars[s]) {
      const Exemplar& e = rows.exemplars[i].exemplar;
      auto exemplar_refs = symbols.add(e.labels);
      pbf_writer exemplar(series, 4);
      exemplar.add_packed_uint32(1, exemplar_refs.begin(), exemplar_refs.end());
      exemplar.add_double(2, e.value);
      if (e.t) exemplar.add_int64(3, e.t->ms);
    }
    std::string_view name = rows.series[s].metric_name();
    auto found = metadata.find(name);
    for (std::string_view suffix : {"_bucket", "_count", "_sum"}) {
      if (found != metadata.end() || !name.ends_with(suffix)) continue;
      found = metadata.find(name.substr(0, name.size() - suffix.size()));
    }
    if (found != metadata.end()) {
      pbf_writer m(series, 5);
      m.add_enum(1, static_cast<int>(found->second->type));
      m.add_uint32(3, symbols.add(found->second->help));
      m.add_uint32(4, symbols.add(found->second->unit));
    }
  }
  for (const std::string& symbol : symbols.list()) request.add_string(4, symbol);
  return snappy_encode(raw);
}

}  // namespace sonde::wire

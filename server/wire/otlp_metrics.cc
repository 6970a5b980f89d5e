#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <unordered_set>

#include "wire/otlp_reader.h"

namespace sonde::wire {
namespace {

using protozero::pbf_reader;

constexpr uint32_t kNoRecordedValue = 1;
constexpr uint64_t kCumulative = 2;

// Prometheus's text of a bucket bound.
std::string bound_text(double v) {
  if (v == std::numeric_limits<double>::infinity()) return "+Inf";
  char buf[32];
  auto r = std::to_chars(buf, buf + sizeof buf, v);
  return {buf, r.ptr};
}

using LabelPairs = std::vector<std::pair<std::string, std::string>>;

// Attributes as labels. Where two names become one, their values are joined in order of the original names.
LabelPairs labels_of(const Attributes& attributes) {
  std::vector<std::pair<std::string_view, const AttributeValue*>> sorted;
  for (const auto& [key, value] : attributes) sorted.emplace_back(key, &value);
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::map<std::string, std::string> labels;
  for (const auto& [key, value] : sorted) {
    std::string name = otlp_label_name(key);
    if (name.empty()) continue;
    auto [it, fresh] = labels.try_emplace(std::move(name), value->to_text());
    if (!fresh) it->second += ";" + value->to_text();
  }
  return {labels.begin(), labels.end()};
}

class MetricDecoder : OtlpReader {
 public:
  using OtlpReader::OtlpReader;

  MetricRows out;

  void request(pbf_reader& r, PbfPlace& place) {
    while (r.next()) {
      if (r.tag() == 1) {
        place.field = "resource_metrics";
        resource_metrics(read_message(r), place);
      } else {
        r.skip();
      }
    }
  }

 private:
  struct Metric {
    std::string_view name;
    std::string_view description;
    std::string_view unit;
    std::string family;  // translated
    MetricType type = MetricType::kUnknown;
  };

  struct Point {
    Timestamp t;
    Timestamp start;
    Attributes attributes;
    std::optional<double> value;
    uint64_t count = 0;
    std::optional<double> sum;
    std::vector<uint64_t> bucket_counts;
    std::vector<double> bounds;
    std::vector<Exemplar> exemplars;
    uint32_t flags = 0;
  };

  void resource_metrics(pbf_reader r, PbfPlace& place) {
    std::shared_ptr<const Attributes> of_all = std::make_shared<Attributes>();
    for (pbf_reader again = r; again.next();) {
      if (again.tag() == 1) {
        place.field = "resource";
        of_all = resource(read_message(again));
      } else {
        again.skip();
      }
    }
    std::string job(string_attribute(*of_all, "service.name"));
    std::string_view ns = string_attribute(*of_all, "service.namespace");
    if (!job.empty() && !ns.empty()) job = std::string(ns) + "/" + job;
    const AttributeValue* instance = find_attribute(*of_all, "service.instance.id");
    identity_.clear();
    if (!job.empty()) identity_.emplace_back("job", job);
    if (instance != nullptr && !instance->to_text().empty())
      identity_.emplace_back("instance", instance->to_text());
    latest_ = Timestamp{0};
    while (r.next()) {
      if (r.tag() == 2) {
        place.field = "scope_metrics";
        scope_metrics(read_message(r), place);
      } else {
        r.skip();
      }
    }
    target_info(*of_all);
  }

  void target_info(const Attributes& resource) {
    if (latest_.ms == 0 || identity_.empty()) return;
    Attributes rest;
    for (const auto& a : resource) {
      if (a.first != "service.name" && a.first != "service.namespace" && a.first != "service.instance.id") {
        rest.push_back(a);
      }
    }
    if (rest.empty()) return;
    uint32_t series = add_series("target_info", labels_of(rest), {});
    out.floats.push_back({series, latest_, 1, {}});
    add_metadata({.name = {},
                  .description = "Target metadata",
                  .unit = {},
                  .family = "target_info",
                  .type = MetricType::kGauge});
  }

  void scope_metrics(pbf_reader r, PbfPlace& place) {
    while (r.next()) {
      if (r.tag() == 2) {
        place.field = "metrics";
        metric(read_message(r), place);
      } else {
        r.skip();
      }
    }
  }

  void metric(pbf_reader r, PbfPlace& place) {
    Metric m;
    uint32_t kind = 0;
    std::string_view data;
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          m.name = read_bytes(r);
          break;
        case 2:
          m.description = read_bytes(r);
          break;
        case 3:
          m.unit = read_bytes(r);
          break;
        case 5:
        case 7:
        case 9:
        case 10:
        case 11:
          kind = r.tag();
          data = read_bytes(r);
          break;
        default:
          r.skip();
      }
    }
    pbf_reader body(data.data(), data.size());
    switch (kind) {
      case 5:
        place.field = "metric.gauge";
        return numbers(body, m, MetricType::kGauge);
      case 7:
        place.field = "metric.sum";
        return sum(body, m);
      case 9:
        place.field = "metric.histogram";
        return histogram(body, m);
      case 10:
        return reject_points(body, m, "exponential histograms are not supported");
      case 11:
        return reject_points(body, m, "summaries are not supported");
      default:
        return;  // a metric without data
    }
  }

  void reject_points(pbf_reader r, const Metric& m, const char* why) {
    size_t points = 0;
    while (r.next()) {
      if (r.tag() == 1) {
        read_bytes(r);
        count_item();
        points++;
      } else {
        r.skip();
      }
    }
    reject(m, points, why);
  }

  void reject(const Metric& m, size_t points, const char* why) {
    out.reject(points, fmt::format("metric {}: {}", quote(m.name.substr(0, 64)), why));
  }

  // Whether the metric has a name that can be stored; says it once.
  bool begin(Metric& m, MetricType type) {
    m.type = type;
    m.family = otlp_metric_name(m.name, m.unit, type);
    if (m.family.empty()) return false;
    add_metadata(m);
    return true;
  }

  void add_metadata(const Metric& m) {
    if (!families_.insert(m.family).second) return;
    std::string help(is_valid_utf8(m.description) ? m.description : std::string_view());
    out.metadata.push_back({m.family, {m.type, std::move(help), otlp_unit(m.unit)}});
  }

  uint32_t add_series(std::string_view name, const LabelPairs& labels, std::string_view le) {
    LabelPairs all = labels;
    // The identity and the name win over attributes of the same name.
    all.insert(all.end(), identity_.begin(), identity_.end());
    if (!le.empty()) all.emplace_back("le", le);
    all.emplace_back(kMetricName, name);
    return out.add_series(LabelSet::from(std::move(all)));
  }

  bool is_text(const LabelPairs& labels) const {
    auto bad = [](const auto& l) { return !is_valid_utf8(l.second); };
    return std::none_of(labels.begin(), labels.end(), bad) &&
           std::none_of(identity_.begin(), identity_.end(), bad);
  }

  void sum(pbf_reader r, Metric& m) {
    uint64_t temporality = 0;
    bool monotonic = false;
    for (pbf_reader again = r; again.next();) {
      if (again.tag() == 2) {
        temporality = read_uint64(again);
      } else if (again.tag() == 3) {
        monotonic = read_uint64(again) != 0;
      } else {
        again.skip();
      }
    }
    if (temporality != kCumulative) return reject_points(r, m, "only cumulative temporality is supported");
    numbers(r, m, monotonic ? MetricType::kCounter : MetricType::kGauge);
  }

  void numbers(pbf_reader r, Metric& m, MetricType type) {
    // A sum that is not monotonic keeps its name: _ratio is for gauges alone, and its unit is what tells them
    // apart.
    bool named = begin(m, type);
    while (r.next()) {
      if (r.tag() != 1) {
        r.skip();
        continue;
      }
      Point p = number_point(read_message(r));
      bool stale = (p.flags & kNoRecordedValue) != 0;
      if (!named) {
        reject(m, 1, "the name has no usable character");
        continue;
      }
      if (!stale && !p.value) {
        reject(m, 1, "a data point without a value");
        continue;
      }
      LabelPairs labels = labels_of(p.attributes);
      if (!is_text(labels)) {
        reject(m, 1, "an attribute is not UTF-8");
        continue;
      }
      uint32_t series = add_series(m.family, labels, {});
      out.floats.push_back({series, p.t, stale ? stale_nan() : *p.value, p.start});
      latest_ = std::max(latest_, p.t);
      for (Exemplar& e : p.exemplars) out.exemplars.push_back({series, std::move(e)});
    }
  }

  void histogram(pbf_reader r, Metric& m) {
    uint64_t temporality = 0;
    for (pbf_reader again = r; again.next();) {
      if (again.tag() == 2) {
        temporality = read_uint64(again);
      } else {
        again.skip();
      }
    }
    if (temporality != kCumulative) return reject_points(r, m, "only cumulative temporality is supported");
    bool named = begin(m, MetricType::kHistogram);
    while (r.next()) {
      if (r.tag() != 1) {
        r.skip();
        continue;
      }
      Point p = histogram_point(read_message(r));
      LabelPairs labels = labels_of(p.attributes);
      const char* wrong = nullptr;
      if (!named) wrong = "the name has no usable character";
      if (!p.bucket_counts.empty() && p.bucket_counts.size() != p.bounds.size() + 1) {
        wrong = "a histogram's bounds and counts disagree";
      }
      for (size_t i = 0; i < p.bounds.size(); i++) {
        // Written so that NaN fails too.
        if (i > 0 ? !(p.bounds[i] > p.bounds[i - 1]) : p.bounds[i] != p.bounds[i]) {
          wrong = "a histogram's bounds do not ascend";
        }
      }
      if (!is_text(labels)) wrong = "an attribute is not UTF-8";
      if (wrong != nullptr) {
        reject(m, 1, wrong);
        continue;
      }
      add_histogram(m, p, labels);
    }
  }

  void add_histogram(const Metric& m, Point& p, const LabelPairs& labels) {
    bool stale = (p.flags & kNoRecordedValue) != 0;
    auto value = [&](double v) { return stale ? stale_nan() : v; };
    auto put = [&](std::string_view suffix, std::string_view le, double v) {
      uint32_t series = add_series(m.family + std::string(suffix), labels, le);
      out.floats.push_back({series, p.t, value(v), p.start});
      return series;
    };
    latest_ = std::max(latest_, p.t);
    if (p.sum || stale) put("_sum", {}, p.sum.value_or(0));
    put("_count", {}, static_cast<double>(p.count));
    std::sort(p.exemplars.begin(), p.exemplars.end(),
              [](const Exemplar& a, const Exemplar& b) { return a.value < b.value; });
    size_t next_exemplar = 0;
    double cumulative = 0;
    for (size_t i = 0; i <= p.bounds.size(); i++) {
      bool last = i == p.bounds.size();
      double bound = last ? std::numeric_limits<double>::infinity() : p.bounds[i];
      if (last && !p.bounds.empty() && p.bounds.back() == bound) break;  // the bounds hold infinity already
      if (i < p.bucket_counts.size()) cumulative += static_cast<double>(p.bucket_counts[i]);
      uint32_t series = put("_bucket", bound_text(bound), last ? static_cast<double>(p.count) : cumulative);
      for (; next_exemplar < p.exemplars.size() && p.exemplars[next_exemplar].value <= bound;
           next_exemplar++) {
        out.exemplars.push_back({series, std::move(p.exemplars[next_exemplar])});
      }
    }
  }

  Point number_point(pbf_reader r) {
    count_item();
    Point p;
    while (r.next()) {
      switch (r.tag()) {
        case 2:
          p.start = otlp_time(read_fixed64(r)).to_timestamp();
          break;
        case 3:
          p.t = otlp_time(read_fixed64(r)).to_timestamp();
          break;
        case 4:
          p.value = read_double(r);
          break;
        case 5:
          exemplar(read_message(r), p.exemplars);
          break;
        case 6:
          p.value = static_cast<double>(static_cast<int64_t>(read_fixed64(r)));
          break;
        case 7:
          key_value(read_message(r), p.attributes);
          break;
        case 8:
          p.flags = read_uint32(r);
          break;
        default:
          r.skip();
      }
    }
    make_unique(p.attributes);
    return p;
  }

  Point histogram_point(pbf_reader r) {
    count_item();
    Point p;
    while (r.next()) {
      switch (r.tag()) {
        case 2:
          p.start = otlp_time(read_fixed64(r)).to_timestamp();
          break;
        case 3:
          p.t = otlp_time(read_fixed64(r)).to_timestamp();
          break;
        case 4:
          p.count = read_fixed64(r);
          break;
        case 5:
          p.sum = read_double(r);
          break;
        case 6:
          append_fixed64s(r, p.bucket_counts, limits().buckets_max);
          break;
        case 7:
          append_doubles(r, p.bounds, limits().buckets_max);
          break;
        case 8:
          exemplar(read_message(r), p.exemplars);
          break;
        case 9:
          key_value(read_message(r), p.attributes);
          break;
        case 10:
          p.flags = read_uint32(r);
          break;
        default:
          r.skip();
      }
    }
    make_unique(p.attributes);
    return p;
  }

  void exemplar(pbf_reader r, std::vector<Exemplar>& exemplars) {
    count_item();
    Exemplar e;
    Attributes attributes;
    TraceId trace_id;
    SpanId span_id;
    while (r.next()) {
      switch (r.tag()) {
        case 2:
          e.t = otlp_time(read_fixed64(r)).to_timestamp();
          break;
        case 3:
          e.value = read_double(r);
          break;
        case 4:
          read_id(read_bytes(r), span_id);
          break;
        case 5:
          read_id(read_bytes(r), trace_id);
          break;
        case 6:
          e.value = static_cast<double>(static_cast<int64_t>(read_fixed64(r)));
          break;
        case 7:
          key_value(read_message(r), attributes);
          break;
        default:
          r.skip();
      }
    }
    LabelPairs labels = labels_of(attributes);
    if (!trace_id.empty()) labels.emplace_back("trace_id", trace_id.to_hex());
    if (!span_id.empty()) labels.emplace_back("span_id", span_id.to_hex());
    if (std::any_of(labels.begin(), labels.end(), [](const auto& l) { return !is_valid_utf8(l.second); }))
      return;
    e.labels = LabelSet::from(std::move(labels));
    exemplars.push_back(std::move(e));
  }

  LabelPairs identity_;  // job, instance
  std::unordered_set<std::string> families_;
  Timestamp latest_;  // of the resource's data points
};

}  // namespace

Result<MetricRows> decode_otlp_metrics(std::string_view body, OtlpEncoding encoding,
                                       const OtlpLimits& limits) {
  std::string buffer;
  SONDE_TRY(std::string_view bytes, otlp_protobuf(body, encoding, OtlpSignal::kMetrics, buffer));
  MetricDecoder decoder(limits);
  SONDE_CHECK(decode_pbf("OTLP metrics", bytes, [&](auto& r, auto& place) { decoder.request(r, place); }));
  return std::move(decoder.out);
}

}  // namespace sonde::wire

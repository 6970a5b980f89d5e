// Histograms with classic buckets.
//
//   constinit sonde::Histogram<"http_request_duration_seconds", "route"> duration{{.help = "Time to
//   answer"}}; duration("/users/{id}").observe(0.012);           // seconds { auto timer =
//   duration("/users/{id}").time(); … } // observes at the end of the scope, even by exception
//
// `_count` is always the sum of the buckets, so that no scrape can be inconsistent. If the name ends in
// `_seconds` the sum is kept in integer nanoseconds and printed exactly; negative durations count as zero.
// NaN is dropped and counted. Use, threads and limits are otherwise those of counter.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "sonde/detail/family.h"
#include "sonde/detail/metric_name.h"

namespace sonde::inline v1 {

// Upper bounds, ascending, without +Inf; at most 48. Bounds that do not ascend are left out.
struct Buckets {
  double bounds[detail::kBucketsMax] = {};
  size_t count = 0;

  constexpr Buckets(std::initializer_list<double> list) noexcept {
    for (double bound : list) add(bound);
  }
  constexpr void add(double bound) noexcept {
    // Infinity and NaN do not pass the last comparison.
    if (count < detail::kBucketsMax && (count == 0 || bound > bounds[count - 1]) && bound - bound == 0) {
      bounds[count++] = bound;
    }
  }
};

constexpr Buckets linear_buckets(double start, double width, size_t count) noexcept {
  Buckets b{};
  for (size_t i = 0; i < count; i++) b.add(start + width * static_cast<double>(i));
  return b;
}
constexpr Buckets exponential_buckets(double start, double factor, size_t count) noexcept {
  Buckets b{};
  for (size_t i = 0; i < count; i++, start *= factor) b.add(start);
  return b;
}

// The bounds of OpenTelemetry's http.server.request.duration.
inline constexpr Buckets http_buckets{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                      0.5,   0.75, 1,     2.5,  5,     7.5, 10};
// The bounds of OpenTelemetry's db.client.operation.duration.
inline constexpr Buckets db_buckets{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};
// Powers of four from 1 to 4^15: sizes and amounts.
inline constexpr Buckets exponential = exponential_buckets(1, 4, 16);

struct HistogramOptions {
  std::string_view help = {};  // a literal, or anything else that outlives the process
  Buckets buckets = http_buckets;
  uint32_t max_series = 0;  // 0: the limit given to init(), 2000 unless set
};

class ScopeTimer;

class HistogramHandle {
 public:
  HistogramHandle() noexcept = default;  // observes nothing
  HistogramHandle(detail::Series* series, const detail::BucketLayout* layout) noexcept
      : series_(series), layout_(layout), cell_(series->cell) {}

  void observe(double value) const noexcept {
    const detail::BucketLayout* layout = layout_;
    if (layout == nullptr) return;
    if (value != value) [[unlikely]] {
      detail::drop_nan();
      return;
    }
    uint32_t bucket = 0;
    for (uint32_t i = 0; i < layout->count; i++) bucket += value > layout->bounds[i] ? 1 : 0;
    detail::add(cell_ + bucket, 1);
    if (layout->seconds) {
      detail::add(cell_ + layout->count + 1, nanoseconds(value));
    } else {
      detail::add_double(cell_ + layout->count + 1, value);
    }
    if (detail::in_sampled_span()) [[unlikely]]
      detail::note_exemplar(series_, bucket, value);
  }

  // A duration in nanoseconds, for histograms in seconds; for others it is observed as seconds too.
  void observe_ns(int64_t ns) const noexcept {
    const detail::BucketLayout* layout = layout_;
    if (layout == nullptr) return;
    if (!layout->seconds) {
      observe(static_cast<double>(ns) * 1e-9);
      return;
    }
    if (ns < 0) ns = 0;
    uint32_t bucket = 0;
    for (uint32_t i = 0; i < layout->count; i++) bucket += ns > layout->bounds_ns[i] ? 1 : 0;
    detail::add(cell_ + bucket, 1);
    detail::add(cell_ + layout->count + 1, static_cast<uint64_t>(ns));
    if (detail::in_sampled_span()) [[unlikely]]
      detail::note_exemplar(series_, bucket, static_cast<double>(ns) * 1e-9);
  }

  ScopeTimer time() const noexcept;

 private:
  static uint64_t nanoseconds(double seconds) noexcept {
    if (!(seconds > 0)) return 0;
    if (seconds > 9e9) return 9'000'000'000'000'000'000;
    return static_cast<uint64_t>(seconds * 1e9 + 0.5);
  }

  detail::Series* series_ = nullptr;
  const detail::BucketLayout* layout_ = nullptr;
  uint32_t cell_ = 0;
};

// Measures its own life on the monotonic clock and observes it once.
class ScopeTimer {
 public:
  explicit ScopeTimer(HistogramHandle histogram) noexcept
      : histogram_(histogram), start_ns_(detail::monotonic_ns()) {}
  ~ScopeTimer() { stop(); }
  ScopeTimer(const ScopeTimer&) = delete;
  ScopeTimer& operator=(const ScopeTimer&) = delete;

  // Observes now; later calls and the destructor do nothing. Returns the nanoseconds observed.
  int64_t stop() noexcept {
    if (start_ns_ < 0) return 0;
    int64_t elapsed = detail::monotonic_ns() - start_ns_;
    histogram_.observe_ns(elapsed);
    start_ns_ = -1;
    return elapsed;
  }
  // Observes nothing.
  void cancel() noexcept { start_ns_ = -1; }

 private:
  HistogramHandle histogram_;
  int64_t start_ns_;
};

inline ScopeTimer HistogramHandle::time() const noexcept { return ScopeTimer(*this); }

template <FixedString Name, FixedString... Labels>
class Histogram {
  using Names = detail::LabelNames<Labels...>;
  static_assert(detail::is_metric_name(Name.view()), "sonde: not a metric name");
  static_assert(!detail::has_reserved_suffix(Name.view()),
                "sonde: a histogram does not end in _total, _bucket, _count, _sum or _created");

 public:
  constexpr Histogram(HistogramOptions options) noexcept  // NOLINT: implicit, for {{.help = …}}
      : buckets_(options.buckets),
        family_({Name.view(), options.help, Names::kNames, Names::kCount, MetricKind::kHistogram,
                 options.max_series, buckets_.bounds, buckets_.count}) {}
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  template <class... Values>
  HistogramHandle operator()(const Values&... values) noexcept {
    static_assert(sizeof...(Values) == Names::kCount, "sonde: one value for each label");
    detail::FamilyState* family = family_.state();
    if constexpr (Names::kCount == 0) {
      return HistogramHandle(family_.unlabelled(), detail::bucket_layout(family));
    } else {
      return HistogramHandle(detail::series_of(family, detail::label_text(values)...),
                             detail::bucket_layout(family));
    }
  }
  template <class... Values>
  HistogramHandle bind(const Values&... values) noexcept {
    return (*this)(values...);
  }

  void observe(double value) noexcept { single().observe(value); }
  void observe_ns(int64_t ns) noexcept { single().observe_ns(ns); }
  ScopeTimer time() noexcept { return single().time(); }

 private:
  HistogramHandle single() noexcept {
    static_assert(Names::kCount == 0, "sonde: name the label values: histogram(values…).observe(x)");
    return (*this)();
  }

  Buckets buckets_;
  detail::FamilyRef family_;
};

}  // namespace sonde::inline v1

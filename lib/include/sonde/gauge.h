// Gauges: values that go up and down.
//
//   constinit sonde::Gauge<"queue_length", "queue"> queue{{.help = "Jobs waiting"}};
//   queue("mail").set(12);
//
// Unlike a counter's, a gauge's cell is shared between the threads (the last set() wins), so that inc() and
// dec() cost an atomic operation. Use, threads and limits are otherwise those of counter.h. A value that is
// only known when somebody asks for it is a gauge_callback() (registry.h).
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "sonde/detail/family.h"
#include "sonde/detail/metric_name.h"

namespace sonde::inline v1 {

class GaugeHandle {
 public:
  GaugeHandle() noexcept = default;  // sets nothing
  explicit GaugeHandle(detail::Series* series) noexcept : cell_(detail::gauge_cell(series->cell)) {}

  void set(double value) const noexcept {
    if (cell_ != nullptr) cell_->store(std::bit_cast<uint64_t>(value), std::memory_order_relaxed);
  }
  void inc(double n = 1) const noexcept {
    if (cell_ == nullptr) return;
    uint64_t seen = cell_->load(std::memory_order_relaxed);
    while (!cell_->compare_exchange_weak(seen, std::bit_cast<uint64_t>(std::bit_cast<double>(seen) + n),
                                         std::memory_order_relaxed)) {
    }
  }
  void dec(double n = 1) const noexcept { inc(-n); }

 private:
  detail::Cell* cell_ = nullptr;
};

// Counts itself in a gauge for as long as it lives: requests in flight, jobs running.
class InFlight {
 public:
  explicit InFlight(GaugeHandle gauge) noexcept : gauge_(gauge) { gauge_.inc(); }
  ~InFlight() { gauge_.dec(); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  GaugeHandle gauge_;
};

template <FixedString Name, FixedString... Labels>
class Gauge {
  using Names = detail::LabelNames<Labels...>;
  static_assert(detail::is_metric_name(Name.view()), "sonde: not a metric name");
  static_assert(!detail::has_reserved_suffix(Name.view()),
                "sonde: a gauge does not end in _total, _bucket, _count, _sum or _created");

 public:
  constexpr Gauge(MetricOptions options) noexcept  // NOLINT: implicit, for {{.help = …}}
      : family_({Name.view(), options.help, Names::kNames, Names::kCount, MetricKind::kGauge,
                 options.max_series, nullptr, 0}) {}
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;

  template <class... Values>
  GaugeHandle operator()(const Values&... values) noexcept {
    static_assert(sizeof...(Values) == Names::kCount, "sonde: one value for each label");
    if constexpr (Names::kCount == 0) {
      return GaugeHandle(family_.unlabelled());
    } else {
      return GaugeHandle(detail::series_of(family_.state(), detail::label_text(values)...));
    }
  }
  template <class... Values>
  GaugeHandle bind(const Values&... values) noexcept {
    return (*this)(values...);
  }

  void set(double value) noexcept { single().set(value); }
  void inc(double n = 1) noexcept { single().inc(n); }
  void dec(double n = 1) noexcept { single().dec(n); }

 private:
  GaugeHandle single() noexcept {
    static_assert(Names::kCount == 0, "sonde: name the label values: gauge(values…).set(x)");
    return (*this)();
  }

  detail::FamilyRef family_;
};

}  // namespace sonde::inline v1

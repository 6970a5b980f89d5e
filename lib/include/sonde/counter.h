// Counters.
//
//   constinit sonde::Counter<"orders_total", "channel", "result"> orders{{.help = "Orders placed"}};
//   orders("web", "ok").inc();                        // looks the series up
//   static const auto paid = orders.bind("web", "paid");
//   paid.inc();                                       // about 1 ns: a store to the thread's own cell
//
// Metrics are constant-initialised objects at namespace scope (or static members). They may be used before
// main, after exit and in any thread. A name that does not end in `_total`, a malformed, reserved or repeated
// label name and a wrong number of label values do not compile.
//
// Threads: every member may be called at any time from any thread; none blocks another measurement.
// Failure: none is reported to the caller. Past the family's series limit a label set counts on the overflow
// series, whose label values are all `_overflow`, and in `sonde_series_overflow_total`.
// After fork() the child's counters and histograms start at zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sonde/detail/family.h"
#include "sonde/detail/metric_name.h"

namespace sonde::inline v1 {

// One series. A value: copy it, keep it for the life of the process.
class CounterHandle {
 public:
  CounterHandle() noexcept = default;  // counts nowhere
  explicit CounterHandle(detail::Series* series) noexcept : series_(series), cell_(series->cell) {}

  void inc(uint64_t n = 1) const noexcept {
    detail::add(cell_, n);
    if (detail::in_sampled_span()) [[unlikely]]
      exemplar(n);
  }

 private:
  void exemplar(uint64_t n) const noexcept {
    if (series_ != nullptr) detail::note_exemplar(series_, 0, static_cast<double>(n));
  }

  detail::Series* series_ = nullptr;
  uint32_t cell_ = 0;  // cell 0 is read by nobody
};

template <FixedString Name, FixedString... Labels>
class Counter {
  using Names = detail::LabelNames<Labels...>;
  static_assert(detail::is_metric_name(Name.view()), "sonde: not a metric name");
  static_assert(Name.view().ends_with("_total") && Name.view().size() > 6,
                "sonde: the name of a counter ends in _total");

 public:
  constexpr Counter(MetricOptions options) noexcept  // NOLINT: implicit, for {{.help = …}}
      : family_({Name.view(), options.help, Names::kNames, Names::kCount, MetricKind::kCounter,
                 options.max_series, nullptr, 0}) {}
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  // The series with these label values: text, integers or bool, in the order of the label names.
  template <class... Values>
  CounterHandle operator()(const Values&... values) noexcept {
    static_assert(sizeof...(Values) == Names::kCount, "sonde: one value for each label");
    if constexpr (Names::kCount == 0) {
      return CounterHandle(family_.unlabelled());
    } else {
      return CounterHandle(detail::series_of(family_.state(), detail::label_text(values)...));
    }
  }
  // The same, named for what it is for: keep the handle. The series is exposed with 0 from now on.
  template <class... Values>
  CounterHandle bind(const Values&... values) noexcept {
    return (*this)(values...);
  }

  void inc(uint64_t n = 1) noexcept {
    static_assert(Names::kCount == 0, "sonde: name the label values: counter(values…).inc()");
    (*this)().inc(n);
  }

 private:
  detail::FamilyRef family_;
};

}  // namespace sonde::inline v1

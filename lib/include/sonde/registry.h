// Metrics whose names or values are only known at run time, and values asked for at scrape time.
//
// Everything registered here and every Counter, Gauge and Histogram live in the one registry of the process.
// A name belongs to one shape (kind, labels, buckets): a second registration with the same shape shares the
// family, one with another shape gets handles that count nowhere and `sonde_metric_conflicts_total`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sonde/counter.h"
#include "sonde/gauge.h"
#include "sonde/histogram.h"

namespace sonde::inline v1 {

struct Label {
  std::string_view name;
  std::string_view value;
};

// Families named at run time. Strings are copied. with() takes one value per label, in the order of the
// names; a wrong number of values yields a handle that counts nowhere. The handles are those of counter.h and
// so on.
class CounterFamily {
 public:
  // `_total` is appended to a name that lacks it.
  CounterFamily(std::string_view name, std::string_view help, std::initializer_list<std::string_view> labels,
                uint32_t max_series = 0) noexcept;
  CounterHandle with(std::span<const std::string_view> values) const noexcept;
  CounterHandle with(std::initializer_list<std::string_view> values) const noexcept {
    return with(std::span(values.begin(), values.size()));
  }

 private:
  detail::FamilyState* family_;
};

class GaugeFamily {
 public:
  GaugeFamily(std::string_view name, std::string_view help, std::initializer_list<std::string_view> labels,
              uint32_t max_series = 0) noexcept;
  GaugeHandle with(std::span<const std::string_view> values) const noexcept;
  GaugeHandle with(std::initializer_list<std::string_view> values) const noexcept {
    return with(std::span(values.begin(), values.size()));
  }

 private:
  detail::FamilyState* family_;
};

class HistogramFamily {
 public:
  HistogramFamily(std::string_view name, std::string_view help,
                  std::initializer_list<std::string_view> labels, const Buckets& buckets = http_buckets,
                  uint32_t max_series = 0) noexcept;
  HistogramHandle with(std::span<const std::string_view> values) const noexcept;
  HistogramHandle with(std::initializer_list<std::string_view> values) const noexcept {
    return with(std::span(values.begin(), values.size()));
  }

 private:
  detail::FamilyState* family_;
};

// Where a collector writes its families at scrape time. Strings are copied. Malformed names, duplicate series
// and a family whose name is taken by another kind are left out and counted in
// `sonde_metric_conflicts_total`.
class MetricSink {
 public:
  // Starts a family; samples that follow belong to it.
  virtual void family(MetricKind kind, std::string_view name, std::string_view help) noexcept = 0;
  virtual void value(std::span<const Label> labels, double value) noexcept = 0;
  virtual void count(std::span<const Label> labels, uint64_t value) noexcept = 0;
  // A duration in integer nanoseconds, printed in seconds, exactly.
  virtual void seconds(std::span<const Label> labels, int64_t ns) noexcept = 0;
  // `counts` are per bucket, not cumulative, and have one element more than `bounds`: +Inf.
  virtual void histogram(std::span<const Label> labels, std::span<const double> bounds,
                         std::span<const uint64_t> counts, double sum) noexcept = 0;

  void value(std::initializer_list<Label> labels, double v) noexcept {
    value(std::span(labels.begin(), labels.size()), v);
  }
  void count(std::initializer_list<Label> labels, uint64_t v) noexcept {
    count(std::span(labels.begin(), labels.size()), v);
  }
  void seconds(std::initializer_list<Label> labels, int64_t ns) noexcept {
    seconds(std::span(labels.begin(), labels.size()), ns);
  }
  void histogram(std::initializer_list<Label> labels, std::span<const double> bounds,
                 std::span<const uint64_t> counts, double sum) noexcept {
    histogram(std::span(labels.begin(), labels.size()), bounds, counts, sum);
  }

 protected:
  ~MetricSink() = default;
};

namespace detail {
struct Collector {
  void (*collect)(Collector*, MetricSink&) noexcept = nullptr;
  void (*destroy)(Collector*) noexcept = nullptr;
  Collector* next = nullptr;
};
bool add_collector(Collector* collector) noexcept;
void remove_collector(Collector* collector) noexcept;
}  // namespace detail

// Keeps a collector registered. Destruction waits for a scrape that is just calling it, so that what the
// collector refers to may be destroyed after that. Do not destroy it from inside the collector.
class [[nodiscard]] Registration {
 public:
  Registration() noexcept = default;
  explicit Registration(detail::Collector* collector) noexcept : collector_(collector) {}
  Registration(Registration&& o) noexcept : collector_(std::exchange(o.collector_, nullptr)) {}
  Registration& operator=(Registration&& o) noexcept {
    if (this != &o) {
      reset();
      collector_ = std::exchange(o.collector_, nullptr);
    }
    return *this;
  }
  ~Registration() { reset(); }

  void reset() noexcept {
    if (collector_ != nullptr) detail::remove_collector(std::exchange(collector_, nullptr));
  }
  // Leaves it registered for the life of the process.
  void release() noexcept { collector_ = nullptr; }
  explicit operator bool() const noexcept { return collector_ != nullptr; }

 private:
  detail::Collector* collector_ = nullptr;
};

// `collect(MetricSink&)` runs at every scrape, on the scraping thread, one call at a time. It must not throw
// and must not register or unregister collectors. It may use every other call of the library.
template <class F>
Registration register_collector(F&& collect) noexcept {
  struct Node final : detail::Collector {
    explicit Node(F&& f) : f(std::forward<F>(f)) {}
    std::decay_t<F> f;
  };
  Node* node = new (std::nothrow) Node(std::forward<F>(collect));
  if (node == nullptr) return Registration();
  node->collect = [](detail::Collector* self, MetricSink& sink) noexcept {
    static_cast<Node*>(self)->f(sink);
  };
  node->destroy = [](detail::Collector* self) noexcept { delete static_cast<Node*>(self); };
  if (!detail::add_collector(node)) {
    delete node;
    return Registration();
  }
  return Registration(node);
}

// A gauge whose value is asked for at every scrape: `double f()`. `name` and `help` outlive the registration
// (literals).
template <class F>
Registration gauge_callback(std::string_view name, std::string_view help, F&& f) noexcept {
  return register_collector([name, help, f = std::forward<F>(f)](MetricSink& sink) mutable {
    sink.family(MetricKind::kGauge, name, help);
    sink.value(std::span<const Label>{}, static_cast<double>(f()));
  });
}

// The same with constant labels, which outlive the registration too.
template <class F>
Registration gauge_callback(std::string_view name, std::string_view help, Label label, F&& f) noexcept {
  return register_collector([name, help, label, f = std::forward<F>(f)](MetricSink& sink) mutable {
    sink.family(MetricKind::kGauge, name, help);
    sink.value(std::span<const Label>(&label, 1), static_cast<double>(f()));
  });
}

}  // namespace sonde::inline v1

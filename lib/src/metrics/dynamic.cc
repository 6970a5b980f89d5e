// Families named at run time.
#include <cstring>

#include "metrics/family.h"
#include "sonde/registry.h"

namespace sonde::inline v1 {

using detail::FamilySpec;

CounterFamily::CounterFamily(std::string_view name, std::string_view help,
                             std::initializer_list<std::string_view> labels, uint32_t max_series) noexcept {
  char with_suffix[208];
  if (!name.ends_with("_total") && name.size() <= 194) {
    std::memcpy(with_suffix, name.data(), name.size());
    std::memcpy(with_suffix + name.size(), "_total", 6);
    name = {with_suffix, name.size() + 6};
  }
  family_ = detail::register_family(
      {name, help, labels.begin(), labels.size(), MetricKind::kCounter, max_series, nullptr, 0});
}

CounterHandle CounterFamily::with(std::span<const std::string_view> values) const noexcept {
  return CounterHandle(detail::find_series(family_, values.data(), values.size()));
}

GaugeFamily::GaugeFamily(std::string_view name, std::string_view help,
                         std::initializer_list<std::string_view> labels, uint32_t max_series) noexcept
    : family_(detail::register_family(
          {name, help, labels.begin(), labels.size(), MetricKind::kGauge, max_series, nullptr, 0})) {}

GaugeHandle GaugeFamily::with(std::span<const std::string_view> values) const noexcept {
  return GaugeHandle(detail::find_series(family_, values.data(), values.size()));
}

HistogramFamily::HistogramFamily(std::string_view name, std::string_view help,
                                 std::initializer_list<std::string_view> labels, const Buckets& buckets,
                                 uint32_t max_series) noexcept
    : family_(detail::register_family({name, help, labels.begin(), labels.size(), MetricKind::kHistogram,
                                       max_series, buckets.bounds, buckets.count})) {}

HistogramHandle HistogramFamily::with(std::span<const std::string_view> values) const noexcept {
  if (family_ == nullptr || values.size() != family_->label_count) return {};
  return HistogramHandle(detail::find_series(family_, values.data(), values.size()), &family_->layout);
}

}  // namespace sonde::inline v1

#include "sonde/observe.h"

#include <array>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "sonde/log.h"
#include "sonde/registry.h"

namespace sonde::inline v1 {
namespace {

using namespace sonde::literals;

constinit Logger g_log{"sonde.observe"};

constexpr size_t kFamiliesMax = 500;

struct Family {
  HistogramFamily duration;
  GaugeFamily active;
  size_t lows;
};

std::string metric_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    bool digit = c >= '0' && c <= '9';
    if (digit && out.empty()) out += '_';
    out += letter || digit ? c : '_';
  }
  return out.empty() ? "_" : out;
}

// HistogramFamily takes its label names as an initializer list, whose length is part of the code.
template <size_t... I>
HistogramFamily make_histogram(std::string_view name, std::string_view help,
                               const std::vector<std::string>& labels, std::index_sequence<I...>) {
  return HistogramFamily(name, help, {std::string_view(labels[I])...});
}

HistogramFamily make_histogram(std::string_view name, std::string_view help,
                               const std::vector<std::string>& labels) {
  switch (labels.size()) {
    case 1:
      return make_histogram(name, help, labels, std::make_index_sequence<1>());
    case 2:
      return make_histogram(name, help, labels, std::make_index_sequence<2>());
    case 3:
      return make_histogram(name, help, labels, std::make_index_sequence<3>());
    case 4:
      return make_histogram(name, help, labels, std::make_index_sequence<4>());
    case 5:
      return make_histogram(name, help, labels, std::make_index_sequence<5>());
    case 6:
      return make_histogram(name, help, labels, std::make_index_sequence<6>());
    case 7:
      return make_histogram(name, help, labels, std::make_index_sequence<7>());
    case 8:
      return make_histogram(name, help, labels, std::make_index_sequence<8>());
    default:
      return make_histogram(name, help, labels, std::make_index_sequence<9>());
  }
}

// Null past the bound. Entries live as long as the process.
const Family* family_of(std::string_view name, const Field* low, size_t lows) {
  static auto* mu = new std::mutex;
  static auto* families = new std::map<std::string, std::unique_ptr<Family>, std::less<>>;
  std::lock_guard lock(*mu);
  auto it = families->find(name);
  if (it != families->end()) return it->second.get();
  if (families->size() >= kFamiliesMax) return nullptr;
  std::vector<std::string> labels;
  for (size_t i = 0; i < lows; i++) labels.push_back(metric_name(low[i].key));
  labels.push_back("error_type");
  std::string metric = metric_name(name);
  auto family = std::unique_ptr<Family>(
      new Family{make_histogram(metric + "_seconds", "Duration of " + std::string(name), labels),
                 GaugeFamily(metric + "_active", "Number of " + std::string(name) + " going on", {}), lows});
  return families->emplace(std::string(name), std::move(family)).first->second.get();
}

std::string text_of(const Field& f) {
  switch (f.type) {
    case Field::Type::kBool:
      return f.boolean ? "true" : "false";
    case Field::Type::kInt:
      return std::to_string(f.integer);
    case Field::Type::kUint:
      return std::to_string(f.natural);
    case Field::Type::kDouble: {
      char buf[32];
      std::snprintf(buf, sizeof buf, "%.9g", f.real);
      return buf;
    }
    case Field::Type::kText:
      return std::string(f.text.substr(0, 1024));
  }
  return {};
}

}  // namespace

void Observation::start(std::string_view name, const Field* low, size_t lows, const Field* high,
                        size_t highs) noexcept {
  span_.emplace(name);
  exceptions_ = std::uncaught_exceptions();
  try {
    for (size_t i = 0; i < lows; i++) {
      span_->set(low[i]);
      low_values_[i] = text_of(low[i]);
    }
    for (size_t i = 0; i < highs; i++) {
      span_->set(high[i]);
      if (i > 0) high_text_ += ' ';
      high_text_.append(high[i].key).append("=").append(text_of(high[i]));
    }
    name_ = name;
    lows_ = lows;
    const Family* family = family_of(name, low, lows);
    family_ = family;
    if (family != nullptr) active_.emplace(family->active.with({}));
  } catch (...) {
    // Out of memory: the span remains.
  }
  start_ns_ = detail::monotonic_ns();
}

void Observation::error(std::string_view type, std::string_view detail) noexcept {
  try {
    error_type_ = type.substr(0, 200);
    error_detail_ = detail.substr(0, 1024);
  } catch (...) {
    // Out of memory: not marked as failed.
  }
}

void Observation::finish() noexcept {
  if (start_ns_ == 0) return;
  int64_t elapsed = detail::monotonic_ns() - start_ns_;
  start_ns_ = 0;
  if (error_type_.empty() && std::uncaught_exceptions() > exceptions_) error("exception");
  const auto* family = static_cast<const Family*>(family_);
  if (family != nullptr) {
    std::array<std::string_view, kObservationKeysMax + 1> values;
    for (size_t i = 0; i < lows_; i++) values[i] = low_values_[i];
    values[lows_] = error_type_;
    // A different number of low keys than at the first use yields a handle that counts nowhere.
    family->duration.with(std::span<const std::string_view>(values.data(), lows_ + 1)).observe_ns(elapsed);
  }
  active_.reset();
  double seconds = static_cast<double>(elapsed) * 1e-9;
  if (!error_type_.empty()) {
    span_->set("error.type"_f = error_type_);
    span_->error(error_detail_);
    g_log.error("observation failed", "name"_f = name_, "error.type"_f = error_type_,
                "detail"_f = error_detail_, "duration_seconds"_f = seconds, "keys"_f = high_text_);
  } else if (slow_ns_ > 0 && elapsed >= slow_ns_) {
    g_log.warn("observation slow", "name"_f = name_, "duration_seconds"_f = seconds, "keys"_f = high_text_);
  }
  span_->end();
}

}  // namespace sonde::inline v1

// The type-erased side of a metric: what Counter<…>, Gauge<…> and Histogram<…> hand to the compiled library.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>

#include "sonde/detail/lane.h"

namespace sonde::inline v1 {

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

struct MetricOptions {
  std::string_view help;    // a literal, or anything else that outlives the process
  uint32_t max_series = 0;  // 0: the limit given to init(), 2000 unless set
};

namespace detail {

inline constexpr size_t kBucketsMax = 48;

// Bucket bounds of a histogram family, ready to be searched.
struct BucketLayout {
  uint32_t count = 0;    // finite bounds; bucket `count` is +Inf
  bool seconds = false;  // the sum is kept in integer nanoseconds
  double bounds[kBucketsMax] = {};
  int64_t bounds_ns[kBucketsMax] = {};
};

struct FamilyState;

// One label set of one family. Never freed, so handles stay valid for the life of the process.
struct Series {
  FamilyState* family;
  uint64_t hash;
  uint32_t cell;       // first cell; a histogram has buckets, then +Inf, then the sum
  uint32_t key_size;   // bytes of `key`
  const char* key;     // label values, each behind a 4-byte length
  const char* labels;  // rendered and escaped: a="1",b="2"
  uint32_t labels_size;
  std::atomic<void*> exemplars;
};

struct FamilySpec {
  std::string_view name;
  std::string_view help;
  const std::string_view* labels;
  size_t label_count;
  MetricKind kind;
  uint32_t max_series;
  const double* bounds;
  size_t bound_count;
};

// Finds or makes the family; null if the name is taken by another shape (counted) or memory is out.
FamilyState* register_family(const FamilySpec& spec) noexcept;
// Finds or makes the series; past the limit the family's overflow series. Never null.
Series* find_series(FamilyState* family, const std::string_view* values, size_t count) noexcept;
const BucketLayout* bucket_layout(const FamilyState* family) noexcept;
// The shared cell of a gauge.
Cell* gauge_cell(uint32_t cell) noexcept;
void note_exemplar(Series* series, uint32_t slot, double value) noexcept;
void drop_nan() noexcept;
int64_t monotonic_ns() noexcept;

struct IntegerText {
  char text[24];
  uint8_t size = 0;

  template <class T>
  explicit IntegerText(T value) noexcept {
    uint64_t magnitude = static_cast<uint64_t>(value);
    bool negative = false;
    if constexpr (std::is_signed_v<T>) {
      negative = value < 0;
      if (negative) magnitude = 0 - magnitude;
    }
    char reversed[24];
    uint8_t n = 0;
    do {
      reversed[n++] = static_cast<char>('0' + magnitude % 10);
      magnitude /= 10;
    } while (magnitude != 0);
    if (negative) reversed[n++] = '-';
    while (n > 0) text[size++] = reversed[--n];
  }
  operator std::string_view() const noexcept { return {text, size}; }  // NOLINT: implicit on purpose
};

// A label value from what callers have at hand: text, a number, a truth value.
inline std::string_view label_text(const char* text) noexcept { return text == nullptr ? "" : text; }
inline std::string_view label_text(bool value) noexcept { return value ? "true" : "false"; }
template <class T>
  requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
IntegerText label_text(T value) noexcept {
  return IntegerText(value);
}
template <class T>
  requires(std::is_convertible_v<const T&, std::string_view> && !std::is_convertible_v<const T&, const char*>)
std::string_view label_text(const T& text) noexcept {
  return text;
}

template <class... V>
Series* series_of(FamilyState* family, const V&... texts) noexcept {
  const std::string_view values[sizeof...(V) + 1] = {static_cast<std::string_view>(texts)...,
                                                     std::string_view{}};
  return find_series(family, values, sizeof...(V));
}

// The constant-initialised part of a metric; registers itself at the first use.
class FamilyRef {
 public:
  constexpr explicit FamilyRef(const FamilySpec& spec) noexcept : spec_(spec) {}

  FamilyState* state() noexcept {
    FamilyState* state = state_.load(std::memory_order_acquire);  // pairs with the release in attach()
    return state != nullptr ? state : attach();
  }
  Series* unlabelled() noexcept {
    Series* series = unlabelled_.load(std::memory_order_acquire);  // pairs with the release below
    if (series != nullptr) [[likely]]
      return series;
    series = find_series(state(), nullptr, 0);
    unlabelled_.store(series, std::memory_order_release);
    return series;
  }

 private:
  FamilyState* attach() noexcept;

  FamilySpec spec_;
  std::atomic<FamilyState*> state_{nullptr};
  std::atomic<Series*> unlabelled_{nullptr};
  std::atomic<bool> refused_{false};  // the name was taken: do not ask again
};

}  // namespace detail
}  // namespace sonde::inline v1

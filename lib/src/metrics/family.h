// The registry of metric families. Families and series are never freed, so that handles and caches need no
// lifetime. Reading (lookups, scrapes) takes no lock; adding a family or series takes the registry's.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "sonde/detail/family.h"

namespace sonde::inline v1::detail {

inline constexpr uint32_t kSeriesMaxDefault = 2000;
inline constexpr size_t kKeyBytesMax = 4096;
inline constexpr std::string_view kOverflowValue = "_overflow";

struct SeriesNode : Series {
  std::atomic<SeriesNode*> next;
};

// The slots lie behind it.
struct SeriesTable {
  uint64_t mask;
  SeriesTable* smaller;  // the one it replaced: readers may still be in it, so it stays
  std::atomic<SeriesNode*>* slots() noexcept { return reinterpret_cast<std::atomic<SeriesNode*>*>(this + 1); }
};

struct FamilyState {
  std::string_view name;
  std::string_view help;
  std::string_view* labels;
  uint32_t label_count;
  MetricKind kind;
  uint32_t max_series;  // 0: the process-wide limit
  BucketLayout layout;
  char le[kBucketsMax + 1][28];  // bounds as text
  std::atomic<SeriesTable*> table;
  std::atomic<uint32_t> count;
  std::atomic<SeriesNode*> first;
  SeriesNode* last;  // guarded by the registry's lock
  std::atomic<SeriesNode*> overflow;
  std::atomic<uint32_t> overflow_cell;  // counts what went to `overflow`
  std::atomic<FamilyState*> next;
};

// Threads the exemplars of a series: one slot for a counter, one per bucket for a histogram. A slot is a
// sequence lock whose writers skip when another one is writing.
struct ExemplarSlot {
  std::atomic<uint32_t> sequence;  // odd while written, 0 when empty
  std::atomic<uint64_t> trace_high, trace_low, span_id, value, unix_ms;
};

struct ExemplarValue {
  uint64_t trace_high, trace_low, span_id;
  double value;
  int64_t unix_ms;
};

bool read_exemplar(const Series& series, uint32_t slot, ExemplarValue& out) noexcept;

FamilyState* first_family() noexcept;
std::mutex& registry_mutex() noexcept;
uint64_t conflict_count() noexcept;
void count_conflict() noexcept;
void set_default_series_max(uint32_t n) noexcept;

}  // namespace sonde::inline v1::detail

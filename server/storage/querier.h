// Reading metrics: series by matchers, their samples by column blocks, label names and values.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancellation.h"
#include "base/error.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "storage/batch.h"

namespace sonde::storage {

// Enforced matchers of a restricted reader; empty sees everything. Every read takes one.
struct Scope {
  Matchers enforced;
};

// What the reader will do with the data; a store may use it to read less, and may ignore all but from and to.
struct SelectHints {
  Timestamp from;    // inclusive
  Timestamp to;      // inclusive
  Duration step;     // 0: instant
  std::string func;  // "rate", "sum", …; "series": labels alone are wanted, no samples
  Duration range;    // of a range selector; 0 otherwise
  std::vector<std::string> grouping;
  bool by = false;
};

// A run of samples of one series, in order of time. Exactly one of `values` and `histograms` is as long as
// `times`; the other is empty. Statistics cover the block; `resets_free` false means unknown. Views live
// until the next call on the cursor.
struct ColumnBlock {
  std::span<const Timestamp> times;
  std::span<const double> values;
  std::span<const std::shared_ptr<const NativeHistogram>> histograms;
  std::span<const Timestamp> starts;  // empty: all unknown
  bool resets_free = false;
};

// Series one after the other, sorted by LabelSet order. Threads: one.
class SeriesSet {
 public:
  virtual ~SeriesSet() = default;
  // Moves to the next series; false at the end. kCancelled and kTimeout from the Cancellation given to
  // select.
  virtual Result<bool> next() = 0;
  virtual SeriesRef ref() const = 0;
  virtual const LabelSet& labels() const = 0;
  // Next block of the current series within [from, to]; false when it has no more. Stale markers are
  // included.
  virtual Result<bool> next_block(ColumnBlock& block) = 0;
  // Warnings gathered so far (damaged parts skipped, …).
  virtual std::vector<std::string> warnings() const { return {}; }
};

// Threads: any; sees every batch whose commit succeeded before the call.
class Querier {
 public:
  virtual ~Querier() = default;
  virtual Result<std::unique_ptr<SeriesSet>> select(const Scope& scope, const Matchers& matchers,
                                                    const SelectHints& hints,
                                                    const Cancellation& cancel) const = 0;
  // Sorted, unique. `selectors` are OR-ed; empty: everything. `limit` 0: none. Times are approximate.
  virtual Result<std::vector<std::string>> label_names(const Scope& scope,
                                                       const std::vector<Matchers>& selectors, Timestamp from,
                                                       Timestamp to, size_t limit) const = 0;
  virtual Result<std::vector<std::string>> label_values(const Scope& scope, std::string_view label,
                                                        const std::vector<Matchers>& selectors,
                                                        Timestamp from, Timestamp to, size_t limit) const = 0;
};

struct ExemplarSeries {
  LabelSet labels;
  std::vector<Exemplar> exemplars;  // in order of time; `t` is set
};

class ExemplarQuerier {
 public:
  virtual ~ExemplarQuerier() = default;
  // `selectors` are OR-ed.
  virtual Result<std::vector<ExemplarSeries>> exemplars(const Scope& scope,
                                                        const std::vector<Matchers>& selectors,
                                                        Timestamp from, Timestamp to) const = 0;
};

struct NamedCount {
  std::string name;
  uint64_t count = 0;
};

struct HeadStats {
  uint64_t series = 0;
  uint64_t label_pairs = 0;
  uint64_t chunks = 0;
  uint64_t samples = 0;
  uint64_t memory_bytes = 0;
  Timestamp min_time;
  Timestamp max_time;
  std::vector<NamedCount> series_by_metric;  // largest first, at most `limit`
  std::vector<NamedCount> values_by_label;
  std::vector<NamedCount> memory_by_label;
  std::vector<NamedCount> series_by_label_pair;  // name "label=value"
};

struct ReplayProgress {
  uint64_t min_segment = 0;
  uint64_t max_segment = 0;
  uint64_t current_segment = 0;
  bool done = true;
};

struct MetadataEntry {
  std::string metric;
  Metadata metadata;
};

class MetricAdmin {
 public:
  virtual ~MetricAdmin() = default;
  virtual HeadStats head_stats(size_t limit) const = 0;
  virtual ReplayProgress replay_progress() const = 0;
  // Families, sorted by name; `metric` empty: all.
  virtual std::vector<MetadataEntry> metadata(std::string_view metric, size_t limit) const = 0;
  // Drops what is older than retention allows.
  virtual Result<> apply_retention(Timestamp now) = 0;
  virtual Result<> delete_series(const std::vector<Matchers>& selectors, Timestamp from, Timestamp to) = 0;
};

// Everything a metric store is.
class MetricStore : public Appender, public Querier, public ExemplarQuerier, public MetricAdmin {};

}  // namespace sonde::storage

// The metric seam in memory, plainly: what tests, the `.test` runner and the oracle of the real store run on.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/querier.h"

namespace sonde::memstore {

// Samples of a series must come in order of time, of whatever year; floats and native histograms may
// alternate. A sample at the time of the last one is stored again when it is the same, else rejected as a
// duplicate. Every select copies what it needs. Threads: any.
class MemMetricStore final : public storage::MetricStore {
 public:
  struct Options {
    Duration retention;     // 0: for ever
    size_t series_max = 0;  // 0: no limit
    size_t exemplars_max = 100'000;
  };
  MemMetricStore() : MemMetricStore(Options{}) {}
  explicit MemMetricStore(Options options);
  ~MemMetricStore() override;

  void commit(storage::Batch batch, storage::OnDurable on_durable) override;

  Result<std::unique_ptr<storage::SeriesSet>> select(const storage::Scope& scope, const Matchers& matchers,
                                                     const storage::SelectHints& hints,
                                                     const Cancellation& cancel) const override;
  Result<std::vector<std::string>> label_names(const storage::Scope& scope,
                                               const std::vector<Matchers>& selectors, Timestamp from,
                                               Timestamp to, size_t limit) const override;
  Result<std::vector<std::string>> label_values(const storage::Scope& scope, std::string_view label,
                                                const std::vector<Matchers>& selectors, Timestamp from,
                                                Timestamp to, size_t limit) const override;
  Result<std::vector<storage::ExemplarSeries>> exemplars(const storage::Scope& scope,
                                                         const std::vector<Matchers>& selectors,
                                                         Timestamp from, Timestamp to) const override;

  storage::HeadStats head_stats(size_t limit) const override;
  storage::ReplayProgress replay_progress() const override { return {}; }
  std::vector<storage::MetadataEntry> metadata(std::string_view metric, size_t limit) const override;
  Result<> apply_retention(Timestamp now) override;
  Result<> delete_series(const std::vector<Matchers>& selectors, Timestamp from, Timestamp to) override;

  // Forgets everything, as `clear` in a `.test` file does.
  void clear();

 private:
  struct Point {
    Timestamp t;
    double v = 0;
    std::shared_ptr<const NativeHistogram> h;  // null: a float
    Timestamp start;
  };
  struct Series {
    storage::SeriesRef ref = 0;
    std::vector<Point> points;
    std::vector<Exemplar> exemplars;
  };
  class Snapshot;
  using SeriesMap = std::map<LabelSet, Series>;

  storage::CommitOutcome apply(const storage::Batch& batch) SONDE_REQUIRES(mu_);
  template <class F>
  void for_each(const storage::Scope& scope, const std::vector<Matchers>& selectors, F&& f) const
      SONDE_REQUIRES(mu_);
  void drop_points(Series& series, Timestamp from, Timestamp to) SONDE_REQUIRES(mu_);

  const Options options_;
  mutable Mutex mu_;
  SeriesMap series_ SONDE_GUARDED_BY(mu_);
  std::map<std::string, Metadata, std::less<>> metadata_ SONDE_GUARDED_BY(mu_);
  storage::SeriesRef last_ref_ SONDE_GUARDED_BY(mu_) = 0;
};

}  // namespace sonde::memstore

// What the store knows about a selector, in bounded reads. Anything that cannot be known for sure (the store
// failed, the time is up, there is too much of it) is nullopt, so that nobody claims it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancellation.h"
#include "model/matcher.h"
#include "storage/querier.h"

namespace sonde::rules::findings {

// `matchers` with another metric name, or without the conditions on one label.
Matchers renamed(const Matchers& matchers, const std::string& name);
Matchers without_label(const Matchers& matchers, std::string_view label);

// What the latest samples of some series are.
struct SampleKinds {
  bool floats = false;
  bool native = false;       // native histograms, also with custom bounds
  bool exponential = false;  // of them, some without custom bounds
  bool gauge = false;        // of them, some that are no counters
  double top_bound = 0;      // the highest custom bound; meaningful when native and not exponential
};

// Threads: one.
class Evidence {
 public:
  struct Bounds {
    Duration history;
    size_t series_max;
    size_t values_max;
  };
  Evidence(const storage::MetricStore& store, Timestamp now, Bounds bounds, Cancellation cancel);

  // Whether any series matched within the history.
  std::optional<bool> exists(const Matchers& matchers) const;
  // The first series_max of them.
  std::optional<std::vector<LabelSet>> series(const Matchers& matchers) const;
  // All values; nullopt also when there are more than values_max.
  std::optional<std::vector<std::string>> values(std::string_view label, const Matchers& matchers) const;
  std::optional<std::vector<std::string>> label_names(const Matchers& matchers) const;
  // The median distance of the latest samples, over some of the series. nullopt: too few samples.
  std::optional<Duration> sample_distance(const Matchers& matchers) const;
  std::optional<SampleKinds> kinds(const Matchers& matchers) const;
  // The highest finite `le` of classic series; nullopt when there is none.
  std::optional<double> top_le(const Matchers& matchers) const;
  MetricType type_of(std::string_view family) const;
  // {"job"} when every matching series has it, else nothing.
  std::vector<std::string> grouping(const Matchers& matchers) const;

  Timestamp now() const { return now_; }
  const Cancellation& cancel() const { return cancel_; }

 private:
  storage::SelectHints hints(Duration back, const char* func) const;

  const storage::MetricStore& store_;
  Timestamp now_;
  Bounds bounds_;
  Cancellation cancel_;
};

}  // namespace sonde::rules::findings

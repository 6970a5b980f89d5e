// From matchers to series: postings by label and value. Holds the series.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/matcher.h"
#include "storage/batch.h"
#include "tsdb/series.h"

namespace sonde::tsdb {

// Threads: readers at once, or one writer; the owner locks.
class LabelIndex {
 public:
  using SeriesPtr = std::shared_ptr<Series>;
  using Postings = std::vector<storage::SeriesRef>;  // ascending
  using Values = std::map<std::string, Postings, std::less<>>;

  SeriesPtr find(const LabelSet& labels) const;
  SeriesPtr find(storage::SeriesRef ref) const;
  // Neither its ref nor its labels are in the index yet.
  void add(const SeriesPtr& series);
  void remove(const std::vector<SeriesPtr>& gone);
  size_t series_count() const { return by_ref_.size(); }

  // Series that all matchers match, in no order. A regular expression is tried once per distinct value.
  std::vector<SeriesPtr> resolve(const Matchers& matchers) const;
  const std::map<std::string, Values, std::less<>>& labels() const { return labels_; }
  const std::unordered_map<storage::SeriesRef, SeriesPtr>& all() const { return by_ref_; }

 private:
  std::unordered_map<LabelSet, SeriesPtr, LabelSetHash> by_labels_;
  std::unordered_map<storage::SeriesRef, SeriesPtr> by_ref_;
  std::map<std::string, Values, std::less<>> labels_;
};

}  // namespace sonde::tsdb

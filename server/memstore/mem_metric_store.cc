#include "memstore/mem_metric_store.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <set>

namespace sonde::memstore {
namespace {

constexpr size_t kRejectionsListedMax = 100;

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

template <class Container>
std::vector<std::string> first_of(const Container& sorted, size_t limit) {
  std::vector<std::string> out;
  for (const auto& s : sorted) {
    if (limit != 0 && out.size() == limit) break;
    out.emplace_back(s);
  }
  return out;
}

std::vector<storage::NamedCount> largest(const std::map<std::string, uint64_t>& counts, size_t limit) {
  std::vector<storage::NamedCount> out;
  for (const auto& [name, count] : counts) out.push_back({name, count});
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  if (out.size() > limit) out.resize(limit);
  return out;
}

}  // namespace

class MemMetricStore::Snapshot final : public storage::SeriesSet {
 public:
  struct Run {
    std::vector<Timestamp> times;
    std::vector<double> values;
    std::vector<std::shared_ptr<const NativeHistogram>> histograms;
    std::vector<Timestamp> starts;
    bool starts_known = false;
    bool resets_free = true;
  };
  struct Entry {
    storage::SeriesRef ref;
    LabelSet labels;
    std::vector<Run> runs;
  };
  Snapshot(std::vector<Entry> entries, Cancellation cancel)
      : entries_(std::move(entries)), cancel_(std::move(cancel)) {}

  Result<bool> next() override {
    SONDE_CHECK(cancel_.check());
    at_ = started_ ? at_ + 1 : 0;
    started_ = true;
    run_ = 0;
    return at_ < entries_.size();
  }
  storage::SeriesRef ref() const override { return entries_[at_].ref; }
  const LabelSet& labels() const override { return entries_[at_].labels; }
  Result<bool> next_block(storage::ColumnBlock& block) override {
    const auto& runs = entries_[at_].runs;
    if (run_ == runs.size()) return false;
    const Run& run = runs[run_++];
    block = {};
    block.times = run.times;
    block.values = run.values;
    block.histograms = run.histograms;
    if (run.starts_known) block.starts = run.starts;
    block.resets_free = run.histograms.empty() && run.resets_free;
    return true;
  }

 private:
  std::vector<Entry> entries_;
  Cancellation cancel_;
  size_t at_ = 0;
  size_t run_ = 0;
  bool started_ = false;
};

MemMetricStore::MemMetricStore(Options options) : options_(options) {}
MemMetricStore::~MemMetricStore() = default;

void MemMetricStore::commit(storage::Batch batch, storage::OnDurable on_durable) {
  storage::CommitOutcome outcome;
  {
    MutexLock lock(mu_);
    outcome = apply(batch);
  }
  on_durable(std::move(outcome));
}

storage::CommitOutcome MemMetricStore::apply(const storage::Batch& batch) {
  using storage::RejectReason;
  storage::CommitOutcome out;
  auto reject = [&](uint64_t& counter, uint32_t series, Timestamp t, RejectReason reason) {
    counter++;
    if (out.rejections.size() < kRejectionsListedMax) out.rejections.push_back({series, t, reason});
  };

  std::vector<Series*> found(batch.series.size(), nullptr);
  std::vector<RejectReason> why(batch.series.size(), RejectReason::kInvalidLabels);
  out.refs.resize(batch.series.size(), 0);
  for (size_t i = 0; i < batch.series.size(); i++) {
    const LabelSet& labels = batch.series[i].labels;
    if (labels.empty()) continue;
    auto it = series_.find(labels);
    if (it == series_.end()) {
      if (options_.series_max != 0 && series_.size() >= options_.series_max) {
        why[i] = RejectReason::kSeriesLimit;
        continue;
      }
      it = series_.try_emplace(labels).first;
      it->second.ref = ++last_ref_;
      out.series_created++;
    }
    found[i] = &it->second;
    out.refs[i] = it->second.ref;
  }

  auto add = [&](uint32_t index, Point point, uint64_t& stored, uint64_t& rejected) {
    if (index >= found.size() || !found[index]) {
      reject(rejected, index, point.t, index < why.size() ? why[index] : RejectReason::kInvalidLabels);
      return;
    }
    auto& points = found[index]->points;
    if (!points.empty() && point.t < points.back().t) {
      reject(rejected, index, point.t, RejectReason::kOutOfOrder);
    } else if (!points.empty() && point.t == points.back().t) {
      const Point& last = points.back();
      bool same = point.h ? last.h && *point.h == *last.h : !last.h && same_bits(point.v, last.v);
      if (same) {
        stored++;
      } else {
        reject(rejected, index, point.t, RejectReason::kDuplicate);
      }
    } else {
      points.push_back(std::move(point));
      stored++;
    }
  };
  // Floats and histograms of one series come in two lists, each in order: a series' histograms go in before
  // the first float that is later than they are.
  std::vector<std::vector<const storage::HistogramRow*>> waiting(batch.histograms.empty() ? 0 : found.size());
  std::vector<size_t> taken(waiting.size(), 0);
  auto add_histograms_before = [&](uint32_t index, Timestamp t) {
    for (auto& i = taken[index]; i < waiting[index].size() && waiting[index][i]->t < t; i++) {
      const auto& row = *waiting[index][i];
      add(index, {row.t, 0, row.h, row.start}, out.histograms_stored, out.histograms_rejected);
    }
  };
  for (const auto& row : batch.histograms) {
    if (row.h && row.series < found.size()) {
      waiting[row.series].push_back(&row);
    } else {
      reject(out.histograms_rejected, row.series, row.t, RejectReason::kUnsupported);
    }
  }
  for (const auto& row : batch.floats) {
    if (row.series < waiting.size()) add_histograms_before(row.series, row.t);
    add(row.series, {row.t, row.v, nullptr, row.start}, out.floats_stored, out.floats_rejected);
  }
  for (uint32_t i = 0; i < waiting.size(); i++) {
    add_histograms_before(i, {std::numeric_limits<int64_t>::max()});
  }
  for (const auto& row : batch.exemplars) {
    Timestamp t = row.exemplar.t.value_or(Timestamp{});
    if (row.series >= found.size() || !found[row.series]) {
      reject(out.exemplars_rejected, row.series, t, RejectReason::kInvalidLabels);
      continue;
    }
    Series& s = *found[row.series];
    Exemplar e = row.exemplar;
    if (!e.t) e.t = s.points.empty() ? Timestamp{} : s.points.back().t;
    if (!s.exemplars.empty() && *e.t < *s.exemplars.back().t) {
      reject(out.exemplars_rejected, row.series, *e.t, RejectReason::kOutOfOrder);
      continue;
    }
    if (options_.exemplars_max != 0 && s.exemplars.size() >= options_.exemplars_max)
      s.exemplars.erase(s.exemplars.begin());
    s.exemplars.push_back(std::move(e));
    out.exemplars_stored++;
  }
  for (const auto& row : batch.metadata) metadata_[row.metric] = row.metadata;
  return out;
}

template <class F>
void MemMetricStore::for_each(const storage::Scope& scope, const std::vector<Matchers>& selectors,
                              F&& f) const {
  for (const auto& [labels, series] : series_) {
    if (!all_match(scope.enforced, labels)) continue;
    bool hit = selectors.empty() || std::any_of(selectors.begin(), selectors.end(),
                                                [&](const Matchers& m) { return all_match(m, labels); });
    if (hit) f(labels, series);
  }
}

Result<std::unique_ptr<storage::SeriesSet>> MemMetricStore::select(const storage::Scope& scope,
                                                                   const Matchers& matchers,
                                                                   const storage::SelectHints& hints,
                                                                   const Cancellation& cancel) const {
  SONDE_CHECK(cancel.check());
  std::vector<Snapshot::Entry> entries;
  MutexLock lock(mu_);
  for_each(scope, {matchers}, [&](const LabelSet& labels, const Series& series) {
    auto begin = std::lower_bound(series.points.begin(), series.points.end(), hints.from,
                                  [](const Point& p, Timestamp t) { return p.t < t; });
    auto end = std::upper_bound(begin, series.points.end(), hints.to,
                                [](Timestamp t, const Point& p) { return t < p.t; });
    if (begin == end) return;
    Snapshot::Entry entry{series.ref, labels, {}};
    if (hints.func != "series") {
      for (auto p = begin; p != end; ++p) {
        if (entry.runs.empty() || entry.runs.back().values.empty() != (p->h != nullptr))
          entry.runs.emplace_back();
        Snapshot::Run& run = entry.runs.back();
        if (p->h) {
          run.histograms.push_back(p->h);
        } else {
          // The comparison is false for NaN, which counts as unknown.
          bool no_reset = run.values.empty() ? p->v == p->v : p->v >= run.values.back();
          run.resets_free = run.resets_free && no_reset;
          run.values.push_back(p->v);
        }
        run.times.push_back(p->t);
        run.starts.push_back(p->start);
        run.starts_known |= p->start != Timestamp{};
      }
    }
    entries.push_back(std::move(entry));
  });
  return std::make_unique<Snapshot>(std::move(entries), cancel);
}

namespace {
template <class Points>
bool overlaps(const Points& points, Timestamp from, Timestamp to) {
  return !points.empty() && points.front().t <= to && points.back().t >= from;
}
}  // namespace

Result<std::vector<std::string>> MemMetricStore::label_names(const storage::Scope& scope,
                                                             const std::vector<Matchers>& selectors,
                                                             Timestamp from, Timestamp to,
                                                             size_t limit) const {
  MutexLock lock(mu_);
  std::set<std::string, std::less<>> names;
  for_each(scope, selectors, [&](const LabelSet& labels, const Series& series) {
    if (!overlaps(series.points, from, to)) return;
    for (LabelView l : labels) {
      if (!names.contains(l.name)) names.emplace(l.name);
    }
  });
  return first_of(names, limit);
}

Result<std::vector<std::string>> MemMetricStore::label_values(const storage::Scope& scope,
                                                              std::string_view label,
                                                              const std::vector<Matchers>& selectors,
                                                              Timestamp from, Timestamp to,
                                                              size_t limit) const {
  MutexLock lock(mu_);
  std::set<std::string, std::less<>> values;
  for_each(scope, selectors, [&](const LabelSet& labels, const Series& series) {
    std::string_view value = labels.get(label);
    if (!value.empty() && overlaps(series.points, from, to)) values.emplace(value);
  });
  return first_of(values, limit);
}

Result<std::vector<storage::ExemplarSeries>> MemMetricStore::exemplars(const storage::Scope& scope,
                                                                       const std::vector<Matchers>& selectors,
                                                                       Timestamp from, Timestamp to) const {
  MutexLock lock(mu_);
  std::vector<storage::ExemplarSeries> out;
  for_each(scope, selectors, [&](const LabelSet& labels, const Series& series) {
    storage::ExemplarSeries entry{labels, {}};
    for (const Exemplar& e : series.exemplars) {
      if (*e.t >= from && *e.t <= to) entry.exemplars.push_back(e);
    }
    if (!entry.exemplars.empty()) out.push_back(std::move(entry));
  });
  return out;
}

storage::HeadStats MemMetricStore::head_stats(size_t limit) const {
  MutexLock lock(mu_);
  storage::HeadStats stats;
  stats.series = series_.size();
  std::map<std::string, uint64_t> by_metric, by_pair, value_counts, bytes_by_label;
  std::map<std::string, std::set<std::string, std::less<>>> values;
  Timestamp min{std::numeric_limits<int64_t>::max()}, max{std::numeric_limits<int64_t>::min()};
  for (const auto& [labels, series] : series_) {
    stats.samples += series.points.size();
    stats.chunks += !series.points.empty();
    stats.memory_bytes += labels.encoded().size() + series.points.capacity() * sizeof(Point) + sizeof(Series);
    by_metric[std::string(labels.metric_name())]++;
    for (LabelView l : labels) {
      by_pair[std::string(l.name) + "=" + std::string(l.value)]++;
      values[std::string(l.name)].emplace(l.value);
      bytes_by_label[std::string(l.name)] += l.name.size() + l.value.size();
    }
    if (series.points.empty()) continue;
    min = std::min(min, series.points.front().t);
    max = std::max(max, series.points.back().t);
  }
  if (min <= max) {
    stats.min_time = min;
    stats.max_time = max;
  }
  for (const auto& [label, set] : values) value_counts[label] = set.size();
  stats.label_pairs = by_pair.size();
  stats.series_by_metric = largest(by_metric, limit);
  stats.values_by_label = largest(value_counts, limit);
  stats.memory_by_label = largest(bytes_by_label, limit);
  stats.series_by_label_pair = largest(by_pair, limit);
  return stats;
}

std::vector<storage::MetadataEntry> MemMetricStore::metadata(std::string_view metric, size_t limit) const {
  MutexLock lock(mu_);
  std::vector<storage::MetadataEntry> out;
  for (const auto& [name, entry] : metadata_) {
    if (!metric.empty() && name != metric) continue;
    if (limit != 0 && out.size() == limit) break;
    out.push_back({name, entry});
  }
  return out;
}

void MemMetricStore::drop_points(Series& series, Timestamp from, Timestamp to) {
  std::erase_if(series.points, [&](const Point& p) { return p.t >= from && p.t <= to; });
  std::erase_if(series.exemplars, [&](const Exemplar& e) { return *e.t >= from && *e.t <= to; });
}

Result<> MemMetricStore::apply_retention(Timestamp now) {
  if (options_.retention.ns == 0) return {};
  MutexLock lock(mu_);
  Timestamp cutoff = now - options_.retention;
  for (auto& [labels, series] : series_) {
    drop_points(series, {std::numeric_limits<int64_t>::min()}, {cutoff.ms - 1});
  }
  std::erase_if(series_, [](const auto& e) { return e.second.points.empty(); });
  return {};
}

Result<> MemMetricStore::delete_series(const std::vector<Matchers>& selectors, Timestamp from, Timestamp to) {
  MutexLock lock(mu_);
  for (auto& [labels, series] : series_) {
    bool hit = std::any_of(selectors.begin(), selectors.end(),
                           [&](const Matchers& m) { return all_match(m, labels); });
    if (hit) drop_points(series, from, to);
  }
  std::erase_if(series_, [](const auto& e) { return e.second.points.empty(); });
  return {};
}

void MemMetricStore::clear() {
  MutexLock lock(mu_);
  series_.clear();
  metadata_.clear();
}

}  // namespace sonde::memstore

#include "tsdb/tsdb_store.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <set>
#include <thread>
#include <unordered_set>

#include "base/assert.h"
#include "base/mutex.h"
#include "tsdb/label_index.h"
#include "tsdb/series.h"
#include "tsdb/wal_records.h"

namespace sonde::tsdb {
namespace {

using storage::Batch;
using storage::CommitOutcome;
using storage::RejectReason;
using SeriesPtr = std::shared_ptr<Series>;

constexpr size_t kRejectionsListedMax = 100;
// Records are kept well below a page, so that a lost page costs little more than itself.
constexpr size_t kRecordBytes = 8 << 10;
// What one round of rows may need before it is written out: a full record and one row of the largest kind.
constexpr size_t kRoundBytes = 192 << 10;
// A definition is written again this much later, so that no single page holds the only copy.
constexpr uint64_t kEchoBytes = 64 << 10;
constexpr size_t kUnresolvedMax = 4'000'000;
constexpr size_t kBlockSamples = 960;
constexpr size_t kLabelsBytesMax = 64 << 10;
constexpr size_t kHistogramBytesMax = 64 << 10;

uint64_t bits_of(double v) { return std::bit_cast<uint64_t>(v); }

size_t encoded_bytes_max(const NativeHistogram& h) {
  return 128 + 15 * (h.positive_spans.size() + h.negative_spans.size()) +
         8 * (h.positive_buckets.size() + h.negative_buckets.size() + h.custom_values.size());
}

// Equal to the bit, so that a stale marker is not taken for another NaN, nor as different from itself.
bool same_histogram(const NativeHistogram& a, const NativeHistogram& b) {
  if (bits_of(a.sum) != bits_of(b.sum)) return false;
  NativeHistogram x = a, y = b;
  x.sum = y.sum = 0;
  return x == y;
}

uint64_t bytes_of(const Batch& batch) {
  uint64_t n = sizeof batch + batch.floats.size() * sizeof(storage::FloatRow) +
               batch.histograms.size() * 512 + batch.exemplars.size() * 256;
  for (const auto& s : batch.series) n += sizeof s + s.labels.encoded().size();
  for (const auto& m : batch.metadata) n += sizeof m + m.metadata.help.size();
  return n;
}

// Reads the series of a select one after the other.
class Cursor final : public storage::SeriesSet {
 public:
  struct Item {
    SeriesPtr series;
    Timestamp to;  // the last sample that was visible at the select, or the end of the interval
  };
  Cursor(std::vector<Item> items, std::shared_ptr<Stripes> stripes, Timestamp from, bool labels_only,
         Cancellation cancel, std::vector<std::string> warnings)
      : items_(std::move(items)),
        stripes_(std::move(stripes)),
        from_(from),
        labels_only_(labels_only),
        cancel_(std::move(cancel)),
        warnings_(std::move(warnings)) {}

  Result<bool> next() override {
    SONDE_CHECK(cancel_.check());
    if (started_) items_[at_++].series.reset();
    started_ = true;
    chunks_.clear();
    chunk_ = 0;
    if (at_ >= items_.size()) return false;
    if (labels_only_) return true;
    Series& s = *items_[at_].series;
    Timestamp to = items_[at_].to;
    MutexLock lock(stripes_->of(s));
    auto begin = std::lower_bound(s.sealed.begin(), s.sealed.end(), from_,
                                  [](const auto& c, Timestamp t) { return c->max_t < t; });
    for (auto c = begin; c != s.sealed.end() && (*c)->min_t <= to; ++c) chunks_.push_back(*c);
    if (s.open.count > 0 && s.open.min_t <= to && s.open.max_t >= from_) {
      chunks_.push_back(std::make_shared<const Chunk>(s.open));
    }
    return true;
  }

  storage::SeriesRef ref() const override { return items_[at_].series->ref; }
  const LabelSet& labels() const override { return items_[at_].series->labels; }
  std::vector<std::string> warnings() const override { return warnings_; }

  Result<bool> next_block(storage::ColumnBlock& block) override {
    while (chunk_ < chunks_.size()) {
      times_.clear();
      values_.clear();
      histograms_.clear();
      starts_.clear();
      bool is_histogram = chunks_[chunk_]->is_histogram;
      do {
        chunks_[chunk_]->decode(times_, values_, histograms_, starts_);
        chunk_++;
      } while (chunk_ < chunks_.size() && chunks_[chunk_]->is_histogram == is_histogram &&
               times_.size() + kChunkSamples <= kBlockSamples);
      auto begin = std::lower_bound(times_.begin(), times_.end(), from_) - times_.begin();
      auto end = std::upper_bound(times_.begin(), times_.end(), items_[at_].to) - times_.begin();
      if (begin >= end) continue;
      auto first = static_cast<size_t>(begin), count = static_cast<size_t>(end - begin);
      block = {};
      block.times = std::span(times_).subspan(first, count);
      if (is_histogram) {
        block.histograms = std::span(histograms_).subspan(first, count);
      } else {
        block.values = std::span(values_).subspan(first, count);
        block.resets_free = rises(block.values);
      }
      if (!starts_.empty()) {
        starts_.resize(times_.size());
        block.starts = std::span(starts_).subspan(first, count);
      }
      return true;
    }
    return false;
  }

 private:
  static bool rises(std::span<const double> v) {
    bool ok = v[0] == v[0];  // NaN makes every comparison below false
    for (size_t i = 1; i < v.size(); i++) ok &= v[i] >= v[i - 1];
    return ok;
  }

  std::vector<Item> items_;
  std::shared_ptr<Stripes> stripes_;
  Timestamp from_;
  bool labels_only_;
  Cancellation cancel_;
  std::vector<std::string> warnings_;
  size_t at_ = 0;
  bool started_ = false;
  std::vector<std::shared_ptr<const Chunk>> chunks_;
  size_t chunk_ = 0;
  std::vector<Timestamp> times_;
  std::vector<double> values_;
  std::vector<std::shared_ptr<const NativeHistogram>> histograms_;
  std::vector<Timestamp> starts_;
};

// Lock order: commit_mu_, index_mu_, apply_mu_, stripe. queue_mu_ and stats_mu_ are leaves.
class Store final : public TsdbStore {
 public:
  Store(FileSystem& fs, const Clock& clock, TsdbOptions options)
      : fs_(fs), clock_(clock), options_(std::move(options)), last_sync_(clock.monotonic()) {
    options_.labels_bytes_max = std::min(options_.labels_bytes_max, kLabelsBytesMax);
  }
  ~Store() override { (void)close(); }

  Result<> start();

  void commit(Batch batch, storage::OnDurable on_durable) override;
  Result<> close() override;
  Result<> sync_now() override;
  TsdbStats stats() const override;

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
  storage::ReplayProgress replay_progress() const override { return progress_; }
  std::vector<storage::MetadataEntry> metadata(std::string_view metric, size_t limit) const override;
  Result<> apply_retention(Timestamp now) override;
  Result<> delete_series(const std::vector<Matchers>& selectors, Timestamp from, Timestamp to) override;

 private:
  struct Waiting {
    Batch batch;
    storage::OnDurable on_durable;
    uint64_t bytes = 0;
  };
  // What of a batch was accepted, between its writing and its becoming visible.
  struct Accepted {
    struct Row {
      Series* series;
      Timestamp t;
      double v;
      std::shared_ptr<const NativeHistogram> h;
      Timestamp start;
    };
    std::vector<Row> rows;
    std::vector<std::pair<SeriesPtr, Exemplar>> exemplars;
    std::vector<std::pair<const storage::MetadataRow*, uint64_t>> metadata;  // with its generation
    CommitOutcome outcome;
    std::array<uint64_t, 8> rejected{};
    uint64_t duplicates = 0;
  };
  struct StoredExemplar {
    SeriesPtr series;
    Exemplar exemplar;
  };
  struct StoredMetadata {
    Metadata metadata;
    uint64_t defined_in = 0;
  };
  // Samples that the replay met before their series' definition.
  struct Unresolved {
    std::vector<WalFloat> floats;
    std::vector<WalHistogram> histograms;
  };

  void run();
  void process(std::vector<Waiting> group);
  Result<> log_group(std::vector<Waiting>& group, std::vector<Accepted>& accepted) SONDE_REQUIRES(commit_mu_);
  Result<> accept(const Batch& batch, Accepted& out) SONDE_REQUIRES(commit_mu_);
  std::vector<SeriesPtr> resolve_series(const Batch& batch, std::vector<RejectReason>& why,
                                        CommitOutcome& outcome) SONDE_REQUIRES(commit_mu_);
  void apply(Accepted& accepted) SONDE_REQUIRES(commit_mu_, apply_mu_);
  Result<> begin_round() SONDE_REQUIRES(commit_mu_);
  Result<> end_round() SONDE_REQUIRES(commit_mu_);
  void define(Series& series) SONDE_REQUIRES(commit_mu_);
  Result<> echo_definitions(bool all) SONDE_REQUIRES(commit_mu_);
  void note_log_position() SONDE_REQUIRES(commit_mu_);
  void note_log_state() SONDE_REQUIRES(commit_mu_);
  Result<> check_space() const;

  void replay_record(const ReplayedRecord& record) SONDE_REQUIRES(commit_mu_);
  void replay_float(Series& s, const WalFloat& row) SONDE_REQUIRES(commit_mu_);
  void replay_histogram(Series& s, const WalHistogram& row) SONDE_REQUIRES(commit_mu_);
  void define_replayed(const WalSeries& row) SONDE_REQUIRES(commit_mu_);
  void put_metadata(const std::string& metric, const Metadata& metadata, uint64_t defined_in)
      SONDE_REQUIRES(commit_mu_);
  void put_exemplar(const SeriesPtr& series, Exemplar exemplar) SONDE_REQUIRES(apply_mu_);
  void erase_interval(const SeriesPtr& series, Timestamp from, Timestamp to) SONDE_REQUIRES(commit_mu_);
  void erase_exemplars(const std::unordered_set<const Series*>& of, Timestamp from, Timestamp to)
      SONDE_REQUIRES(commit_mu_);
  uint64_t remove_empty(Timestamp cutoff, bool any_age) SONDE_REQUIRES(commit_mu_);
  Result<> retain(Timestamp now) SONDE_REQUIRES(commit_mu_);

  std::vector<SeriesPtr> matching(const storage::Scope& scope, const std::vector<Matchers>& selectors) const;

  FileSystem& fs_;
  const Clock& clock_;
  TsdbOptions options_;
  storage::ReplayProgress progress_;
  std::unique_ptr<FileLock> lock_;
  std::shared_ptr<Stripes> stripes_ = std::make_shared<Stripes>();

  // Held by whoever writes to the log: the committer, deletes, retention.
  mutable Mutex commit_mu_;
  std::unique_ptr<RecordLog> log_ SONDE_GUARDED_BY(commit_mu_);
  MonotonicTime last_sync_ SONDE_GUARDED_BY(commit_mu_);
  storage::SeriesRef last_ref_ SONDE_GUARDED_BY(commit_mu_) = 0;
  uint64_t generation_ SONDE_GUARDED_BY(commit_mu_) = 1;  // of definitions: one per segment and per failure
  uint64_t round_segment_ SONDE_GUARDED_BY(commit_mu_) = 0;
  uint64_t round_ SONDE_GUARDED_BY(commit_mu_) = 0;
  WalRows series_rows_ SONDE_GUARDED_BY(commit_mu_);
  WalRows float_rows_ SONDE_GUARDED_BY(commit_mu_);
  WalRows histogram_rows_ SONDE_GUARDED_BY(commit_mu_);
  WalRows exemplar_rows_ SONDE_GUARDED_BY(commit_mu_);
  WalRows metadata_rows_ SONDE_GUARDED_BY(commit_mu_);
  uint64_t logged_bytes_ SONDE_GUARDED_BY(commit_mu_) = 0;
  std::deque<std::pair<uint64_t, std::weak_ptr<Series>>> echoes_ SONDE_GUARDED_BY(commit_mu_);
  std::map<uint64_t, int64_t> segment_max_t_ SONDE_GUARDED_BY(commit_mu_);
  int64_t group_max_t_ SONDE_GUARDED_BY(commit_mu_) = kMinTime.ms;
  std::vector<Series*> touched_ SONDE_GUARDED_BY(commit_mu_);
  std::unordered_map<storage::SeriesRef, SeriesPtr> replay_refs_ SONDE_GUARDED_BY(commit_mu_);
  std::map<storage::SeriesRef, Unresolved> unresolved_ SONDE_GUARDED_BY(commit_mu_);
  size_t unresolved_count_ SONDE_GUARDED_BY(commit_mu_) = 0;

  mutable SharedMutex index_mu_;
  LabelIndex index_ SONDE_GUARDED_BY(index_mu_);

  // Held while a batch becomes visible, and while a select notes what is visible: a batch is seen as a whole.
  mutable Mutex apply_mu_;
  std::deque<StoredExemplar> exemplars_ SONDE_GUARDED_BY(apply_mu_);
  std::map<std::string, StoredMetadata, std::less<>> metadata_ SONDE_GUARDED_BY(apply_mu_);

  mutable Mutex stats_mu_;
  TsdbStats stats_ SONDE_GUARDED_BY(stats_mu_);

  mutable Mutex queue_mu_;
  CondVar wake_;
  std::vector<Waiting> queue_ SONDE_GUARDED_BY(queue_mu_);
  uint64_t queue_bytes_ SONDE_GUARDED_BY(queue_mu_) = 0;
  bool closing_ SONDE_GUARDED_BY(queue_mu_) = false;
  bool unsynced_ SONDE_GUARDED_BY(queue_mu_) = false;
  std::thread thread_;
};

// ---------------------------------------------------------------------------------------------- replay

Result<> Store::start() {
  SONDE_CHECK(fs_.create_directories(options_.dir));
  SONDE_TRY(lock_, fs_.lock(options_.dir + "/lock"));
  {
    MutexLock lock(commit_mu_);
    MonotonicTime begin = clock_.monotonic();
    progress_.done = false;
    auto log = RecordLog::open(
        fs_, clock_, {.dir = options_.dir + "/wal", .segment_bytes = options_.wal_segment_bytes},
        [this](const ReplayedRecord& r) SONDE_REQUIRES(commit_mu_) { replay_record(r); },
        [this](uint64_t first, uint64_t last, uint64_t current) {
          progress_ = {first, last, current, false};
          if (options_.on_replay_progress) options_.on_replay_progress(progress_);
        });
    if (!log) return fail(log.error());
    log_ = std::move(*log);
    progress_.done = true;
    if (options_.on_replay_progress) options_.on_replay_progress(progress_);
    {
      MutexLock stats_lock(stats_mu_);
      stats_.samples_unresolved += unresolved_count_;
      stats_.wal = log_->stats();
      stats_.replay_seconds = (clock_.monotonic() - begin).to_seconds();
    }
    unresolved_.clear();
    replay_refs_.clear();
    remove_empty(kMaxTime, true);
    // A full disk must not keep the store from starting: what could not be removed is tried again later.
    (void)retain(clock_.timestamp());
  }
  if (options_.background) thread_ = std::thread([this] { run(); });
  return {};
}

void Store::replay_record(const ReplayedRecord& record) {
  int64_t& max_t = segment_max_t_.try_emplace(record.segment, kMinTime.ms).first->second;
  auto count_corrupt = [&] {
    MutexLock lock(stats_mu_);
    stats_.corruptions++;
  };
  switch (record.type) {
    case kWalSeries: {
      auto rows = decode_series(record.data);
      if (!rows) return count_corrupt();
      for (const WalSeries& row : *rows) define_replayed(row);
      return;
    }
    case kWalFloats: {
      auto rows = decode_floats(record.data);
      if (!rows) return count_corrupt();
      for (const WalFloat& row : *rows) {
        max_t = std::max(max_t, row.t.ms);
        last_ref_ = std::max(last_ref_, row.ref);
        auto it = replay_refs_.find(row.ref);
        if (it != replay_refs_.end()) {
          replay_float(*it->second, row);
        } else if (unresolved_count_++ < kUnresolvedMax) {
          unresolved_[row.ref].floats.push_back(row);
        }
      }
      return;
    }
    case kWalHistograms: {
      auto rows = decode_histograms(record.data);
      if (!rows) return count_corrupt();
      for (WalHistogram& row : *rows) {
        max_t = std::max(max_t, row.t.ms);
        last_ref_ = std::max(last_ref_, row.ref);
        auto it = replay_refs_.find(row.ref);
        if (it != replay_refs_.end()) {
          replay_histogram(*it->second, row);
        } else if (unresolved_count_++ < kUnresolvedMax) {
          unresolved_[row.ref].histograms.push_back(std::move(row));
        }
      }
      return;
    }
    case kWalExemplars: {
      auto rows = decode_exemplars(record.data);
      if (!rows) return count_corrupt();
      MutexLock lock(apply_mu_);
      for (WalExemplar& row : *rows) {
        auto it = replay_refs_.find(row.ref);
        if (it == replay_refs_.end()) continue;
        Exemplar* last = it->second->last_exemplar.get();
        if (last && *row.exemplar.t < *last->t) continue;
        it->second->last_exemplar = std::make_unique<Exemplar>(row.exemplar);
        put_exemplar(it->second, std::move(row.exemplar));
      }
      return;
    }
    case kWalMetadata: {
      auto rows = decode_metadata(record.data);
      if (!rows) return count_corrupt();
      for (const auto& row : *rows) put_metadata(row.metric, row.metadata, 0);
      return;
    }
    case kWalTombstones: {
      auto tombstones = decode_tombstones(record.data);
      if (!tombstones) return count_corrupt();
      std::unordered_set<const Series*> of;
      for (storage::SeriesRef ref : tombstones->refs) {
        auto it = replay_refs_.find(ref);
        if (it != replay_refs_.end()) {
          erase_interval(it->second, tombstones->from, tombstones->to);
          of.insert(it->second.get());
        } else if (auto u = unresolved_.find(ref); u != unresolved_.end()) {
          auto hit = [&](const auto& row) { return row.t >= tombstones->from && row.t <= tombstones->to; };
          unresolved_count_ -=
              std::erase_if(u->second.floats, hit) + std::erase_if(u->second.histograms, hit);
        }
      }
      erase_exemplars(of, tombstones->from, tombstones->to);
      return;
    }
    default:
      count_corrupt();
  }
}

void Store::define_replayed(const WalSeries& row) {
  last_ref_ = std::max(last_ref_, row.ref);
  if (replay_refs_.contains(row.ref)) return;
  SeriesPtr series;
  {
    WriterLock lock(index_mu_);
    series = index_.find(row.labels);
    if (!series) {
      series = std::make_shared<Series>();
      series->ref = row.ref;
      series->labels = row.labels;
      index_.add(series);
    }
  }
  // Labels that came back after their series had been removed have a second ref: both mean this series.
  replay_refs_[row.ref] = series;
  auto waiting = unresolved_.find(row.ref);
  if (waiting == unresolved_.end()) return;
  auto& floats = waiting->second.floats;
  auto& histograms = waiting->second.histograms;
  unresolved_count_ -= floats.size() + histograms.size();
  size_t h = 0;
  for (const WalFloat& f : floats) {
    while (h < histograms.size() && histograms[h].t < f.t) replay_histogram(*series, histograms[h++]);
    replay_float(*series, f);
  }
  while (h < histograms.size()) replay_histogram(*series, histograms[h++]);
  unresolved_.erase(waiting);
}

// Replayed twice (a definition or a file's end was damaged), the later copy of a sample is passed over.
void Store::replay_float(Series& s, const WalFloat& row) {
  if (s.committed.known && row.t <= s.committed.t) return;
  s.append_float(row.t, row.v, row.start);
  s.committed = {true, false, row.t, bits_of(row.v), nullptr};
  s.accepted = s.committed;
  s.visible_t.store(row.t.ms, std::memory_order_relaxed);
  MutexLock lock(stats_mu_);
  stats_.samples_replayed++;
}

void Store::replay_histogram(Series& s, const WalHistogram& row) {
  if (s.committed.known && row.t <= s.committed.t) return;
  s.append_histogram(row.t, row.h, row.start);
  s.committed = {true, true, row.t, 0, row.h};
  s.accepted = s.committed;
  s.visible_t.store(row.t.ms, std::memory_order_relaxed);
  MutexLock lock(stats_mu_);
  stats_.samples_replayed++;
}

// ---------------------------------------------------------------------------------------------- commit

void Store::commit(Batch batch, storage::OnDurable on_durable) {
  Waiting waiting{std::move(batch), std::move(on_durable), 0};
  waiting.bytes = bytes_of(waiting.batch);
  std::string refused;
  {
    MutexLock lock(queue_mu_);
    if (closing_) {
      refused = "store is closed";
    } else if (queue_bytes_ > 0 && queue_bytes_ + waiting.bytes > options_.queue_bytes_max) {
      refused = "store is busy: batches of " + std::to_string(queue_bytes_) + " bytes wait to be written";
    } else if (options_.background) {
      queue_bytes_ += waiting.bytes;
      queue_.push_back(std::move(waiting));
      wake_.notify_one();
      return;
    }
  }
  if (!refused.empty()) {
    {
      MutexLock lock(stats_mu_);
      stats_.commits_refused++;
    }
    waiting.on_durable(fail(ErrorCode::kUnavailable, std::move(refused)));
    return;
  }
  std::vector<Waiting> group;
  group.push_back(std::move(waiting));
  process(std::move(group));
}

void Store::run() {
  while (true) {
    std::vector<Waiting> group;
    {
      MutexLock lock(queue_mu_);
      while (queue_.empty() && !closing_) {
        if (!unsynced_) {
          wake_.wait(queue_mu_);
        } else if (!wake_.wait_for_ns(queue_mu_, options_.sync_interval.ns)) {
          break;
        }
      }
      if (queue_.empty() && closing_) return;
      group.swap(queue_);
    }
    if (group.empty()) {
      (void)sync_now();  // a failure keeps the data and is tried again; stats() shows it
      continue;
    }
    uint64_t bytes = 0;
    for (const Waiting& w : group) bytes += w.bytes;
    process(std::move(group));
    MutexLock lock(queue_mu_);
    queue_bytes_ -= bytes;
  }
}

void Store::process(std::vector<Waiting> group) {
  std::vector<Accepted> accepted(group.size());
  Result<> done;
  {
    MutexLock lock(commit_mu_);
    uint64_t mark = log_->mark();
    done = log_group(group, accepted);
    if (done) {
      for (Accepted& a : accepted) {
        MutexLock apply_lock(apply_mu_);
        apply(a);
      }
    } else {
      log_->rollback(mark);
      // The definitions that went with it are gone; the rows half built are dropped.
      generation_++;
      for (WalRows* rows :
           {&series_rows_, &float_rows_, &histogram_rows_, &exemplar_rows_, &metadata_rows_}) {
        (void)rows->take();
      }
    }
    for (Series* s : touched_) {
      s->touched = false;
      if (!done) s->accepted = s->committed;
    }
    touched_.clear();
    note_log_state();
  }
  {
    MutexLock lock(stats_mu_);
    stats_.read_only = !done;
    stats_.read_only_reason = done ? std::string() : done.error().message;
    for (const Accepted& a : accepted) {
      stats_.series_created += a.outcome.series_created;
      (done ? stats_.commits : stats_.commits_failed)++;
      if (!done) continue;
      stats_.floats_stored += a.outcome.floats_stored;
      stats_.histograms_stored += a.outcome.histograms_stored;
      stats_.exemplars_stored += a.outcome.exemplars_stored;
      stats_.exemplars_rejected += a.outcome.exemplars_rejected;
      stats_.duplicates_same_value += a.duplicates;
      for (size_t i = 0; i < a.rejected.size(); i++) stats_.rejected[i] += a.rejected[i];
    }
  }
  for (size_t i = 0; i < group.size(); i++) {
    if (done) {
      group[i].on_durable(std::move(accepted[i].outcome));
    } else {
      group[i].on_durable(fail(done.error()));
    }
  }
}

Result<> Store::check_space() const {
  if (options_.free_bytes_min == 0) return {};
  auto space = fs_.space(options_.dir);
  if (space && space->free_bytes < options_.free_bytes_min) {
    return fail(ErrorCode::kNoSpace, options_.dir + ": " + std::to_string(space->free_bytes) +
                                         " bytes free, read-only below " +
                                         std::to_string(options_.free_bytes_min));
  }
  return {};
}

Result<> Store::log_group(std::vector<Waiting>& group, std::vector<Accepted>& accepted) {
  SONDE_CHECK(check_space());
  group_max_t_ = kMinTime.ms;
  SONDE_CHECK(begin_round());
  SONDE_CHECK(echo_definitions(false));
  bool sync = clock_.monotonic() - last_sync_ >= options_.sync_interval;
  for (size_t i = 0; i < group.size(); i++) {
    SONDE_CHECK(accept(group[i].batch, accepted[i]));
    sync |= group[i].batch.origin == storage::Origin::kPushed;
  }
  SONDE_CHECK(end_round());
  SONDE_CHECK(sync ? log_->sync() : log_->flush());
  if (sync) last_sync_ = clock_.monotonic();
  note_log_position();
  return {};
}

// Where the log stands may have moved on: retention must know the newest sample that any segment may hold.
void Store::note_log_position() {
  int64_t& max_t = segment_max_t_.try_emplace(log_->open_segment(), kMinTime.ms).first->second;
  max_t = std::max(max_t, group_max_t_);
}

void Store::note_log_state() {
  bool unsynced = log_->has_unsynced();
  RecordLogStats wal = log_->stats();
  {
    MutexLock lock(queue_mu_);
    unsynced_ = unsynced;
  }
  MutexLock lock(stats_mu_);
  stats_.wal = wal;
}

// From here on, kRoundBytes of rows land in one segment. A new one knows no series yet.
Result<> Store::begin_round() {
  SONDE_TRY(uint64_t segment, log_->prepare(kRoundBytes));
  if (segment != round_segment_) {
    round_segment_ = segment;
    generation_++;
  }
  round_++;
  note_log_position();
  return {};
}

Result<> Store::end_round() {
  auto write = [&](WalRows& rows, uint8_t type) SONDE_REQUIRES(commit_mu_) -> Result<> {
    if (rows.size() == 0) return {};
    logged_bytes_ += rows.size();
    SONDE_TRY([[maybe_unused]] uint64_t seq, log_->append(type, rows.take()));
    return {};
  };
  SONDE_CHECK(write(series_rows_, kWalSeries));
  SONDE_CHECK(write(float_rows_, kWalFloats));
  SONDE_CHECK(write(histogram_rows_, kWalHistograms));
  SONDE_CHECK(write(exemplar_rows_, kWalExemplars));
  return write(metadata_rows_, kWalMetadata);
}

void Store::define(Series& series) {
  if (series.defined_in == generation_) return;
  series.defined_in = generation_;
  series_rows_.add(WalSeries{series.ref, series.labels});
  echoes_.emplace_back(logged_bytes_, series.weak_from_this());
}

Result<> Store::echo_definitions(bool all) {
  while (!echoes_.empty() && (all || logged_bytes_ - echoes_.front().first >= kEchoBytes)) {
    if (auto series = echoes_.front().second.lock()) series_rows_.add(WalSeries{series->ref, series->labels});
    echoes_.pop_front();
    if (series_rows_.size() >= kRecordBytes) {
      SONDE_CHECK(end_round());
      SONDE_CHECK(begin_round());
    }
  }
  return {};
}

std::vector<SeriesPtr> Store::resolve_series(const Batch& batch, std::vector<RejectReason>& why,
                                             CommitOutcome& outcome) {
  std::vector<SeriesPtr> found(batch.series.size());
  why.assign(batch.series.size(), RejectReason::kInvalidLabels);
  outcome.refs.assign(batch.series.size(), 0);
  bool missing = false;
  {
    ReaderLock lock(index_mu_);
    for (size_t i = 0; i < batch.series.size(); i++) {
      const Batch::Series& s = batch.series[i];
      if (s.ref != 0) {
        found[i] = index_.find(s.ref);
        if (found[i] && found[i]->labels != s.labels) found[i].reset();
      }
      if (!found[i] && !s.labels.empty()) found[i] = index_.find(s.labels);
      missing |= !found[i];
    }
  }
  if (missing) {
    WriterLock lock(index_mu_);
    for (size_t i = 0; i < batch.series.size(); i++) {
      const LabelSet& labels = batch.series[i].labels;
      if (found[i] || labels.empty()) continue;
      if (labels.encoded().size() > options_.labels_bytes_max) {
        why[i] = RejectReason::kLabelLimit;
        continue;
      }
      bool valid = true;
      for (LabelView l : labels) valid &= !l.name.empty() && is_valid_utf8(l.name) && is_valid_utf8(l.value);
      if (!valid) continue;
      found[i] = index_.find(labels);  // named twice in this batch
      if (found[i]) continue;
      if (options_.series_max != 0 && index_.series_count() >= options_.series_max) {
        why[i] = RejectReason::kSeriesLimit;
        continue;
      }
      auto series = std::make_shared<Series>();
      series->ref = ++last_ref_;
      series->labels = labels;
      index_.add(series);
      found[i] = std::move(series);
      outcome.series_created++;
    }
  }
  for (size_t i = 0; i < found.size(); i++) outcome.refs[i] = found[i] ? found[i]->ref : 0;
  return found;
}

Result<> Store::accept(const Batch& batch, Accepted& out) {
  std::vector<RejectReason> why;
  std::vector<SeriesPtr> found = resolve_series(batch, why, out.outcome);
  Timestamp now = clock_.timestamp();
  Timestamp newest = now + options_.future_max;
  Timestamp oldest = options_.retention.ns > 0 ? now - options_.retention : kMinTime;

  auto reject = [&](uint64_t& counter, uint32_t series, Timestamp t, RejectReason reason) {
    counter++;
    if (out.outcome.rejections.size() < kRejectionsListedMax)
      out.outcome.rejections.push_back({series, t, reason});
  };
  auto round = [&]() SONDE_REQUIRES(commit_mu_) -> Result<> {
    if (float_rows_.size() < kRecordBytes && series_rows_.size() < kRecordBytes &&
        histogram_rows_.size() < kRecordBytes && exemplar_rows_.size() < kRecordBytes &&
        metadata_rows_.size() < kRecordBytes) {
      return {};
    }
    SONDE_CHECK(end_round());
    return begin_round();
  };

  auto add = [&](uint32_t index, Timestamp t, double v, const std::shared_ptr<const NativeHistogram>& h,
                 Timestamp start) SONDE_REQUIRES(commit_mu_) -> Result<> {
    uint64_t& stored = h ? out.outcome.histograms_stored : out.outcome.floats_stored;
    uint64_t& rejected = h ? out.outcome.histograms_rejected : out.outcome.floats_rejected;
    auto refuse = [&](RejectReason reason) {
      out.rejected[static_cast<size_t>(reason)]++;
      reject(rejected, index, t, reason);
    };
    if (index >= found.size() || !found[index]) {
      refuse(index < why.size() ? why[index] : RejectReason::kInvalidLabels);
      return {};
    }
    Series& s = *found[index];
    if (h && encoded_bytes_max(*h) > kHistogramBytesMax) {
      refuse(RejectReason::kUnsupported);
    } else if (t > newest) {
      refuse(RejectReason::kTooFarInFuture);
    } else if (t < oldest) {
      refuse(RejectReason::kTooOld);
    } else if (s.accepted.known && t < s.accepted.t) {
      refuse(RejectReason::kOutOfOrder);
    } else if (s.accepted.known && t == s.accepted.t) {
      bool same = h ? s.accepted.is_histogram && same_histogram(*h, *s.accepted.h)
                    : !s.accepted.is_histogram && s.accepted.bits == bits_of(v);
      if (!same) {
        refuse(RejectReason::kDuplicate);
        return {};
      }
      stored++;
      out.duplicates++;
    } else {
      if (!s.touched) {
        s.touched = true;
        touched_.push_back(&s);
      }
      // Records keep the kinds apart, so a series that changes its kind begins new ones.
      if (s.logged_round == round_ && s.accepted.is_histogram != (h != nullptr)) {
        SONDE_CHECK(end_round());
        SONDE_CHECK(begin_round());
      }
      s.logged_round = round_;
      s.accepted = {true, h != nullptr, t, bits_of(v), h};
      group_max_t_ = std::max(group_max_t_, t.ms);
      define(s);
      if (h) {
        histogram_rows_.add(WalHistogram{s.ref, t, h, start});
      } else {
        float_rows_.add(WalFloat{s.ref, t, v, start});
      }
      out.rows.push_back({&s, t, v, h, start});
      stored++;
      return round();
    }
    return {};
  };

  // Floats and histograms of one series come in two lists, each in order: a series' histograms go in before
  // the first float that is later than they are.
  std::vector<std::vector<const storage::HistogramRow*>> waiting(batch.histograms.empty() ? 0 : found.size());
  std::vector<size_t> taken(waiting.size(), 0);
  for (const auto& row : batch.histograms) {
    if (row.h && row.series < found.size()) {
      waiting[row.series].push_back(&row);
    } else {
      out.rejected[static_cast<size_t>(RejectReason::kInvalidLabels)]++;
      reject(out.outcome.histograms_rejected, row.series, row.t, RejectReason::kInvalidLabels);
    }
  }
  auto add_histograms_before = [&](uint32_t index, const Timestamp* t)
                                   SONDE_REQUIRES(commit_mu_) -> Result<> {
    for (size_t& i = taken[index]; i < waiting[index].size() && (!t || waiting[index][i]->t < *t); i++) {
      const auto& row = *waiting[index][i];
      SONDE_CHECK(add(index, row.t, 0, row.h, row.start));
    }
    return {};
  };
  for (const auto& row : batch.floats) {
    if (row.series < waiting.size()) SONDE_CHECK(add_histograms_before(row.series, &row.t));
    SONDE_CHECK(add(row.series, row.t, row.v, nullptr, row.start));
  }
  for (uint32_t i = 0; i < waiting.size(); i++) SONDE_CHECK(add_histograms_before(i, nullptr));

  // The last exemplar of a series within this batch; the series itself changes when it becomes visible.
  std::unordered_map<const Series*, const Exemplar*> last_in_batch;
  out.exemplars.reserve(batch.exemplars.size());
  for (const auto& row : batch.exemplars) {
    Exemplar e = row.exemplar;
    bool known = row.series < found.size() && found[row.series];
    if (!e.t) e.t = known && found[row.series]->accepted.known ? found[row.series]->accepted.t : now;
    if (options_.exemplars_max == 0) {
      reject(out.outcome.exemplars_rejected, row.series, *e.t, RejectReason::kUnsupported);
      continue;
    }
    if (!known) {
      reject(out.outcome.exemplars_rejected, row.series, *e.t, RejectReason::kInvalidLabels);
      continue;
    }
    if (e.labels.encoded().size() > options_.labels_bytes_max) {
      reject(out.outcome.exemplars_rejected, row.series, *e.t, RejectReason::kLabelLimit);
      continue;
    }
    const SeriesPtr& s = found[row.series];
    auto in_batch = last_in_batch.find(s.get());
    const Exemplar* last = in_batch != last_in_batch.end() ? in_batch->second : s->last_exemplar.get();
    if (*e.t > newest || *e.t < oldest || (last && *e.t < *last->t)) {
      reject(out.outcome.exemplars_rejected, row.series, *e.t,
             *e.t > newest   ? RejectReason::kTooFarInFuture
             : *e.t < oldest ? RejectReason::kTooOld
                             : RejectReason::kOutOfOrder);
      continue;
    }
    out.outcome.exemplars_stored++;
    if (last && *e.t == *last->t && bits_of(e.value) == bits_of(last->value) && e.labels == last->labels)
      continue;
    define(*s);
    exemplar_rows_.add(WalExemplar{s->ref, e});
    group_max_t_ = std::max(group_max_t_, e.t->ms);
    out.exemplars.emplace_back(s, std::move(e));
    last_in_batch[s.get()] = &out.exemplars.back().second;
    SONDE_CHECK(round());
  }

  for (const auto& row : batch.metadata) {
    if (row.metric.size() + row.metadata.help.size() + row.metadata.unit.size() > kLabelsBytesMax) {
      MutexLock lock(stats_mu_);
      stats_.metadata_dropped++;
      continue;
    }
    {
      MutexLock lock(apply_mu_);
      auto it = metadata_.find(row.metric);
      if (it != metadata_.end() && it->second.defined_in == generation_ &&
          it->second.metadata == row.metadata) {
        continue;
      }
    }
    metadata_rows_.add(row);
    out.metadata.emplace_back(&row, generation_);
    SONDE_CHECK(round());
  }
  return {};
}

void Store::apply(Accepted& accepted) {
  for (auto& row : accepted.rows) {
    Series& s = *row.series;
    {
      MutexLock lock(stripes_->of(s));
      if (row.h) {
        s.append_histogram(row.t, row.h, row.start);
      } else {
        s.append_float(row.t, row.v, row.start);
      }
    }
    s.committed = {true, row.h != nullptr, row.t, bits_of(row.v), row.h};
    s.visible_t.store(row.t.ms, std::memory_order_relaxed);
  }
  for (auto& [series, exemplar] : accepted.exemplars) {
    series->last_exemplar = std::make_unique<Exemplar>(exemplar);
    put_exemplar(series, std::move(exemplar));
  }
  for (const auto& [row, generation] : accepted.metadata) {
    auto it = metadata_.find(row->metric);
    if (it == metadata_.end() && metadata_.size() >= options_.metadata_max) {
      MutexLock lock(stats_mu_);
      stats_.metadata_dropped++;
      continue;
    }
    metadata_[row->metric] = {row->metadata, generation};
  }
}

void Store::put_exemplar(const SeriesPtr& series, Exemplar exemplar) {
  if (options_.exemplars_max == 0) return;
  while (exemplars_.size() >= options_.exemplars_max) exemplars_.pop_front();
  exemplars_.push_back({series, std::move(exemplar)});
}

void Store::put_metadata(const std::string& metric, const Metadata& metadata, uint64_t defined_in) {
  MutexLock lock(apply_mu_);
  if (metadata_.size() < options_.metadata_max || metadata_.contains(metric)) {
    metadata_[metric] = {metadata, defined_in};
  }
}

Result<> Store::sync_now() {
  MutexLock lock(commit_mu_);
  Result<> done = log_->sync();
  if (done) {
    last_sync_ = clock_.monotonic();
    note_log_position();
  }
  note_log_state();
  return done;
}

Result<> Store::close() {
  {
    MutexLock lock(queue_mu_);
    if (closing_ && !thread_.joinable() && !lock_) return {};
    closing_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  Result<> done;
  {
    MutexLock lock(commit_mu_);
    if (!log_) return {};
    auto echo = [&]() SONDE_REQUIRES(commit_mu_) -> Result<> {
      if (echoes_.empty()) return {};
      SONDE_CHECK(begin_round());
      SONDE_CHECK(echo_definitions(true));
      return end_round();
    };
    (void)echo();  // a second copy only; without it damage may cost more later
    done = log_->sync();
    note_log_state();
  }
  lock_.reset();
  return done;
}

// ---------------------------------------------------------------------------------- deletion, retention

void Store::erase_interval(const SeriesPtr& series, Timestamp from, Timestamp to) {
  MutexLock lock(stripes_->of(*series));
  series->erase(from, to);
  if (series->samples() == 0) {
    // As if it had never been there: what comes next may be of any time.
    series->accepted = series->committed = {};
    series->visible_t.store(kMinTime.ms, std::memory_order_relaxed);
  }
}

void Store::erase_exemplars(const std::unordered_set<const Series*>& of, Timestamp from, Timestamp to) {
  MutexLock lock(apply_mu_);
  std::erase_if(exemplars_, [&](const StoredExemplar& e) {
    return of.contains(e.series.get()) && *e.exemplar.t >= from && *e.exemplar.t <= to;
  });
}

uint64_t Store::remove_empty(Timestamp cutoff, bool any_age) {
  std::vector<SeriesPtr> gone;
  WriterLock lock(index_mu_);
  for (const auto& [ref, s] : index_.all()) {
    bool idle = any_age || !s->accepted.known || s->accepted.t < cutoff;
    MutexLock stripe(stripes_->of(*s));
    if (idle && s->samples() == 0) gone.push_back(s);
  }
  index_.remove(gone);
  return gone.size();
}

Result<> Store::retain(Timestamp now) {
  if (options_.retention.ns <= 0) return {};
  Timestamp cutoff;
  {
    ReaderLock lock(index_mu_);
    // Never ahead of the data: a wall clock that jumps a year must not delete everything.
    Timestamp newest = kMinTime;
    for (const auto& [ref, s] : index_.all()) {
      newest = std::max(newest, Timestamp{s->visible_t.load(std::memory_order_relaxed)});
    }
    if (newest == kMinTime) return {};
    cutoff = std::min(now, newest) - options_.retention;
    for (const auto& [ref, s] : index_.all()) {
      if (s->first_t.load(std::memory_order_relaxed) >= cutoff.ms) continue;
      MutexLock stripe(stripes_->of(*s));
      s->drop_before(cutoff);
    }
  }
  uint64_t removed = remove_empty(cutoff, false);
  {
    MutexLock lock(stats_mu_);
    stats_.series_removed += removed;
  }
  {
    MutexLock lock(apply_mu_);
    std::erase_if(exemplars_, [&](const StoredExemplar& e) { return *e.exemplar.t < cutoff; });
  }
  // Segments go oldest first, so that a tombstone never goes before what it deletes.
  uint64_t keep = log_->open_segment();
  for (uint64_t segment : log_->segments()) {
    auto it = segment_max_t_.find(segment);
    if (it != segment_max_t_.end() && it->second >= cutoff.ms) {
      keep = segment;
      break;
    }
  }
  keep = std::min(keep, log_->open_segment());
  segment_max_t_.erase(segment_max_t_.begin(), segment_max_t_.lower_bound(keep));
  return log_->truncate_before(keep);
}

Result<> Store::apply_retention(Timestamp now) {
  MutexLock lock(commit_mu_);
  return retain(now);
}

Result<> Store::delete_series(const std::vector<Matchers>& selectors, Timestamp from, Timestamp to) {
  if (selectors.empty() || from > to) return {};
  MutexLock lock(commit_mu_);
  std::vector<SeriesPtr> hit;
  for (const SeriesPtr& s : matching({}, selectors)) {
    if (s->overlaps(from, to)) hit.push_back(s);
  }
  if (hit.empty()) return {};
  SONDE_CHECK(check_space());
  uint64_t mark = log_->mark();
  auto write = [&]() SONDE_REQUIRES(commit_mu_) -> Result<> {
    WalTombstones tombstones{from, to, {}};
    for (size_t i = 0; i < hit.size(); i++) {
      tombstones.refs.push_back(hit[i]->ref);
      if (tombstones.refs.size() * kVarintBytesMax < kRecordBytes && i + 1 < hit.size()) continue;
      SONDE_CHECK(begin_round());
      SONDE_TRY([[maybe_unused]] uint64_t seq, log_->append(kWalTombstones, encode_tombstones(tombstones)));
      tombstones.refs.clear();
    }
    SONDE_CHECK(log_->sync());
    last_sync_ = clock_.monotonic();
    note_log_position();
    return {};
  };
  if (Result<> done = write(); !done) {
    log_->rollback(mark);
    generation_++;
    return done;
  }
  std::unordered_set<const Series*> of;
  for (const SeriesPtr& s : hit) {
    erase_interval(s, from, to);
    of.insert(s.get());
  }
  erase_exemplars(of, from, to);
  uint64_t removed = remove_empty(kMinTime, false);
  MutexLock stats_lock(stats_mu_);
  stats_.series_removed += removed;
  return {};
}

// ------------------------------------------------------------------------------------------------ reads

std::vector<SeriesPtr> Store::matching(const storage::Scope& scope,
                                       const std::vector<Matchers>& selectors) const {
  ReaderLock lock(index_mu_);
  if (selectors.empty()) return index_.resolve(scope.enforced);
  std::vector<SeriesPtr> out;
  for (const Matchers& selector : selectors) {
    Matchers all = selector;
    all.insert(all.end(), scope.enforced.begin(), scope.enforced.end());
    auto part = index_.resolve(all);
    out.insert(out.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  }
  if (selectors.size() > 1) {
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }
  return out;
}

Result<std::unique_ptr<storage::SeriesSet>> Store::select(const storage::Scope& scope,
                                                          const Matchers& matchers,
                                                          const storage::SelectHints& hints,
                                                          const Cancellation& cancel) const {
  SONDE_CHECK(cancel.check());
  std::vector<SeriesPtr> found = matching(scope, {matchers});
  SONDE_CHECK(cancel.check());
  std::vector<Cursor::Item> items;
  items.reserve(found.size());
  {
    MutexLock lock(apply_mu_);
    for (SeriesPtr& s : found) {
      if (!s->overlaps(hints.from, hints.to)) continue;
      Timestamp to{std::min(hints.to.ms, s->visible_t.load(std::memory_order_relaxed))};
      items.push_back({std::move(s), to});
    }
  }
  SONDE_CHECK(cancel.check());
  std::sort(items.begin(), items.end(),
            [](const auto& a, const auto& b) { return a.series->labels < b.series->labels; });
  std::vector<std::string> warnings;
  {
    MutexLock lock(stats_mu_);
    uint64_t lost = stats_.wal.damaged_pages + stats_.corruptions;
    if (lost > 0) {
      warnings.push_back(
          "storage: " + std::to_string(lost) +
          " damaged places of the write-ahead log were skipped at start; some samples may be missing");
    }
  }
  return std::make_unique<Cursor>(std::move(items), stripes_, hints.from, hints.func == "series", cancel,
                                  std::move(warnings));
}

Result<std::vector<std::string>> Store::label_names(const storage::Scope& scope,
                                                    const std::vector<Matchers>& selectors, Timestamp from,
                                                    Timestamp to, size_t limit) const {
  std::set<std::string, std::less<>> names;
  for (const SeriesPtr& s : matching(scope, selectors)) {
    if (!s->overlaps(from, to)) continue;
    for (LabelView l : s->labels) {
      if (!names.contains(l.name)) names.emplace(l.name);
    }
  }
  std::vector<std::string> out(names.begin(), names.end());
  if (limit != 0 && out.size() > limit) out.resize(limit);
  return out;
}

Result<std::vector<std::string>> Store::label_values(const storage::Scope& scope, std::string_view label,
                                                     const std::vector<Matchers>& selectors, Timestamp from,
                                                     Timestamp to, size_t limit) const {
  std::vector<std::string> out;
  if (selectors.empty() && scope.enforced.empty()) {
    ReaderLock lock(index_mu_);
    auto name = index_.labels().find(label);
    if (name == index_.labels().end()) return out;
    for (const auto& [value, postings] : name->second) {
      bool live = std::any_of(postings.begin(), postings.end(),
                              [&](storage::SeriesRef ref) SONDE_REQUIRES(index_mu_) {
                                return index_.all().at(ref)->overlaps(from, to);
                              });
      if (live) out.push_back(value);
      if (limit != 0 && out.size() == limit) break;
    }
    return out;
  }
  std::set<std::string, std::less<>> values;
  for (const SeriesPtr& s : matching(scope, selectors)) {
    std::string_view value = s->labels.get(label);
    if (!value.empty() && !values.contains(value) && s->overlaps(from, to)) values.emplace(value);
  }
  out.assign(values.begin(), values.end());
  if (limit != 0 && out.size() > limit) out.resize(limit);
  return out;
}

Result<std::vector<storage::ExemplarSeries>> Store::exemplars(const storage::Scope& scope,
                                                              const std::vector<Matchers>& selectors,
                                                              Timestamp from, Timestamp to) const {
  std::map<LabelSet, std::vector<Exemplar>> by_series;
  {
    MutexLock lock(apply_mu_);
    std::unordered_map<const Series*, bool> verdicts;
    for (const StoredExemplar& e : exemplars_) {
      if (*e.exemplar.t < from || *e.exemplar.t > to) continue;
      auto [it, fresh] = verdicts.try_emplace(e.series.get(), false);
      if (fresh) {
        const LabelSet& labels = e.series->labels;
        it->second =
            all_match(scope.enforced, labels) &&
            (selectors.empty() || std::any_of(selectors.begin(), selectors.end(),
                                              [&](const Matchers& m) { return all_match(m, labels); }));
      }
      if (it->second) by_series[e.series->labels].push_back(e.exemplar);
    }
  }
  std::vector<storage::ExemplarSeries> out;
  for (auto& [labels, list] : by_series) out.push_back({labels, std::move(list)});
  return out;
}

namespace {

std::vector<storage::NamedCount> largest(std::vector<storage::NamedCount> counts, size_t limit) {
  auto more = [](const auto& a, const auto& b) {
    return a.count != b.count ? a.count > b.count : a.name < b.name;
  };
  size_t n = std::min(limit, counts.size());
  std::partial_sort(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(n), counts.end(), more);
  counts.resize(n);
  return counts;
}

}  // namespace

storage::HeadStats Store::head_stats(size_t limit) const {
  storage::HeadStats out;
  Timestamp min = kMaxTime, max = kMinTime;
  std::vector<storage::NamedCount> by_metric, by_pair, values_by_label, memory_by_label;
  ReaderLock lock(index_mu_);
  out.series = index_.series_count();
  for (const auto& [ref, s] : index_.all()) {
    MutexLock stripe(stripes_->of(*s));
    out.samples += s->samples();
    out.chunks += s->sealed.size() + (s->open.count > 0);
    out.memory_bytes += s->memory_bytes();
    if (s->samples() == 0) continue;
    min = std::min(min, Timestamp{s->first_t.load(std::memory_order_relaxed)});
    max = std::max(max, Timestamp{s->visible_t.load(std::memory_order_relaxed)});
  }
  if (min <= max) {
    out.min_time = min;
    out.max_time = max;
  }
  for (const auto& [name, values] : index_.labels()) {
    values_by_label.push_back({name, values.size()});
    uint64_t bytes = 0;
    for (const auto& [value, postings] : values) {
      bytes += (name.size() + value.size()) * postings.size();
      out.memory_bytes += postings.capacity() * sizeof postings[0] + value.capacity() + 96;
      out.label_pairs++;
      if (name == kMetricName) by_metric.push_back({value, postings.size()});
      by_pair.push_back({name + "=" + value, postings.size()});
    }
    memory_by_label.push_back({name, bytes});
  }
  out.series_by_metric = largest(std::move(by_metric), limit);
  out.series_by_label_pair = largest(std::move(by_pair), limit);
  out.values_by_label = largest(std::move(values_by_label), limit);
  out.memory_by_label = largest(std::move(memory_by_label), limit);
  return out;
}

std::vector<storage::MetadataEntry> Store::metadata(std::string_view metric, size_t limit) const {
  std::vector<storage::MetadataEntry> out;
  MutexLock lock(apply_mu_);
  if (!metric.empty()) {
    auto it = metadata_.find(metric);
    if (it != metadata_.end()) out.push_back({it->first, it->second.metadata});
    return out;
  }
  for (const auto& [name, entry] : metadata_) {
    if (limit != 0 && out.size() == limit) break;
    out.push_back({name, entry.metadata});
  }
  return out;
}

TsdbStats Store::stats() const {
  TsdbStats out;
  {
    MutexLock lock(stats_mu_);
    out = stats_;
  }
  MutexLock lock(queue_mu_);
  out.queue_bytes = queue_bytes_;
  return out;
}

}  // namespace

Result<std::unique_ptr<TsdbStore>> TsdbStore::open(FileSystem& fs, const Clock& clock, TsdbOptions options) {
  auto store = std::make_unique<Store>(fs, clock, std::move(options));
  SONDE_CHECK(store->start());
  return store;
}

}  // namespace sonde::tsdb

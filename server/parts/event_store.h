// What logs and spans share: the log, the buffer, the part files, flushing, retention and ordered reading.
// Private to parts/; Traits says how one kind of event is encoded and keyed.
//
// Life of an event: appended to the record log; once that is synced it becomes visible in the buffer and is
// acknowledged; flushes write the buffer as a part file and cut the log. A part that does not open is set
// aside (renamed to *.damaged), counted and reported, and never stops the start.
//
// Threads: any. Appends and reads meet only where a snapshot is copied.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "base/record_log.h"
#include "parts/options.h"
#include "parts/part_file.h"
#include "storage/events.h"

namespace sonde::parts {

// A run of decoded events in order of time. Immutable once published.
template <class Event>
struct Run {
  std::vector<Event> events;
  EventTime min_time;
  EventTime max_time;
  size_t bytes = 0;
};

// Traits: Event, kName, encode(span<const Event* const>), decode(text), time(e), stream(e) → LabelSet,
// trace(e), text_bytes(e).
template <class Traits>
class EventStore {
 public:
  using Event = typename Traits::Event;
  using RunPtr = std::shared_ptr<const Run<Event>>;

  EventStore(FileSystem& fs, const Clock& clock, PartsOptions options)
      : fs_(fs), clock_(clock), options_(std::move(options)) {}
  ~EventStore() { (void)close(); }

  Result<> open() {
    SONDE_CHECK(fs_.create_directories(parts_dir()));
    SONDE_CHECK(fs_.create_directories(log_dir()));
    SONDE_TRY(lock_, fs_.lock(options_.dir + "/lock"));
    SONDE_CHECK(read_generation());
    uint64_t flushed_seq = 0;
    std::vector<Salvage> salvage;
    SONDE_CHECK(open_parts(flushed_seq, salvage));
    EventTime oldest = options_.retention.ns > 0 ? clock_.now() - options_.retention : EventTime{INT64_MIN};
    RecordLogOptions log_options{log_dir(), options_.log_segment_bytes};
    SONDE_TRY(auto log, RecordLog::open(fs_, clock_, log_options, [&](const ReplayedRecord& r) {
                if (r.type != kEventsRecord) return;
                MutexLock lock(mu_);
                Salvage* lost = r.seq <= flushed_seq ? lost_with(salvage, r.seq) : nullptr;
                if (r.seq <= flushed_seq && !lost) return;
                auto events = Traits::decode(r.data);
                if (!events) {
                  undecodable_records_++;
                  return;
                }
                // Also those of a part that retention removed while its log was still there.
                std::erase_if(*events, [&](const Event& e) { return Traits::time(e) < oldest; });
                if (events->empty()) return;
                if (lost) {
                  if (lost->runs.empty()) lost->range.first_seq = r.seq;
                  lost->runs.push_back({make_run(std::move(*events)), r.segment, r.seq, r.seq});
                } else {
                  publish(std::move(*events), r.segment, r.seq);
                }
              }));
    for (const Salvage& s : salvage) SONDE_CHECK(write_salvage(s));
    // A log that lost its end counts on from there: what it will hold must not be taken for what the parts
    // hold already, nor what it still holds for new.
    if (log->next_seq() <= flushed_seq) {
      SONDE_CHECK(log->rotate());
      SONDE_CHECK(log->truncate_before(log->open_segment()));
      SONDE_CHECK(next_generation());
    }
    GroupCommit::Options commit_options;
    commit_options.queue_bytes_max = options_.queue_bytes_max;
    commit_options.thread = options_.threads;
    commit_ = std::make_unique<GroupCommit>(std::move(log), clock_, commit_options);
    if (options_.threads) flusher_ = std::thread([this] { run_flusher(); });
    return {};
  }

  // Flushes and closes. Idempotent.
  Result<> close() {
    if (!commit_) return {};
    {
      MutexLock lock(mu_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (flusher_.joinable()) flusher_.join();
    Result<> flushed = flush();
    Result<> stopped = commit_->stop();
    commit_.reset();
    return flushed ? stopped : flushed;
  }

  void append(std::vector<Event> events, storage::OnEventsDurable on_durable) {
    storage::EventOutcome outcome;
    EventTime now = clock_.now();
    EventTime oldest = options_.retention.ns > 0 ? now - options_.retention : EventTime{INT64_MIN};
    EventTime newest = now + options_.future_max;
    std::erase_if(events, [&](const Event& e) {
      EventTime t = Traits::time(e);
      if (t >= oldest && t <= newest) return false;
      outcome.rejected++;
      if (outcome.error.empty()) {
        outcome.error = std::string(Traits::kName) +
                        (t < oldest ? " is older than the retention" : " lies too far in the future") +
                        " (time " + std::to_string(t.ns / 1'000'000) + " ms)";
      }
      return true;
    });
    bool stuck = false;
    {
      MutexLock lock(mu_);
      rejected_ += outcome.rejected;
      stuck = buffer_bytes_ >= kBuffersMax * std::max<size_t>(options_.buffer_bytes_max, 8u << 20);
    }
    if (stuck && !events.empty()) {
      on_durable(fail(ErrorCode::kUnavailable,
                      "the buffer of the " + std::string(Traits::kName) +
                          " store is full and cannot be written as a part yet; try again later"));
      return;
    }
    if (events.empty()) {
      on_durable(std::move(outcome));
      return;
    }
    std::vector<const Event*> pointers;
    pointers.reserve(events.size());
    for (const Event& e : events) pointers.push_back(&e);
    std::string bytes = Traits::encode(pointers);
    if (bytes.size() > kRecordBytesMax) {
      on_durable(fail(ErrorCode::kLimit, std::string(Traits::kName) + " batch of " +
                                             std::to_string(bytes.size()) + " bytes is too large"));
      return;
    }
    std::vector<LogRecordData> records;
    records.push_back({kEventsRecord, std::move(bytes)});
    auto held = std::make_shared<std::vector<Event>>(std::move(events));
    outcome.stored = held->size();
    commit_->append(std::move(records), Durability::kPowerLoss,
                    [this, held, outcome = std::move(outcome),
                     on_durable = std::move(on_durable)](Result<LogPosition> position) mutable {
                      if (!position) {
                        on_durable(fail(position.error()));
                        return;
                      }
                      bool full = false;
                      {
                        MutexLock lock(mu_);
                        stored_ += held->size();
                        publish(std::move(*held), position->segment, position->seq);
                        full = buffer_bytes_ >= options_.buffer_bytes_max;
                      }
                      if (full) wake_.notify_all();
                      on_durable(std::move(outcome));
                    });
  }

  // Commits what waits; for programs without threads.
  Result<> commit_now() { return commit_->commit_now(); }

  // Writes the buffer as a part and cuts the log. One at a time.
  Result<> flush() {
    MutexLock flushing(flush_mu_);
    // The log calls back in order, so when this record's callback runs, everything before it is in the
    // buffer.
    struct Barrier {
      Mutex mu;
      CondVar done;
      std::optional<Result<LogPosition>> position SONDE_GUARDED_BY(mu);
    };
    auto barrier = std::make_shared<Barrier>();
    std::vector<Buffered> frozen;
    std::vector<LogRecordData> records;
    records.push_back({kBarrierRecord, {}});
    commit_->append(std::move(records), Durability::kPowerLoss,
                    [this, barrier, &frozen](Result<LogPosition> position) {
                      if (position) {
                        MutexLock lock(mu_);
                        frozen = buffer_;
                        frozen_seq_ = position->seq;
                      }
                      MutexLock lock(barrier->mu);
                      barrier->position = std::move(position);
                      barrier->done.notify_all();
                    });
    if (!options_.threads) (void)commit_->commit_now();
    Result<LogPosition> position = LogPosition{};
    {
      MutexLock lock(barrier->mu);
      while (!barrier->position) barrier->done.wait(barrier->mu);
      position = *barrier->position;
    }
    if (!position) return fail(position.error());
    if (frozen.empty()) return commit_->truncate_before(position->segment);
    // A flush that failed after its rename may have left a file; the next one holds the same records and
    // more, which its name says, and the start then removes the smaller one.
    std::string name = part_name(frozen.front().first_seq, position->seq);
    SONDE_CHECK(write_part(frozen, name, position->seq));
    auto opened = PartFile::open(fs_, parts_dir(), name);
    if (!opened) return fail(opened.error());
    {
      MutexLock lock(mu_);
      parts_.push_back(std::shared_ptr<const PartFile>(std::move(*opened)));
      std::erase_if(buffer_, [&](const Buffered& b) { return b.seq <= position->seq; });
      buffer_bytes_ = 0;
      for (const Buffered& b : buffer_) buffer_bytes_ += b.run->bytes;
      last_flush_ = clock_.monotonic();
    }
    return commit_->truncate_before(position->segment);
  }

  Result<> apply_retention(Timestamp now) {
    EventTime oldest = options_.retention.ns > 0 ? EventTime::from_timestamp(now) - options_.retention
                                                 : EventTime{INT64_MIN};
    std::vector<std::shared_ptr<const PartFile>> gone;
    {
      MutexLock lock(mu_);
      uint64_t bytes = 0;
      for (const auto& p : parts_) bytes += p->file_bytes();
      auto by_age = parts_;
      std::sort(by_age.begin(), by_age.end(), [](const auto& a, const auto& b) {
        return a->index().max_time != b->index().max_time ? a->index().max_time < b->index().max_time
                                                          : a->name() < b->name();
      });
      for (const auto& p : by_age) {
        bool too_much = options_.retention_bytes > 0 && bytes > options_.retention_bytes;
        if (p->index().max_time >= oldest && !too_much) break;
        bytes -= p->file_bytes();
        gone.push_back(p);
      }
      std::erase_if(parts_,
                    [&](const auto& p) { return std::find(gone.begin(), gone.end(), p) != gone.end(); });
    }
    Result<> removed;  // of all of them; the first failure is told
    for (const auto& part : gone) {
      auto done = fs_.remove(parts_dir() + "/" + part->name());
      if (!done && removed) removed = fail(done.error());
    }
    return removed;
  }

  storage::EventStats stats() const {
    storage::EventStats out;
    RecordLogStats log;  // before the lock: a sync may be under way
    if (commit_) log = commit_->stats();
    MutexLock lock(mu_);
    auto widen = [&](EventTime min, EventTime max) {
      if (out.records == 0 || min < out.min_time) out.min_time = min;
      if (out.records == 0 || max > out.max_time) out.max_time = max;
    };
    for (const auto& p : parts_) {
      widen(p->index().min_time, p->index().max_time);
      out.records += p->index().events;
      out.bytes += p->file_bytes();
    }
    for (const Buffered& b : buffer_) {
      widen(b.run->min_time, b.run->max_time);
      out.records += b.run->events.size();
    }
    out.segments = parts_.size();
    out.damaged = damaged_parts_ + damaged_blocks_ + undecodable_records_;
    out.bytes += log.bytes;
    out.damaged += log.damaged_pages;
    return out;
  }

  struct Snapshot {
    std::vector<std::shared_ptr<const PartFile>> parts;
    std::vector<RunPtr> runs;
  };
  Snapshot snapshot() const {
    Snapshot out;
    MutexLock lock(mu_);
    out.parts = parts_;
    for (const Buffered& b : buffer_) out.runs.push_back(b.run);
    return out;
  }

  // Decoded, in order of time. A damaged block is empty, and counted.
  Result<RunPtr> block(const PartFile& part, size_t number) const {
    std::pair<std::string, size_t> key{part.name(), number};
    {
      MutexLock lock(cache_mu_);
      auto it = cache_.find(key);
      if (it != cache_.end()) {
        cache_order_.splice(cache_order_.begin(), cache_order_, it->second.second);
        return it->second.first;
      }
    }
    RunPtr run;
    auto raw = part.read_block(number);
    if (raw) {
      if (auto events = Traits::decode(*raw)) run = make_run(std::move(*events));
    } else if (raw.error().code != ErrorCode::kCorrupt) {
      return fail(raw.error());
    }
    if (!run) {
      run = std::make_shared<const Run<Event>>();
      MutexLock lock(mu_);
      damaged_blocks_++;
    }
    MutexLock lock(cache_mu_);
    if (cache_.contains(key)) return run;
    cache_order_.push_front(key);
    cache_.emplace(key, std::pair{run, cache_order_.begin()});
    cache_bytes_ += run->bytes;
    while (cache_bytes_ > options_.cache_bytes_max && cache_.size() > 1) {
      auto last = cache_.find(cache_order_.back());
      cache_bytes_ -= last->second.first->bytes;
      cache_.erase(last);
      cache_order_.pop_back();
    }
    return run;
  }

  // Streams with what they hold; of a part as a whole when its times touch [from, to).
  template <class F>
  void for_each_stream(EventTime from, EventTime to, F&& f) const {
    Snapshot snap = snapshot();
    for (const auto& part : snap.parts) {
      if (part->index().max_time < from || part->index().min_time >= to) continue;
      for (const StreamCount& s : part->index().streams) f(s);
    }
    for (const RunPtr& run : snap.runs) {
      if (run->max_time < from || run->min_time >= to) continue;
      for (const Event& e : run->events) f(StreamCount{Traits::stream(e), 1, Traits::text_bytes(e)});
    }
  }

 private:
  static constexpr uint8_t kEventsRecord = 1;
  static constexpr uint8_t kBarrierRecord = 2;
  static constexpr size_t kBuffersMax = 8;  // full buffers in memory while parts cannot be written

  struct Buffered {
    RunPtr run;
    uint64_t segment = 0;
    uint64_t first_seq = 0;  // of the records it was made of
    uint64_t seq = 0;        // and the last
  };

  std::string parts_dir() const { return options_.dir + "/parts"; }
  // The generation counts how often the log began anew; part names start with it.
  Result<> read_generation() {
    if (!fs_.exists(options_.dir + "/generation")) return {};
    SONDE_TRY(std::string text, fs_.read_file(options_.dir + "/generation"));
    generation_ = std::strtoull(text.c_str(), nullptr, 10);
    return {};
  }
  Result<> next_generation() {
    generation_++;
    return fs_.write_file_atomically(options_.dir + "/generation", std::to_string(generation_));
  }
  struct Name {
    uint64_t generation = 0;
    uint64_t first_seq = 0;
    uint64_t last_seq = 0;
    bool holds(const Name& o) const {
      return generation == o.generation && first_seq <= o.first_seq && o.last_seq <= last_seq;
    }
  };
  // A damaged part of this generation, and what the log still has of it.
  struct Salvage {
    Name range;
    std::vector<Buffered> runs;
  };
  Salvage* lost_with(std::vector<Salvage>& salvage, uint64_t seq) const SONDE_REQUIRES(mu_) {
    for (const auto& part : parts_) {
      if (Name n = parse_name(part->name());
          n.generation == generation_ && n.first_seq <= seq && seq <= n.last_seq)
        return nullptr;
    }
    for (Salvage& s : salvage) {
      if (s.range.first_seq <= seq && seq <= s.range.last_seq) return &s;
    }
    return nullptr;
  }
  Result<> write_salvage(const Salvage& s) {
    if (s.runs.empty()) return {};
    std::string name = part_name(s.range.first_seq, s.range.last_seq);
    SONDE_CHECK(write_part(s.runs, name, s.range.last_seq));
    auto opened = PartFile::open(fs_, parts_dir(), name);
    if (!opened) return fail(opened.error());
    MutexLock lock(mu_);
    parts_.push_back(std::shared_ptr<const PartFile>(std::move(*opened)));
    return {};
  }
  std::string part_name(uint64_t first_seq, uint64_t last_seq) const {
    char name[64];
    std::snprintf(name, sizeof name, "%08llx-%016llx-%016llx.part",
                  static_cast<unsigned long long>(generation_), static_cast<unsigned long long>(first_seq),
                  static_cast<unsigned long long>(last_seq));
    return name;
  }
  static Name parse_name(const std::string& text) {
    Name out;
    char* end = nullptr;
    out.generation = std::strtoull(text.c_str(), &end, 16);
    if (*end == '-') out.first_seq = std::strtoull(end + 1, &end, 16);
    if (*end == '-') out.last_seq = std::strtoull(end + 1, &end, 16);
    return out;
  }
  // The sequence number up to which this part holds the current log; 0 when it belongs to an older one.
  uint64_t flushed_by(const std::string& name) const {
    Name n = parse_name(name);
    return n.generation == generation_ ? n.last_seq : 0;
  }
  std::string log_dir() const { return options_.dir + "/log"; }

  static RunPtr make_run(std::vector<Event> events) {
    auto run = std::make_shared<Run<Event>>();
    run->events = std::move(events);
    std::stable_sort(run->events.begin(), run->events.end(),
                     [](const Event& a, const Event& b) { return Traits::time(a) < Traits::time(b); });
    if (!run->events.empty()) {
      run->min_time = Traits::time(run->events.front());
      run->max_time = Traits::time(run->events.back());
    }
    for (const Event& e : run->events) run->bytes += memory_bytes(e);
    return run;
  }

  void publish(std::vector<Event> events, uint64_t segment, uint64_t seq) SONDE_REQUIRES(mu_) {
    RunPtr run = make_run(std::move(events));
    buffer_bytes_ += run->bytes;
    buffer_.push_back({std::move(run), segment, seq, seq});
    // Many small runs make slow reads: merge the newest ones while they are small, as a merge sort would.
    while (buffer_.size() >= 2) {
      Buffered& a = buffer_[buffer_.size() - 2];
      Buffered& b = buffer_.back();
      if (a.seq <= frozen_seq_) break;  // being written as a part
      if (a.run->events.size() > 2 * b.run->events.size() ||
          a.run->events.size() + b.run->events.size() > 8192)
        break;
      std::vector<Event> merged;
      merged.reserve(a.run->events.size() + b.run->events.size());
      std::merge(a.run->events.begin(), a.run->events.end(), b.run->events.begin(), b.run->events.end(),
                 std::back_inserter(merged),
                 [](const Event& x, const Event& y) { return Traits::time(x) < Traits::time(y); });
      auto run2 = std::make_shared<Run<Event>>();
      run2->min_time = std::min(a.run->min_time, b.run->min_time);
      run2->max_time = std::max(a.run->max_time, b.run->max_time);
      run2->bytes = a.run->bytes + b.run->bytes;
      run2->events = std::move(merged);
      a.run = std::move(run2);
      a.segment = std::min(a.segment, b.segment);
      a.seq = b.seq;  // flushed together: the newer one decides
      buffer_.pop_back();
    }
  }

  Result<> write_part(const std::vector<Buffered>& frozen, const std::string& name, uint64_t flushed_seq) {
    std::vector<const Event*> all;
    for (const Buffered& b : frozen) {
      for (const Event& e : b.run->events) all.push_back(&e);
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Event* a, const Event* b) { return Traits::time(*a) < Traits::time(*b); });
    PartWriter writer;
    size_t begin = 0;
    while (begin < all.size()) {
      size_t end = begin, bytes = 0;
      while (end < all.size() && end - begin < options_.block_events_max &&
             bytes < options_.block_bytes_max) {
        bytes += memory_bytes(*all[end++]);
      }
      std::span<const Event* const> events(all.data() + begin, end - begin);
      PartWriter::Block block;
      block.raw = Traits::encode(events);
      block.events = static_cast<uint32_t>(events.size());
      block.min_time = Traits::time(*events.front());
      block.max_time = Traits::time(*events.back());
      std::unordered_map<LabelSet, StreamCount, LabelSetHash> streams;
      std::set<TraceId> traces;
      for (const Event* e : events) {
        LabelSet labels = Traits::stream(*e);
        StreamCount& s = streams[labels];
        s.labels = labels;
        s.events++;
        s.bytes += Traits::text_bytes(*e);
        traces.insert(Traits::trace(*e));
      }
      for (auto& [labels, count] : streams) block.streams.push_back(std::move(count));
      block.traces.assign(traces.begin(), traces.end());
      writer.add(std::move(block));
      begin = end;
    }
    return writer.write(fs_, parts_dir(), name, flushed_seq);
  }

  Result<> open_parts(uint64_t& flushed_seq, std::vector<Salvage>& salvage) {
    SONDE_TRY(auto names, fs_.list(parts_dir()));
    MutexLock lock(mu_);
    std::vector<std::shared_ptr<const PartFile>> sound;
    for (const std::string& name : names) {
      if (name.ends_with(".damaged")) {
        damaged_parts_++;
        flushed_seq = std::max(flushed_seq, flushed_by(name));
        // Again, in case the start that found it did not get as far as writing what it salvaged.
        if (Name n = parse_name(name); n.generation == generation_) salvage.push_back({n, {}});
        continue;
      }
      if (!name.ends_with(".part")) {
        // Temporary files of an interrupted flush; what they would have held is still in the log.
        (void)fs_.remove(parts_dir() + "/" + name);
        continue;
      }
      // The log was cut when the part was written, so its name says how far even if it does not open.
      flushed_seq = std::max(flushed_seq, flushed_by(name));
      auto part = PartFile::open(fs_, parts_dir(), name);
      if (part) {
        sound.push_back(std::shared_ptr<const PartFile>(std::move(*part)));
        continue;
      }
      if (part.error().code != ErrorCode::kCorrupt) return fail(part.error());
      damaged_parts_++;
      problems_.push_back(part.error().message);
      if (Name n = parse_name(name); n.generation == generation_) salvage.push_back({n, {}});
      SONDE_CHECK(fs_.rename(parts_dir() + "/" + name, parts_dir() + "/" + name + ".damaged"));
    }
    for (const auto& part : sound) {
      // Of a flush that failed after its rename. Only a part that opened counts as holding another.
      bool held_by_another = std::any_of(sound.begin(), sound.end(), [&](const auto& other) {
        return other != part && parse_name(other->name()).holds(parse_name(part->name()));
      });
      if (held_by_another) {
        SONDE_CHECK(fs_.remove(parts_dir() + "/" + part->name()));
      } else {
        parts_.push_back(part);
      }
    }
    return {};
  }

  void run_flusher() {
    for (;;) {
      {
        MutexLock lock(mu_);
        if (stopping_) return;
        bool due = buffer_bytes_ >= options_.buffer_bytes_max ||
                   (!buffer_.empty() && clock_.monotonic() - last_flush_ >= options_.flush_interval);
        if (!due) {
          wake_.wait_for_ns(mu_, 1'000'000'000);
          continue;
        }
      }
      if (auto flushed = flush(); !flushed) {
        MutexLock lock(mu_);
        flush_failures_++;
        if (!stopping_)
          wake_.wait_for_ns(mu_, 5'000'000'000);  // a full disk: what is acknowledged stays in the log
      }
    }
  }

  FileSystem& fs_;
  const Clock& clock_;
  const PartsOptions options_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<GroupCommit> commit_;
  std::thread flusher_;
  Mutex flush_mu_;
  uint64_t generation_ = 0;  // set by open

  mutable Mutex mu_;
  CondVar wake_;
  std::vector<std::shared_ptr<const PartFile>> parts_ SONDE_GUARDED_BY(mu_);
  std::vector<Buffered> buffer_ SONDE_GUARDED_BY(mu_);
  size_t buffer_bytes_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t frozen_seq_ SONDE_GUARDED_BY(mu_) = 0;
  MonotonicTime last_flush_ SONDE_GUARDED_BY(mu_) = clock_.monotonic();
  bool stopping_ SONDE_GUARDED_BY(mu_) = false;
  uint64_t stored_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t rejected_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t flush_failures_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t damaged_parts_ SONDE_GUARDED_BY(mu_) = 0;
  mutable uint64_t damaged_blocks_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t undecodable_records_ SONDE_GUARDED_BY(mu_) = 0;
  std::vector<std::string> problems_ SONDE_GUARDED_BY(mu_);

  using CacheKey = std::pair<std::string, size_t>;
  mutable Mutex cache_mu_;
  mutable std::list<CacheKey> cache_order_ SONDE_GUARDED_BY(cache_mu_);  // newest first
  mutable std::map<CacheKey, std::pair<RunPtr, typename std::list<CacheKey>::iterator>> cache_
      SONDE_GUARDED_BY(cache_mu_);
  mutable size_t cache_bytes_ SONDE_GUARDED_BY(cache_mu_) = 0;
};

}  // namespace sonde::parts

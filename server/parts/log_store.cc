#include "parts/log_store.h"

#include <queue>

#include "parts/event_codec.h"
#include "parts/event_store.h"

namespace sonde::parts {
namespace {

struct LogTraits {
  using Event = LogRecord;
  static constexpr const char* kName = "log record";
  static std::string encode(std::span<const LogRecord* const> e) { return encode_logs(e); }
  static Result<std::vector<LogRecord>> decode(std::string_view bytes) { return decode_logs(bytes); }
  static EventTime time(const LogRecord& r) { return r.time; }
  static LabelSet stream(const LogRecord& r) { return r.stream; }
  static const TraceId& trace(const LogRecord& r) { return r.trace_id; }
  static uint64_t text_bytes(const LogRecord& r) { return r.line.size(); }
};

using Store = EventStore<LogTraits>;

// The matching records of one part or run, in one direction. Reads a block when it gets there.
class Source {
 public:
  Source(const Store& store, std::shared_ptr<const PartFile> part, std::vector<uint32_t> blocks)
      : store_(store), part_(std::move(part)), blocks_(std::move(blocks)) {}
  Source(const Store& store, Store::RunPtr run) : store_(store), run_(std::move(run)) {}

  using Filter = std::function<bool(const LogRecord&)>;
  enum class Step : uint8_t { kRecord, kBlock, kEnd };
  // Whether there is anything in the next block, before it is read; its first time in the direction.
  bool has_block() const { return part_ && next_block_ < blocks_.size(); }
  EventTime block_time(storage::Direction direction) const {
    const BlockInfo& info = part_->index().blocks[block_number(direction)];
    return direction == storage::Direction::kForward ? info.min_time : info.max_time;
  }
  // Moves to the next record that passes (kRecord), within the block at hand; else reads the next block if
  // `may_read`. kBlock: this block is done, another one waits.
  Result<Step> next(storage::Direction direction, const Filter& passes, bool may_read) {
    if (!run_) {
      if (!has_block()) return Step::kEnd;
      if (!may_read) return Step::kBlock;
      size_t number = block_number(direction);
      next_block_++;
      SONDE_TRY(run_, store_.block(*part_, number));
      taken_ = 0;
    }
    while (taken_ < run_->events.size()) {
      size_t i = direction == storage::Direction::kForward ? taken_ : run_->events.size() - 1 - taken_;
      taken_++;
      current_ = &run_->events[i];
      if (passes(*current_)) {
        held_ = run_;
        return Step::kRecord;
      }
    }
    run_ = nullptr;
    held_ = nullptr;
    return has_block() ? Step::kBlock : Step::kEnd;
  }
  const LogRecord& current() const { return *current_; }

 private:
  uint32_t block_number(storage::Direction direction) const {
    return blocks_[direction == storage::Direction::kForward ? next_block_
                                                             : blocks_.size() - 1 - next_block_];
  }

  const Store& store_;
  std::shared_ptr<const PartFile> part_;
  std::vector<uint32_t> blocks_;
  size_t next_block_ = 0;
  Store::RunPtr run_;
  Store::RunPtr held_;  // keeps current_ alive
  size_t taken_ = 0;
  const LogRecord* current_ = nullptr;
};

// Merges sources by time. A block is read only when its turn has come: a query for the newest lines of a
// month touches the newest blocks, and holds one block of those parts alone that overlap. Blocks of one part
// may overlap only at their edges, because a part is sorted as a whole.
class MergeCursor final : public storage::LogCursor {
 public:
  MergeCursor(std::vector<std::unique_ptr<Source>> sources, storage::Direction direction,
              Source::Filter filter, Cancellation cancel)
      : sources_(std::move(sources)),
        direction_(direction),
        filter_(std::move(filter)),
        cancel_(std::move(cancel)),
        heap_(Later{direction}) {}

  Result<bool> next(const LogRecord*& record) override {
    if (++calls_ % 1024 == 1) SONDE_CHECK(cancel_.check());
    if (!started_) {
      started_ = true;
      for (size_t i = 0; i < sources_.size(); i++) SONDE_CHECK(advance(i, false));
    } else if (last_ < sources_.size()) {
      SONDE_CHECK(advance(last_, false));
    }
    while (!heap_.empty()) {
      Turn turn = heap_.top();
      heap_.pop();
      if (turn.unread) {
        SONDE_CHECK(cancel_.check());
        SONDE_CHECK(advance(turn.source, true));
        continue;
      }
      last_ = turn.source;
      record = &sources_[last_]->current();
      return true;
    }
    last_ = SIZE_MAX;
    return false;
  }

 private:
  struct Turn {
    EventTime t;
    size_t source;
    bool unread;  // t is that of a block; its records come no earlier
  };
  struct Later {
    storage::Direction direction;
    bool operator()(const Turn& a, const Turn& b) const {
      if (a.t != b.t) return direction == storage::Direction::kForward ? a.t > b.t : a.t < b.t;
      if (a.unread != b.unread) return b.unread;
      return a.source > b.source;
    }
  };
  Result<> advance(size_t i, bool may_read) {
    SONDE_TRY(Source::Step step, sources_[i]->next(direction_, filter_, may_read));
    if (step == Source::Step::kRecord) heap_.push({sources_[i]->current().time, i, false});
    if (step == Source::Step::kBlock) heap_.push({sources_[i]->block_time(direction_), i, true});
    return {};
  }

  std::vector<std::unique_ptr<Source>> sources_;
  const storage::Direction direction_;
  const Source::Filter filter_;
  const Cancellation cancel_;
  std::priority_queue<Turn, std::vector<Turn>, Later> heap_;
  size_t last_ = SIZE_MAX;
  bool started_ = false;
  uint64_t calls_ = 0;
};

class DiskLogStore final : public storage::LogStore {
 public:
  DiskLogStore(FileSystem& fs, const Clock& clock, PartsOptions options)
      : store_(fs, clock, std::move(options)) {}
  Result<> open() { return store_.open(); }
  Result<> flush() { return store_.flush(); }
  void commit_now() { (void)store_.commit_now(); }

  void append_logs(std::vector<LogRecord> records, std::string_view,
                   storage::OnEventsDurable on_durable) override {
    store_.append(std::move(records), std::move(on_durable));
  }

  Result<std::unique_ptr<storage::LogCursor>> select_logs(const storage::Scope& scope,
                                                          const storage::LogSelect& select,
                                                          const Cancellation& cancel) const override {
    Matchers matchers = select.stream;
    matchers.insert(matchers.end(), scope.enforced.begin(), scope.enforced.end());
    std::vector<std::unique_ptr<Source>> sources;
    Store::Snapshot snap = store_.snapshot();
    for (const auto& part : snap.parts) {
      const PartIndex& index = part->index();
      if (index.max_time < select.from || index.min_time >= select.to) continue;
      std::vector<char> stream_matches(index.streams.size());
      for (size_t i = 0; i < index.streams.size(); i++)
        stream_matches[i] = all_match(matchers, index.streams[i].labels);
      std::vector<uint32_t> candidates;
      if (select.trace_id) {
        candidates = part->blocks_of(*select.trace_id);
      } else {
        for (uint32_t b = 0; b < index.blocks.size(); b++) candidates.push_back(b);
      }
      std::vector<uint32_t> blocks;
      for (uint32_t b : candidates) {
        const BlockInfo& info = index.blocks[b];
        if (info.max_time < select.from || info.min_time >= select.to) continue;
        bool any = std::any_of(info.streams.begin(), info.streams.end(),
                               [&](uint32_t s) { return stream_matches[s] != 0; });
        if (any) blocks.push_back(b);
      }
      if (!blocks.empty()) sources.push_back(std::make_unique<Source>(store_, part, std::move(blocks)));
    }
    for (const Store::RunPtr& run : snap.runs) {
      if (run->max_time < select.from || run->min_time >= select.to) continue;
      sources.push_back(std::make_unique<Source>(store_, run));
    }
    auto filter = [select, matchers,
                   known = std::unordered_map<LabelSet, bool, LabelSetHash>()](const LogRecord& r) mutable {
      if (r.time < select.from || r.time >= select.to) return false;
      if (select.trace_id && r.trace_id != *select.trace_id) return false;
      auto [it, added] = known.try_emplace(r.stream, false);
      if (added) it->second = all_match(matchers, r.stream);
      if (!it->second) return false;
      return std::all_of(select.contains.begin(), select.contains.end(),
                         [&](const std::string& s) { return r.line.find(s) != std::string::npos; });
    };
    // The filter remembers streams, so it is shared by reference through a holder.
    auto held = std::make_shared<decltype(filter)>(std::move(filter));
    return std::make_unique<MergeCursor>(
        std::move(sources), select.direction, [held](const LogRecord& r) { return (*held)(r); }, cancel);
  }

  Result<std::vector<std::string>> log_label_names(const storage::Scope& scope, EventTime from,
                                                   EventTime to) const override {
    std::set<std::string> names;
    store_.for_each_stream(from, to, [&](const StreamCount& s) {
      if (!all_match(scope.enforced, s.labels)) return;
      for (LabelView l : s.labels) names.emplace(l.name);
    });
    return std::vector<std::string>(names.begin(), names.end());
  }

  Result<std::vector<std::string>> log_label_values(const storage::Scope& scope, std::string_view label,
                                                    const Matchers& stream, EventTime from,
                                                    EventTime to) const override {
    std::set<std::string> values;
    store_.for_each_stream(from, to, [&](const StreamCount& s) {
      std::string_view value = s.labels.get(label);
      if (!value.empty() && all_match(scope.enforced, s.labels) && all_match(stream, s.labels))
        values.emplace(value);
    });
    return std::vector<std::string>(values.begin(), values.end());
  }

  Result<std::vector<storage::LogStream>> log_streams(const storage::Scope& scope,
                                                      const std::vector<Matchers>& selectors, EventTime from,
                                                      EventTime to) const override {
    std::map<LabelSet, storage::LogStream> streams;
    store_.for_each_stream(from, to, [&](const StreamCount& s) {
      if (!all_match(scope.enforced, s.labels)) return;
      bool wanted =
          selectors.empty() || std::any_of(selectors.begin(), selectors.end(),
                                           [&](const Matchers& m) { return all_match(m, s.labels); });
      if (!wanted) return;
      storage::LogStream& out = streams[s.labels];
      out.labels = s.labels;
      out.records += s.events;
      out.bytes += s.bytes;
    });
    std::vector<storage::LogStream> out;
    for (auto& [labels, stream] : streams) out.push_back(std::move(stream));
    return out;
  }

  storage::EventStats event_stats() const override { return store_.stats(); }
  Result<> apply_retention(Timestamp now) override { return store_.apply_retention(now); }

 private:
  Store store_;
};

}  // namespace

Result<std::unique_ptr<storage::LogStore>> open_log_store(FileSystem& fs, const Clock& clock,
                                                          PartsOptions options) {
  auto store = std::make_unique<DiskLogStore>(fs, clock, std::move(options));
  SONDE_CHECK(store->open());
  return store;
}

Result<> flush_now(storage::LogStore& store) { return static_cast<DiskLogStore&>(store).flush(); }
void commit_pending(storage::LogStore& store) { static_cast<DiskLogStore&>(store).commit_now(); }

}  // namespace sonde::parts

// An append-only log of records in preallocated segments, from which a store rebuilds what it had
// acknowledged. Format: docs/format/record-log.md.
//
// A record is found again whole or not at all. Damage costs the 32 KiB page it is in, and the records that
// touch that page, nothing after it. A torn tail is cut at open. The first failed write or sync is final for
// a file: what was not yet synced is written again to a new one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/mutex.h"

namespace sonde {

struct RecordLogOptions {
  std::string dir;
  uint64_t segment_bytes = 64ull << 20;  // preallocated; less when the disk is nearly full
};

inline constexpr uint64_t kRecordBytesMax = 64ull << 20;

// Borrowed for the call.
struct ReplayedRecord {
  uint64_t segment = 0;
  uint64_t seq = 0;
  uint8_t type = 0;
  std::string_view data;
};

struct RecordLogStats {
  uint64_t segments = 0;
  uint64_t bytes = 0;  // of records in the segments there are, without preallocation
  uint64_t first_segment = 0;
  uint64_t current_segment = 0;
  uint64_t records_appended = 0;
  uint64_t syncs = 0;
  uint64_t sync_failures = 0;
  uint64_t write_failures = 0;
  uint64_t segments_abandoned = 0;  // after a failed write or sync
  uint64_t sync_ns_total = 0;
  uint64_t sync_ns_max = 0;
  // Of the replay at open:
  uint64_t records_replayed = 0;
  uint64_t damaged_pages = 0;  // pages of which something was lost
  uint64_t lost_records = 0;   // gaps in the sequence
  uint64_t torn_bytes = 0;     // cut from the tail
};

// The log itself. Threads: one at a time; GroupCommit below shares one between many.
class RecordLog {
 public:
  using OnRecord = std::function<void(const ReplayedRecord&)>;
  // Called before each segment is read.
  using OnProgress = std::function<void(uint64_t first, uint64_t last, uint64_t current)>;

  // Replays what is there through `on_record`, in order, then is ready for appending. Damage does not fail
  // it; see stats(). Sequence numbers go on where they ended. `clock` times the syncs.
  static Result<std::unique_ptr<RecordLog>> open(FileSystem& fs, const Clock& clock, RecordLogOptions options,
                                                 const OnRecord& on_record,
                                                 const OnProgress& on_progress = {});
  ~RecordLog();

  // Makes sure that the next `bytes` of appended data (in any number of records up to one a KiB) land in one
  // segment, and says which. May sync and change segments.
  Result<uint64_t> prepare(size_t bytes);
  // Buffers; nothing is written yet. kLimit above kRecordBytesMax.
  Result<uint64_t> append(uint8_t type, std::string data);  // its sequence number
  // Writes what is buffered: survives the end of the process.
  Result<> flush();
  // Writes and syncs: on success everything appended survives a power cut. After a failure it has tried a new
  // segment once; everything not synced is kept and tried again by the next call, unless rolled back.
  Result<> sync();
  uint64_t next_seq() const { return next_seq_; }
  // The sequence number of the next record; only the latest mark can be rolled back to.
  uint64_t mark();
  // Forgets the records from `mark` on, as if never appended: they will not be replayed, however far they
  // got.
  void rollback(uint64_t mark);
  bool has_unsynced() const { return !pending_.empty() || !unsynced_.empty(); }
  uint64_t unsynced_bytes() const { return pending_bytes_ + unsynced_bytes_; }

  // Syncs and starts a new segment with the next append.
  Result<> rotate();
  // The segment that the next record goes to at the earliest: older ones are sealed.
  uint64_t open_segment() const { return file_ ? segment_ : next_segment_; }
  // Removes the segments below `segment` that are sealed; oldest first.
  Result<> truncate_before(uint64_t segment);
  std::vector<uint64_t> segments() const;  // numbers, ascending
  RecordLogStats stats() const;

 private:
  struct Record {
    uint64_t seq;
    uint8_t type;
    std::string data;
  };
  struct Scan;
  RecordLog(FileSystem& fs, const Clock& clock, RecordLogOptions options);
  Result<> replay(const OnRecord& on_record, const OnProgress& on_progress);
  Result<> scan(uint64_t segment, uint64_t limit, bool limit_known, const OnRecord& on_record, Scan& scan);
  Result<> recover_tail(uint64_t last, uint64_t end);
  Result<> write_pending();
  Result<> sync_file();
  Result<> seal();
  Result<> open_new_segment(uint64_t bytes_min);
  void abandon();
  void encode(const Record& record, uint64_t position, std::string& out) const;
  std::string path(uint64_t segment) const;

  FileSystem& fs_;
  const Clock& clock_;
  const RecordLogOptions options_;
  std::map<uint64_t, uint64_t> sizes_;  // segment → bytes of records in it
  std::unique_ptr<File> file_;          // null: the next write opens a new segment
  uint64_t segment_ = 0;
  uint64_t next_segment_ = 1;
  uint64_t capacity_ = 0;
  uint64_t position_ = 0;
  uint64_t synced_position_ = 0;
  uint64_t good_segment_ = 0;  // the last one with records that count, and how many of its bytes do
  uint64_t good_bytes_ = 0;
  uint64_t next_seq_ = 1;
  uint64_t synced_seq_ = 0;
  uint64_t mark_seq_ = 0;
  bool mark_known_ = false;  // whether the next two are where the mark was
  uint64_t mark_segment_ = 0;
  uint64_t mark_bytes_ = 0;
  std::deque<Record> pending_;   // not written
  std::deque<Record> unsynced_;  // written to the current segment, not synced
  uint64_t pending_bytes_ = 0;
  uint64_t unsynced_bytes_ = 0;
  RecordLogStats stats_;
};

struct LogRecordData {
  uint8_t type = 0;
  std::string data;
};

// Where appended records are.
struct LogPosition {
  uint64_t segment = 0;  // the newest that may hold some of them
  uint64_t seq = 0;      // of the first
};

enum class Durability : uint8_t {
  kPowerLoss,  // acknowledged after a sync
  kProcess,    // acknowledged after the write; synced within `sync_interval`
};

// Many threads append; a committer writes everything that waits, syncs once, then calls back.
class GroupCommit {
 public:
  struct Options {
    uint64_t queue_bytes_max = 64ull << 20;
    Duration sync_interval = Duration::milliseconds(500);
    bool thread = true;  // false: nothing happens until commit_now(); for tests and single-threaded programs
  };
  using OnCommitted = std::function<void(Result<LogPosition>)>;

  GroupCommit(std::unique_ptr<RecordLog> log, const Clock& clock, Options options);
  ~GroupCommit();  // stop()

  // Calls `done` exactly once, on the committer's thread, in order of appending, with no lock held; also
  // before stop() returns. On an error none of them will be replayed. kUnavailable at
  // once, on the caller's thread, when the queue is full or the log is stopped.
  void append(std::vector<LogRecordData> records, Durability durability, OnCommitted done);
  // Commits what waits now, on the caller's thread; syncs when a record asks for it or the interval is over.
  // Returns what the appenders were told.
  Result<> commit_now();
  // As commit_now, but always syncs.
  Result<> sync_now();
  // Syncs, then starts a new segment; returns its number: everything committed before is in older ones.
  Result<uint64_t> rotate();
  Result<> truncate_before(uint64_t segment);
  RecordLogStats stats() const;
  uint64_t refused_count() const;
  // Commits and syncs what waits, ends the thread. Idempotent.
  Result<> stop();

 private:
  struct Waiting {
    std::vector<LogRecordData> records;
    uint64_t bytes;
    Durability durability;
    OnCommitted done;
  };
  struct Thread;
  Result<> commit(bool force_sync);
  void run();

  const Clock& clock_;
  const Options options_;
  mutable Mutex log_mu_;  // taken before queue_mu_
  std::unique_ptr<RecordLog> log_ SONDE_GUARDED_BY(log_mu_);
  MonotonicTime last_sync_ SONDE_GUARDED_BY(log_mu_);
  mutable Mutex queue_mu_;
  CondVar wake_;
  std::vector<Waiting> queue_ SONDE_GUARDED_BY(queue_mu_);
  uint64_t queue_bytes_ SONDE_GUARDED_BY(queue_mu_) = 0;
  uint64_t refused_ SONDE_GUARDED_BY(queue_mu_) = 0;
  bool stopping_ SONDE_GUARDED_BY(queue_mu_) = false;
  bool unsynced_ SONDE_GUARDED_BY(queue_mu_) = false;
  std::unique_ptr<Thread> thread_;
};

}  // namespace sonde

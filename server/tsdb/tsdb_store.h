// The metric store of one process: series in memory, compressed, and a write-ahead log that holds the same.
// Format: docs/format/wal.md.
//
// A pushed batch is acknowledged after its fdatasync, shared with whatever else waits; a scraped one after
// its write, synced within `sync_interval`. Nothing becomes visible before it is written. On a full or
// failing disk commits are refused with kNoSpace or kIo while reads go on, and succeed again by themselves
// when the disk does.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/record_log.h"
#include "storage/querier.h"

namespace sonde::tsdb {

struct TsdbOptions {
  std::string dir;
  // 0: for ever. Counted from now or from the newest sample, whichever is earlier.
  Duration retention = Duration::hours(24 * 15);
  size_t series_max = 0;               // 0: no limit
  size_t exemplars_max = 100'000;      // in all; the oldest go first. 0: none are stored
  size_t metadata_max = 100'000;       // metric families
  size_t labels_bytes_max = 64 << 10;  // of one label set, at most 64 KiB
  uint64_t wal_segment_bytes = 64ull << 20;
  uint64_t free_bytes_min = 0;          // commits are refused with kNoSpace while the disk has less
  uint64_t queue_bytes_max = 64 << 20;  // of batches that wait for the committer
  Duration sync_interval = Duration::milliseconds(500);
  Duration future_max = Duration::minutes(10);
  // False: commit() does everything on the caller's thread, and scraped data is synced by commits and
  // sync_now() alone. For tests and single-threaded programs.
  bool background = true;
  // Called from open(), before each log segment.
  std::function<void(const storage::ReplayProgress&)> on_replay_progress;
};

struct TsdbStats {
  RecordLogStats wal;
  uint64_t corruptions = 0;         // records that were found but could not be decoded
  uint64_t samples_unresolved = 0;  // replayed samples whose series' definition is lost
  uint64_t samples_replayed = 0;
  uint64_t floats_stored = 0;
  uint64_t histograms_stored = 0;
  uint64_t exemplars_stored = 0;
  uint64_t duplicates_same_value = 0;  // of the stored: were there already
  std::array<uint64_t, 8> rejected{};  // floats and histograms, by storage::RejectReason
  uint64_t exemplars_rejected = 0;
  uint64_t metadata_dropped = 0;
  uint64_t series_created = 0;
  uint64_t series_removed = 0;
  uint64_t commits = 0;
  uint64_t commits_failed = 0;   // not acknowledged: disk full or failing
  uint64_t commits_refused = 0;  // queue full or store closed
  uint64_t queue_bytes = 0;
  bool read_only = false;  // the last commit failed
  std::string read_only_reason;
  double replay_seconds = 0;
};

// Threads: any. Cursors may outlive nothing: they must be gone before the store.
class TsdbStore : public storage::MetricStore {
 public:
  // Locks the directory (kConflict names the holder), replays the log, drops what retention does not keep.
  // Damaged data is skipped and counted. `fs` and `clock` must outlive the store.
  static Result<std::unique_ptr<TsdbStore>> open(FileSystem& fs, const Clock& clock, TsdbOptions options);

  // Commits what waits, syncs, ends the committer. Later commits get kUnavailable; reads go on. Idempotent.
  virtual Result<> close() = 0;
  // Syncs what is written.
  virtual Result<> sync_now() = 0;
  virtual TsdbStats stats() const = 0;
};

}  // namespace sonde::tsdb

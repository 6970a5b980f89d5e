// A disk in memory that loses power, tears writes, fills up and fails on demand: the ground on which the
// stores' promises are tested.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/random.h"

namespace sonde {

enum class FileOp : uint8_t {
  kWrite,
  kSync,
  kSyncDirectory,
  kCreate,
  kRename,
  kRemove,
  kTruncate,
  kPreallocate,
  kRead
};

// Keeps for each file and directory entry both what programs see and what is on the platter. Strict where
// POSIX is: a new file's name is lost without `sync_directory`, its bytes without `sync_data`. New
// directories are durable at once. Threads: any.
class FaultyFileSystem final : public FileSystem {
 public:
  FaultyFileSystem();
  ~FaultyFileSystem() override;

  // Power is cut and comes back: unsynced bytes and names are gone, open files and locks are dead.
  void crash();
  // As crash, but each 512-byte sector of each unsynced write, and each unsynced directory, makes it with
  // chance one half: what a drive with a cache may do.
  void crash_with_reordering(Random& random);
  // At the next crash the last unsynced write to any file survives with its first `bytes` bytes, and whatever
  // was written to that file before it.
  void tear_last_write(size_t bytes);

  // The `nth` operation of that kind from now (1 = the next) fails with `code`, once or from there on. A
  // failing write leaves a random-length prefix; a failing sync drops the unsynced bytes for good, as Linux
  // does: they read back until the crash, and a later sync that succeeds does not save them.
  void fail_at(FileOp op, uint64_t nth, ErrorCode code, bool forever = false);
  // From the `nth` changing operation on (1 = the next) nothing works any more until crash(): the moment of
  // the cut. That operation itself is not done.
  void lose_power_at(uint64_t nth);
  void clear_faults();
  bool fault_fired() const;  // since the last call of fail_at, lose_power_at or clear_faults

  // Bytes of all files together, preallocated ones included; 0: unlimited.
  void limit_space(uint64_t bytes);
  uint64_t used_bytes() const;
  uint64_t changing_operations() const;  // writes, syncs, creates, renames, … since construction
  uint64_t syncs() const;

  std::vector<std::string> files() const;  // paths, sorted
  uint64_t file_size(const std::string& path) const;
  // Flips one bit on the platter and in what programs see.
  void flip_bit(const std::string& path, uint64_t bit);
  void overwrite(const std::string& path, uint64_t offset, std::string_view data);

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> remove_all(const std::string& path) override;
  Result<> create_directories(const std::string& path) override;
  Result<> sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) const override;
  bool exists(const std::string& path) const override;
  Result<SpaceInfo> space(const std::string& path) const override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  struct Inode;
  class OpenFile;
  class HeldLock;
  struct Fault {
    FileOp op;
    uint64_t countdown;
    ErrorCode code;
    bool forever;
  };
  Result<> before(FileOp op, const std::string& path) const SONDE_REQUIRES(mu_);
  Result<> grow(uint64_t from, uint64_t to, const std::string& path) SONDE_REQUIRES(mu_);
  uint64_t used_locked() const SONDE_REQUIRES(mu_);

  using Entries = std::map<std::string, std::shared_ptr<Inode>>;
  mutable Mutex mu_;
  Entries entries_ SONDE_GUARDED_BY(mu_);
  Entries durable_ SONDE_GUARDED_BY(mu_);
  std::set<std::string> directories_ SONDE_GUARDED_BY(mu_);
  std::map<std::string, uint64_t> locks_ SONDE_GUARDED_BY(mu_);
  mutable std::vector<Fault> faults_ SONDE_GUARDED_BY(mu_);
  mutable uint64_t power_countdown_ SONDE_GUARDED_BY(mu_) = 0;
  mutable bool power_lost_ SONDE_GUARDED_BY(mu_) = false;
  mutable bool fired_ SONDE_GUARDED_BY(mu_) = false;
  mutable uint64_t changes_ SONDE_GUARDED_BY(mu_) = 0;
  mutable Random random_ SONDE_GUARDED_BY(mu_){42};
  uint64_t syncs_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t space_max_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t generation_ SONDE_GUARDED_BY(mu_) = 0;  // crashes so far; handles of an older one are dead
  uint64_t last_lock_ SONDE_GUARDED_BY(mu_) = 0;
  std::weak_ptr<Inode> last_written_ SONDE_GUARDED_BY(mu_);
  int64_t tear_bytes_ SONDE_GUARDED_BY(mu_) = -1;
};

}  // namespace sonde

// The disk as an interface: stores see only this, so that tests can lose power, fill the disk or fail an
// fsync.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sonde {

// An open file. Closed by the destructor. Threads: reads concurrently; writes from one thread at a time.
// After the first failed `sync_data` the file must not be written again: its dirty pages may be lost.
class File {
 public:
  virtual ~File() = default;
  // Reads up to out.size() bytes at `offset`; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const = 0;
  // Writes all of `data` at `offset`, or fails; after a failure any prefix may have been written.
  virtual Result<> write_at(uint64_t offset, std::span<const std::byte> data) = 0;
  // On success everything written before survives a power cut.
  virtual Result<> sync_data() = 0;
  virtual Result<> truncate(uint64_t size) = 0;
  // Reserves blocks so that later writes below `size` neither fail for space nor change metadata.
  virtual Result<> preallocate(uint64_t size) = 0;
  virtual Result<uint64_t> size() const = 0;
};

// Held while alive; released by the destructor or the end of the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct SpaceInfo {
  uint64_t free_bytes = 0;  // available to this process
  uint64_t total_bytes = 0;
};

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read and write; created when missing, kept when present
  kCreateNew,  // must not exist (kConflict)
};

// Threads: any. Paths are '/'-separated; relative ones belong to the working directory.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<> remove(const std::string& path) = 0;
  virtual Result<> remove_all(const std::string& path) = 0;
  virtual Result<> create_directories(const std::string& path) = 0;
  // Makes creations, renames and removals in `path` survive a power cut.
  virtual Result<> sync_directory(const std::string& path) = 0;
  // Names (not paths) in sorted order, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) const = 0;
  virtual bool exists(const std::string& path) const = 0;
  virtual Result<SpaceInfo> space(const std::string& path) const = 0;
  // kConflict, naming the holder where it is known, when another process has it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;

  Result<std::string> read_file(const std::string& path) const;
  // Whole or not at all, also over a power cut: temporary file, sync, rename, directory sync.
  Result<> write_file_atomically(const std::string& path, std::string_view content);
};

// The real one.
std::unique_ptr<FileSystem> make_posix_file_system();

}  // namespace sonde

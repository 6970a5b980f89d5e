// Follows a log file line by line across rotation (rename and create, or copy and truncate) and restarts.
//
// What makes a file the same one: device, inode and the bytes around the place where reading stopped, so that
// a reused inode, or a file that was truncated and has grown again, is not taken for the old one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace sonde::app {

// Where reading stopped: after the last whole line that was handed out.
struct FilePosition {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t offset = 0;
  // The first bytes of the file and those before `offset`, hashed.
  uint32_t head_bytes = 0;
  uint64_t head_hash = 0;
  uint32_t tail_bytes = 0;
  uint64_t tail_hash = 0;

  bool operator==(const FilePosition&) const = default;
};

struct LogFollowerOptions {
  std::string path;
  bool from_start = false;          // without a position to resume from: begin at the start, not at the end
  size_t line_bytes_max = 1 << 20;  // a longer line is handed out in pieces
  // A file that was renamed is left only when it has not grown for so long: its writer may still have it
  // open.
  Duration rotation_wait = Duration::seconds(1);
};

// Threads: one. Reads plain files directly; needs no permission to write.
class LogFollower {
 public:
  // `resume` is a position() of an earlier process. When its file is still there, under this name or rotated
  // to another one in the same folder, reading goes on where it stopped, through all files in between. When
  // it is gone, the file that is there now is read from its start.
  LogFollower(const Clock& clock, LogFollowerOptions options, std::optional<FilePosition> resume);
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  // Hands out whole lines, without their end, that are there by now, and stops after `bytes_max` or more
  // bytes of them. True when there was anything to read. A missing file is not an error: it may come. kIo
  // when a file cannot be read.
  Result<bool> poll(size_t bytes_max, const std::function<void(std::string_view line)>& on_line);
  // Covers every line handed out; nullopt before the first poll. All zero: there was no file yet.
  std::optional<FilePosition> position() const;
  const std::string& path() const { return options_.path; }

 private:
  class OpenFile;
  using OnLine = std::function<void(std::string_view line)>;

  Result<> open_first();
  Result<bool> resume(const FilePosition& position, bool truncated);
  Result<> begin(std::unique_ptr<OpenFile> file, uint64_t offset);
  Result<size_t> read_more(bool& checked);
  Result<bool> same_content() const;
  Result<> restart_truncated();
  Result<bool> leave_rotated(const OnLine& on_line);
  size_t hand_out(size_t bytes_max, const OnLine& on_line);
  void consume(size_t bytes);
  Result<std::vector<std::unique_ptr<OpenFile>>> rotated_siblings() const;
  void wait_for_successors(std::vector<std::unique_ptr<OpenFile>> siblings, const OpenFile& of);

  const Clock& clock_;
  const LogFollowerOptions options_;
  std::optional<FilePosition> resume_;
  bool from_start_;
  std::unique_ptr<OpenFile> file_;
  std::deque<std::unique_ptr<OpenFile>>
      waiting_;          // rotated files between file_ and the one at path, in order
  uint64_t offset_ = 0;  // of the first byte that was not handed out
  std::string buffer_;   // what was read; from buffer_at_ on it is not handed out
  size_t buffer_at_ = 0;
  std::string head_;                          // the file's first bytes, as far as handed out
  std::string tail_;                          // the last bytes handed out
  std::optional<MonotonicTime> quiet_since_;  // when the end of a rotated file was reached
};

}  // namespace sonde::app

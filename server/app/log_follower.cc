#include "app/log_follower.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "model/labels.h"

namespace sonde::app {
namespace {

constexpr size_t kFingerprintBytes = 256;
constexpr size_t kReadBytes = 64 << 10;
// Rotated files in the folder that are looked at: more than any rotation scheme keeps uncompressed.
constexpr size_t kSiblingsMax = 256;
constexpr std::array<std::string_view, 5> kCompressed = {".gz", ".bz2", ".xz", ".zst", ".lz4"};

std::string directory_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// "app.log.1", "app.log-20260101", "app.log.2026-01-01T10": what a rotation makes of "app.log".
bool is_rotated_name(std::string_view name, std::string_view base) {
  if (name.size() <= base.size() + 1 || !name.starts_with(base)) return false;
  for (std::string_view ending : kCompressed) {
    if (name.ends_with(ending)) return false;
  }
  std::string_view suffix = name.substr(base.size());
  if (suffix[0] != '.' && suffix[0] != '-' && suffix[0] != '_') return false;
  return std::all_of(suffix.begin(), suffix.end(), [](char c) {
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == 'T' || c == ':';
  });
}

}  // namespace

class LogFollower::OpenFile {
 public:
  // kNotFound when there is none.
  static Result<std::unique_ptr<OpenFile>> open(const std::string& path) {
    // Without O_NONBLOCK the open of a pipe would wait for its writer.
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail(errno_error(errno, "open " + path));
    std::unique_ptr<OpenFile> file(new OpenFile(fd, path));
    struct stat st{};
    if (::fstat(fd, &st) != 0) return fail(errno_error(errno, "stat " + path));
    if (!S_ISREG(st.st_mode)) return fail(ErrorCode::kInvalid, path + ": is not a plain file");
    file->device_ = st.st_dev;
    file->inode_ = st.st_ino;
    return file;
  }
  ~OpenFile() { ::close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  uint64_t device() const { return device_; }
  uint64_t inode() const { return inode_; }
  bool is(uint64_t device, uint64_t inode) const { return device_ == device && inode_ == inode; }

  Result<uint64_t> size() const {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) return fail(errno_error(errno, "stat " + path_));
    return static_cast<uint64_t>(st.st_size);
  }
  int64_t modified_ns() const {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) return 0;
    return static_cast<int64_t>(st.st_mtim.tv_sec) * 1'000'000'000 + st.st_mtim.tv_nsec;
  }
  // Up to `bytes`; fewer at the end.
  Result<std::string> read_at(uint64_t offset, size_t bytes) const {
    std::string out(bytes, '\0');
    size_t done = 0;
    while (done < bytes) {
      ssize_t n = ::pread(fd_, out.data() + done, bytes - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(errno_error(errno, "read " + path_));
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    out.resize(done);
    return out;
  }
  Result<bool> matches(const FilePosition& p) const {
    SONDE_TRY(uint64_t bytes, size());
    if (bytes < p.offset || p.tail_bytes > p.offset) return false;
    if (p.head_bytes > kFingerprintBytes || p.tail_bytes > kFingerprintBytes) return false;
    SONDE_TRY(std::string head, read_at(0, p.head_bytes));
    SONDE_TRY(std::string tail, read_at(p.offset - p.tail_bytes, p.tail_bytes));
    return hash_bytes(head) == p.head_hash && hash_bytes(tail) == p.tail_hash;
  }

 private:
  OpenFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

LogFollower::LogFollower(const Clock& clock, LogFollowerOptions options, std::optional<FilePosition> resume)
    : clock_(clock), options_(std::move(options)), resume_(resume), from_start_(options_.from_start) {}
LogFollower::~LogFollower() = default;

Result<bool> LogFollower::poll(size_t bytes_max, const OnLine& on_line) {
  if (!file_) SONDE_CHECK(open_first());
  if (!file_) return false;
  bool any = false;
  bool checked = false;
  for (size_t left = bytes_max; left > 0;) {
    size_t handed = hand_out(left, on_line);
    any |= handed > 0;
    left -= std::min(left, handed);
    if (left == 0) break;
    SONDE_TRY(size_t got, read_more(checked));
    if (got > 0) continue;
    SONDE_TRY(bool moved, leave_rotated(on_line));
    if (!moved) break;
    any = true;
    checked = false;
  }
  return any;
}

std::optional<FilePosition> LogFollower::position() const {
  if (!file_) return resume_;
  FilePosition p;
  p.device = file_->device();
  p.inode = file_->inode();
  p.offset = offset_;
  p.head_bytes = static_cast<uint32_t>(head_.size());
  p.head_hash = hash_bytes(head_);
  p.tail_bytes = static_cast<uint32_t>(tail_.size());
  p.tail_hash = hash_bytes(tail_);
  return p;
}

Result<> LogFollower::open_first() {
  if (resume_) {
    SONDE_TRY(bool found, resume(*resume_, false));
    if (found) return {};
    from_start_ = true;  // the old file is gone; what is there came after it
  }
  Result<std::unique_ptr<OpenFile>> file = OpenFile::open(options_.path);
  if (!file) {
    if (file.error().code != ErrorCode::kNotFound) return fail(std::move(file).error());
    from_start_ = true;                      // what comes later is new from its first byte on,
    if (!resume_) resume_ = FilePosition{};  // for the next process too
    return {};
  }
  uint64_t offset = 0;
  if (!from_start_) {
    SONDE_TRY(offset, (*file)->size());
  }
  return begin(*std::move(file), offset);
}

// Finds the file that `position` is in, and starts there; false when it is gone. With `truncated` the file at
// the path is known to be another by its content, and only a copy of the old one will do.
Result<bool> LogFollower::resume(const FilePosition& position, bool truncated) {
  if (!truncated) {
    Result<std::unique_ptr<OpenFile>> current = OpenFile::open(options_.path);
    if (!current && current.error().code != ErrorCode::kNotFound) return fail(std::move(current).error());
    if (current) {
      SONDE_TRY(bool same, (*current)->matches(position));
      // Device numbers change when a machine starts; equal content is enough where there is any.
      same = same && (position.offset > 0 || (*current)->is(position.device, position.inode));
      if (same) {
        SONDE_CHECK(begin(*std::move(current), position.offset));
        return true;
      }
    }
  }
  SONDE_TRY(auto siblings, rotated_siblings());
  size_t best = siblings.size();
  for (size_t i = 0; i < siblings.size(); i++) {
    bool same_file = siblings[i]->is(position.device, position.inode);
    if (!same_file && position.offset == 0) continue;
    SONDE_TRY(bool same, siblings[i]->matches(position));
    if (!same) continue;
    best = i;
    if (same_file) break;
  }
  if (best == siblings.size()) return false;
  std::unique_ptr<OpenFile> file = std::move(siblings[best]);
  siblings.erase(siblings.begin() + static_cast<ptrdiff_t>(best));
  wait_for_successors(std::move(siblings), *file);
  SONDE_CHECK(begin(std::move(file), position.offset));
  return true;
}

void LogFollower::wait_for_successors(std::vector<std::unique_ptr<OpenFile>> siblings, const OpenFile& of) {
  waiting_.clear();
  int64_t modified = of.modified_ns();
  for (auto& s : siblings) {
    if (s->modified_ns() > modified) waiting_.push_back(std::move(s));
  }
}

Result<> LogFollower::begin(std::unique_ptr<OpenFile> file, uint64_t offset) {
  size_t known = static_cast<size_t>(std::min<uint64_t>(offset, kFingerprintBytes));
  SONDE_TRY(head_, file->read_at(0, known));
  SONDE_TRY(tail_, file->read_at(offset - known, known));
  file_ = std::move(file);
  offset_ = offset;
  buffer_.clear();
  buffer_at_ = 0;
  quiet_since_.reset();
  return {};
}

Result<bool> LogFollower::same_content() const {
  SONDE_TRY(std::string head, file_->read_at(0, head_.size()));
  if (head != head_) return false;
  SONDE_TRY(std::string tail, file_->read_at(offset_ - tail_.size(), tail_.size()));
  return tail == tail_;
}

// Appends to the buffer what the file has beyond it. `checked`: its content was compared in this poll
// already.
Result<size_t> LogFollower::read_more(bool& checked) {
  SONDE_TRY(uint64_t size, file_->size());
  uint64_t from = offset_ + (buffer_.size() - buffer_at_);
  if (size == from) return size_t{0};
  bool truncated = size < from;
  if (!truncated && !checked) {
    SONDE_TRY(bool same, same_content());
    truncated = !same;
    checked = true;
  }
  if (truncated) {
    SONDE_CHECK(restart_truncated());
    from = offset_;
    checked = false;
  }
  SONDE_TRY(std::string more, file_->read_at(from, kReadBytes));
  if (buffer_at_ > 0) {
    buffer_.erase(0, buffer_at_);
    buffer_at_ = 0;
  }
  buffer_ += more;
  if (!more.empty()) quiet_since_.reset();
  return more.size();
}

// The file was cut to nothing and perhaps has grown again. If it was copied away before, the copy has the
// lines that were not read yet.
Result<> LogFollower::restart_truncated() {
  FilePosition old = *position();
  if (waiting_.empty()) {
    SONDE_TRY(bool copied, resume(old, true));
    if (copied) return {};
  }
  return begin(std::move(file_), 0);
}

// At the end of file_: goes on to the next file if this one was rotated away and has been quiet long enough.
Result<bool> LogFollower::leave_rotated(const OnLine& on_line) {
  std::unique_ptr<OpenFile> current;
  if (waiting_.empty()) {
    Result<std::unique_ptr<OpenFile>> opened = OpenFile::open(options_.path);
    if (!opened && opened.error().code != ErrorCode::kNotFound) return fail(std::move(opened).error());
    if (!opened || (*opened)->is(file_->device(), file_->inode())) {
      quiet_since_.reset();
      return false;
    }
    current = *std::move(opened);
  }
  MonotonicTime now = clock_.monotonic();
  if (!quiet_since_) quiet_since_ = now;
  if (now - *quiet_since_ < options_.rotation_wait) return false;

  if (buffer_at_ < buffer_.size()) {  // a last line without its end will not get one any more
    std::string_view rest = std::string_view(buffer_).substr(buffer_at_);
    on_line(rest);
    consume(rest.size());
  }
  if (waiting_.empty()) {  // it may have been rotated more than once
    SONDE_TRY(auto siblings, rotated_siblings());
    std::erase_if(siblings, [&](const auto& s) { return s->is(file_->device(), file_->inode()); });
    wait_for_successors(std::move(siblings), *file_);
  }
  if (!waiting_.empty()) {
    current = std::move(waiting_.front());
    waiting_.pop_front();
  }
  SONDE_CHECK(begin(std::move(current), 0));
  return true;
}

size_t LogFollower::hand_out(size_t bytes_max, const OnLine& on_line) {
  size_t handed = 0;
  while (handed < bytes_max && buffer_at_ < buffer_.size()) {
    std::string_view rest = std::string_view(buffer_).substr(buffer_at_);
    size_t end = rest.find('\n');
    size_t used = end + 1;
    if (end == std::string_view::npos || end > options_.line_bytes_max) {
      if (rest.size() < options_.line_bytes_max) break;
      end = used = options_.line_bytes_max;
    }
    std::string_view line = rest.substr(0, end);
    if (used > end && line.ends_with('\r')) line.remove_suffix(1);
    on_line(line);
    consume(used);
    handed += used;
  }
  return handed;
}

void LogFollower::consume(size_t bytes) {
  std::string_view used = std::string_view(buffer_).substr(buffer_at_, bytes);
  if (head_.size() < kFingerprintBytes) head_ += used.substr(0, kFingerprintBytes - head_.size());
  if (used.size() >= kFingerprintBytes) {
    tail_ = used.substr(used.size() - kFingerprintBytes);
  } else {
    tail_ += used;
    if (tail_.size() > kFingerprintBytes) tail_.erase(0, tail_.size() - kFingerprintBytes);
  }
  offset_ += bytes;
  buffer_at_ += bytes;
}

// In order of their last change. Those that cannot be opened are not ours to read.
Result<std::vector<std::unique_ptr<LogFollower::OpenFile>>> LogFollower::rotated_siblings() const {
  std::string directory = directory_of(options_.path);
  std::string base = name_of(options_.path);
  std::vector<std::unique_ptr<OpenFile>> out;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), &::closedir);
  if (!dir) {
    if (errno == ENOENT) return out;
    return fail(errno_error(errno, "list " + directory));
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    if (!is_rotated_name(entry->d_name, base)) continue;
    Result<std::unique_ptr<OpenFile>> file = OpenFile::open(directory + "/" + entry->d_name);
    if (file) out.push_back(*std::move(file));
    if (out.size() == kSiblingsMax) break;
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a->modified_ns() < b->modified_ns(); });
  return out;
}

}  // namespace sonde::app

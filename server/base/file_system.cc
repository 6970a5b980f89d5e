#include "base/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/bytes.h"

namespace sonde {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Repeats a system call that a signal interrupted.
template <class F>
auto retry(F&& call) {
  decltype(call()) r;
  do {
    r = call();
  } while (r < 0 && errno == EINTR);
  return r;
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const override {
    size_t done = 0;
    while (done < out.size()) {
      ssize_t n = retry([&] {
        return ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return fail(errno_error(errno, "read " + path_));
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Result<> write_at(uint64_t offset, std::span<const std::byte> data) override {
    size_t done = 0;
    while (done < data.size()) {
      ssize_t n = retry([&] {
        return ::pwrite(fd_.get(), data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return fail(errno_error(errno, "write " + path_));
      if (n == 0) return fail(errno_error(ENOSPC, "write " + path_));
      done += static_cast<size_t>(n);
    }
    return {};
  }

  Result<> sync_data() override {
    if (::fdatasync(fd_.get()) < 0) return fail(errno_error(errno, "sync " + path_));
    return {};
  }

  Result<> truncate(uint64_t size) override {
    if (retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) < 0) {
      return fail(errno_error(errno, "truncate " + path_));
    }
    return {};
  }

  Result<> preallocate(uint64_t size) override {
    if (retry([&] { return ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)); }) == 0) return {};
    if (errno != EOPNOTSUPP && errno != ENOSYS) return fail(errno_error(errno, "preallocate " + path_));
    // A file system without fallocate gives no guarantee; the size at least is there.
    SONDE_TRY(uint64_t now, this->size());
    if (now >= size) return {};
    return truncate(size);
  }

  Result<uint64_t> size() const override {
    struct stat st{};
    if (::fstat(fd_.get(), &st) < 0) return fail(errno_error(errno, "stat " + path_));
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  Fd fd_;
  std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}

 private:
  Fd fd_;  // closing it releases the lock
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::kCreate:
        flags |= O_RDWR | O_CREAT;
        break;
      case OpenMode::kCreateNew:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
    }
    int fd = retry([&] { return ::open(path.c_str(), flags, kFileMode); });
    if (fd < 0) {
      Error error = errno_error(errno, "open " + path);
      if (errno == EEXIST) error.code = ErrorCode::kConflict;
      return fail(std::move(error));
    }
    return std::make_unique<PosixFile>(fd, path);
  }

  Result<> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) < 0)
      return fail(errno_error(errno, "rename " + from + " to " + to));
    return {};
  }

  Result<> remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return {};
    return fail(errno_error(errno, "remove " + path));
  }

  Result<> remove_all(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return fail(errno_error(error.value(), "remove " + path));
    return {};
  }

  Result<> create_directories(const std::string& path) override {
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
      std::string prefix = path.substr(0, slash);
      if (!prefix.empty() && prefix.back() != '/') {
        if (::mkdir(prefix.c_str(), kDirectoryMode) == 0) {
          size_t parent = prefix.rfind('/');
          SONDE_CHECK(sync_directory(
              parent == std::string::npos ? "." : prefix.substr(0, std::max<size_t>(parent, 1))));
        } else if (errno != EEXIST) {
          return fail(errno_error(errno, "create directory " + prefix));
        }
      }
      if (slash == std::string::npos) break;
    }
    struct stat st{};
    if (::stat(path.c_str(), &st) < 0) return fail(errno_error(errno, "stat " + path));
    if (!S_ISDIR(st.st_mode)) return fail(errno_error(ENOTDIR, "create directory " + path));
    return {};
  }

  Result<> sync_directory(const std::string& path) override {
    Fd fd(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (fd.get() < 0) return fail(errno_error(errno, "open directory " + path));
    if (::fsync(fd.get()) < 0) return fail(errno_error(errno, "sync directory " + path));
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) const override {
    DIR* dir = ::opendir(path.c_str());
    if (!dir) return fail(errno_error(errno, "list " + path));
    std::vector<std::string> names;
    errno = 0;
    while (dirent* entry = ::readdir(dir)) {
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    int error = errno;
    ::closedir(dir);
    if (error != 0) return fail(errno_error(error, "list " + path));
    std::sort(names.begin(), names.end());
    return names;
  }

  bool exists(const std::string& path) const override {
    struct stat st{};
    return ::stat(path.c_str(), &st) == 0;
  }

  Result<SpaceInfo> space(const std::string& path) const override {
    struct statvfs st{};
    if (::statvfs(path.c_str(), &st) < 0) return fail(errno_error(errno, "statvfs " + path));
    return SpaceInfo{st.f_bavail * st.f_frsize, st.f_blocks * st.f_frsize};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    int fd = retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode); });
    if (fd < 0) return fail(errno_error(errno, "open " + path));
    auto lock = std::make_unique<PosixLock>(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) < 0) {
      if (errno != EWOULDBLOCK) return fail(errno_error(errno, "lock " + path));
      char holder[24] = {};
      ssize_t n = ::pread(fd, holder, sizeof holder - 1, 0);
      std::string who(holder, n > 0 ? static_cast<size_t>(n) : 0);
      while (!who.empty() && (who.back() < '0' || who.back() > '9')) who.pop_back();
      return fail(ErrorCode::kConflict,
                  path + ": in use by " + (who.empty() ? "another process" : "process " + who));
    }
    // The number is for the message above only, so failing to write it is not worth refusing the lock.
    std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
    return lock;
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() { return std::make_unique<PosixFileSystem>(); }

Result<std::string> FileSystem::read_file(const std::string& path) const {
  // Opening is not const because it may create; reading never does.
  SONDE_TRY(auto file, const_cast<FileSystem*>(this)->open(path, OpenMode::kRead));
  SONDE_TRY(uint64_t size, file->size());
  std::string content(size, '\0');
  SONDE_TRY(size_t got, file->read_at(0, as_writable_byte_span(content)));
  content.resize(got);
  return content;
}

Result<> FileSystem::write_file_atomically(const std::string& path, std::string_view content) {
  std::string temporary = path + ".tmp";
  auto write = [&]() -> Result<> {
    SONDE_TRY(auto file, open(temporary, OpenMode::kCreate));
    SONDE_CHECK(file->truncate(0));
    SONDE_CHECK(file->write_at(0, as_byte_span(content)));
    SONDE_CHECK(file->sync_data());
    return rename(temporary, path);
  };
  if (auto done = write(); !done) {
    (void)remove(temporary);  // best effort: the next writer truncates it anyway
    return done;
  }
  size_t slash = path.rfind('/');
  return sync_directory(slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1)));
}

}  // namespace sonde

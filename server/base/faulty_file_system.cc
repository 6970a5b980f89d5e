#include "base/faulty_file_system.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"

namespace sonde {
namespace {

constexpr size_t kSectorBytes = 512;

std::string parent_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, std::max<size_t>(slash, 1));
}

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

void put(std::string& content, uint64_t offset, std::string_view data) {
  if (content.size() < offset + data.size()) content.resize(offset + data.size());
  std::memcpy(content.data() + offset, data.data(), data.size());
}

}  // namespace

struct FaultyFileSystem::Inode {
  struct Write {
    uint64_t offset;
    std::string data;
  };
  std::string content;          // what programs see
  std::string durable;          // what is on the platter
  std::vector<Write> unsynced;  // since the last sync, in order
  bool size_changed = false;    // truncated or preallocated since the last sync
  bool dropped = false;         // a sync failed: `unsynced` may be incomplete, content is not all saveable
};

class FaultyFileSystem::HeldLock final : public FileLock {
 public:
  HeldLock(FaultyFileSystem& fs, std::string path, uint64_t id) : fs_(fs), path_(std::move(path)), id_(id) {}
  ~HeldLock() override {
    MutexLock lock(fs_.mu_);
    auto it = fs_.locks_.find(path_);
    if (it != fs_.locks_.end() && it->second == id_) fs_.locks_.erase(it);
  }

 private:
  FaultyFileSystem& fs_;
  std::string path_;
  uint64_t id_;
};

class FaultyFileSystem::OpenFile final : public File {
 public:
  OpenFile(FaultyFileSystem& fs, std::shared_ptr<Inode> inode, std::string path, uint64_t generation)
      : fs_(fs), inode_(std::move(inode)), path_(std::move(path)), generation_(generation) {}

  Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const override {
    MutexLock lock(fs_.mu_);
    SONDE_CHECK(alive());
    SONDE_CHECK(fs_.before(FileOp::kRead, path_));
    const std::string& content = inode_->content;
    if (offset >= content.size()) return size_t{0};
    size_t n = std::min<size_t>(out.size(), content.size() - offset);
    std::memcpy(out.data(), content.data() + offset, n);
    return n;
  }

  Result<> write_at(uint64_t offset, std::span<const std::byte> bytes) override {
    MutexLock lock(fs_.mu_);
    SONDE_CHECK(alive());
    std::string_view data(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    Result<> verdict = fs_.before(FileOp::kWrite, path_);
    if (!verdict) {
      if (fs_.power_lost_) return verdict;
      data = data.substr(0, fs_.random_.below(data.size() + 1));
    }
    uint64_t size = inode_->content.size();
    if (Result<> room = fs_.grow(size, offset + data.size(), path_); !room) {
      uint64_t left = fs_.space_max_ - std::min(fs_.space_max_, fs_.used_locked());
      uint64_t end = size + left;
      data = end > offset ? data.substr(0, end - offset) : std::string_view();
      if (verdict) verdict = room;
    }
    if (!data.empty()) {
      put(inode_->content, offset, data);
      inode_->unsynced.push_back({offset, std::string(data)});
      fs_.last_written_ = inode_;
    }
    return verdict;
  }

  Result<> sync_data() override {
    MutexLock lock(fs_.mu_);
    SONDE_CHECK(alive());
    if (Result<> verdict = fs_.before(FileOp::kSync, path_); !verdict) {
      if (fs_.power_lost_) return verdict;
      inode_->dropped = true;
      inode_->unsynced.clear();
      return verdict;
    }
    fs_.syncs_++;
    if (!inode_->dropped) {
      inode_->durable = inode_->content;
    } else {
      // The pages of the failed sync are marked clean and never written; only newer writes reach the platter.
      if (inode_->durable.size() < inode_->content.size()) inode_->durable.resize(inode_->content.size());
      for (const auto& w : inode_->unsynced) put(inode_->durable, w.offset, w.data);
    }
    inode_->unsynced.clear();
    inode_->size_changed = false;
    return {};
  }

  Result<> truncate(uint64_t size) override {
    MutexLock lock(fs_.mu_);
    SONDE_CHECK(alive());
    SONDE_CHECK(fs_.before(FileOp::kTruncate, path_));
    SONDE_CHECK(fs_.grow(inode_->content.size(), size, path_));
    inode_->content.resize(size);
    inode_->size_changed = true;
    return {};
  }

  Result<> preallocate(uint64_t size) override {
    MutexLock lock(fs_.mu_);
    SONDE_CHECK(alive());
    SONDE_CHECK(fs_.before(FileOp::kPreallocate, path_));
    if (size <= inode_->content.size()) return {};
    SONDE_CHECK(fs_.grow(inode_->content.size(), size, path_));
    inode_->content.resize(size);
    inode_->size_changed = true;
    return {};
  }

  Result<uint64_t> size() const override {
    MutexLock lock(fs_.mu_);
    SONDE_CHECK(alive());
    return inode_->content.size();
  }

 private:
  Result<> alive() const SONDE_REQUIRES(fs_.mu_) {
    if (generation_ != fs_.generation_) return fail(ErrorCode::kIo, path_ + ": opened before the power cut");
    return {};
  }
  FaultyFileSystem& fs_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  uint64_t generation_;
};

FaultyFileSystem::FaultyFileSystem() = default;
FaultyFileSystem::~FaultyFileSystem() = default;

Result<> FaultyFileSystem::before(FileOp op, const std::string& path) const {
  if (power_lost_) return fail(ErrorCode::kIo, path + ": the power is off");
  if (op != FileOp::kRead) {
    changes_++;
    if (power_countdown_ > 0 && --power_countdown_ == 0) {
      power_lost_ = fired_ = true;
      return fail(ErrorCode::kIo, path + ": the power went off");
    }
  }
  for (Fault& f : faults_) {
    if (f.op != op || f.countdown == 0) continue;
    if (f.countdown > 1) {
      f.countdown--;
      continue;
    }
    if (!f.forever) f.countdown = 0;
    fired_ = true;
    return fail(f.code, path + ": injected fault");
  }
  return {};
}

uint64_t FaultyFileSystem::used_locked() const {
  uint64_t sum = 0;
  for (const auto& [path, inode] : entries_) sum += inode->content.size();
  return sum;
}

Result<> FaultyFileSystem::grow(uint64_t from, uint64_t to, const std::string& path) {
  if (space_max_ == 0 || to <= from || used_locked() + (to - from) <= space_max_) return {};
  fired_ = true;
  return fail(ErrorCode::kNoSpace, path + ": No space left on device");
}

void FaultyFileSystem::crash() {
  MutexLock lock(mu_);
  if (auto torn = last_written_.lock(); torn && tear_bytes_ >= 0 && !torn->unsynced.empty()) {
    if (torn->durable.size() < torn->content.size()) torn->durable.resize(torn->content.size());
    torn->unsynced.back().data.resize(
        std::min<size_t>(torn->unsynced.back().data.size(), static_cast<size_t>(tear_bytes_)));
    for (const auto& w : torn->unsynced) put(torn->durable, w.offset, w.data);
  }
  entries_ = durable_;
  for (auto& [path, inode] : entries_) {
    inode->content = inode->durable;
    inode->unsynced.clear();
    inode->size_changed = inode->dropped = false;
  }
  generation_++;
  locks_.clear();
  faults_.clear();
  power_countdown_ = 0;
  power_lost_ = false;
  tear_bytes_ = -1;
}

void FaultyFileSystem::crash_with_reordering(Random& random) {
  {
    MutexLock lock(mu_);
    std::set<std::string> parents;
    for (const auto& [path, inode] : entries_) parents.insert(parent_of(path));
    for (const auto& [path, inode] : durable_) parents.insert(parent_of(path));
    for (const std::string& parent : parents) {
      if (random.chance(0.5)) continue;
      std::erase_if(durable_, [&](const auto& e) { return parent_of(e.first) == parent; });
      for (const auto& e : entries_) {
        if (parent_of(e.first) == parent) durable_.insert(e);
      }
    }
    for (const auto& [path, inode] : entries_) {
      if (inode->size_changed && random.chance(0.5)) inode->durable.resize(inode->content.size());
      for (const auto& w : inode->unsynced) {
        for (size_t at = 0; at < w.data.size(); at += kSectorBytes) {
          if (random.chance(0.5)) {
            put(inode->durable, w.offset + at, std::string_view(w.data).substr(at, kSectorBytes));
          }
        }
      }
    }
    tear_bytes_ = -1;
  }
  crash();
}

void FaultyFileSystem::tear_last_write(size_t bytes) {
  MutexLock lock(mu_);
  tear_bytes_ = static_cast<int64_t>(bytes);
}

void FaultyFileSystem::fail_at(FileOp op, uint64_t nth, ErrorCode code, bool forever) {
  MutexLock lock(mu_);
  faults_.push_back({op, nth, code, forever});
  fired_ = false;
}

void FaultyFileSystem::lose_power_at(uint64_t nth) {
  MutexLock lock(mu_);
  power_countdown_ = nth;
  fired_ = false;
}

void FaultyFileSystem::clear_faults() {
  MutexLock lock(mu_);
  faults_.clear();
  power_countdown_ = 0;
  fired_ = false;
}

bool FaultyFileSystem::fault_fired() const {
  MutexLock lock(mu_);
  return fired_;
}

void FaultyFileSystem::limit_space(uint64_t bytes) {
  MutexLock lock(mu_);
  space_max_ = bytes;
}

uint64_t FaultyFileSystem::used_bytes() const {
  MutexLock lock(mu_);
  return used_locked();
}

uint64_t FaultyFileSystem::changing_operations() const {
  MutexLock lock(mu_);
  return changes_;
}

uint64_t FaultyFileSystem::syncs() const {
  MutexLock lock(mu_);
  return syncs_;
}

std::vector<std::string> FaultyFileSystem::files() const {
  MutexLock lock(mu_);
  std::vector<std::string> out;
  for (const auto& [path, inode] : entries_) out.push_back(path);
  return out;
}

uint64_t FaultyFileSystem::file_size(const std::string& path) const {
  MutexLock lock(mu_);
  auto it = entries_.find(path);
  return it == entries_.end() ? 0 : it->second->content.size();
}

void FaultyFileSystem::flip_bit(const std::string& path, uint64_t bit) {
  MutexLock lock(mu_);
  auto it = entries_.find(path);
  SONDE_ASSERT(it != entries_.end());
  for (std::string* s : {&it->second->content, &it->second->durable}) {
    if (bit / 8 < s->size()) (*s)[bit / 8] = static_cast<char>((*s)[bit / 8] ^ (1 << (bit % 8)));
  }
}

void FaultyFileSystem::overwrite(const std::string& path, uint64_t offset, std::string_view data) {
  MutexLock lock(mu_);
  auto it = entries_.find(path);
  SONDE_ASSERT(it != entries_.end());
  put(it->second->content, offset, data);
  put(it->second->durable, offset, data);
}

Result<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path, OpenMode mode) {
  MutexLock lock(mu_);
  if (power_lost_) return fail(ErrorCode::kIo, path + ": the power is off");
  auto it = entries_.find(path);
  bool create = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
  if (it != entries_.end() && mode == OpenMode::kCreateNew) {
    return fail(ErrorCode::kConflict, path + ": exists already");
  }
  if (it == entries_.end()) {
    if (!create) return fail(ErrorCode::kNotFound, path + ": No such file or directory");
    SONDE_CHECK(before(FileOp::kCreate, path));
    if (parent_of(path) != "." && !directories_.contains(parent_of(path))) {
      return fail(ErrorCode::kNotFound, path + ": No such directory");
    }
    it = entries_.emplace(path, std::make_shared<Inode>()).first;
  }
  return std::make_unique<OpenFile>(*this, it->second, path, generation_);
}

Result<> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  MutexLock lock(mu_);
  SONDE_CHECK(before(FileOp::kRename, from));
  if (auto it = entries_.find(from); it != entries_.end()) {
    entries_[to] = it->second;
    entries_.erase(from);
    return {};
  }
  if (!directories_.contains(from)) return fail(ErrorCode::kNotFound, from + ": No such file or directory");
  // A directory: its files move with it, durable ones durably, which is what a journalled rename does.
  for (Entries* map : {&entries_, &durable_}) {
    Entries moved;
    for (const auto& [path, inode] : *map) {
      moved[is_below(path, from) ? to + path.substr(from.size()) : path] = inode;
    }
    *map = std::move(moved);
  }
  std::set<std::string> directories;
  for (const std::string& d : directories_) {
    directories.insert(d == from ? to : is_below(d, from) ? to + d.substr(from.size()) : d);
  }
  directories_ = std::move(directories);
  return {};
}

Result<> FaultyFileSystem::remove(const std::string& path) {
  MutexLock lock(mu_);
  SONDE_CHECK(before(FileOp::kRemove, path));
  if (entries_.erase(path) == 0 && directories_.erase(path) == 0) {
    return fail(ErrorCode::kNotFound, path + ": No such file or directory");
  }
  return {};
}

Result<> FaultyFileSystem::remove_all(const std::string& path) {
  MutexLock lock(mu_);
  SONDE_CHECK(before(FileOp::kRemove, path));
  std::erase_if(entries_, [&](const auto& e) { return e.first == path || is_below(e.first, path); });
  std::erase_if(directories_, [&](const auto& d) { return d == path || is_below(d, path); });
  return {};
}

Result<> FaultyFileSystem::create_directories(const std::string& path) {
  MutexLock lock(mu_);
  if (directories_.contains(path)) return {};
  SONDE_CHECK(before(FileOp::kCreate, path));
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    directories_.insert(path.substr(0, slash));
  }
  directories_.insert(path);
  return {};
}

Result<> FaultyFileSystem::sync_directory(const std::string& path) {
  MutexLock lock(mu_);
  SONDE_CHECK(before(FileOp::kSyncDirectory, path));
  std::erase_if(durable_, [&](const auto& e) { return parent_of(e.first) == path; });
  for (const auto& e : entries_) {
    if (parent_of(e.first) == path) durable_.insert(e);
  }
  return {};
}

Result<std::vector<std::string>> FaultyFileSystem::list(const std::string& path) const {
  MutexLock lock(mu_);
  if (power_lost_) return fail(ErrorCode::kIo, path + ": the power is off");
  if (path != "." && !directories_.contains(path)) {
    return fail(ErrorCode::kNotFound, path + ": No such file or directory");
  }
  std::set<std::string> names;
  auto add = [&](const std::string& entry) {
    if (parent_of(entry) == path) names.insert(entry.substr(entry.rfind('/') + 1));
  };
  for (const auto& [entry, inode] : entries_) add(entry);
  for (const std::string& entry : directories_) add(entry);
  return std::vector<std::string>(names.begin(), names.end());
}

bool FaultyFileSystem::exists(const std::string& path) const {
  MutexLock lock(mu_);
  return entries_.contains(path) || directories_.contains(path);
}

Result<SpaceInfo> FaultyFileSystem::space(const std::string&) const {
  MutexLock lock(mu_);
  if (space_max_ == 0) return SpaceInfo{uint64_t{1} << 40, uint64_t{1} << 40};
  return SpaceInfo{space_max_ - std::min(space_max_, used_locked()), space_max_};
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::lock(const std::string& path) {
  MutexLock lock(mu_);
  if (power_lost_) return fail(ErrorCode::kIo, path + ": the power is off");
  if (locks_.contains(path)) return fail(ErrorCode::kConflict, path + ": in use by process 1");
  locks_[path] = ++last_lock_;
  return std::make_unique<HeldLock>(*this, path, last_lock_);
}

}  // namespace sonde

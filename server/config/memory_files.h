// Files that exist only in a map: what the tests of this module read from. Writing is refused.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/file_system.h"

namespace sonde::config {

class MemoryFiles final : public FileSystem {
 public:
  explicit MemoryFiles(std::map<std::string, std::string> files = {}) : files_(std::move(files)) {}
  void set(const std::string& path, std::string text) { files_[path] = std::move(text); }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    auto it = files_.find(path);
    if (mode != OpenMode::kRead) return refuse();
    if (it == files_.end()) return fail(ErrorCode::kNotFound, "open " + path + ": no such file or directory");
    return std::make_unique<Handle>(it->second);
  }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    std::string prefix = path == "." ? "" : path.ends_with('/') ? path : path + "/";
    std::set<std::string> names;
    for (const auto& [name, text] : files_) {
      if (!name.starts_with(prefix)) continue;
      std::string rest = name.substr(prefix.size());
      names.insert(rest.substr(0, rest.find('/')));
    }
    if (names.empty()) return fail(ErrorCode::kNotFound, path + ": no such directory");
    return std::vector<std::string>(names.begin(), names.end());
  }
  bool exists(const std::string& path) const override {
    return files_.contains(path) || std::any_of(files_.begin(), files_.end(), [&](const auto& f) {
             return f.first.starts_with(path + "/");
           });
  }
  Result<> rename(const std::string&, const std::string&) override { return refuse(); }
  Result<> remove(const std::string&) override { return refuse(); }
  Result<> remove_all(const std::string&) override { return refuse(); }
  Result<> create_directories(const std::string&) override { return refuse(); }
  Result<> sync_directory(const std::string&) override { return refuse(); }
  Result<SpaceInfo> space(const std::string&) const override { return refuse(); }
  Result<std::unique_ptr<FileLock>> lock(const std::string&) override { return refuse(); }

 private:
  static std::unexpected<Error> refuse() {
    return fail(ErrorCode::kUnsupported, "these files cannot be written");
  }

  class Handle final : public File {
   public:
    explicit Handle(std::string text) : text_(std::move(text)) {}
    Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const override {
      if (offset >= text_.size()) return size_t{0};
      size_t n = std::min<size_t>(out.size(), text_.size() - offset);
      std::memcpy(out.data(), text_.data() + offset, n);
      return n;
    }
    Result<> write_at(uint64_t, std::span<const std::byte>) override { return refuse(); }
    Result<> sync_data() override { return refuse(); }
    Result<> truncate(uint64_t) override { return refuse(); }
    Result<> preallocate(uint64_t) override { return refuse(); }
    Result<uint64_t> size() const override { return text_.size(); }

   private:
    std::string text_;
  };

  std::map<std::string, std::string> files_;
};

}  // namespace sonde::config

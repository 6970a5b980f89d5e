#include "wire/conformance.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

using namespace sonde;
using namespace sonde::wire;

namespace {

class StringFile : public File {
 public:
  explicit StringFile(std::string content) : content_(std::move(content)) {}
  Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const override {
    size_t n = std::min(out.size(), content_.size() - std::min<size_t>(offset, content_.size()));
    std::copy_n(reinterpret_cast<const std::byte*>(content_.data()) + offset, n, out.begin());
    return n;
  }
  Result<uint64_t> size() const override { return content_.size(); }
  Result<> write_at(uint64_t, std::span<const std::byte>) override { return refuse(); }
  Result<> sync_data() override { return refuse(); }
  Result<> truncate(uint64_t) override { return refuse(); }
  Result<> preallocate(uint64_t) override { return refuse(); }

 private:
  static Result<> refuse() { return fail(ErrorCode::kUnsupported, "read only"); }
  std::string content_;
};

// Reads from a map, or from the disk where the map has nothing.
class ReadOnlyFileSystem : public FileSystem {
 public:
  std::map<std::string, std::string> files;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode) override {
    if (auto it = files.find(path); it != files.end()) return std::make_unique<StringFile>(it->second);
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(ErrorCode::kNotFound, path);
    std::stringstream content;
    content << in.rdbuf();
    return std::make_unique<StringFile>(content.str());
  }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    std::vector<std::string> names;
    for (const auto& [name, content] : files) {
      if (!name.starts_with(path + "/")) continue;
      std::string rest = name.substr(path.size() + 1);
      rest = rest.substr(0, rest.find('/'));
      if (names.empty() || names.back() != rest) names.push_back(rest);
    }
    std::error_code ec;
    for (const auto& e : std::filesystem::directory_iterator(path, ec))
      names.push_back(e.path().filename().string());
    if (names.empty()) return fail(ErrorCode::kNotFound, path);
    std::sort(names.begin(), names.end());
    return names;
  }
  bool exists(const std::string& path) const override { return files.contains(path); }
  Result<> rename(const std::string&, const std::string&) override { return refuse(); }
  Result<> remove(const std::string&) override { return refuse(); }
  Result<> remove_all(const std::string&) override { return refuse(); }
  Result<> create_directories(const std::string&) override { return refuse(); }
  Result<> sync_directory(const std::string&) override { return refuse(); }
  Result<SpaceInfo> space(const std::string&) const override { return SpaceInfo{}; }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return fail(ErrorCode::kUnsupported, path);
  }

 private:
  static Result<> refuse() { return fail(ErrorCode::kUnsupported, "read only"); }
};

std::string conformance_directory() {
  if (const char* dir = std::getenv("SONDE_CONFORMANCE")) return dir;
  return std::string(SONDE_SOURCE_DIR) + "/../shared/conformance";
}

}  // namespace

TEST_CASE("conformance: every case of the OpenMetrics and exposition data has the verdict it should have") {
  ReadOnlyFileSystem fs;
  std::string dir = conformance_directory();
  if (!std::filesystem::exists(dir + "/openmetrics")) {
    MESSAGE("skipped: no conformance data at " << dir << " (set SONDE_CONFORMANCE)");
    return;
  }
  auto verdicts = run_exposition_conformance(fs, dir);
  REQUIRE(verdicts.has_value());
  CHECK(verdicts->size() > 100);
  for (const auto& v : *verdicts) {
    CHECK_MESSAGE(v.ok, v.folder << "/" << v.name << ": expected " << v.expected << ", got " << v.got);
  }
}

TEST_CASE("conformance: a wrong verdict is reported with what was expected and why it failed") {
  ReadOnlyFileSystem fs;
  fs.files["d/openmetrics/a/test.json"] = R"({"shouldParse": true})";
  fs.files["d/openmetrics/a/metrics"] = "a x\n# EOF\n";
  fs.files["d/openmetrics/b/test.json"] = R"({"shouldParse": false})";
  fs.files["d/openmetrics/b/metrics"] = "a x\n# EOF\n";
  auto verdicts = run_exposition_conformance(fs, "d");
  REQUIRE(verdicts.has_value());
  REQUIRE(verdicts->size() == 2);
  CHECK_FALSE((*verdicts)[0].ok);
  CHECK((*verdicts)[0].expected == "parses");
  CHECK((*verdicts)[0].got.find("line 1: value is not a number") != std::string::npos);
  CHECK((*verdicts)[1].ok);
}

TEST_CASE("conformance: a directory without data is an error") {
  ReadOnlyFileSystem fs;
  auto verdicts = run_exposition_conformance(fs, "nowhere");
  REQUIRE_FALSE(verdicts.has_value());
  CHECK(verdicts.error().code == ErrorCode::kNotFound);
}

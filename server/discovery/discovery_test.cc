#include <doctest/doctest.h>

#include <map>

#include "discovery/discoverer.h"

using namespace sonde;
using namespace sonde::discovery;

namespace {

// Only what discovery uses: names and contents.
class NamedTexts final : public FileSystem {
 public:
  std::map<std::string, std::string> files;
  std::string unreadable;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode) override {
    auto it = files.find(path);
    if (path == unreadable) return fail(ErrorCode::kIo, path + ": permission denied");
    if (it == files.end()) return fail(ErrorCode::kNotFound, path + ": no such file");
    struct Text final : File {
      std::string text;
      Result<size_t> read_at(uint64_t offset, std::span<std::byte> out) const override {
        size_t n = offset >= text.size() ? 0 : std::min(out.size(), text.size() - offset);
        std::copy_n(reinterpret_cast<const std::byte*>(text.data()) + offset, n, out.begin());
        return n;
      }
      Result<> write_at(uint64_t, std::span<const std::byte>) override {
        return fail(ErrorCode::kUnsupported, "read only");
      }
      Result<> sync_data() override { return {}; }
      Result<> truncate(uint64_t) override { return fail(ErrorCode::kUnsupported, "read only"); }
      Result<> preallocate(uint64_t) override { return {}; }
      Result<uint64_t> size() const override { return text.size(); }
    };
    auto file = std::make_unique<Text>();
    file->text = it->second;
    return file;
  }
  Result<> rename(const std::string&, const std::string&) override { return {}; }
  Result<> remove(const std::string&) override { return {}; }
  Result<> remove_all(const std::string&) override { return {}; }
  Result<> create_directories(const std::string&) override { return {}; }
  Result<> sync_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string& path) const override {
    std::vector<std::string> out;
    for (const auto& [name, text] : files) {
      if (name.starts_with(path + "/")) out.push_back(name.substr(path.size() + 1));
    }
    return out;
  }
  bool exists(const std::string& path) const override { return files.contains(path); }
  Result<SpaceInfo> space(const std::string&) const override { return SpaceInfo{}; }
  Result<std::unique_ptr<FileLock>> lock(const std::string&) override {
    return fail(ErrorCode::kUnsupported, "no locks");
  }
};

struct Fixture {
  NamedTexts fs;
  VirtualClock clock;
  VirtualScheduler scheduler{clock};
  std::vector<TargetGroup> groups;
  int calls = 0;
  std::unique_ptr<Discoverer> start(std::vector<std::string> patterns) {
    auto d = make_file_discoverer(fs, scheduler, {.patterns = std::move(patterns)});
    d->start([this](std::vector<TargetGroup> g) {
      groups = std::move(g);
      calls++;
    });
    return d;
  }
};

}  // namespace

TEST_CASE("file discovery: reads JSON and YAML by pattern and follows changes") {
  Fixture f;
  f.fs.files["sd/a.json"] = R"([{"targets": ["a:1", "b:2"], "labels": {"env": "x"}}])";
  f.fs.files["sd/b.yml"] = "- targets: [c:3]\n";
  f.fs.files["sd/notes.txt"] = "not: [read";
  auto d = f.start({"sd/*.json", "sd/*.yml"});
  REQUIRE(f.groups.size() == 2);
  CHECK(f.groups[0].targets.size() == 2);
  CHECK(f.groups[0].labels.get("env") == "x");
  CHECK(f.groups[0].labels.get("__meta_filepath") == "sd/a.json");
  f.fs.files["sd/b.yml"] = "- targets: [c:3, d:4]\n";
  f.scheduler.advance(Duration::seconds(6));
  CHECK(f.calls == 2);
  CHECK(f.groups[1].targets.size() == 2);
  f.fs.files.erase("sd/a.json");
  f.scheduler.advance(Duration::seconds(6));
  CHECK(f.groups.size() == 1);
  f.scheduler.advance(Duration::minutes(5));
  CHECK(f.calls == 3);
}

TEST_CASE("file discovery: a broken file keeps its last good targets and says what is wrong") {
  Fixture f;
  f.fs.files["t.json"] = R"([{"targets": ["a:1"]}])";
  auto d = f.start({"t.json"});
  f.fs.files["t.json"] = "[{\"targets\": [\"a:1\"],\n \"label\": {}}]";
  f.scheduler.advance(Duration::seconds(6));
  REQUIRE(f.groups.size() == 1);
  REQUIRE(d->errors().size() == 1);
  CHECK(d->errors()[0].find("t.json:2") == 0);
  f.fs.files["t.json"] = R"([{"targets": ["b:1"]}])";
  f.scheduler.advance(Duration::seconds(6));
  CHECK(d->errors().empty());
  CHECK(f.groups[0].targets[0].get("__address__") == "b:1");
}

TEST_CASE("file discovery: a file without targets is no news, and one that is readable again no error") {
  Fixture f;
  f.fs.files["t.json"] = "[]";
  f.fs.files["u.json"] = R"([{"targets": ["https://b/x"]}])";  // relabelling may make something of it
  auto d = f.start({"t.json", "u.json"});
  CHECK(f.groups.size() == 1);
  f.scheduler.advance(Duration::minutes(1));
  CHECK(f.calls == 1);
  f.fs.unreadable = "u.json";
  f.scheduler.advance(Duration::seconds(6));
  CHECK(d->errors().size() == 1);
  CHECK(f.groups.size() == 1);
  f.fs.unreadable.clear();
  f.scheduler.advance(Duration::seconds(6));
  CHECK(d->errors().empty());
}

TEST_CASE("file discovery: a discoverer that is gone calls nobody") {
  Fixture f;
  f.fs.files["t.json"] = "[]";
  f.start({"t.json"}).reset();
  f.fs.files["t.json"] = R"([{"targets": ["b:1"]}])";
  f.scheduler.advance(Duration::seconds(60));
  CHECK(f.calls == 1);
}

TEST_CASE("static discovery: reports its groups once") {
  auto d = make_static_discoverer({{"static/0", {LabelSet{{"__address__", "a:1"}}}, LabelSet{{"env", "x"}}}});
  int calls = 0;
  d->start([&](std::vector<TargetGroup> g) {
    calls++;
    CHECK(g.size() == 1);
  });
  CHECK(calls == 1);
}

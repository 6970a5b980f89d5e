// Reads every #include of the tree and fails on an arrow that the floor table of ARCHITECTURE.md does not
// allow.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

// module → modules that it may include directly; what those may include, it may include too.
const std::map<std::string, std::vector<std::string>> kFloors = {
    {"base", {}},
    {"net", {"base"}},
    {"model", {"base"}},
    {"wire", {"model"}},
    {"config", {"model"}},
    {"storage", {"model"}},
    {"templates", {"model"}},
    {"state", {"model"}},
    {"auth", {"config", "net"}},
    {"memstore", {"storage"}},
    {"tsdb", {"storage"}},
    {"parts", {"storage"}},
    {"promql", {"storage"}},
    {"logql", {"storage", "promql"}},
    {"traceql", {"storage", "promql"}},
    {"discovery", {"config", "net"}},
    {"ingest", {"config", "net", "wire", "storage", "auth"}},
    {"forward", {"config", "net", "wire", "storage", "auth"}},
    {"probe", {"config", "net", "wire", "storage", "auth"}},
    {"notify", {"config", "net", "wire", "templates", "state"}},
    {"scrape", {"discovery", "wire", "storage"}},
    {"rules", {"promql", "logql", "config", "templates", "state", "storage"}},
    {"api", {"promql", "logql", "traceql", "rules", "notify", "scrape", "wire", "net", "auth", "state"}},
    {"app", {"api", "ingest", "forward", "probe", "tsdb", "parts", "memstore"}},
};

std::set<std::string> reachable(const std::string& module) {
  std::set<std::string> seen;
  std::vector<std::string> todo{module};
  while (!todo.empty()) {
    std::string m = todo.back();
    todo.pop_back();
    if (!seen.insert(m).second) continue;
    auto it = kFloors.find(m);
    if (it == kFloors.end()) continue;
    todo.insert(todo.end(), it->second.begin(), it->second.end());
  }
  return seen;
}

struct Include {
  std::string target;
  bool quoted;
  int line;
};

std::vector<Include> includes_of(const fs::path& file) {
  std::vector<Include> out;
  std::ifstream in(file);
  std::string line;
  for (int n = 1; std::getline(in, line); n++) {
    if (line.rfind("#include", 0) != 0) continue;
    size_t open = line.find_first_of("<\"", 8);
    if (open == std::string::npos) continue;
    size_t close = line.find_first_of(">\"", open + 1);
    if (close == std::string::npos) continue;
    out.push_back({line.substr(open + 1, close - open - 1), line[open] == '"', n});
  }
  return out;
}

bool is_source(const fs::path& p) { return p.extension() == ".h" || p.extension() == ".cc"; }

}  // namespace

TEST_CASE("house: includes in server/ follow the floor table") {
  fs::path root = fs::path(SONDE_SOURCE_DIR) / "server";
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    files++;
    std::string relative = fs::relative(entry.path(), root).string();
    std::string module = relative.substr(0, relative.find('/'));
    INFO(relative);
    REQUIRE_MESSAGE(kFloors.contains(module), "a folder without a line in the floor table");
    // Tests, and the stands that several of a module's tests share.
    bool is_test = relative.ends_with("_test.cc") || relative.find("/test_") != std::string::npos;
    std::set<std::string> allowed = reachable(module);
    if (is_test) allowed.insert("memstore");  // tests of engines and protocols run on the store in memory
    for (const Include& inc : includes_of(entry.path())) {
      std::string target = inc.target.substr(0, inc.target.find('/'));
      if (!inc.quoted || !kFloors.contains(target)) continue;
      CHECK_MESSAGE(allowed.contains(target), relative << ":" << inc.line << " includes " << inc.target);
    }
  }
  CHECK(files > 20);
}

TEST_CASE("house: libsonde knows nothing of the server, and its public headers only the standard library") {
  fs::path root = fs::path(SONDE_SOURCE_DIR) / "lib";
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file() || !is_source(entry.path())) continue;
    std::string relative = fs::relative(entry.path(), root).string();
    for (const Include& inc : includes_of(entry.path())) {
      std::string target = inc.target.substr(0, inc.target.find('/'));
      CHECK_MESSAGE(!(inc.quoted && kFloors.contains(target) && target != "parts"),
                    relative << ":" << inc.line << " includes " << inc.target);
      if (relative.rfind("include/sonde/", 0) == 0) {
        bool own = inc.target.rfind("sonde/", 0) == 0;
        bool standard = !inc.quoted && inc.target.find('/') == std::string::npos &&
                        inc.target.find('.') == std::string::npos;
        CHECK_MESSAGE((own || standard), relative << ":" << inc.line << " includes " << inc.target);
      }
    }
  }
}

TEST_CASE("house: no file is named for what it is not about") {
  for (const char* part : {"lib", "server"}) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(SONDE_SOURCE_DIR) / part)) {
      std::string stem = entry.path().stem().string();
      for (const char* bad : {"util", "helper", "common", "misc"}) {
        CHECK_MESSAGE(stem.find(bad) == std::string::npos, entry.path().string());
      }
    }
  }
}

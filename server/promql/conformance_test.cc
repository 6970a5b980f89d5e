// Runs our own `.test` files, and reports on the upstream ones where they are present.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "memstore/mem_metric_store.h"
#include "promql/test_script.h"

using namespace sonde;
using namespace sonde::promql;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<storage::MetricStore> fresh_store() { return std::make_unique<memstore::MemMetricStore>(); }

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<fs::path> test_files(const fs::path& root) {
  std::vector<fs::path> out;
  if (!fs::exists(root)) return out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".test") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Cases of each upstream file that pass today; fewer is a regression.
const std::map<std::string, int> kFloor = {
    {"aggregators", 160}, {"duration_expression", 59}, {"extended_vectors", 169},
    {"functions", 431},   {"histograms", 185},         {"info", 53},
    {"literals", 25},     {"name_label_dropping", 30}, {"native_histograms", 522},
    {"operators", 214},   {"start_timestamps", 26},    {"type_and_unit", 58},
};

}  // namespace

TEST_CASE("promql: every case of tests/language passes") {
  auto files = test_files(fs::path(SONDE_SOURCE_DIR) / "tests" / "language");
  REQUIRE(!files.empty());
  for (const auto& file : files) {
    // Scripts below default/ run as users do: delayed name removal and start timestamps off.
    EngineOptions options = script_engine_options();
    if (file.parent_path().filename() == "default") {
      options.delayed_name_removal = false;
      options.use_start_timestamps = false;
    }
    auto result = run_script(read_text(file), fresh_store, options);
    INFO(file.string());
    REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().message));
    CHECK(result->total > 0);
    for (const auto& c : result->cases)
      CHECK_MESSAGE(c.failure.empty(), c.line << ": " << c.query << ": " << c.failure);
  }
}

TEST_CASE("promql: upstream conformance files pass at least as often as before") {
  const char* from_environment = std::getenv("SONDE_CONFORMANCE");
  fs::path root = from_environment ? fs::path(from_environment)
                                   : fs::path(SONDE_SOURCE_DIR).parent_path() / "shared" / "conformance";
  auto files = test_files(root / "promql");
  if (files.empty()) {
    MESSAGE("no conformance data at " << (root / "promql").string() << "; set SONDE_CONFORMANCE to run it");
    return;
  }
  bool verbose = std::getenv("SONDE_CONFORMANCE_VERBOSE") != nullptr;
  int passed = 0, total = 0;
  std::ostringstream report;
  for (const auto& file : files) {
    std::string name = file.stem().string();
    auto result = run_script(read_text(file), fresh_store);
    if (!result) {
      report << "  " << name << ": " << result.error().message << "\n";
      CHECK_MESSAGE(!kFloor.contains(name), name << ": " << result.error().message);
      continue;
    }
    passed += result->passed;
    total += result->total;
    report << "  " << name << ": " << result->passed << " passed, " << result->failed << " failed, "
           << result->total << " total\n";
    if (verbose) {
      for (const auto& c : result->cases) {
        if (!c.failure.empty())
          report << "    " << c.line << ": " << c.query << "\n      " << c.failure << "\n";
      }
    }
    auto floor = kFloor.find(name);
    if (floor != kFloor.end()) CHECK_MESSAGE(result->passed >= floor->second, name);
  }
  MESSAGE("conformance: " << passed << " of " << total << " pass\n" << report.str());
}

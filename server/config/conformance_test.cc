#include "config/conformance.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "config/memory_files.h"

namespace sonde::config {
namespace {

namespace stdfs = std::filesystem;

std::string data_folder() {
  if (const char* env = std::getenv("SONDE_CONFORMANCE")) return env;
  return std::string(SONDE_SOURCE_DIR) + "/../shared/conformance";
}

MemoryFiles read_data(const std::string& from) {
  MemoryFiles out;
  for (const char* folder : {"rules", "config"}) {
    std::error_code ec;
    for (const auto& entry : stdfs::directory_iterator(stdfs::path(from) / folder, ec)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      out.set("data/" + std::string(folder) + "/" + entry.path().filename().string(), text.str());
    }
  }
  return out;
}

// What differs from the suite's verdict, on purpose, by name. A case that is not here must have the verdict.
const std::map<std::string, std::string> kKnownDifferences = {
    {"bad_expr.bad.yaml", "needs PromQL, which is checked where the parser is at hand"},
    {"agent_mode.good.yml", "remote_write is refused by name"},
    {"conf.good.yml", "its discovery mechanisms, remote_write, remote_read and tracing are refused by name"},
    {"kubernetes_empty_apiserver.good.yml", "kubernetes_sd_configs is refused by name"},
    {"kubernetes_selectors_endpoints.good.yml", "kubernetes_sd_configs is refused by name"},
    {"remote_write_retry_on_rate_limit.good.yml", "remote_write is refused by name"},
    {"scrape_config_files_double_import.bad.yml", "the file that it imports twice is not among the data"},
};

TEST_CASE(
    "conformance: rule files and configurations of Prometheus have the verdicts that its tests ask for") {
  MemoryFiles fs = read_data(data_folder());
  auto report = run_conformance(fs, "data", {});
  REQUIRE(report);
  if (!report->absent.empty()) {
    MESSAGE("conformance data are absent (" << data_folder()
                                            << "): set SONDE_CONFORMANCE to their folder to run these cases");
    return;
  }
  size_t differences = 0;
  for (const ConformanceCase& c : report->cases) {
    CHECK_MESSAGE(c.ok, c.folder << "/" << c.name << ": expected " << c.expected << ", got " << c.got);
    if (c.got != "loads")
      CHECK_MESSAGE(c.got.find("data/") != std::string::npos, c.name << " without a place: " << c.got);
    if (c.known_difference_reason.empty()) continue;
    differences++;
    CHECK_MESSAGE(kKnownDifferences.contains(c.name),
                  c.name << " differs: " << c.known_difference_reason << ": " << c.got);
  }
  MESSAGE(report->cases.size() << " cases, " << differences << " known differences");
  CHECK(report->cases.size() > 90);
  CHECK(report->failures() == 0);
}

TEST_CASE("conformance: absent data are said to be absent, and a wrong verdict counts") {
  MemoryFiles none;
  auto empty = run_conformance(none, "data", {});
  REQUIRE(empty);
  CHECK(empty->absent == std::vector<std::string>{"data/rules", "data/config"});
  MemoryFiles fs({{"data/rules/x.bad.yaml", "groups: []\n"}, {"data/config/y.good.yml", "nonsense: 1\n"}});
  auto wrong = run_conformance(fs, "data", {});
  REQUIRE(wrong);
  CHECK(wrong->failures() == 2);
  CHECK(wrong->cases.at(0).got == "loads");
  CHECK(wrong->cases.at(1).got ==
        "refused: data/config/y.good.yml:1: unknown key \"nonsense\" in the configuration");
}

}  // namespace
}  // namespace sonde::config

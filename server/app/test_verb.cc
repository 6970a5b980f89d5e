#include <algorithm>
#include <cstdio>

#include "app/verbs.h"
#include "base/file_system.h"
#include "config/conformance.h"
#include "config/yaml.h"
#include "memstore/mem_metric_store.h"
#include "promql/test_script.h"
#include "rules/rule_loading.h"
#include "wire/conformance.h"

namespace sonde::app {
namespace {

constexpr const char* kUsage =
    "sonde test promql [-v] FILE…        a line per script: passed, failed, total\n"
    "       sonde test conformance [-v] DIR   openmetrics, exposition, rules and config cases";

int test_promql(FileSystem& fs, const std::vector<std::string>& files, bool verbose) {
  int status = 0;
  for (const std::string& path : files) {
    auto text = config::read_bounded(fs, path, 64 << 20);
    if (!text) {
      std::fprintf(stderr, "sonde test promql: %s\n", text.error().to_string().c_str());
      status = 1;
      continue;
    }
    auto result = promql::run_script(*text, [] { return std::make_unique<memstore::MemMetricStore>(); });
    if (!result) {
      std::fprintf(stderr, "%s: %s\n", path.c_str(), result.error().to_string().c_str());
      status = 1;
      continue;
    }
    std::printf("%s: %d passed, %d failed, %d total\n", path.c_str(), result->passed, result->failed,
                result->total);
    for (const promql::ScriptCase& c : result->cases) {
      if (c.failure.empty() && !verbose) continue;
      if (c.failure.empty()) {
        std::printf("  ok      line %d: %s\n", c.line, c.query.c_str());
      } else if (verbose) {
        std::printf("  FAILED  line %d: %s\n          %s\n", c.line, c.query.c_str(), c.failure.c_str());
      }
    }
    if (result->failed > 0) status = 1;
  }
  return status;
}

int test_conformance(FileSystem& fs, const std::string& dir, bool verbose) {
  size_t passed = 0, failed = 0, known = 0;
  auto one = [&](const std::string& folder, const std::string& name, bool ok, const std::string& expected,
                 const std::string& got, const std::string& reason) {
    if (!ok) {
      failed++;
      std::printf("FAILED  %s/%s: expected %s, got %s\n", folder.c_str(), name.c_str(), expected.c_str(),
                  got.c_str());
    } else if (!reason.empty()) {
      known++;
      std::printf("differs %s/%s: %s\n", folder.c_str(), name.c_str(), reason.c_str());
    } else {
      passed++;
      if (verbose) std::printf("ok      %s/%s: %s\n", folder.c_str(), name.c_str(), got.c_str());
    }
  };
  bool any = false;
  auto exposition = wire::run_exposition_conformance(fs, dir);
  if (exposition) {
    any = true;
    for (const auto& v : *exposition)
      one(v.folder, v.name, v.ok, v.expected, v.got, v.known_difference_reason);
  } else if (exposition.error().code != ErrorCode::kNotFound) {
    std::fprintf(stderr, "sonde test conformance: %s\n", exposition.error().to_string().c_str());
    return 1;
  } else {
    std::printf("absent  %s/openmetrics and exposition\n", dir.c_str());
  }
  config::ConformanceOptions options;
  options.rule_check = rules::rule_check();
  options.capabilities.discovery = {"static", "file"};
  auto report = config::run_conformance(fs, dir, options);
  if (!report) {
    std::fprintf(stderr, "sonde test conformance: %s\n", report.error().to_string().c_str());
    return 1;
  }
  for (const auto& c : report->cases) {
    any = true;
    one(c.folder, c.name, c.ok, c.expected, c.got, c.known_difference_reason);
  }
  for (const std::string& folder : report->absent)
    std::printf("absent  %s/%s\n", dir.c_str(), folder.c_str());
  if (!any) {
    std::fprintf(stderr, "sonde test conformance: %s holds no conformance data\n", dir.c_str());
    return 1;
  }
  std::printf("%zu passed, %zu failed, %zu known differences\n", passed, failed, known);
  return failed > 0 ? 1 : 0;
}

}  // namespace

int run_test(const std::vector<std::string>& all) {
  std::vector<std::string> args = all;
  bool verbose = std::erase(args, "-v") > 0;
  if (!args.empty() && args[0] == "--help") {
    std::printf("usage: %s\n", kUsage);
    return 0;
  }
  auto fs = make_posix_file_system();
  if (args.size() >= 2 && args[0] == "promql")
    return test_promql(*fs, {args.begin() + 1, args.end()}, verbose);
  if (args.size() == 2 && args[0] == "conformance") return test_conformance(*fs, args[1], verbose);
  std::fprintf(stderr, "usage: %s\n", kUsage);
  return 2;
}

}  // namespace sonde::app

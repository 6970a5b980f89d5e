// Runs the rule and configuration cases of other projects' test suites against our readers.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "config/prometheus_config.h"
#include "config/rule_file.h"

namespace sonde::config {

struct ConformanceCase {
  std::string folder;    // "rules" or "config"
  std::string name;      // the file
  bool ok = false;       // the verdict is the expected one, or differs in a way that is known and explained
  std::string expected;  // "refused" or "loads"
  std::string got;       // "loads" or "refused: " and the reason
  std::string known_difference_reason;  // empty: none
};

struct ConformanceReport {
  std::vector<ConformanceCase> cases;
  std::vector<std::string> absent;  // folders that are not there; say so to the user

  size_t failures() const;
};

struct ConformanceOptions {
  RuleCheck rule_check;       // without `expression`, cases that only PromQL can refuse are known differences
  Capabilities capabilities;  // what the program can do; the rest is refused by name
};

// `dir` holds the folders `rules` and `config`. Fails only when a file that is listed cannot be read.
Result<ConformanceReport> run_conformance(FileSystem& fs, const std::string& dir,
                                          const ConformanceOptions& options);

}  // namespace sonde::config

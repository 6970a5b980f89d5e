// From rule files to groups that are ready to run.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "config/rule_file.h"
#include "promql/parser.h"
#include "rules/rule.h"

namespace sonde::rules {

// What rule files are checked with: expressions by the PromQL parser, the texts of alerts by the template
// parser. The callbacks own copies of all they need.
config::RuleCheck rule_check(const promql::ParserOptions& parser = {});

// Reads the files in the order given; a path given twice is read once. Patterns are the caller's to expand.
// A group without an interval or offset of its own gets the default. Labels of the group are merged into
// those of its rules, which win.
//
// The first mistake fails the whole: its `file` and `line` tell where, and the message names the rule, with
// line:column within the expression where that is what does not parse.
Result<std::vector<Group>> load_rule_groups(FileSystem& fs, const std::vector<std::string>& paths,
                                            Duration default_interval, Duration default_query_offset,
                                            const promql::ParserOptions& parser = {});

// The same for one file that is read already.
Result<std::vector<Group>> make_groups(const config::RuleFile& file, Duration default_interval,
                                       Duration default_query_offset,
                                       const promql::ParserOptions& parser = {});

}  // namespace sonde::rules

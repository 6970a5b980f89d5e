// Rules as they are written, checked and ready to run.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "model/labels.h"
#include "promql/ast.h"

namespace sonde::rules {

using TextPairs = std::vector<std::pair<std::string, std::string>>;  // in order of name

struct Rule {
  bool alerting = false;
  std::string name;  // of the recorded metric, or the alert
  std::string query;
  std::shared_ptr<const promql::Expr> expr;  // of `query`
  Duration hold;                             // for
  Duration keep_firing_for;
  TextPairs labels;       // with the group's; values are templates for alerts
  TextPairs annotations;  // templates
  std::string file;
  int line = 0;

  // The same over restarts and edits of anything but what the rule is.
  std::string key(const std::string& group) const { return file + "\n" + group + "\n" + name + "\n" + query; }
};

struct Group {
  std::string file;
  std::string name;
  Duration interval = Duration::minutes(1);
  Duration query_offset;
  uint64_t limit = 0;  // 0: none
  std::vector<Rule> rules;

  std::string key() const { return file + ";" + name; }
};

}  // namespace sonde::rules

// Relabelling: rules that rewrite, keep or drop a label set, with the meaning they have in Prometheus.
//
// Regular expressions are RE2, anchored at both ends; `.` matches a newline. Replacements expand `$1`,
// `${1}`,
// `$name` and `${name}` as Go's regexp.Expand does; `$$` is a dollar sign.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/labels.h"

namespace sonde {

enum class RelabelAction : uint8_t {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase,
};
const char* to_string(RelabelAction action);  // "replace", "keep", …
// Any case, as Prometheus reads it. kInvalid for a name it does not know.
Result<RelabelAction> relabel_action_from(std::string_view text);

// Which names are legal as the target of a rule.
enum class NameValidation : uint8_t { kUtf8, kLegacy };

struct RelabelOptions {
  std::vector<std::string> source_labels = {};
  std::string separator = ";";
  std::string regex = "(.*)";
  uint64_t modulus = 0;
  std::string target_label = {};
  std::string replacement = "$1";
  RelabelAction action = RelabelAction::kReplace;
  bool operator==(const RelabelOptions&) const = default;
};

// One checked rule. Immutable; copies share the compiled expression. Threads: safe to share.
class RelabelRule {
 public:
  // kInvalid when the expression does not compile, or when a field is missing, malformed or of no use to the
  // action.
  static Result<RelabelRule> create(RelabelOptions options, NameValidation names = NameValidation::kUtf8);

  const RelabelOptions& options() const { return options_; }
  // False when the rule drops the label set; `labels` is then unspecified.
  bool apply(LabelBuilder& labels) const;
  bool operator==(const RelabelRule& o) const { return options_ == o.options_; }

 private:
  struct Regex;
  RelabelOptions options_;
  NameValidation names_ = NameValidation::kUtf8;
  std::shared_ptr<const Regex> regex_;
};

using RelabelRules = std::vector<RelabelRule>;

// Applies the rules in order; false as soon as one drops the label set.
bool relabel(const RelabelRules& rules, LabelBuilder& labels);

struct RelabelStep {
  LabelSet labels;  // after this rule
  bool keep = true;
};
// The label set after each rule, up to and with the first that drops it.
std::vector<RelabelStep> relabel_steps(const RelabelRules& rules, const LabelSet& labels);

// Valid as a label name: non-empty UTF-8, or [a-zA-Z_][a-zA-Z0-9_]* under kLegacy.
bool is_valid_label_name(std::string_view name, NameValidation names);
bool is_valid_metric_name(std::string_view name, NameValidation names);

}  // namespace sonde

// Label matchers: what a selector is made of.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/labels.h"

namespace sonde {

enum class MatchOp : uint8_t { kEqual, kNotEqual, kRegex, kNotRegex };
const char* to_string(MatchOp op);  // "=", "!=", "=~", "!~"

// One condition on one label. Regular expressions are RE2, anchored at both ends, `.` matches newline.
// An absent label has the empty value. Immutable; copies share the compiled expression. Threads: safe to
// share.
class Matcher {
 public:
  // kInvalid when the regular expression does not compile or is longer than 4 KiB.
  static Result<Matcher> create(MatchOp op, std::string name, std::string value);
  static Matcher equal(std::string name, std::string value);

  MatchOp op() const { return op_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }
  bool matches(std::string_view value) const;
  bool matches(const LabelSet& labels) const { return matches(labels.get(name_)); }
  // Whether a series without the label matches.
  bool matches_empty() const { return matches(std::string_view()); }
  std::string to_string() const;  // name="value"
  bool operator==(const Matcher& o) const { return op_ == o.op_ && name_ == o.name_ && value_ == o.value_; }

 private:
  struct Regex;
  MatchOp op_ = MatchOp::kEqual;
  std::string name_;
  std::string value_;
  std::shared_ptr<const Regex> regex_;
};

using Matchers = std::vector<Matcher>;
bool all_match(const Matchers& matchers, const LabelSet& labels);

}  // namespace sonde

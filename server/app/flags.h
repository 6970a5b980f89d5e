// Command-line flags in the style of Prometheus (kingpin): --a.b=v, --a.b v, --flag, --no-flag. One table
// drives parsing, help and completion.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace sonde::app {

enum class FlagKind : uint8_t { kText, kTexts, kBool, kDuration, kNumber, kIgnored, kIgnoredBool };

struct Flag {
  const char* name;  // without dashes
  FlagKind kind;
  const char* fallback;  // as text; "" for none
  const char* help;
  const char* group = "";
};

// Parsed values of one command. Threads: read-only after parsing.
class FlagValues {
 public:
  // `args` are those after the verb. kInvalid names the flag, with the nearest known one when it is unknown.
  static Result<FlagValues> parse(const std::vector<Flag>& table, const std::vector<std::string>& args);

  std::string text(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  bool flag(std::string_view name) const { return text(name) == "true"; }
  Duration duration(std::string_view name) const;
  int64_t number(std::string_view name) const;
  bool given(std::string_view name) const { return given_.contains(std::string(name)); }
  const std::vector<std::string>& positional() const { return positional_; }
  const std::vector<std::string>& ignored() const { return ignored_; }
  // Name and effective value of every flag, in order of the table: for /api/v1/status/flags.
  std::vector<std::pair<std::string, std::string>> all() const;

 private:
  std::vector<Flag> table_;
  std::map<std::string, std::vector<std::string>> values_;
  std::map<std::string, bool> given_;
  std::vector<std::string> positional_;
  std::vector<std::string> ignored_;  // accepted for compatibility, of no effect
};

// The help page of a command, grouped.
std::string flag_help(std::string_view usage, std::string_view summary, const std::vector<Flag>& table);

// Of `candidates` the one nearest to `word` when it is near enough; empty otherwise.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace sonde::app

#include "rules/rule_loading.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "templates/template.h"

namespace sonde::rules {

namespace {

struct Place {
  int line = 1;
  int column = 1;
};

Place place_of(std::string_view text, int32_t offset) {
  Place p;
  size_t end = std::min(text.size(), static_cast<size_t>(std::max(offset, 0)));
  for (size_t i = 0; i < end; i++) {
    if (text[i] == '\n') {
      p.line++;
      p.column = 1;
    } else {
      p.column++;
    }
  }
  return p;
}

Result<promql::ExprPtr> parse_expression(std::string_view text, const promql::ParserOptions& options) {
  auto parsed = promql::parse_located(text, options);
  if (parsed) return std::move(*parsed);
  Place at = place_of(text, parsed.error().pos.start);
  return fail(Error{ErrorCode::kInvalid, "parse error: " + parsed.error().message, {}, at.line, at.column});
}

Result<Rule> make_rule(const config::Rule& from, const config::RuleGroup& group, const std::string& file,
                       const promql::ParserOptions& parser) {
  Rule rule;
  rule.alerting = from.is_alert();
  rule.name = from.name();
  rule.query = from.expr;
  rule.hold = from.for_duration;
  rule.keep_firing_for = from.keep_firing_for;
  rule.file = file;
  rule.line = from.line;
  std::map<std::string, std::string> labels = from.labels;
  labels.insert(group.labels.begin(), group.labels.end());
  rule.labels.assign(labels.begin(), labels.end());
  rule.annotations.assign(from.annotations.begin(), from.annotations.end());
  auto expr = parse_expression(from.expr, parser);
  if (!expr) {
    Error e = std::move(expr).error();
    e.message = fmt::format("rule {}: could not parse expression: {}:{}: {}", quote(rule.name), e.line,
                            e.column, e.message);
    e.file = file;
    e.line = from.expr_line + e.line - 1;
    e.column = 0;
    return fail(std::move(e));
  }
  rule.expr = std::move(*expr);
  return rule;
}

}  // namespace

config::RuleCheck rule_check(const promql::ParserOptions& parser) {
  config::RuleCheck check;
  check.expression = [parser](std::string_view text) -> Result<> {
    SONDE_TRY(auto expr, parse_expression(text, parser));
    (void)expr;
    return {};
  };
  check.template_text = templates::check_alert_text;
  return check;
}

Result<std::vector<Group>> make_groups(const config::RuleFile& file, Duration default_interval,
                                       Duration default_query_offset, const promql::ParserOptions& parser) {
  std::vector<Group> groups;
  for (const config::RuleGroup& from : file.groups) {
    Group group;
    group.file = file.path;
    group.name = from.name;
    group.interval = from.interval.value_or(default_interval);
    if (group.interval.ns <= 0) group.interval = default_interval;  // "0s" means the default, too
    group.query_offset = from.query_offset.value_or(default_query_offset);
    group.limit = from.limit > 0 ? static_cast<uint64_t>(from.limit) : 0;
    for (const config::Rule& rule : from.rules) {
      SONDE_TRY(Rule made, make_rule(rule, from, file.path, parser));
      group.rules.push_back(std::move(made));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

Result<std::vector<Group>> load_rule_groups(FileSystem& fs, const std::vector<std::string>& paths,
                                            Duration default_interval, Duration default_query_offset,
                                            const promql::ParserOptions& parser) {
  const config::RuleCheck check = rule_check(parser);
  std::vector<Group> groups;
  std::set<std::string> seen;
  for (const std::string& path : paths) {
    if (!seen.insert(path).second) continue;
    auto file = config::load_rule_file(fs, path, check);
    if (!file) {
      Error e = std::move(file).error();
      if (e.file.empty()) e.file = path;
      return fail(std::move(e));
    }
    SONDE_TRY(auto made, make_groups(*file, default_interval, default_query_offset, parser));
    std::move(made.begin(), made.end(), std::back_inserter(groups));
  }
  return groups;
}

}  // namespace sonde::rules

#include "config/rule_file.h"

#include <fmt/format.h>

#include <set>

namespace sonde::config {

namespace {

// The line on which the text of a scalar starts: a block scalar's is the one after its indicator.
int text_line(const Node& node) {
  bool block = !node.plain && node.text.find('\n') != std::string::npos;
  return node.line + (block ? 1 : 0);
}

class RuleFileReader {
 public:
  explicit RuleFileReader(const RuleCheck& check) : check_(check) {}

  Result<RuleFile> run(const Node& root, const std::string& path) {
    RuleFile file;
    file.path = path;
    MappingReader r(root, "a rule file");
    std::map<std::string, int> lines;
    r.each("groups", "rule group", [&](const Node& n) -> Result<> {
      SONDE_TRY(RuleGroup group, read_group(n));
      auto [it, fresh] = lines.emplace(group.name, group.line);
      if (!fresh) {
        return fail(n.error(fmt::format("groupname: {} is repeated in the same file, first at line {}",
                                        quote(group.name), it->second)));
      }
      file.groups.push_back(std::move(group));
      return {};
    });
    SONDE_CHECK(r.finish());
    return file;
  }

 private:
  Result<RuleGroup> read_group(const Node& node) {
    RuleGroup group;
    group.line = node.line;
    MappingReader r(node, "rule group");
    r.read("name", group.name);
    r.read("interval", group.interval);
    r.read("query_offset", group.query_offset);
    r.read("limit", group.limit);
    r.with("labels", [&](const Node& n) { return read_labels(n, group.labels, "label", true); });
    r.each("rules", "rule", [&](const Node& n) -> Result<> {
      SONDE_TRY(Rule rule, read_rule(n));
      group.rules.push_back(std::move(rule));
      return {};
    });
    if (group.name.empty()) r.set_error(r.at("name"), "Groupname must not be empty");
    SONDE_CHECK(r.finish());
    return group;
  }

  Result<> read_labels(const Node& node, std::map<std::string, std::string>& out, const char* what,
                       bool metric) {
    if (node.kind != NodeKind::kMapping) return fail(node.error(fmt::format("{}s must be a mapping", what)));
    for (const Node::Entry& e : node.entries) {
      if (!is_valid_label_name(e.key, check_.names) || (metric && e.key == kMetricName)) {
        return fail(e.key_node->error(fmt::format("invalid {} name: {}", what, e.key)));
      }
      SONDE_TRY(std::string value, node_string(*e.value));
      if (!is_valid_utf8(value))
        return fail(e.value->error(fmt::format("invalid {} value: {}", what, quote(value))));
      out.emplace(e.key, std::move(value));
    }
    return {};
  }

  Result<Rule> read_rule(const Node& node) {
    Rule rule;
    rule.line = node.line;
    MappingReader r(node, "rule");
    r.read("record", rule.record);
    r.read("alert", rule.alert);
    r.read("expr", rule.expr);
    r.read("for", rule.for_duration);
    r.read("keep_firing_for", rule.keep_firing_for);
    r.with("labels", [&](const Node& n) { return read_labels(n, rule.labels, "label", true); });
    r.with("annotations",
           [&](const Node& n) { return read_labels(n, rule.annotations, "annotation", false); });
    SONDE_CHECK(r.finish());

    auto bad = [&](const Node& at, std::string_view message) {
      std::string who = rule.name().empty() ? "" : fmt::format("rule {}: ", quote(rule.name()));
      return fail(at.error(who + std::string(message)));
    };
    if (!rule.record.empty() && !rule.alert.empty()) {
      return bad(r.at("alert"), "only one of 'record' and 'alert' must be set");
    }
    if (rule.record.empty() && rule.alert.empty()) return bad(node, "one of 'record' or 'alert' must be set");
    if (rule.expr.empty()) return bad(r.at("expr"), "field 'expr' must be set in rule");
    if (rule.for_duration.ns < 0) return bad(r.at("for"), "'for' must not be negative");
    if (!rule.record.empty()) {
      if (!rule.annotations.empty())
        return bad(r.at("annotations"), "invalid field 'annotations' in recording rule");
      if (rule.for_duration.ns != 0) return bad(r.at("for"), "invalid field 'for' in recording rule");
      if (rule.keep_firing_for.ns != 0) {
        return bad(r.at("keep_firing_for"), "invalid field 'keep_firing_for' in recording rule");
      }
      if (!is_valid_metric_name(rule.record, check_.names)) {
        return bad(r.at("record"), "invalid recording rule name: " + rule.record);
      }
      // Legal as UTF-8, and nearly always an expression in the wrong place.
      if (rule.record.find_first_of("{}") != std::string::npos) {
        return bad(r.at("record"),
                   "braces present in the recording rule name; should it be in expr?: " + rule.record);
      }
    } else if (!is_valid_utf8(rule.alert)) {
      return bad(r.at("alert"), "invalid alert name");
    }
    rule.expr_line = text_line(r.at("expr"));
    if (check_.expression) {
      if (Result<> ok = check_.expression(rule.expr); !ok) {
        Error e = r.at("expr").error("");
        const Error& cause = ok.error();
        std::string position = cause.line > 0 ? fmt::format("{}:{}: ", cause.line, cause.column) : "";
        e.message = fmt::format("rule {}: could not parse expression: {}{}", quote(rule.name()), position,
                                cause.message);
        e.line = rule.expr_line + (cause.line > 1 ? cause.line - 1 : 0);
        return fail(std::move(e));
      }
    }
    if (rule.is_alert() && check_.template_text) {
      SONDE_CHECK(check_templates(rule, r.find("labels"), "label"));
      SONDE_CHECK(check_templates(rule, r.find("annotations"), "annotation"));
    }
    return rule;
  }

  Result<> check_templates(const Rule& rule, const Node* node, const char* what) const {
    if (!node) return {};
    for (const Node::Entry& e : node->entries) {
      Result<> ok = check_.template_text("__alert_" + rule.alert, e.value->text);
      if (ok) continue;
      Error error = e.value->error(
          fmt::format("rule {}: {} {}: {}", quote(rule.alert), what, quote(e.key), ok.error().message));
      error.line = text_line(*e.value) + (ok.error().line > 1 ? ok.error().line - 1 : 0);
      return fail(std::move(error));
    }
    return {};
  }

  const RuleCheck& check_;
};

}  // namespace

Result<RuleFile> parse_rule_file(std::string_view text, const std::string& path, const RuleCheck& check) {
  SONDE_TRY(NodePtr root, parse_yaml(text, path, check.limits));
  return RuleFileReader(check).run(*root, path);
}

Result<RuleFile> load_rule_file(FileSystem& fs, const std::string& path, const RuleCheck& check) {
  SONDE_TRY(std::string text, read_bounded(fs, path, check.limits.document_bytes_max));
  return parse_rule_file(text, path, check);
}

}  // namespace sonde::config

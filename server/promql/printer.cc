// Tree → text: Prometheus's String() and its pretty printer.
#include <cmath>

#include "model/sample.h"
#include "promql/ast.h"
#include "promql/duration.h"
#include "promql/functions/function.h"

namespace sonde::promql {
namespace {

std::string number_to_string(const NumberLiteral& n) {
  if (n.is_duration) {
    int64_t ms = std::llround(n.value * 1000);
    return format_duration_ms(ms);
  }
  return format_value(n.value);
}

std::string at_to_string(const TimeModifiers& m) {
  switch (m.at) {
    case AtKind::kNone:
      return "";
    case AtKind::kStart:
      return " @ start()";
    case AtKind::kEnd:
      return " @ end()";
    case AtKind::kTimestamp:
      break;
  }
  bool negative = m.at_ms < 0;
  uint64_t v = negative ? 0 - static_cast<uint64_t>(m.at_ms) : static_cast<uint64_t>(m.at_ms);
  std::string fraction = std::to_string(v % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return std::string(" @ ") + (negative ? "-" : "") + std::to_string(v / 1000) + "." + fraction;
}

std::string offset_to_string(const TimeModifiers& m) {
  if (m.offset_expr) return " offset " + to_string(*m.offset_expr);
  if (m.offset_ms == 0) return "";
  return " offset " + format_duration_ms(m.offset_ms);
}

std::string extended_to_string(const VectorSelector& s) {
  return s.anchored ? " anchored" : s.smoothed ? " smoothed" : "";
}

std::string range_to_string(int64_t ms, const ExprPtr& expr) {
  return expr ? to_string(*expr) : format_duration_ms(ms);
}

std::string label_list(const std::vector<std::string>& labels) {
  std::string out = "(";
  for (size_t i = 0; i < labels.size(); i++) {
    if (i) out += ", ";
    out += label_name_to_string(labels[i]);
  }
  return out + ")";
}

std::string subquery_suffix(const SubqueryExpr& s) {
  std::string out = "[" + range_to_string(s.range_ms, s.range_expr) + ":";
  if (s.step_expr || s.step_ms != 0) out += range_to_string(s.step_ms, s.step_expr);
  return out + "]" + at_to_string(s.modifiers) + offset_to_string(s.modifiers);
}

std::string aggregate_prefix(const AggregateExpr& a) {
  std::string out = to_string(a.op);
  if (a.without) {
    out += " without " + label_list(a.grouping) + " ";
  } else if (!a.grouping.empty()) {
    out += " by " + label_list(a.grouping) + " ";
  }
  return out;
}

// A power binds tighter than a sign, so that an operand of it must not be printed with one that it was not
// written with.
bool is_infinite_operand(const BinaryExpr& b, const Expr& e) {
  const auto* n = as<NumberLiteral>(e);
  return b.op == BinaryOp::kPow && n && std::isinf(n->value) && n->value > 0;
}

std::string binary_operator(const BinaryExpr& b) {
  std::string out = to_string(b.op);
  if (b.return_bool) out += " bool";
  const VectorMatching& m = b.matching;
  bool grouped = m.card == MatchCardinality::kManyToOne || m.card == MatchCardinality::kOneToMany;
  if (!m.labels.empty() || m.on || grouped)
    out += std::string(m.on ? " on " : " ignoring ") + label_list(m.labels);
  if (grouped) {
    out += std::string(m.card == MatchCardinality::kManyToOne ? " group_left " : " group_right ") +
           label_list(m.include);
  }
  if (m.fill_left && m.fill_right && *m.fill_left == *m.fill_right) {
    out += " fill (" + format_value(*m.fill_left) + ")";
  } else {
    if (m.fill_left) out += " fill_left (" + format_value(*m.fill_left) + ")";
    if (m.fill_right) out += " fill_right (" + format_value(*m.fill_right) + ")";
  }
  return out;
}

std::string duration_to_string(const DurationExpr& d) {
  std::string out;
  switch (d.op) {
    case DurationOp::kStep:
      out = "step()";
      break;
    case DurationOp::kRange:
      out = "range()";
      break;
    case DurationOp::kMinOf:
    case DurationOp::kMaxOf:
      out = std::string(d.op == DurationOp::kMinOf ? "min_of(" : "max_of(") + to_string(*d.lhs) + ", " +
            to_string(*d.rhs) + ")";
      break;
    case DurationOp::kNegate:
      out = "-" + to_string(*d.rhs);
      break;
    case DurationOp::kPlus:
      out = "+" + to_string(*d.rhs);
      break;
    default: {
      static constexpr const char* kNames[] = {" + ", " - ", " * ", " / ", " % ", " ^ "};
      out = to_string(*d.lhs) + kNames[static_cast<size_t>(d.op)] + to_string(*d.rhs);
    }
  }
  return d.wrapped ? "(" + out + ")" : out;
}

constexpr size_t kLineWidth = 100;

class Prettifier {
 public:
  std::string at(const Expr& e, int level) {
    std::string flat = to_string(e);
    std::string indent(static_cast<size_t>(level) * 2, ' ');
    if (flat.size() <= kLineWidth) return indent + flat;
    if (const auto* a = as<AggregateExpr>(e)) {
      std::string out = indent + aggregate_prefix(*a) + "(\n";
      if (a->param) out += at(*a->param, level + 1) + ",\n";
      return out + at(*a->expr, level + 1) + "\n" + indent + ")";
    }
    if (const auto* b = as<BinaryExpr>(e)) {
      auto operand = [&](const Expr& o) {
        return is_infinite_operand(*b, o) ? indent + "  Inf" : at(o, level + 1);
      };
      return operand(*b->lhs) + "\n" + indent + binary_operator(*b) + "\n" + operand(*b->rhs);
    }
    if (const auto* c = as<Call>(e)) {
      std::string out = indent + c->function->name + "(\n";
      for (size_t i = 0; i < c->args.size(); i++) {
        out += at(*c->args[i], level + 1) + (i + 1 < c->args.size() ? ",\n" : "\n");
      }
      return out + indent + ")";
    }
    if (const auto* p = as<ParenExpr>(e))
      return indent + "(\n" + at(*p->expr, level + 1) + "\n" + indent + ")";
    if (const auto* s = as<SubqueryExpr>(e)) return at(*s->expr, level) + subquery_suffix(*s);
    if (const auto* u = as<UnaryExpr>(e)) {
      std::string child = at(*u->expr, level);
      return indent + (u->negative ? "-" : "+") + child.substr(child.find_first_not_of(' '));
    }
    return indent + flat;
  }
};

}  // namespace

std::string label_name_to_string(const std::string& name) {
  return is_legacy_label_name(name) ? name : quote(name);
}

std::string selector_to_string(const VectorSelector& s) {
  std::string labels;
  bool bare = s.name.empty() || is_legacy_metric_name(s.name);
  if (!bare) labels = quote(s.name);
  for (const Matcher& m : s.matchers) {
    if (!s.name.empty() && m.name() == kMetricName) continue;
    if (!labels.empty()) labels += ",";
    labels += label_name_to_string(m.name()) + to_string(m.op()) + quote(m.value());
  }
  std::string out = bare ? s.name : "";
  if (!labels.empty() || out.empty()) out += "{" + labels + "}";
  return out;
}

std::string to_string(const Expr& e) {
  switch (e.kind) {
    case ExprKind::kNumber:
      return number_to_string(static_cast<const NumberLiteral&>(e));
    case ExprKind::kString:
      return quote(static_cast<const StringLiteral&>(e).value);
    case ExprKind::kVectorSelector: {
      const auto& s = static_cast<const VectorSelector&>(e);
      return selector_to_string(s) + extended_to_string(s) + at_to_string(s.modifiers) +
             offset_to_string(s.modifiers);
    }
    case ExprKind::kMatrixSelector: {
      const auto& m = static_cast<const MatrixSelector&>(e);
      return selector_to_string(*m.selector) + "[" + range_to_string(m.range_ms, m.range_expr) + "]" +
             extended_to_string(*m.selector) + at_to_string(m.selector->modifiers) +
             offset_to_string(m.selector->modifiers);
    }
    case ExprKind::kSubquery: {
      const auto& s = static_cast<const SubqueryExpr&>(e);
      return to_string(*s.expr) + subquery_suffix(s);
    }
    case ExprKind::kCall: {
      const auto& c = static_cast<const Call&>(e);
      std::string out = std::string(c.function->name) + "(";
      for (size_t i = 0; i < c.args.size(); i++) {
        if (i) out += ", ";
        out += to_string(*c.args[i]);
      }
      return out + ")";
    }
    case ExprKind::kAggregate: {
      const auto& a = static_cast<const AggregateExpr&>(e);
      std::string out = aggregate_prefix(a) + "(";
      if (a.param) out += to_string(*a.param) + ", ";
      return out + to_string(*a.expr) + ")";
    }
    case ExprKind::kBinary: {
      const auto& b = static_cast<const BinaryExpr&>(e);
      auto operand = [&](const Expr& o) { return is_infinite_operand(b, o) ? "Inf" : to_string(o); };
      return operand(*b.lhs) + " " + binary_operator(b) + " " + operand(*b.rhs);
    }
    case ExprKind::kUnary: {
      const auto& u = static_cast<const UnaryExpr&>(e);
      return (u.negative ? "-" : "+") + to_string(*u.expr);
    }
    case ExprKind::kParen:
      return "(" + to_string(*static_cast<const ParenExpr&>(e).expr) + ")";
    case ExprKind::kDuration:
      return duration_to_string(static_cast<const DurationExpr&>(e));
  }
  return "";
}

std::string prettify(const Expr& e) { return Prettifier().at(e, 0); }

}  // namespace sonde::promql

#include <fmt/format.h>

#include "logql/parser.h"
#include "logql/quantity.h"

namespace sonde::logql {
namespace {

std::string label_name(const std::string& name) { return is_legacy_label_name(name) ? name : quote(name); }

std::string print(const Predicate& p) {
  switch (p.kind) {
    case Predicate::Kind::kText:
      return p.matcher.to_string();
    case Predicate::Kind::kQuantity:
      return label_name(p.name) + " " + to_string(p.op) + " " + format_quantity(p.quantity);
    case Predicate::Kind::kAnd:
    case Predicate::Kind::kOr:
      break;
  }
  std::string out;
  for (const Predicate& part : p.parts) {
    if (!out.empty()) out += p.kind == Predicate::Kind::kAnd ? " and " : " or ";
    out += part.parts.empty() ? print(part) : "(" + print(part) + ")";
  }
  return out;
}

struct StagePrinter {
  std::string operator()(const LineFilter& f) const {
    std::string out = to_string(f.op);
    const char* between = " ";
    for (const std::string& v : f.values) {
      out += between + quote(v);
      between = " or ";
    }
    return out;
  }
  std::string operator()(const JsonStage&) const { return "| json"; }
  std::string operator()(const LogfmtStage&) const { return "| logfmt"; }
  std::string operator()(const LabelFilter& f) const { return "| " + print(f.predicate); }
  std::string operator()(const LabelSelection& s) const {
    std::string out = s.keep ? "| keep " : "| drop ";
    for (size_t i = 0; i < s.labels.size(); i++) {
      if (i > 0) out += ", ";
      out += s.labels[i].matcher ? s.labels[i].matcher->to_string() : label_name(s.labels[i].name);
    }
    return out;
  }
};

std::string print(const LogExpr& log, std::string_view range) {
  std::string out = to_string(log.selector);
  for (const Stage& stage : log.stages) out += " " + std::visit(StagePrinter{}, stage);
  if (!range.empty()) out += (log.stages.empty() ? "" : " ") + std::string(range);
  return out;
}

// In parentheses only where the text would otherwise parse to another tree: so it never nests deeper than
// what it was parsed from.
std::string operand(const Expr& e, BinaryOp of, bool right) {
  const auto* inner = std::get_if<BinaryExpr>(&e.node);
  if (!inner) return to_string(e);
  bool joins_right = of == BinaryOp::kPower;
  bool bare = precedence(inner->op) > precedence(of) ||
              (precedence(inner->op) == precedence(of) && joins_right == right);
  return bare ? to_string(e) : "(" + to_string(e) + ")";
}

struct ExprPrinter {
  std::string operator()(const LogExpr& e) const { return print(e, {}); }
  std::string operator()(const NumberExpr& e) const { return fmt::format("{}", e.value); }
  std::string operator()(const VectorExpr& e) const { return fmt::format("vector({})", e.value); }
  std::string operator()(const RangeExpr& e) const {
    std::string range = "[" + format_duration_ns(e.range.ns) + "]";
    if (e.offset.ns != 0) range += " offset " + format_duration_ns(e.offset.ns);
    return std::string(to_string(e.op)) + "(" + print(e.log, range) + ")";
  }
  std::string operator()(const AggregateExpr& e) const {
    std::string out = to_string(e.op);
    if (e.grouped) {
      out += e.without ? " without (" : " by (";
      for (size_t i = 0; i < e.grouping.size(); i++) out += (i > 0 ? ", " : "") + label_name(e.grouping[i]);
      out += ") ";
    }
    out += "(";
    if (e.op == AggregateOp::kTopk || e.op == AggregateOp::kBottomk) out += std::to_string(e.k) + ", ";
    return out + to_string(*e.inner) + ")";
  }
  std::string operator()(const BinaryExpr& e) const {
    return operand(*e.left, e.op, false) + " " + to_string(e.op) + (e.returns_bool ? " bool " : " ") +
           operand(*e.right, e.op, true);
  }
};

}  // namespace

const char* to_string(LineOp op) {
  static constexpr const char* kNames[] = {"|=", "!=", "|~", "!~"};
  return kNames[static_cast<int>(op)];
}

const char* to_string(CompareOp op) {
  static constexpr const char* kNames[] = {"==", "!=", ">", ">=", "<", "<="};
  return kNames[static_cast<int>(op)];
}

const char* to_string(RangeOp op) {
  static constexpr const char* kNames[] = {"rate", "count_over_time", "bytes_rate", "bytes_over_time"};
  return kNames[static_cast<int>(op)];
}

const char* to_string(AggregateOp op) {
  static constexpr const char* kNames[] = {"sum", "count", "avg", "min", "max", "topk", "bottomk"};
  return kNames[static_cast<int>(op)];
}

const char* to_string(BinaryOp op) {
  static constexpr const char* kNames[] = {"+", "-", "*", "/", "%", "^", "==", "!=", ">", ">=", "<", "<="};
  return kNames[static_cast<int>(op)];
}

std::string to_string(const Matchers& selector) {
  std::string out = "{";
  for (size_t i = 0; i < selector.size(); i++) out += (i > 0 ? ", " : "") + selector[i].to_string();
  return out + "}";
}

std::string to_string(const LogExpr& log) { return print(log, {}); }
std::string to_string(const Expr& expr) { return std::visit(ExprPrinter{}, expr.node); }

}  // namespace sonde::logql

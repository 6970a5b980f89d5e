#include "api/prometheus_ast.h"

#include "promql/functions/function.h"

namespace sonde::api {
namespace {

using namespace promql;
using wire::JsonWriter;

void write_list(JsonWriter& json, std::string_view key, const std::vector<std::string>& list) {
  json.key(key).begin_array();
  for (const std::string& s : list) json.string(s);
  json.end_array();
}

void write_child(JsonWriter& json, std::string_view key, const ExprPtr& child) {
  json.key(key);
  if (child) {
    write_ast(json, *child);
  } else {
    json.null();
  }
}

void write_modifiers(JsonWriter& json, const TimeModifiers& m) {
  json.field("offset", m.offset_ms).key("timestamp");
  if (m.at == AtKind::kTimestamp) {
    json.integer(m.at_ms);
  } else {
    json.null();
  }
  json.key("startOrEnd");
  if (m.at == AtKind::kStart || m.at == AtKind::kEnd) {
    json.string(m.at == AtKind::kStart ? "start" : "end");
  } else {
    json.null();
  }
}

void write_selector(JsonWriter& json, const VectorSelector& s) {
  json.field("name", std::string_view(s.name));
  write_modifiers(json, s.modifiers);
  json.key("matchers").begin_array();
  for (const Matcher& m : s.matchers) {
    json.begin_object().field("name", std::string_view(m.name())).field("value", std::string_view(m.value()));
    json.field("type", to_string(m.op())).end_object();
  }
  json.end_array();
  json.field("anchored", s.anchored).field("smoothed", s.smoothed);
}

void write_fill(JsonWriter& json, std::string_view key, const std::optional<double>& value) {
  json.key(key);
  if (value) {
    json.number(*value);
  } else {
    json.null();
  }
}

void write_matching(JsonWriter& json, const BinaryExpr& e) {
  json.key("matching");
  if (e.lhs->type() != ValueType::kVector || e.rhs->type() != ValueType::kVector) {
    json.null();
    return;
  }
  json.begin_object().field("card", to_string(e.matching.card));
  write_list(json, "labels", e.matching.labels);
  json.field("on", e.matching.on);
  write_list(json, "include", e.matching.include);
  json.key("fillValues").begin_object();
  write_fill(json, "lhs", e.matching.fill_left);
  write_fill(json, "rhs", e.matching.fill_right);
  json.end_object().end_object();
}

void write_call(JsonWriter& json, const Call& call) {
  json.field("type", "call").key("func").begin_object();
  json.field("name", call.function->name).key("argTypes").begin_array();
  for (ValueType t : call.function->arg_types) json.string(to_string(t));
  json.end_array();
  json.field("variadic", static_cast<int64_t>(call.function->variadic));
  json.field("returnType", to_string(call.function->return_type)).end_object();
  json.key("args").begin_array();
  for (const ExprPtr& arg : call.args) write_ast(json, *arg);
  json.end_array();
}

}  // namespace

void write_ast(JsonWriter& json, const Expr& expr) {
  json.begin_object();
  if (const auto* n = as<NumberLiteral>(expr)) {
    json.field("type", "numberLiteral").key("val").value_string(n->value);
  } else if (const auto* s = as<StringLiteral>(expr)) {
    json.field("type", "stringLiteral").field("val", std::string_view(s->value));
  } else if (const auto* v = as<VectorSelector>(expr)) {
    json.field("type", "vectorSelector");
    write_selector(json, *v);
  } else if (const auto* m = as<MatrixSelector>(expr)) {
    json.field("type", "matrixSelector").field("range", m->range_ms);
    write_selector(json, *m->selector);
  } else if (const auto* q = as<SubqueryExpr>(expr)) {
    json.field("type", "subquery");
    write_child(json, "expr", q->expr);
    json.field("range", q->range_ms).field("step", q->step_ms);
    write_modifiers(json, q->modifiers);
  } else if (const auto* c = as<Call>(expr)) {
    write_call(json, *c);
  } else if (const auto* a = as<AggregateExpr>(expr)) {
    json.field("type", "aggregation").field("op", to_string(a->op));
    write_child(json, "expr", a->expr);
    write_child(json, "param", a->param);
    write_list(json, "grouping", a->grouping);
    json.field("without", a->without);
  } else if (const auto* b = as<BinaryExpr>(expr)) {
    json.field("type", "binaryExpr").field("op", to_string(b->op));
    write_child(json, "lhs", b->lhs);
    write_child(json, "rhs", b->rhs);
    write_matching(json, *b);
    json.field("bool", b->return_bool);
  } else if (const auto* u = as<UnaryExpr>(expr)) {
    json.field("type", "unaryExpr").field("op", u->negative ? "-" : "+");
    write_child(json, "expr", u->expr);
  } else if (const auto* p = as<ParenExpr>(expr)) {
    json.field("type", "parenExpr");
    write_child(json, "expr", p->expr);
  }
  json.end_object();
}

}  // namespace sonde::api

// The syntax tree of a query as JSON, as Prometheus's interface draws it (prometheus:
// web/api/v1/translate_ast.go).
#pragma once

#include "promql/ast.h"
#include "wire/json_writer.h"

namespace sonde::api {

// Recurses as deep as the tree, which the parser bounds.
void write_ast(wire::JsonWriter& json, const promql::Expr& expr);

}  // namespace sonde::api

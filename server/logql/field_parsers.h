// Fields of a line for the stages json and logfmt, flattened as Loki does (pkg/logql/log/parser.go).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/attributes.h"

namespace sonde::logql {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline constexpr size_t kFieldsMax = 256;
inline constexpr int kNestingMax = 16;

// What is no letter, digit or _ becomes _; a leading digit gets one in front.
std::string label_name_of(std::string_view key);

// A JSON object: nested keys joined with _, arrays and null left out. False when `line` is no JSON object, or
// nested deeper than kNestingMax. Only the first kFieldsMax fields are kept.
bool parse_json_fields(std::string_view line, Fields& out);
// key=value and key="value" pairs; words without = are left out.
void parse_logfmt_fields(std::string_view line, Fields& out);
// Attributes with maps flattened in the same way; arrays as JSON text.
void flatten_attributes(const Attributes& attributes, Fields& out);

}  // namespace sonde::logql

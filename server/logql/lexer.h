// Cuts LogQL into tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sonde::logql {

enum class TokenKind : uint8_t { kEnd, kIdentifier, kString, kNumber, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;  // as written; borrowed from the query
  std::string value;      // of a string, unquoted
  size_t offset = 0;
};

// Go's string literals: "…" with escapes, `…` as it stands. Comments go from # to the end of the line. A
// number carries its unit (5m, 1.5KB). Ends with a kEnd token. kInvalid with line and column.
Result<std::vector<Token>> tokenize(std::string_view query);

// "parse error at line 1, col 5: message"
Error error_at(ErrorCode code, std::string_view query, size_t offset, std::string_view message);

}  // namespace sonde::logql

// PromQL's tokens. No I/O, no recursion.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "promql/ast.h"

namespace sonde::promql {

enum class TokenKind : uint8_t {
  kEnd,
  kIdentifier,        // keywords too: `text` tells, in any case
  kMetricIdentifier,  // has a colon
  kNumber,
  kDuration,
  kString,
  kLeftParen,
  kRightParen,
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kComma,
  kColon,
  kAt,
  kAssign,  // =
  kRegexMatch,
  kRegexNoMatch,  // =~ !~
  kOperator,      // one of `op`, except the words
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  BinaryOp op = BinaryOp::kAdd;  // of kOperator
  PositionRange pos;
  std::string_view text;  // views the input
};

// A lexical or syntactic mistake and where it is.
struct ParseError {
  PositionRange pos;
  std::string message;
};

// All tokens up to the end, or the first mistake. The tokens view `input`.
bool tokenize(std::string_view input, std::vector<Token>& tokens, ParseError& error);

// Go's strconv.Unquote for ', " and ` quoted strings. False on a bad escape.
bool unquote(std::string_view quoted, std::string& out);

// 1-based "line:column" of a byte offset.
std::string line_and_column(std::string_view input, int32_t offset);

}  // namespace sonde::promql

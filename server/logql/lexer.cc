#include "logql/lexer.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "model/labels.h"

namespace sonde::logql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

void append_utf8(std::string& out, uint32_t cp) {
  if (cp < 0x80) {
    out += static_cast<char>(cp);
  } else if (cp < 0x800) {
    out += static_cast<char>(0xc0 | cp >> 6);
    out += static_cast<char>(0x80 | (cp & 63));
  } else if (cp < 0x10000) {
    out += static_cast<char>(0xe0 | cp >> 12);
    out += static_cast<char>(0x80 | (cp >> 6 & 63));
    out += static_cast<char>(0x80 | (cp & 63));
  } else {
    out += static_cast<char>(0xf0 | cp >> 18);
    out += static_cast<char>(0x80 | (cp >> 12 & 63));
    out += static_cast<char>(0x80 | (cp >> 6 & 63));
    out += static_cast<char>(0x80 | (cp & 63));
  }
}

std::optional<uint32_t> number_of(std::string_view digits, uint32_t base) {
  uint32_t v = 0;
  for (char c : digits) {
    uint32_t d = is_digit(c)              ? static_cast<uint32_t>(c - '0')
                 : (c >= 'a' && c <= 'f') ? static_cast<uint32_t>(c - 'a' + 10)
                 : (c >= 'A' && c <= 'F') ? static_cast<uint32_t>(c - 'A' + 10)
                                          : base;
    if (d >= base) return std::nullopt;
    v = v * base + d;
  }
  return v;
}

// What follows a backslash; moves `at` behind it. False when it is no escape of Go's.
bool unescape(std::string_view text, size_t& at, std::string& out) {
  if (at >= text.size()) return false;
  char c = text[at++];
  static constexpr std::string_view kFrom = "abfnrtv\\\"'", kTo = "\a\b\f\n\r\t\v\\\"'";
  if (size_t i = kFrom.find(c); i != std::string_view::npos) {
    out += kTo[i];
    return true;
  }
  size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 3;
  uint32_t base = 16;
  if (c >= '0' && c <= '7') {
    base = 8;
    at--;
  } else if (c != 'x' && c != 'u' && c != 'U') {
    return false;
  }
  if (text.size() - at < digits) return false;
  auto v = number_of(text.substr(at, digits), base);
  if (!v) return false;
  at += digits;
  if (c == 'u' || c == 'U') {
    if (*v > 0x10ffff || (*v >= 0xd800 && *v < 0xe000)) return false;
    append_utf8(out, *v);
  } else {
    if (*v > 255) return false;
    out += static_cast<char>(*v);
  }
  return true;
}

constexpr std::array<std::string_view, 14> kSymbols = {"|=", "|~", "|>", "!=", "!~", "!>", "=~",
                                                       "==", ">=", "<=", "&&", "||", "..", "::"};

}  // namespace

Error error_at(ErrorCode code, std::string_view query, size_t offset, std::string_view message) {
  int line = 1, column = 1;
  for (char c : query.substr(0, offset)) {
    column++;
    if (c == '\n') {
      line++;
      column = 1;
    }
  }
  return Error{
      code, fmt::format("parse error at line {}, col {}: {}", line, column, message), {}, line, column};
}

Result<std::vector<Token>> tokenize(std::string_view query) {
  std::vector<Token> out;
  size_t at = 0;
  auto rest = [&](size_t i) { return i < query.size() ? query[i] : '\0'; };
  while (at < query.size()) {
    char c = query[at];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      at++;
      continue;
    }
    if (c == '#') {
      while (at < query.size() && query[at] != '\n') at++;
      continue;
    }
    Token token;
    token.offset = at;
    if (is_letter(c)) {
      token.kind = TokenKind::kIdentifier;
      // Dots and colons may stand inside of a label's name.
      while (at < query.size() &&
             (is_letter(query[at]) || is_digit(query[at]) || query[at] == '.' || query[at] == ':')) {
        at++;
      }
    } else if (is_digit(c) || (c == '.' && is_digit(rest(at + 1)))) {
      token.kind = TokenKind::kNumber;
      bool plain = true;  // only digits and dots so far
      while (at < query.size()) {
        char d = query[at];
        if (plain && (d == 'e' || d == 'E') && (rest(at + 1) == '-' || rest(at + 1) == '+') &&
            is_digit(rest(at + 2))) {
          at += 2;
        } else if (is_letter(d) || static_cast<unsigned char>(d) >= 0x80) {
          plain = false;
        } else if (!is_digit(d) && d != '.') {
          break;
        }
        at++;
      }
    } else if (c == '"') {
      token.kind = TokenKind::kString;
      at++;
      for (;;) {
        if (at >= query.size() || query[at] == '\n') {
          return fail(error_at(ErrorCode::kInvalid, query, token.offset, "literal not terminated"));
        }
        char d = query[at++];
        if (d == '"') break;
        if (d != '\\') {
          token.value += d;
        } else if (!unescape(query, at, token.value)) {
          return fail(error_at(ErrorCode::kInvalid, query, at - 1, "invalid char escape"));
        }
      }
    } else if (c == '`') {
      token.kind = TokenKind::kString;
      size_t end = query.find('`', at + 1);
      if (end == std::string_view::npos) {
        return fail(error_at(ErrorCode::kInvalid, query, token.offset, "literal not terminated"));
      }
      for (char d : query.substr(at + 1, end - at - 1)) {
        if (d != '\r') token.value += d;
      }
      at = end + 1;
    } else {
      token.kind = TokenKind::kSymbol;
      at++;
      for (std::string_view s : kSymbols) {
        if (query.substr(token.offset, 2) == s) at = token.offset + 2;
      }
      if (at == token.offset + 1 && std::string_view("{}()[],|=<>+-*/%^").find(c) == std::string_view::npos) {
        return fail(error_at(ErrorCode::kInvalid, query, token.offset,
                             "unexpected character " + quote(std::string_view(&c, 1))));
      }
    }
    token.text = query.substr(token.offset, at - token.offset);
    out.push_back(std::move(token));
  }
  out.emplace_back().offset = query.size();
  return out;
}

}  // namespace sonde::logql

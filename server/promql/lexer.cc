#include "promql/lexer.h"

#include <cctype>

#include "promql/duration.h"

namespace sonde::promql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return is_alpha(c) || is_digit(c); }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c - 'A' + 10;
}

void append_utf8(std::string& out, uint32_t cp) {
  if (cp < 0x80) {
    out += static_cast<char>(cp);
  } else if (cp < 0x800) {
    out += static_cast<char>(0xc0 | cp >> 6);
    out += static_cast<char>(0x80 | (cp & 0x3f));
  } else if (cp < 0x10000) {
    out += static_cast<char>(0xe0 | cp >> 12);
    out += static_cast<char>(0x80 | (cp >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (cp & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | cp >> 18);
    out += static_cast<char>(0x80 | (cp >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (cp >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (cp & 0x3f));
  }
}

class Lexer {
 public:
  Lexer(std::string_view in, std::vector<Token>& tokens, ParseError& error)
      : in_(in), tokens_(tokens), error_(error) {}

  bool run() {
    while (true) {
      skip_blank();
      if (at_ >= in_.size()) break;
      if (!next()) return false;
    }
    auto end = static_cast<int32_t>(in_.size());
    if (paren_ > 0) return mistake(end, end, "unclosed left parenthesis");
    if (in_braces_) return mistake(end, end, "unexpected end of input inside braces");
    if (in_brackets_) return mistake(end, end, "unclosed left bracket");
    push(TokenKind::kEnd, in_.size(), 0);
    return true;
  }

 private:
  char peek(size_t k = 0) const { return at_ + k < in_.size() ? in_[at_ + k] : '\0'; }

  void skip_blank() {
    while (at_ < in_.size()) {
      char c = in_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        at_++;
      } else if (c == '#') {
        while (at_ < in_.size() && in_[at_] != '\n') at_++;
      } else {
        break;
      }
    }
  }

  bool mistake(size_t start, size_t end, std::string message) {
    error_ = {{static_cast<int32_t>(start), static_cast<int32_t>(end)}, std::move(message)};
    return false;
  }

  void push(TokenKind kind, size_t start, size_t length, BinaryOp op = BinaryOp::kAdd) {
    Token t;
    t.kind = kind;
    t.op = op;
    t.pos = {static_cast<int32_t>(start), static_cast<int32_t>(start + length)};
    t.text = in_.substr(start, length);
    tokens_.push_back(t);
  }

  bool simple(TokenKind kind, size_t length = 1) {
    push(kind, at_, length);
    at_ += length;
    return true;
  }
  bool op(BinaryOp o, size_t length = 1) {
    push(TokenKind::kOperator, at_, length, o);
    at_ += length;
    return true;
  }

  bool next() {
    char c = peek();
    char d = peek(1);
    if (in_braces_) return next_in_braces(c, d);
    switch (c) {
      case ',':
        return simple(TokenKind::kComma);
      case '*':
        return op(BinaryOp::kMul);
      case '/':
        return op(BinaryOp::kDiv);
      case '%':
        return op(BinaryOp::kMod);
      case '+':
        return op(BinaryOp::kAdd);
      case '-':
        return op(BinaryOp::kSub);
      case '^':
        return op(BinaryOp::kPow);
      case '@':
        return simple(TokenKind::kAt);
      case '=':
        if (d == '=') return op(BinaryOp::kEqual, 2);
        if (d == '~') return mistake(at_ + 1, at_ + 2, "unexpected character after '=': '~'");
        return simple(TokenKind::kAssign);
      case '!':
        if (d == '=') return op(BinaryOp::kNotEqual, 2);
        return mistake(at_, at_ + 1, "unexpected character after '!': " + printed(at_ + 1));
      case '<':
        if (d == '=') return op(BinaryOp::kLessEqual, 2);
        if (d == '/') return op(BinaryOp::kTrimUpper, 2);
        return op(BinaryOp::kLess);
      case '>':
        if (d == '=') return op(BinaryOp::kGreaterEqual, 2);
        if (d == '/') return op(BinaryOp::kTrimLower, 2);
        return op(BinaryOp::kGreater);
      case '(':
        paren_++;
        return simple(TokenKind::kLeftParen);
      case ')':
        if (--paren_ < 0) return mistake(at_, at_ + 1, "unexpected right parenthesis ')'");
        return simple(TokenKind::kRightParen);
      case '{':
        in_braces_ = true;
        return simple(TokenKind::kLeftBrace);
      case '}':
        return mistake(at_, at_ + 1, "unexpected right brace '}'");
      case '[':
        if (in_brackets_) return mistake(at_, at_ + 1, "unexpected left bracket '['");
        in_brackets_ = true;
        return simple(TokenKind::kLeftBracket);
      case ']':
        if (!in_brackets_) return mistake(at_, at_ + 1, "unexpected right bracket ']'");
        in_brackets_ = false;
        return simple(TokenKind::kRightBracket);
      case '"':
      case '\'':
      case '`':
        return string(c);
      default:
        break;
    }
    if (c == ':' && in_brackets_) return simple(TokenKind::kColon);
    if (is_digit(c) || (c == '.' && is_digit(d))) return number();
    if (is_alpha(c) || c == ':') return word();
    return mistake(at_, at_ + 1, "unexpected character: " + printed(at_));
  }

  bool next_in_braces(char c, char d) {
    switch (c) {
      case ',':
        return simple(TokenKind::kComma);
      case '}':
        in_braces_ = false;
        return simple(TokenKind::kRightBrace);
      case '{':
        return mistake(at_, at_ + 1, "unexpected left brace '{'");
      case '"':
      case '\'':
      case '`':
        return string(c);
      case '=':
        if (d == '~') return simple(TokenKind::kRegexMatch, 2);
        return simple(TokenKind::kAssign);
      case '!':
        if (d == '~') return simple(TokenKind::kRegexNoMatch, 2);
        if (d == '=') return op(BinaryOp::kNotEqual, 2);
        return mistake(at_, at_ + 1, "unexpected character after '!' inside braces: " + printed(at_ + 1));
      default:
        break;
    }
    if (is_alpha(c)) {
      size_t n = 1;
      while (is_word(peek(n))) n++;
      return simple(TokenKind::kIdentifier, n);
    }
    return mistake(at_, at_ + 1, "unexpected character inside braces: " + printed(at_));
  }

  // One character as Go prints a rune with %q.
  std::string printed(size_t at) const {
    if (at >= in_.size()) return "'\\ufffd'";
    size_t n = 1;
    while (at + n < in_.size() && n < 4 && (static_cast<unsigned char>(in_[at + n]) & 0xc0) == 0x80) n++;
    std::string q = quote(in_.substr(at, n));
    if (q == "\"\\\"\"") return "'\"'";
    if (q == "\"'\"") return "'\\''";
    return "'" + q.substr(1, q.size() - 2) + "'";
  }

  bool string(char quote_char) {
    size_t start = at_;
    size_t i = at_ + 1;
    for (;; i++) {
      if (i >= in_.size() || (quote_char != '`' && in_[i] == '\n')) {
        return mistake(start, i < in_.size() ? i : in_.size(),
                       quote_char == '`' ? "unterminated raw string" : "unterminated quoted string");
      }
      if (quote_char != '`' && in_[i] == '\\') {
        i++;
      } else if (in_[i] == quote_char) {
        break;
      }
    }
    push(TokenKind::kString, start, i + 1 - start);
    at_ = i + 1;
    return true;
  }

  bool number() {
    size_t start = at_;
    size_t n = 0;
    bool duration = false;
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      n = 2;
      while (is_hex(peek(n)) || peek(n) == '_') n++;
    } else {
      while (is_digit(peek(n)) || peek(n) == '_') n++;
      bool plain = true;
      if (peek(n) == '.') {
        plain = false;
        n++;
        while (is_digit(peek(n)) || peek(n) == '_') n++;
      }
      if (peek(n) == 'e' || peek(n) == 'E') {
        size_t k = n + 1;
        if (peek(k) == '+' || peek(k) == '-') k++;
        if (is_digit(peek(k))) {
          plain = false;
          n = k;
          while (is_digit(peek(n)) || peek(n) == '_') n++;
        }
      }
      if (plain && is_alpha(peek(n))) {
        while (is_word(peek(n))) n++;
        duration = true;
      }
    }
    bool bad = is_word(peek(n)) || peek(n) == '.';
    if (bad) {
      while (is_word(peek(n)) || peek(n) == '.') n++;
    }
    std::string_view text = in_.substr(start, n);
    if (bad || (duration && !parse_duration_ms(text))) {
      return mistake(start, start + n, "bad number or duration syntax: " + quote(text));
    }
    return simple(duration ? TokenKind::kDuration : TokenKind::kNumber, n);
  }

  bool word() {
    size_t n = 0;
    bool colon = false;
    while (is_word(peek(n)) || (peek(n) == ':' && !in_brackets_)) {
      colon |= peek(n) == ':';
      n++;
    }
    return simple(colon ? TokenKind::kMetricIdentifier : TokenKind::kIdentifier, n);
  }

  std::string_view in_;
  std::vector<Token>& tokens_;
  ParseError& error_;
  size_t at_ = 0;
  int paren_ = 0;
  bool in_braces_ = false;
  bool in_brackets_ = false;
};

}  // namespace

bool tokenize(std::string_view input, std::vector<Token>& tokens, ParseError& error) {
  return Lexer(input, tokens, error).run();
}

bool unquote(std::string_view q, std::string& out) {
  if (q.size() < 2 || q.front() != q.back()) return false;
  char delimiter = q.front();
  q = q.substr(1, q.size() - 2);
  out.clear();
  if (delimiter == '`') {
    for (char c : q) {
      if (c != '\r') out += c;
    }
    return true;
  }
  for (size_t i = 0; i < q.size();) {
    if (q[i] != '\\') {
      if (q[i] == '\n') return false;
      out += q[i++];
      continue;
    }
    if (++i >= q.size()) return false;
    char c = q[i++];
    auto hex = [&](size_t digits, uint32_t& value) {
      value = 0;
      for (size_t k = 0; k < digits; k++) {
        if (i >= q.size() || !is_hex(q[i])) return false;
        value = value << 4 | static_cast<uint32_t>(hex_value(q[i++]));
      }
      return true;
    };
    uint32_t v = 0;
    switch (c) {
      case 'a':
        out += '\a';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'v':
        out += '\v';
        break;
      case '\\':
        out += '\\';
        break;
      case 'x':
        if (!hex(2, v)) return false;
        out += static_cast<char>(v);
        break;
      case 'u':
      case 'U':
        if (!hex(c == 'u' ? 4 : 8, v) || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)) return false;
        append_utf8(out, v);
        break;
      case '\'':
      case '"':
        if (c != delimiter) return false;
        out += c;
        break;
      default: {
        if (c < '0' || c > '7') return false;
        v = static_cast<uint32_t>(c - '0');
        for (int k = 0; k < 2; k++) {
          if (i >= q.size() || q[i] < '0' || q[i] > '7') return false;
          v = v << 3 | static_cast<uint32_t>(q[i++] - '0');
        }
        if (v > 255) return false;
        out += static_cast<char>(v);
      }
    }
  }
  return true;
}

std::string line_and_column(std::string_view input, int32_t offset) {
  int line = 1;
  int32_t line_start = 0;
  for (int32_t i = 0; i < offset && i < static_cast<int32_t>(input.size()); i++) {
    if (input[static_cast<size_t>(i)] == '\n') {
      line++;
      line_start = i + 1;
    }
  }
  return std::to_string(line) + ":" + std::to_string(offset - line_start + 1);
}

}  // namespace sonde::promql

#include "api/sonde_sql.h"

#include <algorithm>

#include "model/labels.h"

namespace sonde::api {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Past the quoted text that begins at `i`; a doubled quote stays inside.
size_t past_quoted(std::string_view sql, size_t i) {
  char quote = sql[i++];
  while (i < sql.size()) {
    if (sql[i] == '\\' && quote == '\'') {
      i += 2;
    } else if (sql[i] == quote) {
      if (i + 1 >= sql.size() || sql[i + 1] != quote) return i + 1;
      i += 2;
    } else {
      i++;
    }
  }
  return sql.size();
}

}  // namespace

std::string normalise_statement(std::string_view sql) {
  std::string out;
  bool space = false;
  auto put = [&](std::string_view token) {
    bool tight = out.empty() || out.back() == '(' || token == "," || token == ")" || token == ";";
    if (space && !tight) out += ' ';
    space = false;
    // `?, ?` is `?`: how long a list was is data.
    if (token == "?" && (out.ends_with("?, ") || out.ends_with("?,"))) {
      out.resize(out.rfind('?') + 1);
      return;
    }
    out += token;
  };
  size_t i = 0;
  while (i < sql.size() && out.size() < kStatementTextBytesMax) {
    char c = sql[i];
    if (is_space(c)) {
      space = true;
      i++;
    } else if (sql.substr(i, 2) == "--") {
      i = std::min(sql.find('\n', i), sql.size());
      space = true;
    } else if (sql.substr(i, 2) == "/*") {
      size_t end = sql.find("*/", i + 2);
      i = end == std::string_view::npos ? sql.size() : end + 2;
      space = true;
    } else if (c == '\'') {
      i = past_quoted(sql, i);
      put("?");
    } else if (c == '"' || c == '`') {
      size_t end = past_quoted(sql, i);
      put(sql.substr(i, end - i));
      i = end;
    } else if (is_digit(c) || (c == '$' && i + 1 < sql.size() && is_digit(sql[i + 1]))) {
      while (i < sql.size() && (is_word(sql[i]) || sql[i] == '.')) i++;
      put("?");
    } else if (is_word(c)) {
      size_t begin = i;
      while (i < sql.size() && is_word(sql[i])) i++;
      put(sql.substr(begin, i - begin));
    } else if (c == ',') {
      put(",");
      space = true;
      i++;
    } else {
      put(sql.substr(i++, 1));
    }
  }
  if (out.size() > kStatementTextBytesMax) out.resize(kStatementTextBytesMax);
  while (!out.empty() && (out.back() == ';' || out.back() == ' ')) out.pop_back();
  return out;
}

std::string statement_fingerprint(std::string_view normalised) {
  std::string folded(normalised);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  uint64_t hash = hash_bytes(folded);
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; hash >>= 4) out[i] = "0123456789abcdef"[hash & 15];
  return out;
}

}  // namespace sonde::api

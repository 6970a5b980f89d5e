// Strategy: any bytes as SQL in each dialect. Invariants: nothing crashes; the output is bounded and free of
// control characters; normalising it again changes nothing (unless a bound cut it); no literal survives:
// outside quoted names there is neither a quote nor a token that starts with a digit.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "query/normalise.h"

namespace {

void check(bool ok) {
  if (!ok) std::abort();
}

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<uint8_t>(c) >= 0x80;
}

void no_literal_survives(const std::string& s, sonde::db::Dialect dialect) {
  for (size_t i = 0; i < s.size();) {
    char c = s[i];
    bool backtick = c == '`' && dialect != sonde::db::Dialect::kPostgres;
    bool bracket = c == '[' && dialect == sonde::db::Dialect::kSqlite;
    if (c == '"' || backtick || bracket) {
      char close = bracket ? ']' : c;
      size_t end = s.find(close, i + 1);
      while (end != std::string::npos && !bracket && end + 1 < s.size() && s[end + 1] == close) {
        end = s.find(close, end + 2);
      }
      check(end != std::string::npos);
      i = end + 1;
      continue;
    }
    check(c != '\'');
    check(!(c >= '0' && c <= '9'));
    if (is_name(c)) {
      while (i < s.size() && is_name(s[i])) i++;
    } else {
      i++;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sonde::db::Dialect;
  std::string_view sql(reinterpret_cast<const char*>(data), size);
  for (Dialect d : {Dialect::kGeneric, Dialect::kPostgres, Dialect::kSqlite, Dialect::kMysql}) {
    sonde::db::Normalised first;
    sonde::db::normalise(sql, d, first);
    check(first.text.size() <= sonde::db::kNormalisedBytesMax);
    for (char c : first.text) check(static_cast<uint8_t>(c) >= 0x20 && c != 0x7f);
    no_literal_survives(first.text, d);
    std::string operation;
    check(sonde::db::summary_of(first.text, operation).size() <= 255);
    if (first.truncated) continue;
    sonde::db::Normalised second;
    sonde::db::normalise(first.text, d, second);
    check(second.text == first.text);
    check(second.fingerprint == first.fingerprint);
  }
  return 0;
}

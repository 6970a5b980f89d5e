#include "net/base64.h"

#include <cstdint>

namespace sonde::net {
namespace {
constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}
}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    size_t n = bytes.size() - i < 3 ? bytes.size() - i : 3;
    uint32_t word = 0;
    for (size_t k = 0; k < 3; k++) {
      word = word << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    out += kAlphabet[word >> 18];
    out += kAlphabet[word >> 12 & 63];
    out += n > 1 ? kAlphabet[word >> 6 & 63] : '=';
    out += n > 2 ? kAlphabet[word & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 4) {
    bool last = i + 4 == text.size();
    size_t padding = 0;
    if (last && text[i + 3] == '=') padding = text[i + 2] == '=' ? 2 : 1;
    uint32_t word = 0;
    for (size_t k = 0; k < 4; k++) {
      int v = k >= 4 - padding ? 0 : value_of(text[i + k]);
      if (v < 0) return std::nullopt;
      word = word << 6 | static_cast<uint32_t>(v);
    }
    if ((padding == 1 && (word & 0xff) != 0) || (padding == 2 && (word & 0xffff) != 0)) return std::nullopt;
    out += static_cast<char>(word >> 16);
    if (padding < 2) out += static_cast<char>(word >> 8 & 0xff);
    if (padding < 1) out += static_cast<char>(word & 0xff);
  }
  return out;
}

}  // namespace sonde::net

// As much JSON as the shop speaks.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace shop {

inline std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out + '"';
}

// The number behind "key": in a document that we wrote ourselves; -1 if there is none.
inline int64_t number_in(const std::string& json, std::string_view key) {
  std::string needle = "\"" + std::string(key) + "\":";
  size_t at = json.find(needle);
  return at == std::string::npos ? -1 : std::strtoll(json.c_str() + at + needle.size(), nullptr, 10);
}

}  // namespace shop

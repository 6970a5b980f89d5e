// Length of the UTF-8 sequence at the start of a text.
#pragma once

#include <cstddef>
#include <string_view>

namespace sonde::wire {

// 0 when `text` is empty or does not start with a well-formed sequence (Unicode 15, table 3-7).
inline size_t utf8_sequence_length(std::string_view text) {
  if (text.empty()) return 0;
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  unsigned b0 = byte(0);
  if (b0 < 0x80) return 1;
  if (b0 >= 0xc2 && b0 <= 0xdf) return tail(1) ? 2 : 0;
  if (b0 >= 0xe0 && b0 <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    if (b0 == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
    if (b0 == 0xed && byte(1) > 0x9f) return 0;  // surrogates
    return 3;
  }
  if (b0 >= 0xf0 && b0 <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    if (b0 == 0xf0 && byte(1) < 0x90) return 0;
    if (b0 == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

// The first `bytes` of `text`, cut back to whole sequences: what error messages quote of their input.
inline std::string_view excerpt(std::string_view text, size_t bytes = 64) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) bytes--;
  return text.substr(0, bytes);
}

}  // namespace sonde::wire

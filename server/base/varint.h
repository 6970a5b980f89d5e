// LEB128 variable-length integers and the zigzag map for signed ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace sonde {

inline constexpr size_t kVarintBytesMax = 10;

inline void append_varint(std::string& out, uint64_t n) {
  while (n >= 0x80) {
    out.push_back(static_cast<char>(n | 0x80));
    n >>= 7;
  }
  out.push_back(static_cast<char>(n));
}

inline uint64_t zigzag(int64_t n) { return (static_cast<uint64_t>(n) << 1) ^ static_cast<uint64_t>(n >> 63); }
inline int64_t unzigzag(uint64_t n) { return static_cast<int64_t>(n >> 1) ^ -static_cast<int64_t>(n & 1); }

// Decodes at `at`, not beyond `end`, and moves `at` past it. False, with `at` unspecified, when it is cut off
// or longer than 64 bits.
inline bool read_varint(const char*& at, const char* end, uint64_t& n) {
  n = 0;
  for (int shift = 0; shift < 64 && at < end; shift += 7) {
    auto byte = static_cast<unsigned char>(*at++);
    if (shift == 63 && byte > 1) return false;
    n |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace sonde

// Numbers and strings as the exposition formats write them, into memory that the caller has made large
// enough.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sonde::inline v1::detail {

inline char* copy(char* out, std::string_view s) noexcept {
  if (!s.empty()) std::memcpy(out, s.data(), s.size());
  return out + s.size();
}

// Label values: backslash, quote and newline are escaped; what is not UTF-8 becomes U+FFFD, byte by byte.
size_t escaped_label_size(std::string_view value) noexcept;
char* escape_label(char* out, std::string_view value) noexcept;

// The length of the UTF-8 sequence at `p`, 0 if it is not one. `end` > `p`.
size_t utf8_length(const unsigned char* p, const unsigned char* end) noexcept;

// HELP: backslash and newline are escaped in both formats, quotes in OpenMetrics only.
void append_help(std::string& out, std::string_view help, bool openmetrics);

inline constexpr size_t kNumberBytes = 32;
// Shortest text that reads back as the same number; NaN, +Inf, -Inf.
char* write_double(char* out, double v) noexcept;
char* write_uint(char* out, uint64_t v) noexcept;
// Seconds, exactly, without trailing zeros.
char* write_seconds(char* out, int64_t ns) noexcept;
// A bucket bound: as write_double, but whole numbers end in ".0", as OpenMetrics asks and Prometheus
// normalises.
char* write_le(char* out, double bound) noexcept;

inline void append_double(std::string& out, double v) {
  char text[kNumberBytes];
  out.append(text, write_double(text, v));
}
inline void append_uint(std::string& out, uint64_t v) {
  char text[kNumberBytes];
  out.append(text, write_uint(text, v));
}
inline void append_seconds(std::string& out, int64_t ns) {
  char text[kNumberBytes];
  out.append(text, write_seconds(text, ns));
}
void append_hex(std::string& out, uint64_t v);  // 16 lower-case digits

}  // namespace sonde::inline v1::detail

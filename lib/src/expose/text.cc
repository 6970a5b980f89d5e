#include "expose/text.h"

#include <charconv>
#include <cmath>

namespace sonde::inline v1::detail {

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
size_t utf8_length(const unsigned char* p, const unsigned char* end) noexcept {
  auto continues = [&](size_t i) { return p + i < end && (p[i] & 0xc0) == 0x80; };
  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xc2 && p[0] <= 0xdf) return continues(1) ? 2 : 0;
  if (p[0] >= 0xe0 && p[0] <= 0xef) {
    if (!continues(1) || !continues(2)) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    return 3;
  }
  if (p[0] >= 0xf0 && p[0] <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return 4;
  }
  return 0;
}

namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Calls piece(text) for every stretch of the escaped form.
template <class F>
void each_label_piece(std::string_view value, F&& piece) {
  auto* p = reinterpret_cast<const unsigned char*>(value.data());
  auto* end = p + value.size();
  while (p < end) {
    size_t n = utf8_length(p, end);
    if (n == 0) {
      piece(kReplacement);
      n = 1;
    } else if (*p == '\\') {
      piece("\\\\");
    } else if (*p == '"') {
      piece("\\\"");
    } else if (*p == '\n') {
      piece("\\n");
    } else {
      piece(std::string_view(reinterpret_cast<const char*>(p), n));
    }
    p += n;
  }
}

}  // namespace

size_t escaped_label_size(std::string_view value) noexcept {
  size_t size = 0;
  each_label_piece(value, [&](std::string_view piece) { size += piece.size(); });
  return size;
}

char* escape_label(char* out, std::string_view value) noexcept {
  each_label_piece(value, [&](std::string_view piece) { out = copy(out, piece); });
  return out;
}

void append_help(std::string& out, std::string_view help, bool openmetrics) {
  auto* p = reinterpret_cast<const unsigned char*>(help.data());
  auto* end = p + help.size();
  while (p < end) {
    size_t n = utf8_length(p, end);
    if (n == 0) {
      out.append(kReplacement);
      n = 1;
    } else if (*p == '\\') {
      out.append("\\\\");
    } else if (*p == '\n') {
      out.append("\\n");
    } else if (*p == '"' && openmetrics) {
      out.append("\\\"");
    } else {
      out.append(reinterpret_cast<const char*>(p), n);
    }
    p += n;
  }
}

char* write_double(char* out, double v) noexcept {
  if (std::isnan(v)) return copy(out, "NaN");
  if (std::isinf(v)) return copy(out, v > 0 ? "+Inf" : "-Inf");
  return std::to_chars(out, out + kNumberBytes, v).ptr;
}

char* write_uint(char* out, uint64_t v) noexcept { return std::to_chars(out, out + kNumberBytes, v).ptr; }

char* write_seconds(char* out, int64_t ns) noexcept {
  uint64_t magnitude = static_cast<uint64_t>(ns);
  if (ns < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  out = write_uint(out, magnitude / 1'000'000'000);
  auto fraction = static_cast<uint32_t>(magnitude % 1'000'000'000);
  if (fraction == 0) return out;
  *out++ = '.';
  for (uint32_t unit = 100'000'000; fraction != 0; unit /= 10) {
    *out++ = static_cast<char>('0' + fraction / unit);
    fraction %= unit;
  }
  return out;
}

char* write_le(char* out, double bound) noexcept {
  char* end = std::to_chars(out, out + 25, bound).ptr;
  for (char* p = out; p < end; p++) {
    if (*p == '.' || *p == 'e') return end;
  }
  return copy(end, ".0");
}

void append_hex(std::string& out, uint64_t v) {
  char text[16];
  for (int i = 15; i >= 0; i--, v >>= 4) text[i] = "0123456789abcdef"[v & 15];
  out.append(text, 16);
}

}  // namespace sonde::inline v1::detail

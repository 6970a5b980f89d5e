#include "model/event.h"

namespace sonde {
namespace {

template <size_t N>
std::string hex(const std::array<uint8_t, N>& bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * N);
  for (uint8_t b : bytes) out += {kHex[b >> 4], kHex[b & 15]};
  return out;
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

template <size_t N>
bool unhex(std::string_view text, std::array<uint8_t, N>& out) {
  if (text.empty() || text.size() > 2 * N) return false;
  size_t at = 2 * N - text.size();  // in half bytes
  for (char c : text) {
    int d = digit(c);
    if (d < 0) return false;
    out[at / 2] = static_cast<uint8_t>(out[at / 2] | (at % 2 == 0 ? d << 4 : d));
    at++;
  }
  return true;
}

}  // namespace

std::string TraceId::to_hex() const { return hex(bytes); }
std::string SpanId::to_hex() const { return hex(bytes); }

std::optional<TraceId> TraceId::from_hex(std::string_view text) {
  TraceId id;
  if (!unhex(text, id.bytes)) return std::nullopt;
  return id;
}

std::optional<SpanId> SpanId::from_hex(std::string_view text) {
  SpanId id;
  if (!unhex(text, id.bytes)) return std::nullopt;
  return id;
}

const char* to_string(SpanKind kind) {
  switch (kind) {
    case SpanKind::kUnspecified:
      return "unspecified";
    case SpanKind::kInternal:
      return "internal";
    case SpanKind::kServer:
      return "server";
    case SpanKind::kClient:
      return "client";
    case SpanKind::kProducer:
      return "producer";
    case SpanKind::kConsumer:
      return "consumer";
  }
  return "unspecified";
}

}  // namespace sonde

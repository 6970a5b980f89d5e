// How lines and spans lie in a ring: a fixed head, then bytes. Only this process reads them, so that numbers
// are in memory order and literals are pointers.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "sonde/field.h"

namespace sonde::inline v1::detail {

struct LogHead {
  int64_t unix_ns;
  uint64_t trace_high, trace_low, span_id;
  const char* file;
  const char* logger;
  const char* message;  // null: the text lies behind the head
  uint32_t message_size;
  uint32_t logger_size;
  uint32_t line;
  uint32_t thread_id;
  uint16_t field_count;
  uint8_t level;
  uint8_t trace_flags;
};

struct SpanHead {
  int64_t start_unix_ns, end_unix_ns;
  uint64_t trace_high, trace_low, span_id, parent_span_id;
  uint32_t item_bytes;
  uint32_t state_size;  // tracestate, between head and items
  uint16_t dropped_attributes, dropped_events;
  uint8_t flags;
  uint8_t kind;
  uint8_t status;
  bool parent_remote;
};

// What a span gathers: items in the order of the calls.
enum class SpanItem : uint8_t { kName, kAttribute, kEvent, kLink, kStatusText };

struct ItemHead {
  uint32_t size;  // of what follows
  SpanItem item;
};

struct EventHead {
  int64_t unix_ns;
  uint32_t name_size;
  uint32_t field_count;
};

struct LinkHead {
  uint64_t trace_high, trace_low, span_id;
  uint8_t flags;
};

struct FieldHead {
  uint32_t text_size;
  uint16_t key_size;
  Field::Type type;
};

inline constexpr size_t kKeyMax = 1024;

inline std::string_view field_key(const Field& f) noexcept { return f.key.substr(0, kKeyMax); }

inline size_t field_size(const Field& f) noexcept {
  return sizeof(FieldHead) + field_key(f).size() + (f.type == Field::Type::kText ? f.text.size() : 8);
}

inline char* put(char* out, const void* bytes, size_t n) noexcept {
  if (n != 0) std::memcpy(out, bytes, n);
  return out + n;
}

inline char* write_field(char* out, const Field& f) noexcept {
  std::string_view key = field_key(f);
  bool text = f.type == Field::Type::kText;
  FieldHead head{text ? static_cast<uint32_t>(f.text.size()) : 0, static_cast<uint16_t>(key.size()), f.type};
  out = put(out, &head, sizeof head);
  out = put(out, key.data(), key.size());
  if (text) return put(out, f.text.data(), f.text.size());
  uint64_t bits = 0;
  switch (f.type) {
    case Field::Type::kBool:
      bits = f.boolean ? 1 : 0;
      break;
    case Field::Type::kInt:
      bits = static_cast<uint64_t>(f.integer);
      break;
    case Field::Type::kUint:
      bits = f.natural;
      break;
    default:
      std::memcpy(&bits, &f.real, 8);
      break;
  }
  return put(out, &bits, sizeof bits);
}

// Reads the field at `in` and moves past it. Its text borrows from the ring.
inline Field read_field(const char*& in) noexcept {
  FieldHead head;
  std::memcpy(&head, in, sizeof head);
  in += sizeof head;
  std::string_view key(in, head.key_size);
  in += head.key_size;
  if (head.type == Field::Type::kText) {
    std::string_view text(in, head.text_size);
    in += head.text_size;
    return Field(key, text);
  }
  uint64_t bits;
  std::memcpy(&bits, in, 8);
  in += 8;
  switch (head.type) {
    case Field::Type::kBool:
      return Field(key, bits != 0);
    case Field::Type::kInt:
      return Field(key, static_cast<int64_t>(bits));
    case Field::Type::kUint:
      return Field(key, bits);
    default: {
      double real;
      std::memcpy(&real, &bits, 8);
      return Field(key, real);
    }
  }
}

}  // namespace sonde::inline v1::detail

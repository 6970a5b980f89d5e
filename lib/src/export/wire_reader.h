// For tests: reads protocol buffer messages without knowing what the encoder does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wire {

struct Entry {
  uint32_t field;
  uint32_t type;
  uint64_t number;
  std::string_view bytes;
};

struct Message {
  std::shared_ptr<const std::string> owned;  // what the entries point into
  std::vector<Entry> entries;
  bool valid = true;

  explicit Message(std::string_view bytes_in) : owned(std::make_shared<const std::string>(bytes_in)) {
    std::string_view in = *owned;
    auto varint = [&](uint64_t& v) {
      v = 0;
      for (int shift = 0; shift < 64; shift += 7) {
        if (in.empty()) return false;
        auto byte = static_cast<unsigned char>(in.front());
        in.remove_prefix(1);
        v |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
      }
      return false;
    };
    while (!in.empty()) {
      uint64_t tag, n = 0;
      std::string_view bytes;
      valid = varint(tag);
      if (valid && (tag & 7) == 0) {
        valid = varint(n);
      } else if (valid && ((tag & 7) == 1 || (tag & 7) == 5)) {
        size_t size = (tag & 7) == 1 ? 8 : 4;
        valid = in.size() >= size;
        for (size_t i = 0; valid && i < size; i++)
          n |= static_cast<uint64_t>(static_cast<unsigned char>(in[i])) << 8 * i;
        if (valid) in.remove_prefix(size);
      } else if (valid && (tag & 7) == 2) {
        valid = varint(n) && n <= in.size();
        if (valid) {
          bytes = in.substr(0, n);
          in.remove_prefix(n);
        }
      } else {
        valid = false;
      }
      if (!valid) return;
      entries.push_back({static_cast<uint32_t>(tag >> 3), static_cast<uint32_t>(tag & 7), n, bytes});
    }
  }

  std::vector<Message> all(uint32_t field) const {
    std::vector<Message> out;
    for (const Entry& e : entries) {
      if (e.field == field) out.emplace_back(e.bytes);
    }
    return out;
  }
  std::string text(uint32_t field) const {
    for (const Entry& e : entries) {
      if (e.field == field) return std::string(e.bytes);
    }
    return "<absent>";
  }
  uint64_t number(uint32_t field) const {
    for (const Entry& e : entries) {
      if (e.field == field) return e.number;
    }
    return UINT64_MAX;
  }
};

// The value of an attribute in a repeated KeyValue field, as text: "s:shop", "i:5", "b:1", "d:<bits>".
inline std::string attribute(const Message& m, uint32_t field, std::string_view key) {
  std::string found = "<absent>";
  for (const Message& kv : m.all(field)) {
    if (kv.text(1) != key) continue;
    if (found != "<absent>") return "<twice>";
    const Message value = kv.all(2).at(0);
    const Entry& e = value.entries.at(0);
    const char* kinds[] = {"?", "s:", "b:", "i:", "d:"};
    found = kinds[e.field < 5 ? e.field : 0] +
            (e.field == 1 ? std::string(e.bytes) : std::to_string(static_cast<int64_t>(e.number)));
  }
  return found;
}

}  // namespace wire

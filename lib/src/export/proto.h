// Protocol buffers, the writing half: appends fields to a string.
// Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sonde::inline v1::detail {

class ProtoWriter {
 public:
  explicit ProtoWriter(std::string& out) : out_(out) {}

  void varint(uint32_t field, uint64_t v) {
    tag(field, 0);
    raw_varint(v);
  }
  void fixed64(uint32_t field, uint64_t v) {
    tag(field, 1);
    little_endian(v, 8);
  }
  void fixed32(uint32_t field, uint32_t v) {
    tag(field, 5);
    little_endian(v, 4);
  }
  void real(uint32_t field, double v) {
    uint64_t bits;
    std::memcpy(&bits, &v, 8);
    fixed64(field, bits);
  }
  void bytes(uint32_t field, std::string_view v) {
    tag(field, 2);
    raw_varint(v.size());
    out_.append(v);
  }
  // A proto3 string must be UTF-8: other bytes become U+FFFD.
  void text(uint32_t field, std::string_view v);
  // A trace or span id: big-endian.
  void id(uint32_t field, uint64_t high, uint64_t low) {
    tag(field, 2);
    raw_varint(16);
    big_endian(high);
    big_endian(low);
  }
  void id(uint32_t field, uint64_t v) {
    tag(field, 2);
    raw_varint(8);
    big_endian(v);
  }
  // A nested message: what `write` appends. Its length is known afterwards, so that longer ones are moved.
  template <class F>
  void message(uint32_t field, F&& write) {
    tag(field, 2);
    size_t at = out_.size();
    out_ += '\0';
    write();
    close(at);
  }

 private:
  void tag(uint32_t field, uint32_t wire) { raw_varint(field << 3 | wire); }
  void raw_varint(uint64_t v) {
    while (v >= 0x80) {
      out_ += static_cast<char>(v | 0x80);
      v >>= 7;
    }
    out_ += static_cast<char>(v);
  }
  void little_endian(uint64_t v, int n) {
    for (int i = 0; i < n; i++, v >>= 8) out_ += static_cast<char>(v);
  }
  void big_endian(uint64_t v) {
    for (int shift = 56; shift >= 0; shift -= 8) out_ += static_cast<char>(v >> shift);
  }
  void close(size_t at);

  std::string& out_;
};

}  // namespace sonde::inline v1::detail

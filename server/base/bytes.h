// Writing and reading of little-endian binary records. The reader is total: whatever the bytes are, it ends
// with ok() false rather than beyond the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/varint.h"

namespace sonde {

static_assert(std::endian::native == std::endian::little, "the on-disk formats are little-endian");

inline std::span<const std::byte> as_byte_span(std::string_view s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}
inline std::span<std::byte> as_writable_byte_span(std::string& s) {
  return std::as_writable_bytes(std::span(s.data(), s.size()));
}

// Appends to a string that it owns.
class ByteWriter {
 public:
  template <class T>
    requires std::is_arithmetic_v<T>
  ByteWriter& fixed(T v) {
    char raw[sizeof v];
    std::memcpy(raw, &v, sizeof v);
    out_.append(raw, sizeof v);
    return *this;
  }
  ByteWriter& varint(uint64_t v) {
    append_varint(out_, v);
    return *this;
  }
  ByteWriter& svarint(int64_t v) { return varint(zigzag(v)); }
  // Length, then the bytes.
  ByteWriter& text(std::string_view s) {
    varint(s.size());
    out_.append(s);
    return *this;
  }
  ByteWriter& raw(std::string_view s) {
    out_.append(s);
    return *this;
  }
  size_t size() const { return out_.size(); }
  std::string& buffer() { return out_; }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads from borrowed bytes. After the first failure everything reads as zero or empty; check ok() at the
// end, and before trusting a count.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  template <class T>
    requires std::is_arithmetic_v<T>
  T fixed() {
    T v{};
    if (left() < sizeof v) return fail_with(v);
    std::memcpy(&v, at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  uint64_t varint() {
    uint64_t v = 0;
    if (!ok_ || !read_varint(at_, end_, v)) return fail_with(uint64_t{0});
    return v;
  }
  int64_t svarint() { return unzigzag(varint()); }
  std::string_view text() { return raw(varint()); }
  std::string_view raw(uint64_t n) {
    if (n > left()) return fail_with(std::string_view());
    std::string_view s(at_, static_cast<size_t>(n));
    at_ += n;
    return s;
  }
  // A count of things that take at least `bytes_each` each: fails when they cannot all be there, so that a
  // damaged count never makes us reserve memory.
  size_t count(size_t bytes_each = 1) {
    uint64_t n = varint();
    if (n > left() / bytes_each) return fail_with(size_t{0});
    return static_cast<size_t>(n);
  }
  size_t left() const { return ok_ ? static_cast<size_t>(end_ - at_) : 0; }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && at_ == end_; }

 private:
  template <class T>
  T fail_with(T v) {
    ok_ = false;
    return v;
  }
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace sonde

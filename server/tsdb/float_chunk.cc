#include "tsdb/float_chunk.h"

#include <algorithm>
#include <bit>

#include "base/varint.h"

namespace sonde::tsdb {
namespace {

// Widths of the delta-of-delta classes behind the prefixes 10, 110, 1110, 1111. Milliseconds need more bits
// than the paper's seconds; these are Prometheus's.
constexpr int kClassBits[] = {14, 17, 20, 64};

bool fits(int64_t v, int bits) {
  int64_t half = int64_t{1} << (bits - 1);
  return v >= -half && v < half;
}

class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}
  uint64_t take(int bits) {
    uint64_t out = 0;
    while (bits > 0) {
      size_t byte = at_ >> 3;
      if (byte >= bytes_.size()) {
        ok_ = false;
        return 0;
      }
      int offset = static_cast<int>(at_ & 7);
      int n = std::min(8 - offset, bits);
      auto b = static_cast<unsigned char>(bytes_[byte]);
      out = out << n | ((b >> (8 - offset - n)) & ((1u << n) - 1));
      at_ += static_cast<size_t>(n);
      bits -= n;
    }
    return out;
  }
  bool ok() const { return ok_; }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace

void FloatChunkEncoder::put(std::string& bytes, uint64_t value, int bits) {
  while (bits > 0) {
    if (free_bits_ == 0) {
      bytes.push_back(0);
      free_bits_ = 8;
    }
    int n = std::min<int>(free_bits_, bits);
    uint64_t part = (value >> (bits - n)) & ((uint64_t{1} << n) - 1);
    bytes.back() = static_cast<char>(static_cast<unsigned char>(bytes.back()) | part << (free_bits_ - n));
    free_bits_ = static_cast<uint8_t>(free_bits_ - n);
    bits -= n;
  }
}

void FloatChunkEncoder::append(std::string& bytes, Timestamp time, double v) {
  auto t = static_cast<uint64_t>(time.ms);
  auto value = std::bit_cast<uint64_t>(v);
  if (count_ == 0) {
    put(bytes, t, 64);
    put(bytes, value, 64);
  } else {
    uint64_t delta = t - t_;
    auto dod = static_cast<int64_t>(delta - delta_);
    if (dod == 0) {
      put(bytes, 0, 1);
    } else if (fits(dod, kClassBits[0])) {
      put(bytes, 0b10, 2);
      put(bytes, static_cast<uint64_t>(dod), kClassBits[0]);
    } else if (fits(dod, kClassBits[1])) {
      put(bytes, 0b110, 3);
      put(bytes, static_cast<uint64_t>(dod), kClassBits[1]);
    } else if (fits(dod, kClassBits[2])) {
      put(bytes, 0b1110, 4);
      put(bytes, static_cast<uint64_t>(dod), kClassBits[2]);
    } else {
      put(bytes, 0b1111, 4);
      put(bytes, static_cast<uint64_t>(dod), 64);
    }
    delta_ = delta;
    uint64_t x = value ^ value_;
    if (x == 0) {
      put(bytes, 0, 1);
    } else {
      int leading = std::min(std::countl_zero(x), 31);
      int trailing = std::countr_zero(x);
      if (leading_ != 0xff && leading >= leading_ && trailing >= trailing_) {
        put(bytes, 0b10, 2);
        put(bytes, x >> trailing_, 64 - leading_ - trailing_);
      } else {
        leading_ = static_cast<uint8_t>(leading);
        trailing_ = static_cast<uint8_t>(trailing);
        int width = 64 - leading - trailing;
        put(bytes, 0b11, 2);
        put(bytes, static_cast<uint64_t>(leading), 5);
        put(bytes, static_cast<uint64_t>(width & 63), 6);  // 64 is written as 0
        put(bytes, x >> trailing, width);
      }
    }
  }
  t_ = t;
  value_ = value;
  count_++;
}

bool decode_float_chunk(std::string_view bytes, uint32_t count, std::vector<Timestamp>& times,
                        std::vector<double>& values) {
  if (count == 0) return true;
  BitReader in(bytes);
  uint64_t t = in.take(64), value = in.take(64), delta = 0;
  int leading = 0, trailing = 0;
  if (!in.ok()) return false;
  times.push_back({static_cast<int64_t>(t)});
  values.push_back(std::bit_cast<double>(value));
  for (uint32_t i = 1; i < count; i++) {
    if (in.take(1) != 0) {
      int cls = 0;
      while (cls < 3 && in.take(1) != 0) cls++;
      int bits = kClassBits[cls];
      uint64_t raw = in.take(bits);
      if (bits < 64 && (raw >> (bits - 1)) != 0) raw |= ~uint64_t{0} << bits;
      delta += raw;
    }
    t += delta;
    if (in.take(1) != 0) {
      if (in.take(1) != 0) {
        leading = static_cast<int>(in.take(5));
        int width = static_cast<int>(in.take(6));
        if (width == 0) width = 64;
        if (leading + width > 64) return false;
        trailing = 64 - leading - width;
      }
      value ^= in.take(64 - leading - trailing) << trailing;
    }
    if (!in.ok()) return false;
    times.push_back({static_cast<int64_t>(t)});
    values.push_back(std::bit_cast<double>(value));
  }
  return true;
}

}  // namespace sonde::tsdb

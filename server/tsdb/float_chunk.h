// Runs of float samples of one series, compressed: delta-of-delta timestamps and XOR-ed values (Gorilla,
// Pelkonen et al., VLDB 2015, sections 4.1.1 and 4.1.2). Bit-exact for every double and every int64
// timestamp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace sonde::tsdb {

// Appends to `bytes`, which it does not own, and which only it may change. Threads: one.
class FloatChunkEncoder {
 public:
  void append(std::string& bytes, Timestamp t, double v);

 private:
  void put(std::string& bytes, uint64_t value, int bits);
  uint64_t t_ = 0;
  uint64_t delta_ = 0;
  uint64_t value_ = 0;
  uint32_t count_ = 0;
  uint8_t leading_ = 0xff;  // of the last window; 0xff: none yet
  uint8_t trailing_ = 0;
  uint8_t free_bits_ = 0;  // in the last byte
};

// Decodes `count` samples and appends them to the columns. False when the bytes end early; what was decoded
// until then is appended.
bool decode_float_chunk(std::string_view bytes, uint32_t count, std::vector<Timestamp>& times,
                        std::vector<double>& values);

}  // namespace sonde::tsdb

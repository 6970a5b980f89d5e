// Strategy: any bytes as a snappy block and as raw data. Invariants: no crash; nothing longer than the limit
// comes out; raw data survive the round trip.
#include <cstdlib>
#include <string>

#include "wire/compression.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto raw = sonde::wire::snappy_decode(bytes, 4096); raw && raw->size() > 4096) std::abort();
  auto back = sonde::wire::snappy_decode(sonde::wire::snappy_encode(bytes), size);
  if (!back || *back != bytes) std::abort();
  return 0;
}

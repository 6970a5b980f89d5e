// Snappy's block format, as remote write and Loki push use it. (Streams of gzip, deflate and zstd are decoded
// in net/, bounded while they arrive.)
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace sonde::wire {

// Checks the declared length against `bytes_max` (kLimit) and against what the input could possibly expand to
// (kInvalid) before allocating. kInvalid on malformed input.
Result<std::string> snappy_decode(std::string_view compressed, size_t bytes_max);
std::string snappy_encode(std::string_view raw);

}  // namespace sonde::wire

#include "wire/compression.h"

#include <fmt/format.h>
#include <snappy.h>

namespace sonde::wire {

Result<std::string> snappy_decode(std::string_view compressed, size_t bytes_max) {
  size_t declared = 0;
  if (!snappy::GetUncompressedLength(compressed.data(), compressed.size(), &declared)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("snappy: no valid length at the start of {} bytes", compressed.size()));
  }
  if (declared > bytes_max) {
    return fail(ErrorCode::kLimit,
                fmt::format("snappy: declares {} bytes, the limit is {}", declared, bytes_max));
  }
  // The best that an element can do is 64 bytes out of 3 (a copy with a two-byte offset).
  if (declared / 22 > compressed.size()) {
    return fail(ErrorCode::kInvalid, fmt::format("snappy: {} bytes cannot expand to the declared {}",
                                                 compressed.size(), declared));
  }
  std::string raw(declared, '\0');
  if (!snappy::RawUncompress(compressed.data(), compressed.size(), raw.data())) {
    return fail(ErrorCode::kInvalid, fmt::format("snappy: corrupt block of {} bytes", compressed.size()));
  }
  return raw;
}

std::string snappy_encode(std::string_view raw) {
  std::string out;
  snappy::Compress(raw.data(), raw.size(), &out);
  return out;
}

}  // namespace sonde::wire

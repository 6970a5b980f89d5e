// CRC-32C (Castagnoli, RFC 3720): the checksum of every file that we write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sonde {

// The checksum of what `crc` covers followed by `data`; start with 0. Uses the SSE4.2 instruction where the
// processor has it.
uint32_t crc32c(std::string_view data, uint32_t crc = 0);

// Table-driven, the same answer on every machine: the oracle of the test and the fallback.
uint32_t crc32c_portable(std::string_view data, uint32_t crc = 0);

}  // namespace sonde

// Blocks of log records and spans as bytes: the payload of WAL records and of part-file blocks. Format:
// docs/format/parts.md. Decoding is total: damaged bytes give kCorrupt.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/event.h"

namespace sonde::parts {

// Streams and resources are written once a block; the decoded events share them again.
std::string encode_logs(std::span<const LogRecord* const> records);
Result<std::vector<LogRecord>> decode_logs(std::string_view bytes);

std::string encode_spans(std::span<const Span* const> spans);
Result<std::vector<Span>> decode_spans(std::string_view bytes);

// What a value costs in memory, roughly: for the bounds of buffers and caches. Bytes.
size_t memory_bytes(const LogRecord& record);
size_t memory_bytes(const Span& span);

}  // namespace sonde::parts

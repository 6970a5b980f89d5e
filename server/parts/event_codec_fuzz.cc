// Strategy: any bytes are decoded as a block of logs, as a block of spans and as a part's index.
// Invariants: no crash and no runaway memory; what decodes encodes again, and decodes to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "parts/event_codec.h"
#include "parts/part_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto logs = parts::decode_logs(bytes)) {
    std::vector<const LogRecord*> pointers;
    for (const LogRecord& r : *logs) pointers.push_back(&r);
    std::string once = parts::encode_logs(pointers);
    auto again = parts::decode_logs(once);
    if (!again || again->size() != logs->size()) std::abort();
  }
  if (auto spans = parts::decode_spans(bytes)) {
    std::vector<const Span*> pointers;
    for (const Span& s : *spans) pointers.push_back(&s);
    auto again = parts::decode_spans(parts::encode_spans(pointers));
    if (!again || again->size() != spans->size()) std::abort();
  }
  if (auto index = parts::decode_index(bytes, 1 << 20)) {
    std::string once = parts::encode_index(*index);
    auto again = parts::decode_index(once, 1 << 20);
    if (!again || parts::encode_index(*again) != once) std::abort();
  }
  return 0;
}

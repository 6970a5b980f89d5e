// Decoders of the metric log's records. Strategy: the first byte chooses the record type, the rest is its
// data, as it would be after a collision of the checksum. Invariants: no crash, no allocation beyond a small
// multiple of the input, and what decodes encodes to something that decodes to as many rows.
#include "base/assert.h"
#include "tsdb/wal_records.h"

using namespace sonde;
using namespace sonde::tsdb;

namespace {

template <class Decode>
void round_trip(std::string_view data, Decode decode) {
  auto rows = decode(data);
  if (!rows) return;
  WalRows out;
  for (const auto& row : *rows) out.add(row);
  auto again = decode(out.take());
  SONDE_ASSERT(again.has_value() && again->size() == rows->size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  std::string_view data(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 6) {
    case 0:
      round_trip(data, decode_series);
      break;
    case 1:
      round_trip(data, decode_floats);
      break;
    case 2:
      round_trip(data, decode_histograms);
      break;
    case 3:
      round_trip(data, decode_exemplars);
      break;
    case 4:
      round_trip(data, decode_metadata);
      break;
    default:
      if (auto t = decode_tombstones(data))
        SONDE_ASSERT(decode_tombstones(encode_tombstones(*t)).has_value());
  }
  return 0;
}

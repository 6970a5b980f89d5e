// Strategy: the bytes as protobuf inside a good snappy block (so that the fuzzer gets past the compression),
// and once as the body itself. Invariants: no crash; row indexes are in range; what was decoded encodes to a
// request that decodes to the same rows without rejections.
#include <cstdlib>
#include <string>

#include "wire/compression.h"
#include "wire/remote_write.h"

namespace {

using namespace sonde;
using namespace sonde::wire;

void require(bool ok) {
  if (!ok) std::abort();
}

void check(const MetricRows& rows) {
  for (const auto& f : rows.floats) require(f.series < rows.series.size());
  for (const auto& h : rows.histograms) require(h.series < rows.series.size() && h.h != nullptr);
  for (const auto& e : rows.exemplars) require(e.series < rows.series.size());
  for (const auto& s : rows.series) require(!s.metric_name().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  RemoteWriteLimits limits;
  limits.bytes_max = 1 << 20;
  (void)decode_remote_write_v1(bytes, limits);
  std::string block = snappy_encode(bytes);
  if (auto rows = decode_remote_write_v1(block, limits)) {
    check(*rows);
    auto again = decode_remote_write_v1(encode_remote_write_v1(*rows), {});
    require(again.has_value() && again->rejected == 0 && again->series == rows->series);
    require(again->floats.size() == rows->floats.size() &&
            again->histograms.size() == rows->histograms.size());
  }
  if (auto rows = decode_remote_write_v2(block, limits)) {
    check(*rows);
    auto again = decode_remote_write_v2(encode_remote_write_v2(*rows), {});
    require(again.has_value() && again->rejected == 0 && again->series == rows->series);
    require(again->floats.size() == rows->floats.size() &&
            again->histograms.size() == rows->histograms.size());
  }
  return 0;
}

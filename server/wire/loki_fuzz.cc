// Strategy: the first byte chooses JSON, protobuf (inside a good snappy block) or a label set. Invariants: no
// crash; records have a service name and a level; what was decoded encodes to a push that decodes to as many
// records; a label set that was read prints as one that reads the same.
#include <cstdlib>
#include <string>

#include "wire/compression.h"
#include "wire/loki.h"

namespace {

using namespace sonde;
using namespace sonde::wire;

void require(bool ok) {
  if (!ok) std::abort();
}

void check(const std::vector<LogRecord>& records) {
  for (const LogRecord& r : records) {
    require(r.stream.has("service_name") && find_attribute(r.attributes, "detected_level") != nullptr);
  }
  auto again = decode_loki_push_protobuf(encode_loki_push_protobuf(records), {});
  require(again.has_value() && again->size() == records.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  LokiPushLimits limits{
      .bytes_max = 1 << 20, .records_max = 100, .labels_max = 8, .metadata_max = 8, .line_bytes_max = 1000};
  if (data[0] % 3 == 0) {
    if (auto records = decode_loki_push_json(body, limits)) check(*records);
  } else if (data[0] % 3 == 1) {
    if (auto records = decode_loki_push_protobuf(snappy_encode(body), limits)) check(*records);
  } else if (auto labels = parse_loki_labels(body); labels && !labels->empty()) {
    auto again = parse_loki_labels(labels->to_string());
    require(again.has_value() && *again == *labels);
  }
  return 0;
}

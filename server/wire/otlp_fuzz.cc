// Strategy: the first byte chooses signal and encoding; the rest is the request, with small limits.
// Invariants: no crash; spans have ids and do not end before they start; every record has a service and a
// level; series have names; what was decoded encodes to a request that decodes to as many items, none
// rejected.
#include <cstdlib>
#include <string>

#include "wire/otlp.h"

namespace {
void require(bool ok) {
  if (!ok) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde;
  using namespace sonde::wire;
  if (size == 0) return 0;
  std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  OtlpEncoding encoding = (data[0] & 1) != 0 ? OtlpEncoding::kJson : OtlpEncoding::kProtobuf;
  OtlpLimits limits{.attribute_depth_max = 8, .attributes_max = 64, .items_max = 1000, .buckets_max = 64};
  switch ((data[0] >> 1) % 3) {
    case 0:
      if (auto out = decode_otlp_traces(body, encoding, limits)) {
        for (const Span& s : out->spans) {
          require(!s.trace_id.empty() && !s.span_id.empty() && s.start <= s.end && !s.service.empty());
        }
        auto again = decode_otlp_traces(encode_otlp_traces(out->spans), OtlpEncoding::kProtobuf, {});
        require(again.has_value() && again->rejected == 0 && again->spans.size() == out->spans.size());
      }
      break;
    case 1:
      if (auto out = decode_otlp_logs(body, encoding, limits)) {
        for (const LogRecord& r : out->records) {
          require(r.stream.has("service_name") && find_attribute(r.attributes, "detected_level") != nullptr);
        }
        auto again = decode_otlp_logs(encode_otlp_logs(out->records), OtlpEncoding::kProtobuf, {});
        require(again.has_value() && again->records.size() == out->records.size());
      }
      break;
    default:
      if (auto out = decode_otlp_metrics(body, encoding, limits)) {
        for (const auto& s : out->series) require(!s.metric_name().empty());
        for (const auto& f : out->floats) require(f.series < out->series.size());
        for (const auto& e : out->exemplars) require(e.series < out->series.size());
        require((out->rejected > 0) == !out->rejection.empty());
      }
  }
  return 0;
}

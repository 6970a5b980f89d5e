// Pieces that the decoders of all three OTLP signals share; internal to wire.
#pragma once

#include <memory>
#include <string>

#include "model/attributes.h"
#include "model/event.h"
#include "wire/otlp.h"
#include "wire/pbf_error.h"

namespace sonde::wire {

class OtlpReader {
 public:
  explicit OtlpReader(const OtlpLimits& limits) : limits_(limits) {}

  // A KeyValue, appended.
  void key_value(protozero::pbf_reader kv, Attributes& out, int depth = 0) const;
  AttributeValue any_value(protozero::pbf_reader r, int depth = 0) const;
  // Later values of a key replace earlier ones.
  static void make_unique(Attributes& attributes);
  std::shared_ptr<const Attributes> resource(protozero::pbf_reader r) const;
  static InstrumentationScope scope(protozero::pbf_reader r);
  void count_item();

  [[noreturn]] static void refuse(ErrorCode code, std::string message) {
    throw PbfRefusal{code, std::move(message)};
  }
  const OtlpLimits& limits() const { return limits_; }

  template <class Id>
  static bool read_id(std::string_view bytes, Id& id) {
    if (bytes.size() != id.bytes.size()) return false;
    std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
    return !id.empty();
  }

 private:
  const OtlpLimits& limits_;
  size_t items_ = 0;
};

// Nanoseconds since 1970; saturated where int64 ends.
inline EventTime otlp_time(uint64_t ns) {
  return {ns > static_cast<uint64_t>(INT64_MAX) ? INT64_MAX : static_cast<int64_t>(ns)};
}

// The message as it is, or translated from JSON into `buffer`.
inline Result<std::string_view> otlp_protobuf(std::string_view body, OtlpEncoding encoding, OtlpSignal signal,
                                              std::string& buffer) {
  if (encoding == OtlpEncoding::kProtobuf) return body;
  SONDE_TRY(buffer, otlp_json_to_protobuf(body, signal));
  return std::string_view(buffer);
}

}  // namespace sonde::wire

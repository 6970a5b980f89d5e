// Runs a protozero decoder and turns its exceptions into errors; internal to wire.
#pragma once

#include <fmt/format.h>

#include <protozero/pbf_reader.hpp>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace sonde::wire {

// Thrown by decoders for what protozero itself cannot see (a limit, a wrong wire type); never leaves decode_pbf.
struct PbfRefusal {
  ErrorCode code;
  std::string message;
};

// Where the decoder is, for messages: set by decoders as they go down.
struct PbfPlace {
  const char* field = "message";
};

inline std::string_view to_view(protozero::data_view v) { return {v.data(), v.size()}; }

// `decode(reader, place)` may throw protozero's exceptions and PbfRefusal.
template <class F>
Result<> decode_pbf(std::string_view what, std::string_view bytes, F&& decode) {
  PbfPlace place;
  protozero::pbf_reader reader(bytes.data(), bytes.size());
  auto where = [&] {
    auto rest = reader.data();
    return bytes.size() - std::min(bytes.size(), static_cast<size_t>(rest.size()));
  };
  try {
    decode(reader, place);
    return {};
  } catch (const PbfRefusal& refusal) {
    return fail(refusal.code, fmt::format("{}: {}: {} (before byte {})", what, place.field, refusal.message, where()));
  } catch (const protozero::exception& e) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{}: {}: malformed protobuf: {} (before byte {} of {})", what, place.field, e.what(), where(),
                            bytes.size()));
  }
}

// The reader asserts the wire type of what it gets; this refuses a wrong one instead. True: the field may be read.
inline void want(const protozero::pbf_reader& r, protozero::pbf_wire_type type) {
  if (r.wire_type() != type) throw PbfRefusal{ErrorCode::kInvalid, fmt::format("field {} has the wrong type", r.tag())};
}
inline void want_bytes(const protozero::pbf_reader& r) { want(r, protozero::pbf_wire_type::length_delimited); }
inline void want_varint(const protozero::pbf_reader& r) { want(r, protozero::pbf_wire_type::varint); }
inline void want_fixed64(const protozero::pbf_reader& r) { want(r, protozero::pbf_wire_type::fixed64); }
inline void want_fixed32(const protozero::pbf_reader& r) { want(r, protozero::pbf_wire_type::fixed32); }

}  // namespace sonde::wire

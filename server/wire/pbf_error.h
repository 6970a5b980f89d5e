// Runs a protozero decoder and turns its exceptions into errors; internal to wire.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sonde::wire {

// Thrown by decoders for what protozero itself cannot see (a limit, a wrong wire type); never leaves
// decode_pbf.
struct PbfRefusal {
  ErrorCode code;
  std::string message;
};

// Where the decoder is, for messages: set by decoders as they go down.
struct PbfPlace {
  const char* field = "message";
};

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
    return fail(refusal.code,
                fmt::format("{}: {}: {} (before byte {})", what, place.field, refusal.message, where()));
  } catch (const protozero::exception& e) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: {}: malformed protobuf: {} (before byte {} of {})",
                                                 what, place.field, e.what(), where(), bytes.size()));
  }
}

// protozero asserts the wire type of what it reads; these refuse a wrong one instead.
inline void want(const protozero::pbf_reader& r, protozero::pbf_wire_type type) {
  if (r.wire_type() != type) {
    throw PbfRefusal{ErrorCode::kInvalid, fmt::format("field {} has the wrong wire type", r.tag())};
  }
}
inline std::string_view read_bytes(protozero::pbf_reader& r) {
  want(r, protozero::pbf_wire_type::length_delimited);
  protozero::data_view v = r.get_view();
  return {v.data(), v.size()};
}
inline protozero::pbf_reader read_message(protozero::pbf_reader& r) {
  want(r, protozero::pbf_wire_type::length_delimited);
  return r.get_message();
}
inline uint64_t read_uint64(protozero::pbf_reader& r) {
  want(r, protozero::pbf_wire_type::varint);
  return r.get_uint64();
}
inline int64_t read_int64(protozero::pbf_reader& r) { return static_cast<int64_t>(read_uint64(r)); }
inline int32_t read_int32(protozero::pbf_reader& r) { return static_cast<int32_t>(read_uint64(r)); }
inline uint32_t read_uint32(protozero::pbf_reader& r) { return static_cast<uint32_t>(read_uint64(r)); }
inline int32_t read_sint32(protozero::pbf_reader& r) {
  want(r, protozero::pbf_wire_type::varint);
  return r.get_sint32();
}
inline double read_double(protozero::pbf_reader& r) {
  want(r, protozero::pbf_wire_type::fixed64);
  return r.get_double();
}
inline uint64_t read_fixed64(protozero::pbf_reader& r) {
  want(r, protozero::pbf_wire_type::fixed64);
  return r.get_fixed64();
}
inline uint32_t read_fixed32(protozero::pbf_reader& r) {
  want(r, protozero::pbf_wire_type::fixed32);
  return r.get_fixed32();
}

// A repeated number, packed or one at a time; more than `max` in all is kLimit.
template <class T, class Range, class Single>
void append_repeated(protozero::pbf_reader& r, std::vector<T>& out, size_t max, Range&& range,
                     Single&& single) {
  auto push = [&](T v) {
    if (out.size() >= max) throw PbfRefusal{ErrorCode::kLimit, fmt::format("more than {} elements", max)};
    out.push_back(v);
  };
  if (r.wire_type() == protozero::pbf_wire_type::length_delimited) {
    for (auto v : range(r)) push(static_cast<T>(v));
  } else {
    push(static_cast<T>(single(r)));
  }
}
inline void append_doubles(protozero::pbf_reader& r, std::vector<double>& out, size_t max) {
  append_repeated(
      r, out, max, [](auto& x) { return x.get_packed_double(); }, [](auto& x) { return read_double(x); });
}
inline void append_fixed64s(protozero::pbf_reader& r, std::vector<uint64_t>& out, size_t max) {
  append_repeated(
      r, out, max, [](auto& x) { return x.get_packed_fixed64(); }, [](auto& x) { return read_fixed64(x); });
}
inline void append_uint32s(protozero::pbf_reader& r, std::vector<uint32_t>& out, size_t max) {
  append_repeated(
      r, out, max, [](auto& x) { return x.get_packed_uint32(); }, [](auto& x) { return read_uint32(x); });
}
inline void append_sint64s(protozero::pbf_reader& r, std::vector<int64_t>& out, size_t max) {
  append_repeated(
      r, out, max, [](auto& x) { return x.get_packed_sint64(); },
      [](auto& x) {
        want(x, protozero::pbf_wire_type::varint);
        return x.get_sint64();
      });
}

}  // namespace sonde::wire

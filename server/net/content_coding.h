// Content codings (RFC 9110, section 8.4): streaming decoders for gzip, deflate and zstd, and a gzip encoder.
//
// Decoders hold a window (32 KiB; zstd at most 8 MiB) and never more than the caller's output buffer, so a
// bomb costs time only until the caller's bound on decoded bytes is reached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sonde::net {

enum class Coding : uint8_t { kIdentity, kGzip, kDeflate, kZstd };

// The coding a Content-Encoding value names; nullopt for an unknown one or for several layers. "snappy" and
// the empty value are kIdentity: the protocols that use snappy decode it themselves.
std::optional<Coding> coding_of(std::string_view content_encoding);

// Threads: one.
class Decoder {
 public:
  virtual ~Decoder() = default;
  struct Step {
    size_t consumed = 0;
    size_t produced = 0;
  };
  // Decodes some of `in` into `out`. kInvalid when the input is damaged.
  virtual Result<Step> step(std::string_view in, std::span<std::byte> out) = 0;
  // Whether the input may end here: nothing is missing.
  virtual bool complete() const = 0;
};

// Null for kIdentity.
std::unique_ptr<Decoder> make_decoder(Coding coding);

// Decodes all of `in`; kLimit when more than `bytes_max` come out of it.
Result<std::string> decode_all(Coding coding, std::string_view in, uint64_t bytes_max);

// Threads: one. Memory: 256 KiB.
class GzipEncoder {
 public:
  GzipEncoder();
  ~GzipEncoder();
  GzipEncoder(const GzipEncoder&) = delete;
  GzipEncoder& operator=(const GzipEncoder&) = delete;
  // Appends what is ready to `out`; all of it when `last`.
  void encode(std::string_view in, bool last, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::net

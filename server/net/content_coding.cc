#include "net/content_coding.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>

#include "base/assert.h"
#include "net/ascii.h"

namespace sonde::net {
namespace {

constexpr int kZstdWindowLogMax = 23;  // 8 MiB
constexpr int kGzipLevel = 4;          // within 5 % of the default's size on JSON at twice its speed

unsigned clamp(size_t n) {
  return static_cast<unsigned>(std::min<size_t>(n, std::numeric_limits<unsigned>::max()));
}

class ZlibDecoder final : public Decoder {
 public:
  explicit ZlibDecoder(bool gzip) : gzip_(gzip) {
    if (inflateInit2(&z_, gzip ? 15 + 16 : 15) != Z_OK) throw std::bad_alloc();
  }
  ~ZlibDecoder() override { inflateEnd(&z_); }

  Result<Step> step(std::string_view in, std::span<std::byte> out) override {
    if (in.empty() && !pending_) return Step{};
    if (at_end_) {
      if (in.empty()) return Step{};
      if (!gzip_) return fail(ErrorCode::kInvalid, "compressed body: bytes after its end");
      inflateReset(&z_);  // a gzip file may have several members (RFC 1952, section 2.2)
      at_end_ = false;
    }
    z_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z_.avail_in = clamp(in.size());
    z_.next_out = reinterpret_cast<Bytef*>(out.data());
    z_.avail_out = clamp(out.size());
    size_t in_before = z_.avail_in;
    size_t out_before = z_.avail_out;
    int rc = inflate(&z_, Z_NO_FLUSH);
    if (rc == Z_STREAM_END) {
      at_end_ = true;
    } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
      return fail(ErrorCode::kInvalid,
                  std::string("compressed body: ") + (z_.msg != nullptr ? z_.msg : "damaged"));
    }
    pending_ = !at_end_ && z_.avail_out == 0;
    return Step{in_before - z_.avail_in, out_before - z_.avail_out};
  }
  bool complete() const override { return at_end_; }

 private:
  z_stream z_{};
  bool gzip_;
  bool at_end_ = false;
  bool pending_ = false;  // output may be waiting inside zlib
};

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : z_(ZSTD_createDCtx()) {
    if (z_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(z_, ZSTD_d_windowLogMax, kZstdWindowLogMax);
  }
  ~ZstdDecoder() override { ZSTD_freeDCtx(z_); }

  Result<Step> step(std::string_view in, std::span<std::byte> out) override {
    if (in.empty() && !pending_) return Step{};
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    size_t rc = ZSTD_decompressStream(z_, &output, &input);
    if (ZSTD_isError(rc) != 0) {
      return fail(ErrorCode::kInvalid, std::string("compressed body: ") + ZSTD_getErrorName(rc));
    }
    at_end_ = rc == 0;
    pending_ = !at_end_ && output.pos == output.size;
    return Step{input.pos, output.pos};
  }
  bool complete() const override { return at_end_; }

 private:
  ZSTD_DCtx* z_;
  bool at_end_ = false;
  bool pending_ = false;
};

}  // namespace

std::optional<Coding> coding_of(std::string_view content_encoding) {
  std::string_view name = trim(content_encoding);
  if (name.empty() || equals_ignoring_case(name, "identity") || equals_ignoring_case(name, "snappy")) {
    return Coding::kIdentity;
  }
  if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip")) return Coding::kGzip;
  if (equals_ignoring_case(name, "deflate")) return Coding::kDeflate;
  if (equals_ignoring_case(name, "zstd")) return Coding::kZstd;
  return std::nullopt;
}

std::unique_ptr<Decoder> make_decoder(Coding coding) {
  switch (coding) {
    case Coding::kIdentity:
      return nullptr;
    case Coding::kGzip:
      return std::make_unique<ZlibDecoder>(true);
    case Coding::kDeflate:
      return std::make_unique<ZlibDecoder>(false);
    case Coding::kZstd:
      return std::make_unique<ZstdDecoder>();
  }
  return nullptr;
}

Result<std::string> decode_all(Coding coding, std::string_view in, uint64_t bytes_max) {
  auto too_large = [&] {
    return fail(ErrorCode::kLimit, "body: larger than " + std::to_string(bytes_max) + " bytes");
  };
  std::unique_ptr<Decoder> decoder = make_decoder(coding);
  if (!decoder) {
    if (in.size() > bytes_max) return too_large();
    return std::string(in);
  }
  std::string out;
  std::array<std::byte, 16 << 10> chunk;
  for (;;) {
    SONDE_TRY(Decoder::Step step, decoder->step(in, chunk));
    in.remove_prefix(step.consumed);
    if (out.size() + step.produced > bytes_max) return too_large();
    out.append(reinterpret_cast<const char*>(chunk.data()), step.produced);
    if (step.consumed == 0 && step.produced == 0) break;
  }
  if (!decoder->complete() || !in.empty())
    return fail(ErrorCode::kInvalid, "compressed body: ends too early");
  return out;
}

struct GzipEncoder::State {
  z_stream z{};
};

GzipEncoder::GzipEncoder() : state_(std::make_unique<State>()) {
  if (deflateInit2(&state_->z, kGzipLevel, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
}

GzipEncoder::~GzipEncoder() { deflateEnd(&state_->z); }

void GzipEncoder::encode(std::string_view in, bool last, std::string& out) {
  z_stream& z = state_->z;
  std::array<char, 16 << 10> chunk;
  do {
    unsigned take = clamp(in.size());
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z.avail_in = take;
    bool final_part = last && take == in.size();
    int rc = Z_OK;
    do {
      z.next_out = reinterpret_cast<Bytef*>(chunk.data());
      z.avail_out = chunk.size();
      rc = deflate(&z, final_part ? Z_FINISH : Z_NO_FLUSH);
      SONDE_ASSERT(rc != Z_STREAM_ERROR);
      out.append(chunk.data(), chunk.size() - z.avail_out);
    } while (z.avail_out == 0 && rc != Z_STREAM_END);
    in.remove_prefix(take);
  } while (!in.empty());
}

}  // namespace sonde::net

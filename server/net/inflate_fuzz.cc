// Strategy: the first byte chooses the coding and the size of the pieces, the rest is fed in such pieces.
// Invariants: no crash, no endless loop, the bound holds, and pieces give what the whole gives.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "net/content_coding.h"

using namespace sonde::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  auto coding = static_cast<Coding>(1 + data[0] % 3);
  size_t piece = 1 + data[0] / 3;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  constexpr size_t kMax = 64 << 10;
  auto whole = decode_all(coding, rest, kMax);
  if (whole && whole->size() > kMax) abort();

  auto decoder = make_decoder(coding);
  std::string out;
  std::array<std::byte, 257> chunk;
  while (out.size() <= kMax) {
    std::string_view in = rest.substr(0, piece);
    auto step = decoder->step(in, chunk);
    if (!step) return 0;
    if (step->consumed > in.size() || step->produced > chunk.size()) abort();
    rest.remove_prefix(step->consumed);
    out.append(reinterpret_cast<const char*>(chunk.data()), step->produced);
    if (step->consumed == 0 && step->produced == 0) break;
  }
  if (whole && (!decoder->complete() || out != *whole)) abort();
  return 0;
}

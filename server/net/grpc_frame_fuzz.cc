// Strategy: any bytes as a gRPC body, with and without compression. Invariants: no crash, nothing above the
// bound, and what was encoded decodes to itself.
#include <cstdint>
#include <cstdlib>

#include "net/grpc.h"

using namespace sonde::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const char* encoding : {"", "gzip", "snappy"}) {
    auto message = decode_grpc_message(body, encoding, 4096);
    if (message && message->size() > 4096) abort();
  }
  auto same = decode_grpc_message(encode_grpc_message(body), "", size);
  if (!same || *same != body) abort();
  for (char c : encode_grpc_text(body)) {
    if (c < ' ' || c > '~') abort();
  }
  return 0;
}

// Strategy: the first byte chooses request or response and the size of the pieces. Invariants: no crash,
// bounded output, progress, and a message never has both kinds of length.
#include <cstdint>
#include <cstdlib>

#include "net/http1_parser.h"

using namespace sonde::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Http1Parser parser(data[0] & 1 ? Http1Parser::kResponse : Http1Parser::kRequest, {1024, 2048, 20});
  size_t piece = 1 + data[0] / 2;
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string input;
  std::string body;
  bool head = false;
  while (!rest.empty() && !(head && parser.complete())) {
    input += rest.substr(0, piece);
    rest.remove_prefix(std::min(piece, rest.size()));
    std::string_view in = input;
    if (!head) {
      auto got = parser.read_head(in);
      if (!got) return 0;
      head = *got;
      if (head && parser.head().chunked && parser.head().content_length) abort();
    }
    if (head) {
      size_t before = body.size();
      if (!parser.read_body(in, body, 100)) return 0;
      if (body.size() - before > 100) abort();
    }
    input = std::string(in);
  }
  if (head) (void)parser.read_end();
  return 0;
}

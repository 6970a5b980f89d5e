// Strategy: any bytes as a query, with every experiment on. Invariants: no crash, hang or deep recursion;
// what parses prints to text that parses again and prints the same; the pretty form parses to the same tree
// too.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "promql/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde::promql;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto options = ParserOptions::everything();
  auto tree = parse(text, options);
  if (!tree) return 0;
  std::string printed = to_string(**tree);
  // Printing may lengthen the text beyond the parser's bound.
  if (printed.size() > kQueryBytesMax) return 0;
  auto again = parse(printed, options);
  if (!again || to_string(**again) != printed) std::abort();
  std::string pretty = prettify(**tree);
  if (pretty.size() > kQueryBytesMax) return 0;
  auto third = parse(pretty, options);
  if (!third || to_string(**third) != printed) std::abort();
  return 0;
}

// Strategy: any bytes as a query, and as a line to the two field parsers. Invariants: no crash, hang or deep
// recursion; what parses prints to text that parses again and prints the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "logql/field_parsers.h"
#include "logql/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde::logql;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Fields fields;
  (void)parse_json_fields(text, fields);
  if (fields.size() > kFieldsMax) std::abort();
  fields.clear();
  parse_logfmt_fields(text, fields);
  if (fields.size() > kFieldsMax) std::abort();

  auto tree = parse(text);
  if (!tree) return 0;
  std::string printed = to_string(**tree);
  if (printed.size() > kQueryBytesMax) return 0;  // printing may lengthen the text beyond the parser's bound
  auto again = parse(printed);
  if (!again || to_string(**again) != printed) std::abort();
  return 0;
}

// Strategy: any bytes as a line, as a time and as text for the JSON writer. Invariants: no crash; a plain
// line keeps its text; the level is one of the known ones; written JSON strings are JSON (they parse as a
// field of a log line) and valid UTF-8.
#include <cstdlib>
#include <string>

#include "wire/json_writer.h"
#include "wire/log_line.h"

namespace {
void require(bool ok) {
  if (!ok) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde;
  using namespace sonde::wire;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  LogLineParser parser;
  LogLine line = parser.parse(text);
  if (line.kind == LineKind::kPlain) require(line.message == text);
  require(line.level.empty() == (line.severity_number == 0));
  require(!parser.detect_level(text).empty());
  (void)parse_log_time(text);
  std::string json = "{\"msg\":";
  append_json_string(json, text);
  json += "}";
  require(is_valid_utf8(json));
  LogLine back = parser.parse(json);
  require(back.kind == LineKind::kJson);
  if (is_valid_utf8(text)) require(back.message == text);
  return 0;
}

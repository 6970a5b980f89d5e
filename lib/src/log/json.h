// Lines and spans as JSON objects, one a line. Always valid JSON: text is escaped and made UTF-8, numbers
// that JSON does not have (NaN, infinities) become strings.
#pragma once

#include <string>
#include <string_view>

#include "runtime/record.h"

namespace sonde::inline v1::detail {

void append_json_string(std::string& out, std::string_view text);

// RFC 3339 in UTC with nanoseconds.
void append_timestamp(std::string& out, int64_t unix_ns);

// `body` is what follows the head in the ring. Ends with a newline.
void append_log_json(std::string& out, const LogHead& head, const char* body, std::string_view service);
void append_span_json(std::string& out, const SpanHead& head, const char* body, std::string_view service);

}  // namespace sonde::inline v1::detail

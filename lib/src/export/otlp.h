// OTLP 1.x messages from ring records. Source: opentelemetry-proto, trace/v1, logs/v1, common/v1,
// resource/v1.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/record.h"
#include "runtime/resource.h"

namespace sonde::inline v1::detail {

// Each appends one element of the repeated field `spans` or `log_records` of its scope.
void append_otlp_span(std::string& out, const SpanHead& head, const char* body);
void append_otlp_log(std::string& out, const LogHead& head, const char* body, int64_t observed_unix_ns);

// The request: one resource, and a scope for each (name, elements).
using Scopes = std::vector<std::pair<std::string, std::string>>;
std::string otlp_request(const Resource& resource, const Scopes& scopes);

}  // namespace sonde::inline v1::detail

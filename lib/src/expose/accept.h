// Content negotiation of a scrape.
#pragma once

#include <string_view>

namespace sonde::inline v1::detail {

// Whether an Accept header prefers OpenMetrics 1.0 (or names 0.0.1, or no version) to text 0.0.4.
// RFC 9110, section 12.5.1; equal weights go to OpenMetrics, as in the Go client.
bool prefers_openmetrics(std::string_view accept) noexcept;

}  // namespace sonde::inline v1::detail

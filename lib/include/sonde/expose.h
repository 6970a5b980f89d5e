// The page that Prometheus scrapes.
#pragma once

#include <string>
#include <string_view>

namespace sonde::inline v1 {

struct Exposition {
  std::string content_type;
  std::string body;
};

// Every metric of the process, in OpenMetrics 1.0 if `accept` (the value of the HTTP header) prefers it, in
// the Prometheus text format 0.0.4 otherwise. Exemplars appear in OpenMetrics only.
//
// Threads: any; calls at the same time take turns. No measurement waits for it. Empty if memory is out.
Exposition expose(std::string_view accept = {}) noexcept;

}  // namespace sonde::inline v1

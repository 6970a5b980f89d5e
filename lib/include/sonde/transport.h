// How batches leave the process. sonde/otlp.h has the one over libcurl; tests and unusual networks bring
// theirs.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace sonde::inline v1 {

struct TransportRequest {
  std::string_view url;
  std::string_view content_type;
  std::string_view headers;  // further header lines, each "Name: value\n"
  std::string_view body;
  int64_t timeout_ms;
  // Turns true when the process wants to stop: give up as soon as possible.
  const std::atomic<bool>* cancelled;
};

struct TransportResult {
  int status = 0;               // HTTP status; 0 if no answer came
  int64_t retry_after_ms = -1;  // from Retry-After, -1 if absent
};

// Called by one thread of the library at a time. Must return within the time-out.
class Transport {
 public:
  virtual ~Transport();
  virtual TransportResult post(const TransportRequest& request) noexcept = 0;
};

}  // namespace sonde::inline v1

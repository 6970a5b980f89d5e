// Bounds and times of an event store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/time.h"

namespace sonde::parts {

struct PartsOptions {
  std::string dir;
  Duration retention = Duration::hours(24 * 7);  // 0: for ever
  uint64_t retention_bytes = 0;                  // of part files, the oldest go first; 0: no bound
  Duration future_max = Duration::minutes(10);   // events later than now by more are rejected
  Duration flush_interval = Duration::minutes(10);
  size_t buffer_bytes_max = 32u << 20;  // of decoded events, then a part is written
  size_t block_events_max = 4096;
  size_t block_bytes_max = 1u << 20;       // decoded
  size_t cache_bytes_max = 64u << 20;      // of decoded blocks
  uint64_t queue_bytes_max = 64ull << 20;  // waiting for the log
  uint64_t log_segment_bytes = 64ull << 20;
  bool threads = true;  // false: appends wait for commit_now(), flushes for flush(); for tests
};

}  // namespace sonde::parts

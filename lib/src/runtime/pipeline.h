// From the rings to the log file and the exporter: what producers need of it.
#pragma once

#include <cstdint>

#include "runtime/drops.h"
#include "runtime/ring.h"

namespace sonde::inline v1::detail {

uint32_t ring_capacity() noexcept;
// Unix time minus monotonic time, kept current by the backend.
int64_t unix_offset_ns() noexcept;

// A record on its way into the calling thread's ring: published when it goes out of scope. If it cannot be
// written, bytes() is null and the drop is counted.
class RingWrite {
 public:
  RingWrite(Signal signal, RecordType type, uint32_t size) noexcept;
  ~RingWrite();
  RingWrite(const RingWrite&) = delete;
  RingWrite& operator=(const RingWrite&) = delete;
  char* bytes() const noexcept { return bytes_; }

 private:
  Ring* ring_ = nullptr;
  char* bytes_ = nullptr;
};

}  // namespace sonde::inline v1::detail

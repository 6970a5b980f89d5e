// The clocks of the library.
#pragma once

#include <cstdint>
#include <ctime>

namespace sonde::inline v1::detail {

inline int64_t read_clock(clockid_t id) noexcept {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

// Nanoseconds since the Unix epoch.
inline int64_t unix_ns() noexcept { return read_clock(CLOCK_REALTIME); }
// The same, a few milliseconds old and eight times cheaper.
inline int64_t coarse_unix_ns() noexcept { return read_clock(CLOCK_REALTIME_COARSE); }

}  // namespace sonde::inline v1::detail

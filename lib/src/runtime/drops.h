// What telemetry lost: `sonde_dropped_total{signal,reason}`. Rare, hence plain atomic counters.
#pragma once

#include <cstdint>
#include <string_view>

namespace sonde::inline v1::detail {

enum class Signal : uint8_t { kLogs, kSpans, kMetrics, kCount };

enum class DropReason : uint8_t {
  kNotStarted,   // before init(), after shutdown()
  kRingFull,     // the thread was faster than the backend
  kTooLarge,     // more than a quarter of the ring
  kNoMemory,     // no lane or ring for the thread
  kQueueFull,    // the collector is slower than the process, or away
  kRejected,     // the collector refused for good
  kShutdown,     // still there when the time of shutdown() was over
  kWriteFailed,  // the log file or standard output
  kNotANumber,   // a histogram was given NaN
  kCount
};

std::string_view signal_name(Signal signal) noexcept;
std::string_view reason_name(DropReason reason) noexcept;
void count_drop(Signal signal, DropReason reason, uint64_t n = 1) noexcept;
uint64_t drops(Signal signal, DropReason reason) noexcept;
// Whether the pair can happen, and so is shown even when it is 0.
bool drop_applies(Signal signal, DropReason reason) noexcept;

}  // namespace sonde::inline v1::detail

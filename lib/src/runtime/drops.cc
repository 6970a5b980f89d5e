#include "runtime/drops.h"

#include <atomic>

#include "sonde/detail/family.h"

namespace sonde::inline v1::detail {

namespace {
constexpr size_t kSignals = static_cast<size_t>(Signal::kCount);
constexpr size_t kReasons = static_cast<size_t>(DropReason::kCount);
constinit std::atomic<uint64_t> g_drops[kSignals][kReasons] = {};
}  // namespace

std::string_view signal_name(Signal signal) noexcept {
  switch (signal) {
    case Signal::kLogs:
      return "logs";
    case Signal::kSpans:
      return "traces";
    default:
      return "metrics";
  }
}

std::string_view reason_name(DropReason reason) noexcept {
  switch (reason) {
    case DropReason::kNotStarted:
      return "not_started";
    case DropReason::kRingFull:
      return "ring_full";
    case DropReason::kTooLarge:
      return "too_large";
    case DropReason::kNoMemory:
      return "no_memory";
    case DropReason::kQueueFull:
      return "queue_full";
    case DropReason::kRejected:
      return "rejected";
    case DropReason::kShutdown:
      return "shutdown";
    case DropReason::kWriteFailed:
      return "write_failed";
    default:
      return "nan";
  }
}

void count_drop(Signal signal, DropReason reason, uint64_t n) noexcept {
  g_drops[static_cast<size_t>(signal)][static_cast<size_t>(reason)].fetch_add(n, std::memory_order_relaxed);
}

uint64_t drops(Signal signal, DropReason reason) noexcept {
  return g_drops[static_cast<size_t>(signal)][static_cast<size_t>(reason)].load(std::memory_order_relaxed);
}

bool drop_applies(Signal signal, DropReason reason) noexcept {
  if (signal == Signal::kMetrics) return reason == DropReason::kNotANumber;
  if (reason == DropReason::kNotANumber) return false;
  return !(signal == Signal::kSpans && reason == DropReason::kNotStarted);
}

void drop_nan() noexcept { count_drop(Signal::kMetrics, DropReason::kNotANumber); }

}  // namespace sonde::inline v1::detail

#include "trace/sampler.h"

#include <atomic>

namespace sonde::inline v1::detail {

namespace {
// Of the 56 random bits of the trace id (W3C level 2): sampled if below. 2^56 is always, 0 is never.
constexpr uint64_t kAll = uint64_t{1} << 56;
constinit std::atomic<uint64_t> g_threshold{kAll};
constinit std::atomic<bool> g_parent_based{true};
}  // namespace

void set_sampler(const Sampler& sampler) noexcept {
  uint64_t threshold = kAll;
  if (sampler.kind == Sampler::Kind::kNever) threshold = 0;
  if (sampler.kind == Sampler::Kind::kRatio) {
    threshold = !(sampler.share > 0) ? 0
                : sampler.share >= 1 ? kAll
                                     : static_cast<uint64_t>(sampler.share * static_cast<double>(kAll));
  }
  g_threshold.store(threshold, std::memory_order_relaxed);
  g_parent_based.store(sampler.parent_based, std::memory_order_relaxed);
}

bool should_sample(bool has_parent, bool parent_sampled, uint64_t trace_low) noexcept {
  if (has_parent && g_parent_based.load(std::memory_order_relaxed)) return parent_sampled;
  return (trace_low & (kAll - 1)) < g_threshold.load(std::memory_order_relaxed);
}

}  // namespace sonde::inline v1::detail

// What a thread writes to. Each thread owns one *lane*: a slab of 64-bit cells, a cache of looked-up series
// and a byte ring. A measurement is a relaxed load and store to the thread's own cell; nobody else writes it,
// a scrape only reads it. Lanes belong to the library, not to the thread: one that a thread leaves keeps its
// values until the next scrape folds them, so that nothing is lost and no destructor order matters.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

// A thread-local of the initial-exec model costs one load; the default model of a shared object costs a call.
#if defined(__GNUC__)
#define SONDE_TLS_INITIAL_EXEC [[gnu::tls_model("initial-exec")]]
#else
#define SONDE_TLS_INITIAL_EXEC
#endif

namespace sonde::inline v1::detail {

struct Series;
struct Lane;
struct StateText;
using Cell = std::atomic<uint64_t>;

struct CacheEntry {
  uint64_t hash;
  Series* series;
};

// The current span, ids as big-endian integers; all zero when there is none.
struct TraceSlot {
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
  uint64_t span_id = 0;
  StateText* trace_state = nullptr;  // borrowed from whoever made the context current
  uint8_t flags = 0;                 // W3C: bit 0 is "sampled"
  bool remote = false;
};

struct ThreadState {
  Cell* cells = nullptr;  // null until the first measurement, and on threads that share the fallback lane
  CacheEntry* cache = nullptr;  // 256 entries, or null
  Lane* lane = nullptr;
  uint32_t lane_retry = 0;  // calls to let pass before asking for a lane again
  TraceSlot trace;
};

SONDE_TLS_INITIAL_EXEC extern constinit thread_local ThreadState t_thread;

// The paths taken once per thread, or by threads without a lane.
void add_slow(uint32_t cell, uint64_t n) noexcept;
void add_double_slow(uint32_t cell, double v) noexcept;

inline void add(uint32_t cell, uint64_t n) noexcept {
  Cell* cells = t_thread.cells;
  if (cells == nullptr) [[unlikely]] {
    add_slow(cell, n);
    return;
  }
  // Single writer: no read-modify-write instruction is needed.
  cells[cell].store(cells[cell].load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

inline void add_double(uint32_t cell, double v) noexcept {
  Cell* cells = t_thread.cells;
  if (cells == nullptr) [[unlikely]] {
    add_double_slow(cell, v);
    return;
  }
  double sum = std::bit_cast<double>(cells[cell].load(std::memory_order_relaxed)) + v;
  cells[cell].store(std::bit_cast<uint64_t>(sum), std::memory_order_relaxed);
}

inline bool in_sampled_span() noexcept { return (t_thread.trace.flags & 1) != 0; }

}  // namespace sonde::inline v1::detail

// The lanes of all threads, and the slab that they share.
//
// A lane is mapped once and used again by later threads; the list of lanes only grows, up to kLanesMax. A
// thread that finds no lane counts into the shared slab with atomic additions. Cell numbers are the same in
// every slab.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sonde/detail/lane.h"

namespace sonde::inline v1::detail {

class Ring;

inline constexpr uint32_t kCellsMax = 1 << 20;  // 8 MiB of address space a lane; pages appear when touched
inline constexpr uint32_t kCellsDead = 64;      // cells that nobody reads: where refused series count
inline constexpr uint32_t kLanesMax = 1024;
inline constexpr size_t kCacheEntries = 256;
inline constexpr uint32_t kLaneRetryCalls = 1000;

enum class CellKind : uint8_t { kInteger, kReal, kGauge };

struct Lane {
  enum State : uint32_t {
    kOwned,    // a living thread writes
    kRetired,  // its thread is gone, its values are not folded yet
    kFree,     // all zero
    kFolding,
  };
  std::atomic<uint32_t> state;
  Lane* next;  // immutable once published
  Cell* cells;
  std::atomic<Ring*> ring;  // made by the thread's first span or line
  std::atomic<int64_t> thread_id;
  CacheEntry cache[kCacheEntries];
};

// The calling thread's lane, taken at the first call; null if there is none to have.
Lane* lane_of_thread() noexcept;
// The newest lane; follow `next`.
Lane* first_lane() noexcept;
// Never null after the first call succeeded; a static page stands in while memory is out.
Cell* shared_cells() noexcept;

// Takes `count` neighbouring cells; 0 if there are none left. Called under the registry's lock.
uint32_t allocate_cells(uint32_t count, CellKind kind) noexcept;
void mark_cell(uint32_t cell, CellKind kind) noexcept;
uint32_t cells_used() noexcept;

// Adds up all slabs into totals[0 … cells_used()), folding the lanes of threads that ended. Real cells hold
// the bits of a double. One caller at a time.
void total_cells(uint64_t* totals, uint32_t used) noexcept;

uint32_t lane_count() noexcept;

// Registers the fork handlers and the thread-exit key; called by everything that has state to reset.
void ensure_runtime() noexcept;

}  // namespace sonde::inline v1::detail

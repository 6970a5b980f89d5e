#include "runtime/lane.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/fork.h"

namespace sonde::inline v1::detail {

SONDE_TLS_INITIAL_EXEC constinit thread_local ThreadState t_thread;

namespace {

constinit std::atomic<Lane*> g_lanes{nullptr};
constinit std::atomic<uint32_t> g_lane_count{0};
constinit std::atomic<Cell*> g_shared{nullptr};
constinit std::atomic<uint8_t*> g_kinds{nullptr};
constinit std::atomic<uint32_t> g_cells_used{kCellsDead};
constinit Cell g_dead_cells[kCellsDead] = {};
pthread_once_t g_once = PTHREAD_ONCE_INIT;
pthread_key_t g_exit_key;
constinit std::atomic<bool> g_exit_key_made{false};

void* map_zeroed(size_t bytes) noexcept {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
#ifdef MADV_NOHUGEPAGE
  madvise(p, bytes, MADV_NOHUGEPAGE);  // a lane is sparse: a huge page would make one counter cost 2 MiB
#endif
  return p;
}

constexpr size_t kPage = 4096;
constexpr size_t kLaneBytes = (sizeof(Lane) + kPage - 1) / kPage * kPage;

void forget_lane() noexcept {
  t_thread.cells = nullptr;
  t_thread.cache = nullptr;
  t_thread.lane = nullptr;
}

// Runs as a pthread key's destructor: later destructors of the same thread may measure again, and then take a
// lane (and this key) anew.
void leave_lane(void* lane) {
  if (t_thread.lane == lane) forget_lane();
  // Release: the next owner and the folding scrape see all that this thread wrote.
  static_cast<Lane*>(lane)->state.store(Lane::kRetired, std::memory_order_release);
}

void start_runtime() {
  g_exit_key_made.store(pthread_key_create(&g_exit_key, leave_lane) == 0, std::memory_order_release);
  install_fork_handlers();
}

bool claim(Lane* lane, uint32_t from) noexcept {
  // Acquire pairs with the release of the thread or scrape that let go of the lane.
  return lane->state.compare_exchange_strong(from, Lane::kOwned, std::memory_order_acquire,
                                             std::memory_order_relaxed);
}

Lane* acquire_lane() noexcept {
  ensure_runtime();
  // Without the key nobody would give the lane back: such threads share.
  if (!g_exit_key_made.load(std::memory_order_acquire)) return nullptr;
  Lane* lane = g_lanes.load(std::memory_order_acquire);
  for (; lane != nullptr; lane = lane->next) {
    uint32_t state = lane->state.load(std::memory_order_relaxed);
    if ((state == Lane::kRetired || state == Lane::kFree) && claim(lane, state)) break;
  }
  if (lane == nullptr) {
    if (g_lane_count.fetch_add(1, std::memory_order_relaxed) >= kLanesMax) {
      g_lane_count.fetch_sub(1, std::memory_order_relaxed);
      return nullptr;
    }
    void* memory = map_zeroed(kLaneBytes + kCellsMax * sizeof(Cell));
    if (memory == nullptr) {
      g_lane_count.fetch_sub(1, std::memory_order_relaxed);
      return nullptr;
    }
    lane = static_cast<Lane*>(memory);  // zero bytes are a valid Lane: owned, empty
    lane->cells = reinterpret_cast<Cell*>(static_cast<char*>(memory) + kLaneBytes);
    lane->next = g_lanes.load(std::memory_order_relaxed);
    while (!g_lanes.compare_exchange_weak(lane->next, lane, std::memory_order_release,
                                          std::memory_order_relaxed)) {
    }
  }
  if (pthread_setspecific(g_exit_key, lane) != 0) {
    lane->state.store(Lane::kRetired, std::memory_order_release);
    return nullptr;
  }
  lane->thread_id.store(syscall(SYS_gettid), std::memory_order_relaxed);
  return lane;
}

void add_shared_double(Cell& cell, double v) noexcept {
  uint64_t seen = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(seen, std::bit_cast<uint64_t>(std::bit_cast<double>(seen) + v),
                                     std::memory_order_relaxed)) {
  }
}

uint8_t* cell_kinds() noexcept {
  uint8_t* kinds = g_kinds.load(std::memory_order_acquire);
  if (kinds != nullptr) return kinds;
  auto* made = static_cast<uint8_t*>(map_zeroed(kCellsMax));
  if (made == nullptr) return nullptr;
  if (g_kinds.compare_exchange_strong(kinds, made, std::memory_order_acq_rel)) return made;
  munmap(made, kCellsMax);
  return kinds;
}

}  // namespace

void ensure_runtime() noexcept { pthread_once(&g_once, start_runtime); }

Lane* first_lane() noexcept { return g_lanes.load(std::memory_order_acquire); }
uint32_t lane_count() noexcept { return g_lane_count.load(std::memory_order_relaxed); }

Lane* lane_of_thread() noexcept {
  if (t_thread.lane != nullptr) [[likely]]
    return t_thread.lane;
  if (t_thread.lane_retry > 0) {
    t_thread.lane_retry--;
    return nullptr;
  }
  Lane* lane = acquire_lane();
  if (lane == nullptr) {
    t_thread.lane_retry = kLaneRetryCalls;
    return nullptr;
  }
  t_thread.lane = lane;
  t_thread.cells = lane->cells;
  t_thread.cache = lane->cache;
  return lane;
}

Cell* shared_cells() noexcept {
  Cell* cells = g_shared.load(std::memory_order_acquire);
  if (cells != nullptr) return cells;
  void* made = map_zeroed(kCellsMax * sizeof(Cell));
  if (made == nullptr) return nullptr;
  if (g_shared.compare_exchange_strong(cells, static_cast<Cell*>(made), std::memory_order_acq_rel)) {
    return static_cast<Cell*>(made);
  }
  munmap(made, kCellsMax * sizeof(Cell));
  return cells;
}

void add_slow(uint32_t cell, uint64_t n) noexcept {
  if (Lane* lane = lane_of_thread(); lane != nullptr) {
    lane->cells[cell].store(lane->cells[cell].load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  } else if (Cell* shared = shared_cells(); shared != nullptr) {
    shared[cell].fetch_add(n, std::memory_order_relaxed);
  }
}

void add_double_slow(uint32_t cell, double v) noexcept {
  if (lane_of_thread() != nullptr) {
    add_double(cell, v);
  } else if (Cell* shared = shared_cells(); shared != nullptr) {
    add_shared_double(shared[cell], v);
  }
}

Cell* gauge_cell(uint32_t cell) noexcept {
  Cell* shared = shared_cells();
  return shared == nullptr ? &g_dead_cells[0] : &shared[cell];
}

uint32_t allocate_cells(uint32_t count, CellKind kind) noexcept {
  uint8_t* kinds = cell_kinds();
  uint32_t first = g_cells_used.load(std::memory_order_relaxed);
  if (kinds == nullptr || shared_cells() == nullptr || count > kCellsMax - first) return 0;
  for (uint32_t i = 0; i < count; i++) kinds[first + i] = static_cast<uint8_t>(kind);
  // Release: whoever reads the new bound sees the kinds. The lock makes this the only writer.
  g_cells_used.store(first + count, std::memory_order_release);
  return first;
}

void mark_cell(uint32_t cell, CellKind kind) noexcept {
  if (uint8_t* kinds = cell_kinds(); kinds != nullptr) {
    std::atomic_ref<uint8_t>(kinds[cell]).store(static_cast<uint8_t>(kind), std::memory_order_relaxed);
  }
}

uint32_t cells_used() noexcept { return g_cells_used.load(std::memory_order_acquire); }

void total_cells(uint64_t* totals, uint32_t used) noexcept {
  Cell* shared = shared_cells();
  uint8_t* kinds = cell_kinds();
  if (shared == nullptr || kinds == nullptr) {
    for (uint32_t i = 0; i < used; i++) totals[i] = 0;
    return;
  }
  auto kind_of = [&](uint32_t i) {
    return static_cast<CellKind>(std::atomic_ref<uint8_t>(kinds[i]).load(std::memory_order_relaxed));
  };
  for (Lane* lane = first_lane(); lane != nullptr; lane = lane->next) {
    uint32_t retired = Lane::kRetired;
    if (lane->state.load(std::memory_order_relaxed) != retired ||
        !lane->state.compare_exchange_strong(retired, Lane::kFolding, std::memory_order_acquire)) {
      continue;
    }
    for (uint32_t i = kCellsDead; i < used; i++) {
      uint64_t v = lane->cells[i].load(std::memory_order_relaxed);
      if (v == 0) continue;
      lane->cells[i].store(0, std::memory_order_relaxed);
      if (kind_of(i) == CellKind::kReal) {
        add_shared_double(shared[i], std::bit_cast<double>(v));
      } else {
        shared[i].fetch_add(v, std::memory_order_relaxed);
      }
    }
    // A series made after `used` was read may have been counted by the thread before it ended: such a lane
    // stays retired, and is summed below.
    lane->state.store(cells_used() == used ? Lane::kFree : Lane::kRetired, std::memory_order_release);
  }
  for (uint32_t i = 0; i < used; i++) totals[i] = shared[i].load(std::memory_order_relaxed);
  for (Lane* lane = first_lane(); lane != nullptr; lane = lane->next) {
    if (lane->state.load(std::memory_order_acquire) == Lane::kFree) continue;
    for (uint32_t i = kCellsDead; i < used; i++) {
      uint64_t v = lane->cells[i].load(std::memory_order_relaxed);
      if (v == 0) continue;
      if (kind_of(i) == CellKind::kReal) {
        totals[i] = std::bit_cast<uint64_t>(std::bit_cast<double>(totals[i]) + std::bit_cast<double>(v));
      } else {
        totals[i] += v;
      }
    }
  }
}

void reset_lanes_after_fork() noexcept {
  Lane* mine = t_thread.lane;
  for (Lane* lane = first_lane(); lane != nullptr; lane = lane->next) {
    madvise(lane->cells, kCellsMax * sizeof(Cell), MADV_DONTNEED);  // back to zero pages
    if (lane != mine) lane->state.store(Lane::kFree, std::memory_order_relaxed);
  }
  if (mine != nullptr) mine->thread_id.store(syscall(SYS_gettid), std::memory_order_relaxed);
  Cell* shared = g_shared.load(std::memory_order_relaxed);
  uint8_t* kinds = g_kinds.load(std::memory_order_relaxed);
  if (shared == nullptr || kinds == nullptr) return;
  uint32_t used = cells_used();
  for (uint32_t i = 0; i < used; i++) {
    if (kinds[i] != static_cast<uint8_t>(CellKind::kGauge) &&
        shared[i].load(std::memory_order_relaxed) != 0) {
      shared[i].store(0, std::memory_order_relaxed);
    }
  }
}

}  // namespace sonde::inline v1::detail

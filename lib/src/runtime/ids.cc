#include "runtime/ids.h"

#include <sys/random.h>
#include <unistd.h>

#include <atomic>

#include "runtime/fork.h"
#include "runtime/time.h"
#include "sonde/detail/lane.h"

namespace sonde::inline v1::detail {

namespace {

struct Generator {
  uint64_t a = 0;
  uint64_t b = 0;
  uint32_t generation = 0;  // 0: not seeded
};

SONDE_TLS_INITIAL_EXEC constinit thread_local Generator t_generator;
constinit std::atomic<uint32_t> g_generation{1};

void seed(Generator& g) noexcept {
  uint64_t bytes[2] = {0, 0};
  if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof bytes)) {
    bytes[0] = static_cast<uint64_t>(unix_ns()) * 0x9e3779b97f4a7c15ULL;
    bytes[1] =
        (reinterpret_cast<uintptr_t>(&g) ^ static_cast<uint64_t>(getpid()) << 40) * 0xbf58476d1ce4e5b9ULL;
  }
  g.a = bytes[0] | 1;
  g.b = bytes[1];
  g.generation = g_generation.load(std::memory_order_relaxed);
}

}  // namespace

// xoroshiro128+, Blackman and Vigna.
uint64_t random_id() noexcept {
  Generator& g = t_generator;
  if (g.generation != g_generation.load(std::memory_order_relaxed)) [[unlikely]]
    seed(g);
  uint64_t result = g.a + g.b;
  uint64_t x = g.a ^ g.b;
  g.a = std::rotl(g.a, 24) ^ x ^ (x << 16);
  g.b = std::rotl(x, 37);
  return result != 0 ? result : 1;
}

void reset_ids_after_fork() noexcept { g_generation.fetch_add(1, std::memory_order_relaxed); }

}  // namespace sonde::inline v1::detail

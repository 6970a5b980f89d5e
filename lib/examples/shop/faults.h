// Faults on request: what a demonstration and the tests break. `POST /fault?kind=…&seconds=…`, from this
// machine only. Nothing like this belongs in a real service.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace shop {

enum class Fault { kSlowQuery, kErrors, kDeadDatabase, kMemoryLeak };
inline constexpr size_t kFaults = 4;
inline constexpr std::array<std::string_view, kFaults> kFaultNames = {"slow_query", "errors", "dead_database",
                                                                      "memory_leak"};

class Faults {
 public:
  bool active(Fault fault) const;
  // For `seconds` from now; 0 ends it.
  void set(Fault fault, double seconds);
  static bool parse(std::string_view name, Fault& fault);
  // {"slow_query":12.5,…}: seconds that remain.
  std::string json() const;

  // While kErrors is on: throws in one call of three.
  void maybe_throw();
  // Once per 100 ms: while kMemoryLeak is on, keeps 1 MiB more, at most 256; gives it back when it is over.
  void leak_step();

 private:
  std::array<std::atomic<int64_t>, kFaults> until_ns_{};
  std::atomic<uint32_t> calls_{0};
  std::vector<std::string> leaked_;  // of the housekeeping thread
};

}  // namespace shop

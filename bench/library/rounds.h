// Two contestants in one process, in turns, so that both meet the same machine.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace bench {

// CPU nanoseconds that the calling thread, or the whole process, has used.
double thread_cpu_ns();
double process_cpu_ns();

struct Contest {
  std::string name;
  std::string unit;
  std::string peer_name;
  int rounds = 31;
  double operations = 1;  // in one turn
  std::function<double()> clock = thread_cpu_ns;
  std::function<void()> ours, peer;              // one turn each
  std::function<void()> after_ours, after_peer;  // not measured; may be empty
};

// Warms both up, then takes turns and prints the medians as one JSON object.
void run(const Contest& contest);

// Keeps the compiler from moving or leaving out what a turn does.
inline void keep() { asm volatile("" ::: "memory"); }

void metric_contests(std::string_view only);
// False, with a message on standard error, if a line of either side was lost.
bool log_contests(std::string_view only);
bool selected(std::string_view only, std::string_view name);

}  // namespace bench

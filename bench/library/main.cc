// library_bench [CASE]: libsonde beside prometheus-cpp and spdlog, one JSON object a line. A second thread is
// alive all the time, as in any service: libstdc++ and glibc take short cuts in a process that has only one.
#include <time.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "library/rounds.h"

namespace bench {
namespace {

double cpu_ns(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  size_t middle = v.size() / 2;
  return v.size() % 2 == 1 ? v[middle] : (v[middle - 1] + v[middle]) / 2;
}

double turn(const Contest& c, const std::function<void()>& work, const std::function<void()>& after) {
  double start = c.clock();
  work();
  double used = c.clock() - start;
  if (after) after();
  return used / c.operations;
}

}  // namespace

double thread_cpu_ns() { return cpu_ns(CLOCK_THREAD_CPUTIME_ID); }
double process_cpu_ns() { return cpu_ns(CLOCK_PROCESS_CPUTIME_ID); }

bool selected(std::string_view only, std::string_view name) { return only.empty() || only == name; }

void run(const Contest& c) {
  constexpr int kWarmUp = 3;
  std::vector<double> ours;
  std::vector<double> peer;
  for (int round = -kWarmUp; round < c.rounds; round++) {
    // Who begins alternates.
    bool first = round % 2 == 0;
    double a = first ? turn(c, c.ours, c.after_ours) : 0;
    double b = turn(c, c.peer, c.after_peer);
    if (!first) a = turn(c, c.ours, c.after_ours);
    if (round < 0) continue;
    ours.push_back(a);
    peer.push_back(b);
  }
  double a = median(ours);
  double b = median(peer);
  std::printf(
      "{\"bench\":\"library\",\"case\":\"%s\",\"unit\":\"%s\",\"ours\":%.4g,\"peer\":%.4g,"
      "\"peer_name\":\"%s\",\"ratio\":%.4g}\n",
      c.name.c_str(), c.unit.c_str(), a, b, c.peer_name.c_str(), b / a);
  std::fflush(stdout);
}

}  // namespace bench

int main(int argc, char** argv) {
  std::mutex mutex;
  std::condition_variable end;
  bool ending = false;
  std::thread sleeper([&] {
    std::unique_lock lock(mutex);
    end.wait(lock, [&] { return ending; });
  });
  std::string_view only = argc > 1 ? argv[1] : "";
  bench::metric_contests(only);
  bool whole = bench::log_contests(only);
  {
    std::lock_guard lock(mutex);
    ending = true;
  }
  end.notify_all();
  sleeper.join();
  return whole ? 0 : 1;
}

#include "expose/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "metrics/family.h"
#include "runtime/drops.h"
#include "runtime/lane.h"
#include "runtime/resource.h"

namespace sonde::inline v1::detail {

namespace {

// At most `size` bytes of a file of /proc; empty if it cannot be read.
std::string_view read_proc(const char* path, char* buffer, size_t size) noexcept {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  ssize_t n = read(fd, buffer, size);
  close(fd);
  return n <= 0 ? std::string_view{} : std::string_view(buffer, static_cast<size_t>(n));
}

struct ProcessStat {
  uint64_t threads = 0;
  uint64_t start_ticks = 0;
  uint64_t virtual_bytes = 0;
  uint64_t resident_pages = 0;
};

// proc(5): the fields behind the last ')' (the name may hold anything), counted from 3.
bool read_stat(ProcessStat& out) noexcept {
  char buffer[2048];
  std::string_view text = read_proc("/proc/self/stat", buffer, sizeof buffer);
  size_t at = text.rfind(')');
  if (at == std::string_view::npos) return false;
  text.remove_prefix(at + 1);
  for (int field = 3; !text.empty(); field++) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    size_t end = text.find(' ');
    std::string_view word = text.substr(0, end);
    uint64_t* target = field == 20   ? &out.threads
                       : field == 22 ? &out.start_ticks
                       : field == 23 ? &out.virtual_bytes
                       : field == 24 ? &out.resident_pages
                                     : nullptr;
    if (target != nullptr) std::from_chars(word.data(), word.data() + word.size(), *target);
    if (field == 24) return true;
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  }
  return false;
}

uint64_t boot_seconds() noexcept {
  // The line is behind the per-CPU and interrupt counters, which can be long.
  static constinit std::atomic<uint64_t> cached{0};
  if (uint64_t known = cached.load(std::memory_order_relaxed); known != 0) return known;
  int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[8192 + 1];
  size_t kept = 0;
  uint64_t boot = 0;
  for (int reads = 0; reads < 1000 && boot == 0; reads++) {
    ssize_t n = read(fd, buffer + kept, 8192 - kept);
    if (n <= 0) break;
    std::string_view text(buffer, kept + static_cast<size_t>(n));
    size_t at = text.find("\nbtime ");
    if (at != std::string_view::npos && text.find('\n', at + 7) != std::string_view::npos) {
      std::from_chars(text.data() + at + 7, text.data() + text.size(), boot);
    }
    kept = text.size() < 64 ? text.size() : 64;
    std::memmove(buffer, text.data() + text.size() - kept, kept);
  }
  close(fd);
  cached.store(boot, std::memory_order_relaxed);
  return boot;
}

uint64_t open_files() noexcept {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  uint64_t n = 0;
  while (const dirent* entry = readdir(dir)) n += entry->d_name[0] != '.' ? 1 : 0;
  closedir(dir);
  return n > 0 ? n - 1 : 0;  // without the one that reads
}

void gauge(MetricSink& sink, std::string_view name, std::string_view help, uint64_t value) noexcept {
  sink.family(MetricKind::kGauge, name, help);
  sink.count(std::span<const Label>{}, value);
}

}  // namespace

void collect_process(MetricSink& sink) noexcept {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    int64_t us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000LL + usage.ru_utime.tv_usec +
                 usage.ru_stime.tv_usec;
    sink.family(MetricKind::kCounter, "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.");
    sink.seconds(std::span<const Label>{}, us * 1000);
  }
  ProcessStat stat;
  if (read_stat(stat)) {
    gauge(sink, "process_resident_memory_bytes", "Resident memory size in bytes.",
          stat.resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
    gauge(sink, "process_virtual_memory_bytes", "Virtual memory size in bytes.", stat.virtual_bytes);
    gauge(sink, "process_threads", "Number of operating system threads.", stat.threads);
    if (uint64_t boot = boot_seconds(); boot != 0) {
      auto hz = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
      uint64_t ns = boot * 1'000'000'000 + stat.start_ticks * (1'000'000'000 / hz);
      sink.family(MetricKind::kGauge, "process_start_time_seconds",
                  "Start time of the process since unix epoch in seconds.");
      sink.seconds(std::span<const Label>{}, static_cast<int64_t>(ns));
    }
  }
  gauge(sink, "process_open_fds", "Number of open file descriptors.", open_files());
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    gauge(sink, "process_max_fds", "Maximum number of open file descriptors.", limit.rlim_cur);
  }
}

void collect_self(MetricSink& sink) noexcept {
  sink.family(MetricKind::kGauge, "sonde_build_info",
              "Version of libsonde and of the compiler that built it.");
  sink.value({{"version", SONDE_VERSION}, {"compiler", __VERSION__}}, 1);
  describe_service(sink);

  sink.family(MetricKind::kCounter, "sonde_dropped_total",
              "Lines, spans and values that telemetry lost, by signal and reason.");
  for (uint8_t s = 0; s < static_cast<uint8_t>(Signal::kCount); s++) {
    for (uint8_t r = 0; r < static_cast<uint8_t>(DropReason::kCount); r++) {
      auto signal = static_cast<Signal>(s);
      auto reason = static_cast<DropReason>(r);
      if (!drop_applies(signal, reason)) continue;
      sink.count({{"signal", signal_name(signal)}, {"reason", reason_name(reason)}}, drops(signal, reason));
    }
  }
  sink.family(MetricKind::kCounter, "sonde_metric_conflicts_total",
              "Metrics refused because their name was taken or malformed, or a series came twice.");
  sink.count(std::span<const Label>{}, conflict_count());
  gauge(sink, "sonde_lanes", "Threads at one time for which measurements have had a slab of their own.",
        lane_count());

  uint32_t used = cells_used();
  sink.family(MetricKind::kCounter, "sonde_series_overflow_total",
              "Lookups of label sets past the series limit of their family.");
  for (const FamilyState* f = first_family(); f != nullptr; f = f->next.load(std::memory_order_acquire)) {
    if (f->overflow.load(std::memory_order_acquire) == nullptr) continue;
    uint32_t cell = f->overflow_cell.load(std::memory_order_relaxed);
    if (cell == 0 || cell >= used) continue;
    uint64_t n = gauge_cell(cell)->load(std::memory_order_relaxed);
    for (const Lane* lane = first_lane(); lane != nullptr; lane = lane->next) {
      n += lane->cells[cell].load(std::memory_order_relaxed);
    }
    sink.count({{"family", f->name}}, n);
  }
}

}  // namespace sonde::inline v1::detail

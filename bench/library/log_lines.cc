// A structured line with five fields into a file. spdlog has no fields: its line is put together by its
// formatter, without the escaping that makes it valid JSON whatever the values are. Both sides write time,
// level, thread, file and line.
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "library/rounds.h"
#include "sonde/sonde.h"

namespace bench {
namespace {

using namespace sonde::literals;

constexpr int kLines = 1000;  // in one turn: fits into the ring, so that nothing is dropped
constexpr int kRounds = 101;
constexpr const char* kPattern =
    R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"order placed",%v,"thread":%t,"file":"%s","line":%#})";

size_t lines_of(const std::string& path) {
  std::ifstream in(path);
  size_t n = 0;
  for (std::string line; std::getline(in, line);) n++;
  return n;
}

void ours() {
  for (int i = 0; i < kLines; i++) {
    sonde::info("order placed", "order_id"_f = i, "customer"_f = "c-18273645", "total"_f = 129.95,
                "express"_f = (i & 1) == 0, "channel"_f = "web");
  }
}
void theirs(spdlog::logger& logger) {
  for (int i = 0; i < kLines; i++) {
    SPDLOG_LOGGER_INFO(&logger, R"("order_id":{},"customer":"{}","total":{},"express":{},"channel":"{}")", i,
                       "c-18273645", 129.95, (i & 1) == 0, "web");
  }
}

}  // namespace

bool log_contests(std::string_view only) {
  constexpr const char* kCases[] = {"log_5_fields_caller", "log_5_fields_whole", "log_5_fields_caller_async"};
  bool any = false;
  for (const char* name : kCases) any = any || selected(only, name);
  if (!any) return true;

  std::string folder = "/tmp/library_bench.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) {
    std::perror("library_bench: mkdtemp");
    return false;
  }
  const std::string our_path = folder + "/ours.log";
  const std::string sync_path = folder + "/sync.log";
  const std::string async_path = folder + "/async.log";
  size_t our_lines = 0;
  size_t sync_lines = 0;
  size_t async_lines = 0;
  bool flushed = true;
  {
    auto telemetry = sonde::init({.service = "bench", .log_path = our_path, .ring_bytes = 4U << 20});
    spdlog::logger sync("sync", std::make_shared<spdlog::sinks::basic_file_sink_mt>(sync_path));
    sync.set_pattern(kPattern);
    // A turn's lines fit into its queue, as they fit into our ring.
    auto pool = std::make_shared<spdlog::details::thread_pool>(8192, 1);
    auto async = std::make_shared<spdlog::async_logger>(
        "async", std::make_shared<spdlog::sinks::basic_file_sink_mt>(async_path), pool);
    async->set_pattern(kPattern);

    auto log_ours = [&] {
      ours();
      our_lines += kLines;
    };
    auto flush_ours = [&] { flushed = sonde::flush(5000) && flushed; };
    auto log_sync = [&] {
      theirs(sync);
      sync_lines += kLines;
    };
    // Lets the pool's thread finish before somebody else's turn.
    auto drain_async = [&] {
      while (pool->queue_size() > 0) usleep(1000);
      usleep(20'000);
    };
    if (selected(only, kCases[0])) {
      run({.name = kCases[0],
           .unit = "ns",
           .peer_name = "spdlog",
           .rounds = kRounds,
           .operations = kLines,
           .ours = log_ours,
           .peer = log_sync,
           .after_ours = flush_ours,
           .after_peer = [&] { sync.flush(); }});
    }
    if (selected(only, kCases[1])) {
      run({.name = kCases[1],
           .unit = "ns",
           .peer_name = "spdlog",
           .rounds = kRounds,
           .operations = kLines,
           .clock = process_cpu_ns,
           .ours =
               [&] {
                 log_ours();
                 flush_ours();
               },
           .peer =
               [&] {
                 log_sync();
                 sync.flush();
               }});
    }
    if (selected(only, kCases[2])) {
      run({.name = kCases[2],
           .unit = "ns",
           .peer_name = "spdlog, asynchronous",
           .rounds = kRounds,
           .operations = kLines,
           .ours = log_ours,
           .peer =
               [&] {
                 theirs(*async);
                 async_lines += kLines;
               },
           .after_ours = flush_ours,
           .after_peer = drain_async});
    }
  }
  struct Count {
    const char* who;
    const std::string& path;
    size_t written;
  };
  bool whole = flushed;
  if (!flushed) std::fputs("library_bench: a flush did not end in time\n", stderr);
  for (const Count& c : {Count{"sonde", our_path, our_lines}, Count{"spdlog", sync_path, sync_lines},
                         Count{"spdlog, asynchronous", async_path, async_lines}}) {
    size_t found = lines_of(c.path);
    if (found != c.written) {
      std::fprintf(stderr, "library_bench: %s: %zu of %zu lines are in the file\n", c.who, found, c.written);
      whole = false;
    }
    unlink(c.path.c_str());
  }
  rmdir(folder.c_str());
  return whole;
}

}  // namespace bench

// `sonde ship`: reads log lines from standard input or from followed files and pushes them as OTLP logs.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/log_follower.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "net/http_client.h"

namespace sonde::app {

struct ShipOptions {
  std::string service;
  std::string url = "http://127.0.0.1:9090";
  std::vector<std::string> files;                           // none: standard input
  std::vector<std::pair<std::string, std::string>> labels;  // resource attributes beside service.name
  bool from_start = false;    // files that are seen for the first time: from their start, not their end
  std::string state_dir;      // where positions are kept; needed with files
  std::string authorization;  // value of the Authorization header; empty: none
  net::TlsClientOptions tls;

  size_t batch_bytes_max = 1 << 20;
  Duration batch_wait = Duration::seconds(1);
  Duration poll_interval = Duration::milliseconds(100);
  Duration drain_timeout = Duration::seconds(10);  // after a stop, for what was read
};

struct ShipContext {
  net::HttpClient& client;
  FileSystem& fs;
  const Clock& clock;
  const std::atomic<bool>& stop;              // set by the signal handler
  std::function<void(std::string_view)> log;  // one line of news for the operator
  std::function<void(Duration)> sleep;        // empty: really, but not beyond a stop
  int input_fd = 0;
};

// Runs until standard input ends, or until the stop. A batch is held until the server acknowledges it (with
// growing pauses); nothing more is read meanwhile, so memory stays bounded. Positions in files are saved
// after each acknowledgement: lines are repeated only when the process dies between the two. Lines of plain
// text that continue the one before (indented ones, Python's and Java's tracebacks) are joined. 0: all that
// was read was acknowledged; 1: something failed or was lost, `log` says what; 2: wrong options.
int run_ship(const ShipOptions& options, const ShipContext& context);

// The state file: one line a followed path, and a checksum. kCorrupt when it does not hold.
using ShipState = std::map<std::string, FilePosition>;
std::string encode_ship_state(const ShipState& state);
Result<ShipState> decode_ship_state(std::string_view text);
std::string ship_state_path(const ShipOptions& options);

}  // namespace sonde::app

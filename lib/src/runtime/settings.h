// What init() was told, by its caller and by the environment.
#pragma once

#include <memory>
#include <string>

#include "runtime/resource.h"
#include "sonde/init.h"

namespace sonde::inline v1::detail {

struct Settings {
  bool disabled = false;
  std::shared_ptr<Resource> resource;
  std::string log_path;
  Level level = Level::kInfo;
  bool log_lines = true;
  bool console_spans = false;
  bool export_spans = false;
  bool export_logs = false;
  Sampler sampler;
  std::string endpoint;  // without a slash at the end
  std::string header_lines;
  Transport* transport = nullptr;
  int64_t timeout_ms = 0;
  int64_t batch_delay_ms = 0;
  uint64_t batch_bytes = 0;
  uint64_t queue_bytes = 0;

  bool exports() const { return export_spans || export_logs; }
  // Spans are made even if nobody exports them: their ids go into logs, exemplars and outgoing requests.
  bool spans_wanted() const { return true; }
};

// Fills `out`; returns the first problem, or empty. Wrong values are left at their defaults.
std::string read_settings(const Options& options, Settings& out);

}  // namespace sonde::inline v1::detail

// The flags of `sonde server`, as a table and as typed options.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/flags.h"

namespace sonde::app {

const std::vector<Flag>& server_flags();

struct ServerSettings {
  std::string config_file;
  std::string sonde_config_file;
  std::string data_dir;
  Duration retention;
  std::vector<std::string> listen_addresses;
  std::string otlp_http_address;  // empty: none
  std::string otlp_grpc_address;  // empty: none
  std::string web_config_file;
  std::string external_url;
  std::string ui_dir;  // empty: the embedded one
  bool lifecycle = false;
  bool admin_api = false;
  bool allow_anonymous = false;
  bool remote_write_receiver = true;
  bool otlp_receiver = true;
  bool loki_receiver = true;
  Duration lookback;
  Duration query_timeout;
  int64_t query_samples_max = 0;
  int64_t query_concurrency_max = 0;
  Duration alert_resend_delay;
  Duration for_outage_tolerance;
  int64_t alert_queue_length_max = 0;
  std::vector<std::string> features;                       // of --enable-feature
  bool demo = false;                                       // data made up by `sonde demo`
  std::vector<std::pair<std::string, std::string>> flags;  // all, for /api/v1/status/flags

  static ServerSettings from(const FlagValues& values);
};

}  // namespace sonde::app

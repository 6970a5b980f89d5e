// sonde.yml: what Prometheus's own file has no place for. Optional; documented in
// docs/manual/configuration.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/time.h"
#include "config/secret.h"
#include "config/yaml.h"

namespace sonde::config {

struct WebhookConfig {
  std::string url;
  std::map<std::string, Secret> headers;
  Duration timeout = Duration::seconds(10);
};

struct ReceiverConfig {
  std::string name;
  WebhookConfig webhook;
  int line = 0;
};

// Oldest data go first when either bound is reached.
struct RetentionConfig {
  Duration time;
  int64_t size = 0;  // bytes; 0: no bound
};

struct LimitsConfig {
  int64_t ingest_body = 64 << 20;       // bytes of one pushed request, uncompressed
  uint64_t active_series = 0;           // 0: no bound
  uint64_t query_samples = 50'000'000;  // one query may hold
  Duration query_timeout = Duration::minutes(2);
};

struct SondeConfig {
  std::vector<ReceiverConfig> receivers;
  uint64_t inbox_size = 1'000;  // notifications kept
  RetentionConfig logs{Duration::hours(30 * 24), 0};
  RetentionConfig traces{Duration::hours(7 * 24), 0};
  LimitsConfig limits;
};

// Strict: unknown keys, repeated names and impossible values are errors with file and line.
Result<SondeConfig> load_sonde_config(FileSystem& fs, const std::string& path);
Result<SondeConfig> parse_sonde_config(std::string_view text, const std::string& path);
// Effective values as YAML, secrets as <secret>.
std::string marshal(const SondeConfig& config);

}  // namespace sonde::config

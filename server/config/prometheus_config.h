// The configuration file of Prometheus 3.14, typed: every key it knows, unknown ones are errors, defaults and
// inheritance applied. What sonde understands but does not do is listed by `unsupported`, for the caller to
// refuse by name: nothing is ignored silently.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/time.h"
#include "config/http_client_config.h"
#include "config/secret.h"
#include "config/yaml.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/relabel.h"

namespace sonde::config {

enum class ScrapeProtocol : uint8_t {
  kPrometheusProto,
  kPrometheusText004,
  kPrometheusText100,
  kOpenMetricsText001,
  kOpenMetricsText100,
};
const char* to_string(ScrapeProtocol protocol);  // "PrometheusProto", "PrometheusText0.0.4", …

enum class EscapingScheme : uint8_t { kAllowUtf8, kUnderscores, kDots, kValues };
const char* to_string(EscapingScheme scheme);  // "allow-utf-8", "underscores", …

struct Location {
  std::string file;
  int line = 0;
};

// 0 means no limit.
struct ScrapeLimits {
  int64_t body_size_limit = 0;  // bytes, uncompressed
  uint64_t sample_limit = 0;
  uint64_t target_limit = 0;
  uint64_t label_limit = 0;
  uint64_t label_name_length_limit = 0;
  uint64_t label_value_length_limit = 0;
  uint64_t keep_dropped_targets = 0;
};

struct GlobalConfig {
  Duration scrape_interval = Duration::minutes(1);
  Duration scrape_timeout = Duration::seconds(10);
  Duration evaluation_interval = Duration::minutes(1);
  Duration rule_query_offset;
  std::vector<ScrapeProtocol> scrape_protocols;  // empty: not set
  LabelSet external_labels;                      // expanded
  std::string query_log_file;
  std::string scrape_failure_log_file;
  ScrapeLimits limits;
  NameValidation metric_name_validation = NameValidation::kUtf8;
  std::optional<EscapingScheme> metric_name_escaping;
  bool scrape_native_histograms = false;
  bool convert_classic_histograms_to_nhcb = false;
  bool always_scrape_classic_histograms = false;
  bool extra_scrape_metrics = false;
};

// Targets with labels in common: an entry of static_configs or of a discovered file.
struct TargetGroup {
  std::vector<std::string> targets;  // host:port
  LabelSet labels;
  std::string source;  // unique within a scrape configuration: "0", "foo.json:1"
};

struct FileDiscovery {
  std::vector<std::string> files;  // patterns, resolved
  Duration refresh_interval = Duration::minutes(5);
};

struct HttpDiscovery {
  std::string url;
  Duration refresh_interval = Duration::minutes(1);
  HttpClientConfig http;
  Location at;
};

// A block for a mechanism that this parser does not type: "kubernetes", "ec2", …
struct OtherDiscovery {
  std::string mechanism;
  NodePtr block;  // the whole *_sd_configs list
  Location at;
};

struct DiscoveryConfig {
  std::vector<TargetGroup> static_configs;
  std::vector<FileDiscovery> file_sd_configs;
  std::vector<HttpDiscovery> http_sd_configs;
  std::vector<OtherDiscovery> others;
};

struct ScrapeConfig {
  std::string job_name;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  std::map<std::string, std::vector<std::string>> params;
  Duration scrape_interval;
  Duration scrape_timeout;
  std::vector<ScrapeProtocol> scrape_protocols;  // in order of preference, never empty
  std::optional<ScrapeProtocol> fallback_scrape_protocol;
  bool scrape_native_histograms = false;
  bool always_scrape_classic_histograms = false;
  bool convert_classic_histograms_to_nhcb = false;
  bool extra_scrape_metrics = false;
  std::string scrape_failure_log_file;
  std::string metrics_path = "/metrics";
  std::string scheme = "http";
  bool enable_compression = true;
  ScrapeLimits limits;
  uint64_t native_histogram_bucket_limit = 0;
  double native_histogram_min_bucket_factor = 0;
  NameValidation metric_name_validation = NameValidation::kUtf8;
  EscapingScheme metric_name_escaping = EscapingScheme::kAllowUtf8;
  DiscoveryConfig discovery;
  HttpClientConfig http;
  RelabelRules relabel_configs;
  RelabelRules metric_relabel_configs;
  Location at;
};

struct AlertmanagerConfig {
  std::string scheme = "http";
  std::string path_prefix;
  Duration timeout = Duration::seconds(10);
  DiscoveryConfig discovery;
  HttpClientConfig http;
  RelabelRules relabel_configs;
  RelabelRules alert_relabel_configs;
  bool sigv4 = false;
  Location at;
};

struct AlertingConfig {
  RelabelRules alert_relabel_configs;
  std::vector<AlertmanagerConfig> alertmanagers;
};

struct QueueConfig {
  int64_t capacity = 10'000;
  int64_t max_shards = 50;
  int64_t min_shards = 1;
  int64_t max_samples_per_send = 2'000;
  Duration batch_send_deadline = Duration::seconds(5);
  Duration min_backoff = Duration::milliseconds(30);
  Duration max_backoff = Duration::seconds(5);
  bool retry_on_http_429 = false;
  Duration sample_age_limit;
};

struct RemoteWriteConfig {
  std::string url;
  std::string name;
  std::string protobuf_message = "prometheus.WriteRequest";
  Duration remote_timeout = Duration::seconds(30);
  std::map<std::string, std::string> headers;
  RelabelRules write_relabel_configs;
  bool send_exemplars = false;
  bool send_native_histograms = false;
  bool round_robin_dns = false;
  std::vector<std::string> cloud_auth;  // of sigv4, azuread, google_iam those that are present
  QueueConfig queue;
  bool metadata_send = true;
  Duration metadata_send_interval = Duration::minutes(1);
  int64_t metadata_max_samples_per_send = 2'000;
  HttpClientConfig http;
  Location at;
};

struct RemoteReadConfig {
  std::string url;
  std::string name;
  std::map<std::string, std::string> required_matchers;
  Duration remote_timeout = Duration::minutes(1);
  std::map<std::string, std::string> headers;
  bool read_recent = false;
  bool filter_external_labels = true;
  HttpClientConfig http;
  Location at;
};

struct OtlpConfig {
  bool promote_all_resource_attributes = false;
  std::vector<std::string> promote_resource_attributes;
  std::vector<std::string> ignore_resource_attributes;
  std::string translation_strategy = "UnderscoreEscapingWithSuffixes";
  bool keep_identifying_resource_attributes = false;
  bool convert_histograms_to_nhcb = false;
  bool promote_scope_metadata = false;
  bool label_name_underscore_sanitization = true;
  bool label_name_preserve_multiple_underscores = true;
};

struct TsdbRetention {
  std::optional<Duration> time;
  std::optional<int64_t> size;  // bytes
  double percentage = 0;        // of the disk; 0: off
};

struct StorageConfig {
  Duration out_of_order_time_window;
  double stale_series_compaction_threshold = 0;
  std::string chunk_encoding_floats = "xor";
  TsdbRetention retention;
  std::optional<int64_t> max_exemplars;
};

struct TracingConfig {
  std::string client_type = "grpc";
  std::string endpoint;
  double sampling_fraction = 0;
  bool insecure = false;
  std::map<std::string, std::string> headers;
  std::string compression;
  Duration timeout = Duration::seconds(10);
  TlsConfig tls;
  Location at;
};

// What the running program can do. The parser itself is the same for all.
struct Capabilities {
  std::set<std::string, std::less<>> discovery{"static", "file", "http"};
  bool remote_write = false;
  bool remote_read = false;
  bool tracing = false;
};

struct PrometheusConfig {
  GlobalConfig global;
  int64_t gogc = 75;                             // accepted, of no effect
  std::vector<std::string> rule_files;           // patterns, resolved
  std::vector<std::string> scrape_config_files;  // patterns, resolved
  std::vector<ScrapeConfig> scrape_configs;      // those of scrape_config_files come last
  AlertingConfig alerting;
  std::vector<RemoteWriteConfig> remote_write;
  std::vector<RemoteReadConfig> remote_read;
  OtlpConfig otlp;
  StorageConfig storage;
  std::optional<TracingConfig> tracing;

  // Empty environment variables that external_labels refer to, for a warning.
  std::vector<std::string> empty_variables;
  // Files that were read: the configuration itself and what scrape_config_files named.
  std::vector<std::string> files_read;
};

struct LoadOptions {
  bool agent = false;  // refuse what agent mode does not have
  // Absent for an unset variable. Without it every variable is unset.
  std::function<std::optional<std::string>(std::string_view name)> environment;
  YamlLimits limits;
};

// Reads and checks the file and those that scrape_config_files names. Every error carries file and line.
// Nothing outside the returned value changes.
Result<PrometheusConfig> load_prometheus_config(FileSystem& fs, const std::string& path,
                                                const LoadOptions& options);
// The same for a text that is already here; `path` locates relative names and messages.
Result<PrometheusConfig> parse_prometheus_config(FileSystem& fs, std::string_view text,
                                                 const std::string& path, const LoadOptions& options);

// The uses of things that `capabilities` lacks, each as an error with file and line (code kUnsupported):
// "kubernetes_sd_configs is not supported; use file_sd_configs or http_sd_configs".
std::vector<Error> unsupported(const PrometheusConfig& config, const Capabilities& capabilities = {});

// The files that rule_files names, sorted within each pattern, each once. A pattern that matches nothing is
// no error.
Result<std::vector<std::string>> rule_file_paths(const FileSystem& fs, const PrometheusConfig& config);

// The effective configuration as YAML, defaults filled in, secrets as <secret>: for /api/v1/status/config.
std::string marshal(const PrometheusConfig& config);
// One scrape configuration, for /api/v1/scrape_pools/config.
std::string marshal(const ScrapeConfig& config);

// A target group as it stands in static_configs; `source` names the group. What its targets must look like is
// for relabelling to decide; without any, static_configs takes only host[:port].
Result<TargetGroup> read_target_group(const Node& node, std::string source);
// A list of target groups: the content of a file_sd file (YAML, or JSON, which is YAML too) or an http_sd
// answer.
Result<std::vector<TargetGroup>> read_target_groups(const Node& node, const std::string& source);

Result<RelabelRule> read_relabel_rule(const Node& node, NameValidation names);

// ${VAR} and $VAR replaced, $$ a dollar sign (Go's os.Expand).
std::string expand_variables(std::string_view text,
                             const std::function<std::string(std::string_view)>& lookup);

}  // namespace sonde::config

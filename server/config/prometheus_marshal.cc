#include <fmt/format.h>

#include "config/prometheus_config.h"
#include "config/yaml_writer.h"

namespace sonde::config {

namespace {

void write_relabels(YamlMap& m, const char* key, const RelabelRules& rules) {
  if (rules.empty()) return;
  std::vector<YamlMap> list;
  for (const RelabelRule& rule : rules) {
    const RelabelOptions& o = rule.options();
    YamlMap r;
    if (!o.source_labels.empty()) r.texts("source_labels", o.source_labels);
    RelabelOptions defaults;
    bool bare = o.action == RelabelAction::kLabelDrop || o.action == RelabelAction::kLabelKeep ||
                o.action == RelabelAction::kKeepEqual || o.action == RelabelAction::kDropEqual;
    if (!bare || o.separator != defaults.separator) r.text("separator", o.separator);
    if (!bare || o.regex != defaults.regex) r.text("regex", o.regex);
    if (o.modulus != 0) r.raw("modulus", std::to_string(o.modulus));
    if (!o.target_label.empty()) r.text("target_label", o.target_label);
    if (o.replacement != defaults.replacement || o.action == RelabelAction::kReplace ||
        o.action == RelabelAction::kLabelMap) {
      r.text("replacement", o.replacement);
    }
    r.text("action", to_string(o.action));
    list.push_back(std::move(r));
  }
  m.list(key, std::move(list));
}

void write_protocols(YamlMap& m, const std::vector<ScrapeProtocol>& protocols) {
  if (protocols.empty()) return;
  std::vector<std::string> names;
  for (ScrapeProtocol p : protocols) names.emplace_back(to_string(p));
  m.texts("scrape_protocols", names);
}

void write_limits(YamlMap& m, const ScrapeLimits& l) {
  auto count = [&](const char* key, uint64_t v) {
    if (v != 0) m.raw(key, std::to_string(v));
  };
  if (l.body_size_limit != 0) m.raw("body_size_limit", format_bytes(l.body_size_limit));
  count("sample_limit", l.sample_limit);
  count("target_limit", l.target_limit);
  count("label_limit", l.label_limit);
  count("label_name_length_limit", l.label_name_length_limit);
  count("label_value_length_limit", l.label_value_length_limit);
  count("keep_dropped_targets", l.keep_dropped_targets);
}

std::map<std::string, std::string> to_map(const LabelSet& labels) {
  std::map<std::string, std::string> out;
  for (LabelView l : labels) out.emplace(l.name, l.value);
  return out;
}

// A dollar sign that reads back as one.
std::map<std::string, std::string> escaped(std::map<std::string, std::string> labels) {
  for (auto& [name, value] : labels) {
    std::string out;
    for (char c : value) out += c == '$' ? "$$" : std::string(1, c);
    value = out;
  }
  return labels;
}

void write_discovery(YamlMap& m, const DiscoveryConfig& d) {
  std::vector<YamlMap> list;
  for (const TargetGroup& g : d.static_configs) {
    YamlMap e;
    e.texts("targets", g.targets);
    if (!g.labels.empty()) e.text_map("labels", to_map(g.labels));
    list.push_back(std::move(e));
  }
  if (!list.empty()) m.list("static_configs", std::move(list));
  list.clear();
  for (const FileDiscovery& f : d.file_sd_configs) {
    YamlMap e;
    e.texts("files", f.files);
    e.raw("refresh_interval", format_duration(f.refresh_interval));
    list.push_back(std::move(e));
  }
  if (!list.empty()) m.list("file_sd_configs", std::move(list));
  list.clear();
  for (const HttpDiscovery& h : d.http_sd_configs) {
    YamlMap e;
    e.text("url", redact_url(h.url));
    e.raw("refresh_interval", format_duration(h.refresh_interval));
    write_http_client_config(e, h.http);
    list.push_back(std::move(e));
  }
  if (!list.empty()) m.list("http_sd_configs", std::move(list));
}

YamlMap scrape_config_map(const ScrapeConfig& sc) {
  YamlMap m;
  m.text("job_name", sc.job_name);
  if (sc.honor_labels) m.flag("honor_labels", true);
  m.flag("honor_timestamps", sc.honor_timestamps);
  m.flag("track_timestamps_staleness", sc.track_timestamps_staleness);
  if (!sc.params.empty()) {
    YamlMap params;
    for (const auto& [name, values] : sc.params) params.texts(name, values);
    m.map("params", std::move(params));
  }
  m.raw("scrape_interval", format_duration(sc.scrape_interval));
  m.raw("scrape_timeout", format_duration(sc.scrape_timeout));
  write_protocols(m, sc.scrape_protocols);
  if (sc.fallback_scrape_protocol)
    m.text("fallback_scrape_protocol", to_string(*sc.fallback_scrape_protocol));
  m.flag("scrape_native_histograms", sc.scrape_native_histograms);
  m.flag("always_scrape_classic_histograms", sc.always_scrape_classic_histograms);
  m.flag("convert_classic_histograms_to_nhcb", sc.convert_classic_histograms_to_nhcb);
  if (sc.extra_scrape_metrics) m.flag("extra_scrape_metrics", true);
  if (!sc.scrape_failure_log_file.empty()) m.text("scrape_failure_log_file", sc.scrape_failure_log_file);
  m.text("metrics_path", sc.metrics_path);
  m.text("scheme", sc.scheme);
  m.flag("enable_compression", sc.enable_compression);
  write_limits(m, sc.limits);
  if (sc.native_histogram_bucket_limit != 0) {
    m.raw("native_histogram_bucket_limit", std::to_string(sc.native_histogram_bucket_limit));
  }
  if (sc.native_histogram_min_bucket_factor != 0) {
    m.raw("native_histogram_min_bucket_factor", fmt::format("{}", sc.native_histogram_min_bucket_factor));
  }
  m.text("metric_name_validation_scheme",
         sc.metric_name_validation == NameValidation::kUtf8 ? "utf8" : "legacy");
  m.text("metric_name_escaping_scheme", to_string(sc.metric_name_escaping));
  write_http_client_config(m, sc.http);
  write_relabels(m, "relabel_configs", sc.relabel_configs);
  write_relabels(m, "metric_relabel_configs", sc.metric_relabel_configs);
  write_discovery(m, sc.discovery);
  return m;
}

YamlMap global_map(const GlobalConfig& g) {
  YamlMap m;
  m.raw("scrape_interval", format_duration(g.scrape_interval));
  m.raw("scrape_timeout", format_duration(g.scrape_timeout));
  write_protocols(m, g.scrape_protocols);
  m.raw("evaluation_interval", format_duration(g.evaluation_interval));
  if (g.rule_query_offset.ns != 0) m.raw("rule_query_offset", format_duration(g.rule_query_offset));
  if (!g.external_labels.empty()) m.text_map("external_labels", escaped(to_map(g.external_labels)));
  if (!g.query_log_file.empty()) m.text("query_log_file", g.query_log_file);
  if (!g.scrape_failure_log_file.empty()) m.text("scrape_failure_log_file", g.scrape_failure_log_file);
  write_limits(m, g.limits);
  m.text("metric_name_validation_scheme",
         g.metric_name_validation == NameValidation::kUtf8 ? "utf8" : "legacy");
  if (g.metric_name_escaping) m.text("metric_name_escaping_scheme", to_string(*g.metric_name_escaping));
  m.flag("scrape_native_histograms", g.scrape_native_histograms);
  m.flag("always_scrape_classic_histograms", g.always_scrape_classic_histograms);
  m.flag("convert_classic_histograms_to_nhcb", g.convert_classic_histograms_to_nhcb);
  if (g.extra_scrape_metrics) m.flag("extra_scrape_metrics", true);
  return m;
}

YamlMap alerting_map(const AlertingConfig& a) {
  YamlMap m;
  write_relabels(m, "alert_relabel_configs", a.alert_relabel_configs);
  std::vector<YamlMap> list;
  for (const AlertmanagerConfig& am : a.alertmanagers) {
    YamlMap e;
    write_http_client_config(e, am.http);
    e.text("scheme", am.scheme);
    if (!am.path_prefix.empty()) e.text("path_prefix", am.path_prefix);
    e.raw("timeout", format_duration(am.timeout));
    e.text("api_version", "v2");
    write_relabels(e, "relabel_configs", am.relabel_configs);
    write_relabels(e, "alert_relabel_configs", am.alert_relabel_configs);
    write_discovery(e, am.discovery);
    list.push_back(std::move(e));
  }
  if (!list.empty()) m.list("alertmanagers", std::move(list));
  return m;
}

// Header values often carry tokens.
std::map<std::string, std::string> masked_headers(std::map<std::string, std::string> headers) {
  for (auto& [name, value] : headers) value = Secret(value).to_string();
  return headers;
}

YamlMap remote_write_map(const RemoteWriteConfig& c) {
  YamlMap m;
  m.text("url", redact_url(c.url));
  m.raw("remote_timeout", format_duration(c.remote_timeout));
  if (!c.headers.empty()) m.text_map("headers", masked_headers(c.headers));
  write_relabels(m, "write_relabel_configs", c.write_relabel_configs);
  if (!c.name.empty()) m.text("name", c.name);
  if (c.send_exemplars) m.flag("send_exemplars", true);
  if (c.send_native_histograms) m.flag("send_native_histograms", true);
  if (c.round_robin_dns) m.flag("round_robin_dns", true);
  m.text("protobuf_message", c.protobuf_message);
  write_http_client_config(m, c.http, false);
  const QueueConfig& q = c.queue;
  YamlMap queue;
  queue.raw("capacity", std::to_string(q.capacity));
  queue.raw("max_shards", std::to_string(q.max_shards));
  queue.raw("min_shards", std::to_string(q.min_shards));
  queue.raw("max_samples_per_send", std::to_string(q.max_samples_per_send));
  queue.raw("batch_send_deadline", format_duration(q.batch_send_deadline));
  queue.raw("min_backoff", format_duration(q.min_backoff));
  queue.raw("max_backoff", format_duration(q.max_backoff));
  if (q.retry_on_http_429) queue.flag("retry_on_http_429", true);
  if (q.sample_age_limit.ns != 0) queue.raw("sample_age_limit", format_duration(q.sample_age_limit));
  m.map("queue_config", std::move(queue));
  YamlMap metadata;
  metadata.flag("send", c.metadata_send);
  metadata.raw("send_interval", format_duration(c.metadata_send_interval));
  metadata.raw("max_samples_per_send", std::to_string(c.metadata_max_samples_per_send));
  m.map("metadata_config", std::move(metadata));
  return m;
}

YamlMap remote_read_map(const RemoteReadConfig& c) {
  YamlMap m;
  m.text("url", redact_url(c.url));
  m.raw("remote_timeout", format_duration(c.remote_timeout));
  if (!c.headers.empty()) m.text_map("headers", masked_headers(c.headers));
  if (!c.name.empty()) m.text("name", c.name);
  m.flag("read_recent", c.read_recent);
  if (!c.required_matchers.empty()) m.text_map("required_matchers", c.required_matchers);
  m.flag("filter_external_labels", c.filter_external_labels);
  write_http_client_config(m, c.http);
  return m;
}

YamlMap otlp_map(const OtlpConfig& o) {
  YamlMap m;
  const OtlpConfig defaults;
  if (o.promote_all_resource_attributes) m.flag("promote_all_resource_attributes", true);
  if (!o.promote_resource_attributes.empty())
    m.texts("promote_resource_attributes", o.promote_resource_attributes);
  if (!o.ignore_resource_attributes.empty())
    m.texts("ignore_resource_attributes", o.ignore_resource_attributes);
  m.text("translation_strategy", o.translation_strategy);
  auto flag = [&](const char* key, bool v, bool standard) {
    if (v != standard) m.flag(key, v);
  };
  flag("keep_identifying_resource_attributes", o.keep_identifying_resource_attributes, false);
  flag("convert_histograms_to_nhcb", o.convert_histograms_to_nhcb, false);
  flag("promote_scope_metadata", o.promote_scope_metadata, false);
  flag("label_name_underscore_sanitization", o.label_name_underscore_sanitization,
       defaults.label_name_underscore_sanitization);
  flag("label_name_preserve_multiple_underscores", o.label_name_preserve_multiple_underscores,
       defaults.label_name_preserve_multiple_underscores);
  return m;
}

YamlMap storage_map(const StorageConfig& s) {
  YamlMap tsdb;
  if (s.out_of_order_time_window.ns != 0) {
    tsdb.raw("out_of_order_time_window", format_duration(s.out_of_order_time_window));
  }
  if (s.stale_series_compaction_threshold != 0) {
    tsdb.raw("stale_series_compaction_threshold", fmt::format("{}", s.stale_series_compaction_threshold));
  }
  if (s.chunk_encoding_floats != "xor") {
    YamlMap encoding;
    encoding.text("floats", s.chunk_encoding_floats);
    tsdb.map("chunk_encoding", std::move(encoding));
  }
  YamlMap retention;
  if (s.retention.time) retention.raw("time", format_duration(*s.retention.time));
  if (s.retention.size) retention.raw("size", format_bytes(*s.retention.size));
  if (s.retention.percentage != 0) retention.raw("percentage", fmt::format("{}", s.retention.percentage));
  if (!retention.empty()) tsdb.map("retention", std::move(retention));
  YamlMap m;
  if (!tsdb.empty()) m.map("tsdb", std::move(tsdb));
  if (s.max_exemplars) {
    YamlMap exemplars;
    exemplars.raw("max_exemplars", std::to_string(*s.max_exemplars));
    m.map("exemplars", std::move(exemplars));
  }
  return m;
}

YamlMap tracing_map(const TracingConfig& t) {
  YamlMap m;
  m.text("client_type", t.client_type);
  m.text("endpoint", t.endpoint);
  if (t.sampling_fraction != 0) m.raw("sampling_fraction", fmt::format("{}", t.sampling_fraction));
  m.flag("insecure", t.insecure);
  if (t.tls != TlsConfig{}) m.map("tls_config", to_yaml(t.tls));
  if (!t.headers.empty()) m.text_map("headers", masked_headers(t.headers));
  if (!t.compression.empty()) m.text("compression", t.compression);
  m.raw("timeout", format_duration(t.timeout));
  return m;
}

}  // namespace

std::string marshal(const ScrapeConfig& config) { return scrape_config_map(config).to_string(); }

std::string marshal(const PrometheusConfig& config) {
  YamlMap m;
  m.map("global", global_map(config.global));
  YamlMap runtime;
  runtime.raw("gogc", std::to_string(config.gogc));
  m.map("runtime", std::move(runtime));
  if (YamlMap alerting = alerting_map(config.alerting); !alerting.empty())
    m.map("alerting", std::move(alerting));
  if (!config.rule_files.empty()) m.texts("rule_files", config.rule_files);
  // What scrape_config_files brought stands among the scrape configs already; naming the files too would
  // import them twice.
  std::vector<YamlMap> list;
  for (const ScrapeConfig& sc : config.scrape_configs) list.push_back(scrape_config_map(sc));
  if (!list.empty()) m.list("scrape_configs", std::move(list));
  if (YamlMap storage = storage_map(config.storage); !storage.empty()) m.map("storage", std::move(storage));
  list.clear();
  for (const RemoteWriteConfig& c : config.remote_write) list.push_back(remote_write_map(c));
  if (!list.empty()) m.list("remote_write", std::move(list));
  list.clear();
  for (const RemoteReadConfig& c : config.remote_read) list.push_back(remote_read_map(c));
  if (!list.empty()) m.list("remote_read", std::move(list));
  m.map("otlp", otlp_map(config.otlp));
  if (config.tracing) m.map("tracing", tracing_map(*config.tracing));
  return m.to_string();
}

}  // namespace sonde::config

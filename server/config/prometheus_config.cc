#include "config/prometheus_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/glob.h"

namespace sonde::config {

namespace {

constexpr std::pair<ScrapeProtocol, const char*> kProtocols[] = {
    {ScrapeProtocol::kOpenMetricsText001, "OpenMetricsText0.0.1"},
    {ScrapeProtocol::kOpenMetricsText100, "OpenMetricsText1.0.0"},
    {ScrapeProtocol::kPrometheusProto, "PrometheusProto"},
    {ScrapeProtocol::kPrometheusText004, "PrometheusText0.0.4"},
    {ScrapeProtocol::kPrometheusText100, "PrometheusText1.0.0"},
};

const std::vector<ScrapeProtocol> kDefaultProtocols = {
    ScrapeProtocol::kOpenMetricsText100, ScrapeProtocol::kOpenMetricsText001,
    ScrapeProtocol::kPrometheusText100, ScrapeProtocol::kPrometheusText004};
const std::vector<ScrapeProtocol> kProtoFirstProtocols = {
    ScrapeProtocol::kPrometheusProto, ScrapeProtocol::kOpenMetricsText100,
    ScrapeProtocol::kOpenMetricsText001, ScrapeProtocol::kPrometheusText100,
    ScrapeProtocol::kPrometheusText004};

constexpr std::pair<EscapingScheme, const char*> kEscapings[] = {
    {EscapingScheme::kAllowUtf8, "allow-utf-8"},
    {EscapingScheme::kUnderscores, "underscores"},
    {EscapingScheme::kDots, "dots"},
    {EscapingScheme::kValues, "values"},
};

constexpr std::string_view kMechanisms[] = {
    "aws",       "azure",    "consul",   "digitalocean", "dns",       "docker",     "dockerswarm",
    "ec2",       "eureka",   "gce",      "hetzner",      "ionos",     "kubernetes", "kuma",
    "lightsail", "linode",   "marathon", "nerve",        "nomad",     "oci",        "openstack",
    "outscale",  "ovhcloud", "puppetdb", "scaleway",     "serverset", "stackit",    "triton",
    "uyuni",     "vultr",    "ecs",      "elasticache",  "msk",       "rds"};

Location location(const Node& node) { return {node.file ? *node.file : std::string(), node.line}; }

Result<ScrapeProtocol> protocol_from(std::string_view text) {
  for (const auto& [p, name] : kProtocols) {
    if (text == name) return p;
  }
  std::string known;
  for (const auto& [p, name] : kProtocols) known += (known.empty() ? "" : ", ") + std::string(name);
  return fail(ErrorCode::kInvalid, fmt::format("unknown scrape protocol {}, supported: [{}]", text, known));
}

void read_protocols(MappingReader& r, std::vector<ScrapeProtocol>& out) {
  r.with("scrape_protocols", [&](const Node& n) -> Result<> {
    if (n.kind != NodeKind::kSequence) return fail(n.error("scrape_protocols must be a list"));
    if (n.items.empty()) return fail(n.error("scrape_protocols cannot be empty"));
    for (const NodePtr& item : n.items) {
      SONDE_TRY(std::string text, node_string(*item));
      auto p = protocol_from(text);
      if (!p) return fail(item->error(p.error().message));
      if (std::find(out.begin(), out.end(), *p) != out.end()) {
        return fail(item->error("duplicated protocol in scrape_protocols, got " + text));
      }
      out.push_back(*p);
    }
    return {};
  });
}

void read_validation(MappingReader& r, NameValidation& out) {
  r.with("metric_name_validation_scheme", [&](const Node& n) -> Result<> {
    SONDE_TRY(std::string text, node_string(n));
    if (text == "utf8") {
      out = NameValidation::kUtf8;
    } else if (text == "legacy") {
      out = NameValidation::kLegacy;
    } else if (!text.empty()) {
      return fail(n.error(
          "unknown metric name validation method specified, must be either 'legacy' or 'utf8', got " + text));
    }
    return {};
  });
}

void read_escaping(MappingReader& r, std::optional<EscapingScheme>& out) {
  r.with("metric_name_escaping_scheme", [&](const Node& n) -> Result<> {
    SONDE_TRY(std::string text, node_string(n));
    for (const auto& [scheme, name] : kEscapings) {
      if (text == name) {
        out = scheme;
        return {};
      }
    }
    return fail(n.error(
        fmt::format("unknown global name escaping method specified, must be one of '{}', '{}', '{}', or "
                    "'{}', got {}",
                    "allow-utf-8", "underscores", "dots", "values", quote(text))));
  });
}

void read_limits(MappingReader& r, ScrapeLimits& out) {
  r.read_bytes("body_size_limit", out.body_size_limit);
  r.read("sample_limit", out.sample_limit);
  r.read("target_limit", out.target_limit);
  r.read("label_limit", out.label_limit);
  r.read("label_name_length_limit", out.label_name_length_limit);
  r.read("label_value_length_limit", out.label_value_length_limit);
  r.read("keep_dropped_targets", out.keep_dropped_targets);
  if (out.body_size_limit < 0) r.set_error(r.at("body_size_limit"), "body_size_limit must not be negative");
}

void inherit(uint64_t& own, uint64_t global) {
  if (own == 0) own = global;
}

Result<LabelSet> read_labels(const Node& node) {
  SONDE_TRY(auto map, node_string_map(node));
  std::vector<std::pair<std::string, std::string>> pairs;
  for (auto& [name, value] : map) {
    if (!is_valid_label_name(name, NameValidation::kUtf8)) {
      return fail(node.error(quote(name) + " is not a valid label name"));
    }
    if (!is_valid_utf8(value)) return fail(node.error(quote(value) + " is not a valid label value"));
    pairs.emplace_back(name, std::move(value));
  }
  return LabelSet::from(std::move(pairs));
}

void read_relabels(MappingReader& r, std::string_view key, std::string_view item, NameValidation names,
                   RelabelRules& out) {
  r.each(key, item, [&](const Node& n) -> Result<> {
    SONDE_TRY(RelabelRule rule, read_relabel_rule(n, names));
    out.push_back(std::move(rule));
    return {};
  });
}

bool is_rule_path(std::string_view path) {
  // At most one run of '*', and only in the last component: ^[^*]*(\*[^/]*)?$
  size_t star = path.find('*');
  return star == std::string_view::npos || path.find('/', star) == std::string_view::npos;
}

bool is_discovery_file(std::string_view path) {
  static constexpr std::string_view kEndings[] = {".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"};
  return is_rule_path(path) && std::any_of(std::begin(kEndings), std::end(kEndings),
                                           [&](std::string_view e) { return path.ends_with(e); });
}

void read_discovery(MappingReader& r, const Node& node, const ParseContext& context, DiscoveryConfig& out) {
  // As in Prometheus, relabelling may make an address of anything; the blackbox exporter's URLs live on it.
  const Node* relabelling = r.find("relabel_configs");
  bool addresses = relabelling == nullptr || relabelling->items.empty();
  r.each("static_configs", "section in static_configs", [&](const Node& n) -> Result<> {
    SONDE_TRY(TargetGroup group, read_target_group(n, std::to_string(out.static_configs.size())));
    const Node* targets = addresses ? n.find("targets") : nullptr;
    for (size_t i = 0; targets && i < group.targets.size(); i++) {
      if (group.targets[i].find('/') != std::string::npos)
        return fail(targets->items[i]->error(quote(group.targets[i]) + " is not a valid hostname"));
    }
    out.static_configs.push_back(std::move(group));
    return {};
  });
  r.each("file_sd_configs", "section in file_sd_configs", [&](const Node& n) -> Result<> {
    FileDiscovery d;
    MappingReader f(n, "file_sd_configs entry");
    f.read("files", d.files);
    f.read("refresh_interval", d.refresh_interval);
    if (d.files.empty()) f.set_error(n, "file service discovery config must contain at least one path name");
    for (std::string& path : d.files) {
      if (!is_discovery_file(path)) {
        f.set_error(f.at("files"), fmt::format("path name {} is not valid for file discovery", quote(path)));
      }
      path = resolve_path(context.dir, path);
    }
    SONDE_CHECK(f.finish());
    out.file_sd_configs.push_back(std::move(d));
    return {};
  });
  r.each("http_sd_configs", "section in http_sd_configs", [&](const Node& n) -> Result<> {
    HttpDiscovery d;
    d.at = location(n);
    MappingReader h(n, "http_sd_configs entry");
    h.read("url", d.url);
    h.read("refresh_interval", d.refresh_interval);
    read_http_client_config(h, context, d.http);
    if (Result<> ok = check_http_url(d.url); !ok) h.set_error(h.at("url"), ok.error().message);
    if (d.refresh_interval.ns <= 0)
      h.set_error(h.at("refresh_interval"), "refresh_interval must be positive");
    SONDE_CHECK(h.finish());
    out.http_sd_configs.push_back(std::move(d));
    return {};
  });
  for (std::string_view mechanism : kMechanisms) {
    std::string key = std::string(mechanism) + "_sd_configs";
    r.each(key, "section in " + key, [&](const Node& n) -> Result<> {
      if (n.kind != NodeKind::kMapping) return fail(n.error("a section of " + key + " must be a mapping"));
      return {};
    });
    const Node* block = r.find(key);
    if (!block || block->items.empty() || r.failed()) continue;
    for (const Node::Entry& e : node.entries) {
      if (e.key == key) out.others.push_back({std::string(mechanism), e.value, location(*e.key_node)});
    }
  }
}

// Names that the client sets itself on remote read, remote write and trace export.
Result<> check_remote_headers(const std::map<std::string, std::string>& headers,
                              const char* authorization_message) {
  static constexpr std::string_view kReserved[] = {"host",
                                                   "content-encoding",
                                                   "content-length",
                                                   "content-type",
                                                   "user-agent",
                                                   "connection",
                                                   "keep-alive",
                                                   "proxy-authenticate",
                                                   "proxy-authorization",
                                                   "www-authenticate",
                                                   "accept-encoding",
                                                   "x-prometheus-remote-write-version",
                                                   "x-prometheus-remote-read-version",
                                                   "x-amz-date",
                                                   "x-amz-security-token",
                                                   "x-amz-content-sha256"};
  for (const auto& [name, value] : headers) {
    std::string lower = name;
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    if (lower == "authorization") return fail(ErrorCode::kInvalid, authorization_message);
    if (std::find(std::begin(kReserved), std::end(kReserved), lower) != std::end(kReserved)) {
      return fail(ErrorCode::kInvalid, name + " is a reserved header. It must not be changed");
    }
  }
  return {};
}

class Loader {
 public:
  Loader(FileSystem& fs, const LoadOptions& options) : fs_(fs), options_(options) {}

  Result<PrometheusConfig> run(const Node& root, const std::string& path) {
    context_.dir = directory_of(path);
    config_.files_read.push_back(path);
    MappingReader r(root, "the configuration");
    if (options_.agent) {
      for (const char* key : {"alerting", "rule_files", "remote_read"}) {
        if (const Node* n = r.find(key); n && !n->is_null()) {
          r.set_error(*n, fmt::format("field {} is not allowed in agent mode", key));
        }
      }
    }
    r.with("global", [&](const Node& n) { return read_global(n); });
    r.with("runtime", [&](const Node& n) -> Result<> {
      MappingReader m(n, "runtime");
      m.read("gogc", config_.gogc);
      return m.finish();
    });
    read_patterns(r, "rule_files", "invalid rule file path", config_.rule_files);
    read_patterns(r, "scrape_config_files", "invalid scrape config file path", config_.scrape_config_files);
    r.each("scrape_configs", "scrape config section", [&](const Node& n) { return add_scrape_config(n); });
    r.with("alerting", [&](const Node& n) { return read_alerting(n); });
    std::set<std::string> names;
    r.each("remote_write", "remote write config section",
           [&](const Node& n) { return read_remote_write(n, names); });
    names.clear();
    r.each("remote_read", "remote read config section",
           [&](const Node& n) { return read_remote_read(n, names); });
    r.with("otlp", [&](const Node& n) { return read_otlp(n); });
    r.with("storage", [&](const Node& n) { return read_storage(n); });
    r.with("tracing", [&](const Node& n) { return read_tracing(n); });
    SONDE_CHECK(r.finish());
    SONDE_CHECK(read_scrape_config_files());
    return std::move(config_);
  }

 private:
  Result<> read_global(const Node& node) {
    GlobalConfig& g = config_.global;
    MappingReader r(node, "global");
    Duration interval;
    Duration timeout;
    Duration evaluation;
    r.read("scrape_interval", interval);
    r.read("scrape_timeout", timeout);
    r.read("evaluation_interval", evaluation);
    r.read("rule_query_offset", g.rule_query_offset);
    read_protocols(r, g.scrape_protocols);
    r.with("external_labels", [&](const Node& n) { return read_external_labels(n); });
    r.read("query_log_file", g.query_log_file);
    r.read("scrape_failure_log_file", g.scrape_failure_log_file);
    read_limits(r, g.limits);
    read_validation(r, g.metric_name_validation);
    read_escaping(r, g.metric_name_escaping);
    r.read("scrape_native_histograms", g.scrape_native_histograms);
    r.read("convert_classic_histograms_to_nhcb", g.convert_classic_histograms_to_nhcb);
    r.read("always_scrape_classic_histograms", g.always_scrape_classic_histograms);
    r.read("extra_scrape_metrics", g.extra_scrape_metrics);
    if (interval.ns != 0) g.scrape_interval = interval;
    if (timeout > g.scrape_interval) {
      r.set_error(r.at("scrape_timeout"), "global scrape timeout greater than scrape interval");
    }
    g.scrape_timeout = timeout.ns != 0 ? timeout : std::min(Duration::seconds(10), g.scrape_interval);
    if (evaluation.ns != 0) g.evaluation_interval = evaluation;
    if (g.metric_name_validation == NameValidation::kLegacy &&
        g.metric_name_escaping == EscapingScheme::kAllowUtf8) {
      r.set_error(r.at("metric_name_escaping_scheme"),
                  "utf8 metric names requested but validation scheme is not set to UTF8");
    }
    g.query_log_file = resolve_path(context_.dir, g.query_log_file);
    g.scrape_failure_log_file = resolve_path(context_.dir, g.scrape_failure_log_file);
    return r.finish();
  }

  Result<> read_external_labels(const Node& node) {
    if (node.kind != NodeKind::kMapping) return fail(node.error("external_labels must be a mapping"));
    std::vector<std::pair<std::string, std::string>> labels;
    for (const Node::Entry& e : node.entries) {
      if (!is_valid_label_name(e.key, NameValidation::kUtf8)) {
        return fail(e.key_node->error(quote(e.key) + " is not a valid label name"));
      }
      SONDE_TRY(std::string value, node_string(*e.value));
      std::string expanded = expand_variables(value, [&](std::string_view name) -> std::string {
        if (name == "$") return "$";
        std::optional<std::string> v;
        if (options_.environment) v = options_.environment(name);
        if (!v || v->empty()) {
          config_.empty_variables.emplace_back(name);
          return "";
        }
        return *v;
      });
      if (!is_valid_utf8(expanded))
        return fail(e.value->error(quote(expanded) + " is not a valid label value"));
      labels.emplace_back(e.key, std::move(expanded));
    }
    config_.global.external_labels = LabelSet::from(std::move(labels));
    return {};
  }

  void read_patterns(MappingReader& r, std::string_view key, std::string_view complaint,
                     std::vector<std::string>& out) {
    r.with(key, [&](const Node& n) -> Result<> {
      if (n.kind != NodeKind::kSequence)
        return fail(n.error(std::string(key) + " must be a list of file patterns"));
      for (const NodePtr& item : n.items) {
        SONDE_TRY(std::string pattern, node_string(*item));
        if (!is_rule_path(pattern)) return fail(item->error(fmt::format("{} {}", complaint, quote(pattern))));
        if (Result<bool> ok = match_component(pattern, ""); !ok) {
          return fail(item->error(fmt::format("{} {}: {}", complaint, quote(pattern), ok.error().message)));
        }
        out.push_back(resolve_path(context_.dir, pattern));
      }
      return {};
    });
  }

  Result<> add_scrape_config(const Node& node) {
    SONDE_TRY(ScrapeConfig sc, read_scrape_config(node));
    auto [it, fresh] = job_lines_.emplace(sc.job_name, sc.at);
    if (!fresh) {
      return fail(
          node.error(fmt::format("found multiple scrape configs with job name {}, the other is at {}:{}",
                                 quote(sc.job_name), it->second.file, it->second.line)));
    }
    config_.scrape_configs.push_back(std::move(sc));
    return {};
  }

  Result<ScrapeConfig> read_scrape_config(const Node& node) {
    const GlobalConfig& g = config_.global;
    ScrapeConfig sc;
    sc.at = location(node);
    MappingReader r(node, "scrape_configs entry");
    r.read("job_name", sc.job_name);
    r.read("honor_labels", sc.honor_labels);
    r.read("honor_timestamps", sc.honor_timestamps);
    r.read("track_timestamps_staleness", sc.track_timestamps_staleness);
    r.with("params", [&](const Node& n) -> Result<> {
      if (n.kind != NodeKind::kMapping) return fail(n.error("params must be a mapping"));
      for (const Node::Entry& e : n.entries) {
        SONDE_TRY(auto values, node_strings(*e.value));
        sc.params.emplace(e.key, std::move(values));
      }
      return {};
    });
    r.read("scrape_interval", sc.scrape_interval);
    r.read("scrape_timeout", sc.scrape_timeout);
    read_protocols(r, sc.scrape_protocols);
    r.with("fallback_scrape_protocol", [&](const Node& n) -> Result<> {
      SONDE_TRY(std::string text, node_string(n));
      if (text.empty()) return {};
      auto p = protocol_from(text);
      if (!p) return fail(n.error("invalid fallback_scrape_protocol: " + p.error().message));
      sc.fallback_scrape_protocol = *p;
      return {};
    });
    sc.scrape_native_histograms = g.scrape_native_histograms;
    sc.convert_classic_histograms_to_nhcb = g.convert_classic_histograms_to_nhcb;
    sc.always_scrape_classic_histograms = g.always_scrape_classic_histograms;
    sc.extra_scrape_metrics = g.extra_scrape_metrics;
    r.read("scrape_native_histograms", sc.scrape_native_histograms);
    r.read("convert_classic_histograms_to_nhcb", sc.convert_classic_histograms_to_nhcb);
    r.read("always_scrape_classic_histograms", sc.always_scrape_classic_histograms);
    r.read("extra_scrape_metrics", sc.extra_scrape_metrics);
    r.read("scrape_failure_log_file", sc.scrape_failure_log_file);
    r.read("metrics_path", sc.metrics_path);
    r.read("scheme", sc.scheme);
    r.read("enable_compression", sc.enable_compression);
    read_limits(r, sc.limits);
    r.read("native_histogram_bucket_limit", sc.native_histogram_bucket_limit);
    r.read("native_histogram_min_bucket_factor", sc.native_histogram_min_bucket_factor);
    sc.metric_name_validation = g.metric_name_validation;
    read_validation(r, sc.metric_name_validation);
    std::optional<EscapingScheme> escaping;
    read_escaping(r, escaping);
    read_discovery(r, node, context_, sc.discovery);
    read_http_client_config(r, context_, sc.http);
    read_relabels(r, "relabel_configs", "target relabeling rule in scrape config", sc.metric_name_validation,
                  sc.relabel_configs);
    read_relabels(r, "metric_relabel_configs", "metric relabeling rule in scrape config",
                  sc.metric_name_validation, sc.metric_relabel_configs);
    SONDE_CHECK(r.finish());

    if (sc.job_name.empty()) return fail(r.at("job_name").error("job_name is empty"));
    if (sc.scheme != "http" && sc.scheme != "https") {
      return fail(r.at("scheme").error("scheme must be http or https, got " + quote(sc.scheme)));
    }
    if (sc.scrape_interval.ns == 0) sc.scrape_interval = g.scrape_interval;
    if (sc.scrape_timeout > sc.scrape_interval) {
      return fail(
          r.at("scrape_timeout")
              .error(fmt::format(
                  "scrape timeout greater than scrape interval for scrape config with job name {}: {} > {}",
                  quote(sc.job_name), format_duration(sc.scrape_timeout),
                  format_duration(sc.scrape_interval))));
    }
    if (sc.scrape_timeout.ns == 0) sc.scrape_timeout = std::min(g.scrape_timeout, sc.scrape_interval);
    if (sc.limits.body_size_limit == 0) sc.limits.body_size_limit = g.limits.body_size_limit;
    inherit(sc.limits.sample_limit, g.limits.sample_limit);
    inherit(sc.limits.target_limit, g.limits.target_limit);
    inherit(sc.limits.label_limit, g.limits.label_limit);
    inherit(sc.limits.label_name_length_limit, g.limits.label_name_length_limit);
    inherit(sc.limits.label_value_length_limit, g.limits.label_value_length_limit);
    inherit(sc.limits.keep_dropped_targets, g.limits.keep_dropped_targets);
    sc.scrape_failure_log_file = sc.scrape_failure_log_file.empty()
                                     ? g.scrape_failure_log_file
                                     : resolve_path(context_.dir, sc.scrape_failure_log_file);
    if (sc.scrape_protocols.empty()) sc.scrape_protocols = g.scrape_protocols;
    if (sc.scrape_protocols.empty()) {
      sc.scrape_protocols = sc.scrape_native_histograms ? kProtoFirstProtocols : kDefaultProtocols;
    }
    // The global escaping only serves when it fits the local validation.
    if (!escaping && g.metric_name_escaping &&
        !(sc.metric_name_validation == NameValidation::kLegacy &&
          *g.metric_name_escaping == EscapingScheme::kAllowUtf8)) {
      escaping = g.metric_name_escaping;
    }
    sc.metric_name_escaping =
        escaping.value_or(sc.metric_name_validation == NameValidation::kLegacy ? EscapingScheme::kUnderscores
                                                                               : EscapingScheme::kAllowUtf8);
    if (sc.metric_name_validation == NameValidation::kLegacy &&
        sc.metric_name_escaping == EscapingScheme::kAllowUtf8) {
      return fail(r.at("metric_name_escaping_scheme")
                      .error("utf8 metric names requested but validation scheme is not set to UTF8"));
    }
    return sc;
  }

  Result<> read_scrape_config_files() {
    for (const std::string& pattern : config_.scrape_config_files) {
      SONDE_TRY(auto paths, glob(fs_, pattern));
      for (const std::string& path : paths) {
        SONDE_TRY(NodePtr root, read_yaml(fs_, path, options_.limits));
        config_.files_read.push_back(path);
        context_.dir = directory_of(path);
        MappingReader r(*root, "a scrape config file");
        r.each("scrape_configs", "scrape config section",
               [&](const Node& n) { return add_scrape_config(n); });
        SONDE_CHECK(r.finish());
      }
    }
    return {};
  }

  Result<> read_alerting(const Node& node) {
    const NameValidation names = config_.global.metric_name_validation;
    MappingReader r(node, "alerting");
    read_relabels(r, "alert_relabel_configs", "alert relabeling rule", names,
                  config_.alerting.alert_relabel_configs);
    r.each("alertmanagers", "Alertmanager config section", [&](const Node& n) -> Result<> {
      AlertmanagerConfig am;
      am.at = location(n);
      MappingReader m(n, "alertmanagers entry");
      m.read("scheme", am.scheme);
      m.read("path_prefix", am.path_prefix);
      m.read("timeout", am.timeout);
      std::string version = "v2";
      m.read("api_version", version);
      if (version != "v2") {
        m.set_error(m.at("api_version"),
                    fmt::format("expected Alertmanager api version to be one of [v2] but got {}", version));
      }
      m.with("sigv4", [&](const Node&) -> Result<> {
        am.sigv4 = true;
        return {};
      });
      read_discovery(m, n, context_, am.discovery);
      read_http_client_config(m, context_, am.http);
      if (am.sigv4 && am.http.has_credentials()) {
        m.set_error(n, "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured");
      }
      read_relabels(m, "relabel_configs", "Alertmanager target relabeling rule", names, am.relabel_configs);
      read_relabels(m, "alert_relabel_configs", "Alertmanager alert relabeling rule", names,
                    am.alert_relabel_configs);
      if (am.scheme != "http" && am.scheme != "https") {
        m.set_error(m.at("scheme"), "scheme must be http or https, got " + quote(am.scheme));
      }
      SONDE_CHECK(m.finish());
      config_.alerting.alertmanagers.push_back(std::move(am));
      return {};
    });
    return r.finish();
  }

  Result<> read_remote_write(const Node& node, std::set<std::string>& names) {
    RemoteWriteConfig c;
    c.at = location(node);
    c.http.enable_http2 = false;
    MappingReader r(node, "remote_write entry");
    r.read("url", c.url);
    r.read("name", c.name);
    r.read("protobuf_message", c.protobuf_message);
    r.read("remote_timeout", c.remote_timeout);
    r.read("headers", c.headers);
    read_relabels(r, "write_relabel_configs", "relabeling rule in remote write config",
                  config_.global.metric_name_validation, c.write_relabel_configs);
    r.read("send_exemplars", c.send_exemplars);
    r.read("send_native_histograms", c.send_native_histograms);
    r.read("round_robin_dns", c.round_robin_dns);
    for (const char* key : {"sigv4", "azuread", "google_iam"}) {
      r.with(key, [&](const Node&) -> Result<> {
        c.cloud_auth.emplace_back(key);
        return {};
      });
    }
    r.with("queue_config", [&](const Node& n) { return read_queue(n, c.queue); });
    r.with("metadata_config", [&](const Node& n) -> Result<> {
      MappingReader m(n, "metadata_config");
      m.read("send", c.metadata_send);
      m.read("send_interval", c.metadata_send_interval);
      m.read("max_samples_per_send", c.metadata_max_samples_per_send);
      if (c.metadata_max_samples_per_send <= 0) {
        m.set_error(m.at("max_samples_per_send"),
                    "metadata_config max_samples_per_send must be greater than 0");
      }
      return m.finish();
    });
    read_http_client_config(r, context_, c.http);
    if (c.url.empty()) r.set_error(r.at("url"), "url for remote_write is empty");
    if (Result<> ok = check_url(c.url); !ok) r.set_error(r.at("url"), ok.error().message);
    if (c.protobuf_message != "prometheus.WriteRequest" &&
        c.protobuf_message != "io.prometheus.write.v2.Request") {
      r.set_error(
          r.at("protobuf_message"),
          fmt::format(
              "unknown type for remote write protobuf message {}, supported: prometheus.WriteRequest, "
              "io.prometheus.write.v2.Request",
              c.protobuf_message));
    }
    if (Result<> ok =
            check_remote_headers(c.headers,
                                 "authorization header must be changed via the basic_auth, authorization, "
                                 "oauth2, sigv4, azuread or google_iam parameter");
        !ok) {
      r.set_error(r.at("headers"), ok.error().message);
    }
    if (c.cloud_auth.size() + (c.http.has_credentials() ? 1 : 0) > 1) {
      r.set_error(node,
                  "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be "
                  "configured");
    }
    if (!c.name.empty() && !names.insert(c.name).second) {
      r.set_error(r.at("name"), "found multiple remote write configs with job name " + quote(c.name));
    }
    SONDE_CHECK(r.finish());
    config_.remote_write.push_back(std::move(c));
    return {};
  }

  static Result<> read_queue(const Node& node, QueueConfig& q) {
    MappingReader r(node, "queue_config");
    r.read("capacity", q.capacity);
    r.read("max_shards", q.max_shards);
    r.read("min_shards", q.min_shards);
    r.read("max_samples_per_send", q.max_samples_per_send);
    r.read("batch_send_deadline", q.batch_send_deadline);
    r.read("min_backoff", q.min_backoff);
    r.read("max_backoff", q.max_backoff);
    r.read("retry_on_http_429", q.retry_on_http_429);
    r.read("sample_age_limit", q.sample_age_limit);
    auto positive = [&](const char* key, int64_t v) {
      if (v <= 0)
        r.set_error(r.at(key), fmt::format("queue_config {} must be greater than 0, got {}", key, v));
    };
    positive("capacity", q.capacity);
    positive("max_shards", q.max_shards);
    positive("min_shards", q.min_shards);
    positive("max_samples_per_send", q.max_samples_per_send);
    positive("batch_send_deadline", q.batch_send_deadline.ns);
    if (q.min_shards > q.max_shards) {
      r.set_error(node, fmt::format("queue_config min_shards ({}) must not be greater than max_shards ({})",
                                    q.min_shards, q.max_shards));
    }
    if (q.min_backoff > q.max_backoff) {
      r.set_error(node, "queue_config min_backoff must not be greater than max_backoff");
    }
    return r.finish();
  }

  Result<> read_remote_read(const Node& node, std::set<std::string>& names) {
    RemoteReadConfig c;
    c.at = location(node);
    MappingReader r(node, "remote_read entry");
    r.read("url", c.url);
    r.read("name", c.name);
    r.read("required_matchers", c.required_matchers);
    r.read("remote_timeout", c.remote_timeout);
    r.read("headers", c.headers);
    r.read("read_recent", c.read_recent);
    r.read("filter_external_labels", c.filter_external_labels);
    r.read("chunked_read_limit", chunked_read_limit_);
    read_http_client_config(r, context_, c.http);
    if (c.url.empty()) r.set_error(r.at("url"), "url for remote_read is empty");
    if (Result<> ok = check_url(c.url); !ok) r.set_error(r.at("url"), ok.error().message);
    for (const auto& [name, value] : c.required_matchers) {
      if (!is_valid_label_name(name, NameValidation::kUtf8)) {
        r.set_error(r.at("required_matchers"), quote(name) + " is not a valid label name");
      }
    }
    if (Result<> ok = check_remote_headers(
            c.headers,
            "authorization header must be changed via the basic_auth, authorization, or oauth2 parameter");
        !ok) {
      r.set_error(r.at("headers"), ok.error().message);
    }
    if (!c.name.empty() && !names.insert(c.name).second) {
      r.set_error(r.at("name"), "found multiple remote read configs with job name " + quote(c.name));
    }
    SONDE_CHECK(r.finish());
    config_.remote_read.push_back(std::move(c));
    return {};
  }

  Result<> read_otlp(const Node& node) {
    OtlpConfig& o = config_.otlp;
    MappingReader r(node, "otlp");
    r.read("promote_all_resource_attributes", o.promote_all_resource_attributes);
    r.read("promote_resource_attributes", o.promote_resource_attributes);
    r.read("ignore_resource_attributes", o.ignore_resource_attributes);
    r.read("translation_strategy", o.translation_strategy);
    r.read("keep_identifying_resource_attributes", o.keep_identifying_resource_attributes);
    r.read("convert_histograms_to_nhcb", o.convert_histograms_to_nhcb);
    r.read("promote_scope_metadata", o.promote_scope_metadata);
    r.read("label_name_underscore_sanitization", o.label_name_underscore_sanitization);
    r.read("label_name_preserve_multiple_underscores", o.label_name_preserve_multiple_underscores);
    static constexpr std::string_view kStrategies[] = {"UnderscoreEscapingWithSuffixes",
                                                       "UnderscoreEscapingWithoutSuffixes",
                                                       "NoUTF8EscapingWithSuffixes", "NoTranslation"};
    if (std::find(std::begin(kStrategies), std::end(kStrategies), o.translation_strategy) ==
        std::end(kStrategies)) {
      r.set_error(r.at("translation_strategy"),
                  "unsupported OTLP translation strategy " + quote(o.translation_strategy));
    }
    if (config_.global.metric_name_validation == NameValidation::kLegacy &&
        (o.translation_strategy == "NoUTF8EscapingWithSuffixes" ||
         o.translation_strategy == "NoTranslation")) {
      r.set_error(r.at("translation_strategy"),
                  fmt::format("OTLP translation strategy {} is not allowed when UTF8 is "
                              "disabled",
                              quote(o.translation_strategy)));
    }
    if (o.promote_all_resource_attributes && !o.promote_resource_attributes.empty()) {
      r.set_error(r.at("promote_resource_attributes"),
                  "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured "
                  "simultaneously");
    }
    if (!o.promote_all_resource_attributes && !o.ignore_resource_attributes.empty()) {
      r.set_error(
          r.at("ignore_resource_attributes"),
          "'ignore_resource_attributes' can only be used when 'promote_all_resource_attributes' is true");
    }
    auto sanitize = [&](const char* key, const char* kind, std::vector<std::string>& attributes) {
      std::set<std::string> seen;
      for (std::string& a : attributes) {
        size_t begin = a.find_first_not_of(" \t\r\n");
        a = begin == std::string::npos ? "" : a.substr(begin, a.find_last_not_of(" \t\r\n") - begin + 1);
        if (a.empty()) {
          r.set_error(r.at(key), fmt::format("empty {} OTel resource attribute", kind));
        } else if (!seen.insert(a).second) {
          r.set_error(r.at(key), fmt::format("duplicated {} OTel resource attribute {}", kind, quote(a)));
        }
      }
    };
    sanitize("promote_resource_attributes", "promoted", o.promote_resource_attributes);
    sanitize("ignore_resource_attributes", "ignored", o.ignore_resource_attributes);
    return r.finish();
  }

  Result<> read_storage(const Node& node) {
    StorageConfig& s = config_.storage;
    MappingReader r(node, "storage");
    r.with("tsdb", [&](const Node& n) -> Result<> {
      MappingReader t(n, "storage.tsdb");
      t.read("out_of_order_time_window", s.out_of_order_time_window);
      t.read("stale_series_compaction_threshold", s.stale_series_compaction_threshold);
      if (s.stale_series_compaction_threshold < 0 || s.stale_series_compaction_threshold > 1) {
        t.set_error(t.at("stale_series_compaction_threshold"),
                    "'storage.tsdb.stale_series_compaction_threshold' must be in the range [0, 1]");
      }
      t.with("chunk_encoding", [&](const Node& c) -> Result<> {
        MappingReader m(c, "storage.tsdb.chunk_encoding");
        m.read("floats", s.chunk_encoding_floats);
        if (s.chunk_encoding_floats != "xor" && s.chunk_encoding_floats != "xor2") {
          m.set_error(m.at("floats"),
                      fmt::format("'storage.tsdb.chunk_encoding.floats' must be xor or xor2, got {}",
                                  quote(s.chunk_encoding_floats)));
        }
        return m.finish();
      });
      t.with("retention", [&](const Node& c) -> Result<> {
        MappingReader m(c, "storage.tsdb.retention");
        m.read("time", s.retention.time);
        int64_t size = 0;
        m.read_bytes("size", size);
        if (m.has("size")) s.retention.size = size;
        m.read("percentage", s.retention.percentage);
        if (size < 0) {
          m.set_error(m.at("size"), "'storage.tsdb.retention.size' must be greater than or equal to 0, got " +
                                        format_bytes(size));
        }
        if (!(s.retention.percentage >= 0 && s.retention.percentage <= 100)) {
          m.set_error(m.at("percentage"),
                      fmt::format("'storage.tsdb.retention.percentage' must be in the range [0, "
                                  "100], got {}",
                                  s.retention.percentage));
        }
        return m.finish();
      });
      return t.finish();
    });
    r.with("exemplars", [&](const Node& n) -> Result<> {
      MappingReader m(n, "storage.exemplars");
      m.read("max_exemplars", s.max_exemplars);
      return m.finish();
    });
    return r.finish();
  }

  Result<> read_tracing(const Node& node) {
    TracingConfig c;
    c.at = location(node);
    MappingReader r(node, "tracing");
    r.read("client_type", c.client_type);
    r.read("endpoint", c.endpoint);
    r.read("sampling_fraction", c.sampling_fraction);
    r.read("insecure", c.insecure);
    r.read("headers", c.headers);
    r.read("compression", c.compression);
    r.read("timeout", c.timeout);
    r.with("tls_config", [&](const Node& n) { return read_tls_config(n, context_, c.tls); });
    if (Result<> ok =
            check_remote_headers(c.headers, "authorization header configuration is not yet supported");
        !ok) {
      r.set_error(r.at("headers"), ok.error().message);
    }
    if (c.client_type != "grpc" && c.client_type != "http") {
      r.set_error(r.at("client_type"),
                  fmt::format("expected tracing client type to be to be one of [http grpc] but got {}",
                              c.client_type));
    }
    if (c.endpoint.empty()) r.set_error(node, "tracing endpoint must be set");
    if (!c.compression.empty() && c.compression != "gzip") {
      r.set_error(r.at("compression"),
                  fmt::format("invalid compression type {} provided, valid options: gzip", c.compression));
    }
    SONDE_CHECK(r.finish());
    config_.tracing = std::move(c);
    return {};
  }

  FileSystem& fs_;
  const LoadOptions& options_;
  ParseContext context_;
  PrometheusConfig config_;
  std::map<std::string, Location> job_lines_;
  uint64_t chunked_read_limit_ = 0;
};

}  // namespace

const char* to_string(ScrapeProtocol protocol) {
  for (const auto& [p, name] : kProtocols) {
    if (p == protocol) return name;
  }
  return "";
}

const char* to_string(EscapingScheme scheme) {
  for (const auto& [s, name] : kEscapings) {
    if (s == scheme) return name;
  }
  return "";
}

Result<RelabelRule> read_relabel_rule(const Node& node, NameValidation names) {
  RelabelOptions o;
  MappingReader r(node, "relabel configuration");
  r.read("source_labels", o.source_labels);
  r.read("separator", o.separator);
  r.read("regex", o.regex);
  r.read("modulus", o.modulus);
  r.read("target_label", o.target_label);
  r.read("replacement", o.replacement);
  // A key without a value means the empty text here, not the default.
  if (const Node* n = r.find("separator"); n && n->is_null()) o.separator.clear();
  if (const Node* n = r.find("regex"); n && n->is_null()) o.regex.clear();
  if (const Node* n = r.find("replacement"); n && n->is_null()) o.replacement.clear();
  r.with("action", [&](const Node& n) -> Result<> {
    SONDE_TRY(std::string text, node_string(n));
    SONDE_TRY(o.action, relabel_action_from(text));
    return {};
  });
  SONDE_CHECK(r.finish());
  auto rule = RelabelRule::create(std::move(o), names);
  if (!rule) return fail(node.error(rule.error().message));
  return rule;
}

Result<TargetGroup> read_target_group(const Node& node, std::string source) {
  TargetGroup group;
  group.source = std::move(source);
  MappingReader r(node, "target group");
  r.with("targets", [&](const Node& n) -> Result<> {
    if (n.kind != NodeKind::kSequence) return fail(n.error("targets must be a list"));
    for (const NodePtr& item : n.items) {
      SONDE_TRY(std::string target, node_string(*item));
      group.targets.push_back(std::move(target));
    }
    return {};
  });
  r.with("labels", [&](const Node& n) -> Result<> {
    SONDE_TRY(group.labels, read_labels(n));
    return {};
  });
  SONDE_CHECK(r.finish());
  return group;
}

Result<std::vector<TargetGroup>> read_target_groups(const Node& node, const std::string& source) {
  std::vector<TargetGroup> out;
  if (node.is_null()) return out;
  if (node.kind != NodeKind::kSequence) return fail(node.error("a list of target groups is expected"));
  for (const NodePtr& item : node.items) {
    if (item->is_null()) return fail(item->error("nil target group item found"));
    SONDE_TRY(TargetGroup group, read_target_group(*item, source + ":" + std::to_string(out.size())));
    out.push_back(std::move(group));
  }
  return out;
}

std::string expand_variables(std::string_view text,
                             const std::function<std::string(std::string_view)>& lookup) {
  auto alnum = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  auto special = [](char c) {
    return std::string_view("*#$@!?-0123456789").find(c) != std::string_view::npos;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '$' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    char c = text[i + 1];
    if (c == '{') {
      size_t close = text.find('}', i + 2);
      if (close == std::string_view::npos || close == i + 2) {  // malformed: the opening is dropped
        i = close == std::string_view::npos ? i + 1 : close;
        continue;
      }
      out += lookup(text.substr(i + 2, close - i - 2));
      i = close;
    } else if (special(c)) {
      out += lookup(text.substr(i + 1, 1));
      i++;
    } else if (alnum(c)) {
      size_t end = i + 1;
      while (end < text.size() && alnum(text[end])) end++;
      out += lookup(text.substr(i + 1, end - i - 1));
      i = end - 1;
    } else {
      out += '$';
    }
  }
  return out;
}

Result<PrometheusConfig> parse_prometheus_config(FileSystem& fs, std::string_view text,
                                                 const std::string& path, const LoadOptions& options) {
  SONDE_TRY(NodePtr root, parse_yaml(text, path, options.limits));
  return Loader(fs, options).run(*root, path);
}

Result<PrometheusConfig> load_prometheus_config(FileSystem& fs, const std::string& path,
                                                const LoadOptions& options) {
  SONDE_TRY(std::string text, read_bounded(fs, path, options.limits.document_bytes_max));
  return parse_prometheus_config(fs, text, path, options);
}

std::vector<Error> unsupported(const PrometheusConfig& config, const Capabilities& capabilities) {
  std::vector<Error> out;
  auto add = [&](const Location& at, std::string message) {
    out.push_back(Error{ErrorCode::kUnsupported, std::move(message), at.file, at.line, 0});
  };
  auto discovery = [&](const DiscoveryConfig& d) {
    if (!d.http_sd_configs.empty() && !capabilities.discovery.contains("http")) {
      add(d.http_sd_configs.front().at,
          "http_sd_configs is not supported; use static_configs or file_sd_configs");
    }
    for (const OtherDiscovery& o : d.others) {
      if (capabilities.discovery.contains(o.mechanism)) continue;
      const char* instead = capabilities.discovery.contains("http") ? "file_sd_configs or http_sd_configs"
                                                                    : "static_configs or file_sd_configs";
      add(o.at, o.mechanism + "_sd_configs is not supported; use " + instead);
    }
  };
  for (const ScrapeConfig& sc : config.scrape_configs) discovery(sc.discovery);
  for (const AlertmanagerConfig& am : config.alerting.alertmanagers) {
    discovery(am.discovery);
    if (am.sigv4)
      add(am.at, "alertmanagers: sigv4 is not supported; use basic_auth, authorization or oauth2");
  }
  for (const RemoteWriteConfig& c : config.remote_write) {
    if (!capabilities.remote_write) {
      add(c.at, "remote_write is not supported by this build");
      continue;
    }
    for (const std::string& auth : c.cloud_auth) {
      add(c.at, "remote_write: " + auth + " is not supported; use basic_auth, authorization or oauth2");
    }
  }
  for (const RemoteReadConfig& c : config.remote_read) {
    if (!capabilities.remote_read) add(c.at, "remote_read is not supported by this build");
  }
  if (config.tracing && !capabilities.tracing) {
    add(config.tracing->at, "tracing is not supported by this build");
  }
  return out;
}

Result<std::vector<std::string>> rule_file_paths(const FileSystem& fs, const PrometheusConfig& config) {
  std::vector<std::string> out;
  std::set<std::string> seen;
  for (const std::string& pattern : config.rule_files) {
    SONDE_TRY(auto paths, glob(fs, pattern));
    for (std::string& path : paths) {
      if (seen.insert(path).second) out.push_back(std::move(path));
    }
  }
  return out;
}

}  // namespace sonde::config

#include "app/settings_from_config.h"

#include <atomic>

#include "net/base64.h"

namespace sonde::app {
namespace {

struct ClientSettings {
  net::Headers headers;
  net::TlsClientOptions tls;
};

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

Result<std::string> secret_or_file(const config::Secret& secret, const std::string& file,
                                   const FileSystem& fs) {
  if (file.empty()) return secret.reveal();
  SONDE_TRY(std::string text, config::read_bounded(const_cast<FileSystem&>(fs), file, 64 << 10));
  return trimmed(std::move(text));
}

// Credentials in files are read when the configuration is applied.
Result<ClientSettings> client_settings(const config::HttpClientConfig& http, const config::Location& at,
                                       const FileSystem& fs) {
  auto unsupported = [&](const char* what) {
    return fail(Error{ErrorCode::kUnsupported, std::string(what) + " is not supported", at.file, at.line, 0});
  };
  if (http.oauth2) return unsupported("oauth2");
  if (!http.proxy.proxy_url.empty() || http.proxy.proxy_from_environment) return unsupported("proxy_url");
  if (!http.tls.min_version.empty() || !http.tls.max_version.empty())
    return unsupported("tls_config with min_version or max_version");
  if (!http.tls.ca.empty() || !http.tls.cert.empty())
    return unsupported("tls_config with inline certificates (use ca_file, cert_file, key_file)");
  ClientSettings out;
  if (http.basic_auth) {
    SONDE_TRY(std::string password,
              secret_or_file(http.basic_auth->password, http.basic_auth->password_file, fs));
    std::string user = http.basic_auth->username;
    if (!http.basic_auth->username_file.empty()) {
      SONDE_TRY(user,
                config::read_bounded(const_cast<FileSystem&>(fs), http.basic_auth->username_file, 64 << 10));
      user = trimmed(std::move(user));
    }
    out.headers.set("Authorization", "Basic " + net::base64_encode(user + ":" + password));
  }
  if (http.authorization) {
    SONDE_TRY(std::string credentials,
              secret_or_file(http.authorization->credentials, http.authorization->credentials_file, fs));
    out.headers.set("Authorization", http.authorization->type + " " + credentials);
  }
  for (const auto& [name, header] : http.http_headers) {
    for (const std::string& v : header.values) out.headers.add(name, v);
    for (const config::Secret& v : header.secrets) out.headers.add(name, v.reveal());
    for (const std::string& file : header.files) {
      SONDE_TRY(std::string v, config::read_bounded(const_cast<FileSystem&>(fs), file, 64 << 10));
      out.headers.add(name, trimmed(std::move(v)));
    }
  }
  out.tls = {http.tls.ca_file, http.tls.cert_file, http.tls.key_file, http.tls.server_name,
             http.tls.insecure_skip_verify};
  return out;
}

}  // namespace

Result<std::vector<scrape::ScrapeJob>> scrape_jobs(const config::PrometheusConfig& config, FileSystem& fs,
                                                   Scheduler& scheduler) {
  // Marks jobs whose credentials do not show in the marshalled text: those restart at each reload.
  static std::atomic<uint64_t> applications{0};
  uint64_t application = ++applications;
  std::vector<scrape::ScrapeJob> out;
  if (config.storage.retention.size.value_or(0) > 0 || config.storage.retention.percentage > 0)
    return fail(ErrorCode::kUnsupported,
                "storage.tsdb.retention by size or percentage is not supported; use time");
  for (const config::ScrapeConfig& c : config.scrape_configs) {
    if (c.convert_classic_histograms_to_nhcb) {
      return fail(Error{ErrorCode::kUnsupported, "convert_classic_histograms_to_nhcb is not supported",
                        c.at.file, c.at.line, 0});
    }
    scrape::ScrapeJob job;
    job.name = c.job_name;
    job.interval = c.scrape_interval;
    job.timeout = c.scrape_timeout;
    job.scheme = c.scheme;
    job.metrics_path = c.metrics_path;
    for (const auto& [name, values] : c.params) job.params.emplace_back(name, values);
    job.honor_labels = c.honor_labels;
    job.honor_timestamps = c.honor_timestamps;
    job.track_timestamps_staleness = c.track_timestamps_staleness;
    job.compression = c.enable_compression;
    job.follow_redirects = c.http.follow_redirects;
    job.extra_metrics = c.extra_scrape_metrics;
    job.relabel = c.relabel_configs;
    job.metric_relabel = c.metric_relabel_configs;
    job.limits = {static_cast<uint64_t>(std::max<int64_t>(0, c.limits.body_size_limit)),
                  c.limits.sample_limit,
                  c.limits.label_limit,
                  c.limits.label_name_length_limit,
                  c.limits.label_value_length_limit,
                  c.limits.target_limit,
                  c.limits.keep_dropped_targets};
    for (config::ScrapeProtocol p : c.scrape_protocols) job.protocols.emplace_back(config::to_string(p));
    if (c.fallback_scrape_protocol) job.fallback_protocol = config::to_string(*c.fallback_scrape_protocol);
    SONDE_TRY(auto client, client_settings(c.http, c.at, fs));
    job.headers = std::move(client.headers);
    job.tls = std::move(client.tls);
    std::vector<discovery::TargetGroup> groups;
    for (const config::TargetGroup& g : c.discovery.static_configs) {
      discovery::TargetGroup group;
      group.source = "static/" + g.source;
      group.labels = g.labels;
      for (const std::string& t : g.targets) group.targets.push_back(LabelSet{{"__address__", t}});
      groups.push_back(std::move(group));
    }
    if (!groups.empty()) {
      job.discoverers.push_back([groups] { return discovery::make_static_discoverer(groups); });
    }
    for (const config::FileDiscovery& f : c.discovery.file_sd_configs) {
      discovery::FileDiscoveryOptions options;
      options.patterns = f.files;
      job.discoverers.push_back(
          [&fs, &scheduler, options] { return discovery::make_file_discoverer(fs, scheduler, options); });
    }
    job.fingerprint = config::marshal(c) + (c.http.has_credentials() ? std::to_string(application) : "");
    out.push_back(std::move(job));
  }
  return out;
}

Result<std::vector<notify::AlertmanagerTarget>> alertmanager_targets(const config::PrometheusConfig& config,
                                                                     const FileSystem& fs) {
  std::vector<notify::AlertmanagerTarget> out;
  for (const config::AlertmanagerConfig& c : config.alerting.alertmanagers) {
    auto unsupported = [&](const char* what) {
      return fail(Error{ErrorCode::kUnsupported, std::string(what) + " of an alertmanager is not supported",
                        c.at.file, c.at.line, 0});
    };
    if (!c.discovery.file_sd_configs.empty()) return unsupported("file_sd_configs");
    if (c.sigv4) return unsupported("sigv4");
    if (!c.alert_relabel_configs.empty())
      return unsupported("alert_relabel_configs (use those of alerting, which are for all alertmanagers)");
    SONDE_TRY(auto client, client_settings(c.http, c.at, fs));
    for (const config::TargetGroup& g : c.discovery.static_configs) {
      for (const std::string& address : g.targets) {
        LabelBuilder labels(g.labels);
        labels.set("__address__", address).set("__scheme__", c.scheme);
        std::string prefix = c.path_prefix;
        while (prefix.ends_with('/')) prefix.pop_back();
        if (!prefix.empty() && !prefix.starts_with('/')) prefix = "/" + prefix;
        labels.set("__alerts_path__", prefix + "/api/v2/alerts");
        if (!relabel(c.relabel_configs, labels)) continue;
        notify::AlertmanagerTarget target;
        target.url = std::string(labels.get("__scheme__")) + "://" + std::string(labels.get("__address__")) +
                     std::string(labels.get("__alerts_path__"));
        target.headers = client.headers;
        target.tls = client.tls;
        target.timeout = c.timeout;
        out.push_back(std::move(target));
      }
    }
  }
  return out;
}

Result<std::vector<std::unique_ptr<notify::Receiver>>> receivers(const config::SondeConfig& config) {
  std::vector<std::unique_ptr<notify::Receiver>> out;
  for (const config::ReceiverConfig& c : config.receivers) {
    notify::ReceiverConfig receiver{c.name, "webhook", c.webhook.url, {}, c.webhook.timeout};
    for (const auto& [name, value] : c.webhook.headers) receiver.headers.emplace_back(name, value.reveal());
    SONDE_TRY(auto made, notify::make_receiver(receiver));
    out.push_back(std::move(made));
  }
  return out;
}

}  // namespace sonde::app

#include "app/server_flags.h"

#include <algorithm>

namespace sonde::app {

const std::vector<Flag>& server_flags() {
  using K = FlagKind;
  static const std::vector<Flag> kFlags = {
      {"config.file", K::kText, "prometheus.yml", "Prometheus configuration file", "Configuration"},
      {"sonde.config.file", K::kText, "",
       "What Prometheus's file has no place for: receivers, retention of logs and traces", "Configuration"},
      {"web.listen-address", K::kTexts, "127.0.0.1:9090", "Address of the UI and of all HTTP APIs", "Web"},
      {"otlp.http.listen-address", K::kText, "127.0.0.1:4318", "Address of OTLP over HTTP; empty for none",
       "Web"},
      {"otlp.grpc.listen-address", K::kText, "127.0.0.1:4317", "Address of OTLP over gRPC; empty for none",
       "Web"},
      {"web.config.file", K::kText, "", "TLS, users and roles", "Web"},
      {"web.external-url", K::kText, "", "The URL under which this server is reached", "Web"},
      {"web.allow-anonymous", K::kBool, "false", "Listen beyond loopback without users: everybody is admin",
       "Web"},
      {"web.enable-lifecycle", K::kBool, "false", "Allow /-/reload and /-/quit", "Web"},
      {"web.enable-admin-api", K::kBool, "false", "Allow /api/v1/admin/tsdb", "Web"},
      {"web.enable-remote-write-receiver", K::kBool, "true", "Accept remote write on /api/v1/write", "Web"},
      {"web.enable-otlp-receiver", K::kBool, "true", "Accept OTLP", "Web"},
      {"web.enable-loki-receiver", K::kBool, "true", "Accept Loki pushes", "Web"},
      {"web.ui-dir", K::kText, "", "Serve the UI from this directory instead of the built-in one", "Web"},
      {"storage.tsdb.path", K::kText, "data/", "Directory of all data", "Storage"},
      {"storage.tsdb.retention.time", K::kDuration, "15d", "How long samples are kept", "Storage"},
      {"query.lookback-delta", K::kDuration, "5m", "How far an instant selector looks back", "Queries"},
      {"query.timeout", K::kDuration, "2m", "How long a query may take", "Queries"},
      {"query.max-samples", K::kNumber, "50000000", "How many samples a query may hold", "Queries"},
      {"query.max-concurrency", K::kNumber, "4", "How many queries run at once", "Queries"},
      {"enable-feature", K::kTexts, "", "Experimental features, as Prometheus names them; commas between",
       "Queries"},
      {"rules.alert.resend-delay", K::kDuration, "1m", "How often a firing alert is sent again", "Rules"},
      {"rules.alert.for-outage-tolerance", K::kDuration, "1h",
       "How old the memory of an alert may be after a restart", "Rules"},
      {"alertmanager.notification-queue-capacity", K::kNumber, "10000",
       "Alerts that wait for an Alertmanager", "Rules"},
      // Prometheus's own that have no meaning here; accepted, so that unit files and manifests still start.
      {"auto-gomaxprocs", K::kIgnoredBool, "", ""},
      {"auto-gomemlimit", K::kIgnoredBool, "", ""},
      {"log.level", K::kIgnored, "", ""},
      {"log.format", K::kIgnored, "", ""},
      {"storage.tsdb.wal-compression", K::kIgnoredBool, "", ""},
      {"storage.tsdb.no-lockfile", K::kIgnoredBool, "", ""},
      {"storage.tsdb.min-block-duration", K::kIgnored, "", ""},
      {"storage.tsdb.max-block-duration", K::kIgnored, "", ""},
      {"web.console.templates", K::kIgnored, "", ""},
      {"web.console.libraries", K::kIgnored, "", ""},
      {"web.page-title", K::kIgnored, "", ""},
      {"web.max-connections", K::kIgnored, "", ""},
      {"web.read-timeout", K::kIgnored, "", ""},
      {"rules.alert.for-grace-period", K::kIgnored, "", ""},
  };
  return kFlags;
}

ServerSettings ServerSettings::from(const FlagValues& v) {
  ServerSettings s;
  s.config_file = v.text("config.file");
  s.sonde_config_file = v.text("sonde.config.file");
  s.data_dir = v.text("storage.tsdb.path");
  while (s.data_dir.size() > 1 && s.data_dir.ends_with('/')) s.data_dir.pop_back();
  s.retention = v.duration("storage.tsdb.retention.time");
  s.listen_addresses = v.texts("web.listen-address");
  s.otlp_http_address = v.text("otlp.http.listen-address");
  s.otlp_grpc_address = v.text("otlp.grpc.listen-address");
  s.web_config_file = v.text("web.config.file");
  s.external_url = v.text("web.external-url");
  while (s.external_url.ends_with('/')) s.external_url.pop_back();
  s.ui_dir = v.text("web.ui-dir");
  s.lifecycle = v.flag("web.enable-lifecycle");
  s.admin_api = v.flag("web.enable-admin-api");
  s.allow_anonymous = v.flag("web.allow-anonymous");
  s.remote_write_receiver = v.flag("web.enable-remote-write-receiver");
  s.otlp_receiver = v.flag("web.enable-otlp-receiver");
  s.loki_receiver = v.flag("web.enable-loki-receiver");
  s.lookback = v.duration("query.lookback-delta");
  s.query_timeout = v.duration("query.timeout");
  s.query_samples_max = v.number("query.max-samples");
  s.query_concurrency_max = v.number("query.max-concurrency");
  s.alert_resend_delay = v.duration("rules.alert.resend-delay");
  s.for_outage_tolerance = v.duration("rules.alert.for-outage-tolerance");
  s.alert_queue_length_max = v.number("alertmanager.notification-queue-capacity");
  for (const std::string& list : v.texts("enable-feature")) {
    for (size_t at = 0; at <= list.size();) {
      size_t comma = std::min(list.find(',', at), list.size());
      if (comma > at) s.features.push_back(list.substr(at, comma - at));
      at = comma + 1;
    }
  }
  s.flags = v.all();
  return s;
}

}  // namespace sonde::app

#include "app/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "api/embedded_file.h"
#include "api/jaeger_api.h"
#include "api/loki_api.h"
#include "api/prometheus_api.h"
#include "api/sonde_api.h"
#include "api/ui_files.h"
#include "app/self_metrics.h"
#include "app/settings_from_config.h"
#include "auth/authenticator.h"
#include "base/mutex.h"
#include "ingest/all.h"
#include "ingest/loki_push.h"
#include "ingest/otlp_http.h"
#include "ingest/remote_write.h"
#include "notify/dispatcher.h"
#include "parts/log_store.h"
#include "parts/span_store.h"
#include "rules/findings.h"
#include "rules/manager.h"
#include "rules/rule_loading.h"
#include "scrape/manager.h"
#include "state/alert_book.h"
#include "state/mailbox.h"
#include "state/settings.h"
#include "tsdb/tsdb_store.h"

namespace sonde::app {
namespace {

constexpr Duration kFindingsInterval = Duration::seconds(10);
constexpr uint64_t kIngestMemoryBytesMax = 256ull << 20;  // of request bodies under way

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("localhost:") || address.starts_with("[::1]:");
}

std::string host_of(std::string_view address) { return std::string(address.substr(0, address.rfind(':'))); }

// Everything that the configuration files say, checked, before any of it is applied.
struct LoadedConfig {
  config::PrometheusConfig prometheus;
  config::SondeConfig sonde;
  std::vector<scrape::ScrapeJob> jobs;
  std::vector<rules::Group> groups;
  std::vector<notify::AlertmanagerTarget> alertmanagers;
  std::vector<std::unique_ptr<notify::Receiver>> receivers;
};

class WiredServer final : public Server {
 public:
  explicit WiredServer(ServerSettings settings) : settings_(std::move(settings)) {}
  ~WiredServer() override { stop(); }

  Result<> open() {
    started_ = clock_.now();
    raise_open_files_limit();
    SONDE_CHECK(check_exposure());
    SONDE_CHECK(fs_->create_directories(settings_.data_dir));
    SONDE_TRY(LoadedConfig config, load());
    retention_ = config.prometheus.storage.retention.time.value_or(settings_.retention);
    SONDE_CHECK(open_stores(config.sonde));
    make_engines(config);
    make_loops(config);
    SONDE_CHECK(listen(config.sonde));
    apply(std::move(config));
    arm_housekeeping();
    arm_findings();
    ready_ = true;
    return {};
  }

  Result<> reload() override {
    MutexLock one_at_a_time(reload_mu_);
    auto config = load();
    {
      MutexLock lock(status_mu_);
      reload_succeeded_ = config.has_value();
    }
    if (!config) return fail(config.error());
    apply(std::move(*config));
    return {};
  }

  void stop() override {
    if (stopped_.exchange(true)) return;
    ready_ = false;
    if (scrape_) scrape_->stop();
    if (rules_) rules_->stop();
    for (auto& server : servers_) server->stop(Duration::seconds(2));
    handlers_.stop();  // before the scheduler, which tells queries that their clients were cut off
    reserved_.stop();
    scheduler_.stop();
    background_.stop();  // what it still had to do may ask the client
    client_.reset();
    servers_.clear();
    self_metrics_.reset();
    dispatcher_.reset();
    alertmanagers_.reset();
    rules_.reset();
    scrape_.reset();
    if (tsdb_) (void)tsdb_->close();
    logs_.reset();
    spans_.reset();
    tsdb_.reset();
  }

  std::vector<uint16_t> ports() const override {
    std::vector<uint16_t> out;
    for (const auto& server : servers_) {
      for (uint16_t p : server->ports()) out.push_back(p);
    }
    return out;
  }

  std::string url() const override {
    if (!settings_.external_url.empty()) return settings_.external_url;
    std::string host = host_of(settings_.listen_addresses.at(0));
    if (host.empty() || host == "0.0.0.0" || host == "[::]") host = "localhost";
    bool tls = web_config_ && web_config_->current()->tls;
    uint16_t port = servers_.empty() ? 0 : servers_[0]->ports().at(0);
    return std::string(tls ? "https" : "http") + "://" + host + ":" + std::to_string(port);
  }

  bool quit_requested() const override { return quit_; }
  storage::MetricStore& metrics() override { return *tsdb_; }
  void set_synthetic_until(Timestamp t) override {
    (void)settings_store_->set(api::kSyntheticUntil, std::to_string(t.ms / 1000));
  }

 private:
  // Every part and block keeps its files open; the usual soft limit of 1024 would be reached within weeks.
  static void raise_open_files_limit() {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= files.rlim_max) return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
  }

  // Beyond loopback somebody must be asked who they are, or the operator must have said that nobody is.
  Result<> check_exposure() {
    if (!settings_.web_config_file.empty()) {
      SONDE_TRY(web_config_, auth::WebConfigFile::open(settings_.web_config_file, *fs_, clock_));
    }
    bool users = web_config_ && !web_config_->current()->users.empty();
    std::vector<std::string> all = settings_.listen_addresses;
    if (!settings_.otlp_http_address.empty()) all.push_back(settings_.otlp_http_address);
    if (!settings_.otlp_grpc_address.empty()) all.push_back(settings_.otlp_grpc_address);
    for (const std::string& address : all) {
      if (is_loopback(address) || users || settings_.allow_anonymous) continue;
      return fail(
          ErrorCode::kInvalid,
          "will not listen on " + address +
              " without authentication: name users in --web.config.file, or say --web.allow-anonymous");
    }
    auth::AuthenticatorOptions options;
    options.anonymous_admin = !users;
    options.check_host = !users && !settings_.allow_anonymous;
    if (!settings_.external_url.empty()) {
      size_t scheme = settings_.external_url.find("://");
      std::string host = settings_.external_url.substr(scheme == std::string::npos ? 0 : scheme + 3);
      options.external_hosts.push_back(host.substr(0, host.find_first_of(":/")));
    }
    authenticator_ =
        std::make_unique<auth::Authenticator>(web_config_.get(), auth::TokenVerifier{}, clock_, options);
    return {};
  }

  Result<LoadedConfig> load() {
    LoadedConfig out;
    config::LoadOptions options;
    options.environment = [](std::string_view name) -> std::optional<std::string> {
      const char* value = std::getenv(std::string(name).c_str());
      return value ? std::optional<std::string>(value) : std::nullopt;
    };
    SONDE_TRY(out.prometheus, config::load_prometheus_config(*fs_, settings_.config_file, options));
    config::Capabilities capabilities;
    capabilities.discovery = {"static", "file"};
    if (auto missing = config::unsupported(out.prometheus, capabilities); !missing.empty())
      return fail(missing.front());
    if (!settings_.sonde_config_file.empty()) {
      SONDE_TRY(out.sonde, config::load_sonde_config(*fs_, settings_.sonde_config_file));
    }
    SONDE_TRY(out.jobs, scrape_jobs(out.prometheus, *fs_, scheduler_));
    SONDE_TRY(auto rule_paths, config::rule_file_paths(*fs_, out.prometheus));
    SONDE_TRY(out.groups, rules::load_rule_groups(*fs_, rule_paths, out.prometheus.global.evaluation_interval,
                                                  out.prometheus.global.rule_query_offset, parser_options()));
    SONDE_TRY(out.alertmanagers, alertmanager_targets(out.prometheus, *fs_));
    SONDE_TRY(out.receivers, receivers(out.sonde));
    return out;
  }

  Result<> open_stores(const config::SondeConfig& config) {
    tsdb::TsdbOptions metrics;
    metrics.dir = settings_.data_dir + "/metrics";
    metrics.retention = retention_;
    metrics.series_max = config.limits.active_series;
    metrics.free_bytes_min = 16ull << 20;
    SONDE_TRY(tsdb_, tsdb::TsdbStore::open(*fs_, clock_, metrics));
    parts::PartsOptions logs;
    logs.dir = settings_.data_dir + "/logs";
    logs.retention = config.logs.time;
    logs.retention_bytes = static_cast<uint64_t>(config.logs.size);
    SONDE_TRY(logs_, parts::open_log_store(*fs_, clock_, logs));
    parts::PartsOptions spans;
    spans.dir = settings_.data_dir + "/spans";
    spans.retention = config.traces.time;
    spans.retention_bytes = static_cast<uint64_t>(config.traces.size);
    SONDE_TRY(spans_, parts::open_span_store(*fs_, clock_, spans));
    SONDE_TRY(state_, state::Database::open(settings_.data_dir + "/state.db"));
    book_ = std::make_unique<state::AlertBook>(*state_);
    mailbox_ = std::make_unique<state::Mailbox>(*state_, config.inbox_size);
    settings_store_ = std::make_unique<state::Settings>(*state_);
    return {};
  }

  // Each bound that both a flag and sonde.yml give is the smaller of the two.
  void make_engines(const LoadedConfig& loaded) {
    const config::SondeConfig& config = loaded.sonde;
    promql::EngineOptions options;
    options.lookback = settings_.lookback;
    options.timeout = std::min(settings_.query_timeout, config.limits.query_timeout);
    options.max_samples =
        std::min(static_cast<uint64_t>(settings_.query_samples_max), config.limits.query_samples);
    options.subquery_step = loaded.prometheus.global.evaluation_interval;
    options.parser = parser_options();
    auto has = [&](std::string_view name) {
      return std::find(settings_.features.begin(), settings_.features.end(), name) !=
             settings_.features.end();
    };
    options.delayed_name_removal = has("promql-delayed-name-removal");
    options.use_start_timestamps = has("use-start-timestamps");
    engine_ = std::make_unique<promql::Engine>(*tsdb_, clock_, options);
  }

  void make_loops(const LoadedConfig& config) {
    client_ = net::make_http_client(clock_);
    scrape_ = std::make_unique<scrape::Manager>(
        scrape::ScrapeContext{*tsdb_, *client_, scheduler_, background_, scrape_stats_});
    alertmanagers_ = std::make_unique<notify::AlertmanagerClient>(
        *client_, background_,
        notify::AlertmanagerClient::Options{static_cast<size_t>(settings_.alert_queue_length_max), 256});
    notify::Dispatcher::Options dispatch;
    dispatch.external_url = settings_.external_url;
    dispatcher_ =
        std::make_unique<notify::Dispatcher>(*mailbox_, *client_, scheduler_, background_, dispatch);
    rules::Manager::Options options;
    options.external_labels = config.prometheus.global.external_labels;
    options.external_url = settings_.external_url;
    options.resend_delay = settings_.alert_resend_delay;
    options.outage_tolerance = settings_.for_outage_tolerance;
    options.timeout = std::min(settings_.query_timeout, config.sonde.limits.query_timeout);
    rules_ = std::make_unique<rules::Manager>(
        *engine_, *tsdb_, *book_, scheduler_, background_,
        [this](const std::vector<Alert>& alerts) { send_alerts(alerts); }, options);
    analyst_ = std::make_unique<rules::FindingsAnalyst>(*tsdb_, *engine_, clock_);
  }

  // Prometheus's names of the language's experiments; other features are accepted, as Prometheus warns only.
  promql::ParserOptions parser_options() const {
    promql::ParserOptions out;
    for (const std::string& f : settings_.features) {
      if (f == "promql-experimental-functions") out.experimental_functions = true;
      if (f == "promql-binop-fill-modifiers") out.fill_modifiers = true;
      if (f == "promql-extended-range-selectors") out.extended_range_selectors = true;
    }
    return out;
  }

  // To the inbox and its receivers as they are, to Alertmanagers with external labels and alert relabelling.
  void send_alerts(const std::vector<Alert>& alerts) {
    dispatcher_->notify(alerts);
    RelabelRules relabel_rules;
    LabelSet external;
    {
      MutexLock lock(status_mu_);
      relabel_rules = alert_relabel_;
      external = external_labels_;
    }
    std::vector<Alert> out;
    for (Alert a : alerts) {
      LabelBuilder labels(a.labels);
      for (LabelView l : external) {
        if (labels.get(l.name).empty()) labels.set(l.name, l.value);
      }
      if (!relabel(relabel_rules, labels)) continue;
      a.labels = labels.build();
      out.push_back(std::move(a));
    }
    alertmanagers_->send(out);
  }

  void apply(LoadedConfig config) {
    {
      MutexLock lock(status_mu_);
      config_yaml_ = config::marshal(config.prometheus);
      external_labels_ = config.prometheus.global.external_labels;
      alert_relabel_ = config.prometheus.alerting.alert_relabel_configs;
      last_config_time_ = clock_.now();
      reload_succeeded_ = true;
    }
    alertmanagers_->set_targets(std::move(config.alertmanagers));
    dispatcher_->set_receivers(std::move(config.receivers));
    rules_->apply(std::move(config.groups), config.prometheus.global.external_labels);
    scrape_->apply(std::move(config.jobs));
  }

  Result<> listen(const config::SondeConfig& config) {
    self_metrics_ = std::make_unique<SelfMetrics>([this](std::vector<SelfMetric>& out) { collect(out); });
    add_routes(config);
    net::ServerOptions options;
    options.response_headers.add("X-Content-Type-Options", "nosniff");
    options.response_headers.add("Referrer-Policy", "same-origin");
    std::optional<net::TlsServerOptions> tls;
    if (web_config_) {
      auto web = web_config_->current();
      tls = web->tls;
      for (const auto& [name, value] : web->headers.fields()) options.response_headers.set(name, value);
    }
    for (const std::string& address : settings_.listen_addresses) options.listeners.push_back({address, tls});
    SONDE_CHECK(start_server(options, router_));
    auto one = [&](const std::string& address, const net::Router& router) -> Result<> {
      if (address.empty()) return {};
      net::ServerOptions o = options;
      o.listeners = {{address, tls}};
      return start_server(o, router);
    };
    if (settings_.otlp_receiver) {
      SONDE_CHECK(one(settings_.otlp_http_address, otlp_http_router_));
      SONDE_CHECK(one(settings_.otlp_grpc_address, otlp_grpc_router_));
    }
    return {};
  }

  Result<> start_server(const net::ServerOptions& options, const net::Router& router) {
    SONDE_TRY(auto server, net::Server::start(options, router, handlers_, reserved_, clock_,
                                              authenticator_->function(), self_metrics_->observer()));
    servers_.push_back(std::move(server));
    return {};
  }

  void add_routes(const config::SondeConfig& config);
  void collect(std::vector<SelfMetric>& out);
  // The books of the push protocols: received = stored + rejected + failed, by source.
  template <class Counter>
  void collect_ingest(Counter&& counter) {
    using Value = uint64_t (*)(const ingest::SourceStats&);
    struct Row {
      const char* name;
      const char* help;
      Value value;
    };
    static constexpr Row kRows[] = {
        {"sonde_ingest_requests_total", "Requests of push protocols.",
         [](const ingest::SourceStats& s) { return s.requests.load(); }},
        {"sonde_ingest_body_bytes_total", "Bytes of their bodies, decompressed.",
         [](const ingest::SourceStats& s) { return s.body_bytes.load(); }},
        {"sonde_ingest_received_total", "Samples, records and spans received.",
         [](const ingest::SourceStats& s) { return s.received.load(); }},
        {"sonde_ingest_stored_total", "Of those received, stored.",
         [](const ingest::SourceStats& s) { return s.stored.load(); }},
        {"sonde_ingest_failed_total",
         "Of those received, not stored because the store failed; the sender was told.",
         [](const ingest::SourceStats& s) { return s.failed.load(); }},
    };
    auto source_of = [](size_t i) { return std::string(ingest::to_string(static_cast<ingest::Source>(i))); };
    for (const Row& row : kRows) {
      for (size_t i = 0; i < ingest::kSourceCount; i++) {
        counter(row.name, row.help, static_cast<double>(row.value(ingest_stats_.sources[i])),
                {{"source", source_of(i)}});
      }
    }
    for (size_t i = 0; i < ingest::kSourceCount; i++) {
      for (size_t j = 0; j < ingest::kReasonCount; j++) {
        counter("sonde_ingest_rejected_total", "Of those received, turned away.",
                static_cast<double>(ingest_stats_.sources[i].rejected[j].load()),
                {{"source", source_of(i)}, {"reason", ingest::to_string(static_cast<ingest::Reason>(j))}});
      }
    }
    for (size_t i = 0; i < ingest::kSourceCount; i++) {
      for (size_t j = 0; j < ingest::kRefusalCount; j++) {
        counter("sonde_ingest_refused_requests_total", "Requests refused as a whole.",
                static_cast<double>(ingest_stats_.sources[i].refused[j].load()),
                {{"source", source_of(i)}, {"reason", ingest::to_string(static_cast<ingest::Refusal>(j))}});
      }
    }
  }

  // Looks at the rules anew: soon after the start, when the first data is there, then now and then.
  void arm_findings() {
    scheduler_.after(kFindingsInterval, [this] {
      (void)background_.submit([this] { (void)analyst_->analyse(rules_->groups()); });
      if (!stopped_) arm_findings();
    });
  }

  void arm_housekeeping() {
    scheduler_.after(Duration::minutes(1), [this] {
      (void)background_.submit([this] {
        Timestamp now = clock_.timestamp();
        (void)tsdb_->apply_retention(now);
        (void)logs_->apply_retention(now);
        (void)spans_->apply_retention(now);
        if (retention_.ns > 0) (void)book_->drop_history_before(now - retention_);
        // What is older is not taken over by any rule.
        (void)book_->forget_unsaved_since(now - settings_.for_outage_tolerance);
      });
      if (!stopped_) arm_housekeeping();
    });
  }

  api::StatusFigures status_figures() const {
    api::StatusFigures out;
    out.started = started_;
    out.data_dir = settings_.data_dir;
    out.retention = retention_;
    auto bound = ports();
    size_t i = 0;
    auto add = [&](const std::string& address, const char* kind) {
      if (address.empty() || i >= bound.size()) return;
      out.listen.push_back({host_of(address) + ":" + std::to_string(bound[i++]), kind});
    };
    for (const std::string& address : settings_.listen_addresses) add(address, "http");
    if (settings_.otlp_receiver) {
      add(settings_.otlp_http_address, "otlp-http");
      add(settings_.otlp_grpc_address, "otlp-grpc");
    }
    tsdb::TsdbStats ts = tsdb_->stats();
    out.wal_bytes = ts.wal.bytes;
    out.memory_bytes = resident_bytes();
    out.samples_received = ts.floats_stored + ts.histograms_stored;
    using S = ingest::Source;
    for (S s : {S::kOtlpLogs, S::kLoki, S::kShip}) out.log_records_received += ingest_stats_.of(s).received;
    out.spans_received = ingest_stats_.of(S::kOtlpTraces).received;
    if (ts.read_only) out.warnings.push_back("metrics are read-only: " + ts.read_only_reason);
    if (ts.wal.damaged_pages > 0) {
      out.warnings.push_back(std::to_string(ts.wal.damaged_pages) +
                             " damaged pages of the write-ahead log were left out at the start");
    }
    for (const auto& [name, damaged] :
         {std::pair<const char*, uint64_t>{"logs", logs_->event_stats().damaged},
          {"spans", spans_->event_stats().damaged}}) {
      if (damaged > 0)
        out.warnings.push_back(std::to_string(damaged) + " damaged parts of the " + name + " were set aside");
    }
    {
      MutexLock lock(status_mu_);
      if (!reload_succeeded_)
        out.warnings.push_back("the last reload failed; the configuration before it is in force");
    }
    if (settings_.allow_anonymous)
      out.warnings.push_back(
          "everybody who reaches this server is its administrator (--web.allow-anonymous)");
    out.auth_enabled = web_config_ && !web_config_->current()->users.empty();
    out.demo = settings_.demo;
    return out;
  }

  static uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    uint64_t size = 0, resident = 0;
    statm >> size >> resident;
    return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }

  api::RuntimeInfo runtime() const {
    api::RuntimeInfo info;
    info.start_time = started_;
    char buf[4096];
    if (getcwd(buf, sizeof buf)) info.working_directory = buf;
    if (gethostname(buf, sizeof buf) == 0) info.hostname = buf;
    info.cpus = std::thread::hardware_concurrency();
    info.storage_retention = config::format_duration(retention_);
    tsdb::TsdbStats stats = tsdb_->stats();
    info.corruption_count = stats.corruptions + stats.wal.damaged_pages;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("Threads:")) info.threads = std::strtoull(line.c_str() + 8, nullptr, 10);
    }
    MutexLock lock(status_mu_);
    info.reload_succeeded = reload_succeeded_;
    info.last_config_time = last_config_time_;
    return info;
  }

  const ServerSettings settings_;
  std::unique_ptr<FileSystem> fs_ = make_posix_file_system();
  SystemClock clock_;
  SystemScheduler scheduler_{clock_};
  // Handlers may wait (for the gate of queries, for slow readers), so there are more of them than cores.
  ThreadPool handlers_{{"http", 16, 1024}};
  ThreadPool reserved_{{"http-reserved", 2, 256}};
  ThreadPool background_{{"background", 4, 8192}};
  EventTime started_;
  Duration retention_;  // of samples: the configuration's, else the flag's; set at the start
  std::unique_ptr<auth::WebConfigFile> web_config_;
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::unique_ptr<tsdb::TsdbStore> tsdb_;
  std::unique_ptr<storage::LogStore> logs_;
  std::unique_ptr<storage::SpanStore> spans_;
  std::unique_ptr<state::Database> state_;
  std::unique_ptr<state::AlertBook> book_;
  std::unique_ptr<state::Mailbox> mailbox_;
  std::unique_ptr<state::Settings> settings_store_;
  std::unique_ptr<promql::Engine> engine_;
  std::unique_ptr<net::HttpClient> client_;
  scrape::ScrapeStats scrape_stats_;
  MemoryAccountant ingest_memory_{kIngestMemoryBytesMax};
  ingest::IngestStats ingest_stats_;
  std::unique_ptr<scrape::Manager> scrape_;
  std::unique_ptr<notify::AlertmanagerClient> alertmanagers_;
  std::unique_ptr<notify::Dispatcher> dispatcher_;
  std::unique_ptr<rules::Manager> rules_;
  std::unique_ptr<logql::Engine> logql_;
  std::unique_ptr<rules::FindingsAnalyst> analyst_;
  std::unique_ptr<SelfMetrics> self_metrics_;
  std::unique_ptr<api::SondeApi> sonde_api_;
  std::unique_ptr<api::UiFiles> ui_files_;
  net::Router router_;
  net::Router otlp_http_router_;
  net::Router otlp_grpc_router_;
  std::vector<std::unique_ptr<net::Server>> servers_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> quit_{false};
  std::atomic<bool> stopped_{false};
  Mutex reload_mu_;
  mutable Mutex status_mu_;
  std::string config_yaml_ SONDE_GUARDED_BY(status_mu_);
  LabelSet external_labels_ SONDE_GUARDED_BY(status_mu_);
  RelabelRules alert_relabel_ SONDE_GUARDED_BY(status_mu_);
  EventTime last_config_time_ SONDE_GUARDED_BY(status_mu_);
  bool reload_succeeded_ SONDE_GUARDED_BY(status_mu_) = true;
};

void WiredServer::add_routes(const config::SondeConfig& config) {
  router_.add("GET", "/metrics", net::Role::kRead, self_metrics_->handler());

  auto prometheus = std::make_shared<api::PrometheusApiContext>(
      api::PrometheusApiContext{*tsdb_, *engine_, clock_, *scrape_, *rules_, *alertmanagers_});
  prometheus->gate = std::make_shared<api::QueryGate>(
      clock_, &scheduler_,
      api::QueryGate::Options{static_cast<size_t>(std::max<int64_t>(1, settings_.query_concurrency_max)),
                              64});
  prometheus->build.sonde_version = "0.1.0";
  prometheus->flags = settings_.flags;
  prometheus->external_url = settings_.external_url;
  prometheus->runtime = [this] { return runtime(); };
  prometheus->config_yaml = [this] {
    MutexLock lock(status_mu_);
    return config_yaml_;
  };
  prometheus->external_labels = [this] {
    MutexLock lock(status_mu_);
    return external_labels_;
  };
  prometheus->findings = [this](const rules::GroupStatus& group, const rules::RuleStatus& rule) {
    std::vector<api::RuleFinding> out;
    for (const rules::Finding& f : analyst_->latest_of(group.name, rule.rule)) {
      out.push_back({f.class_name, rules::to_string(f.severity), f.message, f.rewrite});
    }
    return out;
  };
  prometheus->ready = [this] { return ready_.load(); };
  prometheus->lifecycle = settings_.lifecycle;
  prometheus->admin_api = settings_.admin_api;
  prometheus->reload = [this] { return reload(); };
  prometheus->quit = [this] { quit_ = true; };
  api::add_prometheus_routes(router_, prometheus);

  ingest::IngestContext ingest{*tsdb_, *logs_, *spans_, clock_, handlers_, ingest_memory_, ingest_stats_, {}};
  ingest.limits.body_bytes_max = static_cast<uint64_t>(config.limits.ingest_body);
  ingest.limits.json_bytes_max = std::min(ingest.limits.json_bytes_max, ingest.limits.body_bytes_max);
  if (settings_.otlp_receiver) ingest::add_otlp_http_routes(router_, ingest);
  if (settings_.loki_receiver) ingest::add_loki_push_routes(router_, ingest);
  if (settings_.remote_write_receiver) ingest::add_remote_write_routes(router_, ingest);
  ingest::add_otlp_http_routes(otlp_http_router_, ingest);
  ingest::add_grpc_routes(otlp_grpc_router_, ingest);

  api::SondeContext own{*tsdb_,   *engine_,  *logs_, *spans_,          *rules_,
                        *scrape_, *mailbox_, *book_, *settings_store_, clock_};
  own.status = [this] { return status_figures(); };
  own.findings = [this] {
    std::vector<api::FindingView> out;
    for (const rules::Finding& f : analyst_->latest()) out.push_back(api::view_of(f));
    return out;
  };
  own.build = {"0.1.0", "", ""};
  sonde_api_ = std::make_unique<api::SondeApi>(std::move(own));
  sonde_api_->add_routes(router_);
  api::UiOptions ui;
  ui.directory = settings_.ui_dir;
  ui_files_ = std::make_unique<api::UiFiles>(api::embedded_ui(), *fs_, ui);
  ui_files_->add_routes(router_);

  logql_ = std::make_unique<logql::Engine>(*logs_, clock_);
  api::add_loki_routes(router_,
                       std::make_shared<api::LokiApiContext>(api::LokiApiContext{*logs_, *logql_, clock_}));
  api::add_jaeger_routes(router_,
                         std::make_shared<api::JaegerApiContext>(api::JaegerApiContext{*spans_, clock_}));
}

void WiredServer::collect(std::vector<SelfMetric>& out) {
  using K = SelfMetric::Kind;
  auto counter = [&](const char* name, const char* help, double v,
                     std::vector<std::pair<std::string, std::string>> labels = {}) {
    out.push_back({K::kCounter, name, help, std::move(labels), v});
  };
  auto gauge = [&](const char* name, const char* help, double v,
                   std::vector<std::pair<std::string, std::string>> labels = {}) {
    out.push_back({K::kGauge, name, help, std::move(labels), v});
  };
  auto d = [](auto n) { return static_cast<double>(n); };

  storage::HeadStats head = tsdb_->head_stats(0);
  tsdb::TsdbStats ts = tsdb_->stats();
  gauge("sonde_tsdb_series", "Series in memory.", d(head.series));
  gauge("sonde_tsdb_samples", "Samples held.", d(head.samples));
  gauge("sonde_tsdb_memory_bytes", "Memory of series and samples, estimated.", d(head.memory_bytes));
  counter("sonde_tsdb_samples_stored_total", "Samples stored.", d(ts.floats_stored), {{"kind", "float"}});
  counter("sonde_tsdb_samples_stored_total", "Samples stored.", d(ts.histograms_stored),
          {{"kind", "histogram"}});
  for (size_t i = 0; i < ts.rejected.size(); i++) {
    counter("sonde_tsdb_samples_rejected_total", "Samples turned away.", d(ts.rejected[i]),
            {{"reason", storage::to_string(static_cast<storage::RejectReason>(i))}});
  }
  counter("sonde_tsdb_exemplars_stored_total", "Exemplars stored.", d(ts.exemplars_stored));
  counter("sonde_tsdb_commits_failed_total",
          "Batches that were not acknowledged because the disk was full or failing.", d(ts.commits_failed));
  counter("sonde_tsdb_commits_refused_total", "Batches turned away because too much was waiting.",
          d(ts.commits_refused));
  gauge("sonde_tsdb_queue_bytes", "Bytes of batches that wait for the log.", d(ts.queue_bytes));
  gauge("sonde_tsdb_read_only", "1 while the last commit failed.", ts.read_only ? 1 : 0);
  gauge("sonde_tsdb_wal_bytes", "Bytes of records in the write-ahead log.", d(ts.wal.bytes));
  gauge("sonde_tsdb_wal_segments", "Segments of the write-ahead log.", d(ts.wal.segments));
  counter("sonde_tsdb_wal_syncs_total", "Syncs of the write-ahead log.", d(ts.wal.syncs));
  counter("sonde_tsdb_wal_sync_seconds_total", "Time spent in syncs of the write-ahead log.",
          d(ts.wal.sync_ns_total) * 1e-9);
  counter("sonde_tsdb_wal_sync_failures_total", "Failed syncs of the write-ahead log.",
          d(ts.wal.sync_failures));
  counter("sonde_tsdb_wal_damaged_pages_total", "Pages of the write-ahead log found damaged at the start.",
          d(ts.wal.damaged_pages));

  storage::EventStats logs = logs_->event_stats(), spans = spans_->event_stats();
  gauge("sonde_events_records", "Log records and spans held.", d(logs.records), {{"signal", "logs"}});
  gauge("sonde_events_records", "Log records and spans held.", d(spans.records), {{"signal", "spans"}});
  gauge("sonde_events_bytes", "Bytes of logs and spans on disk.", d(logs.bytes), {{"signal", "logs"}});
  gauge("sonde_events_bytes", "Bytes of logs and spans on disk.", d(spans.bytes), {{"signal", "spans"}});
  gauge("sonde_events_damaged", "Parts, blocks and records set aside as damaged.", d(logs.damaged),
        {{"signal", "logs"}});
  gauge("sonde_events_damaged", "Parts, blocks and records set aside as damaged.", d(spans.damaged),
        {{"signal", "spans"}});

  counter("sonde_scrape_total", "Scrapes done.", d(scrape_stats_.scrapes.load()));
  counter("sonde_scrape_failed_total", "Scrapes that failed.", d(scrape_stats_.failed.load()));
  counter("sonde_scrape_skipped_total",
          "Scrapes left out because the one before was under way or nobody had time.",
          d(scrape_stats_.skipped.load()));
  counter("sonde_scrape_samples_received_total", "Samples in scraped expositions.",
          d(scrape_stats_.samples_received.load()));
  counter("sonde_scrape_samples_dropped_total", "Samples dropped by metric relabelling.",
          d(scrape_stats_.samples_dropped.load()));
  counter("sonde_scrape_samples_discarded_total", "Samples of scrapes that failed.",
          d(scrape_stats_.samples_discarded.load()));

  collect_ingest(counter);

  const rules::RulesStats& r = rules_->stats();
  counter("sonde_rules_evaluations_total", "Rules evaluated.", d(r.evaluations.load()));
  counter("sonde_rules_evaluation_failures_total", "Rule evaluations that failed.", d(r.failures.load()));
  counter("sonde_rules_iterations_missed_total",
          "Group evaluations left out because the one before was under way.", d(r.missed.load()));

  notify::AlertmanagerStats am = alertmanagers_->stats();
  counter("sonde_alertmanager_alerts_total", "Alerts for Alertmanagers.", d(am.sent), {{"outcome", "sent"}});
  counter("sonde_alertmanager_alerts_total", "Alerts for Alertmanagers.", d(am.failed),
          {{"outcome", "failed"}});
  counter("sonde_alertmanager_alerts_total", "Alerts for Alertmanagers.", d(am.dropped),
          {{"outcome", "dropped"}});
  notify::DispatcherStats ds = dispatcher_->stats();
  counter("sonde_notify_messages_total", "Messages posted to the inbox.", d(ds.messages));
  counter("sonde_notify_deliveries_total", "Deliveries to receivers.", d(ds.delivered),
          {{"outcome", "delivered"}});
  counter("sonde_notify_deliveries_total", "Deliveries to receivers.", d(ds.given_up),
          {{"outcome", "given_up"}});
  counter("sonde_notify_attempts_failed_total", "Delivery attempts that failed.", d(ds.attempts_failed));

  for (const auto& [name, pool] : {std::pair<const char*, const Executor*>{"handlers", &handlers_},
                                   {"reserved", &reserved_},
                                   {"background", &background_}}) {
    gauge("sonde_executor_queue_length", "Tasks that wait.", d(pool->queue_length()), {{"executor", name}});
  }
  for (const auto& [name, pool] : {std::pair<const char*, const Executor*>{"handlers", &handlers_},
                                   {"reserved", &reserved_},
                                   {"background", &background_}}) {
    counter("sonde_executor_rejected_total", "Tasks turned away.", d(pool->rejected_count()),
            {{"executor", name}});
  }
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerSettings settings) {
  auto server = std::make_unique<WiredServer>(std::move(settings));
  SONDE_CHECK(server->open());
  return server;
}

}  // namespace sonde::app

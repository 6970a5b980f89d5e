#include "config/prometheus_config.h"

#include <doctest/doctest.h>

#include "config/memory_files.h"

namespace sonde::config {
namespace {

std::optional<std::string> environment(std::string_view name) {
  if (name == "TEST") return "value";
  return std::nullopt;
}

Result<PrometheusConfig> load(std::string_view text, MemoryFiles fs = MemoryFiles(), bool agent = false) {
  LoadOptions options;
  options.environment = environment;
  options.agent = agent;
  return parse_prometheus_config(fs, text, "p.yml", options);
}

PrometheusConfig good(std::string_view text) {
  auto c = load(text);
  REQUIRE_MESSAGE(c.has_value(), (c ? "" : c.error().to_string()));
  return *c;
}

std::string bad(std::string_view text) {
  auto c = load(text);
  return c ? "accepted" : c.error().to_string();
}

TEST_CASE(
    "prometheus.yml: a URL as a target is an error only where no relabelling can make something of it") {
  const std::string head = "scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['http://x/y']\n";
  CHECK(bad(head) == "p.yml:4: \"http://x/y\" is not a valid hostname");
  CHECK(good(head + "  relabel_configs:\n  - {target_label: __address__, replacement: 'blackbox:9115'}\n")
            .scrape_configs[0]
            .discovery.static_configs[0]
            .targets[0] == "http://x/y");
}

TEST_CASE("config: an empty file has the defaults of Prometheus") {
  PrometheusConfig c = good("");
  CHECK(c.global.scrape_interval == Duration::minutes(1));
  CHECK(c.global.scrape_timeout == Duration::seconds(10));
  CHECK(c.global.evaluation_interval == Duration::minutes(1));
  CHECK_FALSE(c.global.scrape_native_histograms);
  CHECK(c.otlp.translation_strategy == "UnderscoreEscapingWithSuffixes");
  CHECK(c.storage.out_of_order_time_window.ns == 0);
  CHECK(good("global:\n").global.scrape_interval == Duration::minutes(1));
}

TEST_CASE("config: a scrape config inherits from global, and its timeout never exceeds its interval") {
  PrometheusConfig c = good(R"(
global: {scrape_interval: 5s, sample_limit: 7, body_size_limit: 1MB, label_limit: 3, scrape_native_histograms: true}
scrape_configs:
- job_name: a
- job_name: b
  scrape_interval: 1m
  sample_limit: 9
  scrape_native_histograms: false
  metric_name_validation_scheme: legacy
)");
  const ScrapeConfig& a = c.scrape_configs.at(0);
  CHECK(a.scrape_interval == Duration::seconds(5));
  CHECK(a.scrape_timeout == Duration::seconds(5));
  CHECK(a.limits.sample_limit == 7);
  CHECK(a.limits.body_size_limit == 1 << 20);
  CHECK(a.scrape_protocols.front() == ScrapeProtocol::kPrometheusProto);
  CHECK(a.metrics_path == "/metrics");
  CHECK(a.honor_timestamps);
  CHECK(a.at.line == 4);
  const ScrapeConfig& b = c.scrape_configs.at(1);
  CHECK(b.limits.sample_limit == 9);
  CHECK(b.limits.label_limit == 3);
  CHECK(b.scrape_protocols.front() == ScrapeProtocol::kOpenMetricsText100);
  CHECK(b.metric_name_escaping == EscapingScheme::kUnderscores);
}

TEST_CASE("config: external labels take variables from the environment") {
  PrometheusConfig c =
      good("global:\n  external_labels: {a: '${TEST}', b: 'x$TEST/y', c: '$$5', d: '${NONE}z', e: 'p$'}\n");
  CHECK(c.global.external_labels ==
        LabelSet{{"a", "value"}, {"b", "xvalue/y"}, {"c", "$5"}, {"d", "z"}, {"e", "p$"}});
  CHECK(c.empty_variables == std::vector<std::string>{"NONE"});
}

TEST_CASE("config: every bad input names file, line and reason") {
  struct Row {
    const char* text;
    const char* want;
  };
  for (
      const Row& r : std::initializer_list<Row>{
          {"globl:\n  x: 1\n", "p.yml:1: unknown key \"globl\" in the configuration"},
          {"global:\n  scrape_interval: 5s\n  foo: 1\n", "p.yml:3: unknown key \"foo\" in global"},
          {"global:\n  scrape_interval: 5\n", "p.yml:2: scrape_interval: not a valid duration string: \"5\""},
          {"global: {scrape_interval: 5s, scrape_timeout: 6s}",
           "p.yml:1: global scrape timeout greater than scrape interval"},
          {"scrape_configs:\n- job_name: a\n- job_name: a\n",
           "p.yml:3: found multiple scrape configs with job name \"a\", the other is at p.yml:2"},
          {"scrape_configs:\n- honor_labels: true\n", "p.yml:2: job_name is empty"},
          {"scrape_configs:\n-\n", "p.yml:2: empty or null scrape config section"},
          {"scrape_configs:\n- job_name: a\n  sample_limit: -1\n",
           "p.yml:3: sample_limit: expected a whole number that is not negative, got \"-1\""},
          {"scrape_configs:\n- job_name: a\n  scrape_protocols: []\n",
           "p.yml:3: scrape_protocols cannot be empty"},
          {"scrape_configs:\n- job_name: a\n  relabel_configs:\n  - action: nope\n",
           "p.yml:4: unknown relabel action \"nope\""},
          {"scrape_configs:\n- job_name: a\n  relabel_configs:\n  - regex: '('\n    target_label: x\n",
           "p.yml:4: error parsing regexp: missing ): (: `(`"},
          {"scrape_configs:\n- job_name: a\n  static_configs:\n  - targets: ['http://x']\n",
           "p.yml:4: \"http://x\" is not a valid hostname"},
          {"scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: p, password_file: f}\n",
           "p.yml:3: at most one of basic_auth password & password_file must be configured"},
          {"scrape_configs:\n- job_name: a\n  basic_auth: {username: u}\n  authorization: {credentials: x}\n",
           "p.yml:4: at most one of basic_auth, oauth2 & authorization must be configured"},
          {"scrape_configs:\n- job_name: a\n  authorization: {type: Basic}\n",
           "p.yml:3: authorization type cannot be set to \"basic\", use \"basic_auth\" instead"},
          {"scrape_configs:\n- job_name: a\n  tls_config: {cert_file: x}\n",
           "p.yml:3: exactly one of key or key_file must be configured when a client certificate is "
           "configured"},
          {"scrape_configs:\n- job_name: a\n  tls_config: {min_version: TLS9}\n",
           "p.yml:3: unknown TLS version: TLS9"},
          {"scrape_configs:\n- job_name: a\n  oauth2: {token_url: 'http://x'}\n",
           "p.yml:3: oauth2 client_id must be configured"},
          {"scrape_configs:\n- job_name: a\n  no_proxy: x\n",
           "p.yml:3: if no_proxy is configured, proxy_url must also be configured"},
          {"scrape_configs:\n- job_name: a\n  http_headers:\n    Authorization: {values: [x]}\n",
           "p.yml:4: setting header \"Authorization\" is not allowed"},
          {"scrape_configs:\n- job_name: a\n  file_sd_configs:\n  - files: [x.txt]\n",
           "p.yml:4: path name \"x.txt\" is not valid for file discovery"},
          {"scrape_configs:\n- job_name: a\n  http_sd_configs:\n  - url: ftp://x\n",
           "p.yml:4: URL scheme must be 'http' or 'https'"},
          {"scrape_configs:\n- job_name: a\n  scheme: gopher\n",
           "p.yml:3: scheme must be http or https, got \"gopher\""},
          {"global:\n  external_labels: {'': x}\n", "p.yml:2: \"\" is not a valid label name"},
          {"rule_files: ['a/*/b']\n", "p.yml:1: invalid rule file path \"a/*/b\""},
          {"alerting:\n  alertmanagers:\n  - api_version: v1\n",
           "p.yml:3: expected Alertmanager api version to be one of [v2] but got v1"},
          {"remote_write:\n- url: http://x\n  headers: {Authorization: y}\n",
           "p.yml:3: authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, "
           "azuread or google_iam parameter"},
          {"remote_write:\n- url: http://x\n  queue_config: {min_backoff: 10s}\n",
           "p.yml:3: queue_config min_backoff must not be greater than max_backoff"},
          {"otlp: {translation_strategy: X}\n", "p.yml:1: unsupported OTLP translation strategy \"X\""},
          {"storage: {tsdb: {retention: {percentage: 101}}}\n",
           "p.yml:1: 'storage.tsdb.retention.percentage' must be in the range [0, 100], got 101"},
          {"tracing: {}\n", "p.yml:1: tracing endpoint must be set"},
          {"tracing: {endpoint: x, client_type: y}\n",
           "p.yml:1: expected tracing client type to be to be one of [http grpc] but got y"},
          {"global: [1]\n", "p.yml:1: global must be a mapping, got a list"},
      }) {
    INFO(r.text);
    CHECK(bad(r.text) == r.want);
  }
}

TEST_CASE("config: relative paths belong to the folder of the file that names them") {
  MemoryFiles fs;
  fs.set("/etc/sonde/extra/jobs.yml",
         "scrape_configs:\n- job_name: extra\n  authorization: {credentials_file: token}\n");
  LoadOptions options;
  auto c = parse_prometheus_config(fs,
                                   "rule_files: [rules/*.yml, /abs/r.yml]\nscrape_config_files: "
                                   "[extra/*.yml]\nglobal: {query_log_file: q.log}\n"
                                   "scrape_configs:\n- job_name: main\n  tls_config: {ca_file: ca.pem}\n  "
                                   "file_sd_configs: [{files: [t.json]}]\n",
                                   "/etc/sonde/p.yml", options);
  REQUIRE(c);
  CHECK(c->rule_files == std::vector<std::string>{"/etc/sonde/rules/*.yml", "/abs/r.yml"});
  CHECK(c->global.query_log_file == "/etc/sonde/q.log");
  CHECK(c->scrape_configs.at(0).http.tls.ca_file == "/etc/sonde/ca.pem");
  CHECK(c->scrape_configs.at(0).discovery.file_sd_configs.at(0).files.at(0) == "/etc/sonde/t.json");
  CHECK(c->scrape_configs.at(1).http.authorization->credentials_file == "/etc/sonde/extra/token");
  CHECK(c->files_read == std::vector<std::string>{"/etc/sonde/p.yml", "/etc/sonde/extra/jobs.yml"});
}

TEST_CASE(
    "config: a job that is imported twice, and an error in an imported file, are named where they are") {
  MemoryFiles fs(
      {{"jobs.yml", "scrape_configs:\n- job_name: j\n"}, {"broken.yml", "scrape_configs:\n- job_nam: j\n"}});
  auto twice = load("scrape_config_files: [jobs.yml, jobs.yml]\n", fs);
  REQUIRE_FALSE(twice);
  CHECK(twice.error().to_string() ==
        "jobs.yml:2: found multiple scrape configs with job name \"j\", the other is at jobs.yml:2");
  auto broken = load("scrape_config_files: [broken.yml]\n", fs);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().to_string() == "broken.yml:2: unknown key \"job_nam\" in scrape_configs entry");
}

TEST_CASE("config: what sonde lacks is refused by name and line, and nothing else is") {
  PrometheusConfig c = good(R"(
scrape_configs:
- job_name: k
  kubernetes_sd_configs: [{role: pod}]
- job_name: fine
  static_configs: [{targets: ['a:1']}]
  http_sd_configs: [{url: 'http://x/y'}]
- job_name: none
  ec2_sd_configs: []
remote_write: [{url: 'http://x'}]
)");
  auto lacking = unsupported(c);
  REQUIRE(lacking.size() == 2);
  CHECK(lacking[0].to_string() ==
        "p.yml:4: kubernetes_sd_configs is not supported; use file_sd_configs or http_sd_configs");
  CHECK(lacking[0].code == ErrorCode::kUnsupported);
  CHECK(lacking[1].to_string() == "p.yml:10: remote_write is not supported by this build");
  Capabilities all;
  all.discovery.insert("kubernetes");
  all.remote_write = true;
  CHECK(unsupported(c, all).empty());
  all.discovery.erase("http");
  REQUIRE(unsupported(c, all).size() == 1);
  CHECK(unsupported(c, all)[0].to_string() ==
        "p.yml:7: http_sd_configs is not supported; use static_configs or file_sd_configs");
}

TEST_CASE("config: agent mode refuses rules, alerting and remote read") {
  CHECK(load("remote_write: [{url: 'http://x'}]\n", MemoryFiles(), true));
  CHECK(load("rule_files: [a]\n", MemoryFiles(), true).error().to_string() ==
        "p.yml:1: field rule_files is not allowed in agent mode");
}

constexpr const char* kRich = R"(
global:
  scrape_interval: 15s
  external_labels: {dollar: '$$x', region: eu}
scrape_configs:
- job_name: 'weird: name'
  params: {'match[]': ['{a="b"}']}
  basic_auth: {username: u, password: hunter2}
  http_headers: {X-Key: {secrets: [s3cr3t-header]}}
  proxy_url: http://user:proxypw@proxy:3128
  static_configs: [{targets: ['h:1'], labels: {zone: '1'}}]
  file_sd_configs: [{files: ['*.json']}]
  http_sd_configs: [{url: 'http://u:pw-in-url@h/x', bearer_token: tok3n}]
  relabel_configs:
  - {source_labels: [a, b], regex: '(.*);x', target_label: c, replacement: '${1}'}
  - {action: labeldrop, regex: tmp_.*}
  - {source_labels: [a], action: keepequal, target_label: b}
  - {source_labels: [a], modulus: 8, action: hashmod, target_label: h}
- job_name: o
  oauth2: {client_id: i, client_secret: oauthpw, token_url: 'http://t'}
alerting:
  alertmanagers: [{static_configs: [{targets: ['am:9093']}], alert_relabel_configs: [{action: drop, source_labels: [x], regex: y}]}]
remote_write: [{url: 'http://r/w', headers: {X-Tenant: tenant-s3cret}}]
remote_read: [{url: 'http://r/r', required_matchers: {job: x}}]
otlp: {promote_all_resource_attributes: true, ignore_resource_attributes: [a.b]}
storage: {tsdb: {out_of_order_time_window: 30m, retention: {time: 15d, size: 10GB}}, exemplars: {max_exemplars: 5}}
tracing: {endpoint: 'l:4317', headers: {x-key: trace-s3cret}}
)";

TEST_CASE("config: the marshalled configuration reads back as the same configuration") {
  PrometheusConfig c = good(kRich);
  std::string first = marshal(c);
  auto again = load(first);
  REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().to_string() + "\n" + first));
  CHECK(marshal(*again) == first);
  CHECK(again->global.external_labels == c.global.external_labels);
  CHECK(again->scrape_configs.at(0).relabel_configs == c.scrape_configs.at(0).relabel_configs);
  CHECK(again->scrape_configs.at(0).params == c.scrape_configs.at(0).params);
}

TEST_CASE("config: no secret appears in the marshalled configuration") {
  std::string text = marshal(good(kRich));
  for (const char* secret : {"hunter2", "s3cr3t-header", "proxypw", "pw-in-url", "tok3n", "oauthpw",
                             "tenant-s3cret", "trace-s3cret"}) {
    INFO(secret);
    CHECK(text.find(secret) == std::string::npos);
  }
  CHECK(text.find("<secret>") != std::string::npos);
}

TEST_CASE("config: rule files are found by pattern, each once") {
  MemoryFiles fs({{"r/a.yml", ""}, {"r/b.yml", ""}, {"c.yml", ""}});
  auto c = load("rule_files: ['r/*.yml', 'c.yml', 'r/a.yml', 'none/*.yml']\n", fs);
  REQUIRE(c);
  CHECK(*rule_file_paths(fs, *c) == std::vector<std::string>{"r/a.yml", "r/b.yml", "c.yml"});
}

TEST_CASE("config: discovered target files may be JSON") {
  auto root = parse_yaml(R"([{"targets": ["a:1", "b:2"], "labels": {"env": "prod"}}])", "t.json");
  REQUIRE(root);
  auto groups = read_target_groups(**root, "t.json");
  REQUIRE(groups);
  CHECK(groups->at(0).targets.size() == 2);
  CHECK(groups->at(0).labels.get("env") == "prod");
  CHECK(groups->at(0).source == "t.json:0");
  CHECK_FALSE(read_target_groups(**parse_yaml("[null]", "t"), "t"));
}

TEST_CASE("config: URLs are checked and their passwords hidden") {
  CHECK(check_http_url("https://host:8080/x"));
  CHECK_FALSE(check_http_url("http://"));
  CHECK_FALSE(check_http_url("host:80"));
  CHECK_FALSE(check_http_url("http://h:port/"));
  CHECK_FALSE(check_url(":no-scheme"));
  CHECK(redact_url("http://u:secret@h/x") == "http://u:xxxxx@h/x");
  CHECK(redact_url("http://h/x@y") == "http://h/x@y");
}

}  // namespace
}  // namespace sonde::config

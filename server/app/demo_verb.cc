#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "app/backfill.h"
#include "app/server.h"
#include "app/signals.h"
#include "app/verbs.h"
#include "base/clock.h"
#include "base/file_system.h"
#include "storage/querier.h"

namespace sonde::app {
namespace {

const char* const kConfig = R"(# Written by `sonde demo`.
global:
  scrape_interval: 2s
  scrape_timeout: 2s
  evaluation_interval: 2s
rule_files: [rules.yml]
scrape_configs:
  - job_name: web
    static_configs: [{targets: ["127.0.0.1:8081"]}]
  - job_name: orders
    static_configs: [{targets: ["127.0.0.1:8082"]}]
  - job_name: stock
    static_configs: [{targets: ["127.0.0.1:8083"]}]
  - job_name: sonde
    static_configs: [{targets: ["SONDE_ADDRESS"]}]
)";

const char* const kRules = R"(# Written by `sonde demo`.
groups:
  - name: demo
    rules:
      - record: job:http_requests:rate30s
        expr: sum by (job) (rate(http_requests_total[30s]))
      - alert: OrdersSlow
        expr: histogram_quantile(0.99, sum by (le, job) (rate(http_server_request_duration_seconds_bucket{job="orders"}[20s]))) > 0.25
        for: 6s
        labels: {severity: page}
        annotations:
          summary: "p99 of {{ $labels.job }} is {{ $value | humanizeDuration }}"
          description: "Some requests wait for the stock database."
      - alert: ErrorRatio
        expr: |
          sum by (job) (rate(http_requests_total{status=~"5.."}[30s]))
            / sum by (job) (rate(http_requests_total[30s])) > 0.05
        for: 10s
        labels: {severity: page}
        annotations: {summary: "{{ $value | humanizePercentage }} of the requests to {{ $labels.job }} fail"}
      - alert: TargetDown
        expr: up == 0
        for: 10s
        annotations: {summary: "{{ $labels.job }} at {{ $labels.instance }} does not answer"}
      - alert: HealthCheckFailing
        expr: sonde_health_check_status == 0
        for: 10s
        annotations: {summary: "check {{ $labels.check }} of {{ $labels.job }} fails"}
  # As many guides write it: it can never fire. The Alerts page says why, and what would.
  - name: from_a_guide
    rules:
      - alert: HighLatency
        expr: histogram_quantile(0.95, http_request_duration_seconds) > 1
        for: 5m
        annotations: {summary: "High API latency detected"}
)";

std::vector<Flag> demo_flags() {
  std::vector<Flag> flags = {
      {"shop", FlagKind::kText, "", "The example's executable; beside this one by default", "Demo"},
      {"rate", FlagKind::kNumber, "20", "Requests per second of load", "Demo"},
      {"fault-after", FlagKind::kDuration, "20s", "When the slow stock query begins", "Demo"},
      {"fault-length", FlagKind::kDuration, "2m", "How long it stays", "Demo"},
      {"keep", FlagKind::kBool, "false", "Keep the data directory; one that was there before is always kept",
       "Demo"},
      {"backfill", FlagKind::kBool, "true", "Make up an hour of history, labelled synthetic", "Demo"},
  };
  flags.insert(flags.end(), server_flags().begin(), server_flags().end());
  return flags;
}

std::string executable_dir() {
  char buf[4096];
  ssize_t n = readlink("/proc/self/exe", buf, sizeof buf - 1);
  if (n <= 0) return ".";
  std::string path(buf, static_cast<size_t>(n));
  return path.substr(0, path.rfind('/'));
}

std::string find_shop(const FileSystem& fs) {
  std::string dir = executable_dir();
  for (const char* place : {"/shop", "/lib/examples/shop"}) {
    if (fs.exists(dir + place)) return dir + place;
  }
  return "";
}

// The example with its load; its own output goes to a file.
pid_t spawn_shop(const std::string& shop, const std::string& log_path, const std::vector<std::string>& args) {
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int log = open(log_path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  if (log >= 0) {
    dup2(log, 1);
    dup2(log, 2);
  }
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>("shop"));
  for (const std::string& a : args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  execv(shop.c_str(), argv.data());
  _exit(127);
}

int fail_demo(const std::string& message) {
  std::fprintf(stderr, "sonde demo: %s\n", message.c_str());
  return 1;
}

}  // namespace

int run_demo(const std::vector<std::string>& args) {
  std::vector<Flag> table = demo_flags();
  if (std::find(args.begin(), args.end(), "--help") != args.end()) {
    std::fputs(flag_help("sonde demo [flags]", "A server with the example service, load and a fault.", table)
                   .c_str(),
               stdout);
    return 0;
  }
  auto values = FlagValues::parse(table, args);
  if (!values) {
    std::fprintf(stderr, "sonde demo: %s\n", values.error().to_string().c_str());
    return 2;
  }
  if (!values->positional().empty()) {
    std::fprintf(stderr, "sonde demo: unexpected argument \"%s\"\n", values->positional()[0].c_str());
    return 2;
  }
  Signals signals;
  auto fs = make_posix_file_system();
  std::string shop = values->given("shop") ? values->text("shop") : find_shop(*fs);
  if (shop.empty() || !fs->exists(shop))
    return fail_demo("the example `shop` is not beside this executable; name it with --shop");

  ServerSettings settings = ServerSettings::from(*values);
  if (!values->given("storage.tsdb.path")) settings.data_dir = "sonde-demo";
  // Only what this run makes is removed at its end.
  if (fs->exists(settings.data_dir) && !values->given("storage.tsdb.path")) {
    if (!fs->exists(settings.data_dir + "/demo"))
      return fail_demo("./" + settings.data_dir + " exists and is not an old demo's; move it away");
    if (auto removed = fs->remove_all(settings.data_dir); !removed)
      return fail_demo(removed.error().to_string());
  }
  bool keep = values->flag("keep") || fs->exists(settings.data_dir);
  if (auto made = fs->create_directories(settings.data_dir); !made)
    return fail_demo(made.error().to_string());
  settings.demo = true;
  settings.config_file = settings.data_dir + "/prometheus.yml";
  std::string config = kConfig;
  config.replace(config.find("SONDE_ADDRESS"), 13, settings.listen_addresses[0]);
  for (const auto& [name, text] :
       {std::pair<std::string, std::string>{"demo", ""}, {"prometheus.yml", config}, {"rules.yml", kRules}}) {
    if (auto written = fs->write_file_atomically(settings.data_dir + "/" + name, text); !written)
      return fail_demo(written.error().to_string());
  }
  auto server = Server::start(settings);
  if (!server) return fail_demo(server.error().to_string());

  SystemClock clock;
  if (values->flag("backfill")) {
    Timestamp now = clock.timestamp();
    if (auto filled =
            backfill_demo((*server)->metrics(), now - Duration::hours(1), now, Duration::seconds(10));
        !filled) {
      return fail_demo("history: " + filled.error().to_string());
    }
    (*server)->set_synthetic_until(now);
  }
  auto ports = (*server)->ports();
  std::string otlp = "http://127.0.0.1:" + std::to_string(ports.size() > 1 ? ports[1] : 4318);
  auto seconds = [](Duration d) { return std::to_string(d.ns / 1'000'000'000) + "s"; };
  Duration after = values->duration("fault-after"), length = values->duration("fault-length");
  std::vector<std::string> shop_args = {"all",
                                        "--otlp",
                                        otlp,
                                        "--rate",
                                        values->text("rate"),
                                        "--log",
                                        "-",
                                        "--database",
                                        settings.data_dir + "/stock.sqlite"};
  // The fault comes back, so that whoever looks away does not miss it.
  for (int i = 0; i < 6; i++) {
    Duration begin = after + Duration::minutes(6) * i;
    shop_args.insert(shop_args.end(),
                     {"--fault", "slow-query:stock@" + seconds(begin) + "+" + seconds(length)});
  }
  pid_t child = spawn_shop(shop, settings.data_dir + "/shop.log", shop_args);
  std::printf(
      "\n sonde 0.1.0   %s     OTLP :%u :%u     data: ./%s (%s)\n"
      " web, orders and stock run with %s requests a second; a slow stock query begins in %s\n"
      " next: sonde query 'sum by (job) (rate(http_requests_total[1m]))'   Ctrl-C stops\n\n",
      (*server)->url().c_str(), ports.size() > 1 ? ports[1] : 0, ports.size() > 2 ? ports[2] : 0,
      settings.data_dir.c_str(), keep ? "kept" : "removed on exit", values->text("rate").c_str(),
      seconds(after).c_str());
  std::fflush(stdout);

  int result = 0;
  for (;;) {
    int signal = signals.wait_ms(500);
    if (signal == SIGHUP) {
      (void)(*server)->reload();
      continue;
    }
    if (signal != 0 || (*server)->quit_requested()) break;
    int status = 0;
    if (child > 0 && waitpid(child, &status, WNOHANG) == child) {
      child = 0;
      result = fail_demo("the example ended by itself; see " + settings.data_dir + "/shop.log");
      break;
    }
  }
  std::printf("stopping\n");
  if (child > 0) {
    kill(child, SIGTERM);
    int status = 0;
    bool ended = false;
    for (int i = 0; i < 70 && !ended; i++) {
      ended = waitpid(child, &status, WNOHANG) != 0;
      if (!ended) usleep(100'000);
    }
    if (!ended) kill(child, SIGKILL);
  }
  (*server)->stop();
  server->reset();
  if (!keep && result == 0) (void)fs->remove_all(settings.data_dir);
  return result;
}

}  // namespace sonde::app

// The six chapters of production monitoring in one small service: metrics, structured logs, health checks,
// distributed tracing, database queries, and the alert rules that go with them. One file, no framework of its
// own.  ./guide [port]   then:  curl localhost:8080/users/1   localhost:8080/metrics   localhost:8080/queries
#include <httplib.h>
#include <signal.h>
#include <sqlite3.h>

#include <cstdlib>
#include <thread>

#include "sonde/health.h"
#include "sonde/httplib.h"
#include "sonde/sonde.h"
#include "sonde/sqlite.h"

using namespace sonde::literals;
using namespace std::chrono_literals;

// 1. Metrics. The router below adds http_requests_total{method,endpoint,status} and
//    http_request_duration_seconds{method,endpoint}; this one is the application's own.
constinit sonde::Counter<"guide_logins_total", "result"> logins{{.help = "Logins by result"}};

// 6. Alerts on them. The ratio is per service, says nothing without traffic, and the quantile is taken from
// the
//    rate of the buckets.
constexpr char kAlerts[] = R"(groups:
  - name: guide
    rules:
      - alert: HighErrorRate
        expr: sum by (job) (rate(http_requests_total{status=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 0.05
        for: 5m
        annotations: {summary: "High error rate detected"}
      - alert: HighLatency
        expr: histogram_quantile(0.95, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m]))) > 1
        for: 5m
        annotations: {summary: "High API latency detected"}
)";

int main(int argc, char** argv) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  // 2 and 4. Logs as JSON lines on standard output with the trace's ids in them; spans, sampled and exported
  //    where OTEL_EXPORTER_OTLP_ENDPOINT says.
  auto telemetry = sonde::init({.service = "guide", .version = "1.0.0"});

  // 5. Database queries: unchanged SQLite code from here on is watched.
  sonde::sqlite::attach_all();
  sqlite3* db = nullptr;
  sqlite3_open_v2("file:guide?mode=memory&cache=shared", &db,
                  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_FULLMUTEX,
                  nullptr);
  sqlite3_exec(db, "create table users (id integer primary key, name text)", nullptr, nullptr, nullptr);
  sqlite3_exec(db, "insert into users (name) values ('Ada'), ('Grace')", nullptr, nullptr, nullptr);

  // 3. Health: checks on their own threads, constant answers.
  sonde::health::add("database", sonde::health::ready,
                     [db] { return sqlite3_exec(db, "select 1", nullptr, nullptr, nullptr) == SQLITE_OK; },
                     {.timeout = 500ms, .every = 5s, .fail_after = 3});

  httplib::Server server;
  sonde::httplib::Router router(server);
  router.expose_metrics().expose_health().expose_queries();
  router.expose("/alerts", [](const httplib::Request&, httplib::Response& res) {
    res.set_content(kAlerts, "application/yaml");
  });
  router.get("/users/{id}", [db](const httplib::Request& req, httplib::Response& res) {
    sqlite3_stmt* statement = nullptr;
    sonde::sqlite::prepare(db, "select name from users where id = ?1", &statement);
    sqlite3_bind_text(statement, 1, sonde::httplib::param(req, "id").c_str(), -1, SQLITE_TRANSIENT);
    if (sonde::sqlite::step(statement) == SQLITE_ROW) {
      res.set_content(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)), "text/plain");
    } else {
      res.status = 404;
    }
    sonde::sqlite::finalize(statement);
  });
  router.post("/login", [](const httplib::Request& req, httplib::Response& res) {
    bool ok = req.get_param_value("password") == "correct horse";
    logins(ok ? "ok" : "refused").inc();
    sonde::info("login", "user"_f = req.get_param_value("user"), "ip"_f = req.remote_addr, "ok"_f = ok);
    res.status = ok ? 204 : 403;
  });

  int port = argc > 1 ? std::atoi(argv[1]) : 8080;
  if (!server.bind_to_port("127.0.0.1", port)) return 1;
  std::thread serving([&] { server.listen_after_bind(); });
  int signal = 0;
  sigwait(&ends, &signal);
  sonde::health::drain(500ms);
  server.stop();
  serving.join();
  sonde::health::remove("database", sonde::health::ready);
  sqlite3_close(db);
}

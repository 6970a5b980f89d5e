#include "shop/service.h"

#include <httplib.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "sonde/health.h"
#include "sonde/sonde.h"
#ifdef SHOP_HAS_OTLP
#include "sonde/otlp.h"
#endif

namespace shop {

using namespace std::chrono_literals;
using namespace sonde::literals;

namespace {

sonde::Telemetry start_telemetry(const Options& options) {
  sonde::Options o;
  o.service = options.service_name;
  o.version = "1.0.0";
  o.resource_attributes = "service.namespace=shop";
  if (options.log != "-") o.log_path = options.log;
#ifdef SHOP_HAS_OTLP
  if (!options.otlp.empty()) {
    o.otlp_endpoint = options.otlp;
    o.transport = sonde::otlp::transport();
  }
#endif
  return sonde::init(o);
}

bool is_local(const httplib::Request& req) {
  return (req.remote_addr == "127.0.0.1" || req.remote_addr == "::1") && !req.has_header("Origin");
}

}  // namespace

struct Service::State {
  Options options;
  sonde::Telemetry telemetry;
  httplib::Server server;
  sonde::httplib::Router router{server};
  Faults faults;
  std::vector<std::function<void()>> ticks;
};

Service::Service(const Options& options) : state_(std::make_unique<State>()) {
  // The signals that end us are waited for in run(); no other thread may take them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  State& s = *state_;
  s.options = options;
  s.telemetry = start_telemetry(options);
  s.server.new_task_queue = [] { return new httplib::ThreadPool(16); };
  s.server.set_keep_alive_timeout(1);  // an idle connection occupies a thread, also at the end
  s.server.set_keep_alive_max_count(1000);
  s.server.set_payload_max_length(64 * 1024);

  s.router.expose_metrics().expose_health().expose_queries();
  s.router.expose("/fault", [&s](const httplib::Request& req, httplib::Response& res) {
    if (!is_local(req)) return reply_error(res, 403, "only from this machine");
    if (req.method == "POST") {
      Fault fault;
      if (!Faults::parse(req.get_param_value("kind"), fault))
        return reply_error(res, 400, "no such kind of fault");
      double seconds = req.has_param("seconds") ? parse_seconds(req.get_param_value("seconds")) : 30;
      if (seconds < 0 || seconds > 86400) return reply_error(res, 400, "seconds out of range");
      s.faults.set(fault, seconds);
      sonde::warn("fault requested", "kind"_f = kFaultNames[static_cast<size_t>(fault)],
                  "seconds"_f = seconds);
    }
    reply_json(res, s.faults.json());
  });
  every_tick([&s] { s.faults.leak_step(); });
}

Service::~Service() = default;

sonde::httplib::Router& Service::router() { return state_->router; }
Faults& Service::faults() { return state_->faults; }
void Service::every_tick(std::function<void()> f) { state_->ticks.push_back(std::move(f)); }

int Service::run() {
  State& s = *state_;
  if (!s.server.bind_to_port(s.options.host, s.options.port)) {
    std::fprintf(stderr, "shop: %s: cannot listen on %s:%d\n", s.options.verb.c_str(), s.options.host.c_str(),
                 s.options.port);
    return 1;
  }
  std::atomic<bool> stopping{false};
  std::atomic<bool> gone{false};
  std::thread listener([&] {
    s.server.listen_after_bind();
    gone = true;
  });
  std::thread ticker([&] {
    while (!stopping) {
      for (auto& f : s.ticks) f();
      std::this_thread::sleep_for(100ms);
    }
  });
  // Nobody else's health: a role that asks about its neighbours' takes itself down with them.
  sonde::health::add("listener", sonde::health::ready, [&s] { return s.server.is_running(); },
                     {.timeout = 500ms, .every = 1s, .fail_after = 2});
  sonde::info("listening", "host"_f = s.options.host, "port"_f = s.options.port);

  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  int signal = 0;
  sigwait(&ends, &signal);

  sonde::info("stopping", "signal"_f = signal);
  sonde::health::drain(std::chrono::milliseconds(s.options.drain_ms));
  sonde::health::remove("listener", sonde::health::ready);
  stopping = true;
  s.server.stop();
  listener.join();
  ticker.join();
  sonde::info("stopped");
  sonde::shutdown(1500);
  return 0;
}

void reply_error(httplib::Response& response, int status, std::string_view text) {
  response.status = status;
  response.set_content("{\"error\":\"" + std::string(text) + "\"}\n", "application/json");
}

void reply_json(httplib::Response& response, std::string body) {
  response.set_content(body, "application/json");
}

void pass_on(httplib::Response& response, const httplib::Result& result) {
  if (!result) return reply_error(response, 502, "no answer from the service behind");
  response.status = result->status;
  response.set_content(result->body, "application/json");
}

}  // namespace shop

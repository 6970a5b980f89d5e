#include <doctest/doctest.h>
#include <httplib.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "http/capture.h"
#include "sonde/expose.h"
#include "sonde/health.h"
#include "sonde/httplib.h"
#include "sonde/sonde.h"

using namespace sonde::literals;

namespace {

class TestServer {
 public:
  TestServer() : router(server) {
    Capture::get();
    router.expose_metrics().expose_health().expose_queries();
  }
  ~TestServer() {
    server.stop();
    if (thread_.joinable()) thread_.join();
  }
  void start() {
    server.set_keep_alive_timeout(1);
    port = server.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();
  }
  httplib::Client client() {
    httplib::Client c("127.0.0.1", port);
    c.set_keep_alive(false);
    return c;
  }

  httplib::Server server;
  sonde::httplib::Router router;
  int port = 0;

 private:
  std::thread thread_;
};

// cpp-httplib finishes its bookkeeping after the client has its answer.
bool page_gets(const std::string& line) {
  for (int i = 0; i < 1000; i++) {
    if (sonde::expose().body.find(line) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}
bool page_has(const std::string& line) { return sonde::expose().body.find(line) != std::string::npos; }

}  // namespace

TEST_CASE("httplib: one request yields one span, one metric and one line, all under the route's template") {
  TestServer s;
  s.router.get("/users/{id}/files/{path*}", [](const httplib::Request& req, httplib::Response& res) {
    res.set_content(sonde::httplib::param(req, "id") + "|" + sonde::httplib::param(req, "path") + "|" +
                        sonde::httplib::param(req, "none"),
                    "text/plain");
  });
  s.start();
  auto r = s.client().Get("/users/4711/files/a/b.txt?token=hush",
                          {{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  REQUIRE(r);
  CHECK(r->body == "4711|a/b.txt|");
  CHECK(
      page_gets(R"(http_requests_total{method="GET",endpoint="/users/{id}/files/{path*}",status="200"} 1)"));
  CHECK(
      page_has(R"(http_server_request_duration_seconds_count{http_request_method="GET",url_scheme="http",)"
               R"(http_route="/users/{id}/files/{path*}",http_response_status_code="200",error_type=""} 1)"));
  CHECK_FALSE(page_has("4711"));

  std::string log = Capture::get().log();
  CHECK(Capture::count(log, "/users/4711/files/a/b.txt") == 1);
  CHECK(Capture::count(log, R"("trace_id":"0af7651916cd43dd8448eb211c80319c")") == 1);
  std::string traces = Capture::get().traces();
  CHECK(Capture::count(traces, "GET /users/{id}/files/{path*}") == 1);
  CHECK(Capture::count(traces, "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c") == 1);
  CHECK(Capture::count(traces + log, "hush") == 0);
}

TEST_CASE("httplib: an exception is a 500 with a constant body, and its text is in the log alone") {
  TestServer s;
  s.router.get("/throws", [](const httplib::Request&, httplib::Response&) {
    throw std::runtime_error("password is swordfish");
  });
  s.router.get("/throws-int", [](const httplib::Request&, httplib::Response&) { throw 42; });
  s.start();
  CHECK(page_has(R"(http_requests_total{method="GET",endpoint="/throws",status="500"} 0)"));
  auto r = s.client().Get("/throws");
  REQUIRE(r);
  CHECK(r->status == 500);
  CHECK(r->body == "internal server error\n");
  for (const auto& [name, value] : r->headers) CHECK(value.find("swordfish") == std::string::npos);
  CHECK(page_gets(R"(http_requests_total{method="GET",endpoint="/throws",status="500"} 1)"));
  CHECK(page_has(R"(http_response_status_code="500",error_type="std::runtime_error"} 1)"));
  std::string log = Capture::get().log();
  CHECK(Capture::count(log, "swordfish") == 1);
  CHECK(Capture::count(log, R"("exception.type":"std::runtime_error")") == 1);
  r = s.client().Get("/throws-int");
  REQUIRE(r);
  CHECK(r->status == 500);
  CHECK(page_gets(R"(http_requests_total{method="GET",endpoint="/throws-int",status="500"} 1)"));
}

TEST_CASE("httplib: whatever a scanner asks for is one series") {
  TestServer s;
  s.start();
  for (const char* path : {"/wp-login.php", "/.env", "/a/b/c"}) {
    auto r = s.client().Get(path);
    REQUIRE(r);
    CHECK(r->status == 404);
  }
  CHECK(page_gets(R"(http_requests_total{method="GET",endpoint="_unmatched",status="404"} 3)"));
  CHECK_FALSE(page_has("wp-login"));
}

TEST_CASE("httplib: metrics, health and queries are answered and are no traffic") {
  TestServer s;
  s.start();
  auto text = s.client().Get("/metrics");
  REQUIRE(text);
  CHECK(text->get_header_value("Content-Type").find("text/plain") == 0);
  auto om = s.client().Get("/metrics", {{"Accept", "application/openmetrics-text; version=1.0.0"}});
  REQUIRE(om);
  CHECK(om->get_header_value("Content-Type").find("application/openmetrics-text") == 0);
  CHECK(om->body.ends_with("# EOF\n"));
  auto live = s.client().Get("/health/live");
  REQUIRE(live);
  CHECK(live->status == 200);
  CHECK(live->body == R"({"status":"alive"})");
  sonde::health::drain();
  auto ready = s.client().Get("/health/ready");
  sonde::health::resume();
  REQUIRE(ready);
  CHECK(ready->status == 503);
  CHECK(ready->body == R"({"status":"not ready"})");
  auto started = s.client().Get("/health/startup");
  REQUIRE(started);
  CHECK(started->body == R"({"status":"started"})");
  auto json = s.client().Get("/queries");
  REQUIRE(json);
  CHECK(json->get_header_value("Content-Type") == "application/json");
  auto html = s.client().Get("/queries", {{"Accept", "text/html,*/*"}});
  REQUIRE(html);
  CHECK(html->body.find("<!doctype html>") == 0);
  CHECK_FALSE(page_has("endpoint=\"/metrics\""));
  CHECK_FALSE(page_has("endpoint=\"/health/live\""));
}

TEST_CASE("httplib: a call carries the trace to the next service") {
  TestServer behind;
  std::string seen;
  behind.router.get("/stock/{sku}", [&](const httplib::Request& req, httplib::Response& res) {
    seen = req.get_header_value("traceparent");
    res.set_content(sonde::httplib::param(req, "sku"), "text/plain");
  });
  behind.router.post("/echo", [&](const httplib::Request& req, httplib::Response& res) {
    res.set_content(req.body, "text/plain");
  });
  behind.start();
  TestServer front;
  front.router.get("/shop/{sku}", [&](const httplib::Request& req, httplib::Response& res) {
    sonde::httplib::Client client("http://127.0.0.1:" + std::to_string(behind.port));
    auto r = client.get("/stock/{sku}", {sonde::httplib::param(req, "sku")});
    res.status = r ? r->status : 502;
    if (r) res.set_content(r->body, "text/plain");
  });
  front.start();
  auto r = front.client().Get("/shop/a%20b%3Fc",
                              {{"traceparent", "00-11111111111111112222222222222222-3333333333333333-01"}});
  REQUIRE(r);
  CHECK(r->status == 200);
  CHECK(r->body == "a b?c");
  CHECK(seen.substr(0, 36) == "00-11111111111111112222222222222222-");
  CHECK(seen.substr(36, 16) != "3333333333333333");
  CHECK(page_gets(
      "http_client_request_duration_seconds_count{http_request_method=\"GET\",server_address=\"127.0.0.1\","
      "server_port=\"" +
      std::to_string(behind.port) +
      "\",url_template=\"/stock/{sku}\",http_response_status_code=\"200\",error_type=\"\"} 1"));

  sonde::httplib::Client client("http://127.0.0.1:" + std::to_string(behind.port));
  auto echoed = client.post("/echo", {}, "body", "text/plain");
  REQUIRE(echoed);
  CHECK(echoed->body == "body");
  sonde::httplib::Client nowhere("http://127.0.0.1:1", {.connect_timeout_ms = 200});
  CHECK_FALSE(nowhere.get("/x"));
  CHECK(page_has(R"(url_template="/x",http_response_status_code="",error_type="connection"} 1)"));
}

TEST_CASE("httplib: the caller's own hooks still run") {
  httplib::Server server;
  std::atomic<int> after{0};
  sonde::httplib::RouterOptions options;
  options.before = [](const httplib::Request& req, httplib::Response& res) {
    if (req.path != "/blocked") return false;
    res.status = 403;
    return true;
  };
  options.after = [&](const httplib::Request&, httplib::Response&) { after++; };
  sonde::httplib::Router router(server, options);
  int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
  httplib::Client client("127.0.0.1", port);
  client.set_keep_alive(false);
  auto r = client.Get("/blocked");
  REQUIRE(r);
  CHECK(r->status == 403);
  server.stop();
  thread.join();
  CHECK(after == 1);
}

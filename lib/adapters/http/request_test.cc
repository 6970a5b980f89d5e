#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "sonde/expose.h"
#include "sonde/http.h"

namespace http = sonde::http;

namespace {

bool page_has(const std::string& line) { return sonde::expose().body.find(line) != std::string::npos; }

}  // namespace

TEST_CASE("http: a method that nobody knows is one label value") {
  CHECK(http::known_method("GET") == "GET");
  CHECK(http::known_method("get") == "_OTHER");
  CHECK(http::known_method("FOO1") == "_OTHER");
}

TEST_CASE("http: credentials in a query are replaced") {
  CHECK(http::redact_query("a=1&sig=abc&X-Goog-Signature=x&b=2") ==
        "a=1&sig=REDACTED&X-Goog-Signature=REDACTED&b=2");
  CHECK(http::redact_query("http://h/p?token=1&x") == "http://h/p?token=REDACTED&x");
  CHECK(http::redact_query("") == "");
}

TEST_CASE("http: a declared route has its 5xx series at zero before the first request") {
  http::declare_route("GET", "/declared/{id}");
  CHECK(page_has(R"(http_requests_total{method="GET",endpoint="/declared/{id}",status="500"} 0)"));
  CHECK(page_has(R"(http_requests_total{method="GET",endpoint="/declared/{id}",status="503"} 0)"));
}

TEST_CASE("http: a request is counted once under its route, and is in flight until it is finished") {
  {
    http::ServerRequest r({.method = "PUT", .path = "/things/17"});
    r.route("/things/{id}");
    CHECK(page_has(R"(http_server_active_requests{http_request_method="PUT",url_scheme="http"} 1)"));
    r.finish(204);
    r.finish(500);
  }
  CHECK(page_has(R"(http_server_active_requests{http_request_method="PUT",url_scheme="http"} 0)"));
  CHECK(page_has(R"(http_requests_total{method="PUT",endpoint="/things/{id}",status="204"} 1)"));
  CHECK(page_has(R"(http_request_duration_seconds_count{method="PUT",endpoint="/things/{id}"} 1)"));
  CHECK_FALSE(page_has(R"(endpoint="/things/17")"));
}

TEST_CASE("http: a request that an exception ends counts as 500, one that nobody finishes as 499") {
  try {
    http::ServerRequest r({.method = "DELETE", .path = "/things/17"});
    r.route("/thrown");
    throw std::runtime_error("x");
  } catch (const std::runtime_error&) {
  }
  CHECK(page_has(R"(http_requests_total{method="DELETE",endpoint="/thrown",status="500"} 1)"));
  {
    http::ServerRequest r({.method = "DELETE", .path = "/gone"});
  }
  CHECK(page_has(R"(http_requests_total{method="DELETE",endpoint="_unmatched",status="499"} 1)"));
}

TEST_CASE("http: a client request that got no answer is an error of its kind") {
  {
    http::ClientRequest r({.method = "GET", .route = "/a/{b}", .server_address = "db", .server_port = 81});
    r.failed("connection");
  }
  CHECK(page_has(
      R"(http_client_request_duration_seconds_count{http_request_method="GET",server_address="db",)"
      R"(server_port="81",url_template="/a/{b}",http_response_status_code="",error_type="connection"} 1)"));
}

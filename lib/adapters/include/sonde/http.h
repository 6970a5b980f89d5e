// One HTTP request as a metric, a span and a log line; for any server or client. sonde/httplib.h does this
// for cpp-httplib; with another framework keep one of these objects for as long as the request takes:
//
//   sonde::http::ServerRequest observed{{.method = req.method, .path = req.path,
//                                        .traceparent = req.header("traceparent")}};
//   observed.route("/users/{id}");        // the template, never the path
//   ...
//   observed.finish(res.status, res.body.size());
//
// A server request yields
//  - `http_server_request_duration_seconds{http_request_method,url_scheme,http_route,
//    http_response_status_code,error_type}` and
//    `http_server_active_requests{http_request_method,url_scheme}`,
//  - `http_requests_total{method,endpoint,status}` and `http_request_duration_seconds{method,endpoint}`,
//  - a span "GET /users/{id}", child of the caller's, and current on its thread until finish(),
//  - one line by the logger "sonde.http": info, or error for a 5xx.
// A client request yields
// `http_client_request_duration_seconds{http_request_method,server_address,server_port,
// url_template,http_response_status_code,error_type}` and a client span.
//
// Labels are bounded: methods outside the known set become `_OTHER`, requests without a route `_unmatched`.
// Threads: an object belongs to the thread that made it. Text given to it is copied, unless it says
// otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sonde/gauge.h"
#include "sonde/span.h"

namespace sonde::inline v1::http {

inline constexpr std::string_view kUnmatched = "_unmatched";

// The method itself if it is one of RFC 9110's or PATCH, else "_OTHER". The result is a literal.
std::string_view known_method(std::string_view method) noexcept;

// Makes the 5xx series of a route appear with 0, so that the first error is an increase that rate() can see.
void declare_route(std::string_view method, std::string_view route) noexcept;

struct ServerRequestStart {
  std::string_view method;
  std::string_view path = {};   // without the query; goes to span and log, never to a label
  std::string_view query = {};  // goes to the span, with credentials replaced
  std::string_view scheme = "http";
  std::string_view traceparent = {};  // headers as received
  std::string_view tracestate = {};
  std::string_view client_address = {};
  std::string_view user_agent = {};
};

class ServerRequest {
 public:
  explicit ServerRequest(const ServerRequestStart& start) noexcept;
  // Without finish(): counts as 500 if an exception is on its way, else as 499, the client having gone.
  ~ServerRequest();
  ServerRequest(const ServerRequest&) = delete;
  ServerRequest& operator=(const ServerRequest&) = delete;

  // The template that matched. It outlives the request.
  void route(std::string_view route) noexcept { route_ = route; }
  std::string_view route() const noexcept { return route_; }
  // The handler threw. `what` goes to the log alone.
  void exception(std::string_view type, std::string_view what) noexcept;
  // After the last byte of the body. Idempotent.
  void finish(int status, uint64_t response_bytes = 0) noexcept;

  Span& span() noexcept { return *span_; }

 private:
  std::optional<Span> span_;
  std::optional<InFlight> in_flight_;
  std::string_view method_;
  std::string_view scheme_;
  std::string_view route_ = kUnmatched;
  std::string path_;
  std::string client_address_;
  std::string user_agent_;
  std::string exception_type_;
  std::string exception_what_;
  int64_t start_ns_ = 0;
  int exceptions_ = 0;
  bool finished_ = false;
};

struct ClientRequestStart {
  std::string_view method;
  std::string_view route = {};  // the template of the path, "/users/{id}"; outlives the request
  std::string_view url = {};    // goes to the span, with credentials replaced
  std::string_view server_address = {};
  int server_port = 0;
};

class ClientRequest {
 public:
  explicit ClientRequest(const ClientRequestStart& start) noexcept;
  // Without finish() or failed() it counts as "cancelled".
  ~ClientRequest();
  ClientRequest(const ClientRequest&) = delete;
  ClientRequest& operator=(const ClientRequest&) = delete;

  // What to send along. Empty if there is no trace.
  std::string traceparent() const;
  std::string_view tracestate() const noexcept;

  void finish(int status) noexcept;
  // No answer came. `type` is one of few words: "timeout", "connection".
  void failed(std::string_view type) noexcept;

 private:
  void record(std::string_view status, std::string_view error_type) noexcept;

  std::optional<Span> span_;
  Context context_;
  std::string_view method_;
  std::string_view route_;
  std::string server_address_;
  int server_port_ = 0;
  int64_t start_ns_ = 0;
  bool finished_ = false;
};

// `text` with the values of query parameters that carry credentials or signatures replaced by "REDACTED".
std::string redact_query(std::string_view text);

}  // namespace sonde::inline v1::http

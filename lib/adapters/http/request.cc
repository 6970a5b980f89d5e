#include <algorithm>
#include <array>
#include <exception>

#include "sonde/counter.h"
#include "sonde/field.h"
#include "sonde/histogram.h"
#include "sonde/http.h"
#include "sonde/log.h"

namespace sonde::inline v1::http {
namespace {

using namespace sonde::literals;

constinit Logger g_log{"sonde.http"};

constinit Histogram<"http_server_request_duration_seconds", "http_request_method", "url_scheme", "http_route",
                    "http_response_status_code", "error_type">
    g_server_duration{{.help = "Duration of HTTP server requests", .buckets = http_buckets}};
constinit Gauge<"http_server_active_requests", "http_request_method", "url_scheme"> g_active{
    {.help = "HTTP server requests in flight"}};
constinit Counter<"http_requests_total", "method", "endpoint", "status"> g_requests{
    {.help = "Total HTTP requests"}};
constinit Histogram<"http_request_duration_seconds", "method", "endpoint"> g_request_duration{
    {.help = "HTTP request duration", .buckets = http_buckets}};
constinit Histogram<"http_client_request_duration_seconds", "http_request_method", "server_address",
                    "server_port", "url_template", "http_response_status_code", "error_type">
    g_client_duration{{.help = "Duration of HTTP client requests", .buckets = http_buckets}};

constexpr std::array<int, 4> kDeclaredStatuses = {500, 502, 503, 504};
constexpr int kClientGone = 499;

bool same_folded(std::string_view a, std::string_view lower_case) {
  if (a.size() != lower_case.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower_case[i]) return false;
  }
  return true;
}

bool is_secret(std::string_view key) {
  static constexpr std::array<std::string_view, 14> kSecrets = {"sig",
                                                                "signature",
                                                                "awsaccesskeyid",
                                                                "x-amz-signature",
                                                                "x-amz-credential",
                                                                "password",
                                                                "passwd",
                                                                "x-goog-signature",
                                                                "x-amz-security-token",
                                                                "token",
                                                                "api_key",
                                                                "apikey",
                                                                "access_token",
                                                                "secret"};
  for (std::string_view s : kSecrets) {
    if (same_folded(key, s)) return true;
  }
  return false;
}

constexpr size_t kPathBytesMax = 1024;

std::string_view shortened(std::string_view s) { return s.substr(0, kPathBytesMax); }

// "GET /users/{id}": method alone where no route matched, as the conventions ask.
std::string span_name(std::string_view method, std::string_view route) {
  std::string name(method == "_OTHER" ? std::string_view("HTTP") : method);
  if (!route.empty() && route != kUnmatched) {
    name += ' ';
    name += route;
  }
  return name;
}

}  // namespace

std::string_view known_method(std::string_view method) noexcept {
  static constexpr std::array<std::string_view, 9> kMethods = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  for (std::string_view m : kMethods) {
    if (m == method) return m;
  }
  return "_OTHER";
}

std::string redact_query(std::string_view text) {
  std::string out;
  size_t query = text.find('?');
  size_t at = query == std::string_view::npos ? 0 : query + 1;
  out.append(text.substr(0, at));
  while (at < text.size()) {
    size_t end = std::min(text.find('&', at), text.size());
    std::string_view pair = text.substr(at, end - at);
    size_t equals = pair.find('=');
    if (equals != std::string_view::npos && is_secret(pair.substr(0, equals))) {
      out.append(pair.substr(0, equals + 1));
      out += "REDACTED";
    } else {
      out.append(pair);
    }
    if (end < text.size()) out += '&';
    at = end + 1;
  }
  return out;
}

void declare_route(std::string_view method, std::string_view route) noexcept {
  std::string_view m = known_method(method);
  for (int status : kDeclaredStatuses) (void)g_requests.bind(m, route, status);
  (void)g_request_duration.bind(m, route);
}

ServerRequest::ServerRequest(const ServerRequestStart& start) noexcept
    : method_(known_method(start.method)), scheme_(start.scheme == "https" ? "https" : "http") {
  start_ns_ = sonde::detail::monotonic_ns();
  exceptions_ = std::uncaught_exceptions();
  in_flight_.emplace(g_active(method_, scheme_));
  Context remote = Context::parse(start.traceparent, start.tracestate);
  SpanOptions options{.kind = Span::Kind::kServer,
                      .parent = &remote,  // an empty one makes a root, whatever this thread did before
                      .attributes = {"http.request.method"_f = method_, "url.scheme"_f = scheme_,
                                     "url.path"_f = shortened(start.path)}};
  span_.emplace(method_ == "_OTHER" ? std::string_view("HTTP") : method_, options);
  try {
    path_ = shortened(start.path);
    client_address_ = start.client_address;
    user_agent_ = start.user_agent.substr(0, 256);
    if (span_->recording()) {
      if (method_ == "_OTHER") span_->set("http.request.method_original"_f = start.method.substr(0, 64));
      if (!start.query.empty()) span_->set("url.query"_f = redact_query(shortened(start.query)));
      if (!client_address_.empty()) span_->set("client.address"_f = client_address_);
      if (!user_agent_.empty()) span_->set("user_agent.original"_f = user_agent_);
    }
  } catch (...) {
    // Out of memory: the span and the line go without.
  }
}

ServerRequest::~ServerRequest() {
  if (finished_) return;
  bool thrown = !exception_type_.empty() || std::uncaught_exceptions() > exceptions_;
  if (thrown && exception_type_.empty()) exception("exception", {});
  finish(thrown ? 500 : kClientGone);
}

void ServerRequest::exception(std::string_view type, std::string_view what) noexcept {
  try {
    exception_type_ = type.substr(0, 200);
    exception_what_ = what.substr(0, 1024);
  } catch (...) {
    // Out of memory: counted by its status.
  }
}

void ServerRequest::finish(int status, uint64_t response_bytes) noexcept {
  if (finished_) return;
  finished_ = true;
  int64_t elapsed = sonde::detail::monotonic_ns() - start_ns_;
  if (status < 100 || status > 999) status = 500;
  bool failed = status >= 500;
  sonde::detail::IntegerText code(status);
  std::string_view error_type;
  if (!exception_type_.empty()) {
    error_type = exception_type_;
  } else if (failed) {
    error_type = code;
  }
  // The span is still current: exemplars and the log line carry its trace.
  g_server_duration(method_, scheme_, route_, status, error_type).observe_ns(elapsed);
  g_requests(method_, route_, status).inc();
  g_request_duration(method_, route_).observe_ns(elapsed);
  in_flight_.reset();
  try {
    Level level = failed ? Level::kError : Level::kInfo;
    double seconds = static_cast<double>(elapsed) * 1e-9;
    if (!exception_type_.empty()) {
      g_log.log(level, "request", "http.request.method"_f = method_, "http.route"_f = route_,
                "url.path"_f = path_, "http.response.status_code"_f = status, "duration_seconds"_f = seconds,
                "http.response.body.size"_f = response_bytes, "client.address"_f = client_address_,
                "user_agent.original"_f = user_agent_, "error.type"_f = error_type,
                "exception.type"_f = exception_type_, "exception.message"_f = exception_what_);
    } else {
      g_log.log(level, "request", "http.request.method"_f = method_, "http.route"_f = route_,
                "url.path"_f = path_, "http.response.status_code"_f = status, "duration_seconds"_f = seconds,
                "http.response.body.size"_f = response_bytes, "client.address"_f = client_address_,
                "user_agent.original"_f = user_agent_);
    }
    if (span_->recording()) {
      if (route_ != kUnmatched) {
        span_->rename(span_name(method_, route_));
        span_->set("http.route"_f = route_);
      }
      span_->set("http.response.status_code"_f = status);
      span_->set("http.response.body.size"_f = response_bytes);
      if (!error_type.empty()) span_->set("error.type"_f = error_type);
      if (failed) span_->error();
    }
  } catch (...) {
    // Out of memory: the span ends with what it has.
  }
  span_->end();
}

ClientRequest::ClientRequest(const ClientRequestStart& start) noexcept
    : method_(known_method(start.method)), route_(start.route), server_port_(start.server_port) {
  try {
    server_address_ = start.server_address;
    span_.emplace(
        span_name(method_, route_),
        SpanOptions{.kind = Span::Kind::kClient,
                    .attributes = {"http.request.method"_f = method_, "server.address"_f = server_address_,
                                   "server.port"_f = server_port_, "url.template"_f = route_}});
    if (span_->recording() && !start.url.empty())
      span_->set("url.full"_f = redact_query(shortened(start.url)));
    context_ = span_->context().valid() ? span_->context() : current_context();
  } catch (...) {
    // Out of memory: the request goes out without a span.
  }
  start_ns_ = sonde::detail::monotonic_ns();
}

ClientRequest::~ClientRequest() { failed("cancelled"); }

std::string ClientRequest::traceparent() const {
  if (!context_.valid()) return {};
  return std::string(context_.traceparent().view());
}

std::string_view ClientRequest::tracestate() const noexcept { return context_.tracestate(); }

void ClientRequest::finish(int status) noexcept {
  if (finished_) return;
  sonde::detail::IntegerText code(status);
  // Towards a client every 4xx is an error too: the request was not served.
  std::string_view text = code;
  if (span_ && span_->recording()) span_->set("http.response.status_code"_f = status);
  record(text, status >= 400 ? text : std::string_view());
}

void ClientRequest::failed(std::string_view type) noexcept {
  if (!finished_) record({}, type);
}

void ClientRequest::record(std::string_view status, std::string_view error_type) noexcept {
  finished_ = true;
  int64_t elapsed = sonde::detail::monotonic_ns() - start_ns_;
  g_client_duration(method_, server_address_, server_port_, route_, status, error_type).observe_ns(elapsed);
  if (!span_) return;
  if (!error_type.empty()) {
    span_->set("error.type"_f = error_type);
    span_->error();
  }
  span_->end();
}

}  // namespace sonde::inline v1::http

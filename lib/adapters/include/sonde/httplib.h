// cpp-httplib (Debian's 0.11.4): routes that are observed, and calls that carry the trace on.
//
//   httplib::Server server;
//   sonde::httplib::Router router{server};
//   router.get("/users/{id}", [](const httplib::Request& req, httplib::Response& res) {
//     res.set_content(load(sonde::httplib::param(req, "id")), "application/json");
//   });
//   router.expose_metrics().expose_health();
//   server.listen("127.0.0.1", 8080);
//
// The template is registered together with the handler, so no path can become a label; what matches nothing
// is
// `_unmatched`. A request is measured from its headers to the last byte of the response. An exception that
// leaves a handler counts as a 500, its text goes to the log, and the client gets a constant body.
// Mount points of the server (set_mount_point) are observed as `_unmatched`.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace httplib {
class Server;
class Result;
struct Request;
struct Response;
}  // namespace httplib

namespace sonde::inline v1::httplib {

using Handler = std::function<void(const ::httplib::Request&, ::httplib::Response&)>;

// The server has one slot each for these, and the router occupies it: give yours here instead of to the
// server.
struct RouterOptions {
  // Before routing; true: it has answered.
  std::function<bool(const ::httplib::Request&, ::httplib::Response&)> before;
  Handler after;  // the server's logger: once the response is written
  std::function<void(const ::httplib::Request&, ::httplib::Response&, std::exception_ptr)> on_exception;
};

// Register everything before the server listens. What the router set up lives as long as the server.
class Router {
 public:
  explicit Router(::httplib::Server& server, RouterOptions options = {});

  // `route` is a path with parameters: "/users/{id}" matches one segment each, "/files/{path*}" the rest.
  Router& get(std::string_view route, Handler handler);  // HEAD too
  Router& post(std::string_view route, Handler handler);
  Router& put(std::string_view route, Handler handler);
  Router& patch(std::string_view route, Handler handler);
  Router& del(std::string_view route, Handler handler);
  Router& options(std::string_view route, Handler handler);

  // Pages of the library. They are not counted as traffic. None of them asks who is calling: they belong on
  // an address that only the operators reach.
  Router& expose_metrics(std::string_view path = "/metrics");  // Prometheus text or OpenMetrics, by Accept
  Router& expose_health(std::string_view prefix = "/health");  // …/live, …/ready, …/startup
  Router& expose_queries(std::string_view path = "/queries");  // JSON, or HTML if Accept asks for it
  // Any page that is not traffic, for GET and POST. `path` has no parameters.
  Router& expose(std::string_view path, Handler handler);

 private:
  struct State;
  Router& add(std::string_view method, std::string_view route, Handler handler);

  ::httplib::Server& server_;
  std::shared_ptr<State> state_;
};

// The value of a path parameter of the route that matched; empty if it has none of that name. On the
// handler's thread only.
std::string param(const ::httplib::Request& request, std::string_view name);

struct ClientOptions {
  int64_t connect_timeout_ms = 2'000;
  int64_t read_timeout_ms = 10'000;  // of one read
};

// Calls to one server, each in a client span whose context goes along as `traceparent`.
// Threads: any number at a time; each call uses a connection of its own.
class Client {
 public:
  // "http://host:port"
  explicit Client(std::string_view base_url, ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;

  // `route` is a template (a literal: it becomes a label); its parameters are filled in, percent-encoded.
  ::httplib::Result get(std::string_view route, std::initializer_list<std::string_view> params = {});
  ::httplib::Result post(std::string_view route, std::initializer_list<std::string_view> params,
                         std::string_view body, std::string_view content_type);
  // Anything else; `request.path` is the path to ask for.
  ::httplib::Result send(::httplib::Request request, std::string_view route);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::inline v1::httplib

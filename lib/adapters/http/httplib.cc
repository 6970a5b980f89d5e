#include "sonde/httplib.h"

#include <cxxabi.h>
#include <httplib.h>

#include <cstdlib>
#include <optional>
#include <set>
#include <typeinfo>
#include <vector>

#include "sonde/expose.h"
#include "sonde/health.h"
#include "sonde/http.h"
#include "sonde/query.h"

namespace sonde::inline v1::httplib {
namespace {

struct Route {
  std::string text;
  std::string pattern;  // what cpp-httplib matches: a regular expression
  std::vector<std::string> params;
};

// The request that this thread works on. cpp-httplib serves a request on one thread from the first header to
// the last byte, but passes no context from hook to hook.
thread_local std::optional<http::ServerRequest> t_request;
thread_local const Route* t_route = nullptr;

Route parse_route(std::string_view text) {
  Route route;
  route.text = text;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '{') {
      size_t close = text.find('}', i);
      if (close == std::string_view::npos) close = text.size() - 1;
      std::string_view name = text.substr(i + 1, close - i - 1);
      bool rest = name.ends_with('*');
      if (rest) name.remove_suffix(1);
      route.params.emplace_back(name);
      route.pattern += rest ? "(.*)" : "([^/]+)";
      i = close + 1;
      continue;
    }
    if (std::string_view(R"(\^$.|?*+()[]{})").find(text[i]) != std::string_view::npos) route.pattern += '\\';
    route.pattern += text[i++];
  }
  return route;
}

std::string demangled(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string out(text != nullptr ? text : name);
  std::free(text);
  return out;
}

void note_exception(std::exception_ptr thrown) {
  if (!t_request) return;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    t_request->exception(demangled(typeid(e).name()), e.what());
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    t_request->exception(type != nullptr ? demangled(type->name()) : "unknown", {});
  }
}

std::string_view query_of(const std::string& target) {
  size_t at = target.find('?');
  return at == std::string::npos ? std::string_view() : std::string_view(target).substr(at + 1);
}

uint64_t body_size(const ::httplib::Response& res) {
  if (!res.body.empty()) return res.body.size();
  return res.content_length_;
}

}  // namespace

struct Router::State {
  RouterOptions options;
  std::set<std::string, std::less<>> quiet;  // paths that are no traffic
  std::vector<std::unique_ptr<Route>> routes;
};

Router::Router(::httplib::Server& server, RouterOptions options)
    : server_(server), state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  std::shared_ptr<State> state = state_;
  server.set_pre_routing_handler([state](const ::httplib::Request& req, ::httplib::Response& res) {
    t_route = nullptr;
    t_request.reset();
    if (!state->quiet.contains(req.path)) {
      std::string traceparent = req.get_header_value("traceparent");
      std::string tracestate = req.get_header_value("tracestate");
      std::string user_agent = req.get_header_value("User-Agent");
      t_request.emplace(http::ServerRequestStart{.method = req.method,
                                                 .path = req.path,
                                                 .query = query_of(req.target),
                                                 .traceparent = traceparent,
                                                 .tracestate = tracestate,
                                                 .client_address = req.remote_addr,
                                                 .user_agent = user_agent});
    }
    if (state->options.before && state->options.before(req, res)) {
      return ::httplib::Server::HandlerResponse::Handled;
    }
    return ::httplib::Server::HandlerResponse::Unhandled;
  });
  // Called by cpp-httplib after the body has been written, and also for requests that it refused to parse.
  server.set_logger([state](const ::httplib::Request& req, const ::httplib::Response& res) {
    if (t_request) {
      t_request->finish(res.status, body_size(res));
      t_request.reset();
    }
    t_route = nullptr;
    if (state->options.after) state->options.after(req, const_cast<::httplib::Response&>(res));
  });
  server.set_exception_handler(
      [state](const ::httplib::Request& req, ::httplib::Response& res, std::exception_ptr thrown) {
        note_exception(thrown);
        if (state->options.on_exception) return state->options.on_exception(req, res, thrown);
        res.status = 500;  // the default of cpp-httplib would send the exception's text
        res.set_content("internal server error\n", "text/plain");
      });
}

Router& Router::add(std::string_view method, std::string_view text, Handler handler) {
  state_->routes.push_back(std::make_unique<Route>(parse_route(text)));
  const Route* route = state_->routes.back().get();
  // The route must outlive the handler, which the server owns.
  auto observed = [state = state_, route, handler = std::move(handler)](const ::httplib::Request& req,
                                                                        ::httplib::Response& res) {
    t_route = route;
    if (t_request) t_request->route(route->text);
    handler(req, res);
  };
  http::declare_route(method, route->text);
  if (method == "GET") {
    server_.Get(route->pattern, std::move(observed));
  } else if (method == "POST") {
    server_.Post(route->pattern, std::move(observed));
  } else if (method == "PUT") {
    server_.Put(route->pattern, std::move(observed));
  } else if (method == "PATCH") {
    server_.Patch(route->pattern, std::move(observed));
  } else if (method == "DELETE") {
    server_.Delete(route->pattern, std::move(observed));
  } else {
    server_.Options(route->pattern, std::move(observed));
  }
  return *this;
}

Router& Router::get(std::string_view route, Handler handler) { return add("GET", route, std::move(handler)); }
Router& Router::post(std::string_view route, Handler handler) {
  return add("POST", route, std::move(handler));
}
Router& Router::put(std::string_view route, Handler handler) { return add("PUT", route, std::move(handler)); }
Router& Router::patch(std::string_view route, Handler handler) {
  return add("PATCH", route, std::move(handler));
}
Router& Router::del(std::string_view route, Handler handler) {
  return add("DELETE", route, std::move(handler));
}
Router& Router::options(std::string_view route, Handler handler) {
  return add("OPTIONS", route, std::move(handler));
}

Router& Router::expose(std::string_view path, Handler handler) {
  state_->quiet.emplace(path);
  std::string pattern = parse_route(path).pattern;
  server_.Get(pattern, handler);
  server_.Post(pattern, std::move(handler));
  return *this;
}

Router& Router::expose_metrics(std::string_view path) {
  return expose(path, [](const ::httplib::Request& req, ::httplib::Response& res) {
    Exposition page = sonde::expose(req.get_header_value("Accept"));
    if (page.body.empty()) {
      res.status = 503;
      return;
    }
    res.set_content(page.body, page.content_type);
  });
}

Router& Router::expose_health(std::string_view prefix) {
  auto page = [](health::Group group) {
    return [group](const ::httplib::Request&, ::httplib::Response& res) {
      health::Answer answer = health::answer(group);
      res.status = answer.status;
      res.set_header("Cache-Control", "no-store");
      res.set_content(answer.body.data(), answer.body.size(), std::string(health::content_type));
    };
  };
  std::string base(prefix);
  expose(base + "/live", page(health::live));
  expose(base + "/ready", page(health::ready));
  return expose(base + "/startup", page(health::startup));
}

Router& Router::expose_queries(std::string_view path) {
  return expose(path, [](const ::httplib::Request& req, ::httplib::Response& res) {
    res.set_header("Vary", "Accept");
    res.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    if (req.get_header_value("Accept").find("text/html") != std::string::npos) {
      res.set_content(db::statements_html(), "text/html; charset=utf-8");
    } else {
      res.set_content(db::statements_json(), "application/json");
    }
  });
}

std::string param(const ::httplib::Request& request, std::string_view name) {
  if (t_route == nullptr) return {};
  for (size_t i = 0; i < t_route->params.size(); i++) {
    if (t_route->params[i] == name && i + 1 < request.matches.size()) return request.matches[i + 1].str();
  }
  return {};
}

// --- client
// --------------------------------------------------------------------------------------------------

namespace {

std::string percent_encoded(std::string_view s) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : s) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                 c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<uint8_t>(c) >> 4];
      out += kHex[static_cast<uint8_t>(c) & 15];
    }
  }
  return out;
}

std::string filled_in(std::string_view route, std::initializer_list<std::string_view> params) {
  std::string path;
  const std::string_view* next = params.begin();
  for (size_t i = 0; i < route.size();) {
    size_t close = route[i] == '{' ? route.find('}', i) : std::string_view::npos;
    if (close == std::string_view::npos) {
      path += route[i++];
      continue;
    }
    if (next != params.end()) path += percent_encoded(*next++);
    i = close + 1;
  }
  return path;
}

// One of few words for `error.type`.
std::string_view error_type(::httplib::Error error) {
  switch (error) {
    case ::httplib::Error::Connection:
    case ::httplib::Error::BindIPAddress:
      return "connection";
    case ::httplib::Error::ConnectionTimeout:
      return "connection_timeout";
    case ::httplib::Error::Read:
      return "read";  // cpp-httplib does not tell a time-out from a reset here
    case ::httplib::Error::Write:
      return "write";
    case ::httplib::Error::ExceedRedirectCount:
      return "too_many_redirects";
    case ::httplib::Error::Canceled:
      return "cancelled";
    case ::httplib::Error::SSLConnection:
    case ::httplib::Error::SSLLoadingCerts:
    case ::httplib::Error::SSLServerVerification:
      return "tls";
    default:
      return "_OTHER";
  }
}

}  // namespace

struct Client::State {
  std::string base_url;
  std::string host;
  int port = 80;
  ClientOptions options;
};

Client::Client(std::string_view base_url, ClientOptions options) : state_(std::make_unique<State>()) {
  while (base_url.ends_with('/')) base_url.remove_suffix(1);
  state_->base_url = base_url;
  state_->options = options;
  std::string_view rest = base_url;
  size_t scheme = rest.find("://");
  if (rest.starts_with("https")) state_->port = 443;
  if (scheme != std::string_view::npos) rest.remove_prefix(scheme + 3);
  size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos) {
    state_->port = std::atoi(std::string(rest.substr(colon + 1)).c_str());
    rest = rest.substr(0, colon);
  }
  state_->host = rest;
}

Client::~Client() = default;
Client::Client(Client&&) noexcept = default;

::httplib::Result Client::get(std::string_view route, std::initializer_list<std::string_view> params) {
  ::httplib::Request request;
  request.method = "GET";
  request.path = filled_in(route, params);
  return send(std::move(request), route);
}

::httplib::Result Client::post(std::string_view route, std::initializer_list<std::string_view> params,
                               std::string_view body, std::string_view content_type) {
  ::httplib::Request request;
  request.method = "POST";
  request.path = filled_in(route, params);
  request.body = body;
  request.set_header("Content-Type", std::string(content_type));
  return send(std::move(request), route);
}

::httplib::Result Client::send(::httplib::Request request, std::string_view route) {
  http::ClientRequest observed({.method = request.method,
                                .route = route,
                                .url = state_->base_url + request.path,
                                .server_address = state_->host,
                                .server_port = state_->port});
  if (std::string parent = observed.traceparent(); !parent.empty()) {
    request.headers.erase("traceparent");
    request.headers.erase("tracestate");
    request.set_header("traceparent", parent);
    if (!observed.tracestate().empty()) request.set_header("tracestate", std::string(observed.tracestate()));
  }
  ::httplib::Client client(state_->base_url);
  client.set_url_encode(false);  // parameters are encoded already
  client.set_connection_timeout(state_->options.connect_timeout_ms / 1000,
                                state_->options.connect_timeout_ms % 1000 * 1000);
  client.set_read_timeout(state_->options.read_timeout_ms / 1000,
                          state_->options.read_timeout_ms % 1000 * 1000);
  request.set_header("Connection", "close");
  ::httplib::Result result = client.send(request);
  if (result) {
    observed.finish(result->status);
  } else {
    observed.failed(error_type(result.error()));
  }
  return result;
}

}  // namespace sonde::inline v1::httplib

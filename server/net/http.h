// Requests and responses as handlers see them, the same for HTTP/1, HTTP/2 and gRPC; and the route table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancellation.h"
#include "base/error.h"

namespace sonde::net {

// Header fields in order of arrival; names compare case-insensitively.
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);
  // The first value; empty when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Decoded parameters in order of arrival; names may repeat (match[]).
class Params {
 public:
  // Parses a query string or an application/x-www-form-urlencoded body; malformed escapes are kInvalid.
  static Result<Params> parse(std::string_view encoded);
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  std::optional<std::string_view> get(std::string_view name) const;
  std::string_view get_or(std::string_view name, std::string_view fallback) const;
  std::vector<std::string_view> all(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

std::string percent_decode(std::string_view text);  // leaves malformed escapes as they are; '+' stays '+'
std::string percent_encode(std::string_view text);  // everything but unreserved characters

// The body, already decompressed and bounded. Threads: the handler's.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // Fills up to out.size() bytes; 0 at the end. kLimit when the route's bound is passed (413), kInvalid when
  // the encoding is damaged (400), kTimeout when the peer is too slow (408), kCancelled when it is gone.
  virtual Result<size_t> read(std::span<std::byte> out) = 0;
};

// Who asks, as the authenticator found out.
struct Identity {
  std::string user;  // empty: anonymous
};

struct Request {
  std::string method;  // upper case
  std::string path;    // percent-decoded, starts with '/'
  std::string raw_target;
  Params query;
  Headers headers;
  std::string peer;  // "127.0.0.1:41234"
  bool tls = false;
  Identity identity;
  // Values of {name} segments of the route, in order.
  std::vector<std::pair<std::string, std::string>> path_params;
  std::string route;                 // the pattern that matched
  std::unique_ptr<BodyReader> body;  // never null
  Cancellation cancel;               // the peer went away, or the server's request deadline passed

  std::string_view path_param(std::string_view name) const;
  // The whole body.
  Result<std::string> read_body();
  // Query parameters, followed by those of a form body when the method is POST and the type says so. Reads
  // the body.
  Result<Params> read_params();
};

// Writes the answer. The head goes out with the first write or finish; without an explicit status it is 200.
// A handler that returns without finish() is finished for it. Threads: one at a time; may be kept
// (shared_ptr) and finished on another thread after the handler returned, which is how answers wait for a
// group commit.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  virtual void status(int code) = 0;
  virtual void header(std::string name, std::string value) = 0;
  // Blocks while the peer is slow (bounded); kCancelled or kTimeout when it is gone: the handler then stops.
  virtual Result<> write(std::string_view chunk) = 0;
  virtual void trailer(std::string name, std::string value) = 0;  // gRPC and HTTP/2; ignored by HTTP/1.1
  virtual void finish() = 0;

  // A whole answer in one call.
  void send(int code, std::string_view content_type, std::string_view body);
};

using Handler = std::function<void(Request&, std::shared_ptr<ResponseWriter>)>;

// Who may use a route. Deny by default.
enum class Role : uint8_t { kOpen, kRead, kIngest, kAlert, kAdmin };
const char* to_string(Role role);

struct RouteOptions {
  uint64_t body_bytes_max = 1 << 20;  // after decompression
  bool reserved = false;              // health and the like: served even when all other slots are taken
};

struct Route {
  std::string method;   // "GET"; GET also serves HEAD
  std::string pattern;  // "/api/v1/label/{name}/values"; a last segment "{rest...}" takes everything
  Role role = Role::kAdmin;
  RouteOptions options;
  Handler handler;
};

// Filled at start, then read-only.
class Router {
 public:
  void add(std::string method, std::string pattern, Role role, Handler handler, RouteOptions options = {});
  // Methods separated by spaces: "GET POST".
  struct Match {
    const Route* route = nullptr;  // null: nothing matched
    bool method_mismatch = false;  // the path exists with other methods (405)
    std::string allow;             // for the Allow header
    std::vector<std::pair<std::string, std::string>> path_params;
  };
  // `path` is as on the wire: it is cut at its slashes before its pieces are percent-decoded, so that "%2F"
  // may stand in a parameter. Where several patterns fit, literal segments win over parameters, and those
  // over rest.
  Match match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Segment {
    enum Kind : uint8_t { kLiteral, kParameter, kRest } kind = kLiteral;
    std::string text;  // the literal, or the parameter's name
  };
  static bool fits(const std::vector<Segment>& segments, const std::vector<std::string>& pieces);
  static bool more_specific(const std::vector<Segment>& a, const std::vector<Segment>& b);

  std::vector<Route> routes_;
  std::vector<std::vector<Segment>> segments_;  // of routes_, same index
};

}  // namespace sonde::net

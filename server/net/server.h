// The HTTP server: HTTP/1.1, HTTP/2 (cleartext prior knowledge and ALPN) and unary gRPC on any listener.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "net/http.h"

namespace sonde::net {

struct TlsServerOptions {
  std::string cert_file;  // PEM, re-read when it changes
  std::string key_file;
  std::string cert_pem;  // instead of the files
  std::string key_pem;
  std::string client_ca_file;  // non-empty: client certificates are verified
  std::string client_ca_pem;
  bool client_auth_required = false;
  bool client_auth_unverified = false;           // ask for a certificate, accept any
  std::vector<std::string> client_allowed_sans;  // non-empty: the certificate must name one of them
  std::string min_version = "TLS12";             // TLS12 or TLS13
  std::string max_version;                       // empty: the newest
  std::string cipher_suites;                     // OpenSSL names for TLS 1.2, ':' between; empty: the default
  std::string curves;                            // OpenSSL groups, ':' between; empty: the default
  bool http2 = true;                             // offered through ALPN
};

struct ListenerOptions {
  std::string address;  // "127.0.0.1:9090", "[::1]:9090", ":9090"; port 0 picks a free one
  std::optional<TlsServerOptions> tls;
};

struct ServerLimits {
  size_t connections_max = 4096;
  size_t connections_reserved = 16;     // of connections_max, kept for reserved routes
  size_t connections_per_ip_max = 256;  // loopback is exempt from this one only
  size_t request_line_bytes_max = 16 << 10;
  size_t header_bytes_max = 32 << 10;
  size_t header_count_max = 100;
  Duration header_timeout = Duration::seconds(10);
  Duration idle_timeout = Duration::minutes(2);
  uint64_t body_bytes_per_second_min = 1024;       // slower bodies are cut off
  Duration body_grace = Duration::seconds(5);      // how long a body may fall behind that rate
  Duration write_timeout = Duration::seconds(30);  // a reader that takes nothing for this long is cut off
  Duration request_timeout = Duration::minutes(5);
};

// Decides on a request after routing, before the handler: nullopt lets it pass (after filling
// request.identity), an answer stops it. Runs on the handler executor.
struct Refusal {
  int status = 401;
  std::string body;
  Headers headers;  // WWW-Authenticate, Retry-After
};
using Authenticator = std::function<std::optional<Refusal>(Request&, Role)>;
// Called once per finished request, for metrics and the access log.
struct RequestRecord {
  std::string method;
  std::string route;  // pattern; "_unmatched"
  int status = 0;
  Duration duration;
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
};
using RequestObserver = std::function<void(const RequestRecord&)>;

struct ServerOptions {
  std::vector<ListenerOptions> listeners;
  ServerLimits limits;
  Headers response_headers;  // added to every answer (nosniff, …)
  size_t io_threads = 1;
};

struct ServerStats {
  size_t connections = 0;
  uint64_t accepted = 0;
  uint64_t refused_connections = 0;  // limits
  uint64_t timed_out = 0;
  uint64_t bad_requests = 0;
};

class Server {
 public:
  // Binds all listeners, or fails naming the one that could not be (address and errno's text). The router,
  // executors and clock must outlive the server. Reserved routes run on `reserved`, all others on `handlers`.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, const Router& router,
                                               Executor& handlers, Executor& reserved, Clock& clock,
                                               Authenticator authenticate = {}, RequestObserver observe = {});
  virtual ~Server() = default;
  // Bound ports, in order of the listeners.
  virtual std::vector<uint16_t> ports() const = 0;
  virtual ServerStats stats() const = 0;
  // Stops accepting, lets running requests finish until the deadline, then cuts them. Idempotent.
  virtual void stop(Duration grace) = 0;
};

}  // namespace sonde::net

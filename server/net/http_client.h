// Outgoing HTTP: scrapes, Alertmanager, webhooks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "net/http.h"

namespace sonde::net {

struct TlsClientOptions {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;
  bool insecure_skip_verify = false;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://
  Headers headers;
  std::string body;
  Duration timeout = Duration::seconds(10);   // for everything, from name lookup to the last byte
  uint64_t response_bytes_max = 64ULL << 20;  // after decompression
  int redirects_max = 0;                      // same host only; credentials never cross hosts
  TlsClientOptions tls;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;  // decompressed
  Duration elapsed;
};

// Threads: any. Keeps idle connections for reuse.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Calls `done` exactly once on an I/O thread: hand over to an executor before doing real work.
  virtual void fetch(ClientRequest request, std::function<void(Result<ClientResponse>)> done) = 0;
  // Waits. Not from an I/O thread.
  Result<ClientResponse> fetch_and_wait(ClientRequest request);
};

struct HttpClientOptions {
  size_t fetches_max = 4096;  // under way at once; more are kUnavailable
  size_t idle_max = 1024;     // connections kept for reuse
  size_t idle_per_host_max = 4;
  Duration idle_timeout = Duration::seconds(60);
  size_t lookups_max = 32;  // name lookups under way at once
};

// HTTP/1.1 on one I/O thread of its own. Follows redirects within the origin, or from http to https of the
// same host on the standard ports; any other is an error. The destructor ends what is under way with
// kCancelled.
std::unique_ptr<HttpClient> make_http_client(Clock& clock, HttpClientOptions options = {});

}  // namespace sonde::net

// TLS over OpenSSL, without I/O: contexts from options, and a channel that turns bytes into bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "net/http_client.h"
#include "net/server.h"

struct ssl_ctx_st;
struct ssl_st;

namespace sonde::net {

using TlsContext = std::shared_ptr<ssl_ctx_st>;

// Errors name the file.
Result<TlsContext> make_server_context(const TlsServerOptions& options);
Result<TlsContext> make_client_context(const TlsClientOptions& options);

// Changes when one of the files does; cheap.
std::string files_stamp(std::initializer_list<std::string_view> paths);

// A server's context, made anew when its files change. A change that cannot be loaded keeps the last good
// one. Threads: any.
class ReloadingContext {
 public:
  static Result<std::unique_ptr<ReloadingContext>> create(TlsServerOptions options, Clock& clock);
  TlsContext get();
  const TlsServerOptions& options() const { return options_; }

 private:
  ReloadingContext(TlsServerOptions options, Clock& clock) : options_(std::move(options)), clock_(clock) {}
  std::string stamp() const;

  TlsServerOptions options_;
  Clock& clock_;
  Mutex mu_;
  TlsContext context_ SONDE_GUARDED_BY(mu_);
  std::string stamp_ SONDE_GUARDED_BY(mu_);
  MonotonicTime checked_ SONDE_GUARDED_BY(mu_);
};

// One connection's TLS. Threads: one.
class TlsChannel {
 public:
  // A server.
  explicit TlsChannel(TlsContext context);
  // A client: the certificate must be valid for `verify_name`, unless the context does not verify; the name
  // goes into SNI when it is not an address.
  TlsChannel(TlsContext context, const std::string& verify_name);
  ~TlsChannel();

  // Bytes from the peer; appends what they decrypt to. kIo when the peer breaks the protocol or a certificate
  // is not accepted. What is to be sent may grow, also on failure (the alert).
  Result<> receive(std::string_view cipher, std::string& plain);
  // Encrypts; before the handshake is complete it is kept until then.
  Result<> send(std::string_view plain);
  // Appends what is to go to the peer.
  void take_output(std::string& out);
  // Tells the peer that no more comes.
  void close();
  bool established() const;
  // The peer said that no more comes.
  bool closed_by_peer() const;
  std::string_view protocol() const;  // by ALPN: "h2", "http/1.1" or empty

 private:
  void start(TlsContext context);
  Result<> advance();
  Error error(int rc, const char* what) const;

  TlsContext context_;
  ssl_st* ssl_ = nullptr;
  std::string waiting_;
};

}  // namespace sonde::net

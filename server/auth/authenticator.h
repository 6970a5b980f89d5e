// Who may do what: users with passwords, tokens, and nobody at all on a loopback-only server; and the checks
// that keep a browser from being used against its owner.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "auth/web_config.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "net/server.h"

namespace sonde::auth {

struct TokenIdentity {
  std::string user;  // the token's name, for logs and created-by fields
  RoleSet roles;
};
// Looks a token up by the lower-case hex of its SHA-256; nullopt when unknown or expired. Threads: any.
using TokenVerifier = std::function<std::optional<TokenIdentity>(const std::string& sha256_hex)>;

struct AuthenticatorOptions {
  // Everybody is admin: for servers that listen on loopback only and have no web configuration, and for
  // --web.allow-anonymous.
  bool anonymous_admin = false;
  // Requests must name one of these hosts, or localhost, 127.0.0.1 or ::1 (DNS rebinding). Off: any host.
  bool check_host = false;
  std::vector<std::string> external_hosts;  // without port; also accepted as Origin
  int attempts_burst = 5;                   // new credentials, per peer address
  Duration attempt_interval = Duration::seconds(1);
  size_t verifications_waiting_max = 16;
};

struct AuthenticatorStats {
  uint64_t accepted = 0;
  uint64_t rejected = 0;   // wrong or no credentials
  uint64_t forbidden = 0;  // known, but without the role; or a browser's doing
  uint64_t throttled = 0;
};

// Threads: any; check() may take as long as verifying a few passwords.
class Authenticator {
 public:
  // `config` may be null (no users); it and `clock` must outlive this. `tokens` may be empty.
  Authenticator(WebConfigFile* config, TokenVerifier tokens, const Clock& clock,
                AuthenticatorOptions options);

  // nullopt: the request may go on, and its identity is filled in.
  std::optional<net::Refusal> check(net::Request& request, net::Role role);
  // For Server::start. `this` must outlive the server.
  net::Authenticator function();
  AuthenticatorStats stats() const;

 private:
  struct Bucket {
    double tokens = 0;
    MonotonicTime at;
  };
  std::optional<net::Refusal> check_browser(const net::Request& request);
  std::optional<net::Refusal> check_rate(const WebConfig& config);
  std::optional<net::Refusal> check_basic(net::Request& request, net::Role role, std::string_view encoded,
                                          const WebConfig& config);
  std::optional<net::Refusal> check_token(net::Request& request, net::Role role, std::string_view token);
  std::optional<net::Refusal> authorize(net::Request& request, net::Role role, std::string user,
                                        const RoleSet& roles);
  net::Refusal unauthorized(bool basic);
  net::Refusal forbidden(std::string why);
  net::Refusal throttled();
  bool take_attempt(std::string_view peer);

  WebConfigFile* config_;
  TokenVerifier tokens_;
  const Clock& clock_;
  const AuthenticatorOptions options_;
  const std::string cache_key_;  // of the HMAC; differs in every process

  Mutex verifier_mu_;  // one verification at a time
  std::atomic<size_t> waiting_{0};
  Mutex mu_;
  std::unordered_map<std::string, Bucket> buckets_ SONDE_GUARDED_BY(mu_);
  Bucket rate_ SONDE_GUARDED_BY(mu_);
  bool rate_begun_ SONDE_GUARDED_BY(mu_) = false;
  std::unordered_set<std::string> good_ SONDE_GUARDED_BY(mu_);  // digests of verified credentials
  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> rejected_{0};
  std::atomic<uint64_t> forbidden_{0};
  std::atomic<uint64_t> throttled_{0};
};

// Whether a Host header names this machine's loopback or one of `external_hosts`; the port does not matter.
bool host_allowed(std::string_view host_header, const std::vector<std::string>& external_hosts);

// False when a browser says that the request comes from another site. True when nothing is said.
bool same_origin(const net::Request& request, const std::vector<std::string>& external_hosts);

}  // namespace sonde::auth

#include "auth/authenticator.h"

#include <algorithm>

#include "auth/password.h"
#include "net/ascii.h"
#include "net/base64.h"

namespace sonde::auth {
namespace {

using net::equals_ignoring_case;
using net::Refusal;

constexpr size_t kBucketsMax = 10'000;
constexpr size_t kGoodMax = 1'000;

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    size_t close = host.find(']');
    return close == std::string_view::npos ? host : host.substr(1, close - 1);
  }
  // More than one colon without brackets: an address, not a port.
  size_t colon = host.find(':');
  if (colon != std::string_view::npos && host.find(':', colon + 1) != std::string_view::npos) return host;
  return host.substr(0, colon);
}

bool one_of(std::string_view host, const std::vector<std::string>& hosts) {
  return std::any_of(hosts.begin(), hosts.end(),
                     [&](const std::string& h) { return equals_ignoring_case(h, host); });
}

// False when nothing is left. Refills by one every `interval`, up to `burst`.
template <class Bucket>
bool take(Bucket& b, MonotonicTime now, Duration interval, int burst) {
  double refill = static_cast<double>((now - b.at).ns) / static_cast<double>(interval.ns);
  b.tokens = std::min(static_cast<double>(burst), b.tokens + refill);
  b.at = now;
  if (b.tokens < 1) return false;
  b.tokens -= 1;
  return true;
}

}  // namespace

bool host_allowed(std::string_view host_header, const std::vector<std::string>& external_hosts) {
  std::string_view host = without_port(net::trim(host_header));
  if (host.ends_with('.')) host.remove_suffix(1);
  return equals_ignoring_case(host, "localhost") || host == "127.0.0.1" || host == "::1" ||
         one_of(host, external_hosts);
}

bool same_origin(const net::Request& request, const std::vector<std::string>& external_hosts) {
  std::string_view site = request.headers.get("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") return false;
  std::string_view origin = request.headers.get("Origin");
  if (origin.empty()) return true;
  size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos) return false;  // "null"
  std::string_view authority = origin.substr(scheme + 3);
  // Behind a proxy that rewrites Host, the browser still names the outer host.
  return equals_ignoring_case(authority, request.headers.get("Host")) ||
         one_of(without_port(authority), external_hosts);
}

Authenticator::Authenticator(WebConfigFile* config, TokenVerifier tokens, const Clock& clock,
                             AuthenticatorOptions options)
    : config_(config),
      tokens_(std::move(tokens)),
      clock_(clock),
      options_(std::move(options)),
      cache_key_(random_bytes(32)) {}

net::Authenticator Authenticator::function() {
  return [this](net::Request& request, net::Role role) { return check(request, role); };
}

AuthenticatorStats Authenticator::stats() const { return {accepted_, rejected_, forbidden_, throttled_}; }

std::optional<Refusal> Authenticator::check(net::Request& request, net::Role role) {
  if (role == net::Role::kOpen) return std::nullopt;
  if (auto refusal = check_browser(request)) return refusal;
  static const WebConfig kNoConfig;
  std::shared_ptr<const WebConfig> current = config_ != nullptr ? config_->current() : nullptr;
  const WebConfig& config = current ? *current : kNoConfig;
  if (auto refusal = check_rate(config)) return refusal;

  std::string_view credentials = request.headers.get("Authorization");
  size_t space = credentials.find(' ');
  std::string_view scheme = credentials.substr(0, space);
  std::string_view value =
      space == std::string_view::npos ? std::string_view{} : net::trim(credentials.substr(space + 1));
  if (equals_ignoring_case(scheme, "Bearer") && tokens_) return check_token(request, role, value);
  if (options_.anonymous_admin) {
    accepted_++;
    return std::nullopt;
  }
  if (equals_ignoring_case(scheme, "Basic") && !config.users.empty()) {
    return check_basic(request, role, value, config);
  }
  return unauthorized(!config.users.empty());
}

std::optional<Refusal> Authenticator::check_browser(const net::Request& request) {
  if (options_.check_host && !host_allowed(request.headers.get("Host"), options_.external_hosts)) {
    return forbidden("host not allowed\n");
  }
  bool changes = request.method != "GET" && request.method != "HEAD" && request.method != "OPTIONS";
  // A token is not sent by a browser of its own accord.
  bool token = request.headers.get("Authorization").substr(0, 7) == "Bearer ";
  if (changes && !token && !same_origin(request, options_.external_hosts)) {
    return forbidden("cross-origin request refused\n");
  }
  return std::nullopt;
}

std::optional<Refusal> Authenticator::check_rate(const WebConfig& config) {
  if (!config.rate_limit) return std::nullopt;
  const RateLimit& limit = *config.rate_limit;
  MutexLock lock(mu_);
  MonotonicTime now = clock_.monotonic();
  if (!rate_begun_) {
    rate_begun_ = true;
    rate_ = {static_cast<double>(limit.burst), now};
  }
  if (take(rate_, now, limit.interval, limit.burst)) return std::nullopt;
  return throttled();
}

std::optional<Refusal> Authenticator::check_basic(net::Request& request, net::Role role,
                                                  std::string_view encoded, const WebConfig& config) {
  std::optional<std::string> pair = net::base64_decode(encoded);
  size_t colon = pair ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos) return unauthorized(true);
  std::string name = pair->substr(0, colon);
  std::string password = pair->substr(colon + 1);
  const User* user = config.find_user(name);
  std::string digest;
  if (user != nullptr) {
    digest = hmac_of_parts(cache_key_, {name, user->bcrypt, password});
    MutexLock lock(mu_);
    if (good_.contains(digest)) return authorize(request, role, name, user->roles);
  }
  if (!take_attempt(request.peer)) return throttled();
  if (password.size() > kPasswordBytesMax) return unauthorized(true);
  if (waiting_.fetch_add(1) >=
      options_.verifications_waiting_max + 1) {  // the one at work, and those behind it
    waiting_--;
    return throttled();
  }
  bool good = false;
  {
    MutexLock lock(verifier_mu_);
    if (user != nullptr) {
      good = verify_bcrypt(password, user->bcrypt);
    } else {
      // An unknown user must not be told apart by the time it takes.
      int cost = 4;
      for (const User& u : config.users) cost = std::max(cost, bcrypt_cost(u.bcrypt).value_or(cost));
      verify_nothing(password, cost);
    }
  }
  waiting_--;
  if (!good) return unauthorized(true);
  {
    MutexLock lock(mu_);
    if (good_.size() >= kGoodMax) good_.clear();
    good_.insert(std::move(digest));
  }
  return authorize(request, role, std::move(name), user->roles);
}

std::optional<Refusal> Authenticator::check_token(net::Request& request, net::Role role,
                                                  std::string_view token) {
  std::optional<TokenIdentity> identity;
  if (!token.empty()) identity = tokens_(sha256_hex(token));
  if (identity) return authorize(request, role, std::move(identity->user), identity->roles);
  if (!take_attempt(request.peer)) return throttled();
  return unauthorized(false);
}

std::optional<Refusal> Authenticator::authorize(net::Request& request, net::Role role, std::string user,
                                                const RoleSet& roles) {
  if (!roles.allows(role)) return forbidden(std::string("needs the role ") + net::to_string(role) + "\n");
  request.identity.user = std::move(user);
  accepted_++;
  return std::nullopt;
}

Refusal Authenticator::unauthorized(bool basic) {
  rejected_++;
  Refusal out{401, "Unauthorized\n", {}};
  out.headers.add("WWW-Authenticate", basic ? "Basic" : "Bearer");
  return out;
}

Refusal Authenticator::forbidden(std::string why) {
  forbidden_++;
  return {403, std::move(why), {}};
}

Refusal Authenticator::throttled() {
  throttled_++;
  Refusal out{429, "too many requests\n", {}};
  out.headers.add("Retry-After", "1");
  return out;
}

bool Authenticator::take_attempt(std::string_view peer) {
  std::string ip(peer.substr(0, peer.rfind(':')));
  MonotonicTime now = clock_.monotonic();
  MutexLock lock(mu_);
  auto it = buckets_.find(ip);
  if (it == buckets_.end()) {
    if (buckets_.size() >= kBucketsMax) {
      // Those that have had time to fill up again say nothing any more.
      std::erase_if(buckets_, [&](const auto& entry) {
        return now - entry.second.at > options_.attempt_interval * options_.attempts_burst;
      });
    }
    if (buckets_.size() >= kBucketsMax) ip = "overflow";
    it = buckets_.try_emplace(ip, Bucket{static_cast<double>(options_.attempts_burst), now}).first;
  }
  return take(it->second, now, options_.attempt_interval, options_.attempts_burst);
}

}  // namespace sonde::auth

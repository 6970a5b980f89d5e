// Prometheus's --web.config.file (TLS, HTTP headers, basic-auth users, rate limit) with one addition of ours,
// `roles:`, which gives users less than everything.
// Source of the format: prometheus/exporter-toolkit, docs/web-configuration.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "net/http.h"
#include "net/server.h"

namespace sonde::auth {

// What a user or token may do. kAdmin includes the others; kOpen needs nobody. The others include only
// themselves.
class RoleSet {
 public:
  RoleSet() = default;
  RoleSet(std::initializer_list<net::Role> roles) {
    for (net::Role r : roles) add(r);
  }
  void add(net::Role role) { bits_ |= bit(role); }
  bool allows(net::Role needed) const {
    return needed == net::Role::kOpen || (bits_ & (bit(needed) | bit(net::Role::kAdmin))) != 0;
  }
  bool operator==(const RoleSet&) const = default;

 private:
  static unsigned bit(net::Role role) { return 1U << static_cast<unsigned>(role); }
  unsigned bits_ = 0;
};

// "read", "ingest", "alert" or "admin".
std::optional<net::Role> parse_role(std::string_view name);

struct User {
  std::string name;
  std::string bcrypt;  // $2a$, $2b$ or $2y$
  RoleSet roles{net::Role::kAdmin};
};

struct RateLimit {
  Duration interval;  // between requests, on average
  int burst = 0;
};

struct WebConfig {
  std::optional<net::TlsServerOptions> tls;
  bool http2 = true;
  net::Headers headers;  // added to every answer
  std::vector<User> users;
  std::optional<RateLimit> rate_limit;

  const User* find_user(std::string_view name) const;
};

// Relative paths in it start from the directory of `file`. Errors carry file and line; unknown keys are
// errors.
Result<WebConfig> parse_web_config(std::string_view text, const std::string& file);

// The file, read again when it changes; a bad change keeps the last good one. Threads: any.
class WebConfigFile {
 public:
  static Result<std::unique_ptr<WebConfigFile>> open(std::string path, const FileSystem& fs,
                                                     const Clock& clock);
  // Looks at the file at most once a second.
  std::shared_ptr<const WebConfig> current();
  // Why the latest change was not taken; nullopt when it was.
  std::optional<Error> last_error() const;

 private:
  WebConfigFile(std::string path, const FileSystem& fs, const Clock& clock)
      : path_(std::move(path)), fs_(fs), clock_(clock) {}

  const std::string path_;
  const FileSystem& fs_;
  const Clock& clock_;
  mutable Mutex mu_;
  std::string text_ SONDE_GUARDED_BY(mu_);
  std::shared_ptr<const WebConfig> config_ SONDE_GUARDED_BY(mu_);
  std::optional<Error> error_ SONDE_GUARDED_BY(mu_);
  MonotonicTime checked_ SONDE_GUARDED_BY(mu_);
};

}  // namespace sonde::auth

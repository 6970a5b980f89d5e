#include "auth/web_config.h"

#include <openssl/ssl.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <functional>
#include <set>

#include "auth/password.h"

namespace sonde::auth {
namespace {

struct Key {
  const char* name;
  std::function<Result<>(const YAML::Node&)> take;
};

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Error error(const YAML::Node& node, const std::string& what) const {
    YAML::Mark mark = node.Mark();
    return {ErrorCode::kInvalid, what, file_, mark.is_null() ? 0 : mark.line + 1, 0};
  }

  // Walks a mapping; every key must be one of `keys`, once.
  Result<> mapping(const YAML::Node& node, const std::string& where, const std::vector<Key>& keys) const {
    if (node.IsNull()) return {};
    if (!node.IsMap()) return fail(error(node, where + ": must be a mapping"));
    std::set<std::string> seen;
    for (const auto& entry : node) {
      SONDE_TRY(std::string name, text(entry.first, where + ": key"));
      if (!seen.insert(name).second)
        return fail(error(entry.first, where + ": key '" + name + "' is there twice"));
      const Key* found = nullptr;
      for (const Key& k : keys) found = name == k.name ? &k : found;
      if (found == nullptr) return fail(error(entry.first, where + ": unknown key '" + name + "'"));
      SONDE_CHECK(found->take(entry.second));
    }
    return {};
  }

  // Calls `take` for each entry of a mapping whose keys are free.
  Result<> entries(
      const YAML::Node& node, const std::string& where,
      const std::function<Result<>(const YAML::Node&, const std::string&, const YAML::Node&)>& take) const {
    if (node.IsNull()) return {};
    if (!node.IsMap()) return fail(error(node, where + ": must be a mapping"));
    std::set<std::string> seen;
    for (const auto& entry : node) {
      SONDE_TRY(std::string name, text(entry.first, where + ": key"));
      if (!seen.insert(name).second)
        return fail(error(entry.first, where + ": '" + name + "' is there twice"));
      SONDE_CHECK(take(entry.first, name, entry.second));
    }
    return {};
  }

  Result<std::string> text(const YAML::Node& node, const std::string& where) const {
    if (!node.IsScalar()) return fail(error(node, where + ": must be a string"));
    return node.Scalar();
  }
  Result<bool> boolean(const YAML::Node& node, const std::string& where) const {
    std::string s = node.IsScalar() ? node.Scalar() : "";
    if (s == "true") return true;
    if (s == "false") return false;
    return fail(error(node, where + ": must be true or false"));
  }
  Result<std::vector<std::string>> texts(const YAML::Node& node, const std::string& where) const {
    std::vector<std::string> out;
    if (node.IsNull()) return out;
    if (!node.IsSequence()) return fail(error(node, where + ": must be a list"));
    for (const auto& item : node) {
      SONDE_TRY(std::string s, text(item, where));
      out.push_back(std::move(s));
    }
    return out;
  }
  Result<int> integer(const YAML::Node& node, const std::string& where) const {
    SONDE_TRY(std::string s, text(node, where));
    int out = 0;
    auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), out);
    if (ec != std::errc{} || end != s.data() + s.size())
      return fail(error(node, where + ": must be an integer"));
    return out;
  }
  // "1s", "100ms", "1m30s", as Go writes durations.
  Result<Duration> duration(const YAML::Node& node, const std::string& where) const {
    SONDE_TRY(std::string s, text(node, where));
    auto bad = [&] { return fail(error(node, where + ": '" + s + "' is not a duration like 1s or 100ms")); };
    if (s == "0") return Duration{};
    std::string_view rest = s;
    Duration total;
    while (!rest.empty()) {
      int64_t n = 0;
      auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), n);
      if (ec != std::errc{} || n < 0 || n > 1'000'000) return bad();
      rest.remove_prefix(static_cast<size_t>(end - rest.data()));
      auto unit = [&](std::string_view name, Duration d) {
        if (!rest.starts_with(name)) return false;
        rest.remove_prefix(name.size());
        total = total + d * n;
        return true;
      };
      bool known = unit("ms", Duration::milliseconds(1)) || unit("us", Duration::microseconds(1)) ||
                   unit("ns", Duration::nanoseconds(1)) || unit("s", Duration::seconds(1)) ||
                   unit("m", Duration::minutes(1)) || unit("h", Duration::hours(1));
      if (!known) return bad();
    }
    if (s.empty()) return bad();
    return total;
  }

  std::string path(const std::string& p) const {
    if (p.empty() || p.front() == '/') return p;
    size_t slash = file_.rfind('/');
    return slash == std::string::npos ? p : file_.substr(0, slash + 1) + p;
  }

 private:
  std::string file_;
};

Key string_key(const Reader& r, const char* name, std::string& out) {
  return {name, [&r, name, &out](const YAML::Node& n) -> Result<> {
            SONDE_TRY(out, r.text(n, name));
            return {};
          }};
}

Key path_key(const Reader& r, const char* name, std::string& out) {
  return {name, [&r, name, &out](const YAML::Node& n) -> Result<> {
            SONDE_TRY(std::string p, r.text(n, name));
            out = r.path(p);
            return {};
          }};
}

Result<> take_client_auth(const Reader& r, const YAML::Node& n, net::TlsServerOptions& tls, bool& verifies) {
  SONDE_TRY(std::string type, r.text(n, "client_auth_type"));
  verifies = type == "VerifyClientCertIfGiven" || type == "RequireAndVerifyClientCert";
  tls.client_auth_unverified = type == "RequestClientCert" || type == "RequireAnyClientCert";
  tls.client_auth_required = type == "RequireAnyClientCert" || type == "RequireAndVerifyClientCert";
  if (!verifies && !tls.client_auth_unverified && type != "NoClientCert" && !type.empty()) {
    return fail(r.error(n, "client_auth_type: unknown value '" + type + "'"));
  }
  return {};
}

Result<> take_cipher_suites(const Reader& r, const YAML::Node& n, std::string& out) {
  SONDE_TRY(std::vector<std::string> names, r.texts(n, "cipher_suites"));
  for (const std::string& name : names) {
    if (name.starts_with("TLS_AES_") || name == "TLS_CHACHA20_POLY1305_SHA256")
      continue;  // TLS 1.3: always on
    std::string_view known = OPENSSL_cipher_name(name.c_str());
    if (known == "(NONE)") known = OPENSSL_cipher_name((name + "_SHA256").c_str());  // Go's older names
    if (known == "(NONE)") return fail(r.error(n, "cipher_suites: unknown cipher suite '" + name + "'"));
    out += (out.empty() ? "" : ":") + std::string(known);
  }
  return {};
}

Result<> take_curves(const Reader& r, const YAML::Node& n, std::string& out) {
  SONDE_TRY(std::vector<std::string> names, r.texts(n, "curve_preferences"));
  for (const std::string& name : names) {
    std::string known = name == "CurveP256"   ? "P-256"
                        : name == "CurveP384" ? "P-384"
                        : name == "CurveP521" ? "P-521"
                        : name == "X25519"    ? "X25519"
                                              : "";
    if (known.empty()) return fail(r.error(n, "curve_preferences: unknown curve '" + name + "'"));
    out += (out.empty() ? "" : ":") + known;
  }
  return {};
}

Result<> take_tls(const Reader& r, const YAML::Node& node, WebConfig& config) {
  if (node.IsNull() || (node.IsMap() && node.size() == 0)) return {};
  net::TlsServerOptions tls;
  bool verifies = false;
  auto version_key = [&](const char* name, std::string& out) -> Key {
    return {name, [&r, name, &out](const YAML::Node& n) -> Result<> {
              SONDE_TRY(out, r.text(n, name));
              if (out != "TLS12" && out != "TLS13") {
                return fail(r.error(n, std::string(name) + ": must be TLS12 or TLS13, not '" + out + "'"));
              }
              return {};
            }};
  };
  SONDE_CHECK(r.mapping(
      node, "tls_server_config",
      {path_key(r, "cert_file", tls.cert_file),
       path_key(r, "key_file", tls.key_file),
       path_key(r, "client_ca_file", tls.client_ca_file),
       string_key(r, "cert", tls.cert_pem),
       string_key(r, "key", tls.key_pem),
       string_key(r, "client_ca", tls.client_ca_pem),
       version_key("min_version", tls.min_version),
       version_key("max_version", tls.max_version),
       {"client_auth_type", [&](const YAML::Node& n) { return take_client_auth(r, n, tls, verifies); }},
       {"client_allowed_sans",
        [&](const YAML::Node& n) -> Result<> {
          SONDE_TRY(tls.client_allowed_sans, r.texts(n, "client_allowed_sans"));
          return {};
        }},
       {"cipher_suites", [&](const YAML::Node& n) { return take_cipher_suites(r, n, tls.cipher_suites); }},
       {"curve_preferences", [&](const YAML::Node& n) { return take_curves(r, n, tls.curves); }},
       {"prefer_server_cipher_suites", [&](const YAML::Node& n) -> Result<> {
          SONDE_TRY([[maybe_unused]] bool ignored, r.boolean(n, "prefer_server_cipher_suites"));
          return {};
        }}}));
  auto one_of = [&](const std::string& file, const std::string& inline_text,
                    const std::string& what) -> Result<> {
    if (file.empty() && inline_text.empty()) {
      return fail(r.error(node, "tls_server_config: " + what + " or " + what + "_file is missing"));
    }
    if (!file.empty() && !inline_text.empty()) {
      return fail(r.error(node, "tls_server_config: " + what + " and " + what + "_file exclude each other"));
    }
    return {};
  };
  SONDE_CHECK(one_of(tls.cert_file, tls.cert_pem, "cert"));
  SONDE_CHECK(one_of(tls.key_file, tls.key_pem, "key"));
  if (tls.cert_pem.empty() != tls.key_pem.empty()) {
    return fail(r.error(node, "tls_server_config: cert and key must both be files, or both be inline"));
  }
  bool has_ca = !tls.client_ca_file.empty() || !tls.client_ca_pem.empty();
  if (verifies && !has_ca)
    return fail(r.error(node, "tls_server_config: client_auth_type needs client_ca_file"));
  if (has_ca && !verifies) {
    return fail(r.error(node, "tls_server_config: client_ca_file needs a client_auth_type that verifies"));
  }
  if (!tls.client_allowed_sans.empty() && !(verifies && tls.client_auth_required)) {
    return fail(r.error(node, "tls_server_config: client_allowed_sans needs RequireAndVerifyClientCert"));
  }
  config.tls = std::move(tls);
  return {};
}

Result<> take_headers(const Reader& r, const YAML::Node& node, WebConfig& config) {
  return r.entries(
      node, "headers", [&](const YAML::Node& at, const std::string& name, const YAML::Node& n) -> Result<> {
        static const std::set<std::string> kAllowed = {"Content-Security-Policy", "Strict-Transport-Security",
                                                       "X-Content-Type-Options", "X-Frame-Options",
                                                       "X-XSS-Protection"};
        if (!kAllowed.contains(name)) return fail(r.error(at, "headers: '" + name + "' cannot be set"));
        SONDE_TRY(std::string value, r.text(n, "headers: " + name));
        if (value.find_first_of("\r\n") != std::string::npos)
          return fail(r.error(n, "headers: line break in " + name));
        config.headers.add(name, std::move(value));
        return {};
      });
}

Result<> take_users(const Reader& r, const YAML::Node& node, WebConfig& config) {
  return r.entries(
      node, "basic_auth_users",
      [&](const YAML::Node& at, const std::string& name, const YAML::Node& n) -> Result<> {
        if (name.empty() || name.find(':') != std::string::npos) {
          return fail(r.error(at, "basic_auth_users: a user name is not empty and has no ':'"));
        }
        SONDE_TRY(std::string hash, r.text(n, "basic_auth_users"));
        if (auto cost = bcrypt_cost(hash); !cost) {
          // The message names the user, never what stands there: it may be a password.
          return fail(r.error(n, "basic_auth_users: user '" + name + "': " + cost.error().message));
        }
        config.users.push_back({name, std::move(hash), {net::Role::kAdmin}});
        return {};
      });
}

Result<> take_roles(const Reader& r, const YAML::Node& node, WebConfig& config) {
  return r.entries(
      node, "roles", [&](const YAML::Node& at, const std::string& name, const YAML::Node& n) -> Result<> {
        User* user = nullptr;
        for (User& u : config.users) user = u.name == name ? &u : user;
        if (user == nullptr) return fail(r.error(at, "roles: '" + name + "' is not in basic_auth_users"));
        SONDE_TRY(std::vector<std::string> names, r.texts(n, "roles: " + name));
        user->roles = {};
        for (const std::string& role : names) {
          auto parsed = parse_role(role);
          if (!parsed) {
            return fail(
                r.error(n, "roles: unknown role '" + role + "'; there are read, ingest, alert and admin"));
          }
          user->roles.add(*parsed);
        }
        return {};
      });
}

Result<> take_rate_limit(const Reader& r, const YAML::Node& node, WebConfig& config) {
  RateLimit limit;
  SONDE_CHECK(r.mapping(node, "rate_limit",
                        {{"interval",
                          [&](const YAML::Node& n) -> Result<> {
                            SONDE_TRY(limit.interval, r.duration(n, "interval"));
                            return {};
                          }},
                         {"burst", [&](const YAML::Node& n) -> Result<> {
                            SONDE_TRY(limit.burst, r.integer(n, "burst"));
                            if (limit.burst < 0) return fail(r.error(n, "burst: must not be negative"));
                            return {};
                          }}}));
  if (limit.interval.ns > 0) config.rate_limit = limit;  // 0, as in the original, limits nothing
  return {};
}

Result<WebConfig> read_document(const Reader& r, const YAML::Node& root) {
  WebConfig config;
  YAML::Node roles;
  bool has_roles = false;
  SONDE_CHECK(r.mapping(
      root, "web configuration",
      {{"tls_server_config", [&](const YAML::Node& n) { return take_tls(r, n, config); }},
       {"http_server_config",
        [&](const YAML::Node& n) {
          return r.mapping(n, "http_server_config",
                           {{"http2",
                             [&](const YAML::Node& b) -> Result<> {
                               SONDE_TRY(config.http2, r.boolean(b, "http2"));
                               return {};
                             }},
                            {"headers", [&](const YAML::Node& h) { return take_headers(r, h, config); }}});
        }},
       {"basic_auth_users", [&](const YAML::Node& n) { return take_users(r, n, config); }},
       {"rate_limit", [&](const YAML::Node& n) { return take_rate_limit(r, n, config); }},
       {"roles", [&](const YAML::Node& n) -> Result<> {
          roles.reset(n);  // after the users, wherever it stands
          has_roles = true;
          return {};
        }}}));
  if (has_roles) SONDE_CHECK(take_roles(r, roles, config));
  if (config.tls) config.tls->http2 = config.http2;
  return config;
}

}  // namespace

std::optional<net::Role> parse_role(std::string_view name) {
  for (net::Role r : {net::Role::kRead, net::Role::kIngest, net::Role::kAlert, net::Role::kAdmin}) {
    if (name == net::to_string(r)) return r;
  }
  return std::nullopt;
}

const User* WebConfig::find_user(std::string_view name) const {
  for (const User& u : users) {
    if (u.name == name) return &u;
  }
  return nullptr;
}

Result<WebConfig> parse_web_config(std::string_view text, const std::string& file) {
  Reader reader(file);
  try {
    YAML::Node root = YAML::Load(std::string(text));
    return read_document(reader, root);
  } catch (const YAML::Exception& e) {
    return fail(Error{ErrorCode::kInvalid, e.msg, file, e.mark.is_null() ? 0 : e.mark.line + 1, 0});
  }
}

Result<std::unique_ptr<WebConfigFile>> WebConfigFile::open(std::string path, const FileSystem& fs,
                                                           const Clock& clock) {
  std::unique_ptr<WebConfigFile> out(new WebConfigFile(std::move(path), fs, clock));
  SONDE_TRY(std::string text, fs.read_file(out->path_));
  SONDE_TRY(WebConfig config, parse_web_config(text, out->path_));
  MutexLock lock(out->mu_);
  out->text_ = std::move(text);
  out->config_ = std::make_shared<const WebConfig>(std::move(config));
  out->checked_ = clock.monotonic();
  return out;
}

std::shared_ptr<const WebConfig> WebConfigFile::current() {
  MutexLock lock(mu_);
  MonotonicTime now = clock_.monotonic();
  if (now - checked_ < Duration::seconds(1)) return config_;
  checked_ = now;
  Result<std::string> text = fs_.read_file(path_);
  if (!text) {
    error_ = text.error();
    return config_;
  }
  if (*text == text_) return config_;
  text_ = *std::move(text);  // a bad text is parsed once, too
  Result<WebConfig> config = parse_web_config(text_, path_);
  if (config) {
    config_ = std::make_shared<const WebConfig>(*std::move(config));
    error_.reset();
  } else {
    error_ = config.error();
  }
  return config_;
}

std::optional<Error> WebConfigFile::last_error() const {
  MutexLock lock(mu_);
  return error_;
}

}  // namespace sonde::auth

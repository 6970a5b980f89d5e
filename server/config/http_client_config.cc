#include "config/http_client_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/glob.h"
#include "model/labels.h"

namespace sonde::config {

namespace {

std::string lowered(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// Headers that the client sets itself.
bool is_reserved_header(std::string_view name) {
  static constexpr std::string_view kReserved[] = {"authorization",
                                                   "host",
                                                   "content-encoding",
                                                   "content-length",
                                                   "content-type",
                                                   "user-agent",
                                                   "connection",
                                                   "keep-alive",
                                                   "proxy-authenticate",
                                                   "proxy-authorization",
                                                   "www-authenticate",
                                                   "accept-encoding",
                                                   "x-prometheus-remote-write-version",
                                                   "x-prometheus-remote-read-version",
                                                   "x-prometheus-scrape-timeout-seconds",
                                                   "x-amz-date",
                                                   "x-amz-security-token",
                                                   "x-amz-content-sha256"};
  std::string lower = lowered(name);
  return std::find(std::begin(kReserved), std::end(kReserved), lower) != std::end(kReserved);
}

std::vector<Secret> secrets_from(std::vector<std::string> values) {
  std::vector<Secret> out;
  for (std::string& v : values) out.emplace_back(std::move(v));
  return out;
}

std::vector<std::string> masked(const std::vector<Secret>& secrets) {
  std::vector<std::string> out;
  for (const Secret& s : secrets) out.push_back(s.to_string());
  return out;
}

Result<> read_basic_auth(const Node& node, const ParseContext& context, BasicAuth& out) {
  MappingReader r(node, "basic_auth");
  r.read("username", out.username);
  r.read("username_file", out.username_file);
  r.read("password", out.password);
  r.read("password_file", out.password_file);
  for (const char* key : {"username_ref", "password_ref"}) {
    if (r.has(key)) r.set_error(r.at(key), fmt::format("{}: no secret manager is configured", key));
  }
  if (!out.username.empty() && !out.username_file.empty()) {
    r.set_error(node, "at most one of basic_auth username & username_file must be configured");
  }
  if (!out.password.empty() && !out.password_file.empty()) {
    r.set_error(node, "at most one of basic_auth password & password_file must be configured");
  }
  out.username_file = resolve_path(context.dir, out.username_file);
  out.password_file = resolve_path(context.dir, out.password_file);
  return r.finish();
}

Result<> read_authorization(const Node& node, const ParseContext& context, Authorization& out) {
  MappingReader r(node, "authorization");
  r.read("type", out.type);
  r.read("credentials", out.credentials);
  r.read("credentials_file", out.credentials_file);
  if (r.has("credentials_ref"))
    r.set_error(r.at("credentials_ref"), "credentials_ref: no secret manager is configured");
  if (!out.credentials.empty() && !out.credentials_file.empty()) {
    r.set_error(node, "at most one of authorization credentials & credentials_file must be configured");
  }
  if (out.type.empty()) out.type = "Bearer";
  if (lowered(out.type) == "basic") {
    r.set_error(r.at("type"), "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
  }
  out.credentials_file = resolve_path(context.dir, out.credentials_file);
  return r.finish();
}

void read_proxy(MappingReader& r, ProxyConfig& out) {
  r.read("proxy_url", out.proxy_url);
  r.read("no_proxy", out.no_proxy);
  r.read("proxy_from_environment", out.proxy_from_environment);
  r.with("proxy_connect_header", [&](const Node& n) -> Result<> {
    if (n.kind != NodeKind::kMapping) return fail(n.error("proxy_connect_header must be a mapping"));
    for (const Node::Entry& e : n.entries) {
      SONDE_TRY(auto values, node_strings(*e.value));
      out.proxy_connect_header[e.key] = secrets_from(std::move(values));
    }
    return {};
  });
  if (!out.proxy_url.empty()) {
    if (Result<> ok = check_url(out.proxy_url); !ok)
      r.set_error(r.at("proxy_url"), "proxy_url: " + ok.error().message);
  }
  if (out.proxy_from_environment && !out.proxy_url.empty()) {
    r.set_error(r.at("proxy_url"),
                "if proxy_from_environment is configured, proxy_url must not be configured");
  }
  if (out.proxy_from_environment && !out.no_proxy.empty()) {
    r.set_error(r.at("no_proxy"), "if proxy_from_environment is configured, no_proxy must not be configured");
  }
  if (out.proxy_url.empty() && !out.no_proxy.empty()) {
    r.set_error(r.at("no_proxy"), "if no_proxy is configured, proxy_url must also be configured");
  }
  if (!out.proxy_connect_header.empty() && !out.proxy_from_environment && out.proxy_url.empty()) {
    r.set_error(
        r.at("proxy_connect_header"),
        "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured");
  }
}

Result<> read_oauth2(const Node& node, const ParseContext& context, OAuth2& out) {
  MappingReader r(node, "oauth2");
  r.read("client_id", out.client_id);
  r.read("client_secret", out.client_secret);
  r.read("client_secret_file", out.client_secret_file);
  r.read("client_certificate_key_id", out.client_certificate_key_id);
  r.read("client_certificate_key", out.client_certificate_key);
  r.read("client_certificate_key_file", out.client_certificate_key_file);
  for (const char* key : {"client_secret_ref", "client_certificate_key_ref"}) {
    if (r.has(key)) r.set_error(r.at(key), fmt::format("{}: no secret manager is configured", key));
  }
  r.read("signature_algorithm", out.signature_algorithm);
  r.read("iss", out.issuer);
  r.read("audience", out.audience);
  r.read("grant_type", out.grant_type);
  r.read("username", out.username);
  r.read("password", out.password);
  r.read("password_file", out.password_file);
  r.read("claims", out.claims);
  r.read("scopes", out.scopes);
  r.read("token_url", out.token_url);
  r.read("endpoint_params", out.endpoint_params);
  r.with("tls_config", [&](const Node& n) { return read_tls_config(n, context, out.tls); });
  read_proxy(r, out.proxy);
  if (out.client_id.empty()) r.set_error(node, "oauth2 client_id must be configured");
  if (out.token_url.empty()) r.set_error(node, "oauth2 token_url must be configured");
  if (!out.client_secret.empty() && !out.client_secret_file.empty()) {
    r.set_error(node, "at most one of oauth2 client_secret & client_secret_file must be configured");
  }
  if (!out.client_certificate_key.empty() && !out.client_certificate_key_file.empty()) {
    r.set_error(
        node,
        "at most one of oauth2 client_certificate_key & client_certificate_key_file must be configured");
  }
  static constexpr std::string_view kGrants[] = {"", "client_credentials", "password",
                                                 "urn:ietf:params:oauth:grant-type:jwt-bearer"};
  if (std::find(std::begin(kGrants), std::end(kGrants), out.grant_type) == std::end(kGrants)) {
    r.set_error(r.at("grant_type"), "unknown oauth2 grant_type " + quote(out.grant_type));
  }
  static constexpr std::string_view kAlgorithms[] = {"", "RS256", "RS384", "RS512"};
  if (std::find(std::begin(kAlgorithms), std::end(kAlgorithms), out.signature_algorithm) ==
      std::end(kAlgorithms)) {
    r.set_error(r.at("signature_algorithm"),
                "unknown oauth2 signature_algorithm " + quote(out.signature_algorithm));
  }
  out.client_secret_file = resolve_path(context.dir, out.client_secret_file);
  out.client_certificate_key_file = resolve_path(context.dir, out.client_certificate_key_file);
  out.password_file = resolve_path(context.dir, out.password_file);
  return r.finish();
}

void write_proxy(YamlMap& m, const ProxyConfig& p) {
  if (!p.proxy_url.empty()) m.text("proxy_url", redact_url(p.proxy_url));
  if (!p.no_proxy.empty()) m.text("no_proxy", p.no_proxy);
  if (p.proxy_from_environment) m.flag("proxy_from_environment", true);
  if (!p.proxy_connect_header.empty()) {
    YamlMap headers;
    for (const auto& [name, values] : p.proxy_connect_header) headers.texts(name, masked(values));
    m.map("proxy_connect_header", std::move(headers));
  }
}

void text_if(YamlMap& m, const char* key, std::string_view value) {
  if (!value.empty()) m.text(key, value);
}
void text_if(YamlMap& m, const char* key, const Secret& value) {
  if (!value.empty()) m.text(key, value.to_string());
}

}  // namespace

Result<> read_tls_config(const Node& node, const ParseContext& context, TlsConfig& out) {
  MappingReader r(node, "tls_config");
  r.read("ca", out.ca);
  r.read("cert", out.cert);
  r.read("key", out.key);
  r.read("ca_file", out.ca_file);
  r.read("cert_file", out.cert_file);
  r.read("key_file", out.key_file);
  for (const char* key : {"ca_ref", "cert_ref", "key_ref"}) {
    if (r.has(key)) r.set_error(r.at(key), fmt::format("{}: no secret manager is configured", key));
  }
  r.read("server_name", out.server_name);
  r.read("insecure_skip_verify", out.insecure_skip_verify);
  r.read("min_version", out.min_version);
  r.read("max_version", out.max_version);
  auto version = [&](const char* key, const std::string& v) {
    if (!v.empty() && v != "TLS10" && v != "TLS11" && v != "TLS12" && v != "TLS13") {
      r.set_error(r.at(key), "unknown TLS version: " + v);
    }
  };
  version("min_version", out.min_version);
  version("max_version", out.max_version);
  if (!out.max_version.empty() && !out.min_version.empty() && out.max_version < out.min_version) {
    r.set_error(node,
                "tls_config.max_version must be greater than or equal to tls_config.min_version if both are "
                "specified");
  }
  auto both = [&](bool a, bool b, const char* names) {
    if (a && b) r.set_error(node, fmt::format("at most one of {} must be configured", names));
  };
  both(!out.ca.empty(), !out.ca_file.empty(), "ca & ca_file");
  both(!out.cert.empty(), !out.cert_file.empty(), "cert & cert_file");
  both(!out.key.empty(), !out.key_file.empty(), "key & key_file");
  bool cert = !out.cert.empty() || !out.cert_file.empty();
  bool key = !out.key.empty() || !out.key_file.empty();
  if (cert && !key) {
    r.set_error(node,
                "exactly one of key or key_file must be configured when a client certificate is configured");
  }
  if (key && !cert) {
    r.set_error(node, "exactly one of cert or cert_file must be configured when a client key is configured");
  }
  out.ca_file = resolve_path(context.dir, out.ca_file);
  out.cert_file = resolve_path(context.dir, out.cert_file);
  out.key_file = resolve_path(context.dir, out.key_file);
  return r.finish();
}

void read_http_client_config(MappingReader& r, const ParseContext& context, HttpClientConfig& out) {
  r.with("basic_auth", [&](const Node& n) { return read_basic_auth(n, context, out.basic_auth.emplace()); });
  r.with("authorization",
         [&](const Node& n) { return read_authorization(n, context, out.authorization.emplace()); });
  r.with("oauth2", [&](const Node& n) { return read_oauth2(n, context, out.oauth2.emplace()); });
  Secret bearer_token;
  std::string bearer_token_file;
  r.read("bearer_token", bearer_token);
  r.read("bearer_token_file", bearer_token_file);
  bool bearer = !bearer_token.empty() || !bearer_token_file.empty();
  if (!bearer_token.empty() && !bearer_token_file.empty()) {
    r.set_error(r.at("bearer_token"), "at most one of bearer_token & bearer_token_file must be configured");
  }
  if (bearer && (out.basic_auth || out.oauth2)) {
    r.set_error(r.at(bearer_token.empty() ? "bearer_token_file" : "bearer_token"),
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured");
  }
  if (bearer && out.authorization) {
    r.set_error(r.at("authorization"),
                "authorization is not compatible with bearer_token & bearer_token_file");
  }
  if ((out.authorization && (out.basic_auth || out.oauth2)) || (out.basic_auth && out.oauth2)) {
    r.set_error(r.at(out.authorization ? "authorization" : "oauth2"),
                "at most one of basic_auth, oauth2 & authorization must be configured");
  }
  if (bearer) {
    out.authorization.emplace();
    out.authorization->credentials = std::move(bearer_token);
    out.authorization->credentials_file = resolve_path(context.dir, bearer_token_file);
  }
  r.with("tls_config", [&](const Node& n) { return read_tls_config(n, context, out.tls); });
  read_proxy(r, out.proxy);
  r.read("follow_redirects", out.follow_redirects);
  r.read("enable_http2", out.enable_http2);
  r.with("http_headers", [&](const Node& n) -> Result<> {
    if (n.kind != NodeKind::kMapping) return fail(n.error("http_headers must be a mapping"));
    for (const Node::Entry& e : n.entries) {
      if (is_reserved_header(e.key)) {
        return fail(e.key_node->error(fmt::format("setting header {} is not allowed", quote(e.key))));
      }
      HttpHeader header;
      std::vector<std::string> secrets;
      MappingReader h(*e.value, "http_headers entry");
      h.read("values", header.values);
      h.read("secrets", secrets);
      h.read("files", header.files);
      SONDE_CHECK(h.finish());
      header.secrets = secrets_from(std::move(secrets));
      for (std::string& f : header.files) f = resolve_path(context.dir, f);
      out.http_headers.emplace(e.key, std::move(header));
    }
    return {};
  });
}

YamlMap to_yaml(const TlsConfig& tls) {
  YamlMap m;
  text_if(m, "ca", tls.ca);
  text_if(m, "cert", tls.cert);
  text_if(m, "key", tls.key);
  text_if(m, "ca_file", tls.ca_file);
  text_if(m, "cert_file", tls.cert_file);
  text_if(m, "key_file", tls.key_file);
  text_if(m, "server_name", tls.server_name);
  m.flag("insecure_skip_verify", tls.insecure_skip_verify);
  text_if(m, "min_version", tls.min_version);
  text_if(m, "max_version", tls.max_version);
  return m;
}

void write_http_client_config(YamlMap& m, const HttpClientConfig& c, bool http2_default) {
  if (c.basic_auth) {
    YamlMap b;
    text_if(b, "username", c.basic_auth->username);
    text_if(b, "username_file", c.basic_auth->username_file);
    text_if(b, "password", c.basic_auth->password);
    text_if(b, "password_file", c.basic_auth->password_file);
    m.map("basic_auth", std::move(b));
  }
  if (c.authorization) {
    YamlMap a;
    a.text("type", c.authorization->type);
    text_if(a, "credentials", c.authorization->credentials);
    text_if(a, "credentials_file", c.authorization->credentials_file);
    m.map("authorization", std::move(a));
  }
  if (c.oauth2) {
    const OAuth2& o = *c.oauth2;
    YamlMap a;
    a.text("client_id", o.client_id);
    text_if(a, "client_secret", o.client_secret);
    text_if(a, "client_secret_file", o.client_secret_file);
    text_if(a, "client_certificate_key_id", o.client_certificate_key_id);
    text_if(a, "client_certificate_key", o.client_certificate_key);
    text_if(a, "client_certificate_key_file", o.client_certificate_key_file);
    text_if(a, "signature_algorithm", o.signature_algorithm);
    text_if(a, "iss", o.issuer);
    text_if(a, "audience", o.audience);
    text_if(a, "grant_type", o.grant_type);
    text_if(a, "username", o.username);
    text_if(a, "password", o.password);
    text_if(a, "password_file", o.password_file);
    if (!o.claims.empty()) a.text_map("claims", o.claims);
    if (!o.scopes.empty()) a.texts("scopes", o.scopes);
    a.text("token_url", redact_url(o.token_url));
    if (!o.endpoint_params.empty()) a.text_map("endpoint_params", o.endpoint_params);
    if (o.tls != TlsConfig{}) a.map("tls_config", to_yaml(o.tls));
    write_proxy(a, o.proxy);
    m.map("oauth2", std::move(a));
  }
  if (c.tls != TlsConfig{}) m.map("tls_config", to_yaml(c.tls));
  write_proxy(m, c.proxy);
  m.flag("follow_redirects", c.follow_redirects);
  if (c.enable_http2 != http2_default || http2_default) m.flag("enable_http2", c.enable_http2);
  if (!c.http_headers.empty()) {
    YamlMap headers;
    for (const auto& [name, header] : c.http_headers) {
      YamlMap h;
      if (!header.values.empty()) h.texts("values", header.values);
      if (!header.secrets.empty()) h.texts("secrets", masked(header.secrets));
      if (!header.files.empty()) h.texts("files", header.files);
      headers.map(name, std::move(h));
    }
    m.map("http_headers", std::move(headers));
  }
}

namespace {
struct UrlParts {
  std::string_view scheme;
  std::string_view authority;
  bool has_authority = false;
};

UrlParts split_url(std::string_view url) {
  UrlParts out;
  size_t colon = url.find(':');
  size_t other = url.find_first_of("/?#");
  std::string_view rest = url;
  if (colon != std::string_view::npos && colon < other) {
    out.scheme = url.substr(0, colon);
    rest.remove_prefix(colon + 1);
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    out.authority = rest.substr(0, rest.find_first_of("/?#"));
    out.has_authority = true;
  }
  return out;
}
}  // namespace

Result<> check_url(std::string_view url) {
  auto bad = [&](std::string_view why) {
    return fail(ErrorCode::kInvalid, fmt::format("parse {}: {}", quote(redact_url(url)), why));
  };
  for (char c : url) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return bad("invalid control character in URL");
  }
  if (url.starts_with(':')) return bad("missing protocol scheme");
  UrlParts parts = split_url(url);
  for (size_t i = 0; i < parts.scheme.size(); i++) {
    char c = parts.scheme[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!letter && (i == 0 || !other)) return bad("first path segment in URL cannot contain colon");
  }
  if (!parts.has_authority) return {};
  std::string_view host = parts.authority;
  if (size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (host.find_first_of(" <>\"{}|\\^`") != std::string_view::npos)
    return bad("invalid character in host name");
  std::string_view port;
  if (host.starts_with('[')) {
    size_t close = host.find(']');
    if (close == std::string_view::npos) return bad("missing ']' in host");
    std::string_view tail = host.substr(close + 1);
    if (!tail.empty() && tail[0] != ':') return bad("invalid port after host");
    if (!tail.empty()) port = tail.substr(1);
  } else if (size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    port = host.substr(colon + 1);
  }
  if (!std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return bad("invalid port after host");
  }
  return {};
}

Result<> check_http_url(std::string_view url) {
  if (url.empty()) return fail(ErrorCode::kInvalid, "URL is missing");
  SONDE_CHECK(check_url(url));
  UrlParts parts = split_url(url);
  std::string scheme = lowered(parts.scheme);
  if (scheme != "http" && scheme != "https")
    return fail(ErrorCode::kInvalid, "URL scheme must be 'http' or 'https'");
  std::string_view host = parts.authority;
  if (size_t at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  if (host.empty() || host.starts_with(':')) return fail(ErrorCode::kInvalid, "host is missing in URL");
  return {};
}

std::string redact_url(std::string_view url) {
  UrlParts parts = split_url(url);
  size_t at = parts.authority.rfind('@');
  if (!parts.has_authority || at == std::string_view::npos) return std::string(url);
  std::string_view user = parts.authority.substr(0, at);
  size_t colon = user.find(':');
  if (colon == std::string_view::npos) return std::string(url);
  auto begin = static_cast<size_t>(user.data() - url.data()) + colon + 1;
  return std::string(url.substr(0, begin)) + "xxxxx" +
         std::string(url.substr(static_cast<size_t>(parts.authority.data() - url.data()) + at));
}

}  // namespace sonde::config

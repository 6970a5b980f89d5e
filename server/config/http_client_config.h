// How to reach something over HTTP: credentials, TLS, proxy, headers. The http_config of Prometheus, wherever
// it occurs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/secret.h"
#include "config/yaml.h"
#include "config/yaml_writer.h"

namespace sonde::config {

// What parsing needs to know about its surroundings.
struct ParseContext {
  std::string dir;  // relative paths belong here
};

struct BasicAuth {
  std::string username;
  std::string username_file;
  Secret password;
  std::string password_file;
};

struct Authorization {
  std::string type = "Bearer";
  Secret credentials;
  std::string credentials_file;
};

struct TlsConfig {
  std::string ca;  // PEM text
  std::string cert;
  Secret key;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;
  bool insecure_skip_verify = false;
  std::string min_version;  // "TLS10" … "TLS13", empty: the library's own
  std::string max_version;
  bool operator==(const TlsConfig&) const = default;
};

struct ProxyConfig {
  std::string proxy_url;
  std::string no_proxy;
  bool proxy_from_environment = false;
  std::map<std::string, std::vector<Secret>> proxy_connect_header;
  bool operator==(const ProxyConfig&) const = default;
};

struct OAuth2 {
  std::string client_id;
  Secret client_secret;
  std::string client_secret_file;
  std::string client_certificate_key_id;
  Secret client_certificate_key;
  std::string client_certificate_key_file;
  std::string signature_algorithm;
  std::string issuer;
  std::string audience;
  std::string grant_type;
  std::string username;  // grant_type password
  Secret password;
  std::string password_file;
  std::map<std::string, std::string> claims;
  std::vector<std::string> scopes;
  std::string token_url;
  std::map<std::string, std::string> endpoint_params;
  TlsConfig tls;
  ProxyConfig proxy;
};

struct HttpHeader {
  std::vector<std::string> values;
  std::vector<Secret> secrets;
  std::vector<std::string> files;
};

struct HttpClientConfig {
  std::optional<BasicAuth> basic_auth;
  std::optional<Authorization> authorization;  // bearer_token and bearer_token_file arrive here too
  std::optional<OAuth2> oauth2;
  TlsConfig tls;
  ProxyConfig proxy;
  bool follow_redirects = true;
  bool enable_http2 = true;
  std::map<std::string, HttpHeader> http_headers;

  bool has_credentials() const { return basic_auth || authorization || oauth2; }
};

// Reads the http_config keys that stand among others in `reader`'s mapping.
void read_http_client_config(MappingReader& reader, const ParseContext& context, HttpClientConfig& out);
Result<> read_tls_config(const Node& node, const ParseContext& context, TlsConfig& out);

// Appends the keys; secrets print as <secret>.
void write_http_client_config(YamlMap& map, const HttpClientConfig& config, bool http2_default = true);
YamlMap to_yaml(const TlsConfig& tls);

// Enough of a URL check for configuration: no blanks or control characters, a scheme that can be one, a valid
// port.
Result<> check_url(std::string_view url);
// The same, with scheme http or https and a host.
Result<> check_http_url(std::string_view url);
// With the password of its user part replaced by "xxxxx".
std::string redact_url(std::string_view url);

}  // namespace sonde::config

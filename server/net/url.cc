#include "net/url.h"

#include <charconv>

#include "net/ascii.h"
#include "net/http.h"

namespace sonde::net {
namespace {

Result<> check_characters(std::string_view text) {
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) {
      return fail(ErrorCode::kInvalid, "URL: has a space or control character");
    }
  }
  return {};
}

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  if (port != (https ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

Result<Url> parse_url(std::string_view text) {
  SONDE_CHECK(check_characters(text));
  Url url;
  size_t colon = text.find("://");
  std::string scheme = lower_case(text.substr(0, colon == std::string_view::npos ? 0 : colon));
  if (scheme != "http" && scheme != "https") {
    return fail(ErrorCode::kInvalid, "URL: must begin with http:// or https://");
  }
  url.https = scheme == "https";
  text.remove_prefix(colon + 3);
  text = text.substr(0, text.find('#'));
  size_t path = text.find_first_of("/?");
  std::string_view authority = text.substr(0, path);
  std::string_view rest = path == std::string_view::npos ? std::string_view{} : text.substr(path);
  url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  if (size_t at = authority.rfind('@'); at != std::string_view::npos) {
    url.userinfo = percent_decode(authority.substr(0, at));
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    size_t close = authority.find(']');
    if (close == std::string_view::npos) return fail(ErrorCode::kInvalid, "URL: unclosed '[' in the host");
    url.host = lower_case(authority.substr(1, close - 1));
    port = authority.substr(close + 1);
    if (!port.empty() && port.front() != ':') return fail(ErrorCode::kInvalid, "URL: bad host");
    if (!port.empty()) port.remove_prefix(1);
  } else {
    size_t separator = authority.find(':');
    url.host = lower_case(authority.substr(0, separator));
    if (separator != std::string_view::npos) port = authority.substr(separator + 1);
  }
  if (url.host.empty()) return fail(ErrorCode::kInvalid, "URL: no host");
  url.port = url.https ? 443 : 80;
  if (!port.empty()) {
    auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (ec != std::errc{} || end != port.data() + port.size() || url.port == 0) {
      return fail(ErrorCode::kInvalid, "URL: bad port");
    }
  }
  return url;
}

Result<Url> resolve_location(const Url& base, std::string_view location) {
  SONDE_CHECK(check_characters(location));
  size_t scheme = location.find("://");
  if (scheme != std::string_view::npos && scheme < location.find_first_of("/?#")) return parse_url(location);
  if (location.starts_with("//")) return parse_url((base.https ? "https:" : "http:") + std::string(location));
  Url out = base;
  location = location.substr(0, location.find('#'));
  std::string path = base.target.substr(0, base.target.find('?'));
  if (location.starts_with('/')) {
    out.target = location;
  } else if (location.starts_with('?')) {
    out.target = path + std::string(location);
  } else if (!location.empty()) {
    out.target = path.substr(0, path.rfind('/') + 1) + std::string(location);
  }
  return out;
}

}  // namespace sonde::net

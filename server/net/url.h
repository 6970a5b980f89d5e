// http and https URLs, as much of RFC 3986 as a client needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace sonde::net {

struct Url {
  bool https = false;
  std::string userinfo;  // percent-decoded "user:password", or empty
  std::string host;      // lower case, without brackets
  uint16_t port = 0;     // never 0
  std::string target;    // path and query, starts with '/'

  // host:port as the Host header has it; the scheme's own port is left out.
  std::string authority() const;
  bool same_origin(const Url& other) const {
    return https == other.https && host == other.host && port == other.port;
  }
};

// The error does not repeat the URL, which may hold a password.
Result<Url> parse_url(std::string_view text);

// A Location header's value, seen from `base`.
Result<Url> resolve_location(const Url& base, std::string_view location);

}  // namespace sonde::net

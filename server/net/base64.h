// Base64 with padding (RFC 4648, section 4), for the Authorization header.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sonde::net {

std::string base64_encode(std::string_view bytes);
// nullopt for anything but canonical base64.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace sonde::net

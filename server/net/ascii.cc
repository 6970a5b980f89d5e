#include "net/ascii.h"

namespace sonde::net {

bool list_has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view entry = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    size_t semicolon = entry.find(';');
    if (!equals_ignoring_case(trim(entry.substr(0, semicolon)), token)) continue;
    if (semicolon == std::string_view::npos) return true;
    std::string_view q = trim(entry.substr(semicolon + 1));
    bool zero = (q.starts_with("q=0") || q.starts_with("Q=0")) &&
                q.find_first_of("123456789") == std::string_view::npos;
    return !zero;
  }
  return false;
}

}  // namespace sonde::net

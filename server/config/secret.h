// A configured secret: it cannot be printed by accident.
#pragma once

#include <string>
#include <utility>

namespace sonde::config {

inline constexpr const char* kSecretMask = "<secret>";

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  // The value itself, for the one place that sends it.
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  // "<secret>", or "" when unset: what messages, logs and the configuration page show.
  std::string to_string() const { return value_.empty() ? "" : kSecretMask; }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace sonde::config

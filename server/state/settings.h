// Small named values that survive a restart: the synthetic-data marker of the demo and the like.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "state/database.h"

namespace sonde::state {

// Threads: any. The database must outlive it.
class Settings {
 public:
  explicit Settings(Database& db) : db_(db) {}
  Result<std::optional<std::string>> get(std::string_view name) const;
  Result<> set(std::string_view name, std::string_view value);

 private:
  Database& db_;
};

}  // namespace sonde::state

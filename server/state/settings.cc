#include "state/settings.h"

namespace sonde::state {

Result<std::optional<std::string>> Settings::get(std::string_view name) const {
  Statement read = db_.prepare("SELECT value FROM setting WHERE name = ?");
  read.bind(name);
  SONDE_TRY(bool row, read.step());
  if (!row) return std::nullopt;
  return read.text(0);
}

Result<> Settings::set(std::string_view name, std::string_view value) {
  return db_.prepare("INSERT OR REPLACE INTO setting VALUES(?,?)").bind(name).bind(value).run();
}

}  // namespace sonde::state

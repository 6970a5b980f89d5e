// The loggers by name, and levels set for names that no logger has used yet.
#pragma once

#include "sonde/log.h"

namespace sonde::inline v1 {

struct LoggerTable {
  // Adds a logger at its first line.
  static void list(Logger& logger) noexcept;
};

}  // namespace sonde::inline v1

// Logs on disk: storage::LogStore over part files.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/file_system.h"
#include "parts/options.h"
#include "storage/events.h"

namespace sonde::parts {

// kConflict when another process has the directory. `fs` and `clock` must outlive it. The destructor flushes
// and closes.
Result<std::unique_ptr<storage::LogStore>> open_log_store(FileSystem& fs, const Clock& clock,
                                                          PartsOptions options);

// Writes what is buffered as a part file now; what waits for the log first. Only for stores opened here.
Result<> flush_now(storage::LogStore& store);
// Commits what waits for the log, on the caller's thread: for stores without threads.
void commit_pending(storage::LogStore& store);

}  // namespace sonde::parts

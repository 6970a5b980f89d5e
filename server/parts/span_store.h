// Spans on disk: storage::SpanStore over part files.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/file_system.h"
#include "parts/options.h"
#include "storage/events.h"

namespace sonde::parts {

// kConflict when another process has the directory. `fs` and `clock` must outlive it. The destructor flushes
// and closes.
Result<std::unique_ptr<storage::SpanStore>> open_span_store(FileSystem& fs, const Clock& clock,
                                                            PartsOptions options);

// Writes what is buffered as a part file now; what waits for the log first. Only for stores opened here.
Result<> flush_now(storage::SpanStore& store);
// Commits what waits for the log, on the caller's thread: for stores without threads.
void commit_pending(storage::SpanStore& store);

// What a search list shows of a trace; `spans` are all of it. Exposed for the store in memory.
storage::TraceSummary summarize(const std::vector<Span>& spans);
// Whether one span fulfils everything that a search asks of a span, its time included.
bool span_matches(const Span& span, const storage::SpanSearch& search);

}  // namespace sonde::parts

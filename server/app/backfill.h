// An hour of made-up traffic before the demo began, so that its graphs have a past. Every series says
// synthetic="true".
#pragma once

#include "base/error.h"
#include "base/time.h"
#include "storage/batch.h"

namespace sonde::app {

// Writes samples every `step` within [from, to), and ends the series at `to`.
Result<> backfill_demo(storage::Appender& appender, Timestamp from, Timestamp to, Duration step);

}  // namespace sonde::app

// One exposition becomes one batch: target labels, relabelling, limits, staleness.
#pragma once

#include <string_view>

#include "base/error.h"
#include "scrape/job.h"
#include "scrape/series_cache.h"
#include "scrape/target.h"
#include "storage/batch.h"

namespace sonde::scrape {

struct IntakeCounts {
  uint64_t scraped = 0;  // samples in the exposition
  uint64_t after_relabeling = 0;
  uint64_t series_added = 0;
};

enum class ExpositionFormat : uint8_t { kText, kOpenMetrics };

// By Content-Type, else the job's fallback protocol. kInvalid when neither names a format that we read.
Result<ExpositionFormat> exposition_format(std::string_view content_type, const ScrapeJob& job);

// Parses `text` and adds its samples, exemplars and metadata to `batch`; vanished series get their stale
// marker at `now`. On failure `batch` holds what was read so far and must be discarded; `counts` are right
// either way.
Result<> take_exposition(std::string_view text, ExpositionFormat format, const ScrapeJob& job,
                         const Target& target, Timestamp now, SeriesCache& cache, storage::Batch& batch,
                         IntakeCounts& counts);

}  // namespace sonde::scrape

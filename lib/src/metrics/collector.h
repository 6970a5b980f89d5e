// The callbacks that add families at scrape time.
#pragma once

#include <mutex>

#include "sonde/registry.h"

namespace sonde::inline v1::detail {

// One scrape at a time; also what remove_collector() waits for.
std::mutex& scrape_mutex() noexcept;
// Under scrape_mutex().
void run_collectors(MetricSink& sink) noexcept;

}  // namespace sonde::inline v1::detail

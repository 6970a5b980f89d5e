// The standard metrics of the process and of the library itself.
#pragma once

#include "sonde/registry.h"

namespace sonde::inline v1::detail {

// process_*: names and meanings of the Prometheus client libraries; plus process_threads.
void collect_process(MetricSink& sink) noexcept;
// sonde_*: build, drops, overflows, conflicts.
void collect_self(MetricSink& sink) noexcept;

}  // namespace sonde::inline v1::detail

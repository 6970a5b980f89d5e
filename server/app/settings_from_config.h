// From configuration files to what the modules take: scrape jobs, Alertmanagers, receivers.
#pragma once

#include <vector>

#include "base/executor.h"
#include "config/prometheus_config.h"
#include "config/sonde_config.h"
#include "notify/alertmanager_client.h"
#include "notify/receivers/receiver.h"
#include "scrape/job.h"

namespace sonde::app {

// `fs` and `scheduler` must outlive the jobs. kUnsupported with file and line for settings that the HTTP
// client cannot do yet.
Result<std::vector<scrape::ScrapeJob>> scrape_jobs(const config::PrometheusConfig& config, FileSystem& fs,
                                                   Scheduler& scheduler);
Result<std::vector<notify::AlertmanagerTarget>> alertmanager_targets(const config::PrometheusConfig& config,
                                                                     const FileSystem& fs);
Result<std::vector<std::unique_ptr<notify::Receiver>>> receivers(const config::SondeConfig& config);

}  // namespace sonde::app

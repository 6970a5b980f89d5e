// One scrape_config, ready to run.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "discovery/discoverer.h"
#include "model/relabel.h"
#include "net/http_client.h"

namespace sonde::scrape {

// 0 means no limit, as in the configuration.
struct ScrapeLimits {
  uint64_t body_bytes_max = 0;
  uint64_t samples_max = 0;  // after relabelling
  uint64_t labels_max = 0;
  uint64_t label_name_bytes_max = 0;
  uint64_t label_value_bytes_max = 0;
  uint64_t targets_max = 0;
  uint64_t dropped_targets_kept_max = 0;
};

struct ScrapeJob {
  std::string name;
  Duration interval = Duration::minutes(1);
  Duration timeout = Duration::seconds(10);
  std::string scheme = "http";
  std::string metrics_path = "/metrics";
  std::vector<std::pair<std::string, std::vector<std::string>>> params;
  bool honor_labels = false;
  bool honor_timestamps = true;
  bool track_timestamps_staleness = false;
  bool compression = true;
  bool follow_redirects = true;
  bool extra_metrics = false;  // timeout, limit and body size as series
  RelabelRules relabel;
  RelabelRules metric_relabel;
  ScrapeLimits limits;
  std::vector<std::string>
      protocols;                  // names of scrape_protocols, in order of preference; empty: the default
  std::string fallback_protocol;  // for answers without a usable Content-Type; empty: such a scrape fails
  net::Headers headers;           // authorization and the like; never logged
  net::TlsClientOptions tls;
  // Made anew for each application of the configuration.
  std::vector<std::function<std::unique_ptr<discovery::Discoverer>()>> discoverers;
  // Differs whenever anything above does: an unchanged job keeps running over a reload.
  std::string fingerprint;
};

}  // namespace sonde::scrape

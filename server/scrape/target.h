// From what discovery found to what is scraped.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "discovery/target_group.h"
#include "scrape/job.h"

namespace sonde::scrape {

struct Target {
  LabelSet discovered;  // before relabelling, with __meta_*, __address__, …
  LabelSet labels;      // after it, without __*: what its series get
  std::string url;
  Duration interval;
  Duration timeout;

  // Equal targets keep their state over a change of discovery.
  std::string key() const { return url + '\xff' + std::string(labels.encoded()); }
};

struct DroppedTarget {
  LabelSet discovered;
};

struct TargetList {
  std::vector<Target> active;
  std::vector<DroppedTarget> dropped;
  std::vector<std::string> errors;  // targets that have no usable address, …
};

// Applies the job's defaults and relabelling. Targets with the same URL and labels are merged.
TargetList make_targets(const ScrapeJob& job, const std::vector<discovery::TargetGroup>& groups);

}  // namespace sonde::scrape

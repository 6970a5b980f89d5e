// A mechanism that knows whom to scrape.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/executor.h"
#include "base/file_system.h"
#include "discovery/target_group.h"

namespace sonde::discovery {

// Gets all groups of a discoverer, whenever they changed. Called on the scheduler's thread: be brief.
using OnGroups = std::function<void(std::vector<TargetGroup>)>;

class Discoverer {
 public:
  virtual ~Discoverer() = default;  // after it returned, no callback runs any more
  // Calls back once before it returns, then on changes. At most once.
  virtual void start(OnGroups on_groups) = 0;
  // Errors of the last refresh, naming file and reason; the groups found before stay in force.
  virtual std::vector<std::string> errors() const { return {}; }
};

std::unique_ptr<Discoverer> make_static_discoverer(std::vector<TargetGroup> groups);

struct FileDiscoveryOptions {
  std::vector<std::string> patterns;  // the last path element may have '*'
  Duration check_interval = Duration::seconds(5);
};
// Reads lists of {targets: [...], labels: {...}} from JSON or YAML files and follows their changes.
// `fs` and `scheduler` must outlive it.
std::unique_ptr<Discoverer> make_file_discoverer(FileSystem& fs, Scheduler& scheduler,
                                                 FileDiscoveryOptions options);

// The groups of one file. kInvalid with file and line.
Result<std::vector<TargetGroup>> parse_target_file(std::string_view text, const std::string& path);

}  // namespace sonde::discovery

#include "discovery/discoverer.h"

namespace sonde::discovery {
namespace {

class StaticDiscoverer final : public Discoverer {
 public:
  explicit StaticDiscoverer(std::vector<TargetGroup> groups) : groups_(std::move(groups)) {}
  void start(OnGroups on_groups) override { on_groups(groups_); }

 private:
  std::vector<TargetGroup> groups_;
};

}  // namespace

std::unique_ptr<Discoverer> make_static_discoverer(std::vector<TargetGroup> groups) {
  return std::make_unique<StaticDiscoverer>(std::move(groups));
}

}  // namespace sonde::discovery

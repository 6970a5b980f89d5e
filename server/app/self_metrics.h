// What the server says about itself on /metrics, made with libsonde.
#pragma once

#include <functional>
#include <memory>

#include "net/server.h"

namespace sonde::app {

// One figure, read at each scrape.
struct SelfMetric {
  enum class Kind : uint8_t { kCounter, kGauge };
  Kind kind = Kind::kCounter;
  std::string name;
  std::string help;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};
using SelfMetricSource = std::function<void(std::vector<SelfMetric>&)>;

// Threads: any. Metrics of equal name must follow each other in the source's list.
class SelfMetrics {
 public:
  explicit SelfMetrics(SelfMetricSource source);
  ~SelfMetrics();
  // Counts and times every request of the server.
  net::RequestObserver observer() const;
  // The handler of GET /metrics.
  net::Handler handler() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::app

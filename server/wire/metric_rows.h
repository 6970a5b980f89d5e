// Metrics as push protocols bring them in, flat: what a store's batch is made from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/labels.h"
#include "model/sample.h"

namespace sonde::wire {

struct MetricRows {
  struct Float {
    uint32_t series = 0;  // index into `series`
    Timestamp t;
    double v = 0;
    Timestamp start;  // 0: unknown
  };
  struct Histogram {
    uint32_t series = 0;
    Timestamp t;
    std::shared_ptr<const NativeHistogram> h;
    Timestamp start;
  };
  struct ExemplarOf {
    uint32_t series = 0;
    Exemplar exemplar;
  };
  struct MetadataOf {
    std::string family;
    Metadata metadata;
  };

  std::vector<LabelSet> series;  // a label set may occur more than once
  std::vector<Float> floats;
  std::vector<Histogram> histograms;
  std::vector<ExemplarOf> exemplars;
  std::vector<MetadataOf> metadata;

  // What was well-formed but cannot be stored: samples (data points) left out, and why the first one was.
  size_t rejected = 0;
  std::string rejection;

  uint32_t add_series(LabelSet labels) {
    series.push_back(std::move(labels));
    return static_cast<uint32_t>(series.size() - 1);
  }
  void reject(size_t count, std::string why) {
    if (count > 0 && rejected == 0) rejection = std::move(why);
    rejected += count;
  }
};

}  // namespace sonde::wire

// What discovery finds: addresses with labels, in groups that come and go together.
#pragma once

#include <string>
#include <vector>

#include "model/labels.h"

namespace sonde::discovery {

struct TargetGroup {
  std::string source;             // unique within a discoverer: file path and index, "static/0"
  std::vector<LabelSet> targets;  // each has __address__
  LabelSet labels;                // of all targets; a target's own win
};

}  // namespace sonde::discovery

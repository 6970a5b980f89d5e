// The notation of series in `.test` scripts and rule tests: metric{a="b"} 0+10x5 _ stale {{schema:0
// count:2}}.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "promql/value.h"

namespace sonde::promql {

// One position of a sequence: nothing, a float (perhaps the stale NaN) or a histogram.
struct SequenceValue {
  bool omitted = true;
  double v = 0;
  HistogramPtr h;
};

struct SeriesNotation {
  LabelSet labels;
  bool start_times = false;  // metric@st: `offsets` instead of values
  std::vector<SequenceValue> values;
  std::vector<std::optional<int64_t>> offsets;  // ms relative to each sample
};

// A metric with labels: name{a="b"}, {"utf8.name", a="b"}; empty braces are the empty set.
Result<LabelSet> parse_metric(std::string_view text);
// A whole line.
Result<SeriesNotation> parse_series_notation(std::string_view line);
// Values alone.
Result<std::vector<SequenceValue>> parse_sequence(std::string_view text);
// A number as it may stand in a sequence: decimal, Inf, NaN.
std::optional<double> parse_plain_number(std::string_view text);

}  // namespace sonde::promql

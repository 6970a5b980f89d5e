// What a query answers with.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/ast.h"

namespace sonde::promql {

using HistogramPtr = std::shared_ptr<const NativeHistogram>;

struct Scalar {
  Timestamp t;
  double v = 0;
};

struct String {
  Timestamp t;
  std::string v;
};

struct VectorSample {
  LabelSet labels;
  Timestamp t;
  double value = 0;        // when `histogram` is null
  HistogramPtr histogram;  // else
};
using Vector = std::vector<VectorSample>;

// Floats and histograms apart, each in order of time.
struct MatrixSeries {
  LabelSet labels;
  std::vector<Timestamp> float_times;
  std::vector<double> floats;
  std::vector<Timestamp> histogram_times;
  std::vector<HistogramPtr> histograms;
};
using Matrix = std::vector<MatrixSeries>;

using Value = std::variant<Scalar, String, Vector, Matrix>;
ValueType type_of(const Value& value);

// A remark on a query, rendered as Prometheus does: "PromQL warning: … (1:5)".
struct Annotation {
  std::string text;
  int32_t position = 0;  // byte offset into the query
};

struct QueryStats {
  uint64_t samples_read = 0;  // decoded from the store
  uint64_t samples_peak = 0;  // held at once
  uint64_t series_read = 0;
};

struct QueryResult {
  Value value;                       // a matrix is sorted by labels
  std::vector<Annotation> warnings;  // of the language, then of the store
  std::vector<Annotation> infos;
  QueryStats stats;
};

}  // namespace sonde::promql

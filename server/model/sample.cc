#include "model/sample.h"

#include <charconv>
#include <cmath>

namespace sonde {

const char* to_string(MetricType type) {
  switch (type) {
    case MetricType::kUnknown:
      return "unknown";
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
    case MetricType::kGaugeHistogram:
      return "gaugehistogram";
    case MetricType::kSummary:
      return "summary";
    case MetricType::kInfo:
      return "info";
    case MetricType::kStateset:
      return "stateset";
  }
  return "unknown";
}

MetricType metric_type_from(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(MetricType::kStateset); i++) {
    if (text == to_string(static_cast<MetricType>(i))) return static_cast<MetricType>(i);
  }
  return MetricType::kUnknown;
}

void append_value(std::string& out, double v) {
  if (std::isnan(v)) {
    out += "NaN";
    return;
  }
  if (std::isinf(v)) {
    out += v > 0 ? "+Inf" : "-Inf";
    return;
  }
  double magnitude = std::fabs(v);
  bool scientific = v != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
  char buf[400];
  auto r = std::to_chars(buf, buf + sizeof buf, v,
                         scientific ? std::chars_format::scientific : std::chars_format::fixed);
  out.append(buf, r.ptr);
}

std::string format_value(double v) {
  std::string out;
  append_value(out, v);
  return out;
}

}  // namespace sonde

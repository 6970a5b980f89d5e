#include "api/sonde_metrics.h"

#include <algorithm>

namespace sonde::api {

namespace {

std::string duration_text(Duration d) { return std::to_string(std::max<int64_t>(d.ms(), 1)) + "ms"; }

}  // namespace

std::string_view service_of(const LabelSet& labels) {
  for (std::string_view name : {"service", "service_name", "job"}) {
    if (std::string_view v = labels.get(name); !v.empty()) return v;
  }
  return {};
}

std::string series_text(const SeriesText& s) {
  auto one = [&](const std::string& more) {
    std::string matchers(s.matchers);
    if (!matchers.empty() && !more.empty()) matchers += ",";
    std::string text = std::string(s.metric) + "{" + matchers + more + "}";
    if (s.range.ns == 0) return text;
    return std::string(s.function) + "(" + text + "[" + duration_text(s.range) + "])";
  };
  if (s.service.empty()) return one("");
  std::string name = quote(s.service);
  return "(" + one("service=" + name) + " or " + one("service=\"\",service_name=" + name) + " or " +
         one("service=\"\",service_name=\"\",job=" + name) + ")";
}

std::string sum_by_service(std::string_view expr, std::string_view by) {
  std::string more = by.empty() ? std::string() : ", " + std::string(by);
  // Summed first by what names the service: label_replace then has few series to rewrite.
  std::string out = "sum by (job, service_name, service" + more + ") (" + std::string(expr) + ")";
  for (const char* label : {"job", "service_name", "service"}) {
    out = "label_replace(" + out + ", \"sonde_service\", \"$1\", \"" + label + "\", \"(.+)\")";
  }
  return "sum by (sonde_service" + more + ") (" + out + ")";
}

Duration scrape_interval_guess(const scrape::Manager& scrape) {
  std::vector<int64_t> intervals;
  for (const auto& pool : scrape.pools()) {
    for (const auto& target : pool.active) {
      if (target.interval.ns > 0) intervals.push_back(target.interval.ns);
    }
  }
  if (intervals.empty()) return Duration::seconds(15);
  auto middle = intervals.begin() + static_cast<std::ptrdiff_t>(intervals.size() / 2);
  std::nth_element(intervals.begin(), middle, intervals.end());
  return {*middle};
}

Grid grid_of(const Window& window, size_t points_max, Duration scrape_interval) {
  Grid g;
  int64_t steps = static_cast<int64_t>(points_max) - 1;
  int64_t step = std::max({window.length().ms() / steps, scrape_interval.ms(), int64_t{1000}});
  step = (step + 999) / 1000 * 1000;
  if (window.length().ms() / step > steps) step += 1000;
  g.step = Duration::milliseconds(step);
  // The last point is the window's end: that is "now" for most. The others follow from it.
  g.end = window.end;
  g.start = window.end - g.step * std::min(window.length().ms() / step, steps);
  g.range = std::max(scrape_interval * 4, g.step);
  return g;
}

Result<promql::Vector> MetricReader::instant(const std::string& query, Timestamp t) const {
  SONDE_TRY(auto result, context_.engine.instant(query, t, {{}, cancel_, {}}));
  if (auto* vector = std::get_if<promql::Vector>(&result.value)) return std::move(*vector);
  return fail(ErrorCode::kInternal, "query " + query + ": the result is not a vector");
}

Result<promql::Matrix> MetricReader::range(const std::string& query, const Grid& grid) const {
  SONDE_TRY(auto result, context_.engine.range(query, grid.start, grid.end, grid.step, {{}, cancel_, {}}));
  if (auto* matrix = std::get_if<promql::Matrix>(&result.value)) return std::move(*matrix);
  return fail(ErrorCode::kInternal, "query " + query + ": the result is not a matrix");
}

Points points_of(const promql::MatrixSeries& series) {
  Points out;
  for (size_t i = 0; i < series.floats.size(); i++) {
    out.emplace_back(series.float_times[i], series.floats[i]);
  }
  return out;
}

Result<std::map<std::string, Points>> MetricReader::lines_by_service(const std::string& query,
                                                                     const Grid& grid) const {
  SONDE_TRY(auto matrix, range(query, grid));
  std::map<std::string, Points> out;
  for (const auto& series : matrix) {
    std::string_view service = series.labels.get(kServiceLabel);
    if (!service.empty()) out[std::string(service)] = points_of(series);
  }
  return out;
}

Result<std::map<std::string, double>> MetricReader::values_by_service(const std::string& query,
                                                                      Timestamp t) const {
  SONDE_TRY(auto vector, instant(query, t));
  std::map<std::string, double> out;
  for (const auto& sample : vector) {
    std::string_view service = sample.labels.get(kServiceLabel);
    if (!service.empty() && !sample.histogram) out[std::string(service)] = sample.value;
  }
  return out;
}

}  // namespace sonde::api

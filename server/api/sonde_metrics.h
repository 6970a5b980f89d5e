// PromQL as sonde's own API uses it: a constant number of queries a page, grouped by service.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/sonde_context.h"
#include "api/sonde_json.h"
#include "api/sonde_parameters.h"

namespace sonde::api {

// The label that grouped queries carry the service in.
inline constexpr std::string_view kServiceLabel = "sonde_service";

// `service` or `service_name`, else `job`; may be empty.
std::string_view service_of(const LabelSet& labels);

// name{matchers} of one service, three ways joined with `or`, inside `function(…[range])`; every service when
// `service` is empty. `range` 0: an instant selector without a function.
struct SeriesText {
  std::string_view metric;
  std::string_view matchers = {};  // `a="b"`, or nothing
  std::string_view service = {};
  std::string_view function = "rate";
  Duration range = {};
};
std::string series_text(const SeriesText& s);

// sum by (sonde_service, by…) (expr), where the service of a series follows from its labels. `by` is a list
// with commas.
std::string sum_by_service(std::string_view expr, std::string_view by = {});

// The interval at which most targets are scraped; 15 s when nothing is.
Duration scrape_interval_guess(const scrape::Manager& scrape);

// Of a sparkline or chart: at most `points_max` steps over the window, on whole multiples of the step.
struct Grid {
  Timestamp start;
  Timestamp end;
  Duration step;
  Duration range;  // of rate(): four scrape intervals, at least a step
};
Grid grid_of(const Window& window, size_t points_max, Duration scrape_interval);

// One request's view of the metrics.
class MetricReader {
 public:
  MetricReader(const SondeContext& context, Cancellation cancel)
      : context_(context), cancel_(std::move(cancel)) {}

  Result<promql::Vector> instant(const std::string& query, Timestamp t) const;
  Result<promql::Matrix> range(const std::string& query, const Grid& grid) const;
  // Of a query grouped by service alone.
  Result<std::map<std::string, Points>> lines_by_service(const std::string& query, const Grid& grid) const;
  Result<std::map<std::string, double>> values_by_service(const std::string& query, Timestamp t) const;

 private:
  const SondeContext& context_;
  Cancellation cancel_;
};

Points points_of(const promql::MatrixSeries& series);

}  // namespace sonde::api

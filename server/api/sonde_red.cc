#include "api/sonde_red.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sonde::api {

namespace {

struct Family {
  std::string_view count;
  std::vector<std::string_view> errors;  // matchers; each tells failures by another label
  std::string_view buckets;
};

const std::vector<Family>& families() {
  static const std::vector<Family> list{
      {"http_server_request_duration_seconds_count",
       {R"(http_response_status_code=~"5..")"},
       "http_server_request_duration_seconds_bucket"},
      {"http_requests_total",
       {R"(status=~"5..")", R"(code=~"5..")", R"(status_code=~"5..")"},
       "http_request_duration_seconds_bucket"},
      {"http_request_duration_seconds_count",
       {R"(status=~"5..")", R"(code=~"5..")", R"(status_code=~"5..")"},
       ""},
      {"rpc_server_call_duration_seconds_count",
       {R"(error_type!="")"},
       "rpc_server_call_duration_seconds_bucket"},
      {"grpc_server_handled_total",
       {R"(grpc_code=~"Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss")"},
       "grpc_server_handling_seconds_bucket"},
  };
  return list;
}

// Of an exponential histogram, as OTLP brings it.
constexpr std::string_view kNative = "http_server_request_duration_seconds";

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) {
    if (!out.empty()) out += " or on (sonde_service) ";
    out += part;
  }
  return out;
}

std::string rates(std::string_view metric, std::string_view matchers, const RedQuery& q) {
  return series_text({metric, matchers, q.service, "rate", q.range});
}

}  // namespace

std::string rate_text(const RedQuery& q) {
  std::vector<std::string> parts;
  for (const auto& f : families()) parts.push_back(sum_by_service(rates(f.count, "", q), q.by));
  parts.push_back("histogram_count(" + sum_by_service(rates(kNative, "", q), q.by) + ")");
  return join(parts);
}

std::string errors_text(const RedQuery& q) {
  std::vector<std::string> parts;
  for (const auto& f : families()) {
    std::string any;
    for (auto matchers : f.errors) any += (any.empty() ? "" : " or ") + rates(f.count, matchers, q);
    parts.push_back(sum_by_service(any, q.by));
  }
  parts.push_back("histogram_count(" + sum_by_service(rates(kNative, families()[0].errors[0], q), q.by) +
                  ")");
  return join(parts);
}

std::string quantile_text(double quantile, const RedQuery& q) {
  std::string by = q.by.empty() ? "le" : "le, " + std::string(q.by);
  std::string head = "histogram_quantile(" + format_value(quantile) + ", ";
  std::vector<std::string> parts;
  for (const auto& f : families()) {
    if (!f.buckets.empty()) parts.push_back(head + sum_by_service(rates(f.buckets, "", q), by) + ")");
  }
  parts.push_back(head + sum_by_service(rates(kNative, "", q), q.by) + ")");
  return join(parts);
}

double quantile_of(std::vector<float>& seconds, double q) {
  if (seconds.empty()) return std::numeric_limits<double>::quiet_NaN();
  double rank = std::ceil(q * static_cast<double>(seconds.size())) - 1;
  auto at = seconds.begin() + static_cast<std::ptrdiff_t>(std::max(rank, 0.0));
  std::nth_element(seconds.begin(), at, seconds.end());
  return static_cast<double>(*at);
}

Result<SpanRedResult> red_of_spans(const SondeContext& context, const Cancellation& cancel, const Grid& grid,
                                   const std::set<std::string>& wanted) {
  SpanRedResult out;
  if (wanted.empty()) return out;
  int64_t steps = (grid.end - grid.start).ms() / grid.step.ms();
  storage::SpanSelect select;
  if (wanted.size() == 1) select.service = *wanted.begin();
  select.from = EventTime::from_timestamp(grid.start - grid.step);
  select.to = EventTime::from_timestamp(grid.end);
  size_t seen = 0;
  SONDE_CHECK(context.spans.scan({}, select, cancel, [&](const Span& span) {
    if (++seen > kSpansScannedMax) {
      out.truncated = true;
      return false;
    }
    if (span.kind != SpanKind::kServer && span.kind != SpanKind::kConsumer) return true;
    if (!wanted.contains(span.service)) return true;
    int64_t bin = (span.start.to_timestamp() - (grid.start - grid.step)).ms() / grid.step.ms();
    if (bin < 0 || bin > steps) return true;
    auto& bins = out.services[span.service].bins;
    if (bins.empty()) bins.resize(static_cast<size_t>(steps) + 1);
    auto& b = bins[static_cast<size_t>(bin)];
    b.calls++;
    if (span.status == SpanStatus::kError) b.errors++;
    b.seconds.push_back(static_cast<float>(span.duration().to_seconds()));
    return true;
  }));
  return out;
}

}  // namespace sonde::api

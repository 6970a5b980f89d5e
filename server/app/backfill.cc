#include "app/backfill.h"

#include <array>
#include <cmath>

#include "base/random.h"

namespace sonde::app {
namespace {

constexpr std::array<double, 14> kBounds{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                         0.5,   0.75, 1,     2.5,  5,     7.5, 10};
constexpr std::array<const char*, 15> kBoundTexts{"0.005", "0.01", "0.025", "0.05", "0.075",
                                                  "0.1",   "0.25", "0.5",   "0.75", "1.0",
                                                  "2.5",   "5.0",  "7.5",   "10.0", "+Inf"};

struct Endpoint {
  const char* job;
  const char* instance;
  const char* method;
  const char* route;
  double rate;     // requests per second
  double typical;  // seconds
};
constexpr Endpoint kEndpoints[] = {
    {"web", "127.0.0.1:8081", "POST", "/checkout", 8, 0.018},
    {"web", "127.0.0.1:8081", "GET", "/products/{sku}", 12, 0.006},
    {"orders", "127.0.0.1:8082", "POST", "/orders", 8, 0.012},
    {"stock", "127.0.0.1:8083", "POST", "/stock/{sku}/reserve", 8, 0.004},
    {"stock", "127.0.0.1:8083", "GET", "/stock/{sku}", 12, 0.002},
};

// A slow wave with noise: traffic as it is at a small shop.
double load_at(Timestamp t, Random& random) {
  return 1 + 0.3 * std::sin(static_cast<double>(t.ms) / 1000 / 3600 * 6.283) + 0.15 * (random.unit() - 0.5);
}

// Log-normal around `typical`; the share of observations at or below `bound`.
double share_below(double bound, double typical) {
  return 0.5 * std::erfc(-std::log(bound / typical) / (0.7 * std::sqrt(2.0)));
}

struct Cumulative {
  double requests = 0;
  double errors = 0;
  double sum = 0;
  std::array<double, 15> buckets{};
};

}  // namespace

Result<> backfill_demo(storage::Appender& appender, Timestamp from, Timestamp to, Duration step) {
  Random random(20260101);  // every demo has the same past
  std::array<Cumulative, std::size(kEndpoints)> state;
  for (Timestamp t = from; t <= to; t = t + step) {
    bool end = t + step > to;
    storage::Batch batch;
    batch.source = "demo";
    double load = load_at(t, random);
    auto add = [&](const LabelSet& labels, double v) {
      batch.add_float(batch.add_series(labels), t, end ? stale_nan() : v);
    };
    for (size_t i = 0; i < state.size(); i++) {
      const Endpoint& e = kEndpoints[i];
      Cumulative& c = state[i];
      double n = std::floor(e.rate * load * step.to_seconds());
      double errors = random.chance(0.03) ? 1 : 0;
      c.requests += n - errors;
      c.errors += errors;
      c.sum += n * e.typical * 1.28;
      for (size_t b = 0; b < kBounds.size(); b++)
        c.buckets[b] += std::round(n * share_below(kBounds[b], e.typical));
      c.buckets[14] += n;
      for (const auto& [code, count] :
           {std::pair<const char*, double>{"200", c.requests}, {"500", c.errors}}) {
        add(LabelSet{{"__name__", "http_requests_total"},
                     {"job", e.job},
                     {"instance", e.instance},
                     {"method", e.method},
                     {"endpoint", e.route},
                     {"status", code},
                     {"synthetic", "true"}},
            count);
      }
      LabelSet base{{"job", e.job},
                    {"instance", e.instance},
                    {"http_request_method", e.method},
                    {"http_route", e.route},
                    {"http_response_status_code", "200"},
                    {"url_scheme", "http"},
                    {"synthetic", "true"}};
      for (size_t b = 0; b < kBoundTexts.size(); b++) {
        add(LabelBuilder(base)
                .set(kMetricName, "http_server_request_duration_seconds_bucket")
                .set("le", kBoundTexts[b])
                .build(),
            c.buckets[b]);
      }
      add(LabelBuilder(base).set(kMetricName, "http_server_request_duration_seconds_count").build(),
          c.buckets[14]);
      add(LabelBuilder(base).set(kMetricName, "http_server_request_duration_seconds_sum").build(), c.sum);
    }
    if (auto done = storage::commit_and_wait(appender, std::move(batch)); !done) return fail(done.error());
  }
  return {};
}

}  // namespace sonde::app

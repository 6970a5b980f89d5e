// Counting, looking up, observing, and the page that is scraped.
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "library/rounds.h"
#include "sonde/counter.h"
#include "sonde/expose.h"
#include "sonde/histogram.h"
#include "sonde/registry.h"

namespace bench {
namespace {

constexpr int kOperations = 200'000;
constexpr int kPageSeries = 10'000;
constexpr const char* kPeer = "prometheus-cpp";

constinit sonde::Counter<"bench_events_total"> g_events{{.help = "Events"}};
constinit sonde::Counter<"bench_requests_total", "method", "endpoint", "status"> g_requests{
    {.help = "Requests"}};
constinit sonde::Histogram<"bench_duration_seconds"> g_duration{{.help = "Durations"}};

struct Request {
  std::string method, endpoint, status;
};
const std::array<Request, 8> kRequests{{{"GET", "/users/{id}", "200"},
                                        {"GET", "/users/{id}", "404"},
                                        {"GET", "/orders", "200"},
                                        {"POST", "/orders", "201"},
                                        {"POST", "/orders", "409"},
                                        {"POST", "/login", "204"},
                                        {"GET", "/products/{sku}", "200"},
                                        {"DELETE", "/orders/{id}", "204"}}};

// Spread over the buckets, the same for both sides.
std::array<double, 64> durations() {
  std::array<double, 64> out{};
  double v = 0.0007;
  for (double& d : out) {
    d = v;
    v *= 1.17;
    if (v > 12) v = 0.0011;
  }
  return out;
}

void counter(prometheus::Registry& registry) {
  auto handle = g_events.bind();
  auto& theirs =
      prometheus::BuildCounter().Name("bench_events_total").Help("Events").Register(registry).Add({});
  run({.name = "counter_inc",
       .unit = "ns",
       .peer_name = kPeer,
       .operations = kOperations,
       .ours =
           [&] {
             for (int i = 0; i < kOperations; i++) {
               handle.inc();
               keep();
             }
           },
       .peer =
           [&] {
             for (int i = 0; i < kOperations; i++) {
               theirs.Increment();
               keep();
             }
           }});
}

void lookup(prometheus::Registry& registry) {
  auto& family = prometheus::BuildCounter().Name("bench_requests_total").Help("Requests").Register(registry);
  run({.name = "counter_lookup_3_labels_inc",
       .unit = "ns",
       .peer_name = kPeer,
       .operations = kOperations / 4,
       .ours =
           [&] {
             for (int i = 0; i < kOperations / 4; i++) {
               const Request& r = kRequests[static_cast<size_t>(i) % kRequests.size()];
               g_requests(r.method, r.endpoint, r.status).inc();
             }
           },
       .peer =
           [&] {
             for (int i = 0; i < kOperations / 4; i++) {
               const Request& r = kRequests[static_cast<size_t>(i) % kRequests.size()];
               family.Add({{"method", r.method}, {"endpoint", r.endpoint}, {"status", r.status}}).Increment();
             }
           }});
}

void histogram(prometheus::Registry& registry) {
  const auto values = durations();
  const auto& buckets = sonde::http_buckets;
  prometheus::Histogram::BucketBoundaries bounds(buckets.bounds, buckets.bounds + buckets.count);
  auto handle = g_duration.bind();
  auto& theirs = prometheus::BuildHistogram()
                     .Name("bench_duration_seconds")
                     .Help("Durations")
                     .Register(registry)
                     .Add({}, bounds);
  run({.name = "histogram_observe",
       .unit = "ns",
       .peer_name = kPeer,
       .operations = kOperations,
       .ours =
           [&] {
             for (int i = 0; i < kOperations; i++) {
               handle.observe(values[static_cast<size_t>(i) % values.size()]);
               keep();
             }
           },
       .peer =
           [&] {
             for (int i = 0; i < kOperations; i++) {
               theirs.Observe(values[static_cast<size_t>(i) % values.size()]);
               keep();
             }
           }});
}

void page() {
  prometheus::Registry registry;
  auto& family = prometheus::BuildCounter().Name("bench_page_total").Help("A big family").Register(registry);
  sonde::CounterFamily ours("bench_page_total", "A big family", {"customer", "region"}, 2 * kPageSeries);
  const std::array<std::string, 4> regions{"eu-central", "eu-west", "us-east", "us-west"};
  for (int i = 0; i < kPageSeries; i++) {
    std::string customer = "customer-" + std::to_string(i);
    const std::string& region = regions[static_cast<size_t>(i) % regions.size()];
    auto n = static_cast<unsigned>(i) * 7919U % 1'000'003U;
    ours.with({customer, region}).inc(n);
    family.Add({{"customer", customer}, {"region", region}}).Increment(n);
  }
  size_t bytes = 0;
  run({.name = "expose_10k_series",
       .unit = "ms",
       .peer_name = kPeer,
       .rounds = 15,
       .operations = 1e6,  // nanoseconds to milliseconds
       .ours = [&] { bytes += sonde::expose().body.size(); },
       .peer = [&] { bytes += prometheus::TextSerializer().Serialize(registry.Collect()).size(); }});
  if (bytes == 0) std::fputs("library_bench: empty pages\n", stderr);
}

}  // namespace

void metric_contests(std::string_view only) {
  prometheus::Registry registry;
  if (selected(only, "counter_inc")) counter(registry);
  if (selected(only, "counter_lookup_3_labels_inc")) lookup(registry);
  if (selected(only, "histogram_observe")) histogram(registry);
  if (selected(only, "expose_10k_series")) page();
}

}  // namespace bench

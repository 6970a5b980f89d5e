#include "app/self_metrics.h"

#include <sonde/counter.h>
#include <sonde/expose.h>
#include <sonde/histogram.h>
#include <sonde/registry.h>

namespace sonde::app {
namespace {

constinit Counter<"sonde_http_requests_total", "handler", "method", "code"> requests{
    {.help = "HTTP requests answered by the server."}};
constinit Histogram<"sonde_http_request_duration_seconds", "handler"> durations{
    {.help = "Time to answer HTTP requests."}};
constinit Counter<"sonde_http_request_bytes_total", "handler"> request_bytes{
    {.help = "Bytes of HTTP request bodies, as sent."}};
constinit Counter<"sonde_http_response_bytes_total", "handler"> response_bytes{
    {.help = "Bytes of HTTP answers, as sent."}};

}  // namespace

struct SelfMetrics::State {
  SelfMetricSource source;
  Registration registration;
};

SelfMetrics::SelfMetrics(SelfMetricSource source) : state_(std::make_unique<State>()) {
  state_->source = std::move(source);
  state_->registration = register_collector([s = state_.get()](MetricSink& sink) {
    std::vector<SelfMetric> metrics;
    s->source(metrics);
    std::string_view last;
    for (const SelfMetric& m : metrics) {
      if (m.name != last)
        sink.family(m.kind == SelfMetric::Kind::kCounter ? MetricKind::kCounter : MetricKind::kGauge, m.name,
                    m.help);
      last = m.name;
      std::vector<Label> labels;
      for (const auto& [name, value] : m.labels) labels.push_back({name, value});
      sink.value(std::span<const Label>(labels), m.value);
    }
  });
}

SelfMetrics::~SelfMetrics() = default;

net::RequestObserver SelfMetrics::observer() const {
  return [](const net::RequestRecord& r) {
    // Methods are folded: their text is the client's.
    bool known = r.method == "GET" || r.method == "POST" || r.method == "PUT" || r.method == "HEAD" ||
                 r.method == "DELETE" || r.method == "OPTIONS";
    requests(r.route, known ? std::string_view(r.method) : "_OTHER", std::to_string(r.status)).inc();
    durations(r.route).observe_ns(r.duration.ns);
    request_bytes(r.route).inc(r.request_bytes);
    response_bytes(r.route).inc(r.response_bytes);
  };
}

net::Handler SelfMetrics::handler() const {
  return [](net::Request& request, std::shared_ptr<net::ResponseWriter> response) {
    Exposition page = expose(request.headers.get("Accept"));
    response->send(200, page.content_type, page.body);
  };
}

}  // namespace sonde::app

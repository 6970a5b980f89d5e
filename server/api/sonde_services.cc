#include "api/sonde_services.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace sonde::api {

namespace {

constexpr size_t kInstancesMax = 500;
constexpr size_t kChecksMax = 500;
constexpr size_t kEndpointsMax = 100;

// Points of `errors` over those of `rates`; a step without failures counts as 0.
Points ratios(const Points& errors, const Points& rates) {
  std::map<int64_t, double> by_time;
  for (const auto& [t, v] : errors) by_time[t.ms] = v;
  Points out;
  for (const auto& [t, rate] : rates) {
    auto it = by_time.find(t.ms);
    if (rate > 0) out.emplace_back(t, it == by_time.end() ? 0 : it->second / rate);
  }
  return out;
}

// The last value, if it is from the end of the grid.
double last_of(const Points& points, const Grid& grid) {
  if (points.empty() || points.back().first + grid.step * 2 <= grid.end) return kUnknownNumber;
  return points.back().second;
}

void add_span_red(ServiceRow& row, SpanRed& red, const Grid& grid) {
  std::vector<float> all;
  uint64_t calls = 0;
  uint64_t errors = 0;
  double step = grid.step.to_seconds();
  for (size_t i = 0; i < red.bins.size(); i++) {
    auto& bin = red.bins[i];
    Timestamp t = grid.start + grid.step * static_cast<int64_t>(i);
    row.spark_rate.emplace_back(t, static_cast<double>(bin.calls) / step);
    calls += bin.calls;
    errors += bin.errors;
    if (bin.calls == 0) continue;
    row.spark_errors.emplace_back(t, static_cast<double>(bin.errors) / static_cast<double>(bin.calls));
    all.insert(all.end(), bin.seconds.begin(), bin.seconds.end());
    row.spark_p95.emplace_back(t, quantile_of(bin.seconds, 0.95));
  }
  if (calls == 0) return;
  row.rate = static_cast<double>(calls) / (step * static_cast<double>(red.bins.size()));
  row.error_ratio = static_cast<double>(errors) / static_cast<double>(calls);
  row.p50 = quantile_of(all, 0.5);
  row.p95 = quantile_of(all, 0.95);
}

// Rows by name, bounded.
class RowTable {
 public:
  RowTable(ServiceRows& out, const std::string& only) : out_(out), only_(only) {}
  // Null for a service that is not asked for, or one too many.
  ServiceRow* find_or_add(std::string_view service, const char* source) {
    if (service.empty() || (!only_.empty() && service != only_)) return nullptr;
    auto it = out_.rows.find(std::string(service));
    if (it == out_.rows.end()) {
      if (out_.rows.size() >= kServicesMax) {
        out_.truncated = true;
        return nullptr;
      }
      it = out_.rows.emplace(std::string(service), ServiceRow{}).first;
      it->second.service = std::string(service);
    }
    it->second.sources.insert(source);
    return &it->second;
  }

 private:
  ServiceRows& out_;
  const std::string& only_;
};

void write_row(wire::JsonWriter& w, const ServiceRow& r) {
  w.begin_object();
  w.field("service", r.service);
  add_strings(w, "sources", {r.sources.begin(), r.sources.end()});
  add_number(w, "rate", r.rate);
  add_number(w, "error_ratio", r.error_ratio);
  add_number(w, "p50", r.p50);
  add_number(w, "p95", r.p95);
  w.key("spark").begin_object();
  add_points(w, "rate", r.spark_rate);
  add_points(w, "errors", r.spark_errors);
  add_points(w, "p95", r.spark_p95);
  w.end_object();
  w.key("instances").begin_object();
  add_count(w, "up", r.up);
  add_count(w, "down", r.down);
  w.end_object();
  w.field("health", r.health());
  w.key("checks").begin_object();
  add_count(w, "ok", r.checks_ok);
  add_count(w, "failing", r.checks_failing);
  w.end_object();
  w.key("alerts").begin_object();
  add_count(w, "firing", r.firing);
  add_count(w, "pending", r.pending);
  w.end_object();
  if (!r.version.empty()) w.field("version", r.version);
  w.end_object();
}

// f(alert) for every active one.
template <class F>
void each_alert(const rules::Manager& rules, F&& f) {
  for (const auto& group : rules.groups()) {
    for (const auto& rule : group.rules) {
      for (const auto& alert : rule.alerts) f(alert);
    }
  }
}

std::string instance_key(const LabelSet& labels) {
  return std::string(labels.get("job")) + '\0' + std::string(labels.get("instance"));
}

std::string_view first_label(const LabelSet& labels, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string_view v = labels.get(name); !v.empty()) return v;
  }
  return {};
}

struct Endpoint {
  std::string method;
  std::string route;
  double rate = 0;
  double errors = 0;
  double p50 = kUnknownNumber;
  double p95 = kUnknownNumber;
  double p99 = kUnknownNumber;
};
using EndpointKey = std::pair<std::string, std::string>;
using Endpoints = std::map<EndpointKey, Endpoint>;

EndpointKey endpoint_of(const LabelSet& labels) {
  std::string method(first_label(labels, {"http_request_method", "method", "rpc_method", "grpc_method"}));
  std::string route(first_label(
      labels, {"http_route", "endpoint", "route", "handler", "path", "rpc_service", "grpc_service"}));
  return {std::move(method), std::move(route)};
}

Result<Endpoints> endpoints_of_metrics(const MetricReader& reader, Timestamp t, Duration range,
                                       const std::string& service) {
  Endpoints out;
  RedQuery q{range, service, kEndpointLabels};
  auto add = [&](const std::string& text, auto&& set) -> Result<> {
    SONDE_TRY(auto vector, reader.instant(text, t));
    for (const auto& sample : vector) {
      EndpointKey key = endpoint_of(sample.labels);
      auto& e = out[key];
      e.method = key.first;
      e.route = key.second;
      set(e, sample.value);
    }
    return {};
  };
  SONDE_CHECK(add(rate_text(q), [](Endpoint& e, double v) { e.rate += v; }));
  if (out.empty()) return out;
  Endpoints known = out;
  SONDE_CHECK(add(errors_text(q), [](Endpoint& e, double v) { e.errors += v; }));
  SONDE_CHECK(add(quantile_text(0.5, q), [](Endpoint& e, double v) { e.p50 = v; }));
  SONDE_CHECK(add(quantile_text(0.95, q), [](Endpoint& e, double v) { e.p95 = v; }));
  SONDE_CHECK(add(quantile_text(0.99, q), [](Endpoint& e, double v) { e.p99 = v; }));
  // Durations and errors of another family of metrics than the rates do not make an endpoint.
  std::erase_if(out, [&](const auto& entry) { return !known.contains(entry.first); });
  return out;
}

struct SpanIdHash {
  size_t operator()(const SpanId& id) const {
    return static_cast<size_t>(hash_bytes({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()}));
  }
};

// What the spans of a window tell of one service: who calls it, whom it calls, and its endpoints.
struct SpanPicture {
  std::set<std::string> callers;
  std::set<std::string> callees;
  Endpoints endpoints;
  bool truncated = false;
};

Result<SpanPicture> picture_of_spans(const SondeContext& context, const Cancellation& cancel,
                                     const Window& window, const std::string& service) {
  SpanPicture out;
  struct Seen {
    uint32_t service;
    SpanId parent;
  };
  std::vector<std::string> names;
  std::unordered_map<std::string, uint32_t> index;
  std::unordered_map<SpanId, uint32_t, SpanIdHash> service_of_span;
  std::vector<Seen> children;
  std::map<EndpointKey, std::vector<float>> seconds;
  storage::SpanSelect select;
  select.from = window.from();
  select.to = window.to();
  size_t seen = 0;
  SONDE_CHECK(context.spans.scan({}, select, cancel, [&](const Span& span) {
    if (++seen > kSpansScannedMax) {
      out.truncated = true;
      return false;
    }
    auto [it, added] = index.emplace(span.service, static_cast<uint32_t>(names.size()));
    if (added) names.push_back(span.service);
    service_of_span[span.span_id] = it->second;
    if (!span.parent_id.empty()) children.push_back({it->second, span.parent_id});
    if (span.service == service && span.kind == SpanKind::kServer) {
      std::string method(string_attribute(span.attributes, "http.request.method"));
      std::string route(string_attribute(span.attributes, "http.route"));
      EndpointKey key{method, route.empty() ? span.name : route};
      auto& e = out.endpoints[key];
      e.method = key.first;
      e.route = key.second;
      e.rate += 1;
      if (span.status == SpanStatus::kError) e.errors += 1;
      seconds[key].push_back(static_cast<float>(span.duration().to_seconds()));
    }
    return true;
  }));
  for (const Seen& child : children) {
    auto parent = service_of_span.find(child.parent);
    if (parent == service_of_span.end() || parent->second == child.service) continue;
    if (names[child.service] == service) out.callers.insert(names[parent->second]);
    if (names[parent->second] == service) out.callees.insert(names[child.service]);
  }
  double length = std::max(window.seconds(), 1.0);
  for (auto& [key, e] : out.endpoints) {
    auto& list = seconds[key];
    e.p50 = quantile_of(list, 0.5);
    e.p95 = quantile_of(list, 0.95);
    e.p99 = quantile_of(list, 0.99);
    e.rate /= length;
    e.errors /= length;
  }
  return out;
}

Result<> write_instances(wire::JsonWriter& w, const MetricReader& reader, Timestamp t,
                         const std::string& name, const std::string& version) {
  SONDE_TRY(auto up, reader.instant(series_text({"up", "", name}), t));
  SONDE_TRY(auto starts, reader.instant("process_start_time_seconds", t));
  SONDE_TRY(auto infos, reader.instant("target_info", t));
  std::map<std::string, double> start_of;
  for (const auto& s : starts) start_of[instance_key(s.labels)] = s.value;
  std::map<std::string, std::string> version_of;
  for (const auto& s : infos) version_of[instance_key(s.labels)] = s.labels.get("service_version");
  w.key("instances").begin_array();
  size_t count = 0;
  for (const auto& sample : up) {
    if (++count > kInstancesMax) break;
    std::string key = instance_key(sample.labels);
    w.begin_object();
    w.field("instance", sample.labels.get("instance"));
    w.field("job", sample.labels.get("job"));
    w.field("up", sample.value == 1);
    auto v = version_of.find(key);
    std::string_view text = v != version_of.end() && !v->second.empty() ? v->second : version;
    if (!text.empty() && sample.value == 1) w.field("version", text);
    if (auto it = start_of.find(key); it != start_of.end()) add_number(w, "start_time", it->second);
    w.end_object();
  }
  w.end_array();
  return {};
}

Result<> write_checks(wire::JsonWriter& w, const MetricReader& reader, const Grid& grid,
                      const std::string& name) {
  SONDE_TRY(auto matrix, reader.range(series_text({"sonde_health_check_status", "", name}), grid));
  w.key("checks").begin_array();
  size_t count = 0;
  for (const auto& series : matrix) {
    const auto& values = series.floats;
    // What ended before the window's end is no longer a check.
    if (values.empty() || series.float_times.back() + grid.step * 2 <= grid.end) continue;
    if (++count > kChecksMax) break;
    size_t since = values.size() - 1;
    while (since > 0 && values[since - 1] == values.back()) since--;
    w.begin_object();
    w.field("group", series.labels.get("group"));
    w.field("check", series.labels.get("check"));
    w.field("status", values.back() == 1 ? "ok" : "failing");
    add_number(w, "since", to_seconds(series.float_times[since]));
    w.field("instance", series.labels.get("instance"));
    w.end_object();
  }
  w.end_array();
  return {};
}

void write_endpoints(wire::JsonWriter& w, const Endpoints& endpoints) {
  std::vector<const Endpoint*> list;
  for (const auto& [key, e] : endpoints) list.push_back(&e);
  std::stable_sort(list.begin(), list.end(),
                   [](const Endpoint* a, const Endpoint* b) { return a->rate > b->rate; });
  if (list.size() > kEndpointsMax) list.resize(kEndpointsMax);
  w.key("endpoints").begin_array();
  for (const Endpoint* e : list) {
    w.begin_object();
    w.field("method", e->method);
    w.field("route", e->route);
    add_number(w, "rate", e->rate);
    add_number(w, "error_ratio", e->rate > 0 ? e->errors / e->rate : 0);
    add_number(w, "p50", e->p50);
    add_number(w, "p95", e->p95);
    add_number(w, "p99", e->p99);
    w.end_object();
  }
  w.end_array();
}

}  // namespace

const char* ServiceRow::health() const {
  if (up == 0 && down > 0) return "down";
  if (down > 0 || checks_failing > 0 || firing > 0) return "degraded";
  if (up > 0 || checks_ok > 0 || std::isfinite(rate)) return "ok";
  return "unknown";
}

Result<ServiceRows> collect_services(const SondeContext& context, const Cancellation& cancel,
                                     const Window& window, const std::string& only) {
  ServiceRows out;
  RowTable table(out, only);
  MetricReader reader(context, cancel);
  Grid grid = grid_of(window, kSparkPointsMax, scrape_interval_guess(context.scrape));
  RedQuery q{grid.range, only};

  SONDE_TRY(auto rates, reader.lines_by_service(rate_text(q), grid));
  SONDE_TRY(auto errors, reader.lines_by_service(errors_text(q), grid));
  SONDE_TRY(auto p95, reader.lines_by_service(quantile_text(0.95, q), grid));
  SONDE_TRY(auto p50, reader.values_by_service(quantile_text(0.5, q), grid.end));
  for (auto& [service, points] : rates) {
    ServiceRow* row = table.find_or_add(service, "metrics");
    if (!row) continue;
    row->spark_errors = ratios(errors[service], points);
    row->spark_rate = std::move(points);
    row->spark_p95 = std::move(p95[service]);
    std::erase_if(row->spark_p95, [](const auto& p) { return !std::isfinite(p.second); });
    row->rate = last_of(row->spark_rate, grid);
    row->error_ratio = last_of(row->spark_errors, grid);
    row->p95 = last_of(row->spark_p95, grid);
    if (auto it = p50.find(service); it != p50.end()) row->p50 = it->second;
  }

  SONDE_TRY(auto up, reader.instant(series_text({"up", "", only}), grid.end));
  for (const auto& sample : up) {
    ServiceRow* row = table.find_or_add(service_of(sample.labels), "metrics");
    if (row) (sample.value == 1 ? row->up : row->down)++;
  }
  SONDE_TRY(auto checks, reader.instant(series_text({"sonde_health_check_status", "", only}), grid.end));
  for (const auto& sample : checks) {
    ServiceRow* row = table.find_or_add(service_of(sample.labels), "metrics");
    if (row) (sample.value == 1 ? row->checks_ok : row->checks_failing)++;
  }

  SONDE_TRY(auto span_services, context.spans.services({}));
  std::set<std::string> without_metrics;
  for (const auto& service : span_services) {
    ServiceRow* row = table.find_or_add(service, "spans");
    if (row && row->spark_rate.empty()) without_metrics.insert(service);
  }
  SONDE_TRY(auto red, red_of_spans(context, cancel, grid, without_metrics));
  out.truncated |= red.truncated;
  for (auto& [service, figures] : red.services) {
    if (auto it = out.rows.find(service); it != out.rows.end()) add_span_red(it->second, figures, grid);
  }

  SONDE_TRY(auto log_services,
            context.logs.log_label_values({}, "service_name", {}, window.from(), window.to()));
  for (const auto& service : log_services) table.find_or_add(service, "logs");

  SONDE_TRY(auto infos, reader.instant("target_info{service_version!=\"\"}", grid.end));
  for (const auto& sample : infos) {
    for (std::string_view name : {service_of(sample.labels), sample.labels.get("job")}) {
      auto it = out.rows.find(std::string(name));
      if (it != out.rows.end()) it->second.version = sample.labels.get("service_version");
    }
  }
  each_alert(context.rules, [&](const Alert& alert) {
    auto it = out.rows.find(std::string(service_of(alert.labels)));
    if (it == out.rows.end()) return;
    if (alert.state == AlertState::kFiring) it->second.firing++;
    if (alert.state == AlertState::kPending) it->second.pending++;
  });
  return out;
}

Result<std::string> overview_json(const SondeContext& context, const Cancellation& cancel,
                                  const Window& window, const IngestRates& ingest) {
  SONDE_TRY(auto services, collect_services(context, cancel, window, ""));
  size_t firing = 0;
  size_t pending = 0;
  each_alert(context.rules, [&](const Alert& alert) {
    if (alert.state == AlertState::kFiring) firing++;
    if (alert.state == AlertState::kPending) pending++;
  });
  size_t up = 0;
  size_t down = 0;
  for (const auto& pool : context.scrape.pools()) {
    for (const auto& target : pool.active) {
      if (target.health == scrape::TargetHealth::kUp) up++;
      if (target.health == scrape::TargetHealth::kDown) down++;
    }
  }
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("services").begin_array();
  for (const auto& [name, row] : services.rows) write_row(w, row);
  w.end_array();
  w.key("alerts").begin_object();
  add_count(w, "firing", firing);
  add_count(w, "pending", pending);
  w.end_object();
  w.key("targets").begin_object();
  add_count(w, "up", up);
  add_count(w, "down", down);
  w.end_object();
  w.key("ingest").begin_object();
  add_number(w, "samples_per_second", ingest.samples);
  add_number(w, "logs_per_second", ingest.logs);
  add_number(w, "spans_per_second", ingest.spans);
  w.end_object();
  add_count(w, "findings", context.findings ? context.findings().size() : 0);
  if (services.truncated) w.field("truncated", true);
  w.end_object();
  return out;
}

Result<std::string> service_names_json(const SondeContext& context) {
  std::set<std::string> names;
  Timestamp now = context.clock.timestamp();
  auto add = [&](const std::vector<std::string>& list) { names.insert(list.begin(), list.end()); };
  SONDE_TRY(auto by_service, context.metrics.label_values({}, "service", {}, {0}, now, kServicesMax));
  add(by_service);
  SONDE_TRY(auto unnamed, Matcher::create(MatchOp::kEqual, "service", ""));
  SONDE_TRY(auto by_name,
            context.metrics.label_values({}, "service_name", {{unnamed}}, {0}, now, kServicesMax));
  add(by_name);
  SONDE_TRY(auto nameless, Matcher::create(MatchOp::kEqual, "service_name", ""));
  SONDE_TRY(auto by_job,
            context.metrics.label_values({}, "job", {{unnamed, nameless}}, {0}, now, kServicesMax));
  add(by_job);
  SONDE_TRY(auto of_spans, context.spans.services({}));
  add(of_spans);
  EventTime end = EventTime::from_timestamp(now) + Duration::seconds(1);
  SONDE_TRY(auto of_logs, context.logs.log_label_values({}, "service_name", {}, {0}, end));
  add(of_logs);
  names.erase("");
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("services").begin_array();
  size_t count = 0;
  for (const auto& name : names) {
    if (++count <= kServicesMax) w.string(name);
  }
  w.end_array();
  if (count > kServicesMax) w.field("truncated", true);
  w.end_object();
  return out;
}

Result<std::string> service_json(const SondeContext& context, const Cancellation& cancel,
                                 const Window& window, const std::string& name) {
  SONDE_TRY(auto rows, collect_services(context, cancel, window, name));
  auto row = rows.rows.find(name);
  if (row == rows.rows.end()) {
    return fail(ErrorCode::kNotFound, "nothing is known of the service \"" + name + "\" in this time");
  }
  MetricReader reader(context, cancel);
  Duration interval = scrape_interval_guess(context.scrape);
  Duration whole = std::max(window.length(), interval * 4);
  SONDE_TRY(auto endpoints, endpoints_of_metrics(reader, window.end, whole, name));
  SONDE_TRY(auto picture, picture_of_spans(context, cancel, window, name));

  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("service");
  write_row(w, row->second);
  SONDE_CHECK(write_instances(w, reader, window.end, name, row->second.version));
  SONDE_CHECK(write_checks(w, reader, grid_of(window, 120, interval), name));
  write_endpoints(w, endpoints.empty() ? picture.endpoints : endpoints);
  add_strings(w, "callers", {picture.callers.begin(), picture.callers.end()});
  add_strings(w, "callees", {picture.callees.begin(), picture.callees.end()});
  if (rows.truncated || picture.truncated) w.field("truncated", true);
  w.end_object();
  return out;
}

}  // namespace sonde::api

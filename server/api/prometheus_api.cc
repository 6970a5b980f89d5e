#include "api/prometheus_api.h"

#include "api/prometheus_endpoints.h"
#include "base/rfc3339.h"
#include "promql/duration.h"

namespace sonde::api {
namespace {

using ContextPtr = std::shared_ptr<PrometheusApiContext>;
using WriterPtr = std::shared_ptr<net::ResponseWriter>;
using net::Role;

constexpr const char* kText = "text/plain; charset=utf-8";

bool is_ready(const PrometheusApiContext& context) { return !context.ready || context.ready(); }

storage::Scope scope_of(const PrometheusApiContext& context, const net::Request& request) {
  return context.scope ? context.scope(request) : storage::Scope{};
}

// The form of a request, or the answer why it has none.
std::optional<net::Params> params_of(net::Request& request, net::ResponseWriter& writer) {
  auto params = request.read_params();
  if (params) {
    // A parameter that is given in both places counts as the form says it.
    net::Params out;
    size_t from_query = request.query.fields().size();
    const auto& fields = params->fields();
    for (size_t i = from_query; i < fields.size(); i++) out.add(fields[i].first, fields[i].second);
    for (size_t i = 0; i < from_query; i++) out.add(fields[i].first, fields[i].second);
    return out;
  }
  Error error = params.error();
  if (error.code == ErrorCode::kLimit) error.code = ErrorCode::kInvalid;
  error.message = "error parsing form values: " + error.message;
  send_prometheus_error(writer, error);
  return std::nullopt;
}

net::Handler handler(ContextPtr context, PrometheusEndpoint endpoint, bool before_ready = false) {
  return [context = std::move(context), endpoint, before_ready](net::Request& request, WriterPtr writer) {
    if (!before_ready && !is_ready(*context)) {
      writer->send(503, kText, "Service Unavailable");
      return;
    }
    auto params = params_of(request, *writer);
    if (!params) return;
    PrometheusAnswer answer(*writer);
    auto done = endpoint({*context, request, *params, scope_of(*context, request)}, answer);
    if (done) {
      answer.end();
    } else if (!answer.streaming()) {
      send_prometheus_error(*writer, done.error());
    }
  };
}

void send_constant(net::ResponseWriter& writer, int status, std::string_view body) {
  writer.send(status, kText, body);
}

void add_health(net::Router& router, const ContextPtr& context) {
  net::RouteOptions reserved{.reserved = true};
  router.add(
      "GET", "/-/healthy", Role::kOpen,
      [](net::Request&, WriterPtr writer) { send_constant(*writer, 200, "sonde is healthy.\n"); }, reserved);
  router.add(
      "GET", "/-/ready", Role::kOpen,
      [context](net::Request&, WriterPtr writer) {
        bool ready = is_ready(*context);
        send_constant(*writer, ready ? 200 : 503, ready ? "sonde is ready.\n" : "sonde is not ready.\n");
      },
      reserved);
}

void add_lifecycle(net::Router& router, const ContextPtr& context) {
  auto refused = [](const PrometheusApiContext& c, net::ResponseWriter& writer) {
    if (!c.lifecycle) send_constant(writer, 403, "Lifecycle API is not enabled.");
    return !c.lifecycle;
  };
  router.add("POST PUT", "/-/reload", Role::kAdmin, [context, refused](net::Request&, WriterPtr writer) {
    if (refused(*context, *writer)) return;
    Result<> done = context->reload
                        ? context->reload()
                        : fail(ErrorCode::kUnsupported, "this server has no configuration to reload");
    if (done) {
      send_constant(*writer, 200, "");
    } else {
      send_constant(*writer, 500, "failed to reload config: " + done.error().to_string() + "\n");
    }
  });
  router.add("POST PUT", "/-/quit", Role::kAdmin, [context, refused](net::Request&, WriterPtr writer) {
    if (refused(*context, *writer)) return;
    if (!context->quit) {
      send_constant(*writer, 500, "this server cannot be stopped over HTTP\n");
      return;
    }
    send_constant(*writer, 200, "Requesting termination... Goodbye!");
    context->quit();
  });
}

Result<> delete_series(const PrometheusApiContext& context, const net::Params& params) {
  if (params.all("match[]").empty()) return fail(ErrorCode::kInvalid, "no match[] parameter provided");
  SONDE_TRY(TimeRange range, range_parameters(params));
  SONDE_TRY(auto selectors, match_parameters(params));
  return context.store.delete_series(selectors, range.from, range.to);
}

void add_admin(net::Router& router, const ContextPtr& context) {
  using Action = Result<> (*)(const PrometheusApiContext&, const net::Params&);
  auto add = [&](const char* path, Action action) {
    router.add("POST PUT", path, Role::kAdmin, [context, action](net::Request& request, WriterPtr writer) {
      if (!context->admin_api) {
        send_prometheus_error(*writer, {ErrorCode::kUnavailable, "admin APIs disabled", {}, 0, 0});
        return;
      }
      auto params = params_of(request, *writer);
      if (!params) return;
      auto done = action(*context, *params);
      if (done) {
        writer->send(204, "", "");
      } else {
        send_prometheus_error(*writer, done.error());
      }
    });
  };
  add("/api/v1/admin/tsdb/delete_series", delete_series);
  add("/api/v1/admin/tsdb/clean_tombstones", [](const PrometheusApiContext&, const net::Params&) -> Result<> {
    return fail(ErrorCode::kUnsupported,
                "clean_tombstones is not supported: compaction removes what was deleted");
  });
  add("/api/v1/admin/tsdb/snapshot", [](const PrometheusApiContext&, const net::Params&) -> Result<> {
    return fail(ErrorCode::kUnsupported, "snapshot is not supported");
  });
}

}  // namespace

std::string go_time(EventTime t) {
  if (t.ns == 0) return "0001-01-01T00:00:00Z";
  std::string text = to_rfc3339(t, 9);
  size_t last = text.find_last_not_of('0', text.size() - 2);
  if (text[last] == '.') last--;
  return text.substr(0, last + 1) + "Z";
}

double seconds_of(Duration d) { return static_cast<double>(d.ns) / 1e9; }

std::string interval_text(Duration d) { return promql::format_duration_ms(d.ms()); }

void add_prometheus_routes(net::Router& router, std::shared_ptr<PrometheusApiContext> context) {
  if (!context->gate) context->gate = std::make_shared<QueryGate>(context->clock);
  auto get = [&](const char* path, PrometheusEndpoint endpoint) {
    router.add("GET", path, Role::kRead, handler(context, endpoint));
  };
  auto get_or_post = [&](const char* path, PrometheusEndpoint endpoint) {
    router.add("GET POST", path, Role::kRead, handler(context, endpoint));
  };
  get_or_post("/api/v1/query", query_instant);
  get_or_post("/api/v1/query_range", query_range);
  get_or_post("/api/v1/query_exemplars", query_exemplars);
  get_or_post("/api/v1/format_query", format_query);
  get_or_post("/api/v1/parse_query", parse_query);
  get_or_post("/api/v1/series", list_series);
  get_or_post("/api/v1/labels", list_label_names);
  get("/api/v1/label/{name}/values", list_label_values);
  get("/api/v1/metadata", list_metadata);
  get("/api/v1/targets", list_targets);
  get("/api/v1/targets/metadata", list_target_metadata);
  get("/api/v1/scrape_pools", list_scrape_pools);
  get("/api/v1/alertmanagers", list_alertmanagers);
  get("/api/v1/rules", list_rules);
  get("/api/v1/alerts", list_alerts);
  get("/api/v1/status/config", status_config);
  get("/api/v1/status/flags", status_flags);
  get("/api/v1/status/runtimeinfo", status_runtime);
  get("/api/v1/status/buildinfo", status_build);
  get("/api/v1/status/tsdb", status_tsdb);
  router.add("GET", "/api/v1/status/walreplay", Role::kRead, handler(context, status_replay, true));
  router.add("GET", "/version", Role::kRead, [context](net::Request&, WriterPtr writer) {
    writer->send(200, "application/json", build_json(context->build));
  });
  router.add("GET", "/federate", Role::kRead, [context](net::Request& request, WriterPtr writer) {
    if (!is_ready(*context)) {
      writer->send(503, kText, "Service Unavailable");
      return;
    }
    federate(*context, request, *writer);
  });
  add_health(router, context);
  add_lifecycle(router, context);
  add_admin(router, context);
}

}  // namespace sonde::api

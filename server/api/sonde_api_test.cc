#include "api/sonde_api.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "api/sonde_json.h"
#include "api/sonde_sql.h"
#include "memstore/mem_metric_store.h"
#include "notify/notification.h"
#include "promql/parser.h"

using namespace sonde;
using namespace sonde::api;
namespace json = boost::json;

namespace {

// Spans in a vector: what the seam promises, and no more.
class ListedSpans final : public storage::SpanStore {
 public:
  std::vector<Span> spans;
  mutable size_t scans = 0;

  void append_spans(std::vector<Span> list, std::string_view, storage::OnEventsDurable done) override {
    spans.insert(spans.end(), list.begin(), list.end());
    done(storage::EventOutcome{list.size(), 0, {}});
  }
  Result<std::vector<std::string>> services(const storage::Scope&) const override {
    std::set<std::string> names;
    for (const auto& s : spans) names.insert(s.service);
    return std::vector<std::string>(names.begin(), names.end());
  }
  Result<std::vector<std::pair<std::string, SpanKind>>> operations(const storage::Scope&,
                                                                   std::string_view) const override {
    return fail(ErrorCode::kUnsupported, "operations");
  }
  Result<std::vector<Span>> trace(const storage::Scope&, const TraceId& id,
                                  const Cancellation&) const override {
    std::vector<Span> out;
    for (const auto& s : spans) {
      if (s.trace_id == id) out.push_back(s);
    }
    std::stable_sort(out.begin(), out.end(), [](const Span& a, const Span& b) { return a.start < b.start; });
    return out;
  }
  Result<std::vector<storage::TraceSummary>> search(const storage::Scope&, const storage::SpanSearch& q,
                                                    const Cancellation& cancel) const override {
    std::map<TraceId, bool> ids;
    for (const auto& s : spans) {
      bool fits = (q.service.empty() || s.service == q.service) &&
                  (q.operation.empty() || s.name == q.operation) && s.start >= q.from && s.start < q.to &&
                  s.duration() >= q.min_duration &&
                  (q.max_duration.ns == 0 || s.duration() <= q.max_duration) &&
                  (!q.errors_only || s.status == SpanStatus::kError);
      for (const auto& [k, v] : q.tags) {
        const AttributeValue* a = find_attribute(s.attributes, k);
        fits = fits && a && a->to_text() == v;
      }
      if (fits) ids[s.trace_id] = true;
    }
    std::vector<storage::TraceSummary> out;
    for (const auto& [id, yes] : ids) {
      auto list = trace({}, id, cancel).value();
      storage::TraceSummary t;
      t.trace_id = id;
      t.root_service = list[0].service;
      t.root_name = list[0].name;
      t.start = list[0].start;
      t.duration = list[0].duration();
      t.span_count = list.size();
      std::map<std::string, size_t> by;
      for (const auto& s : list) {
        t.error_count += s.status == SpanStatus::kError;
        by[s.service]++;
      }
      t.services.assign(by.begin(), by.end());
      out.push_back(t);
    }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.start > b.start; });
    if (out.size() > q.limit) out.resize(q.limit);
    return out;
  }
  Result<> scan(const storage::Scope&, const storage::SpanSelect& q, const Cancellation&,
                const std::function<bool(const Span&)>& visit) const override {
    scans++;
    for (const auto& s : spans) {
      if (!q.service.empty() && s.service != q.service) continue;
      if (!q.attribute_key.empty() && !find_attribute(s.attributes, q.attribute_key)) continue;
      if (s.start < q.from || s.start >= q.to) continue;
      if (!visit(s)) break;
    }
    return {};
  }
  storage::EventStats event_stats() const override { return {.records = spans.size(), .bytes = 77}; }
  Result<> apply_retention(Timestamp) override { return {}; }
};

class ListedLogs final : public storage::LogStore {
 public:
  std::vector<LogRecord> records;

  void append_logs(std::vector<LogRecord> list, std::string_view, storage::OnEventsDurable done) override {
    records.insert(records.end(), list.begin(), list.end());
    done(storage::EventOutcome{list.size(), 0, {}});
  }
  Result<std::unique_ptr<storage::LogCursor>> select_logs(const storage::Scope&, const storage::LogSelect& q,
                                                          const Cancellation&) const override {
    struct Cursor final : storage::LogCursor {
      std::vector<LogRecord> list;
      size_t at = 0;
      Result<bool> next(const LogRecord*& record) override {
        if (at == list.size()) return false;
        record = &list[at++];
        return true;
      }
    };
    auto out = std::make_unique<Cursor>();
    for (const auto& r : records) {
      if (r.time >= q.from && r.time < q.to && (!q.trace_id || r.trace_id == *q.trace_id))
        out->list.push_back(r);
    }
    return std::unique_ptr<storage::LogCursor>(std::move(out));
  }
  Result<std::vector<std::string>> log_label_names(const storage::Scope&, EventTime,
                                                   EventTime) const override {
    return fail(ErrorCode::kUnsupported, "names");
  }
  Result<std::vector<std::string>> log_label_values(const storage::Scope&, std::string_view label,
                                                    const Matchers&, EventTime from,
                                                    EventTime to) const override {
    std::set<std::string> out;
    for (const auto& r : records) {
      if (r.time >= from && r.time < to && r.stream.has(label)) out.emplace(r.stream.get(label));
    }
    return std::vector<std::string>(out.begin(), out.end());
  }
  Result<std::vector<storage::LogStream>> log_streams(const storage::Scope&, const std::vector<Matchers>&,
                                                      EventTime, EventTime) const override {
    return fail(ErrorCode::kUnsupported, "streams");
  }
  storage::EventStats event_stats() const override { return {.records = records.size(), .bytes = 55}; }
  Result<> apply_retention(Timestamp) override { return {}; }
};

class NoTargets final : public net::HttpClient {
 public:
  void fetch(net::ClientRequest request, std::function<void(Result<net::ClientResponse>)> done) override {
    done(fail(ErrorCode::kUnavailable, request.url));
  }
};

struct Answer final : net::ResponseWriter {
  int code = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  void status(int c) override { code = c; }
  void header(std::string name, std::string value) override { headers[std::move(name)] = std::move(value); }
  Result<> write(std::string_view chunk) override {
    body += chunk;
    return {};
  }
  void trailer(std::string, std::string) override {}
  void finish() override {}
};

TraceId trace_id(uint8_t n) {
  TraceId id;
  id.bytes[0] = 0xaa;
  id.bytes[15] = n;
  return id;
}
SpanId span_id(uint8_t n) {
  SpanId id;
  id.bytes[7] = n;
  return id;
}

// A server in miniature on a virtual clock.
struct Fixture {
  VirtualClock clock;
  VirtualScheduler scheduler{clock};
  InlineExecutor executor;
  memstore::MemMetricStore metrics;
  ListedLogs logs;
  ListedSpans spans;
  promql::Engine engine{metrics, clock};
  std::unique_ptr<state::Database> db = state::Database::open(":memory:").value();
  state::AlertBook book{*db};
  state::Mailbox mailbox{*db, 100};
  state::Settings settings{*db};
  NoTargets client;
  scrape::ScrapeStats scrape_stats;
  scrape::Manager scrape{{metrics, client, scheduler, executor, scrape_stats}};
  rules::Manager rules{engine,
                       metrics,
                       book,
                       scheduler,
                       executor,
                       [](const std::vector<Alert>&) {},
                       rules::Manager::Options{}};
  StatusFigures figures;
  std::vector<FindingView> findings;
  SondeApi api{{.metrics = metrics,
                .engine = engine,
                .logs = logs,
                .spans = spans,
                .rules = rules,
                .scrape = scrape,
                .mailbox = mailbox,
                .alert_book = book,
                .settings = settings,
                .clock = clock,
                .status = [this] { return figures; },
                .findings = [this] { return findings; },
                .build = {"1.2.3", "abc", "2026-01-01"}}};
  net::Router router;
  std::map<LabelSet, double> totals;

  Fixture() { api.add_routes(router); }

  Answer ask(const std::string& method, const std::string& target) {
    auto answer = std::make_shared<Answer>();
    size_t at = target.find('?');
    std::string path = "/api/sonde/v1" + target.substr(0, at);
    auto match = router.match(method, path);
    REQUIRE_MESSAGE(match.route, path);
    CHECK(match.route->role == (method == "POST" ? net::Role::kAlert : net::Role::kRead));
    net::Request request;
    request.method = method;
    request.path = path;
    request.raw_target = target;
    request.path_params = match.path_params;
    if (at != std::string::npos) request.query = net::Params::parse(target.substr(at + 1)).value();
    match.route->handler(request, answer);
    CHECK(answer->headers["Content-Type"] == "application/json");
    return *answer;
  }
  json::object get(const std::string& target) {
    clock.advance(Duration::seconds(1));  // past the cache
    Answer a = ask("GET", target);
    INFO(a.body);
    REQUIRE(a.code == 200);
    return json::parse(a.body).as_object();
  }
  std::string error(const std::string& target, int code) {
    clock.advance(Duration::seconds(1));
    Answer a = ask("GET", target);
    INFO(a.body);
    CHECK(a.code == code);
    auto o = json::parse(a.body).as_object();
    CHECK(o.contains("error"));
    return std::string(o.at("code").as_string());
  }

  void add(storage::Batch& b, LabelSet labels, double more) {
    double& total = totals[labels];
    total += more;
    b.add_float(b.add_series(labels), clock.timestamp(), total);
  }
  void set(storage::Batch& b, LabelSet labels, double value) {
    b.add_float(b.add_series(labels), clock.timestamp(), value);
  }
  // Requests of a service as a histogram of OpenTelemetry's name: all in the bucket (0.1, 0.5].
  void requests(storage::Batch& b, const std::string& service, const std::string& status, double n) {
    auto series = [&](const char* suffix, const char* le) {
      return LabelSet{{"__name__", std::string("http_server_request_duration_seconds") + suffix},
                      {"job", "shop"},
                      {"service", service},
                      {"instance", service + ":1"},
                      {"http_request_method", "GET"},
                      {"http_route", "/" + service},
                      {"http_response_status_code", status},
                      {"le", le}};
    };
    add(b, series("_bucket", "0.1"), 0);
    add(b, series("_bucket", "0.5"), n);
    add(b, series("_bucket", "+Inf"), n);
    add(b, series("_count", ""), n);
    add(b, series("_sum", ""), n * 0.3);
  }
  void commit(storage::Batch b) { REQUIRE(storage::commit_and_wait(metrics, std::move(b))); }
  // Ten minutes of: orders with 10 % failures, the guide's metrics of "guide", health checks and targets.
  void run_shop(Duration d = Duration::minutes(10)) {
    for (int64_t i = 0; i < d.ns; i += Duration::seconds(15).ns) {
      storage::Batch b;
      requests(b, "orders", "200", 135);
      requests(b, "orders", "503", 15);
      // The compatibility view of the same requests must not count twice.
      add(b, {{"__name__", "http_requests_total"}, {"service", "orders"}, {"status", "200"}}, 1000);
      for (const char* status : {"200", "500"}) {
        add(b,
            {{"__name__", "http_requests_total"},
             {"job", "guide"},
             {"instance", "g"},
             {"status", status},
             {"method", "GET"},
             {"endpoint", "/"}},
            status[0] == '2' ? 30 : 0);
      }
      for (const char* le : {"0.005", "0.01", "+Inf"}) {
        add(b,
            {{"__name__", "http_request_duration_seconds_bucket"},
             {"job", "guide"},
             {"instance", "g"},
             {"method", "GET"},
             {"endpoint", "/"},
             {"le", le}},
            30);
      }
      set(b, {{"__name__", "up"}, {"job", "shop"}, {"service", "orders"}, {"instance", "orders:1"}}, 1);
      set(b, {{"__name__", "up"}, {"job", "guide"}, {"instance", "g"}}, 1);
      set(b, {{"__name__", "up"}, {"job", "stopped"}, {"instance", "s"}}, 0);
      set(b,
          {{"__name__", "sonde_health_check_status"},
           {"service", "orders"},
           {"instance", "orders:1"},
           {"job", "shop"},
           {"group", "ready"},
           {"check", "database"}},
          i < d.ns / 2 ? 1 : 0);
      set(b,
          {{"__name__", "target_info"},
           {"job", "shop"},
           {"instance", "orders:1"},
           {"service_name", "orders"},
           {"service_version", "1.4.2"}},
          1);
      set(b, {{"__name__", "process_start_time_seconds"}, {"job", "shop"}, {"instance", "orders:1"}}, 1234);
      commit(std::move(b));
      clock.advance(Duration::seconds(15));
    }
  }
  Span& span(const std::string& service, const std::string& name, SpanKind kind, uint8_t trace, uint8_t id,
             uint8_t parent, Duration duration, Duration ago = Duration::seconds(60)) {
    Span s;
    s.trace_id = trace_id(trace);
    s.span_id = span_id(id);
    if (parent) s.parent_id = span_id(parent);
    s.service = service;
    s.name = name;
    s.kind = kind;
    s.start = clock.now() - ago;
    s.end = s.start + duration;
    spans.spans.push_back(std::move(s));
    return spans.spans.back();
  }
  void alert_rule(const std::string& name, const std::string& query, Duration hold) {
    rules::Rule r;
    r.alerting = true;
    r.name = name;
    r.query = query;
    auto parsed = promql::parse(query);
    REQUIRE(parsed);
    r.expr = std::move(*parsed);
    r.hold = hold;
    r.labels = {{"severity", "page"}};
    r.file = "rules.yml";
    r.line = 12;
    rules::Group g;
    g.file = "rules.yml";
    g.name = "shop";
    g.interval = Duration::seconds(15);
    g.rules = {r};
    rules.apply({g}, {});
  }
  void evaluate_rules() { scheduler.advance(Duration::seconds(30)); }
};

const json::object* row_of(const json::object& answer, const char* list, const char* key,
                           std::string_view value) {
  for (const auto& item : answer.at(list).as_array()) {
    if (item.as_object().at(key).as_string() == value) return &item.as_object();
  }
  return nullptr;
}
double number(const json::object& o, const char* key) { return o.at(key).to_number<double>(); }
std::string text(const json::object& o, const char* key) { return std::string(o.at(key).as_string()); }

std::string encoded(const std::string& s) { return net::percent_encode(s); }

}  // namespace

TEST_CASE("sonde_api: the overview has a row for each service, from the best metrics that it has") {
  Fixture f;
  f.run_shop();
  f.findings.resize(3);
  auto o = f.get("/overview");
  const auto* orders = row_of(o, "services", "service", "orders");
  REQUIRE(orders);
  CHECK(number(*orders, "rate") == doctest::Approx(10).epsilon(0.05));
  CHECK(number(*orders, "error_ratio") == doctest::Approx(0.1).epsilon(0.02));
  CHECK(number(*orders, "p50") == doctest::Approx(0.3).epsilon(0.01));
  CHECK(number(*orders, "p95") == doctest::Approx(0.48).epsilon(0.01));
  CHECK(text(*orders, "health") == "degraded");
  CHECK(text(*orders, "version") == "1.4.2");
  CHECK(number(orders->at("checks").as_object(), "failing") == 1);
  CHECK(number(orders->at("instances").as_object(), "up") == 1);
  const auto& spark = orders->at("spark").as_object().at("rate").as_array();
  CHECK(spark.size() >= 4);
  CHECK(spark.size() <= 30);
  CHECK(orders->at("sources").as_array().size() == 1);

  const auto* guide = row_of(o, "services", "service", "guide");
  REQUIRE(guide);
  CHECK(number(*guide, "rate") == doctest::Approx(2).epsilon(0.05));
  CHECK(number(*guide, "error_ratio") == 0);
  CHECK(number(*guide, "p95") < 0.005);
  CHECK(text(*guide, "health") == "ok");

  const auto* stopped = row_of(o, "services", "service", "stopped");
  REQUIRE(stopped);
  CHECK(text(*stopped, "health") == "down");
  CHECK(stopped->at("rate").is_null());
  CHECK(number(o, "findings") == 3);
  CHECK(!o.contains("truncated"));
}

TEST_CASE("sonde_api: a service without request metrics gets its figures from its server spans") {
  Fixture f;
  for (uint8_t i = 0; i < 100; i++) {
    auto& s = f.span("cart", "GET /cart", SpanKind::kServer, i, i, 0, Duration::milliseconds(i + 1));
    s.attributes = {{"http.request.method", "GET"}, {"http.route", "/cart/{id}"}};
    if (i < 5) s.status = SpanStatus::kError;
  }
  f.span("cart", "inside", SpanKind::kInternal, 1, 200, 1, Duration::seconds(50));
  LogRecord line;
  line.time = f.clock.now() - Duration::seconds(5);
  line.stream = {{"service_name", "printer"}};
  f.logs.records.push_back(line);

  auto o = f.get("/overview");
  const auto* cart = row_of(o, "services", "service", "cart");
  REQUIRE(cart);
  CHECK(number(*cart, "error_ratio") == doctest::Approx(0.05));
  CHECK(number(*cart, "p50") == doctest::Approx(0.05));
  CHECK(number(*cart, "p95") == doctest::Approx(0.095));
  CHECK(number(*cart, "rate") > 0.02);
  CHECK(cart->at("sources").as_array()[0].as_string() == "spans");
  const auto* printer = row_of(o, "services", "service", "printer");
  REQUIRE(printer);
  CHECK(text(*printer, "health") == "unknown");

  auto names = f.get("/services");
  CHECK(names.at("services") == json::array{"cart", "printer"});
  auto detail = f.get("/services/cart");
  const auto& endpoints = detail.at("endpoints").as_array();
  REQUIRE(endpoints.size() == 1);
  CHECK(text(endpoints[0].as_object(), "route") == "/cart/{id}");
  CHECK(number(endpoints[0].as_object(), "p99") == doctest::Approx(0.099));
}

TEST_CASE("sonde_api: a service's page has instances, checks with their age, endpoints and neighbours") {
  Fixture f;
  f.run_shop();
  f.span("web", "GET", SpanKind::kServer, 1, 1, 0, Duration::milliseconds(30));
  f.span("orders", "GET /orders", SpanKind::kServer, 1, 2, 1, Duration::milliseconds(20));
  f.span("stock", "reserve", SpanKind::kServer, 1, 3, 2, Duration::milliseconds(10));
  auto o = f.get("/services/orders");
  CHECK(text(o.at("service").as_object(), "service") == "orders");
  const auto* instance = row_of(o, "instances", "instance", "orders:1");
  REQUIRE(instance);
  CHECK(instance->at("up").as_bool());
  CHECK(text(*instance, "version") == "1.4.2");
  CHECK(number(*instance, "start_time") == 1234);
  const auto* check = row_of(o, "checks", "check", "database");
  REQUIRE(check);
  CHECK(text(*check, "status") == "failing");
  double now = to_seconds(f.clock.now());
  CHECK(now - number(*check, "since") == doctest::Approx(300).epsilon(0.15));
  const auto& endpoints = o.at("endpoints").as_array();
  REQUIRE(endpoints.size() == 1);  // the compatibility view makes none of its own
  CHECK(text(endpoints[0].as_object(), "method") == "GET");
  CHECK(text(endpoints[0].as_object(), "route") == "/orders");
  CHECK(number(endpoints[0].as_object(), "error_ratio") == doctest::Approx(0.1).epsilon(0.02));
  CHECK(number(endpoints[0].as_object(), "p99") == doctest::Approx(0.496).epsilon(0.01));
  CHECK(o.at("callers") == json::array{"web"});
  CHECK(o.at("callees") == json::array{"stock"});
  CHECK(f.error("/services/nobody", 404) == "not_found");
}

TEST_CASE("sonde_api: statements come from metrics, and from spans of services that have none") {
  Fixture f;
  for (int i = 0; i < 40; i++) {
    storage::Batch b;
    LabelSet base{{"service", "stock"}, {"system", "sqlite"}, {"fingerprint", "9f3a61c07be2d418"}};
    auto named = [&](const char* name, const char* le = "") {
      return LabelBuilder(base).set("__name__", name).set("le", le).build();
    };
    f.add(b, named("sonde_db_statement_calls_total"), 30);
    f.add(b, named("sonde_db_statement_errors_total"), 3);
    f.add(b, named("sonde_db_statement_duration_seconds_sum"), 15);
    f.add(b, named("sonde_db_statement_duration_seconds_bucket", "0.1"), 0);
    f.add(b, named("sonde_db_statement_duration_seconds_bucket", "1"), 30);
    f.add(b, named("sonde_db_statement_duration_seconds_bucket", "+Inf"), 30);
    f.set(b, LabelBuilder(named("sonde_db_statement_info")).set("statement", "SELECT ?").build(), 1);
    f.commit(std::move(b));
    f.clock.advance(Duration::seconds(15));
  }
  auto& measured = f.span("stock", "SELECT", SpanKind::kClient, 1, 1, 0, Duration::milliseconds(700));
  measured.attributes = {{"db.query.text", "SELECT ?"},
                         {"db.system.name", "sqlite"},
                         {"sonde.db.fingerprint", "9f3a61c07be2d418"}};
  for (uint8_t i = 0; i < 10; i++) {
    auto& s =
        f.span("cart", "q", SpanKind::kClient, static_cast<uint8_t>(10 + i), static_cast<uint8_t>(10 + i), 0,
               Duration::milliseconds(10 * (i + 1)), Duration::seconds(100 - i));
    const char* key = i % 2 ? "db.statement" : "db.query.text";
    s.attributes = {{key, "SELECT * FROM c WHERE id = " + std::to_string(i)}, {"db.system", "postgresql"}};
    if (i == 0) s.status = SpanStatus::kError;
  }
  auto o = f.get("/queries?limit=10");
  const auto* stock = row_of(o, "statements", "service", "stock");
  REQUIRE(stock);
  CHECK(text(*stock, "text") == "SELECT ?");
  CHECK(text(*stock, "system") == "sqlite");
  CHECK(number(*stock, "calls") == doctest::Approx(1200).epsilon(0.06));
  CHECK(number(*stock, "errors") == doctest::Approx(120).epsilon(0.06));
  CHECK(number(*stock, "mean") == doctest::Approx(0.5).epsilon(0.01));
  CHECK(number(*stock, "p50") == doctest::Approx(0.55).epsilon(0.01));
  CHECK(number(*stock, "max") == doctest::Approx(0.7));
  CHECK(!stock->at("sampled").as_bool());
  CHECK(text(*stock, "last_trace_id") == trace_id(1).to_hex());
  const auto* cart = row_of(o, "statements", "service", "cart");
  REQUIRE(cart);
  CHECK(text(*cart, "text") == "SELECT * FROM c WHERE id = ?");
  CHECK(number(*cart, "calls") == 10);
  CHECK(number(*cart, "errors") == 1);
  CHECK(number(*cart, "p95") == doctest::Approx(0.1));
  CHECK(cart->at("sampled").as_bool());
  CHECK(text(*cart, "last_trace_id") == trace_id(19).to_hex());
  CHECK(&o.at("statements").as_array()[0].as_object() == stock);  // took the most time
  CHECK(!o.at("truncated").as_bool());
  CHECK(f.get("/queries?limit=1").at("truncated").as_bool());
  CHECK(f.get("/queries?service=cart").at("statements").as_array().size() == 1);

  auto one = f.get("/queries/9f3a61c07be2d418");
  CHECK(text(one.at("statement").as_object(), "service") == "stock");
  const auto& calls = one.at("series").as_object().at("calls").as_array();
  REQUIRE(calls.size() > 10);
  CHECK(calls.back().as_array()[1].to_number<double>() == doctest::Approx(2).epsilon(0.3));
  REQUIRE(one.at("traces").as_array().size() == 1);
  CHECK(number(one.at("traces").as_array()[0].as_object(), "duration") == doctest::Approx(0.7));
  auto sampled = f.get("/queries/" + text(*cart, "fingerprint") + "?service=cart");
  CHECK(sampled.at("traces").as_array().size() == 10);
  CHECK(sampled.at("series").as_object().at("p95").as_array().size() >= 1);
  CHECK(f.error("/queries/0000000000000000", 404) == "not_found");
}

TEST_CASE("sonde_api: quantiles of a statement are exact when every call left its span") {
  Fixture f;
  LabelSet base{{"service", "stock"}, {"system", "sqlite"}, {"fingerprint", "9f3a61c07be2d418"}};
  auto named = [&](const char* name, const char* le = "") {
    return LabelBuilder(base).set("__name__", name).set("le", le).build();
  };
  for (int i = 0; i < 40; i++) {
    storage::Batch b;
    double n = i == 30 ? 1 : 0;
    f.add(b, named("sonde_db_statement_calls_total"), 4 * n);
    f.add(b, named("sonde_db_statement_duration_seconds_sum"), 2.4 * n);
    f.add(b, named("sonde_db_statement_duration_seconds_bucket", "1"), 3 * n);
    f.add(b, named("sonde_db_statement_duration_seconds_bucket", "5"), 4 * n);
    f.add(b, named("sonde_db_statement_duration_seconds_bucket", "+Inf"), 4 * n);
    f.commit(std::move(b));
    f.clock.advance(Duration::seconds(15));
  }
  for (uint8_t i = 1; i <= 4; i++) {
    auto duration = Duration::milliseconds(i == 4 ? 2340 : 20);
    auto& s = f.span("stock", "SELECT", SpanKind::kClient, i, i, 0, duration, Duration::seconds(150));
    s.attributes = {{"db.query.text", "SELECT ?"},
                    {"db.system.name", "sqlite"},
                    {"sonde.db.fingerprint", "9f3a61c07be2d418"}};
  }
  auto o = f.get("/queries/9f3a61c07be2d418");
  const auto& row = o.at("statement").as_object();
  CHECK(!row.at("sampled").as_bool());
  CHECK(number(row, "p50") == doctest::Approx(0.02));  // the bucket would say 0.5
  CHECK(number(row, "p95") <= 2.341);                  // the bucket would say 4.2
  const auto& series = o.at("series").as_object();
  const auto& p95 = series.at("p95").as_array();
  REQUIRE(p95.size() == 1);
  CHECK(p95[0].as_array()[1].to_number<double>() <= 2.341);
  CHECK(series.at("calls").as_array().size() > 10);  // as counted
}

TEST_CASE("sonde_api: statements of spans lose their data") {
  CHECK(
      normalise_statement("SELECT  *\nFROM t -- why\nWHERE a='it''s' AND b IN (1, 2,3) /* x */ AND c=$1;") ==
      "SELECT * FROM t WHERE a=? AND b IN (?) AND c=?");
  CHECK(normalise_statement("select \"User Id\", t1.x from `a b` where y = 1.5e3") ==
        "select \"User Id\", t1.x from `a b` where y = ?");
  CHECK(normalise_statement("'unclosed") == "?");
  CHECK(normalise_statement(std::string(100'000, 'x')).size() <= kStatementTextBytesMax);
  CHECK(statement_fingerprint("SELECT ?") == statement_fingerprint("select ?"));
  CHECK(statement_fingerprint("SELECT ?") != statement_fingerprint("SELECT ?, b"));
}

TEST_CASE("sonde_api: alerts carry their rule's threshold, age and place") {
  Fixture f;
  f.run_shop();
  f.alert_rule(
      "Broken",
      "rate(http_server_request_duration_seconds_count{http_response_status_code=~\"5..\"}[5m]) > -(-0.5)",
      Duration::minutes(5));
  f.evaluate_rules();
  auto o = f.get("/alerts");
  REQUIRE(o.at("alerts").as_array().size() == 1);
  const auto& a = o.at("alerts").as_array()[0].as_object();
  CHECK(text(a, "name") == "Broken");
  CHECK(text(a, "group") == "shop");
  CHECK(text(a, "state") == "pending");
  CHECK(!a.contains("fired_at"));
  CHECK(number(a, "for_seconds") == 300);
  CHECK(number(a, "remaining_seconds") > 250);
  CHECK(number(a, "remaining_seconds") < 300);
  CHECK(text(a, "file") == "rules.yml");
  CHECK(number(a, "line") == 12);
  CHECK(text(a.at("labels").as_object(), "service") == "orders");
  auto history = f.get("/alerts/history?limit=1");
  REQUIRE(history.at("transitions").as_array().size() == 1);
  CHECK(text(history.at("transitions").as_array()[0].as_object(), "to") == "pending");
  auto overview = f.get("/overview");
  CHECK(number(overview.at("alerts").as_object(), "pending") == 1);
  CHECK(number(row_of(overview, "services", "service", "orders")->at("alerts").as_object(), "pending") == 1);
}

TEST_CASE("sonde_api: evidence of a latency alert starts at the highest exemplar whose trace is stored") {
  Fixture f;
  f.run_shop();
  f.alert_rule("OrdersSlow",
               "histogram_quantile(0.95, sum by (le, service) "
               "(rate(http_server_request_duration_seconds_bucket[1m]))) > 0.25",
               Duration{});
  f.evaluate_rules();
  // Exemplars: the highest one's trace is gone, one is of another service.
  storage::Batch b;
  auto exemplar = [&](const char* service, double value, uint8_t trace) {
    uint32_t s = b.add_series({{"__name__", "http_server_request_duration_seconds_bucket"},
                               {"job", "shop"},
                               {"service", service},
                               {"le", "0.5"}});
    b.add_float(s, f.clock.timestamp(), 1);
    b.exemplars.push_back({s,
                           {{{"trace_id", trace_id(trace).to_hex()}, {"span_id", span_id(trace).to_hex()}},
                            value,
                            f.clock.timestamp()}});
  };
  exemplar("orders", 0.3, 31);
  exemplar("orders", 0.4, 32);
  f.commit(std::move(b));
  b = {};
  storage::Batch second;
  std::swap(b, second);
  f.clock.advance(Duration::seconds(1));
  exemplar("orders", 0.5, 33);
  exemplar("web", 0.9, 34);
  f.commit(std::move(b));
  for (uint8_t n : {31, 32, 34, 35}) {
    const char* service = n == 34 ? "web" : "orders";
    f.span(service, "GET", SpanKind::kServer, n, n, 0, Duration::milliseconds(n * 10), Duration::seconds(5));
  }
  auto& sql = f.span("stock", "SELECT", SpanKind::kClient, 32, 90, 32, Duration::milliseconds(250),
                     Duration::seconds(5));
  sql.attributes = {{"db.query.text", "SELECT 1"}};
  auto& other =
      f.span("far", "SELECT", SpanKind::kClient, 99, 91, 0, Duration::seconds(9), Duration::seconds(5));
  other.attributes = {{"db.query.text", "SELECT 2"}};

  std::string labels = R"({"alertname":"OrdersSlow","service":"orders","severity":"page"})";
  auto o = f.get("/evidence?labels=" + encoded(labels) + "&t=" + std::to_string(to_seconds(f.clock.now())));
  CHECK(text(o.at("alert").as_object(), "state") == "firing");
  CHECK(number(o.at("alert").as_object(), "threshold") == 0.25);
  CHECK(text(o, "service") == "orders");
  CHECK(text(o, "expr").starts_with("histogram_quantile(0.95"));
  const auto& e = o.at("exemplar").as_object();
  CHECK(text(e, "trace_id") == trace_id(32).to_hex());
  CHECK(text(e, "span_id") == span_id(32).to_hex());
  CHECK(number(e, "value") == 0.4);
  CHECK(text(e.at("series").as_object(), "service") == "orders");
  const auto& traces = o.at("traces").as_array();
  REQUIRE(traces.size() == 3);
  CHECK(text(traces[0].as_object(), "trace_id") == trace_id(32).to_hex());
  CHECK(text(traces[2].as_object(), "trace_id") == trace_id(35).to_hex());
  const auto& statements = o.at("statements").as_array();
  REQUIRE(statements.size() == 1);  // of a service in these traces
  CHECK(text(statements[0].as_object(), "service") == "stock");
  CHECK(text(o, "logs_query") == "{service_name=\"orders\"} | detected_level=~\"warn|error|fatal|critical\"");
}

TEST_CASE("sonde_api: evidence of a failure alert is failed traces, also without exemplars or rule") {
  Fixture f;
  f.run_shop();
  f.alert_rule("Errors", "rate(http_requests_total{status=~\"5..\"}[5m]) > 0.05", Duration::minutes(5));
  for (uint8_t n = 1; n <= 4; n++) {
    auto& s = f.span("guide", "GET /", SpanKind::kServer, n, n, 0, Duration::milliseconds(n),
                     Duration::seconds(90));
    if (n == 2) s.status = SpanStatus::kError;
  }
  std::string target = "/evidence?labels=" + encoded(R"({"alertname":"Errors","job":"guide"})");
  auto o = f.get(target);
  CHECK(!o.contains("alert"));
  CHECK(!o.contains("exemplar"));
  REQUIRE(o.at("traces").as_array().size() == 1);
  CHECK(text(o.at("traces").as_array()[0].as_object(), "trace_id") == trace_id(2).to_hex());
  auto unknown = f.get("/evidence?labels=" + encoded(R"({"alertname":"Nobody","job":"guide"})") +
                       "&t=" + std::to_string(to_seconds(f.clock.now() - Duration::seconds(30))));
  CHECK(text(unknown, "expr").empty());
  CHECK(f.error("/evidence", 400) == "invalid");
  CHECK(f.error("/evidence?labels=" + encoded("[1]"), 400) == "invalid");
  CHECK(f.error("/evidence?labels=" + encoded(R"({"service":"a"})"), 400) == "invalid");
}

TEST_CASE("sonde_api: the inbox shows what was sent with its alerts, and remembers what was read") {
  Fixture f;
  notify::Notification n;
  n.receiver = "default";
  n.firing = true;
  Alert a;
  a.labels = {{"alertname", "OrdersSlow"}, {"service", "orders"}};
  a.annotations = {{"summary", "slow"}};
  a.active_at = a.fired_at = f.clock.timestamp();
  n.alerts = {a};
  state::InboxMessage m;
  m.t = f.clock.timestamp();
  m.receiver = "default";
  m.status = "firing";
  m.title = "t\"x";
  m.body = "b";
  m.payload = notify::webhook_payload(n);
  int64_t id = f.mailbox.post(m, {}, m.payload).value();
  auto o = f.get("/inbox?limit=5");
  CHECK(number(o, "unread") == 1);
  REQUIRE(o.at("messages").as_array().size() == 1);
  const auto& shown = o.at("messages").as_array()[0].as_object();
  CHECK(text(shown, "title") == "t\"x");
  CHECK(text(shown.at("labels").as_object(), "service") == "orders");
  CHECK(text(shown.at("annotations").as_object(), "summary") == "slow");
  const auto& alert = shown.at("alerts").as_array()[0].as_object();
  CHECK(text(alert, "state") == "firing");
  CHECK(number(alert, "starts_at") == doctest::Approx(to_seconds(a.fired_at)));
  CHECK(!alert.contains("ends_at"));
  // Reading it shows at once, the cache notwithstanding.
  CHECK(f.ask("POST", "/inbox/" + std::to_string(id) + "/read").body == "{}");
  auto after = json::parse(f.ask("GET", "/inbox?limit=5").body).as_object();
  CHECK(number(after, "unread") == 0);
  CHECK(after.at("messages").as_array()[0].as_object().at("read").as_bool());
  CHECK(f.ask("POST", "/inbox/4711/read").code == 404);
  CHECK(f.ask("POST", "/inbox/x/read").code == 400);
}

TEST_CASE("sonde_api: old slow traces are found behind many new fast ones") {
  Fixture f;
  for (int n = 1; n <= 250; n++) {
    // The oldest three are slow, all others take 1 to 50 ms; ids in the order of time.
    auto duration = n <= 3 ? Duration::milliseconds(4000 + n) : Duration::milliseconds(1 + n % 50);
    auto id = static_cast<uint8_t>(n);
    f.span("web", "op", SpanKind::kServer, id, id, 0, duration, Duration::seconds(600 - 2 * n));
  }
  auto found = f.get("/traces?order=duration&limit=4");
  const auto& traces = found.at("traces").as_array();
  REQUIRE(traces.size() == 4);
  CHECK(text(traces[0].as_object(), "trace_id") == trace_id(3).to_hex());
  CHECK(text(traces[1].as_object(), "trace_id") == trace_id(2).to_hex());
  CHECK(text(traces[2].as_object(), "trace_id") == trace_id(1).to_hex());
  CHECK(number(traces[3].as_object(), "duration") == doctest::Approx(0.05));
  CHECK(found.at("truncated").as_bool());
  CHECK(f.get("/traces?order=duration&limit=4&max_duration=0.02").at("traces").as_array().size() == 4);
}

TEST_CASE("sonde_api: a search finds traces by service, tag, duration and failure") {
  Fixture f;
  for (uint8_t n = 1; n <= 5; n++) {
    auto& s = f.span(n < 4 ? "web" : "orders", "op", SpanKind::kServer, n, n, 0,
                     Duration::milliseconds(n * 100), Duration::seconds(100 - n));
    s.attributes = {{"n", int64_t{n}}};
    if (n == 3) s.status = SpanStatus::kError;
  }
  auto ids = [&](const std::string& query) {
    std::string out;
    json::object found = f.get("/traces?" + query);
    for (const auto& t : found.at("traces").as_array()) {
      out += std::to_string(TraceId::from_hex(text(t.as_object(), "trace_id"))->bytes[15]);
    }
    return out;
  };
  CHECK(ids("") == "54321");
  CHECK(ids("service=web") == "321");
  CHECK(ids("min_duration=0.25") == "543");
  CHECK(ids("max_duration=0.2") == "21");
  CHECK(ids("errors=true") == "3");
  CHECK(ids("tags=n%3D2") == "2");
  CHECK(ids("limit=2") == "54");
  CHECK(f.get("/traces?limit=2").at("truncated").as_bool());
  CHECK(!f.get("/traces?limit=5").at("truncated").as_bool());
  CHECK(ids("order=time") == "54321");
  CHECK(ids("order=duration&limit=2") == "54");
  CHECK(f.get("/traces?order=duration&limit=2").at("truncated").as_bool());
  CHECK(!f.get("/traces?order=duration&limit=5").at("truncated").as_bool());
  CHECK(f.error("/traces?order=size", 400) == "invalid");
  CHECK(f.error("/traces?tags=n", 400) == "invalid");
  CHECK(f.error("/traces?min_duration=fast", 400) == "invalid");
  CHECK(f.error("/traces?limit=0", 400) == "invalid");
  CHECK(f.error("/traces?start=2000&end=1000", 400) == "invalid");
}

TEST_CASE("sonde_api: a trace comes with its spans relative to its start, and its log lines") {
  Fixture f;
  auto resource = std::make_shared<Attributes>(Attributes{{"service.name", "web"}});
  auto& root = f.span("web", "GET /", SpanKind::kServer, 7, 1, 0, Duration::milliseconds(100));
  root.resource = resource;
  root.attributes = {{"http.response.status_code", int64_t{500}},
                     {"ok", true},
                     {"list", AttributeArray{AttributeValue("a"), AttributeValue(int64_t{2})}},
                     {"big", int64_t{1} << 60}};
  root.status = SpanStatus::kError;
  root.status_message = "broken";
  EventTime begin = root.start;
  f.span("orders", "POST", SpanKind::kServer, 7, 2, 1, Duration::milliseconds(50),
         Duration::milliseconds(59'980))
      .events = {{begin + Duration::milliseconds(30), "retry", {{"n", int64_t{1}}}}};
  LogRecord line;
  line.time = begin + Duration::milliseconds(10);
  line.stream = {{"service_name", "orders"}};
  line.line = "timeout";
  line.trace_id = trace_id(7);
  line.span_id = span_id(2);
  line.attributes = {{"detected_level", "error"}};
  f.logs.records.push_back(line);
  line.trace_id = trace_id(8);
  f.logs.records.push_back(line);

  auto o = f.get("/traces/" + trace_id(7).to_hex());
  CHECK(text(o, "trace_id") == trace_id(7).to_hex());
  CHECK(number(o, "duration") == doctest::Approx(0.1));
  CHECK(o.at("services") == json::array{"orders", "web"});
  const auto& spans = o.at("spans").as_array();
  REQUIRE(spans.size() == 2);
  const auto& first = spans[0].as_object();
  CHECK(text(first, "parent_id").empty());
  CHECK(text(first, "kind") == "server");
  CHECK(text(first, "status") == "error");
  CHECK(number(first, "start") == 0);
  CHECK(number(first.at("attributes").as_object(), "http.response.status_code") == 500);
  CHECK(first.at("attributes").as_object().at("list") == json::array{"a", 2});
  CHECK(text(first.at("attributes").as_object(), "big") == "1152921504606846976");
  CHECK(text(first.at("resource").as_object(), "service.name") == "web");
  const auto& child = spans[1].as_object();
  CHECK(text(child, "parent_id") == span_id(1).to_hex());
  CHECK(number(child, "start") == doctest::Approx(0.02));
  CHECK(number(child.at("events").as_array()[0].as_object(), "t") == doctest::Approx(0.03));
  REQUIRE(o.at("logs").as_array().size() == 1);
  const auto& log = o.at("logs").as_array()[0].as_object();
  CHECK(text(log, "message") == "timeout");
  CHECK(text(log, "level") == "error");
  CHECK(text(log, "service") == "orders");
  CHECK(text(log, "span_id") == span_id(2).to_hex());
  CHECK(f.error("/traces/" + trace_id(9).to_hex(), 404) == "not_found");
  CHECK(f.error("/traces/xyz", 400) == "invalid");
}

TEST_CASE("sonde_api: status tells versions, stores, marks of the demo, and who asks") {
  Fixture f;
  f.figures.started = f.clock.now();
  f.figures.data_dir = "/data";
  f.figures.retention = Duration::hours(24);
  f.figures.listen = {{"127.0.0.1:9090", "http"}};
  f.figures.warnings = {"w"};
  f.figures.samples_received = 1000;
  auto empty = f.get("/status");
  CHECK(text(empty, "version") == "1.2.3");
  CHECK(text(empty, "data_dir") == "/data");
  CHECK(number(empty, "retention_seconds") == 86400);
  CHECK(number(empty.at("head").as_object(), "max_time") == 0);
  CHECK(!empty.contains("synthetic_until"));
  CHECK(text(empty.at("auth").as_object(), "user") == "anonymous");
  CHECK(empty.at("warnings") == json::array{"w"});
  f.run_shop(Duration::minutes(1));
  REQUIRE(f.settings.set(kSyntheticUntil, "1700000000.5"));
  auto full = f.get("/status");
  CHECK(number(full, "synthetic_until") == 1700000000.5);
  CHECK(number(full.at("head").as_object(), "samples") > 10);
  CHECK(number(full.at("spans").as_object(), "bytes") == 77);

  f.get("/overview");
  f.clock.advance(Duration::seconds(9));
  f.figures.samples_received = 2000;
  auto o = f.get("/overview");
  CHECK(number(o.at("ingest").as_object(), "samples_per_second") == doctest::Approx(100));
}

TEST_CASE("sonde_api: findings are passed on") {
  Fixture f;
  f.findings = {view_of({.class_name = "absent-series",
                         .severity = rules::Severity::kError,
                         .message = "m",
                         .expr = "x == 0",
                         .rewrite = "y == 0",
                         .group = "g",
                         .rule = "r",
                         .file = "rules.yml",
                         .line = 3,
                         .since = f.clock.timestamp()})};
  const auto o = f.get("/findings");
  const auto& one = o.at("findings").as_array()[0].as_object();
  CHECK(text(one, "class") == "absent-series");
  CHECK(text(one, "severity") == "error");
  CHECK(text(one, "rewrite") == "y == 0");
  CHECK(text(one, "rule") == "r");
  CHECK(number(one, "line") == 3);
  CHECK(number(one, "since") > 1e9);
}

TEST_CASE("sonde_api: the same question within a second is answered from the cache") {
  Fixture f;
  f.span("cart", "GET", SpanKind::kServer, 1, 1, 0, Duration::milliseconds(1));
  std::string first = f.ask("GET", "/overview?x=1").body;
  size_t scans = f.spans.scans;
  CHECK(f.ask("GET", "/overview?x=1").body == first);
  CHECK(f.spans.scans == scans);
  f.ask("GET", "/overview?x=2");
  CHECK(f.spans.scans > scans);
  scans = f.spans.scans;
  f.clock.advance(Duration::seconds(1));
  f.ask("GET", "/overview?x=1");
  CHECK(f.spans.scans > scans);
}

TEST_CASE("sonde_api: times may be seconds or RFC 3339") {
  Fixture f;
  CHECK(f.error("/overview?start=yesterday", 400) == "invalid");
  CHECK(f.error("/overview?start=nan", 400) == "invalid");
  f.get("/overview?start=2023-11-14T21:00:00Z&end=1700000000.25");
}

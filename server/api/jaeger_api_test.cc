#include "api/jaeger_api.h"

#include <doctest/doctest.h>

#include <map>

#include "api/recorded_answer.h"

using namespace sonde;
using namespace sonde::api;

namespace {

// Spans in a vector; remembers the search it was asked for.
class FakeSpans final : public storage::SpanReader {
 public:
  std::vector<Span> spans;
  std::optional<Error> failure;
  mutable storage::SpanSearch searched;
  mutable storage::SpanSelect scanned;

  Result<std::vector<std::string>> services(const storage::Scope&) const override {
    if (failure) return fail(*failure);
    std::map<std::string, int> names;
    for (const Span& s : spans) names[s.service];
    std::vector<std::string> out;
    for (const auto& [name, n] : names) out.push_back(name);
    return out;
  }
  Result<std::vector<std::pair<std::string, SpanKind>>> operations(const storage::Scope&,
                                                                   std::string_view service) const override {
    std::map<std::pair<std::string, SpanKind>, int> found;
    for (const Span& s : spans) {
      if (s.service == service) found[{s.name, s.kind}];
    }
    std::vector<std::pair<std::string, SpanKind>> out;
    for (const auto& [key, n] : found) out.push_back(key);
    return out;
  }
  Result<std::vector<Span>> trace(const storage::Scope&, const TraceId& id,
                                  const Cancellation&) const override {
    if (failure) return fail(*failure);
    std::vector<Span> out;
    for (const Span& s : spans) {
      if (s.trace_id == id) out.push_back(s);
    }
    return out;
  }
  Result<std::vector<storage::TraceSummary>> search(const storage::Scope&, const storage::SpanSearch& search,
                                                    const Cancellation&) const override {
    searched = search;
    std::vector<storage::TraceSummary> out;
    for (const Span& s : spans) {
      if (!s.parent_id.empty() || out.size() >= search.limit) continue;
      storage::TraceSummary summary;
      summary.trace_id = s.trace_id;
      out.push_back(summary);
    }
    return out;
  }
  Result<> scan(const storage::Scope&, const storage::SpanSelect& select, const Cancellation&,
                const std::function<bool(const Span&)>& visit) const override {
    scanned = select;
    for (const Span& s : spans) {
      if (!visit(s)) break;
    }
    return {};
  }
};

constexpr int64_t kNowNs = 1'700'000'000'000'000'000;

struct Fixture {
  VirtualClock clock{EventTime{kNowNs}};
  FakeSpans spans;
  std::shared_ptr<JaegerApiContext> context{new JaegerApiContext{spans, clock}};
  net::Router router;

  Fixture() {
    add_jaeger_routes(router, context);
    add(1, 1, 0, "shop", "GET /cart", SpanKind::kServer);
    add(1, 2, 1, "shop", "SELECT", SpanKind::kClient);
    add(1, 3, 2, "db", "query", SpanKind::kServer);
    add(2, 4, 0, "shop", "GET /", SpanKind::kServer);
  }
  void add(uint8_t trace, uint8_t id, uint8_t parent, std::string service, std::string name, SpanKind kind) {
    Span s;
    s.trace_id.bytes[15] = trace;
    s.span_id.bytes[7] = id;
    s.parent_id.bytes[7] = parent;
    s.service = std::move(service);
    s.name = std::move(name);
    s.kind = kind;
    s.start = EventTime{kNowNs - 5'000'000};
    s.end = s.start + Duration::milliseconds(2);
    spans.spans.push_back(std::move(s));
  }
  std::shared_ptr<RecordedAnswer> get(const std::string& target) { return ask(router, "GET", target); }
  std::string body(const std::string& target) { return get(target)->body; }
};

std::string list(const std::string& elements, int total) {
  return "{\"data\":[" + elements + "],\"total\":" + std::to_string(total) +
         ",\"limit\":0,\"offset\":0,\"errors\":null}";
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("jaeger api: services and their operations") {
  Fixture f;
  auto a = f.get("/api/services");
  CHECK(a->code == 200);
  CHECK(a->headers.get("Content-Type") == "application/json");
  CHECK(a->body == list(R"("db","shop")", 2));
  CHECK(f.body("/api/services/shop/operations") == list(R"("GET /","GET /cart","SELECT")", 3));
  CHECK(f.body("/api/operations?service=db") == list(R"({"name":"query","spanKind":"server"})", 1));
  CHECK(f.body("/api/operations?service=shop&spanKind=client") ==
        list(R"({"name":"SELECT","spanKind":"client"})", 1));
  CHECK(f.get("/api/operations")->code == 400);
  CHECK(contains(f.body("/api/operations"), "parameter 'service' is required"));
}

TEST_CASE("jaeger api: one trace, whatever the spelling of its id; unknown ones are 404 in JSON") {
  Fixture f;
  auto a = f.get("/api/traces/1");
  CHECK(a->code == 200);
  CHECK(a->body.starts_with(R"({"data":[{"traceID":"00000000000000000000000000000001","spans":[)"));
  CHECK(contains(a->body, R"("operationName":"GET /cart")"));
  CHECK(contains(a->body, R"("references":[{"refType":"CHILD_OF")"));
  CHECK(a->body.ends_with(R"("total":1,"limit":0,"offset":0,"errors":null})"));
  CHECK(f.body("/api/traces/00000000000000000000000000000001") == a->body);
  auto unknown = f.get("/api/traces/abc");
  CHECK(unknown->code == 404);
  CHECK(contains(unknown->body, R"("errors":[{"code":404,"msg":"trace not found"}])"));
  CHECK(f.get("/api/traces/xyz")->code == 400);
  CHECK(f.get("/api/traces/0")->code == 400);
}

TEST_CASE("jaeger api: a search passes on everything it was asked for") {
  Fixture f;
  auto a = f.get(
      "/api/traces?service=shop&operation=GET+/cart&tags=%7B%22http.status%22:%22500%22,%22retry%22:true%7D"
      "&tag=user:7:8&minDuration=1.2s&maxDuration=1m30s&limit=5&start=1699999999000000&end=1700000000000000");
  CHECK(a->code == 200);
  CHECK(contains(a->body, R"("total":2,"limit":0)"));
  const storage::SpanSearch& s = f.spans.searched;
  CHECK(s.service == "shop");
  CHECK(s.operation == "GET /cart");
  CHECK(s.tags == std::vector<std::pair<std::string, std::string>>{
                      {"user", "7:8"}, {"http.status", "500"}, {"retry", "true"}});
  CHECK(s.min_duration == Duration::milliseconds(1200));
  CHECK(s.max_duration == Duration::seconds(90));
  CHECK(s.limit == 5);
  CHECK(s.from.ns == 1'699'999'999'000'000'000);
  CHECK(s.to.ns == 1'700'000'000'000'001'000);
}

TEST_CASE("jaeger api: a search has defaults, and durations any of Go's units") {
  Fixture f;
  CHECK(f.get("/api/traces?service=shop&minDuration=100ms&maxDuration=250000us")->code == 200);
  CHECK(f.spans.searched.min_duration == Duration::milliseconds(100));
  CHECK(f.spans.searched.max_duration == Duration::milliseconds(250));
  CHECK(f.spans.searched.limit == 100);
  CHECK(f.spans.searched.from.ns == kNowNs - Duration::hours(48).ns);
  CHECK(f.get("/api/traces?service=shop&lookback=1h&limit=999999")->code == 200);
  CHECK(f.spans.searched.from.ns == kNowNs - Duration::hours(1).ns);
  CHECK(f.spans.searched.limit == 1500);
  CHECK(f.get("/api/traces?service=shop&lookback=custom&minDuration=5%C2%B5s")->code == 200);
  CHECK(f.spans.searched.min_duration == Duration::microseconds(5));
  CHECK(f.get("/api/traces?service=shop&tags=%7B%22otel.status_code%22:%22ERROR%22,%22a%22:1%7D")->code ==
        200);
  CHECK(f.spans.searched.errors_only);
  CHECK(f.spans.searched.tags == std::vector<std::pair<std::string, std::string>>{{"a", "1"}});
}

TEST_CASE("jaeger api: bad search parameters are 400 and named") {
  Fixture f;
  auto message = [&](const std::string& parameters) {
    auto a = f.get("/api/traces?" + parameters);
    CHECK(a->code == 400);
    return a->body;
  };
  CHECK(contains(message(""), "parameter 'service' is required"));
  CHECK(contains(message("service=a&start=x"),
                 R"(unable to parse param 'start': strconv.ParseInt: parsing \"x\")"));
  CHECK(contains(message("service=a&minDuration=5"),
                 R"(unable to parse param 'minDuration': time: invalid duration)"));
  CHECK(contains(message("service=a&minDuration=2s&maxDuration=1s"),
                 "'maxDuration' should be greater than 'minDuration'"));
  CHECK(contains(message("service=a&tag=novalue"),
                 "malformed 'tag' parameter, expecting key:value, received: novalue"));
  CHECK(contains(message("service=a&tags=x"), "malformed 'tags' parameter, cannot unmarshal JSON"));
  CHECK(contains(message("service=a&tags=%7B%22a%22:%5B%5D%7D"), "malformed 'tags' parameter"));
  CHECK(contains(message("traceID=zz"), "malformed trace ID: zz"));
}

TEST_CASE("jaeger api: traces by their ids, those unknown left out") {
  Fixture f;
  std::string body = f.body("/api/traces?traceID=1&traceID=77&traceID=2");
  CHECK(contains(body, R"("total":2)"));
  CHECK(contains(body, R"("errors":null)"));
  CHECK(f.body("/api/traces?traceID=77") == list("", 0));
}

TEST_CASE("jaeger api: many spans are streamed; what goes wrong then stands beside the traces") {
  Fixture f;
  for (int i = 0; i < 400; i++) f.add(1, static_cast<uint8_t>(i), 1, "shop", "work", SpanKind::kInternal);
  f.context->spans_max = 404;
  auto whole = f.get("/api/traces?traceID=1&traceID=2");
  CHECK(whole->writes > 1);
  CHECK(whole->finished);
  CHECK(contains(whole->body, R"("total":2,"limit":0,"offset":0,"errors":null)"));
  f.context->spans_max = 403;
  auto cut = f.get("/api/traces?traceID=1&traceID=2");
  CHECK(cut->code == 200);
  CHECK(contains(cut->body,
                 R"("total":1,"limit":0,"offset":0,"errors":[{"code":422,"msg":"more than 403 spans)"));
  f.context->spans_max = 10;
  CHECK(f.get("/api/traces/1")->code == 422);
}

TEST_CASE("jaeger api: failures of the store have their codes") {
  Fixture f;
  f.spans.failure = Error{ErrorCode::kTimeout, "query timed out", {}, 0, 0};
  CHECK(f.get("/api/traces/1")->code == 503);
  f.spans.failure = Error{ErrorCode::kCorrupt, "part 3: checksum", {}, 0, 0};
  auto a = f.get("/api/services");
  CHECK(a->code == 500);
  CHECK(contains(a->body, R"("errors":[{"code":500,"msg":"part 3: checksum"}])"));
}

TEST_CASE("jaeger api: dependencies count the calls from service to service") {
  Fixture f;
  f.add(2, 5, 4, "db", "query", SpanKind::kServer);
  f.add(2, 6, 99, "lost", "orphan", SpanKind::kServer);
  CHECK(f.body("/api/dependencies?endTs=1700000000000&lookback=3600000") ==
        list(R"({"parent":"shop","child":"db","callCount":2})", 1));
  CHECK(f.spans.scanned.to.ns == kNowNs);
  CHECK(f.spans.scanned.from.ns == kNowNs - Duration::hours(1).ns);
  CHECK(f.get("/api/dependencies?endTs=x")->code == 400);
  CHECK(f.get("/api/dependencies?lookback=-1")->code == 400);
  f.context->dependency_spans_max = 3;
  auto a = f.get("/api/dependencies");
  CHECK(a->code == 422);
  CHECK(contains(a->body, "ask for a shorter lookback"));
}

TEST_CASE("jaeger api: every route is for readers") {
  Fixture f;
  CHECK(f.router.routes().size() == 6);
  for (const net::Route& r : f.router.routes()) CHECK(r.role == net::Role::kRead);
}

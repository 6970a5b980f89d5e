#include "ingest/otlp_http.h"

#include <doctest/doctest.h>

#include "ingest/test_stand.h"
#include "memstore/mem_metric_store.h"

using namespace sonde;
using namespace sonde::ingest;

namespace {

using TestStand = TestStandOn<memstore::MemMetricStore>;

constexpr const char* kProtobuf = "application/x-protobuf";
constexpr const char* kJson = "application/json";

Span a_span(uint8_t id) {
  Span s;
  s.trace_id.bytes[15] = id;
  s.span_id.bytes[7] = id;
  s.name = "GET /";
  s.start = {1'700'000'000'000'000'000};
  s.end = s.start + Duration::milliseconds(3);
  return s;
}

LogRecord a_record(std::string line) {
  LogRecord r;
  r.line = std::move(line);
  r.attributes.emplace_back("status", 500);
  return r;
}

// Two points of a sum, one of them a delta, which is not built.
constexpr const char* kMetrics = R"({"resourceMetrics":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"shop"}}]},"scopeMetrics":[{"metrics":[
  {"name":"orders","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[
    {"asInt":"7","timeUnixNano":"1700000000000000000"}]}},
  {"name":"changes","sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[
    {"asInt":"3","timeUnixNano":"1700000000000000000"}]}}]}]}]})";

}  // namespace

TEST_CASE("otlp: spans in protobuf are stored and answered with an empty response") {
  TestStand stand;
  auto answer = stand.post("/v1/traces", kProtobuf, wire::encode_otlp_traces({a_span(1), a_span(2)}));
  CHECK(answer->status == 200);
  CHECK(answer->headers.get("Content-Type") == kProtobuf);
  CHECK(answer->body.empty());
  REQUIRE(stand.spans.stored.size() == 2);
  CHECK(stand.spans.stored[0].name == "GET /");
  CHECK(stand.spans.sources == std::vector<std::string>{"otlp"});
  const SourceStats& stats = stand.stats.of(Source::kOtlpTraces);
  CHECK(stats.requests == 1);
  CHECK(stats.received == 2);
  CHECK(stats.stored == 2);
}

TEST_CASE("otlp: the answer waits until the records are durable, and the share of memory with it") {
  TestStand stand;
  stand.logs.hold = true;
  auto answer = stand.post("/v1/logs", kProtobuf, wire::encode_otlp_logs({a_record("x")}));
  CHECK_FALSE(answer->finished);
  CHECK(stand.stats.of(Source::kOtlpLogs).stored == 0);
  CHECK(stand.memory.used_bytes() > 0);
  stand.logs.release();
  CHECK(answer->finished);
  CHECK(answer->status == 200);
  CHECK(stand.memory.used_bytes() == 0);
}

TEST_CASE("otlp: records without any time get the clock's") {
  TestStand stand;
  stand.post("/v1/logs", kProtobuf, wire::encode_otlp_logs({a_record("x")}));
  REQUIRE(stand.logs.stored.size() == 1);
  CHECK(stand.logs.stored[0].time == stand.clock.now());
  CHECK(stand.logs.stored[0].observed == stand.clock.now());
}

TEST_CASE("otlp: metrics of a kind that is not built are counted in partial_success, the others stored") {
  TestStand stand;
  for (const char* path : {"/v1/metrics", "/api/v1/otlp/v1/metrics"}) {
    auto answer = stand.post(path, "application/json; charset=utf-8", kMetrics);
    CHECK(answer->status == 200);
    CHECK(answer->headers.get("Content-Type") == kJson);
    CHECK(answer->body.find(R"("rejectedDataPoints":"1")") != std::string::npos);
  }
  REQUIRE(stand.metrics.batches.size() == 2);
  const storage::Batch& batch = stand.metrics.batches[0];
  CHECK(batch.origin == storage::Origin::kPushed);
  CHECK(batch.source == "otlp");
  bool found = false;
  for (const auto& row : batch.floats) {
    const LabelSet& labels = batch.series[row.series].labels;
    if (labels.metric_name() != "orders_total") continue;
    found = true;
    CHECK(row.v == 7);
    CHECK(labels.get("job") == "shop");
  }
  CHECK(found);
  CHECK(stand.stats.of(Source::kOtlpMetrics).rejected[static_cast<size_t>(Reason::kDecoder)] == 2);
}

TEST_CASE("otlp: what the store turns away is in partial_success with its reason") {
  TestStand stand;
  stand.spans.policy = [](std::vector<Span>& spans) -> Result<storage::EventOutcome> {
    spans.pop_back();
    return storage::EventOutcome{spans.size(), 1, "too old"};
  };
  auto answer = stand.post("/v1/traces", kProtobuf, wire::encode_otlp_traces({a_span(1), a_span(2)}));
  CHECK(answer->status == 200);
  CHECK(answer->body ==
        wire::encode_otlp_response(wire::OtlpSignal::kTraces, wire::OtlpEncoding::kProtobuf, 1, "too old"));
  CHECK(stand.stats.of(Source::kOtlpTraces).rejected[static_cast<size_t>(Reason::kStore)] == 1);
}

TEST_CASE("otlp: samples that the metric store rejects are told by series and reason") {
  TestStand stand;
  stand.post("/v1/metrics", kJson, kMetrics);
  std::string other = kMetrics;
  other.replace(other.find("\"7\""), 3, "\"8\"");
  auto answer = stand.post("/v1/metrics", kJson, other);
  CHECK(answer->status == 200);
  CHECK(answer->body.find(R"("rejectedDataPoints":"2")") != std::string::npos);
  CHECK(stand.stats.of(Source::kOtlpMetrics).rejected[static_cast<size_t>(Reason::kDuplicate)] == 1);
}

TEST_CASE("otlp: errors are a Status in the request's encoding") {
  TestStand stand;
  auto answer = stand.post("/v1/logs", kJson, "{");
  CHECK(answer->status == 400);
  CHECK(answer->headers.get("Content-Type") == kJson);
  CHECK(answer->body.find(R"("code":3)") != std::string::npos);
  answer = stand.post("/v1/traces", kProtobuf, "\x0a\x7f");
  CHECK(answer->status == 400);
  CHECK(answer->headers.get("Content-Type") == kProtobuf);
  CHECK(answer->body.starts_with("\x08\x03\x12"));
  CHECK(stand.stats.of(Source::kOtlpLogs).refused[static_cast<size_t>(Refusal::kMalformed)] == 1);
  CHECK(stand.stats.of(Source::kOtlpLogs).received == 0);
}

TEST_CASE("otlp: other content types are 415") {
  TestStand stand;
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded"}) {
    CHECK(stand.post("/v1/logs", type, "{}")->status == 415);
  }
  CHECK(stand.stats.of(Source::kOtlpLogs).refused[static_cast<size_t>(Refusal::kMediaType)] == 3);
}

TEST_CASE("otlp: a store that cannot take more now is 503 with Retry-After, a defect is 500") {
  TestStand stand;
  for (auto [code, status] : {std::pair{ErrorCode::kNoSpace, 503},
                              {ErrorCode::kUnavailable, 503},
                              {ErrorCode::kLimit, 503},
                              {ErrorCode::kInternal, 500}}) {
    stand.logs.policy = [code = code](std::vector<LogRecord>&) -> Result<storage::EventOutcome> {
      return fail(code, "disk");
    };
    auto answer = stand.post("/v1/logs", kJson, R"({"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]})");
    CHECK(answer->status == status);
    CHECK(answer->headers.get("Retry-After") == (status == 503 ? "5" : ""));
    CHECK(answer->body.find("disk") != std::string::npos);
  }
  CHECK(stand.stats.of(Source::kOtlpLogs).failed == 4);
}

TEST_CASE("otlp: bodies over the limit are 413, JSON has a smaller one") {
  TestStand stand({.body_bytes_max = 100, .json_bytes_max = 10});
  CHECK(stand.post("/v1/logs", kProtobuf, std::string(101, '\0'))->status == 413);
  CHECK(stand.post("/v1/logs", kJson, std::string(9, ' ') + "{}")->status == 413);
  CHECK(stand.post("/v1/logs", kJson, "{}")->status == 200);
  CHECK(stand.stats.of(Source::kOtlpLogs).refused[static_cast<size_t>(Refusal::kTooLarge)] == 2);
}

TEST_CASE("otlp: when the memory for requests under way is used up, senders are told to come back") {
  TestStand stand({}, 100);
  stand.logs.hold = true;
  std::string body = wire::encode_otlp_logs({a_record(std::string(50, 'x'))});
  REQUIRE(body.size() <= 100);
  auto first = stand.post("/v1/logs", kProtobuf, body);
  auto second = stand.post("/v1/logs", kProtobuf, body);
  CHECK(second->status == 503);
  CHECK(second->headers.get("Retry-After") == "5");
  CHECK(stand.stats.of(Source::kOtlpLogs).refused[static_cast<size_t>(Refusal::kBusy)] == 1);
  stand.logs.release();
  CHECK(first->status == 200);
  stand.post("/v1/logs", kProtobuf, body);
  stand.logs.release();
  CHECK(stand.logs.stored.size() == 2);
}

TEST_CASE("otlp: an empty request succeeds") {
  TestStand stand;
  CHECK(stand.post("/v1/traces", kJson, "{}")->body == "{}");
  CHECK(stand.post("/v1/logs", kProtobuf, "")->status == 200);
  CHECK(stand.post("/otlp/v1/logs", kProtobuf, "")->status == 200);
  CHECK(stand.spans.sources.empty());
}

TEST_CASE("otlp: logs that ship sends are booked as its own") {
  TestStand stand;
  stand.post("/v1/logs", kProtobuf, wire::encode_otlp_logs({a_record("x")}),
             {{"User-Agent", "sonde-ship/1"}});
  CHECK(stand.logs.sources == std::vector<std::string>{"ship"});
  CHECK(stand.stats.of(Source::kShip).stored == 1);
  CHECK(stand.stats.of(Source::kOtlpLogs).requests == 0);
}

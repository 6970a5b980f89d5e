#include "ingest/otlp_grpc.h"

#include <doctest/doctest.h>

#include "ingest/test_stand.h"
#include "memstore/mem_metric_store.h"
#include "net/base64.h"
#include "net/grpc.h"

using namespace sonde;
using namespace sonde::ingest;

namespace {

using TestStand = TestStandOn<memstore::MemMetricStore>;

constexpr const char* kTraces = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
constexpr const char* kLogs = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
constexpr const char* kMetrics = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

std::string logs_message() {
  LogRecord r;
  r.line = "hello";
  return wire::encode_otlp_logs({r});
}

std::shared_ptr<Answer> call(TestStand& stand, const char* path, std::string_view message) {
  return stand.post(path, "application/grpc", net::encode_grpc_message(message));
}

}  // namespace

TEST_CASE("otlp grpc: the three services store what they are sent") {
  TestStand stand;
  Span span;
  span.trace_id.bytes[0] = 1;
  span.span_id.bytes[0] = 1;
  auto answer = call(stand, kTraces, wire::encode_otlp_traces({span}));
  CHECK(answer->trailers.get("grpc-status") == "0");
  CHECK(answer->body == net::encode_grpc_message(""));
  CHECK(stand.spans.stored.size() == 1);
  CHECK(stand.spans.stored[0].start == stand.clock.now());

  CHECK(call(stand, kLogs, logs_message())->trailers.get("grpc-status") == "0");
  CHECK(stand.logs.stored.size() == 1);

  auto metrics = wire::otlp_json_to_protobuf(
      R"({"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"t","gauge":{"dataPoints":[
         {"asDouble":1.5,"timeUnixNano":"1700000000000000000"}]}}]}]}]})",
      wire::OtlpSignal::kMetrics);
  REQUIRE(metrics);
  CHECK(call(stand, kMetrics, *metrics)->trailers.get("grpc-status") == "0");
  CHECK(stand.metrics.stored == stand.stats.of(Source::kOtlpMetrics).stored);
  CHECK(stand.metrics.stored >= 1);
}

TEST_CASE("otlp grpc: a store that cannot take more is UNAVAILABLE with a RetryInfo") {
  TestStand stand;
  stand.logs.policy = [](auto&) -> Result<storage::EventOutcome> {
    return fail(ErrorCode::kNoSpace, "disk full");
  };
  auto answer = call(stand, kLogs, logs_message());
  CHECK(answer->trailers.get("grpc-status") == "14");
  CHECK(answer->trailers.get("grpc-message") == "disk full");
  CHECK(answer->trailers.get("grpc-retry-pushback-ms") == "5000");
  std::string details(answer->trailers.get("grpc-status-details-bin"));
  // {code: 14, message: "disk full", details: [{type_url, value: {retry_delay: {seconds: 5}}}]}
  std::string url = "type.googleapis.com/google.rpc.RetryInfo";
  std::string any = "\x0a\x28" + url + "\x12\x04\x0a\x02\x08\x05";
  std::string status =
      "\x08\x0e\x12\x09"
      "disk full\x1a";
  status += static_cast<char>(any.size());
  status += any;
  CHECK(details == net::base64_encode(status));
  CHECK(stand.stats.of(Source::kOtlpLogs).failed == 1);
}

TEST_CASE("otlp grpc: an error that will stay one has no RetryInfo") {
  TestStand stand({.body_bytes_max = 64});
  auto answer = call(stand, kLogs, std::string(65, 'x'));
  CHECK(answer->trailers.get("grpc-status") == "8");
  CHECK_FALSE(answer->trailers.has("grpc-status-details-bin"));
  answer = call(stand, kLogs, "\x0a\x7f");
  CHECK(answer->trailers.get("grpc-status") == "3");
  CHECK_FALSE(answer->trailers.has("grpc-retry-pushback-ms"));
  CHECK(stand.stats.of(Source::kOtlpLogs).refused[static_cast<size_t>(Refusal::kMalformed)] == 1);
}

TEST_CASE("otlp grpc: the answer waits for the commit") {
  TestStand stand;
  stand.logs.hold = true;
  auto answer = call(stand, kLogs, logs_message());
  CHECK_FALSE(answer->finished);
  stand.logs.release();
  CHECK(answer->trailers.get("grpc-status") == "0");
}

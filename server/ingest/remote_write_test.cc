#include "ingest/remote_write.h"

#include <doctest/doctest.h>

#include "ingest/test_stand.h"
#include "memstore/mem_metric_store.h"

using namespace sonde;
using namespace sonde::ingest;

namespace {

using TestStand = TestStandOn<memstore::MemMetricStore>;

constexpr const char* kWrite = "/api/v1/write";
constexpr const char* kV1 = "application/x-protobuf";
constexpr const char* kV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

wire::MetricRows rows_of(double v, int64_t t = 1'700'000'000'000) {
  wire::MetricRows rows;
  uint32_t up = rows.add_series({{"__name__", "up"}, {"job", "shop"}});
  rows.floats.push_back({up, {t}, v, {}});
  return rows;
}

}  // namespace

TEST_CASE("remote write: version 1 is stored and answered 204 without version 2's headers") {
  TestStand stand;
  auto answer = stand.post(kWrite, kV1, wire::encode_remote_write_v1(rows_of(1)),
                           {{"Content-Encoding", "snappy"}, {"X-Prometheus-Remote-Write-Version", "0.1.0"}});
  CHECK(answer->status == 204);
  CHECK_FALSE(answer->headers.has("X-Prometheus-Remote-Write-Samples-Written"));
  REQUIRE(stand.metrics.batches.size() == 1);
  CHECK(stand.metrics.batches[0].source == "remote_write");
  CHECK(stand.metrics.batches[0].origin == storage::Origin::kPushed);
  CHECK(stand.metrics.batches[0].series[0].labels == LabelSet{{"__name__", "up"}, {"job", "shop"}});
  CHECK(stand.metrics.batches[0].floats[0].v == 1);
}

TEST_CASE("remote write: version 2 says what was written, also when it fails") {
  TestStand stand;
  std::string body = wire::encode_remote_write_v2(rows_of(1));
  auto answer = stand.post(kWrite, kV2, body, {{"Content-Encoding", "snappy"}});
  CHECK(answer->status == 204);
  CHECK(answer->headers.get("X-Prometheus-Remote-Write-Samples-Written") == "1");
  CHECK(answer->headers.get("X-Prometheus-Remote-Write-Histograms-Written") == "0");
  CHECK(answer->headers.get("X-Prometheus-Remote-Write-Exemplars-Written") == "0");
  stand.metrics.fault = [] { return Result<>(fail(ErrorCode::kUnavailable, "stalled")); };
  answer = stand.post(kWrite, kV2, body, {{"Content-Encoding", "snappy"}});
  CHECK(answer->status == 503);
  CHECK(answer->headers.get("Retry-After") == "5");
  CHECK(answer->headers.get("X-Prometheus-Remote-Write-Samples-Written") == "0");
}

TEST_CASE("remote write: samples out of order and duplicates are 400, the good ones of the request stay") {
  TestStand stand;
  stand.post(kWrite, kV1, wire::encode_remote_write_v1(rows_of(1)));
  wire::MetricRows rows = rows_of(2, 1'600'000'000'000);
  uint32_t fresh = rows.add_series({{"__name__", "fresh"}});
  rows.floats.push_back({fresh, {1'700'000'000'000}, 3, {}});
  auto answer = stand.post(kWrite, kV1, wire::encode_remote_write_v1(rows));
  CHECK(answer->status == 400);
  CHECK(answer->body == "1 of 2 samples were not stored: out_of_order: up{job=\"shop\"} at 1600000000000\n");
  answer = stand.post(kWrite, kV2, wire::encode_remote_write_v2(rows_of(9)));
  CHECK(answer->status == 400);
  CHECK(answer->headers.get("X-Prometheus-Remote-Write-Samples-Written") == "0");
  const SourceStats& stats = stand.stats.of(Source::kRemoteWrite);
  CHECK(stats.rejected[static_cast<size_t>(Reason::kOutOfOrder)] == 1);
  CHECK(stats.rejected[static_cast<size_t>(Reason::kDuplicate)] == 1);
  CHECK(stats.stored == 2);
}

TEST_CASE("remote write: what is not remote write is 415, what is damaged 400") {
  TestStand stand;
  std::string body = wire::encode_remote_write_v1(rows_of(1));
  CHECK(stand.post(kWrite, "application/json", body)->status == 415);
  CHECK(stand.post(kWrite, "application/x-protobuf;proto=other.Message", body)->status == 415);
  CHECK(stand.post(kWrite, kV1, body, {{"Content-Encoding", "zstd"}})->status == 415);
  CHECK(stand.post(kWrite, kV1, "\xff\xff")->status == 400);
  CHECK(stand.post(kWrite, "application/x-protobuf; proto=prometheus.WriteRequest", body)->status == 204);
}

TEST_CASE("remote write: a failing store is 500 when trying again will not help") {
  TestStand stand;
  stand.metrics.fault = [] { return Result<>(fail(ErrorCode::kInternal, "defect")); };
  auto answer = stand.post(kWrite, kV1, wire::encode_remote_write_v1(rows_of(1)));
  CHECK(answer->status == 500);
  CHECK(answer->body == "defect\n");
  CHECK(stand.stats.of(Source::kRemoteWrite).failed == 1);
}

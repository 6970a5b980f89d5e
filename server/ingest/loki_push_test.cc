#include "ingest/loki_push.h"

#include <doctest/doctest.h>

#include "ingest/test_stand.h"
#include "memstore/mem_metric_store.h"

using namespace sonde;
using namespace sonde::ingest;

namespace {

using TestStand = TestStandOn<memstore::MemMetricStore>;
constexpr const char* kPush = "/loki/api/v1/push";
constexpr const char* kJson = "application/json";
}  // namespace

TEST_CASE("loki push: JSON lines get typed attributes, structured metadata wins, the line stays as it came") {
  TestStand stand;
  auto answer = stand.post(kPush, kJson,
                           R"({"streams":[{"stream":{"app":"shop"},"values":[["1700000000000000001",
      "{\"level\":\"error\",\"msg\":\"no\",\"status\":503,\"user\":\"ann\",\"ok\":false,)"
                           R"(\"trace_id\":\"0102030405060708090a0b0c0d0e0f10\"}",{"user":"bob"}]]}]})");
  CHECK(answer->status == 204);
  CHECK(answer->body.empty());
  REQUIRE(stand.logs.stored.size() == 1);
  const LogRecord& r = stand.logs.stored[0];
  CHECK(r.line.starts_with("{\"level\":\"error\""));
  CHECK(r.stream.get("service_name") == "shop");
  CHECK(r.time.ns == 1'700'000'000'000'000'001);
  CHECK(r.severity_number == 17);
  CHECK(r.severity_text == "error");
  CHECK(r.trace_id.to_hex() == "0102030405060708090a0b0c0d0e0f10");
  CHECK(*find_attribute(r.attributes, "status") == AttributeValue(503));
  CHECK(*find_attribute(r.attributes, "ok") == AttributeValue(false));
  CHECK(string_attribute(r.attributes, "user") == "bob");
  CHECK(stand.logs.sources == std::vector<std::string>{"loki"});
}

TEST_CASE("loki push: logfmt lines are parsed, plain ones only for their level") {
  TestStand stand;
  stand.post(kPush, kJson,
             R"({"streams":[{"stream":{"app":"a"},"values":[["1","level=warn took=1.5 path=/x"],)"
             R"(["2","ERROR it broke"]]}]})");
  REQUIRE(stand.logs.stored.size() == 2);
  CHECK(*find_attribute(stand.logs.stored[0].attributes, "took") == AttributeValue(1.5));
  CHECK(stand.logs.stored[0].severity_number == 13);
  CHECK(stand.logs.stored[1].severity_text == "error");
  CHECK(stand.logs.stored[1].attributes.size() == 1);  // detected_level
}

TEST_CASE("loki push: a snappy block of protobuf, with or without its type") {
  TestStand stand;
  LogRecord r;
  r.time = {5};
  r.stream = {{"app", "shop"}};
  r.line = "hello";
  std::string body = wire::encode_loki_push_protobuf({r});
  CHECK(stand.post(kPush, "application/x-protobuf", body)->status == 204);
  CHECK(stand.post(kPush, "", body)->status == 204);
  CHECK(stand.logs.stored.size() == 2);
  CHECK(stand.post(kPush, "text/plain", body)->status == 415);
}

TEST_CASE("loki push: malformed requests are 400 in plain text, nothing is stored") {
  TestStand stand;
  auto answer = stand.post(kPush, kJson, R"({"streams":[{"stream":{"app":"a"},"values":[["x","y"]]}]})");
  CHECK(answer->status == 400);
  CHECK(answer->headers.get("Content-Type") == "text/plain; charset=utf-8");
  CHECK(stand.logs.stored.empty());
  CHECK(stand.stats.of(Source::kLoki).refused[static_cast<size_t>(Refusal::kMalformed)] == 1);
}

TEST_CASE("loki push: rejected records are told, failures of the store ask for another try") {
  TestStand stand;
  std::string body = R"({"streams":[{"stream":{"app":"a"},"values":[["1","x"],["2","y"]]}]})";
  stand.logs.policy = [](auto& records) -> Result<storage::EventOutcome> {
    records.pop_back();
    return storage::EventOutcome{1, 1, "too old"};
  };
  auto answer = stand.post(kPush, kJson, body);
  CHECK(answer->status == 400);
  CHECK(answer->body == "1 of 2 entries were not stored: too old\n");
  stand.logs.policy = [](auto&) -> Result<storage::EventOutcome> {
    return fail(ErrorCode::kNoSpace, "full");
  };
  answer = stand.post(kPush, kJson, body);
  CHECK(answer->status == 503);
  CHECK(answer->headers.get("Retry-After") == "5");
  const SourceStats& stats = stand.stats.of(Source::kLoki);
  CHECK(stats.received == 4);
  CHECK(stats.stored == 1);
  CHECK(stats.rejected_total() == 1);
  CHECK(stats.failed == 2);
}

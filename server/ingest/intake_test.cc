#include "ingest/intake.h"

#include <doctest/doctest.h>

#include <map>

#include "base/random.h"
#include "ingest/test_stand.h"
#include "memstore/mem_metric_store.h"

using namespace sonde;
using namespace sonde::ingest;

namespace {

using TestStand = TestStandOn<memstore::MemMetricStore>;

// A store that fails or turns items away at random, and keeps its own books.
struct Whim {
  Random& random;
  uint64_t given = 0;
  uint64_t kept = 0;
  uint64_t turned_away = 0;
  uint64_t failed = 0;

  template <class Item>
  Result<storage::EventOutcome> operator()(std::vector<Item>& items) {
    given += items.size();
    if (random.chance(0.3)) {
      failed += items.size();
      return fail(random.chance(0.5) ? ErrorCode::kUnavailable : ErrorCode::kInternal, "whim");
    }
    size_t before = items.size();
    std::erase_if(items, [&](const Item&) { return random.chance(0.2); });
    kept += items.size();
    turned_away += before - items.size();
    return storage::EventOutcome{items.size(), before - items.size(), "whim"};
  }
};

void check_balance(const SourceStats& stats) {
  CHECK(stats.received == stats.stored + stats.rejected_total() + stats.failed);
}

}  // namespace

TEST_CASE("intake: whatever the stores do, received is stored and rejected and failed") {
  constexpr uint64_t kSeed = 7;
  INFO("seed " << kSeed);
  Random random(kSeed);
  TestStand stand;
  Whim logs{random};
  Whim spans{random};
  stand.logs.policy = std::ref(logs);
  stand.spans.policy = std::ref(spans);
  uint64_t samples_failed = 0;
  uint64_t samples_sent = 0;
  bool fail_metrics = false;
  stand.metrics.fault = [&]() -> Result<> {
    if (fail_metrics) return fail(ErrorCode::kNoSpace, "whim");
    return {};
  };
  std::map<int, int> answers;

  for (int round = 0; round < 400; round++) {
    size_t count = random.below(20);
    switch (random.below(4)) {
      case 0: {
        std::vector<LogRecord> records(count);
        answers[stand.post("/v1/logs", "application/x-protobuf", wire::encode_otlp_logs(records))->status]++;
        break;
      }
      case 1: {
        std::vector<LogRecord> records(count);
        for (auto& r : records) r.stream = {{"app", "x"}};
        answers[stand.post("/loki/api/v1/push", "", wire::encode_loki_push_protobuf(records))->status]++;
        break;
      }
      case 2: {
        std::vector<Span> batch(count);
        for (auto& s : batch) {
          s.trace_id.bytes[0] = random.chance(0.9) ? 1 : 0;  // the decoder turns away those without an id
          s.span_id.bytes[0] = 1;
        }
        answers[stand.post("/v1/traces", "application/x-protobuf", wire::encode_otlp_traces(batch))
                    ->status]++;
        break;
      }
      default: {
        wire::MetricRows rows;
        for (size_t i = 0; i < count * 20; i++) {  // more rejections than a store lists
          uint32_t s = rows.add_series({{"__name__", "m"}, {"i", std::to_string(random.below(50))}});
          rows.floats.push_back({s, {static_cast<int64_t>(1000 + random.below(500))}, random.unit(), {}});
        }
        fail_metrics = random.chance(0.3);
        samples_sent += rows.floats.size();
        if (fail_metrics) samples_failed += rows.floats.size();
        answers[stand.post("/api/v1/write", "application/x-protobuf", wire::encode_remote_write_v1(rows))
                    ->status]++;
      }
    }
  }

  const SourceStats& otlp = stand.stats.of(Source::kOtlpLogs);
  const SourceStats& loki = stand.stats.of(Source::kLoki);
  const SourceStats& traces = stand.stats.of(Source::kOtlpTraces);
  const SourceStats& write = stand.stats.of(Source::kRemoteWrite);
  for (const SourceStats* s : {&otlp, &loki, &traces, &write}) check_balance(*s);
  CHECK(otlp.received + loki.received == logs.given);
  CHECK(otlp.stored + loki.stored == logs.kept);
  CHECK(otlp.rejected_total() + loki.rejected_total() == logs.turned_away);
  CHECK(otlp.failed + loki.failed == logs.failed);
  CHECK(stand.logs.stored.size() == logs.kept);
  CHECK(traces.received == spans.given + traces.rejected[static_cast<size_t>(Reason::kDecoder)]);
  CHECK(traces.stored == spans.kept);
  CHECK(traces.rejected[static_cast<size_t>(Reason::kDecoder)] > 0);
  CHECK(write.received == samples_sent);
  CHECK(write.failed == samples_failed);
  CHECK(write.stored == stand.metrics.stored);
  CHECK(write.rejected[static_cast<size_t>(Reason::kUnlisted)] > 0);
  CHECK(write.rejected[static_cast<size_t>(Reason::kOutOfOrder)] > 0);
  CHECK(stand.memory.used_bytes() == 0);
  // Every kind of answer was met.
  for (int status : {200, 204, 400, 500, 503}) CHECK(answers[status] > 0);
}

TEST_CASE("intake: a full executor of answers does not lose the answer") {
  class Full final : public Executor {
   public:
    bool submit(Task) override {
      refused++;
      return false;
    }
    size_t queue_length() const override { return 0; }
    uint64_t rejected_count() const override { return refused; }
    uint64_t refused = 0;
  };
  TestStand stand;
  Full full;
  IngestContext context{stand.metrics, stand.logs,   stand.spans, stand.clock,
                        full,          stand.memory, stand.stats, {}};
  wire::OtlpLogs logs;
  logs.records.resize(2);
  uint64_t stored = 0;
  take_logs(context, Source::kOtlpLogs, std::move(logs), nullptr,
            [&](Result<IntakeOutcome> outcome) { stored = outcome->stored; });
  CHECK(stored == 2);
  CHECK(full.refused == 1);
}

TEST_CASE("intake: a peer that goes away in the middle of its body is booked as such") {
  class Gone final : public net::BodyReader {
   public:
    Result<size_t> read(std::span<std::byte>) override { return fail(ErrorCode::kCancelled, "gone"); }
  };
  TestStand stand;
  net::Request request;
  request.body = std::make_unique<Gone>();
  CHECK_FALSE(read_body(stand.context, Source::kLoki, request, 100));
  CHECK(stand.stats.of(Source::kLoki).refused[static_cast<size_t>(Refusal::kIncomplete)] == 1);
}

TEST_CASE("intake: reasons, refusals and sources have distinct names") {
  std::map<std::string, int> names;
  for (size_t i = 0; i < kSourceCount; i++) names[to_string(static_cast<Source>(i))]++;
  for (size_t i = 0; i < kReasonCount; i++) names[to_string(static_cast<Reason>(i))]++;
  for (size_t i = 0; i < kRefusalCount; i++) names[to_string(static_cast<Refusal>(i))]++;
  CHECK(names.size() == kSourceCount + kReasonCount + kRefusalCount);
  for (size_t i = 0; i < 8; i++) {
    CHECK(std::string(to_string(static_cast<Reason>(i))) ==
          storage::to_string(static_cast<storage::RejectReason>(i)));
  }
}

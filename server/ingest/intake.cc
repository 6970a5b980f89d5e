#include "ingest/intake.h"

#include <algorithm>
#include <array>
#include <utility>

#include "net/ascii.h"

namespace sonde::ingest {
namespace {

Refusal refusal_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kLimit:
      return Refusal::kTooLarge;
    case ErrorCode::kUnsupported:
      return Refusal::kMediaType;
    case ErrorCode::kUnavailable:
      return Refusal::kBusy;
    case ErrorCode::kTimeout:
    case ErrorCode::kCancelled:
      return Refusal::kIncomplete;
    default:
      return Refusal::kMalformed;
  }
}

Error busy() {
  return Error{
      ErrorCode::kUnavailable, "the memory for requests under way is used up; try again later", {}, 0, 0};
}

// The store's name for a source; signals are told apart by the store itself.
std::string_view store_source(Source source) {
  switch (source) {
    case Source::kLoki:
      return "loki";
    case Source::kRemoteWrite:
      return "remote_write";
    case Source::kShip:
      return "ship";
    default:
      return "otlp";
  }
}

Reason reason_of(storage::RejectReason reason) { return static_cast<Reason>(reason); }
static_assert(static_cast<int>(Reason::kOutOfOrder) == static_cast<int>(storage::RejectReason::kOutOfOrder));
static_assert(static_cast<int>(Reason::kInvalidLabels) ==
              static_cast<int>(storage::RejectReason::kInvalidLabels));

void answer(Executor& executor, OnIntake done, Result<IntakeOutcome> outcome) {
  auto task = [done = std::move(done), outcome = std::move(outcome)]() mutable { done(std::move(outcome)); };
  auto shared = std::make_shared<decltype(task)>(std::move(task));
  if (!executor.submit([shared] { (*shared)(); })) (*shared)();
}

// Spans and records: `rejected` of them the decoder has left out already.
struct EventCount {
  uint64_t handed = 0;
  uint64_t rejected = 0;
  std::string why;
};

void receive(SourceStats& stats, const EventCount& count) {
  stats.received += count.handed + count.rejected;
  stats.rejected[static_cast<size_t>(Reason::kDecoder)] += count.rejected;
}

IntakeOutcome settle(SourceStats& stats, const EventCount& count, storage::EventOutcome store) {
  IntakeOutcome out;
  out.received = count.handed + count.rejected;
  out.stored = std::min(store.stored, count.handed);
  uint64_t turned_away = count.handed - out.stored;
  out.rejected = count.rejected + turned_away;
  out.why = count.why.empty() ? std::move(store.error) : count.why;
  stats.stored += out.stored;
  stats.rejected[static_cast<size_t>(Reason::kStore)] += turned_away;
  return out;
}

storage::OnEventsDurable when_durable(const IngestContext& context, Source source, EventCount count,
                                      Share share, OnIntake done) {
  SourceStats& stats = context.stats.of(source);
  return [&stats, &executor = context.answers, count = std::move(count), share = std::move(share),
          done = std::move(done)](Result<storage::EventOutcome> stored) mutable {
    Result<IntakeOutcome> outcome;
    if (stored) {
      outcome = settle(stats, count, *std::move(stored));
    } else {
      stats.failed += count.handed;
      outcome = fail(std::move(stored).error());
    }
    share.reset();
    answer(executor, std::move(done), std::move(outcome));
  };
}

void give_time(Span& span, EventTime now) {
  if (span.start.ns == 0) span.start = span.end.ns != 0 ? span.end : now;
  if (span.end.ns == 0) span.end = span.start;
}

void give_time(LogRecord& record, EventTime now) {
  if (record.time.ns == 0) record.time = record.observed.ns != 0 ? record.observed : now;
  if (record.observed.ns == 0) record.observed = now;
}

storage::Batch batch_of(wire::MetricRows rows, Source source) {
  storage::Batch batch;
  batch.origin = storage::Origin::kPushed;
  batch.source = store_source(source);
  batch.series.reserve(rows.series.size());
  for (LabelSet& labels : rows.series) batch.series.push_back({std::move(labels), 0});
  batch.floats.reserve(rows.floats.size());
  for (const auto& f : rows.floats) batch.floats.push_back({f.series, f.t, f.v, f.start});
  batch.histograms.reserve(rows.histograms.size());
  for (auto& h : rows.histograms) batch.histograms.push_back({h.series, h.t, std::move(h.h), h.start});
  batch.exemplars.reserve(rows.exemplars.size());
  for (auto& e : rows.exemplars) batch.exemplars.push_back({e.series, std::move(e.exemplar)});
  batch.metadata.reserve(rows.metadata.size());
  for (auto& m : rows.metadata) batch.metadata.push_back({std::move(m.family), std::move(m.metadata)});
  return batch;
}

// OTLP promises no order within a request, the stores want it within a series.
template <class Row>
void order_by_time(std::vector<Row>& rows) {
  auto earlier = [](const Row& a, const Row& b) { return a.t < b.t; };
  if (!std::is_sorted(rows.begin(), rows.end(), earlier)) {
    std::stable_sort(rows.begin(), rows.end(), earlier);
  }
}

void complete_otlp(wire::MetricRows& rows, Timestamp now) {
  for (auto& f : rows.floats) {
    if (f.t.ms == 0) f.t = now;
  }
  for (auto& h : rows.histograms) {
    if (h.t.ms == 0) h.t = now;
  }
  order_by_time(rows.floats);
  order_by_time(rows.histograms);
}

struct MetricCount {
  uint64_t floats = 0;
  uint64_t histograms = 0;
  uint64_t exemplars = 0;
  uint64_t rejected = 0;
  std::string why;
  uint64_t handed() const { return floats + histograms + exemplars; }
};

IntakeOutcome settle(SourceStats& stats, const MetricCount& count, const storage::CommitOutcome& store,
                     const std::vector<LabelSet>& series) {
  IntakeOutcome out;
  out.received = count.handed() + count.rejected;
  out.floats_stored = std::min(store.floats_stored, count.floats);
  out.histograms_stored = std::min(store.histograms_stored, count.histograms);
  out.exemplars_stored = std::min(store.exemplars_stored, count.exemplars);
  out.stored = out.floats_stored + out.histograms_stored + out.exemplars_stored;
  out.rejected =
      count.rejected + (count.floats - out.floats_stored) + (count.histograms - out.histograms_stored);
  stats.stored += out.stored;

  uint64_t turned_away = count.handed() - out.stored;
  uint64_t listed = 0;
  for (const storage::Rejection& r : store.rejections) {
    if (listed == turned_away) break;
    stats.rejected[static_cast<size_t>(reason_of(r.reason))]++;
    listed++;
  }
  stats.rejected[static_cast<size_t>(Reason::kUnlisted)] += turned_away - listed;

  out.why = count.why;
  if (out.why.empty() && !store.rejections.empty()) {
    const storage::Rejection& first = store.rejections.front();
    out.why = storage::to_string(first.reason);
    if (first.series < series.size()) out.why += ": " + series[first.series].to_string();
    out.why += " at " + std::to_string(first.t.ms);
  }
  return out;
}

}  // namespace

int refusal_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kLimit:
      return 413;
    case ErrorCode::kUnsupported:
      return 415;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kTimeout:
      return 408;
    case ErrorCode::kCancelled:
      return 499;
    default:
      return 400;
  }
}

bool is_retryable(ErrorCode code) {
  // The Appender's contract says of kIo too that nothing was acknowledged; OTLP's clients drop what gets 500.
  return code == ErrorCode::kNoSpace || code == ErrorCode::kUnavailable || code == ErrorCode::kLimit ||
         code == ErrorCode::kIo || code == ErrorCode::kTimeout;
}

void count_refusal(const IngestContext& context, Source source, const Error& error) {
  context.stats.of(source).refused[static_cast<size_t>(refusal_of(error.code))]++;
}

Result<Share> take_share(const IngestContext& context, Source source, uint64_t bytes) {
  auto share = std::make_shared<MemoryAccountant::Reservation>();
  if (!context.memory.reserve(bytes, *share)) {
    Error error = busy();
    count_refusal(context, source, error);
    return fail(std::move(error));
  }
  context.stats.of(source).body_bytes += bytes;
  return share;
}

Result<Body> read_body(const IngestContext& context, Source source, net::Request& request,
                       uint64_t bytes_max) {
  auto refuse = [&](Error error) {
    count_refusal(context, source, error);
    return fail(std::move(error));
  };
  Body out;
  SONDE_TRY(out.share, take_share(context, source, 0));
  if (!request.body) return out;
  std::array<std::byte, 16 << 10> chunk;
  for (;;) {
    Result<size_t> n = request.body->read(chunk);
    if (!n) return refuse(std::move(n).error());
    if (*n == 0) break;
    if (out.bytes.size() + *n > bytes_max) {
      return refuse(Error{
          ErrorCode::kLimit, "request body: larger than " + std::to_string(bytes_max) + " bytes", {}, 0, 0});
    }
    if (!out.share->grow(*n)) return refuse(busy());
    out.bytes.append(reinterpret_cast<const char*>(chunk.data()), *n);
  }
  context.stats.of(source).body_bytes += out.bytes.size();
  return out;
}

std::string media_type(const net::Request& request) {
  std::string_view type = request.headers.get("Content-Type");
  return net::lower_case(net::trim(type.substr(0, type.find(';'))));
}

void take_spans(const IngestContext& context, Source source, wire::OtlpTraces traces, Share share,
                OnIntake done) {
  EventCount count{traces.spans.size(), traces.rejected, std::move(traces.rejection)};
  receive(context.stats.of(source), count);
  EventTime now = context.clock.now();
  for (Span& span : traces.spans) give_time(span, now);
  auto durable = when_durable(context, source, std::move(count), std::move(share), std::move(done));
  if (traces.spans.empty()) return durable(storage::EventOutcome{});
  context.spans.append_spans(std::move(traces.spans), store_source(source), std::move(durable));
}

void take_logs(const IngestContext& context, Source source, wire::OtlpLogs logs, Share share, OnIntake done) {
  EventCount count{logs.records.size(), logs.rejected, std::move(logs.rejection)};
  receive(context.stats.of(source), count);
  EventTime now = context.clock.now();
  for (LogRecord& record : logs.records) give_time(record, now);
  auto durable = when_durable(context, source, std::move(count), std::move(share), std::move(done));
  if (logs.records.empty()) return durable(storage::EventOutcome{});
  context.logs.append_logs(std::move(logs.records), store_source(source), std::move(durable));
}

void take_metrics(const IngestContext& context, Source source, wire::MetricRows rows, Share share,
                  OnIntake done) {
  if (source == Source::kOtlpMetrics) complete_otlp(rows, context.clock.timestamp());
  MetricCount count{rows.floats.size(), rows.histograms.size(), rows.exemplars.size(), rows.rejected,
                    std::move(rows.rejection)};
  SourceStats& stats = context.stats.of(source);
  stats.received += count.handed() + count.rejected;
  stats.rejected[static_cast<size_t>(Reason::kDecoder)] += count.rejected;
  bool nothing = count.handed() == 0 && rows.metadata.empty();
  std::vector<LabelSet> series = rows.series;  // shares the bytes; names what was rejected

  auto durable = [&stats, &executor = context.answers, count = std::move(count), series = std::move(series),
                  share = std::move(share),
                  done = std::move(done)](Result<storage::CommitOutcome> stored) mutable {
    Result<IntakeOutcome> outcome;
    if (stored) {
      outcome = settle(stats, count, *stored, series);
    } else {
      stats.failed += count.handed();
      outcome = fail(std::move(stored).error());
    }
    share.reset();
    answer(executor, std::move(done), std::move(outcome));
  };
  if (nothing) return durable(storage::CommitOutcome{});
  context.metrics.commit(batch_of(std::move(rows), source), std::move(durable));
}

}  // namespace sonde::ingest

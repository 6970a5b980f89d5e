// What the push protocols share: the bounded body, the way into the stores, and the books.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/executor.h"
#include "base/memory_accountant.h"
#include "ingest/ingest_stats.h"
#include "net/http.h"
#include "storage/batch.h"
#include "storage/events.h"
#include "wire/loki.h"
#include "wire/otlp.h"
#include "wire/remote_write.h"

namespace sonde::ingest {

// Bounds of one request, after decompression. The routes carry `body_bytes_max`.
struct IngestLimits {
  uint64_t body_bytes_max = 64 << 20;
  uint64_t json_bytes_max = 16 << 20;  // JSON costs several times its size while it is read
  int retry_after_seconds = 5;         // what senders are told while a store cannot take more
  wire::OtlpLimits otlp;
  wire::LokiPushLimits loki;
  wire::RemoteWriteLimits remote_write;
};

// Everything must outlive the routes and the requests under way.
struct IngestContext {
  storage::Appender& metrics;
  storage::LogSink& logs;
  storage::SpanSink& spans;
  const Clock& clock;
  // Answers are written here, not on the thread that commits. When it is full they are written there after
  // all: they are small, and do not wait for the peer.
  Executor& answers;
  // The bodies of all requests that are read or wait for their commit; when it is used up, senders are told
  // to come back.
  MemoryAccountant& memory;
  IngestStats& stats;
  IngestLimits limits;
};

// A request's share of IngestContext::memory, given back when the last copy goes.
using Share = std::shared_ptr<MemoryAccountant::Reservation>;

struct Body {
  std::string bytes;
  Share share;
};

// The whole body, counted in `stats`. kLimit beyond `bytes_max`, kUnavailable when the memory for it is not
// there; else as BodyReader. Failures are counted as refusals.
Result<Body> read_body(const IngestContext& context, Source source, net::Request& request,
                       uint64_t bytes_max);
// The same for bytes that are in memory already.
Result<Share> take_share(const IngestContext& context, Source source, uint64_t bytes);
// Books a refusal that follows from `error`.
void count_refusal(const IngestContext& context, Source source, const Error& error);
// 413, 400, 408, 499 or 503: what a refused request is answered with.
int refusal_status(ErrorCode code);

// Whether the sender should try again: the store took nothing, and may later.
bool is_retryable(ErrorCode code);

struct IntakeOutcome {
  uint64_t received = 0;
  uint64_t stored = 0;
  uint64_t rejected = 0;  // by the decoder and by the store; without exemplars, which nobody retries
  std::string why;        // the first rejection
  // Metrics only.
  uint64_t floats_stored = 0;
  uint64_t histograms_stored = 0;
  uint64_t exemplars_stored = 0;
};
// Called exactly once, on IngestContext::answers, after what was stored is durable.
using OnIntake = std::function<void(Result<IntakeOutcome>)>;

// Hand items to a store and keep the books. `decoder_rejected` items were left out before, `why` says why.
// Items without any time get the clock's.
void take_spans(const IngestContext& context, Source source, wire::OtlpTraces traces, Share share,
                OnIntake done);
void take_logs(const IngestContext& context, Source source, wire::OtlpLogs logs, Share share, OnIntake done);
void take_metrics(const IngestContext& context, Source source, wire::MetricRows rows, Share share,
                  OnIntake done);

// "application/json; charset=utf-8" → "application/json", lower case.
std::string media_type(const net::Request& request);

}  // namespace sonde::ingest

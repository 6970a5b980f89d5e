#include "ingest/ingest_stats.h"

namespace sonde::ingest {
namespace {

template <size_t N>
uint64_t sum(const std::array<std::atomic<uint64_t>, N>& counters) {
  uint64_t total = 0;
  for (const auto& c : counters) total += c.load();
  return total;
}

}  // namespace

const char* to_string(Source source) {
  switch (source) {
    case Source::kOtlpTraces:
      return "otlp_traces";
    case Source::kOtlpLogs:
      return "otlp_logs";
    case Source::kOtlpMetrics:
      return "otlp_metrics";
    case Source::kLoki:
      return "loki";
    case Source::kRemoteWrite:
      return "remote_write";
    case Source::kShip:
      return "ship";
  }
  return "unknown";
}

const char* to_string(Reason reason) {
  switch (reason) {
    case Reason::kOutOfOrder:
      return "out_of_order";
    case Reason::kDuplicate:
      return "duplicate";
    case Reason::kTooOld:
      return "too_old";
    case Reason::kTooFarInFuture:
      return "too_far_in_future";
    case Reason::kSeriesLimit:
      return "series_limit";
    case Reason::kLabelLimit:
      return "label_limit";
    case Reason::kUnsupported:
      return "unsupported";
    case Reason::kInvalidLabels:
      return "invalid_labels";
    case Reason::kDecoder:
      return "decoder";
    case Reason::kStore:
      return "store";
    case Reason::kUnlisted:
      return "unlisted";
  }
  return "unknown";
}

const char* to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::kTooLarge:
      return "too_large";
    case Refusal::kMalformed:
      return "malformed";
    case Refusal::kMediaType:
      return "media_type";
    case Refusal::kBusy:
      return "busy";
    case Refusal::kIncomplete:
      return "incomplete";
  }
  return "unknown";
}

uint64_t SourceStats::rejected_total() const { return sum(rejected); }
uint64_t SourceStats::refused_total() const { return sum(refused); }

}  // namespace sonde::ingest

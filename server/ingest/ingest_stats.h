// Exact books of what came in: for each source, received = stored + rejected (by reason) + failed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace sonde::ingest {

enum class Source : uint8_t { kOtlpTraces, kOtlpLogs, kOtlpMetrics, kLoki, kRemoteWrite, kShip };
inline constexpr size_t kSourceCount = 6;
const char* to_string(Source source);  // "otlp_traces", …

// Why an item of an accepted request was not stored. The first eight are storage::RejectReason's, in order.
enum class Reason : uint8_t {
  kOutOfOrder,
  kDuplicate,
  kTooOld,
  kTooFarInFuture,
  kSeriesLimit,
  kLabelLimit,
  kUnsupported,
  kInvalidLabels,
  kDecoder,   // well-formed, but without a valid identity or of a kind that is not built
  kStore,     // the log or span store turned it away
  kUnlisted,  // the metric store lists its first rejections only; these are beyond
};
inline constexpr size_t kReasonCount = 11;
const char* to_string(Reason reason);

// Why a request was refused as a whole, before its items could be counted.
enum class Refusal : uint8_t {
  kTooLarge,
  kMalformed,
  kMediaType,
  kBusy,        // the budget for requests under way was used up
  kIncomplete,  // the peer was too slow or went away
};
inline constexpr size_t kRefusalCount = 5;
const char* to_string(Refusal refusal);

// Items are spans, log records, or samples, histograms and exemplars. Every field only grows. Threads: any;
// the sum holds whenever no request is under way.
struct SourceStats {
  std::atomic<uint64_t> requests{0};  // all, refused ones included
  std::array<std::atomic<uint64_t>, kRefusalCount> refused{};
  std::atomic<uint64_t> body_bytes{0};  // decompressed
  std::atomic<uint64_t> received{0};
  std::atomic<uint64_t> stored{0};
  std::array<std::atomic<uint64_t>, kReasonCount> rejected{};
  std::atomic<uint64_t> failed{
      0};  // the store failed: the sender was asked to try again, or told of the loss

  uint64_t rejected_total() const;
  uint64_t refused_total() const;
};

struct IngestStats {
  std::array<SourceStats, kSourceCount> sources{};

  SourceStats& of(Source source) { return sources[static_cast<size_t>(source)]; }
  const SourceStats& of(Source source) const { return sources[static_cast<size_t>(source)]; }
};

}  // namespace sonde::ingest

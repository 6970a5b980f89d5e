// What enters the metric store: one batch of series with their new values, flat and column-like.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/sample.h"

namespace sonde::storage {

// A store's own handle of a series; 0 means unknown. Valid until the store says otherwise (it may forget idle
// series): a stale ref is harmless, because a batch always carries the labels too.
using SeriesRef = uint64_t;

// Where a batch came from; decides about durability and accounting.
enum class Origin : uint8_t {
  kScraped,  // pulled: durable within a second
  kPushed,   // remote write, OTLP: durable before on_durable is called with success
  kRules,    // rule results: as scraped
};

struct FloatRow {
  uint32_t series = 0;  // index into Batch::series
  Timestamp t;
  double v = 0;
  Timestamp start;  // start timestamp of the counter; 0 = unknown
};

struct HistogramRow {
  uint32_t series = 0;
  Timestamp t;
  std::shared_ptr<const NativeHistogram> h;
  Timestamp start;
};

struct ExemplarRow {
  uint32_t series = 0;
  Exemplar exemplar;
};

struct MetadataRow {
  std::string metric;  // family name
  Metadata metadata;
};

struct Batch {
  struct Series {
    LabelSet labels;
    SeriesRef ref = 0;  // a hint
  };
  Origin origin = Origin::kScraped;
  std::string source;  // for accounting: "scrape", "remote_write", "otlp", "rules"
  std::vector<Series> series;
  std::vector<FloatRow> floats;
  std::vector<HistogramRow> histograms;
  std::vector<ExemplarRow> exemplars;
  std::vector<MetadataRow> metadata;

  uint32_t add_series(LabelSet labels, SeriesRef ref = 0) {
    series.push_back({std::move(labels), ref});
    return static_cast<uint32_t>(series.size() - 1);
  }
  void add_float(uint32_t s, Timestamp t, double v, Timestamp start = {}) {
    floats.push_back({s, t, v, start});
  }
};

enum class RejectReason : uint8_t {
  kOutOfOrder,
  kDuplicate,
  kTooOld,
  kTooFarInFuture,
  kSeriesLimit,
  kLabelLimit,
  kUnsupported,
  kInvalidLabels
};
const char* to_string(RejectReason reason);  // "out_of_order", "duplicate", …

struct Rejection {
  uint32_t series = 0;
  Timestamp t;
  RejectReason reason = RejectReason::kOutOfOrder;
};

// received = stored + rejected, per kind. `refs[i]` belongs to Batch::series[i]. At most 100 rejections are
// listed; the counts are exact.
struct CommitOutcome {
  uint64_t floats_stored = 0;
  uint64_t histograms_stored = 0;
  uint64_t exemplars_stored = 0;
  uint64_t floats_rejected = 0;
  uint64_t histograms_rejected = 0;
  uint64_t exemplars_rejected = 0;
  uint64_t series_created = 0;
  std::vector<SeriesRef> refs;
  std::vector<Rejection> rejections;
};

using OnDurable = std::function<void(Result<CommitOutcome>)>;

// Threads: any. A batch is visible to readers as a whole.
class Appender {
 public:
  virtual ~Appender() = default;
  // Takes the batch; calls `on_durable` exactly once, perhaps before returning, perhaps on another thread.
  // Success means durable as Origin promises. kNoSpace, kUnavailable and kIo: nothing of the batch is
  // acknowledged; the caller may try again later.
  virtual void commit(Batch batch, OnDurable on_durable) = 0;
};

// Waits for the callback.
Result<CommitOutcome> commit_and_wait(Appender& appender, Batch batch);

}  // namespace sonde::storage

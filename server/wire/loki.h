// Loki on the wire: push requests in, query results out (grafana/loki: pkg/push/push.proto, pkg/loghttp).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/event.h"
#include "model/labels.h"
#include "wire/json_writer.h"

namespace sonde::wire {

struct LokiPushLimits {
  size_t bytes_max = 64 << 20;  // decompressed
  size_t records_max = 2'000'000;
  size_t labels_max = 128;    // of a stream
  size_t metadata_max = 256;  // of a record
  size_t line_bytes_max = 4 << 20;
};

// Push requests, as a whole or not at all: kInvalid names stream and entry, kLimit the bound. Adds
// `service_name` to the stream (from service, app, application, …; else "unknown_service") and
// `detected_level` to the attributes. Structured metadata are text attributes; trace and span ids are taken
// from them or from the line.
Result<std::vector<LogRecord>> decode_loki_push_json(std::string_view body, const LokiPushLimits& limits);
// A snappy block of protobuf.
Result<std::vector<LogRecord>> decode_loki_push_protobuf(std::string_view body, const LokiPushLimits& limits);
// What decode_loki_push_protobuf reads; streams in order of first appearance, only text of the attributes.
std::string encode_loki_push_protobuf(const std::vector<LogRecord>& records);

// {a="b", c=`d`}: Go string literals. kInvalid with the offset; also for a name given twice.
Result<LabelSet> parse_loki_labels(std::string_view text);

using LokiPairs = std::span<const std::pair<std::string, std::string>>;

struct LokiStats {
  double exec_seconds = 0;
  int64_t bytes_processed = 0;
  int64_t lines_processed = 0;
  int64_t entries_returned = 0;
};

// Writes {"status":"success","data":{"resultType":…,"result":[…],"stats":{…}}} piece by piece. Borrows `out`,
// which may be drained between calls.
class LokiResultWriter {
 public:
  enum class Type : uint8_t { kStreams, kMatrix, kVector };
  // With `categorize`, entries carry {"structuredMetadata":…,"parsed":…}; without, the caller has merged them
  // into the stream's labels.
  LokiResultWriter(std::string& out, Type type, bool categorize);

  // kStreams
  void begin_stream(const LabelSet& labels);
  void entry(EventTime t, std::string_view line, LokiPairs structured_metadata = {}, LokiPairs parsed = {});
  void end_stream();
  // kMatrix
  void begin_series(const LabelSet& labels);
  void point(Timestamp t, double v);
  void end_series();
  // kVector
  void sample(const LabelSet& labels, Timestamp t, double v);

  void finish(const LokiStats& stats);

 private:
  void write_pairs(LokiPairs pairs);
  JsonWriter json_;
  bool categorize_;
};

// {"status":"success","data":["a","b"]}: label names and values.
std::string encode_loki_strings(const std::vector<std::string>& data);
// {"status":"success","data":[{"a":"b"}]}
std::string encode_loki_series(const std::vector<LabelSet>& series);

}  // namespace sonde::wire

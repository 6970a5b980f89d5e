// OTLP 1.x: export requests of traces, logs and metrics, in protobuf and in JSON, and what is answered to
// them. Sources: opentelemetry-proto, OTLP specification, prometheus: storage/remote/otlptranslator.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/event.h"
#include "wire/metric_rows.h"

namespace sonde::wire {

enum class OtlpEncoding : uint8_t { kProtobuf, kJson };

struct OtlpLimits {
  int attribute_depth_max = 16;  // of nested values
  size_t attributes_max = 1024;  // of one span, record, resource or nested map; elements of an array
  size_t items_max = 2'000'000;  // spans, events and links, records, or data points of one request
  size_t buckets_max = 4096;     // of one histogram data point
};

// Malformed input is an error as a whole (kInvalid with the field and the byte offset, or kLimit). What is
// well-formed but has no valid identity is left out and counted for partial_success: `rejected`, and
// `rejection` says why.
struct OtlpTraces {
  std::vector<Span> spans;
  size_t rejected = 0;
  std::string rejection;
};
struct OtlpLogs {
  std::vector<LogRecord> records;
  size_t rejected = 0;
  std::string rejection;
};

// A span with a trace or span id of the wrong length or all zero is rejected. Links with such an id are
// dropped.
Result<OtlpTraces> decode_otlp_traces(std::string_view body, OtlpEncoding encoding, const OtlpLimits& limits);

// Resource attributes that Loki makes labels become `stream`, dots as underscores; `service_name` is always
// there
// ("unknown_service"). All else is in `attributes` and `resource`; `attributes` gets `detected_level` unless
// present. A record without any time has time 0: the receiver's clock decides. Ids of the wrong length are
// dropped.
Result<OtlpLogs> decode_otlp_logs(std::string_view body, OtlpEncoding encoding, const OtlpLimits& limits);

// Prometheus series, names translated as UnderscoreEscapingWithSuffixes; job and instance from the service's
// attributes; target_info once a resource. Rejected: delta temporality, exponential histograms, summaries,
// points without a value.
Result<MetricRows> decode_otlp_metrics(std::string_view body, OtlpEncoding encoding,
                                       const OtlpLimits& limits);

// Prometheus's name of a metric: "http.server.duration" in "ms" → http_server_duration_milliseconds.
std::string otlp_metric_name(std::string_view name, std::string_view unit, MetricType type);
std::string otlp_label_name(std::string_view name);
// Prometheus's word for a UCUM unit: "By/s" → "bytes_per_second"; the text itself when unknown.
std::string otlp_unit(std::string_view unit);

enum class OtlpSignal : uint8_t { kTraces, kLogs, kMetrics };

// Export…ServiceResponse. partial_success is unset (JSON: {}) when nothing was rejected and `message` is
// empty.
std::string encode_otlp_response(OtlpSignal signal, OtlpEncoding encoding, size_t rejected,
                                 std::string_view message);
// google.rpc.Status; `code` is a gRPC code.
std::string encode_rpc_status(OtlpEncoding encoding, int code, std::string_view message);

// Export requests in protobuf: what decode_otlp_* reads back. One resource group for each run of spans
// (records) that share a resource object.
std::string encode_otlp_traces(const std::vector<Span>& spans);
std::string encode_otlp_logs(const std::vector<LogRecord>& records);

// Protobuf bytes of an export request in OTLP's JSON mapping. Ids of the wrong form become bytes of the wrong
// length.
Result<std::string> otlp_json_to_protobuf(std::string_view json, OtlpSignal signal);

}  // namespace sonde::wire

// Prometheus remote write 1.0 and 2.0: a snappy block of protobuf (prometheus: prompb/remote.proto,
// types.proto, io/prometheus/write/v2/types.proto).
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "wire/metric_rows.h"

namespace sonde::wire {

struct RemoteWriteLimits {
  size_t bytes_max = 64 << 20;  // decompressed
  size_t series_max = 1'000'000;
  size_t labels_max = 256;  // of one series or exemplar
  size_t label_name_bytes_max = 4096;
  size_t label_value_bytes_max = 65536;
  size_t histogram_buckets_max = 16384;
  size_t values_max = 4'000'000;  // samples, histograms, exemplars and metadata together; also symbols
};

// Malformed input is an error as a whole: kInvalid with the field's name and its byte offset, or kLimit.
// Series without a name, with a label given twice, with names or values that are not UTF-8, and histograms
// whose spans and counts disagree are left out and counted as `rejected`.
Result<MetricRows> decode_remote_write_v1(std::string_view body, const RemoteWriteLimits& limits);
Result<MetricRows> decode_remote_write_v2(std::string_view body, const RemoteWriteLimits& limits);

// The snappy-compressed request that decodes to `rows`; one time series for each of rows.series.
std::string encode_remote_write_v1(const MetricRows& rows);
std::string encode_remote_write_v2(const MetricRows& rows);

}  // namespace sonde::wire

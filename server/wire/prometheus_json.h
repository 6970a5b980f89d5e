// Labels, samples and histograms as the Prometheus HTTP API writes them (prometheus:
// util/jsonutil/marshal.go, web/api/v1/json_codec.go).
#pragma once

#include "base/time.h"
#include "model/labels.h"
#include "model/sample.h"
#include "wire/json_writer.h"

namespace sonde::wire {

// {"__name__":"up","job":"x"}
void write_labels(JsonWriter& json, const LabelSet& labels);
// Seconds with as many of three decimals as needed: 1.5, 1700000000, -0.001.
void write_timestamp(JsonWriter& json, Timestamp t);
// [1.5,"2"]
void write_sample(JsonWriter& json, Sample sample);
// {"count":"3","sum":"4.5","buckets":[[0,"1","2","3"]]}: [interval kind, lower, upper, count], empty buckets
// left out, in ascending order. Kinds: 0 (l,u], 1 [l,u), 2 (l,u), 3 [l,u].
void write_histogram(JsonWriter& json, const NativeHistogram& h);
// [1.5,{…}]
void write_histogram_sample(JsonWriter& json, Timestamp t, const NativeHistogram& h);

// Upper bound of bucket `index` of a native histogram; the lower bound is that of index - 1.
double native_bucket_bound(int32_t schema, int32_t index, const std::vector<double>& custom_values);

}  // namespace sonde::wire

#include "wire/otlp.h"

#include <doctest/doctest.h>

#include <cmath>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

using namespace sonde;
using namespace sonde::wire;

namespace {

Span example_span() {
  Span s;
  s.trace_id = *TraceId::from_hex("0af7651916cd43dd8448eb211c80319c");
  s.span_id = *SpanId::from_hex("b7ad6b7169203331");
  s.parent_id = *SpanId::from_hex("00f067aa0ba902b7");
  s.trace_state = "a=b";
  s.flags = 257;
  s.service = "shop";
  s.name = "GET /";
  s.kind = SpanKind::kServer;
  s.start = {1000};
  s.end = {3000};
  s.status = SpanStatus::kError;
  s.status_message = "broke";
  s.attributes = {{"http.status_code", 500},
                  {"ratio", 0.5},
                  {"ok", true},
                  {"list", AttributeArray{1, "x", AttributeValue()}},
                  {"map", Attributes{{"k", AttributeArray{}}, {"b", Bytes{"\x01\xff"}}}}};
  s.resource = std::make_shared<Attributes>(Attributes{{"service.name", "shop"}});
  s.scope = {"lib", "1.0"};
  s.events = {{{2000}, "exception", {{"exception.type", "E"}}}};
  s.links = {{*TraceId::from_hex("1"), *SpanId::from_hex("2"), {{"l", 1}}}};
  return s;
}

void check_equal(const Span& a, const Span& b) {
  CHECK(a.trace_id == b.trace_id);
  CHECK(a.span_id == b.span_id);
  CHECK(a.parent_id == b.parent_id);
  CHECK(a.trace_state == b.trace_state);
  CHECK(a.flags == b.flags);
  CHECK(a.service == b.service);
  CHECK(a.name == b.name);
  CHECK(a.kind == b.kind);
  CHECK(a.start == b.start);
  CHECK(a.end == b.end);
  CHECK(a.status == b.status);
  CHECK(a.status_message == b.status_message);
  CHECK(a.attributes == b.attributes);
  CHECK(*a.resource == *b.resource);
  CHECK(a.scope == b.scope);
  REQUIRE(a.events.size() == b.events.size());
  CHECK(a.events.at(0).time == b.events.at(0).time);
  CHECK(a.events.at(0).name == b.events.at(0).name);
  CHECK(a.events.at(0).attributes == b.events.at(0).attributes);
  REQUIRE(a.links.size() == b.links.size());
  CHECK(a.links.at(0).trace_id == b.links.at(0).trace_id);
  CHECK(a.links.at(0).span_id == b.links.at(0).span_id);
  CHECK(a.links.at(0).attributes == b.links.at(0).attributes);
}

MetricRows metrics(std::string_view json) {
  auto rows = decode_otlp_metrics(json, OtlpEncoding::kJson, {});
  REQUIRE_MESSAGE(rows.has_value(), (rows ? "" : rows.error().message));
  return *rows;
}

std::string one_metric(std::string_view metric, std::string_view attributes = "") {
  return R"({"resourceMetrics":[{"resource":{"attributes":[)" + std::string(attributes) +
         R"(]},"scopeMetrics":[{"metrics":[)" + std::string(metric) + "]}]}]}";
}

}  // namespace

TEST_CASE("otlp traces: what was encoded decodes to itself") {
  Span s = example_span();
  auto out = decode_otlp_traces(encode_otlp_traces({s, s}), OtlpEncoding::kProtobuf, {});
  REQUIRE(out.has_value());
  REQUIRE(out->spans.size() == 2);
  check_equal(out->spans[0], s);
  check_equal(out->spans[1], s);
  CHECK(out->spans[0].resource == out->spans[1].resource);
}

TEST_CASE("otlp traces: JSON says the same as protobuf") {
  auto out = decode_otlp_traces(
      R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
      "scopeSpans":[{"scope":{"name":"lib","version":"1.0"},"unknownField":{"x":[1]},"spans":[{
      "traceId":"0AF7651916CD43DD8448EB211C80319C","spanId":"b7ad6b7169203331","parentSpanId":"00f067aa0ba902b7",
      "traceState":"a=b","flags":257,"name":"GET /","kind":2,"startTimeUnixNano":"1000","endTimeUnixNano":3000,
      "attributes":[{"key":"http.status_code","value":{"intValue":"500"}},{"key":"ratio","value":{"doubleValue":0.5}},
      {"key":"ok","value":{"boolValue":true}},
      {"key":"list","value":{"arrayValue":{"values":[{"intValue":1},{"stringValue":"x"},{}]}}},
      {"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":{}}},{"key":"b","value":{"bytesValue":"Af8="}}]}}}],
      "events":[{"timeUnixNano":"2000","name":"exception","attributes":[{"key":"exception.type","value":{"stringValue":"E"}}]}],
      "links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002","attributes":[{"key":"l","value":{"intValue":1}}]}],
      "status":{"code":2,"message":"broke"},"droppedEventsCount":null}]}]}]})",
      OtlpEncoding::kJson, {});
  REQUIRE_MESSAGE(out.has_value(), (out ? "" : out.error().message));
  REQUIRE(out->spans.size() == 1);
  check_equal(out->spans[0], example_span());
}

TEST_CASE("otlp traces: spans without valid ids are rejected one by one") {
  auto span = [](std::string ids) { return "{" + ids + R"(,"name":"n"})"; };
  std::string body =
      R"({"resourceSpans":[{"scopeSpans":[{"spans":[)" +
      span(R"("traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331")") + "," +
      span(R"("traceId":"00000000000000000000000000000000","spanId":"b7ad6b7169203331")") + "," +
      span(R"("traceId":"0af7651916cd43dd8448eb211c8031","spanId":"b7ad6b7169203331")") + "," +
      span(R"("traceId":"not hex","spanId":"b7ad6b7169203331")") + "," +
      span(R"("traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"")") + "," +
      span(
          R"("traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","parentSpanId":"12")") +
      "]}]}]}";
  auto out = decode_otlp_traces(body, OtlpEncoding::kJson, {});
  REQUIRE(out.has_value());
  CHECK(out->spans.size() == 1);
  CHECK(out->spans[0].service == "unknown_service");
  CHECK(out->rejected == 5);
  CHECK(out->rejection == "span \"n\": trace id is not 16 bytes or all zero");
}

TEST_CASE("otlp: an empty request is a success") {
  CHECK(decode_otlp_traces("", OtlpEncoding::kProtobuf, {})->spans.empty());
  CHECK(decode_otlp_traces("{}", OtlpEncoding::kJson, {})->spans.empty());
  CHECK(decode_otlp_logs("{}", OtlpEncoding::kJson, {})->records.empty());
  CHECK(decode_otlp_metrics("", OtlpEncoding::kProtobuf, {})->series.empty());
}

TEST_CASE("otlp: malformed requests are errors that name the place") {
  auto why = [](std::string_view json) {
    auto r = decode_otlp_traces(json, OtlpEncoding::kJson, {});
    return r ? std::string() : r.error().message;
  };
  CHECK(why("").find("OTLP JSON") == 0);
  CHECK(why("[]") == "OTLP JSON: request: an object was expected");
  CHECK(why(R"({"resourceSpans":{}})") == "OTLP JSON: resourceSpans: an array was expected");
  CHECK(why(R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"SERVER"}]}]}]})") ==
        "OTLP JSON: resourceSpans.scopeSpans.spans.kind: a whole number was expected");
  std::string raw = encode_otlp_traces({example_span()});
  for (size_t n = 1; n < raw.size(); n++) {
    auto r = decode_otlp_traces(raw.substr(0, n), OtlpEncoding::kProtobuf, {});
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error().message.find("OTLP traces: ") == 0);
  }
}

TEST_CASE("otlp: values nested too deep and too many items are refused") {
  std::string value = R"({"intValue":1})";
  for (int i = 0; i < 20; i++) value = R"({"arrayValue":{"values":[)" + value + "]}}";
  auto body = [](const std::string& v) {
    return R"({"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":)" + v + "}]}}]}";
  };
  auto deep = decode_otlp_traces(body(value), OtlpEncoding::kJson, {});
  REQUIRE_FALSE(deep.has_value());
  CHECK(deep.error().code == ErrorCode::kLimit);
  for (int i = 0; i < 100; i++) value = R"({"arrayValue":{"values":[)" + value + "]}}";
  CHECK_FALSE(decode_otlp_traces(body(value), OtlpEncoding::kJson, {}).has_value());
  CHECK_FALSE(decode_otlp_traces(std::string(100'000, '['), OtlpEncoding::kJson, {}).has_value());

  std::string raw = encode_otlp_traces({example_span(), example_span()});
  CHECK(decode_otlp_traces(raw, OtlpEncoding::kProtobuf, {.items_max = 6}).has_value());
  auto many = decode_otlp_traces(raw, OtlpEncoding::kProtobuf, {.items_max = 5});
  REQUIRE_FALSE(many.has_value());
  CHECK(many.error().code == ErrorCode::kLimit);
  CHECK_FALSE(decode_otlp_traces(raw, OtlpEncoding::kProtobuf, {.attributes_max = 3}).has_value());
}

TEST_CASE("otlp: of equal attribute keys the last one wins") {
  Span s = example_span();
  s.attributes = {{"a", 1}, {"b", 2}, {"a", 3}};
  auto out = decode_otlp_traces(encode_otlp_traces({s}), OtlpEncoding::kProtobuf, {});
  CHECK(out->spans.at(0).attributes == Attributes{{"a", 3}, {"b", 2}});
}

TEST_CASE("otlp logs: resource attributes become stream labels, the rest stays typed") {
  auto out = decode_otlp_logs(
      R"({"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},
      {"key":"k8s.pod.name","value":{"stringValue":"p1"}},{"key":"host.name","value":{"stringValue":"h"}}]},
      "scopeLogs":[{"scope":{"name":"log"},"logRecords":[
      {"timeUnixNano":"5","observedTimeUnixNano":"6","severityNumber":17,"severityText":"ERROR","body":{"stringValue":"it broke"},
       "attributes":[{"key":"n","value":{"intValue":"3"}}],"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","flags":1,"eventName":"e"},
      {"observedTimeUnixNano":"7","body":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":1}}]}},"traceId":"12"},
      {"body":{"stringValue":"level=warn a=b"}}]}]},
      {"scopeLogs":[{"logRecords":[{}]}]}]})",
      OtlpEncoding::kJson, {});
  REQUIRE_MESSAGE(out.has_value(), (out ? "" : out.error().message));
  REQUIRE(out->records.size() == 4);
  const LogRecord& r = out->records[0];
  CHECK(r.stream == LabelSet{{"k8s_pod_name", "p1"}, {"service_name", "shop"}});
  CHECK(r.time.ns == 5);
  CHECK(r.observed.ns == 6);
  CHECK(r.line == "it broke");
  CHECK(r.severity_number == 17);
  CHECK(r.attributes == Attributes{{"n", 3}, {"detected_level", "error"}});
  CHECK(string_attribute(*r.resource, "host.name") == "h");
  CHECK(r.trace_id.to_hex() == "0af7651916cd43dd8448eb211c80319c");
  CHECK(r.event_name == "e");
  CHECK(r.scope.name == "log");
  CHECK(out->records[1].time.ns == 7);
  CHECK(out->records[1].line == R"({"a":1})");
  CHECK(out->records[1].trace_id.empty());
  CHECK(out->records[2].severity_number == 13);
  CHECK(string_attribute(out->records[2].attributes, "detected_level") == "warn");
  CHECK(out->records[3].stream == LabelSet{{"service_name", "unknown_service"}});
  CHECK(string_attribute(out->records[3].attributes, "detected_level") == "unknown");
}

TEST_CASE("otlp logs: what was encoded decodes to itself") {
  LogRecord r;
  r.time = {5};
  r.observed = {6};
  r.stream = LabelSet{{"service_name", "unknown_service"}};
  r.line = "hello";
  r.severity_number = 9;
  r.severity_text = "INFO";
  r.attributes = {{"a", 1}, {"detected_level", "info"}};
  r.resource = std::make_shared<Attributes>();
  r.span_id = *SpanId::from_hex("5");
  r.flags = 1;
  auto out = decode_otlp_logs(encode_otlp_logs({r}), OtlpEncoding::kProtobuf, {});
  REQUIRE(out.has_value());
  const LogRecord& back = out->records.at(0);
  CHECK(back.time == r.time);
  CHECK(back.observed == r.observed);
  CHECK(back.stream == r.stream);
  CHECK(back.line == r.line);
  CHECK(back.attributes == r.attributes);
  CHECK(back.span_id == r.span_id);
  CHECK(back.flags == r.flags);
}

TEST_CASE("otlp metrics: names and units are translated as Prometheus does") {
  auto name = otlp_metric_name;
  CHECK(name("http.server.duration", "ms", MetricType::kHistogram) == "http_server_duration_milliseconds");
  CHECK(name("http.requests", "{request}", MetricType::kCounter) == "http_requests_total");
  CHECK(name("http.requests.total", "1", MetricType::kCounter) == "http_requests_total");
  CHECK(name("system.memory.utilization", "1", MetricType::kGauge) == "system_memory_utilization_ratio");
  CHECK(name("disk.io", "By/s", MetricType::kGauge) == "disk_io_bytes_per_second");
  CHECK(name("io_bytes", "By", MetricType::kGauge) == "io_bytes");
  CHECK(name("5xx", "", MetricType::kGauge) == "_5xx");
  CHECK(name("a..b--c", "", MetricType::kGauge) == "a_b_c");
  CHECK(name("...", "", MetricType::kGauge) == "");
  CHECK(otlp_label_name("http.method") == "http_method");
  CHECK(otlp_label_name("0a") == "key_0a");
  CHECK(otlp_label_name("_a") == "key_a");
  CHECK(otlp_label_name("__a") == "__a");
  CHECK(otlp_label_name("é") == "key_");
  CHECK(otlp_unit("By/s") == "bytes_per_second");
  CHECK(otlp_unit("widgets") == "widgets");
}

TEST_CASE("otlp metrics: sums, gauges and the resource become series") {
  auto rows = metrics(one_metric(
      R"({"name":"reqs","unit":"1","description":"help","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
      {"startTimeUnixNano":"1000000000","timeUnixNano":"2000000000","asInt":"5","attributes":[{"key":"http.method","value":{"stringValue":"GET"}}],
       "exemplars":[{"timeUnixNano":"1500000000","asDouble":1,"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331"}]}]}},
      {"name":"queue","sum":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000000","asDouble":1.5}]}},
      {"name":"temp","unit":"Cel","gauge":{"dataPoints":[{"timeUnixNano":"3000000000","asDouble":20},{"timeUnixNano":"3000000000","flags":1}]}})",
      R"({"key":"service.name","value":{"stringValue":"shop"}},{"key":"service.namespace","value":{"stringValue":"eu"}},
      {"key":"service.instance.id","value":{"stringValue":"i1"}},{"key":"host.name","value":{"stringValue":"h"}})"));
  REQUIRE(rows.series.size() == 5);
  CHECK(rows.series[0].to_string() == R"(reqs_total{http_method="GET", instance="i1", job="eu/shop"})");
  CHECK(rows.floats[0].v == 5);
  CHECK(rows.floats[0].t.ms == 2000);
  CHECK(rows.floats[0].start.ms == 1000);
  CHECK(rows.series[1].metric_name() == "queue");
  CHECK(rows.series[2].metric_name() == "temp_celsius");
  CHECK(is_stale(rows.floats[3].v));
  CHECK(rows.series[4].to_string() == R"(target_info{host_name="h", instance="i1", job="eu/shop"})");
  CHECK(rows.floats[4].t.ms == 3000);
  REQUIRE(rows.exemplars.size() == 1);
  CHECK(rows.exemplars[0].exemplar.labels.get("trace_id") == "0af7651916cd43dd8448eb211c80319c");
  CHECK(rows.metadata[0].family == "reqs_total");
  CHECK(rows.metadata[0].metadata == Metadata{MetricType::kCounter, "help", ""});
  CHECK(rows.metadata[1].metadata.type == MetricType::kGauge);
  CHECK(rows.rejected == 0);
}

TEST_CASE("otlp metrics: a histogram becomes cumulative buckets, sum and count") {
  auto rows = metrics(one_metric(
      R"({"name":"lat","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"2000000000","count":"6","sum":3.5,
      "bucketCounts":["1",2,"3"],"explicitBounds":[0.5,1],"exemplars":[{"asDouble":0.7},{"asDouble":9}]}]}})"));
  std::vector<std::string> text;
  for (const auto& f : rows.floats)
    text.push_back(rows.series[f.series].to_string() + " " + format_value(f.v));
  CHECK(text == std::vector<std::string>{"lat_seconds_sum 3.5", "lat_seconds_count 6",
                                         "lat_seconds_bucket{le=\"0.5\"} 1", "lat_seconds_bucket{le=\"1\"} 3",
                                         "lat_seconds_bucket{le=\"+Inf\"} 6"});
  REQUIRE(rows.exemplars.size() == 2);
  CHECK(rows.series[rows.exemplars[0].series].get("le") == "1");
  CHECK(rows.series[rows.exemplars[1].series].get("le") == "+Inf");
}

TEST_CASE("otlp metrics: what cannot be stored is rejected by the point, the rest is kept") {
  auto rejected = [](std::string_view metric) {
    auto rows = metrics(one_metric(
        std::string(metric) + R"(,{"name":"ok","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":1}]}})"));
    CHECK(rows.series.size() == 1);
    return std::to_string(rows.rejected) + " " + rows.rejection;
  };
  CHECK(
      rejected(
          R"({"name":"m","sum":{"aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"asInt":1},{"asInt":2}]}})") ==
      "2 metric \"m\": only cumulative temporality is supported");
  CHECK(
      rejected(
          R"({"name":"m","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":1}]}})") ==
      "1 metric \"m\": exponential histograms are not supported");
  CHECK(rejected(R"({"name":"m","summary":{"dataPoints":[{"count":1}]}})") ==
        "1 metric \"m\": summaries are not supported");
  CHECK(rejected(R"({"name":"m","gauge":{"dataPoints":[{}]}})") ==
        "1 metric \"m\": a data point without a value");
  CHECK(rejected(R"({"name":"?","gauge":{"dataPoints":[{"asInt":1}]}})") ==
        "1 metric \"?\": the name has no usable character");
  CHECK(
      rejected(
          R"({"name":"m","histogram":{"aggregationTemporality":2,"dataPoints":[{"bucketCounts":[1],"explicitBounds":[1]}]}})") ==
      "1 metric \"m\": a histogram's bounds and counts disagree");
  CHECK(
      rejected(
          R"({"name":"m","histogram":{"aggregationTemporality":2,"dataPoints":[{"bucketCounts":[1,1,1],"explicitBounds":[2,1]}]}})") ==
      "1 metric \"m\": a histogram's bounds do not ascend");
}

TEST_CASE("otlp metrics: attributes whose names become one are joined") {
  auto rows = metrics(one_metric(
      R"({"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":1,"attributes":[{"key":"a.b","value":{"stringValue":"2"}},{"key":"a-b","value":{"stringValue":"1"}}]}]}})"));
  CHECK(rows.series.at(0).get("a_b") == "1;2");
}

TEST_CASE("otlp: partial success is unset when all went well") {
  CHECK(encode_otlp_response(OtlpSignal::kTraces, OtlpEncoding::kProtobuf, 0, "") == "");
  CHECK(encode_otlp_response(OtlpSignal::kTraces, OtlpEncoding::kJson, 0, "") == "{}");
  CHECK(encode_otlp_response(OtlpSignal::kTraces, OtlpEncoding::kJson, 2, "why") ==
        R"({"partialSuccess":{"rejectedSpans":"2","errorMessage":"why"}})");
  CHECK(encode_otlp_response(OtlpSignal::kLogs, OtlpEncoding::kJson, 1, "") ==
        R"({"partialSuccess":{"rejectedLogRecords":"1"}})");
  CHECK(encode_otlp_response(OtlpSignal::kMetrics, OtlpEncoding::kProtobuf, 3, "no") ==
        std::string("\x0a\x06\x08\x03\x12\x02no", 8));
  CHECK(encode_rpc_status(OtlpEncoding::kJson, 3, "bad \"x\"") == R"({"code":3,"message":"bad \"x\""})");
  CHECK(encode_rpc_status(OtlpEncoding::kProtobuf, 3, "no") == std::string("\x08\x03\x12\x02no", 6));
}

#include "wire/jaeger.h"

#include <doctest/doctest.h>

using namespace sonde;
using namespace sonde::wire;

TEST_CASE("jaeger: names, operations, dependencies and errors have the envelope") {
  CHECK(encode_jaeger_strings({"a", "b"}) ==
        R"({"data":["a","b"],"total":2,"limit":0,"offset":0,"errors":null})");
  CHECK(encode_jaeger_operations({{"GET /", "server"}}) ==
        R"({"data":[{"name":"GET /","spanKind":"server"}],"total":1,"limit":0,"offset":0,"errors":null})");
  CHECK(
      encode_jaeger_dependencies({{"a", "b", 3}}) ==
      R"({"data":[{"parent":"a","child":"b","callCount":3}],"total":1,"limit":0,"offset":0,"errors":null})");
  CHECK(encode_jaeger_error(404, "trace not found") ==
        R"({"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":404,"msg":"trace not found"}]})");
}

TEST_CASE("jaeger: a span has microseconds, references, typed tags and its process") {
  Span s;
  s.trace_id = *TraceId::from_hex("0af7651916cd43dd8448eb211c80319c");
  s.span_id = *SpanId::from_hex("b7ad6b7169203331");
  s.parent_id = *SpanId::from_hex("1");
  s.flags = 257;
  s.service = "shop";
  s.name = "GET /";
  s.kind = SpanKind::kServer;
  s.start = {1'700'000'000'000'001'999};
  s.end = {1'700'000'000'000'004'999};
  s.status = SpanStatus::kError;
  s.status_message = "broke";
  s.attributes = {{"s", "x"},
                  {"i", 1},
                  {"big", int64_t{1} << 60},
                  {"d", 0.5},
                  {"b", true},
                  {"y", Bytes{"\x01"}},
                  {"l", AttributeArray{1, 2}}};
  s.resource = std::make_shared<Attributes>(Attributes{{"service.name", "shop"}, {"host.name", "h"}});
  s.events = {{{1'700'000'000'000'002'000}, "exception", {{"type", "E"}}}};
  s.links = {{*TraceId::from_hex("2"), *SpanId::from_hex("3"), {}}};
  std::string out;
  JsonWriter json(out);
  write_jaeger_trace(json, std::vector<Span>{s});
  CHECK(
      out ==
      R"({"traceID":"0af7651916cd43dd8448eb211c80319c","spans":[{"traceID":"0af7651916cd43dd8448eb211c80319c",)"
      R"("spanID":"b7ad6b7169203331","flags":1,"operationName":"GET /","references":[)"
      R"({"refType":"CHILD_OF","traceID":"0af7651916cd43dd8448eb211c80319c","spanID":"0000000000000001"},)"
      R"({"refType":"FOLLOWS_FROM","traceID":"00000000000000000000000000000002","spanID":"0000000000000003"}],)"
      R"("startTime":1700000000000001,"duration":3,"tags":[{"key":"s","type":"string","value":"x"},)"
      R"({"key":"i","type":"int64","value":1},{"key":"big","type":"int64","value":"1152921504606846976"},)"
      R"({"key":"d","type":"float64","value":0.5},{"key":"b","type":"bool","value":true},)"
      R"({"key":"y","type":"binary","value":"AQ=="},{"key":"l","type":"string","value":"[1,2]"},)"
      R"({"key":"span.kind","type":"string","value":"server"},)"
      R"({"key":"otel.status_code","type":"string","value":"ERROR"},{"key":"error","type":"bool","value":true},)"
      R"({"key":"otel.status_description","type":"string","value":"broke"}],"logs":[{"timestamp":1700000000000002,)"
      R"("fields":[{"key":"event","type":"string","value":"exception"},{"key":"type","type":"string","value":"E"}]}],)"
      R"("processID":"p1","warnings":null}],"processes":{"p1":{"serviceName":"shop","tags":[)"
      R"({"key":"host.name","type":"string","value":"h"}]}},"warnings":null})");
}

TEST_CASE("jaeger: equal resources share a process, others have their own") {
  auto span = [](const char* service, Attributes resource) {
    Span s;
    s.service = service;
    s.resource = std::make_shared<Attributes>(std::move(resource));
    return s;
  };
  std::vector<std::vector<Span>> traces = {
      {span("a", {{"h", 1}}), span("b", {}), span("a", {{"h", 1}}), span("a", {{"h", 2}}), Span{}}};
  std::string out = encode_jaeger_traces(traces);
  auto count = [&](std::string_view what) {
    size_t n = 0;
    for (size_t at = out.find(what); at != std::string::npos; at = out.find(what, at + 1)) n++;
    return n;
  };
  CHECK(count("\"processID\":\"p1\"") == 2);
  CHECK(count("\"processID\":\"p2\"") == 1);
  CHECK(count("\"processID\":\"p3\"") == 1);
  CHECK(count("\"processID\":\"p4\"") == 1);
  CHECK(count("\"serviceName\"") == 4);
}

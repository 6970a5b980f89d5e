#include "wire/loki.h"

#include <doctest/doctest.h>

#include "wire/compression.h"

using namespace sonde;
using namespace sonde::wire;

namespace {
std::string push_error(std::string_view body, const LokiPushLimits& limits = {}) {
  auto r = decode_loki_push_json(body, limits);
  return r ? std::string() : r.error().message;
}
std::string one(std::string_view value) {
  return R"({"streams":[{"stream":{"app":"x"},"values":[)" + std::string(value) + "]}]}";
}
}  // namespace

TEST_CASE("loki push: JSON entries become records with service name, level and ids") {
  auto r = decode_loki_push_json(
      R"({"streams":[{"stream":{"app":"shop","env":"prod"},"values":[
      ["1700000000000000001","level=error msg=\"it broke\"",{"trace_id":"0af7651916cd43dd8448eb211c80319c","user":"7"}],
      ["2","{\"severity\":\"WARN\",\"traceId\":\"0af7651916cd43dd8448eb211c80319c\",\"spanId\":\"b7ad6b7169203331\"}"],
      ["3","plain"]]},
      {"stream":{"service_name":"own","level":"debug"},"values":[["4","x"]]},{"stream":{"a":"b"},"values":[["5","y"]]}]})",
      {});
  REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().message));
  REQUIRE(r->size() == 5);
  const LogRecord& first = (*r)[0];
  CHECK(first.time.ns == 1700000000000000001);
  CHECK(first.stream == LabelSet{{"app", "shop"}, {"env", "prod"}, {"service_name", "shop"}});
  CHECK(first.line == "level=error msg=\"it broke\"");
  CHECK(first.trace_id.to_hex() == "0af7651916cd43dd8448eb211c80319c");
  CHECK(string_attribute(first.attributes, "user") == "7");
  CHECK(string_attribute(first.attributes, "detected_level") == "error");
  CHECK(first.severity_number == 17);
  CHECK((*r)[1].trace_id.to_hex() == "0af7651916cd43dd8448eb211c80319c");
  CHECK((*r)[1].span_id.to_hex() == "b7ad6b7169203331");
  CHECK((*r)[1].severity_number == 13);
  CHECK(string_attribute((*r)[2].attributes, "detected_level") == "unknown");
  CHECK((*r)[3].stream.get("service_name") == "own");
  CHECK(string_attribute((*r)[3].attributes, "detected_level") == "debug");
  CHECK((*r)[4].stream.get("service_name") == "unknown_service");
}

TEST_CASE("loki push: what is wrong is named with stream and entry") {
  CHECK(push_error("").find("JSON") != std::string::npos);
  CHECK(push_error("{}") == "loki push: no array \"streams\"");
  CHECK(push_error(R"({"streams":[]})").empty());
  CHECK(push_error(R"({"streams":[{"values":[]}]})") == "loki push: stream 0: no object \"stream\"");
  CHECK(push_error(R"({"streams":[{"stream":{},"values":[]}]})") == "loki push: stream 0 has no labels");
  CHECK(push_error(R"({"streams":[{"stream":{"a.b":"c"},"values":[]}]})") ==
        "loki push: stream 0: \"a.b\" is no label name");
  CHECK(push_error(R"({"streams":[{"stream":{"a":1},"values":[]}]})") ==
        "loki push: stream 0: label \"a\" is no string");
  CHECK(push_error(one("[1,\"x\"]")) == "loki push: stream 0, entry 0: timestamp is no string");
  CHECK(push_error(one("[\"1.5\",\"x\"]")).find("not in nanoseconds") != std::string::npos);
  CHECK(push_error(one("[\"1\"]")).find("expected [timestamp, line]") != std::string::npos);
  CHECK(push_error(one("[\"1\",2]")).find("line is no string") != std::string::npos);
  CHECK(push_error(one("[\"1\",\"x\",[]]")).find("no object") != std::string::npos);
  CHECK(push_error(one("[\"1\",\"x\",{\"a\":1}]")).find("\"a\" is no string") != std::string::npos);
}

TEST_CASE("loki push: limits are errors of their own kind") {
  std::string body = one(R"(["1","12345",{"a":"1","b":"2"}],["2","x"])");
  auto code = [&](LokiPushLimits limits) {
    auto r = decode_loki_push_json(body, limits);
    REQUIRE_FALSE(r.has_value());
    return r.error().code;
  };
  CHECK(
      decode_loki_push_json(body, {.records_max = 2, .labels_max = 1, .metadata_max = 2, .line_bytes_max = 5})
          .has_value());
  CHECK(code({.bytes_max = 10}) == ErrorCode::kLimit);
  CHECK(code({.records_max = 1}) == ErrorCode::kLimit);
  CHECK(code({.labels_max = 0}) == ErrorCode::kLimit);
  CHECK(code({.metadata_max = 1}) == ErrorCode::kLimit);
  CHECK(code({.line_bytes_max = 4}) == ErrorCode::kLimit);
}

TEST_CASE("loki push: what was encoded in protobuf decodes to itself") {
  std::vector<LogRecord> records(3);
  records[0].time = {1'700'000'000'000'000'001};
  records[0].stream = LabelSet{{"a", "b\"\n\\é"}, {"service_name", "s"}};
  records[0].line = "one";
  records[0].attributes = {{"k", "v"}, {"detected_level", "warn"}};
  records[1].time = {-1};
  records[1].stream = LabelSet{{"service_name", "t"}};
  records[1].line = "two";
  records[1].attributes = {{"detected_level", "unknown"}};
  records[2] = records[0];
  records[2].line = "three";
  auto back = decode_loki_push_protobuf(encode_loki_push_protobuf(records), {});
  REQUIRE_MESSAGE(back.has_value(), (back ? "" : back.error().message));
  REQUIRE(back->size() == 3);
  std::vector<size_t> order = {0, 2, 1};
  for (size_t i = 0; i < 3; i++) {
    const LogRecord& want = records[order[i]];
    CHECK((*back)[i].time == want.time);
    CHECK((*back)[i].stream == want.stream);
    CHECK((*back)[i].line == want.line);
    CHECK((*back)[i].attributes == want.attributes);
  }
}

TEST_CASE("loki push: cut and garbled protobuf is an error") {
  LogRecord r;
  r.stream = LabelSet{{"a", "b"}};
  r.line = "x";
  std::string raw = *snappy_decode(encode_loki_push_protobuf({r}), 1000);
  for (size_t n = 1; n < raw.size(); n++) {
    CHECK_FALSE(decode_loki_push_protobuf(snappy_encode(raw.substr(0, n)), {}).has_value());
  }
  CHECK_FALSE(decode_loki_push_protobuf(raw, {}).has_value());
}

TEST_CASE("loki labels: Go string literals are read") {
  CHECK(*parse_loki_labels("{}") == LabelSet{});
  CHECK(*parse_loki_labels(R"( { b = "2" , a="1", } )") == LabelSet{{"a", "1"}, {"b", "2"}});
  CHECK(*parse_loki_labels(R"({a="\"\\\n\tA\x42\103é\u00e9\U0001F600"})") ==
        LabelSet{{"a", "\"\\\n\tABC\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80"}});
  CHECK(*parse_loki_labels("{a=`\\n\"`}") == LabelSet{{"a", "\\n\""}});
}

TEST_CASE("loki labels: what is no label set is refused with its place") {
  for (const char* bad : {"",
                          "a",
                          "{",
                          "{a}",
                          "{a=}",
                          "{a=b}",
                          "{a=\"b}",
                          "{a=\"b\"",
                          "{a=\"b\"} x",
                          "{a=\"b\" c=\"d\"}",
                          "{a=\"\\q\"}",
                          "{a=\"\\x4\"}",
                          "{a=\"\\ud800\"}",
                          "{a=\"\\400\"}",
                          "{a=\"\xff\"}",
                          "{1a=\"b\"}",
                          "{a=\"1\",a=\"2\"}",
                          "{a!=\"b\"}",
                          "{,}",
                          "{a=\"b\n\"}"}) {
    CHECK_MESSAGE(!parse_loki_labels(bad).has_value(), bad);
  }
  CHECK(parse_loki_labels("{a=b}").error().message == "labels \"{a=b}\": expected a quoted value at byte 3");
}

TEST_CASE("loki results: streams with and without categorised labels") {
  std::string out;
  std::vector<std::pair<std::string, std::string>> metadata = {{"user", "7"}};
  LokiResultWriter plain(out, LokiResultWriter::Type::kStreams, false);
  plain.begin_stream(LabelSet{{"app", "x"}});
  plain.entry({5}, "line \"1\"", metadata);
  plain.entry({6}, "2");
  plain.end_stream();
  plain.finish({.exec_seconds = 0.5, .bytes_processed = 10, .lines_processed = 2, .entries_returned = 2});
  CHECK(
      out ==
      R"({"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"x"},"values":[["5","line \"1\""],["6","2"]]}],)"
      R"("stats":{"summary":{"bytesProcessedPerSecond":20,"linesProcessedPerSecond":4,"totalBytesProcessed":10,)"
      R"("totalLinesProcessed":2,"execTime":0.5,"totalEntriesReturned":2}}}})");
  out.clear();
  LokiResultWriter categorised(out, LokiResultWriter::Type::kStreams, true);
  categorised.begin_stream(LabelSet{{"app", "x"}});
  categorised.entry({5}, "l", metadata, metadata);
  categorised.entry({6}, "m");
  categorised.end_stream();
  categorised.finish({});
  CHECK(
      out.find(R"("encodingFlags":["categorize-labels"],"result":[{"stream":{"app":"x"},"values":[["5","l",)"
               R"({"structuredMetadata":{"user":"7"},"parsed":{"user":"7"}}],["6","m",{}]]}])") !=
      std::string::npos);
}

TEST_CASE("loki results: matrices and vectors are Prometheus's") {
  std::string out;
  LokiResultWriter matrix(out, LokiResultWriter::Type::kMatrix, true);
  matrix.begin_series(LabelSet{{"a", "b"}});
  matrix.point({1500}, 2);
  matrix.end_series();
  matrix.finish({});
  CHECK(out.starts_with(
      R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1.5,"2"]]}],"stats":)"));
  out.clear();
  LokiResultWriter vector(out, LokiResultWriter::Type::kVector, false);
  vector.sample(LabelSet{}, {1000}, 2);
  vector.finish({});
  CHECK(out.starts_with(
      R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}],"stats":)"));
}

TEST_CASE("loki results: lists of names and of series") {
  CHECK(encode_loki_strings({"a", "b"}) == R"({"status":"success","data":["a","b"]})");
  CHECK(encode_loki_series({LabelSet{{"a", "b"}}}) == R"({"status":"success","data":[{"a":"b"}]})");
}

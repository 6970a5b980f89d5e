#include "api/loki_api.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "memstore/mem_log_store.h"

using namespace sonde;

namespace {

class TextBody final : public net::BodyReader {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    size_t n = std::min(out.size(), text_.size() - at_);
    std::memcpy(out.data(), text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  size_t at_ = 0;
};

class Recorder final : public net::ResponseWriter {
 public:
  void status(int code) override { code_ = code; }
  void header(std::string name, std::string value) override {
    headers_.add(std::move(name), std::move(value));
  }
  Result<> write(std::string_view chunk) override {
    body_ += chunk;
    return {};
  }
  void trailer(std::string, std::string) override {}
  void finish() override { finished_++; }

  int code_ = 200;
  net::Headers headers_;
  std::string body_;
  int finished_ = 0;
};

struct Fixture {
  memstore::MemLogStore store;
  VirtualClock clock{{1'700'000'100'000'000'000}};
  logql::Engine engine{store, clock};
  net::Router router;
  std::shared_ptr<api::LokiApiContext> context =
      std::make_shared<api::LokiApiContext>(api::LokiApiContext{store, engine, clock, {}, 50'000, {}});
  Cancellation cancel;
  net::Headers headers;
  int code = 0;
  std::string type;

  Fixture() {
    std::vector<LogRecord> records;
    auto add = [&](int64_t seconds, LabelSet stream, std::string line, Attributes attributes) {
      LogRecord r;
      r.time = {(1'700'000'000 + seconds) * 1'000'000'000};
      r.stream = std::move(stream);
      r.line = std::move(line);
      r.attributes = std::move(attributes);
      records.push_back(std::move(r));
    };
    add(0, {{"app", "a"}}, "first", {{"detected_level", "info"}});
    add(10, {{"app", "a"}, {"pod", "p1"}}, R"({"k":"v"})", {{"detected_level", "info"}, {"user", "u1"}});
    add(20, {{"app", "b"}}, "last", {{"detected_level", "error"}});
    store.append_logs(std::move(records), "test", [](Result<storage::EventOutcome> o) { REQUIRE(o); });
    api::add_loki_routes(router, context);
  }

  // The answer's body; for results that carry statistics, what stands before them.
  std::string call(std::string method, std::string path, std::string query, std::string form = {}) {
    net::Request request;
    request.method = method;
    request.path = path;
    request.query = *net::Params::parse(query);
    request.headers = headers;
    if (!form.empty()) request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = std::make_unique<TextBody>(form);
    request.cancel = cancel;
    net::Router::Match match = router.match(method, path);
    REQUIRE_MESSAGE(match.route, path);
    CHECK(match.route->role == net::Role::kRead);
    request.path_params = match.path_params;
    auto writer = std::make_shared<Recorder>();
    match.route->handler(request, writer);
    CHECK(writer->finished_ == 1);
    code = writer->code_;
    type = writer->headers_.get("Content-Type");
    std::string body = writer->body_;
    if (size_t stats = body.find(",\"stats\""); stats != std::string::npos) {
      CHECK(body.ends_with("}}}"));
      body.resize(stats);
    }
    return body;
  }
  std::string get(std::string path, std::string query = {}) {
    return call("GET", "/loki/api/v1/" + path, std::move(query));
  }
};

constexpr const char* kA = "query=%7Bapp%3D%22a%22%7D";

}  // namespace

TEST_CASE_FIXTURE(Fixture, "loki api: a data source's health check gets one sample of 2") {
  CHECK(
      get("query", "query=vector(1)%2Bvector(1)&time=1700000000000000000&limit=1000&direction=backward") ==
      R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000,"2"]}])");
  CHECK(code == 200);
  CHECK(type == "application/json; charset=UTF-8");
  CHECK(get("query", "query=1%2B1&time=1700000000") ==
        R"({"status":"success","data":{"resultType":"scalar","result":[1700000000,"2"])");
}

TEST_CASE_FIXTURE(Fixture, "loki api: lines come in streams, newest first, with their metadata merged") {
  CHECK(get("query_range", kA) ==
        R"({"status":"success","data":{"resultType":"streams","result":[)"
        R"({"stream":{"app":"a","detected_level":"info","pod":"p1","user":"u1"},)"
        R"("values":[["1700000010000000000","{\"k\":\"v\"}"]]},)"
        R"({"stream":{"app":"a","detected_level":"info"},"values":[["1700000000000000000","first"]]}])");
  CHECK(get("query_range", std::string(kA) + "&limit=1&direction=FORWARD") ==
        R"({"status":"success","data":{"resultType":"streams","result":[)"
        R"({"stream":{"app":"a","detected_level":"info"},"values":[["1700000000000000000","first"]]}])");
}

TEST_CASE_FIXTURE(Fixture, "loki api: categorize-labels keeps metadata and parsed fields beside the line") {
  headers.add("X-Loki-Response-Encoding-Flags", "categorize-labels");
  CHECK(
      get("query_range", std::string(kA) + "+%7C+json&start=1700000005&end=1700000011") ==
      R"({"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[)"
      R"({"stream":{"app":"a","pod":"p1"},"values":[["1700000010000000000","{\"k\":\"v\"}",)"
      R"({"structuredMetadata":{"detected_level":"info","user":"u1"},"parsed":{"k":"v"}}]]}])");
}

TEST_CASE_FIXTURE(
    Fixture, "loki api: times are nanoseconds, seconds with a fraction, or RFC 3339; the end is excluded") {
  const std::string only_first = R"(["1700000000000000000","first"])";
  for (std::string range :
       {"start=1700000000000000000&end=1700000010000000000", "start=1700000000&end=1700000010",
        "start=1699999999.5&end=1700000009.999", "end=1700000010&since=10s",
        "start=2023-11-14T22:13:20Z&end=2023-11-14T22:13:29.5Z"}) {
    std::string answer = get("query_range", std::string(kA) + "&" + range);
    CHECK_MESSAGE(answer.find(only_first) != std::string::npos, range);
    CHECK_MESSAGE(answer.find("1700000010000000000") == std::string::npos, range);
  }
}

TEST_CASE_FIXTURE(Fixture, "loki api: metric queries answer with a matrix, whatever the form of the step") {
  const std::string expected =
      R"({"status":"success","data":{"resultType":"matrix","result":[)"
      R"({"metric":{"detected_level":"error"},"values":[[1700000020,"1"]]},)"
      R"({"metric":{"detected_level":"info"},"values":[[1700000000,"1"],[1700000010,"1"]]}])";
  const std::string query =
      "query=sum+by+(detected_level)+(count_over_time(%7Bapp%3D~%22.%2B%22%7D[10s]))&start=1700000000&end="
      "1700000020";
  for (const char* step : {"10", "10s", "10000ms", "10.0"}) {
    CHECK(get("query_range", query + "&step=" + step) == expected);
  }
  CHECK(call("POST", "/loki/api/v1/query_range", "", query + "&step=10s") == expected);
}

TEST_CASE_FIXTURE(Fixture, "loki api: label names, values and series") {
  CHECK(get("labels") == R"({"status":"success","data":["app","pod"]})");
  CHECK(get("label", "start=1700000015") == R"({"status":"success","data":["app"]})");
  CHECK(get("labels", "query=%7Bapp%3D%22b%22%7D") == R"({"status":"success","data":["app"]})");
  CHECK(get("label/app/values") == R"({"status":"success","data":["a","b"]})");
  CHECK(get("label/app/values", "query=%7Bpod%3D%22p1%22%7D") == R"({"status":"success","data":["a"]})");
  CHECK(get("series", "match[]=%7Bpod%3D%22p1%22%7D&match[]=%7Bapp%3D%22b%22%7D") ==
        R"({"status":"success","data":[{"app":"a","pod":"p1"},{"app":"b"}]})");
  CHECK(call("POST", "/loki/api/v1/series", "", "match[]=%7Bapp%3D%22b%22%7D") ==
        R"({"status":"success","data":[{"app":"b"}]})");
}

TEST_CASE_FIXTURE(Fixture, "loki api: index statistics and volumes") {
  CHECK(get("index/stats", kA) == R"({"streams":2,"chunks":2,"entries":2,"bytes":14})");
  CHECK(
      get("index/volume", "query=%7Bapp%3D~%22.%2B%22%7D&end=1700000100") ==
      R"({"status":"success","data":{"resultType":"vector","result":[)"
      R"({"metric":{"app":"a"},"value":[1700000100,"14"]},{"metric":{"app":"b"},"value":[1700000100,"4"]}])");
  CHECK(get("index/volume", "query=%7Bapp%3D~%22.%2B%22%7D&end=1700000100&limit=1&targetLabels=pod,app") ==
        R"({"status":"success","data":{"resultType":"vector","result":[)"
        R"({"metric":{"app":"a","pod":"p1"},"value":[1700000100,"9"]}])");
  get("index/volume", std::string(kA) + "&aggregateBy=labels");
  CHECK(code == 400);
}

TEST_CASE_FIXTURE(Fixture, "loki api: queries are formatted, and the build is told") {
  CHECK(get("format_query", "query=%7Bapp%3D%60a%60%7D%7C%3D%22x%22") ==
        R"({"status":"success","data":"{app=\"a\"} |= \"x\""})");
  CHECK(get("format_query", "query=%7Bapp")
            .starts_with(R"({"status":"invalid-query","error":"parse error at line 1)"));
  CHECK(code == 400);
  CHECK(get("status/buildinfo").starts_with(R"({"version":"3.)"));
}

TEST_CASE_FIXTURE(Fixture, "loki api: errors are plain text with the reason") {
  CHECK(
      get("query_range", "query=%7Bapp") ==
      "parse error at line 1, col 5: syntax error: unexpected end of the query, expected =, !=, =~ or !~\n");
  CHECK(code == 400);
  CHECK(type == "text/plain; charset=utf-8");
  for (const char* bad :
       {"&limit=0", "&limit=x", "&limit=5001", "&direction=up", "&start=never", "&start=99999999999999999999",
        "&start=9999999999", "&start=1700000001&end=1700000000", "&step=0", "&step=-1s", "&since=x",
        "&interval=5s", "&start=-9223372036854775808", "&end=inf"}) {
    get("query_range", std::string(kA) + bad);
    CHECK_MESSAGE(code == 400, bad);
  }
  CHECK(get("query_range", std::string(kA) + "+%7C+line_format+%22x%22").find("line_format") !=
        std::string::npos);
  CHECK(code == 400);
  get("query", kA);
  CHECK(code == 400);
  get("query", "");
  CHECK(code == 400);
  get("label/app/values", "query=x");
  CHECK(code == 400);
  get("series", "match[]=x");
  CHECK(code == 400);
  cancel = Cancellation::create(&clock, clock.monotonic());
  get("query_range", kA);
  CHECK(code == 504);
  cancel.cancel();
  get("query_range", kA);
  CHECK(code == 499);
}

TEST_CASE_FIXTURE(Fixture, "loki api: what the asker may not see is in no answer") {
  context->scope = [](const net::Request&) { return storage::Scope{{Matcher::equal("app", "b")}}; };
  CHECK(get("query_range", kA) == R"({"status":"success","data":{"resultType":"streams","result":[])");
  CHECK(get("labels") == R"({"status":"success","data":["app"]})");
  CHECK(get("label/app/values") == R"({"status":"success","data":["b"]})");
  CHECK(get("series") == R"({"status":"success","data":[{"app":"b"}]})");
  CHECK(get("index/stats", kA) == R"({"streams":0,"chunks":0,"entries":0,"bytes":0})");
}

TEST_CASE_FIXTURE(Fixture, "loki api: answers larger than one chunk arrive whole") {
  std::vector<LogRecord> records;
  for (int i = 0; i < 200; i++) {
    LogRecord r;
    r.time = {1'700'000'050'000'000'000 + i};
    r.stream = {{"app", "big"}};
    r.line = std::string(2000, 'x');
    records.push_back(std::move(r));
  }
  store.append_logs(std::move(records), "test", [](Result<storage::EventOutcome> o) { REQUIRE(o); });
  std::string body = get("query_range", "query=%7Bapp%3D%22big%22%7D&limit=200");
  size_t lines = 0;
  for (size_t at = 0; (at = body.find("[\"1700000050", at)) != std::string::npos; at++) lines++;
  CHECK(lines == 200);
  CHECK(body.size() > 400'000);
}

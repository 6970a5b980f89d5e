#include <doctest/doctest.h>

#include "logql/engine.h"
#include "logql/field_parsers.h"
#include "logql/quantity.h"
#include "memstore/mem_log_store.h"

using namespace sonde;
using namespace sonde::logql;
using storage::Direction;

namespace {

std::string printed(std::string_view query) {
  auto e = parse(query);
  if (!e) return "ERROR " + e.error().message;
  std::string text = to_string(**e);
  auto again = parse(text);
  REQUIRE_MESSAGE(again, text);
  CHECK(to_string(**again) == text);
  return text;
}

EventTime at(double seconds) { return {static_cast<int64_t>(seconds * 1e9)}; }

LogRecord record(double seconds, LabelSet stream, std::string line, Attributes attributes = {}) {
  LogRecord r;
  r.time = at(seconds);
  r.stream = std::move(stream);
  r.line = std::move(line);
  r.attributes = std::move(attributes);
  return r;
}

struct Fixture {
  memstore::MemLogStore store;
  VirtualClock clock;
  EngineOptions options;

  void put(std::vector<LogRecord> records) {
    store.append_logs(std::move(records), "test", [](Result<storage::EventOutcome> o) { REQUIRE(o); });
  }
  // Four lines of two services.
  Fixture() {
    LabelSet shop{{"app", "shop"}, {"env", "prod"}}, pay{{"app", "pay"}, {"env", "prod"}};
    put({record(10, shop, R"({"msg":"order placed","status":200,"took":"15ms","user":{"id":7}})",
                {{"detected_level", "info"}}),
         record(20, shop, R"({"msg":"order failed","status":500,"took":"1.5s","user":{"id":8}})",
                {{"detected_level", "error"}}),
         record(30, pay, "level=warn msg=\"card refused\" amount=12.5 size=3KB",
                {{"detected_level", "warn"}}),
         record(40, pay, "plain text of pay", {{"detected_level", "unknown"}})});
  }
  Result<LogQueryResult> range(std::string_view query, double from = 0, double to = 100, double step = 10,
                               size_t limit = 100, Direction direction = Direction::kForward,
                               QueryContext context = {}) {
    return Engine(store, clock, options)
        .range(query, at(from), at(to), Duration{at(step).ns}, limit, direction, context);
  }
  // Seconds of the lines found, or the error.
  std::string times(std::string_view query) {
    auto r = range(query);
    if (!r) return r.error().message;
    std::string out;
    for (const LogEntry& e : r->entries) out += std::to_string(e.time.ns / 1'000'000'000) + " ";
    return out;
  }
  static std::string text(const Result<LogQueryResult>& r) {
    if (!r) return r.error().message;
    std::string out;
    for (const LogSeries& s : r->series) {
      out += s.labels.to_string();
      for (const auto& [t, v] : s.points) out += " " + format_value(v) + "@" + std::to_string(t.ms / 1000);
      out += "; ";
    }
    return out;
  }
  std::string matrix(std::string_view query, double from, double to, double step) {
    return text(range(query, from, to, step));
  }
  std::string instant(std::string_view query, double t, QueryContext context = {}) {
    auto r = Engine(store, clock, options).instant(query, at(t), context);
    if (r && r->type == LogQueryResult::Type::kScalar) return "scalar " + format_value(r->scalar);
    return text(r);
  }
};

}  // namespace

TEST_CASE("logql parser: queries print in one form, which parses again") {
  CHECK(printed(R"( { app = "a" , b=~`x.*`,c!="d" , e!~"f"} )") == R"({app="a", b=~"x.*", c!="d", e!~"f"})");
  CHECK(printed(R"({a="b"}|="x"!="y" |~ `z\d+` !~"w" # comment)") ==
        R"({a="b"} |= "x" != "y" |~ "z\\d+" !~ "w")");
  CHECK(printed(R"({a="b"} |= "x" or "y" or `z`)") == R"({a="b"} |= "x" or "y" or "z")");
  CHECK(printed(R"({a="b"} | json | logfmt | drop __error__, x="1" | keep a)") ==
        R"({a="b"} | json | logfmt | drop __error__, x="1" | keep a)");
  CHECK(printed(R"({a="b"} | x="1" and (y>2 or z<=1.5s), w>=5KB |= "q")") ==
        R"({a="b"} | x="1" and (y > 2 or z <= 1s500ms) and w >= 5000B |= "q")");
  CHECK(printed(R"({a="b"} | x=1 | y==2 | z!=-3)") == R"({a="b"} | x == 1 | y == 2 | z != -3)");
  CHECK(printed(R"({service.name="\u00e4\n\x41"})") == "{\"service.name\"=\"ä\\nA\"}");
  CHECK(printed(R"(rate({a="b"}[90s] |= "x"))") == R"(rate({a="b"} |= "x" [1m30s]))");
  CHECK(printed(R"(sum(count_over_time({a="b"}|json[5m] offset 1h)) by(x,y))") ==
        R"(sum by (x, y) (count_over_time({a="b"} | json [5m] offset 1h)))");
  CHECK(printed(R"(topk(3, sum without () (bytes_rate({a="b"}[1m]))))") ==
        R"(topk(3, sum without () (bytes_rate({a="b"}[1m]))))");
  CHECK(printed("1+2*3^2^1 - -4") == "1 + 2 * 3 ^ 2 ^ 1 - -4");
  CHECK(printed("(1+2)*3-(4-5)-(6^7)^8") == "(1 + 2) * 3 - (4 - 5) - (6 ^ 7) ^ 8");
  CHECK(printed("vector(1)+vector(1)") == "vector(1) + vector(1)");
  CHECK(printed(R"(rate({a="b"}[1m]) > bool 0.5)") == R"(rate({a="b"}[1m]) > bool 0.5)");
}

TEST_CASE("logql parser: an error says where and what") {
  CHECK(
      printed("") ==
      "ERROR parse error at line 1, col 1: syntax error: unexpected end of the query, expected a selector, a "
      "function or a number");
  CHECK(printed("{a=\"b\"}\n |= x") ==
        "ERROR parse error at line 2, col 5: syntax error: unexpected \"x\", expected a string");
  CHECK(printed(R"({a="b)") == "ERROR parse error at line 1, col 4: literal not terminated");
  CHECK(printed(R"({a=~"("})").starts_with("ERROR parse error at line 1, col 5: "));
  CHECK(printed(R"({a="b"} |~ "(")")
            .starts_with("ERROR parse error at line 1, col 12: error parsing regexp: "));
  CHECK(printed("{}").find("queries require at least one") != std::string::npos);
  CHECK(printed(R"({a=~".*"})").find("queries require at least one") != std::string::npos);
  CHECK(printed(R"(rate({a="b"}))").find("expected a range") != std::string::npos);
  CHECK(printed(R"(sum({a="b"}))").find("needs a metric query") != std::string::npos);
  CHECK(printed(R"({a="b"} + 1)").find("unexpected log query on the left") != std::string::npos);
  CHECK(printed(R"(rate({a="b"}[0s]))").starts_with("ERROR"));
  CHECK(printed(R"(topk(0, rate({a="b"}[1s])))").starts_with("ERROR"));
}

TEST_CASE("logql parser: what is not built is named") {
  for (auto [query, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({a="b"} | line_format "{{.x}}")", "the stage \"line_format\""},
           {R"({a="b"} | label_format x=y)", "the stage \"label_format\""},
           {R"({a="b"} | unwrap x)", "the stage \"unwrap\""},
           {R"({a="b"} | pattern "<x>")", "the stage \"pattern\""},
           {R"({a="b"} | json x="y.z")", "the stage json with expressions"},
           {R"({a="b"} | logfmt --strict)", "the stage logfmt with flags"},
           {R"({a="b"} |> "<_> x")", "the pattern filter |>"},
           {R"({a="b"} |= ip("10.0.0.0/8"))", "the line filter ip()"},
           {R"(quantile_over_time(0.9, {a="b"} | unwrap x [1m]))", "the function \"quantile_over_time\""},
           {R"(stddev(rate({a="b"}[1m])))", "the function \"stddev\""},
           {R"(vector(1) or vector(2))", "the set operator \"or\""},
           {R"(vector(1) * on(a) vector(2))", "\"on\""}}) {
    auto e = parse(query);
    INFO(query);
    REQUIRE(!e);
    CHECK(e.error().code == ErrorCode::kUnsupported);
    CHECK(e.error().message.find(std::string(name) + " is not supported yet") != std::string::npos);
    CHECK(e.error().column > 0);
  }
}

TEST_CASE("logql parser: length, depth and numbers of parts are bounded") {
  CHECK(parse("{a=\"" + std::string(kQueryBytesMax, 'x') + "\"}").error().code == ErrorCode::kLimit);
  CHECK(parse(std::string(8000, '(') + "1").error().code == ErrorCode::kLimit);
  CHECK(parse("{a=\"b\"} | " + std::string(8000, '(') + "x=1").error().code == ErrorCode::kLimit);
  std::string sum = "1";
  for (int i = 0; i < 300; i++) sum += "+1";
  CHECK(parse(sum).error().code == ErrorCode::kLimit);
  std::string stages = "{a=\"b\"}";
  for (int i = 0; i < 200; i++) stages += "|json";
  CHECK(parse(stages).error().code == ErrorCode::kLimit);
}

TEST_CASE("logql quantities: durations and bytes") {
  CHECK(parse_duration_ns("1h30m") == 5'400'000'000'000);
  CHECK(parse_duration_ns("1.5s") == 1'500'000'000);
  CHECK(parse_duration_ns("250\xc2\xb5s") == 250'000);
  CHECK(parse_duration_ns("-2ms") == -2'000'000);
  CHECK(!parse_duration_ns("5"));
  CHECK(!parse_duration_ns("5q"));
  CHECK(!parse_duration_ns("300y"));
  CHECK(format_duration_ns(5'400'001'000'000) == "1h30m1ms");
  CHECK(parse_bytes("1.5KiB") == 1536);
  CHECK(parse_bytes("3kb") == 3000);
  CHECK(!parse_bytes("3"));
}

TEST_CASE("logql fields: JSON is flattened, and what is no object is refused") {
  Fields f;
  REQUIRE(parse_json_fields(
      R"( {"a":{"b-c":"x\u00e4\ud83d\ude00\n","d":[1,{"e":2}]},"2n":-1.5e3,"t":true,"z":null} )", f));
  CHECK(f == Fields{{"a_b_c", "xä😀\n"}, {"_2n", "-1.5e3"}, {"t", "true"}});
  for (const char* bad :
       {"", "x", "[1]", "{", R"({"a":})", R"({"a":01})", R"({"a":"b"} x)", R"({"a":nul})"}) {
    f.clear();
    CHECK_MESSAGE(!parse_json_fields(bad, f), bad);
  }
  std::string deep;
  for (int i = 0; i < 5000; i++) deep += "{\"a\":";
  CHECK(!parse_json_fields(deep, f));
}

TEST_CASE("logql fields: logfmt takes pairs and skips words") {
  Fields f;
  parse_logfmt_fields(R"(ts=1 msg="a \"b\"\n c" word x.y= last=z)", f);
  CHECK(f == Fields{{"ts", "1"}, {"msg", "a \"b\"\n c"}, {"x_y", ""}, {"last", "z"}});
}

TEST_CASE_FIXTURE(Fixture, "logql engine: selectors and line filters") {
  CHECK(times(R"({app="shop"})") == "10 20 ");
  CHECK(times(R"({env="prod"} |= "order")") == "10 20 ");
  CHECK(times(R"({env="prod"} |= "order" |= "failed")") == "20 ");
  CHECK(times(R"({env="prod"} != "order")") == "30 40 ");
  CHECK(times(R"({env="prod"} |= "failed" or "plain")") == "20 40 ");
  CHECK(times(R"({env="prod"} != "failed" or "plain")") == "10 30 ");
  CHECK(times(R"({env="prod"} |~ "order (fa|x)i")") == "20 ");
  CHECK(times(R"({env="prod"} |~ `(?i)PLAIN`)") == "40 ");
  CHECK(times(R"({env="prod"} !~ "order|card")") == "40 ");
  CHECK(times(R"({app="none"})") == "");
}

TEST_CASE_FIXTURE(Fixture, "logql engine: label filters see stream labels, metadata and parsed fields") {
  CHECK(times(R"({env="prod"} | detected_level=~"error|warn")") == "20 30 ");
  CHECK(times(R"({env="prod"} | app!="shop")") == "30 40 ");
  CHECK(times(R"({app="shop"} | json | status>=500)") == "20 ");
  CHECK(times(R"({app="shop"} | json | status=200 or user_id="8")") == "10 20 ");
  CHECK(times(R"({app="shop"} | json | took > 1s)") == "20 ");
  CHECK(times(R"({app="shop"} | json | took <= 15ms and status < 300)") == "10 ");
  CHECK(times(R"({app="pay"} | logfmt | amount > 12 | size >= 3KB)") == "30 ");
  CHECK(times(R"({app="shop"} | nothing > 1)") == "");
  CHECK(times(R"({app="shop"} | nothing = "")") == "10 20 ");
}

TEST_CASE_FIXTURE(Fixture, "logql engine: direction, limit and the bounds of time") {
  auto r = range(R"({env="prod"})", 10, 40, 1, 2, Direction::kBackward);
  REQUIRE(r);
  REQUIRE(r->entries.size() == 2);  // 40 is not before the end
  CHECK(r->entries[0].time == at(30));
  CHECK(r->entries[1].time == at(20));
  r = range(R"({env="prod"})", 10, 40, 1, 1);
  REQUIRE(r->entries.size() == 1);
  CHECK(r->entries[0].time == at(10));
  CHECK(r->stats.lines_scanned == 1);
}

TEST_CASE_FIXTURE(Fixture, "logql engine: an entry keeps stream, metadata and parsed fields apart") {
  LogRecord rich = record(50, {{"app", "api"}, {"level", "info"}}, R"({"level":"warn","app":"api","k":1})",
                          {{"http.method", "GET"}, {"nested", Attributes{{"a", 1}}}, {"level", "ignored"}});
  rich.trace_id = *TraceId::from_hex("0af7651916cd43dd8448eb211c80319c");
  rich.severity_number = 13;
  rich.resource = std::make_shared<Attributes>(Attributes{{"host.name", "h1"}, {"app", "other"}});
  put({rich});
  auto r = range(R"({app="api"} | json)");
  REQUIRE(r->entries.size() == 1);
  const LogEntry& e = r->entries[0];
  CHECK(e.stream == LabelSet{{"app", "api"}, {"level", "info"}});
  CHECK(e.metadata == Fields{{"http_method", "GET"},
                             {"nested_a", "1"},
                             {"trace_id", "0af7651916cd43dd8448eb211c80319c"},
                             {"detected_level", "warn"},
                             {"host_name", "h1"}});
  CHECK(e.parsed == Fields{{"level_extracted", "warn"}, {"k", "1"}});
  CHECK(times(R"({app=~".+"} | trace_id="0af7651916cd43dd8448eb211c80319c")") == "50 ");
  CHECK(times(R"({app="api"} | http_method="GET")") == "50 ");
  r = range(R"({app="api"} | json | drop level, k, host_name)");
  CHECK(r->entries[0].stream == LabelSet{{"app", "api"}});
  CHECK(r->entries[0].parsed == Fields{{"level_extracted", "warn"}});
  r = range(R"({app="api"} | keep app, nested_a="1")");
  CHECK(r->entries[0].stream == LabelSet{{"app", "api"}});
  CHECK(r->entries[0].metadata == Fields{{"nested_a", "1"}});
}

TEST_CASE_FIXTURE(Fixture,
                  "logql engine: a line that a stage cannot read is marked, and fails a metric query") {
  auto r = range(R"({app="pay"} | json)");
  REQUIRE(r->entries.size() == 2);
  CHECK(r->entries[0].parsed == Fields{{"__error__", "JSONParserErr"}});
  CHECK(times(R"({env="prod"} | json | __error__="")") == "10 20 ");
  r = range(R"({app="shop"} | json | msg > 5)");
  REQUIRE(r->entries.size() == 2);
  CHECK(r->entries[0].parsed.back() == std::pair<std::string, std::string>{"__error__", "LabelFilterErr"});
  CHECK(instant(R"(sum(count_over_time({env="prod"} | json [1m])))", 50)
            .starts_with("pipeline error: 'JSONParserErr'"));
  CHECK(instant(R"(sum(count_over_time({env="prod"} | json | drop __error__ [1m])))", 50) == "{} 4@50; ");
  // Fields that were taken out of the line when it came in are as good.
  put({record(60, {{"app", "typed"}}, "order placed", {{"detected_level", "info"}, {"status", 503}})});
  CHECK(times(R"({app="typed"} | json | status >= 500 | __error__="")") == "60 ");
}

TEST_CASE_FIXTURE(Fixture, "logql engine: counts and rates over windows that end at the step") {
  // Windows (t-20, t].
  CHECK(matrix(R"(sum(count_over_time({env="prod"}[20s])))", 10, 60, 10) == "{} 1@10 2@20 2@30 2@40 1@50; ");
  CHECK(matrix(R"(sum(count_over_time({env="prod"}[20s])))", 5, 65, 15) == "{} 2@20 2@35 1@50; ");
  CHECK(matrix(R"(sum(rate({env="prod"}[20s])))", 20, 20, 10) == "{} 0.1@20; ");
  CHECK(matrix(R"(sum(bytes_over_time({app="pay"}[20s])))", 40, 50, 10) == "{} 67@40 17@50; ");
  CHECK(matrix(R"(sum(bytes_rate({app="pay"}[10s])))", 40, 40, 10) == "{} 1.7@40; ");
  CHECK(matrix(R"(sum(count_over_time({env="prod"}[10s] offset 20s)))", 30, 30, 10) == "{} 1@30; ");
  CHECK(matrix(R"(count_over_time({app="pay"} | keep app [1m]))", 40, 40, 10) == "{app=\"pay\"} 2@40; ");
}

TEST_CASE_FIXTURE(Fixture, "logql engine: counts agree with counting every window by hand") {
  std::vector<LogRecord> many;
  std::vector<int64_t> when;
  uint64_t x = 12345;
  for (int i = 0; i < 400; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    when.push_back(1'000'000'000'000 + static_cast<int64_t>((x >> 33) % 600'000) * 1'000'000);
    LogRecord r = record(0, {{"app", "many"}}, "x");
    r.time = {when.back()};
    many.push_back(r);
  }
  put(many);
  for (int64_t step : {1, 7, 60}) {
    for (int64_t window : {1, 10, 95}) {
      auto r = range("sum(count_over_time({app=\"many\"}[" + std::to_string(window) + "s]))", 990, 1700,
                     static_cast<double>(step));
      REQUIRE(r);
      std::vector<std::pair<Timestamp, double>> expected;
      for (int64_t t = 990; t <= 1700; t += step) {
        double n = 0;
        for (int64_t w : when) n += w > (t - window) * 1'000'000'000 && w <= t * 1'000'000'000;
        if (n > 0) expected.emplace_back(Timestamp{t * 1000}, n);
      }
      REQUIRE(r->series.size() == 1);
      CHECK(r->series[0].points == expected);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "logql engine: aggregations") {
  CHECK(matrix(R"(sum by (detected_level) (count_over_time({env="prod"}[1m])))", 40, 40, 10) ==
        R"({detected_level="error"} 1@40; {detected_level="info"} 1@40; {detected_level="unknown"} 1@40; )"
        R"({detected_level="warn"} 1@40; )");
  CHECK(instant(R"(sum by (app) (count_over_time({env="prod"}[1m])))", 30) ==
        R"({app="pay"} 1@30; {app="shop"} 2@30; )");
  CHECK(instant(R"(sum without (detected_level, env) (count_over_time({env="prod"}[1m])))", 30) ==
        R"({app="pay"} 1@30; {app="shop"} 2@30; )");
  CHECK(instant(R"(topk(1, sum by (app) (count_over_time({env="prod"}[1m]))))", 30) ==
        R"({app="shop"} 2@30; )");
  CHECK(instant(R"(bottomk(1, sum by (app) (count_over_time({env="prod"}[1m]))))", 30) ==
        R"({app="pay"} 1@30; )");
  CHECK(instant(R"(topk(2, sum by (app) (count_over_time({env="prod"}[1m]))))", 30) ==
        R"({app="shop"} 2@30; {app="pay"} 1@30; )");
  CHECK(instant(R"(count(count_over_time({env="prod"}[1m])))", 40) == "{} 4@40; ");
  CHECK(instant(R"(max(sum by (app) (count_over_time({env="prod"}[1m]))))", 30) == "{} 2@30; ");
  CHECK(instant(R"(min(sum by (app) (count_over_time({env="prod"}[1m]))))", 30) == "{} 1@30; ");
  CHECK(instant(R"(avg(sum by (app) (count_over_time({env="prod"}[1m]))))", 30) == "{} 1.5@30; ");
  CHECK(instant(R"(sum(sum by (app) (count_over_time({env="prod"}[1m]))))", 30) == "{} 3@30; ");
  CHECK(instant("sum(1)", 1) == "sum needs series, and has a number");
}

TEST_CASE_FIXTURE(Fixture, "logql engine: arithmetic and comparisons") {
  CHECK(instant("vector(1)+vector(1)", 5) == "{} 2@5; ");
  CHECK(instant("2 + 3 * 2 ^ 2", 5) == "scalar 14");
  CHECK(instant("1 > bool 2", 5) == "scalar 0");
  CHECK(instant("1 > 2", 5) == "comparisons between numbers need the modifier bool");
  CHECK(matrix("1", 0, 20, 10) == "{} 1@0 1@10 1@20; ");
  const std::string by_app = R"(sum by (app) (count_over_time({env="prod"}[1m])))";
  CHECK(instant(by_app + " > 1", 30) == R"({app="shop"} 2@30; )");
  CHECK(instant("1 < " + by_app, 30) == R"({app="shop"} 2@30; )");
  CHECK(instant(by_app + " > bool 1", 30) == R"({app="pay"} 0@30; {app="shop"} 1@30; )");
  CHECK(instant("10 - " + by_app, 30) == R"({app="pay"} 9@30; {app="shop"} 8@30; )");
  CHECK(instant(R"(sum by (app) (count_over_time({env="prod"} |= "failed" [1m])) / )" + by_app, 30) ==
        R"({app="shop"} 0.5@30; )");
  CHECK(instant(R"({env="prod"})", 5).starts_with("log queries are not supported as an instant query type"));
}

TEST_CASE_FIXTURE(Fixture, "logql engine: every bound fails with an error that names it") {
  auto code = [](const Result<LogQueryResult>& r) {
    REQUIRE(!r);
    return r.error().code;
  };
  CHECK(code(range(R"({env="prod"})", 0, 100, 10, 5001)) == ErrorCode::kLimit);
  CHECK(code(range(R"(sum(rate({env="prod"}[1m])))", 0, 20'000, 1)) == ErrorCode::kInvalid);
  CHECK(code(range(R"(sum(rate({env="prod"}[1m])))", 0, 100, 0)) == ErrorCode::kInvalid);
  CHECK(code(range(R"({env="prod"})", -8e9, 100, 10)) == ErrorCode::kInvalid);
  auto limited = [&](auto change, const char* query) {
    options = {};
    change(options);
    auto r = range(query);
    REQUIRE(!r);
    CHECK(r.error().code == ErrorCode::kLimit);
    return r.error().message;
  };
  CHECK(limited([](auto& o) { o.lines_scanned_max = 3; }, R"({env="prod"})").find("more than 3 lines") !=
        std::string::npos);
  CHECK(limited([](auto& o) { o.bytes_scanned_max = 100; }, R"({env="prod"})").find("more than 100 bytes") !=
        std::string::npos);
  CHECK(limited([](auto& o) { o.answer_bytes_max = 10; }, R"({env="prod"})").find("larger than 10 bytes") !=
        std::string::npos);
  CHECK(limited([](auto& o) { o.groups_max = 1; }, R"(count_over_time({env="prod"}[1m]))")
            .find("more than 1 series") != std::string::npos);
  CHECK(limited([](auto& o) { o.cells_max = 5; }, R"(count_over_time({env="prod"}[1m]))")
            .find("more than 5 points") != std::string::npos);
  CHECK(limited([](auto& o) { o.series_max = 3; }, R"(count_over_time({env="prod"}[1m]))")
            .find("maximum number of series (3) reached") != std::string::npos);
  options = {};
  options.series_max = 1;
  CHECK(range(R"(sum(count_over_time({env="prod"}[1m])))"));
}

TEST_CASE_FIXTURE(Fixture, "logql engine: scope and cancellation are respected") {
  QueryContext scoped{{{Matcher::equal("app", "pay")}}, {}};
  auto r = range(R"({env="prod"})", 0, 100, 10, 100, Direction::kForward, scoped);
  CHECK(r->entries.size() == 2);
  CHECK(instant(R"(sum(count_over_time({env="prod"}[1m])))", 50, scoped) == "{} 2@50; ");
  QueryContext cancelled{{}, Cancellation::create(&clock, clock.monotonic() + Duration::hours(1))};
  cancelled.cancel.cancel();
  r = range(R"({env="prod"})", 0, 100, 10, 100, Direction::kForward, cancelled);
  REQUIRE(!r);
  CHECK(r.error().code == ErrorCode::kCancelled);
}

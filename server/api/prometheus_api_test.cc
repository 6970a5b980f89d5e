#include "api/prometheus_api.h"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <thread>

#include "api/prometheus_answer.h"
#include "api/recorded_answer.h"
#include "memstore/mem_metric_store.h"
#include "promql/parser.h"
#include "state/database.h"

using namespace sonde;
using namespace sonde::api;

namespace {

class FakeTargets final : public net::HttpClient {
 public:
  std::map<std::string, std::string> pages;
  void fetch(net::ClientRequest request, std::function<void(Result<net::ClientResponse>)> done) override {
    auto it = pages.find(request.url);
    if (it == pages.end()) {
      done(fail(ErrorCode::kUnavailable, "connection refused"));
      return;
    }
    net::ClientResponse r;
    r.status = 200;
    r.headers.add("Content-Type", "text/plain; version=0.0.4");
    r.body = it->second;
    done(std::move(r));
  }
};

// A server in miniature on a virtual clock that stands at 1700000000.
struct Fixture {
  VirtualClock clock;
  VirtualScheduler scheduler{clock};
  InlineExecutor executor;
  memstore::MemMetricStore store;
  promql::Engine engine{store, clock};
  FakeTargets web;
  scrape::ScrapeStats scrape_stats;
  scrape::Manager scrape{scrape::ScrapeContext{store, web, scheduler, executor, scrape_stats}};
  std::unique_ptr<state::Database> db = state::Database::open(":memory:").value();
  state::AlertBook book{*db};
  rules::Manager rules{engine, store, book, scheduler, executor, [](const std::vector<Alert>&) {}, {}};
  notify::AlertmanagerClient alertmanagers{web, executor, {}};
  std::shared_ptr<PrometheusApiContext> context{
      new PrometheusApiContext{store, engine, clock, scrape, rules, alertmanagers}};
  net::Router router;

  Fixture() { add_prometheus_routes(router, context); }
  void set(const LabelSet& labels, double v, Duration ago = {}) {
    storage::Batch b;
    b.add_float(b.add_series(labels), clock.timestamp() - ago, v);
    REQUIRE(storage::commit_and_wait(store, std::move(b)));
  }
  std::shared_ptr<RecordedAnswer> get(const std::string& target) { return ask(router, "GET", target); }
  std::string body(const std::string& target) { return get(target)->body; }
  // "CODE errorType: error" of a failed call.
  std::string error(const std::string& target) {
    auto a = get(target);
    std::string prefix = R"({"status":"error","errorType":")";
    if (!a->body.starts_with(prefix)) return std::to_string(a->code) + " unexpected " + a->body;
    std::string text = a->body.substr(prefix.size());
    text.replace(text.find("\",\"error\":\""), 11, ": ");
    return std::to_string(a->code) + " " + text.substr(0, text.size() - 2);
  }
};

std::string success(const std::string& data) { return R"({"status":"success","data":)" + data + "}"; }
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const LabelSet kUpA{{"__name__", "up"}, {"instance", "a"}, {"job", "shop"}};
const LabelSet kUpB{{"__name__", "up"}, {"instance", "b"}, {"job", "shop"}};

rules::Rule rule(const std::string& name, const std::string& query, bool alerting) {
  rules::Rule r;
  r.alerting = alerting;
  r.name = name;
  r.query = query;
  r.expr = std::move(promql::parse(query).value());
  r.file = "rules.yml";
  r.line = 7;
  return r;
}

}  // namespace

TEST_CASE("prometheus api: an instant query answers with a vector, a scalar, a string or a matrix") {
  Fixture f;
  f.set(kUpA, 1);
  f.set(kUpB, 0.5);
  auto a = f.get("/api/v1/query?query=up");
  CHECK(a->code == 200);
  CHECK(a->finished);
  CHECK(a->headers.get("Content-Type") == "application/json");
  CHECK(a->body ==
        success(R"({"resultType":"vector","result":[)"
                R"({"metric":{"__name__":"up","instance":"a","job":"shop"},"value":[1700000000,"1"]},)"
                R"({"metric":{"__name__":"up","instance":"b","job":"shop"},"value":[1700000000,"0.5"]}]})"));
  CHECK(f.body("/api/v1/query?query=1%2B1&time=1435781451.781") ==
        success(R"({"resultType":"scalar","result":[1435781451.781,"2"]})"));
  CHECK(f.body("/api/v1/query?query=%22hi%22&time=2015-07-01T20:10:51.781Z") ==
        success(R"({"resultType":"string","result":[1435781451.781,"hi"]})"));
  CHECK(f.body("/api/v1/query?query=up%7Binstance%3D%22a%22%7D%5B1m%5D") ==
        success(R"({"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a","job":"shop"},)"
                R"("values":[[1700000000,"1"]]}]})"));
  CHECK(f.body("/api/v1/query?query=absent_thing") == success(R"({"resultType":"vector","result":[]})"));
}

TEST_CASE("prometheus api: a query may come as a form") {
  Fixture f;
  f.set(kUpA, 1);
  auto a = ask(f.router, "POST", "/api/v1/query", "query=sum(up)&time=1700000000");
  CHECK(a->body == success(R"({"resultType":"vector","result":[{"metric":{},"value":[1700000000,"1"]}]})"));
  CHECK(contains(ask(f.router, "POST", "/api/v1/query?query=1", "query=2")->body, "\"2\"]"));
  CHECK(contains(ask(f.router, "POST", "/api/v1/query", "query=%zz")->body, "error parsing form values: "));
  CHECK(ask(f.router, "PUT", "/api/v1/query", "query=1")->code == 405);
}

TEST_CASE("prometheus api: a range query answers with a matrix") {
  Fixture f;
  f.set(kUpA, 1, Duration::seconds(30));
  f.set(kUpA, 2);
  CHECK(f.body("/api/v1/query_range?query=up&start=1699999970&end=1700000000&step=15s") ==
        success(R"({"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"a","job":"shop"},)"
                R"("values":[[1699999970,"1"],[1699999985,"1"],[1700000000,"2"]]}]})"));
  CHECK(f.body("/api/v1/query_range?query=1&start=0&end=11000&step=1").size() > 100'000);
}

TEST_CASE("prometheus api: bad query parameters get Prometheus's texts") {
  Fixture f;
  CHECK(f.error("/api/v1/query?query=up%20%2B") ==
        R"(400 bad_data: invalid parameter \"query\": 1:5: parse error: unexpected end of input)");
  CHECK(contains(f.error("/api/v1/query?query="), R"(400 bad_data: invalid parameter \"query\": )"));
  CHECK(
      f.error("/api/v1/query?query=1&time=x") ==
      R"(400 bad_data: invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp)");
  CHECK(f.error("/api/v1/query?query=1&timeout=x") ==
        R"(400 bad_data: invalid parameter \"timeout\": cannot parse \"x\" to a valid duration)");
  CHECK(f.error("/api/v1/query?query=1&limit=x") ==
        R"(400 bad_data: invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax)");
  CHECK(f.error("/api/v1/query?query=1&limit=-1") ==
        R"(400 bad_data: invalid parameter \"limit\": limit must be non-negative)");
  CHECK(f.error("/api/v1/query?query=1&lookback_delta=x") ==
        R"(400 bad_data: error parsing lookback delta duration: cannot parse \"x\" to a valid duration)");
  std::string range = "/api/v1/query_range?query=up&";
  CHECK(f.error(range + "end=1&step=1") ==
        R"(400 bad_data: invalid parameter \"start\": cannot parse \"\" to a valid timestamp)");
  CHECK(f.error(range + "start=2&end=1&step=1") ==
        R"(400 bad_data: invalid parameter \"end\": end timestamp must not be before start time)");
  CHECK(
      f.error(range + "start=1&end=2&step=0") ==
      R"(400 bad_data: invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer)");
  CHECK(f.error(range + "start=0&end=11001&step=1") ==
        "400 bad_data: exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
        "resolution (?step=XX)");
  CHECK(
      f.error("/api/v1/query_range?query=up%5B1m%5D&start=0&end=1&step=1") ==
      R"(400 bad_data: invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector)");
}

TEST_CASE("prometheus api: what fails while it runs is 422, what takes too long 503, what nobody wants 499") {
  Fixture f;
  f.set(kUpA, 1);
  f.set(kUpB, 1);
  f.set({{"__name__", "other"}, {"job", "shop"}}, 1);
  f.set({{"__name__", "other"}, {"job", "shop"}, {"x", "y"}}, 1);
  CHECK(f.error("/api/v1/query?query=up%2Bon(job)other").starts_with("422 execution: "));
  CHECK(f.error("/api/v1/query?query=up&timeout=0") == "503 timeout: query timed out");
  auto gone = Cancellation::create(&f.clock, f.clock.monotonic() + Duration::hours(1));
  gone.cancel();
  CHECK(ask(f.router, "GET", "/api/v1/query?query=up", "", gone)->code == 499);
  f.context->response_bytes_max = 10;
  CHECK(f.error("/api/v1/query?query=up").starts_with("422 execution: the result would take at least "));
}

TEST_CASE("prometheus api: limit cuts vectors and matrices and says so") {
  Fixture f;
  f.set(kUpA, 1);
  f.set(kUpB, 2);
  CHECK(f.body("/api/v1/query?query=up&limit=1") ==
        R"({"status":"success","data":{"resultType":"vector","result":[)"
        R"({"metric":{"__name__":"up","instance":"a","job":"shop"},"value":[1700000000,"1"]}]},)"
        R"("warnings":["results truncated due to limit"]})");
  CHECK(!contains(f.body("/api/v1/query?query=up&limit=2"), "warnings"));
  CHECK(contains(f.body("/api/v1/query_range?query=up&start=1700000000&end=1700000000&step=1&limit=1"),
                 R"("warnings":["results truncated due to limit"])"));
  CHECK(f.body("/api/v1/query?query=1&limit=1") ==
        success(R"({"resultType":"scalar","result":[1700000000,"1"]})"));
}

TEST_CASE("prometheus api: lookback_delta, stats and remarks of the language") {
  Fixture f;
  f.set(kUpA, 1, Duration::minutes(3));
  f.set(kUpA, 1, Duration::minutes(2));
  CHECK(contains(f.body("/api/v1/query?query=up"), "\"up\""));
  CHECK(f.body("/api/v1/query?query=up&lookback_delta=1m") ==
        success(R"({"resultType":"vector","result":[]})"));
  std::string stats = f.body("/api/v1/query?query=up&stats=all");
  CHECK(contains(stats, R"("stats":{"timings":{"evalTotalTime":)"));
  CHECK(contains(stats, R"("samples":{"totalQueryableSamples":2,"peakSamples":)"));
  CHECK(!contains(stats, "warnings"));
  CHECK(contains(f.body("/api/v1/query?query=up&stats=yes"), "\"warnings\":[\"stats "));
  CHECK(contains(f.body("/api/v1/query?query=rate(up%5B5m%5D)"), "\"infos\":[\"PromQL info: "));
}

TEST_CASE("prometheus api: at most ten warnings and infos are shown, then how many there were more") {
  RecordedAnswer out;
  PrometheusAnswer answer(out);
  answer.data().null();
  for (int i = 0; i < 12; i++) answer.warn("w");
  for (int i = 0; i < 10; i++) answer.info("i");
  answer.end();
  CHECK(out.body ==
        R"({"status":"success","data":null,"warnings":["w","w","w","w","w","w","w","w","w","w",)"
        R"("2 more warning annotations omitted"],"infos":["i","i","i","i","i","i","i","i","i","i"]})");
}

TEST_CASE("prometheus api: long results go out in pieces and stop when the peer is gone") {
  Fixture f;
  std::string target = "/api/v1/query_range?query=1&start=0&end=11000&step=1";
  auto whole = f.get(target);
  CHECK(whole->writes > 1);
  CHECK(whole->finished);
  CHECK(whole->body.ends_with("\"]]}]}}"));
  CHECK(whole->headers.get("Content-Length").empty());
  auto cut = std::make_shared<RecordedAnswer>();
  cut->peer_gone_after = 1;
  ask(f.router, "GET", target, "", {}, cut);
  CHECK(cut->writes == 2);
  CHECK(!cut->finished);
}

TEST_CASE("prometheus api: format_query and parse_query") {
  Fixture f;
  CHECK(f.body("/api/v1/format_query?query=foo%2Fbar") == success("\"foo / bar\""));
  CHECK(f.error("/api/v1/format_query?query=sum(")
            .starts_with(R"(400 bad_data: invalid parameter \"query\": 1:)"));
  CHECK(
      f.body("/api/v1/parse_query?query=-foo%7Ba%3D~%22b%22%7D%20offset%205m") ==
      success(R"({"type":"unaryExpr","op":"-","expr":{"type":"vectorSelector","name":"foo","offset":300000,)"
              R"("timestamp":null,"startOrEnd":null,"matchers":[{"name":"a","value":"b","type":"=~"},)"
              R"({"name":"__name__","value":"foo","type":"="}],"anchored":false,"smoothed":false}})"));
  std::string tree = f.body("/api/v1/parse_query?query=sum%20by%20(job)(rate(x%5B5m%5D))%20%3E%20bool%202");
  CHECK(contains(
      tree, R"({"type":"binaryExpr","op":">","lhs":{"type":"aggregation","op":"sum","expr":{"type":"call",)"
            R"("func":{"name":"rate","argTypes":["matrix"],"variadic":0,"returnType":"vector"},)"
            R"("args":[{"type":"matrixSelector","range":300000,"name":"x")"));
  CHECK(contains(
      tree, R"("param":null,"grouping":["job"],"without":false},"rhs":{"type":"numberLiteral","val":"2"},)"
            R"("matching":null,"bool":true})"));
}

TEST_CASE("prometheus api: exemplars come with their series, values as text, times in seconds") {
  Fixture f;
  storage::Batch b;
  uint32_t s = b.add_series({{"__name__", "hits_total"}, {"job", "shop"}});
  b.add_float(s, f.clock.timestamp(), 1);
  b.exemplars.push_back({s, Exemplar{LabelSet{{"trace_id", "abc"}}, 6, Timestamp{1'699'999'999'479}}});
  REQUIRE(storage::commit_and_wait(f.store, std::move(b)));
  CHECK(f.body("/api/v1/query_exemplars?query=rate(hits_total%5B1m%5D)&start=1699999000&end=1700000000") ==
        success(R"([{"seriesLabels":{"__name__":"hits_total","job":"shop"},"exemplars":[)"
                R"({"labels":{"trace_id":"abc"},"value":"6","timestamp":1699999999.479}]}])"));
  CHECK(f.body("/api/v1/query_exemplars?query=1") == success("[]"));
  CHECK(f.error("/api/v1/query_exemplars?query=up&start=2&end=1") ==
        "400 bad_data: end timestamp must not be before start timestamp");
}

TEST_CASE("prometheus api: series, label names and values") {
  Fixture f;
  f.set(kUpA, 1);
  f.set(kUpB, 1);
  f.set({{"__name__", "cpu"}, {"my.label", "x"}}, 1);
  CHECK(
      f.body("/api/v1/series?match[]=up&match[]=%7Binstance%3D%22a%22%7D") ==
      success(
          R"([{"__name__":"up","instance":"a","job":"shop"},{"__name__":"up","instance":"b","job":"shop"}])"));
  CHECK(f.body("/api/v1/series?match[]=up&limit=1") ==
        R"({"status":"success","data":[{"__name__":"up","instance":"a","job":"shop"}],)"
        R"("warnings":["results truncated due to limit"]})");
  CHECK(f.error("/api/v1/series") == "400 bad_data: no match[] parameter provided");
  CHECK(f.error("/api/v1/series?match[]=%7B%7D")
            .starts_with("400 bad_data: invalid parameter \\\"match[]\\\": "));
  CHECK(f.error("/api/v1/series?match[]=%7Ba%3D~%22.*%22%7D").starts_with("400 bad_data: invalid parameter"));
  CHECK(f.body("/api/v1/labels") == success(R"(["__name__","instance","job","my.label"])"));
  CHECK(f.body("/api/v1/labels?match[]=cpu") == success(R"(["__name__","my.label"])"));
  CHECK(contains(f.body("/api/v1/labels?limit=1"), "truncated"));
  CHECK(f.body("/api/v1/label/instance/values") == success(R"(["a","b"])"));
  CHECK(f.body("/api/v1/label/instance/values?limit=1") ==
        R"({"status":"success","data":["a"],"warnings":["results truncated due to limit"]})");
  CHECK(f.body("/api/v1/label/U__my_2e_label/values") == success(R"(["x"])"));
  CHECK(f.body("/api/v1/label/nothing/values") == success("[]"));
  CHECK(
      f.error("/api/v1/label/job/values?start=x") ==
      R"(400 bad_data: invalid parameter \"start\": invalid time value for 'start': cannot parse \"x\" to a valid timestamp)");
}

TEST_CASE("prometheus api: readers see no more than their scope") {
  Fixture f;
  f.set(kUpA, 1);
  f.set(kUpB, 2);
  f.context->scope = [](const net::Request&) { return storage::Scope{{Matcher::equal("instance", "b")}}; };
  CHECK(!contains(f.body("/api/v1/query?query=up"), R"("instance":"a")"));
  CHECK(f.body("/api/v1/label/instance/values") == success(R"(["b"])"));
  CHECK(!contains(f.body("/federate?match[]=up"), R"(instance="a")"));
}

TEST_CASE("prometheus api: metadata by family") {
  Fixture f;
  storage::Batch b;
  b.metadata.push_back({"hits", {MetricType::kCounter, "Hits \"so far\".", ""}});
  b.metadata.push_back({"temp", {MetricType::kGauge, "", "celsius"}});
  REQUIRE(storage::commit_and_wait(f.store, std::move(b)));
  CHECK(f.body("/api/v1/metadata") ==
        success(R"({"hits":[{"type":"counter","help":"Hits \"so far\".","unit":""}],)"
                R"("temp":[{"type":"gauge","help":"","unit":"celsius"}]})"));
  CHECK(f.body("/api/v1/metadata?metric=temp") ==
        success(R"({"temp":[{"type":"gauge","help":"","unit":"celsius"}]})"));
  CHECK(f.body("/api/v1/metadata?limit=1") ==
        success(R"({"hits":[{"type":"counter","help":"Hits \"so far\".","unit":""}]})"));
  CHECK(f.body("/api/v1/metadata?limit=0") == success("{}"));
  CHECK(f.error("/api/v1/metadata?limit=x") == "400 bad_data: limit must be a number");
}

TEST_CASE("prometheus api: targets, pools and the metadata of targets") {
  Fixture f;
  f.context->external_url = "https://obs.example:8443/";
  f.web.pages["http://127.0.0.1:1234/metrics"] =
      "# TYPE hits_total counter\n# HELP hits_total Hits.\nhits_total 3\n";
  scrape::ScrapeJob job;
  job.name = "shop";
  job.interval = Duration::seconds(15);
  job.fingerprint = "1";
  RelabelOptions drop;
  drop.source_labels = {"__address__"};
  drop.regex = "gone.*";
  drop.action = RelabelAction::kDrop;
  job.relabel.push_back(RelabelRule::create(std::move(drop)).value());
  discovery::TargetGroup group{
      "static/0", {LabelSet{{"__address__", "127.0.0.1:1234"}}, LabelSet{{"__address__", "gone:1"}}}, {}};
  job.discoverers.push_back([group] { return discovery::make_static_discoverer({group}); });
  f.scrape.apply({job});
  std::string fresh = f.body("/api/v1/targets");
  CHECK(contains(fresh, R"("health":"unknown")"));
  CHECK(contains(fresh, R"("lastScrape":"0001-01-01T00:00:00Z")"));
  f.scheduler.advance(Duration::seconds(16));
  std::string all = f.body("/api/v1/targets");
  CHECK(contains(
      all, R"("labels":{"instance":"127.0.0.1:1234","job":"shop"},"scrapePool":"shop",)"
           R"("scrapeUrl":"http://127.0.0.1:1234/metrics","globalUrl":"http://obs.example:1234/metrics",)"
           R"("lastError":"","lastScrape":"2023-11-14T22:13:)"));
  CHECK(contains(all, R"("health":"up","scrapeInterval":"15s","scrapeTimeout":"10s"})"));
  CHECK(contains(all, R"("droppedTargets":[{"discoveredLabels":{"__address__":"gone:1")"));
  CHECK(contains(all, R"("droppedTargetCounts":{"shop":1}})"));
  CHECK(contains(f.body("/api/v1/targets?state=active"), R"("droppedTargets":[],"droppedTargetCounts":{}})"));
  CHECK(contains(f.body("/api/v1/targets?state=dropped"), R"({"activeTargets":[],"droppedTargets":[{)"));
  CHECK(f.body("/api/v1/targets?scrapePool=x") ==
        success(R"({"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}})"));
  CHECK(f.body("/api/v1/scrape_pools") == success(R"({"scrapePools":["shop"]})"));
  CHECK(f.body("/api/v1/targets/metadata") ==
        success(
            R"([{"target":{"instance":"127.0.0.1:1234","job":"shop"},"metric":"hits_total","type":"counter",)"
            R"("help":"Hits.","unit":""}])"));
  CHECK(f.error("/api/v1/targets/metadata?match_target=%7Bjob%3D%22x%22%7D") ==
        "404 not_found: specified metadata not found");
}

TEST_CASE("prometheus api: a target that is the server itself is reached by its external URL") {
  Fixture f;
  f.context->external_url = "https://obs.example/";
  f.context->listen_port = 9090;
  scrape::ScrapeJob job;
  job.name = "self";
  job.fingerprint = "1";
  discovery::TargetGroup group{"static/0", {LabelSet{{"__address__", "localhost:9090"}}}, {}};
  job.discoverers.push_back([group] { return discovery::make_static_discoverer({group}); });
  f.scrape.apply({job});
  CHECK(contains(f.body("/api/v1/targets"), R"("globalUrl":"https://obs.example/metrics")"));
}

TEST_CASE("prometheus api: rules and alerts") {
  Fixture f;
  rules::Group g;
  g.file = "rules.yml";
  g.name = "g";
  g.interval = Duration::seconds(15);
  rules::Rule alert = rule("Down", "down > 0", true);
  alert.labels = {{"severity", "page"}};
  alert.annotations = {{"summary", "It is down"}};
  rules::Rule record = rule("job:up", "sum by (job) (up)", false);
  g.rules = {alert, record};
  rules::Group h = g;
  h.name = "h";
  h.rules = {record};
  f.rules.apply({g, h}, {});
  f.context->findings = [](const rules::GroupStatus&, const rules::RuleStatus& r) {
    std::vector<RuleFinding> out;
    if (r.rule.alerting) out.push_back({"no-data", "warning", "nothing sends this", "up == 0"});
    return out;
  };
  CHECK(contains(f.body("/api/v1/rules"),
                 R"({"state":"unknown","name":"Down","query":"down > 0","duration":0,)"
                 R"("keepFiringFor":0,"labels":{"severity":"page"},)"
                 R"("annotations":{"summary":"It is down"},"alerts":[],"health":"unknown")"));
  f.set({{"__name__", "down"}, {"instance", "a"}}, 1);
  f.scheduler.advance(Duration::seconds(15));
  std::string all = f.body("/api/v1/rules");
  CHECK(contains(all, R"({"state":"firing","name":"Down")"));
  std::string instance =
      R"({"labels":{"alertname":"Down","instance":"a","severity":"page"},)"
      R"("annotations":{"summary":"It is down"},"state":"firing","activeAt":"2023-11-14T22:13:)";
  CHECK(contains(all, R"("alerts":[)" + instance));
  CHECK(contains(all, R"(Z","value":"1e+00"}],"health":"ok","evaluationTime":)"));
  CHECK(contains(all, R"("type":"alerting","line":7,"warnings":[],"findings":[{"class":"no-data",)"
                      R"("severity":"warning","message":"nothing sends this","rewrite":"up == 0"}]})"));
  CHECK(contains(all, R"x({"name":"job:up","query":"sum by (job) (up)","health":"ok")x"));
  CHECK(
      contains(all, R"("type":"recording","line":7,"warnings":[],"findings":[]}],"interval":15,"limit":0,)"));
  CHECK(f.body("/api/v1/alerts").starts_with(R"({"status":"success","data":{"alerts":[)" + instance));

  CHECK(!contains(f.body("/api/v1/rules?type=record"), "Down"));
  CHECK(!contains(f.body("/api/v1/rules?type=alert"), "job:up"));
  CHECK(f.body("/api/v1/rules?rule_name[]=nothing") == success(R"({"groups":[]})"));
  CHECK(!contains(f.body("/api/v1/rules?rule_group[]=h"), "Down"));
  CHECK(f.body("/api/v1/rules?file[]=other.yml") == success(R"({"groups":[]})"));
  CHECK(!contains(f.body("/api/v1/rules?match[]=%7Bseverity%3D%22page%22%7D"), "job:up"));
  CHECK(contains(f.body("/api/v1/rules?exclude_alerts=true"), R"("alerts":[],)"));
  CHECK(f.error("/api/v1/rules?type=x") ==
        R"(400 bad_data: invalid parameter \"type\": not supported value \"x\")");
  CHECK(f.error("/api/v1/rules?exclude_alerts=maybe")
            .starts_with(
                R"(400 bad_data: invalid parameter \"exclude_alerts\": error converting exclude_alerts)"));

  std::string first = f.body("/api/v1/rules?group_limit=1");
  CHECK(contains(first, R"("name":"g","file")"));
  CHECK(!contains(first, R"("name":"h","file")"));
  size_t at = first.find(R"("groupNextToken":")");
  REQUIRE(at != std::string::npos);
  std::string token = first.substr(at + 18, 16);
  std::string second = f.body("/api/v1/rules?group_limit=1&group_next_token=" + token);
  CHECK(contains(second, R"("name":"h","file")"));
  CHECK(!contains(second, "groupNextToken"));
  CHECK(
      f.error("/api/v1/rules?group_limit=1&group_next_token=old") ==
      R"(400 bad_data: invalid parameter \"group_next_token\": invalid group_next_token. were rule groups changed?)");
  CHECK(f.get("/api/v1/rules?group_next_token=" + token)->code == 400);
}

TEST_CASE("prometheus api: alertmanagers, flags, configuration, build and runtime") {
  Fixture f;
  notify::AlertmanagerTarget target;
  target.url = "http://am:9093/api/v2/alerts";
  f.alertmanagers.set_targets({target});
  CHECK(f.body("/api/v1/alertmanagers") ==
        success(
            R"({"activeAlertmanagers":[{"url":"http://am:9093/api/v2/alerts"}],"droppedAlertmanagers":[]})"));
  f.context->flags = {{"web.listen-address", "127.0.0.1:9090"}, {"query.timeout", "2m"}};
  CHECK(f.body("/api/v1/status/flags") ==
        success(R"({"query.timeout":"2m","web.listen-address":"127.0.0.1:9090"})"));
  f.context->config_yaml = [] { return std::string("global:\n  scrape_interval: 15s\n"); };
  CHECK(f.body("/api/v1/status/config") == success(R"({"yaml":"global:\n  scrape_interval: 15s\n"})"));
  f.context->build.sonde_version = "0.1.0";
  std::string build =
      R"({"version":"3.14.0","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":"",)"
      R"("sondeVersion":"0.1.0"})";
  CHECK(f.body("/api/v1/status/buildinfo") == success(build));
  CHECK(f.body("/version") == build);
  f.context->runtime = [] {
    RuntimeInfo r;
    r.start_time = EventTime{1'699'999'999'500'000'000};
    r.storage_retention = "15d";
    return r;
  };
  CHECK(
      f.body("/api/v1/status/runtimeinfo") ==
      success(
          R"({"startTime":"2023-11-14T22:13:19.5Z","CWD":"","hostname":"","serverTime":"2023-11-14T22:13:20Z",)"
          R"("reloadConfigSuccess":true,"lastConfigTime":"0001-01-01T00:00:00Z","corruptionCount":0,)"
          R"("goroutineCount":0,"GOMAXPROCS":0,"GOMEMLIMIT":0,"GOGC":"","GODEBUG":"","storageRetention":"15d"})"));
}

TEST_CASE("prometheus api: cardinality of the store") {
  Fixture f;
  f.set(kUpA, 1);
  f.set(kUpB, 1);
  std::string body = f.body("/api/v1/status/tsdb");
  CHECK(contains(body,
                 R"({"headStats":{"numSeries":2,"numLabelPairs":4,"chunkCount":2,"minTime":1700000000000,)"
                 R"("maxTime":1700000000000},"seriesCountByMetricName":[{"name":"up","value":2}],)"));
  CHECK(contains(body, R"("seriesCountByLabelValuePair":[)"));
  CHECK(f.error("/api/v1/status/tsdb?limit=0") == "400 bad_data: limit must be a positive number");
  CHECK(f.error("/api/v1/status/tsdb?limit=10001") == "400 bad_data: limit must not exceed 10000");
  CHECK(f.body("/api/v1/status/walreplay") == success(R"({"min":0,"max":0,"current":0})"));
}

TEST_CASE(
    "prometheus api: health is constant; before it is ready the server answers nothing but its replay") {
  Fixture f;
  bool ready = false;
  f.context->ready = [&] { return ready; };
  CHECK(f.get("/-/healthy")->code == 200);
  CHECK(f.body("/-/healthy") == "sonde is healthy.\n");
  CHECK(f.get("/-/ready")->code == 503);
  CHECK(f.body("/-/ready") == "sonde is not ready.\n");
  CHECK(f.get("/api/v1/query?query=1")->code == 503);
  CHECK(f.body("/api/v1/query?query=1") == "Service Unavailable");
  CHECK(f.get("/federate?match[]=up")->code == 503);
  CHECK(f.get("/api/v1/status/walreplay")->code == 200);
  ready = true;
  CHECK(f.body("/-/ready") == "sonde is ready.\n");
  CHECK(f.get("/api/v1/query?query=1")->code == 200);
  CHECK(ask(f.router, "HEAD", "/-/ready")->code == 200);
}

TEST_CASE("prometheus api: lifecycle and admin are off until enabled, and only by POST or PUT") {
  Fixture f;
  int reloads = 0;
  bool quit = false;
  Result<> outcome;
  f.context->reload = [&]() -> Result<> {
    reloads++;
    return outcome;
  };
  f.context->quit = [&] { quit = true; };
  for (const char* path : {"/-/reload", "/-/quit"}) {
    auto a = ask(f.router, "POST", path);
    CHECK(a->code == 403);
    CHECK(a->body == "Lifecycle API is not enabled.");
    CHECK(f.get(path)->code == 405);
  }
  CHECK(reloads == 0);
  CHECK(!quit);
  f.context->lifecycle = true;
  CHECK(ask(f.router, "PUT", "/-/reload")->code == 200);
  outcome = fail(ErrorCode::kInvalid, "bad thing");
  auto failed = ask(f.router, "POST", "/-/reload");
  CHECK(failed->code == 500);
  CHECK(failed->body == "failed to reload config: bad thing\n");
  CHECK(reloads == 2);
  CHECK(ask(f.router, "POST", "/-/quit")->code == 200);
  CHECK(quit);

  f.set(kUpA, 1);
  f.set(kUpB, 1);
  std::string target = "/api/v1/admin/tsdb/delete_series?match[]=up%7Binstance%3D%22a%22%7D";
  CHECK(contains(ask(f.router, "POST", target)->body, "admin APIs disabled"));
  f.context->admin_api = true;
  CHECK(ask(f.router, "POST", "/api/v1/admin/tsdb/delete_series")->code == 400);
  CHECK(ask(f.router, "POST", target)->code == 204);
  CHECK(f.body("/api/v1/label/instance/values") == success(R"(["b"])"));
  CHECK(contains(ask(f.router, "POST", "/api/v1/admin/tsdb/snapshot")->body, "snapshot is not supported"));
}

TEST_CASE("prometheus api: federation gives the newest live value of each series") {
  Fixture f;
  f.set(kUpA, 1, Duration::minutes(1));
  f.set(kUpA, 0);
  f.set({{"__name__", "cpu"}, {"my.label", "a\"b\nc"}}, 2.5);
  f.set({{"__name__", "ended"}, {"instance", "a"}}, 1, Duration::minutes(1));
  f.set({{"__name__", "ended"}, {"instance", "a"}}, stale_nan());
  f.set({{"__name__", "old"}}, 1, Duration::minutes(6));
  f.context->external_labels = [] { return LabelSet{{"job", "ignored"}, {"site", "x"}}; };
  auto a = f.get("/federate?match[]=%7B__name__%3D~%22.%2B%22%7D&match[]=up");
  CHECK(a->code == 200);
  CHECK(a->headers.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(a->body ==
        "# TYPE cpu untyped\n"
        "cpu{job=\"ignored\",\"my.label\"=\"a\\\"b\\nc\",site=\"x\",instance=\"\"} 2.5 1700000000000\n"
        "# TYPE up untyped\n"
        "up{instance=\"a\",job=\"shop\",site=\"x\"} 0 1700000000000\n");
  CHECK(f.get("/federate?match[]=%7B")->code == 400);
  CHECK(f.body("/federate") == "");
}

TEST_CASE("prometheus api: every route has a role, and only health is open") {
  Fixture f;
  for (const net::Route& r : f.router.routes()) {
    INFO(r.pattern);
    bool health = r.pattern == "/-/healthy" || r.pattern == "/-/ready";
    CHECK((r.role == net::Role::kOpen) == health);
    CHECK(r.options.reserved == health);
    bool changes =
        r.pattern == "/-/reload" || r.pattern == "/-/quit" || r.pattern.starts_with("/api/v1/admin/");
    CHECK((r.role == net::Role::kAdmin) == changes);
  }
  CHECK(f.router.routes().size() == 30);
}

TEST_CASE("query gate: refuses what finds no place, and gives places back") {
  VirtualClock clock;
  QueryGate gate(clock, nullptr, {.running_max = 1, .waiting_max = 0});
  {
    auto first = gate.enter("up", {}, Duration::minutes(2));
    REQUIRE(first);
    CHECK(gate.running() == std::vector<std::string>{"up"});
    auto second = gate.enter("up", {}, Duration::minutes(2));
    REQUIRE(!second);
    CHECK(second.error().code == ErrorCode::kUnavailable);
    CHECK(gate.stats().refused == 1);
  }
  CHECK(gate.stats().running == 0);
  CHECK(gate.enter("up", {}, Duration::minutes(2)));
  CHECK(gate.stats().entered == 2);
}

TEST_CASE("query gate: who waits gives up when its time or its peer is gone") {
  VirtualClock clock;
  QueryGate gate(clock, nullptr, {.running_max = 1, .waiting_max = 1});
  auto first = gate.enter("up", {}, Duration::minutes(2));
  auto late = gate.enter("up", {}, Duration{});
  REQUIRE(!late);
  CHECK(late.error().code == ErrorCode::kTimeout);
  auto peer = Cancellation::create(nullptr, {});
  std::jthread leaver([&] {
    while (gate.stats().waiting == 0) std::this_thread::yield();
    peer.cancel();
  });
  auto gone = gate.enter("up", peer, Duration::minutes(2));
  REQUIRE(!gone);
  CHECK(gone.error().code == ErrorCode::kCancelled);
  CHECK(gate.stats().abandoned == 2);
  CHECK(gate.stats().waiting == 0);
}

TEST_CASE("query gate: a place that is given back goes to one who waits") {
  VirtualClock clock;
  QueryGate gate(clock, nullptr, {.running_max = 1, .waiting_max = 1});
  std::optional<Result<QueryGate::Permit>> first{gate.enter("first", {}, Duration::minutes(2))};
  std::jthread holder([&] {
    while (gate.stats().waiting == 0) std::this_thread::yield();
    first.reset();
  });
  auto second = gate.enter("second", {}, Duration::minutes(2));
  REQUIRE(second);
  CHECK(gate.running() == std::vector<std::string>{"second"});
  CHECK(gate.stats().waiting == 0);
}

TEST_CASE("query gate: a peer's going away reaches its running query within the relay interval") {
  VirtualClock clock;
  VirtualScheduler scheduler(clock);
  QueryGate gate(clock, &scheduler, {});
  auto peer = Cancellation::create(nullptr, {});
  auto permit = gate.enter("up", peer, Duration::minutes(2));
  REQUIRE(permit);
  scheduler.advance(Duration::milliseconds(150));
  CHECK(permit->cancel().check());
  peer.cancel();
  scheduler.advance(Duration::milliseconds(100));
  CHECK(permit->cancel().cancelled());
}

TEST_CASE("prometheus api: queries pass the gate") {
  Fixture f;
  f.context->gate =
      std::make_shared<QueryGate>(f.clock, nullptr, QueryGate::Options{.running_max = 1, .waiting_max = 0});
  CHECK(f.get("/api/v1/query?query=1")->code == 200);
  CHECK(f.context->gate->stats().entered == 1);
  auto held = f.context->gate->enter("slow", {}, Duration::minutes(1));
  CHECK(f.error("/api/v1/query?query=1") == "503 unavailable: too many queries: 1 running, 0 waiting");
  CHECK(f.get("/api/v1/labels")->code == 200);
}

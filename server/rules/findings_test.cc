#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "memstore/mem_metric_store.h"
#include "promql/parser.h"
#include "rules/findings.h"

using namespace sonde;
using namespace sonde::rules;

namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Fixture {
  VirtualClock clock;
  memstore::MemMetricStore store;
  promql::Engine engine{store, clock};
  FindingsOptions options;
  std::vector<RuleStatus> rules;

  // A counter of the last 20 minutes.
  void counter(const std::string& name, Labels labels, double per_step,
               Duration step = Duration::seconds(15)) {
    labels.emplace_back("__name__", name);
    storage::Batch b;
    uint32_t s = b.add_series(LabelSet::from(labels));
    double v = 0;
    Timestamp now = clock.timestamp();
    for (Timestamp t = now - Duration::minutes(20); t <= now; t = t + step) b.add_float(s, t, v += per_step);
    REQUIRE(storage::commit_and_wait(store, std::move(b)));
  }
  // `counts` are cumulative, per step; the last bucket is +Inf.
  void histogram(const std::string& name, const Labels& labels, const std::vector<std::string>& bounds,
                 const std::vector<double>& counts) {
    for (size_t i = 0; i < bounds.size(); i++) {
      Labels with = labels;
      with.emplace_back("le", bounds[i]);
      counter(name + "_bucket", with, counts[i]);
    }
    counter(name + "_count", labels, counts.back());
    counter(name + "_sum", labels, counts.back() * 0.3);
  }
  void native(const std::string& name, Labels labels, bool gauge, std::vector<double> custom_values = {}) {
    labels.emplace_back("__name__", name);
    storage::Batch b;
    uint32_t s = b.add_series(LabelSet::from(labels));
    Timestamp now = clock.timestamp();
    double n = 0;
    for (Timestamp t = now - Duration::minutes(20); t <= now; t = t + Duration::seconds(15)) {
      n += 4;
      auto h = std::make_shared<NativeHistogram>();
      if (!custom_values.empty()) {
        h->schema = kCustomBucketsSchema;
        h->custom_values = custom_values;
      }
      h->counter_reset = gauge ? CounterReset::kGauge : CounterReset::kUnknown;
      h->count = n;
      h->sum = n;
      h->positive_spans = {{0, 1}};
      h->positive_buckets = {n};
      b.histograms.push_back({s, t, h, {}});
    }
    REQUIRE(storage::commit_and_wait(store, std::move(b)));
  }
  RuleStatus& rule(const std::string& name, const std::string& query, bool alerting = true,
                   Duration hold = {}) {
    RuleStatus status;
    status.rule.alerting = alerting;
    status.rule.name = name;
    status.rule.query = query;
    auto parsed = promql::parse(query);
    REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
    status.rule.expr = std::move(*parsed);
    status.rule.hold = hold;
    status.rule.file = "rules.yml";
    status.rule.line = static_cast<int>(rules.size()) + 5;
    rules.push_back(std::move(status));
    return rules.back();
  }
  std::vector<GroupStatus> groups() const {
    GroupStatus g;
    g.file = "rules.yml";
    g.name = "g";
    g.rules = rules;
    return {g};
  }
  std::vector<Finding> analyse() const {
    auto found = FindingsAnalyst(store, engine, clock, options).analyse(groups());
    for (const Finding& f : found) {
      if (!f.rewrite.empty()) CHECK_MESSAGE(promql::parse(f.rewrite), f.rewrite);
    }
    return found;
  }
  // Of one rule alone.
  std::vector<Finding> of(const std::string& query, Duration hold = {}, bool alerting = true) {
    rules.clear();
    rule("R", query, alerting, hold);
    return analyse();
  }
  std::string classes(const std::string& query, Duration hold = {}) {
    std::string out;
    for (const Finding& f : of(query, hold)) out += (out.empty() ? "" : " ") + f.class_name;
    return out;
  }
  Finding only(const std::string& query, const std::string& class_name, Duration hold = {}) {
    auto found = of(query, hold);
    REQUIRE_MESSAGE(found.size() == 1, query);
    CHECK(found[0].class_name == class_name);
    CHECK(found[0].expr == query);
    return found[0];
  }
  bool fires(const std::string& query) const {
    auto r = engine.instant(query, clock.timestamp(), {});
    REQUIRE_MESSAGE(r, query);
    auto* v = std::get_if<promql::Vector>(&r->value);
    return v && !v->empty();
  }
};

bool says(const Finding& f, const std::string& text) {
  bool found = f.message.find(text) != std::string::npos;
  if (!found) MESSAGE(f.message);
  return found;
}

const std::vector<std::string> kBounds{"0.1", "0.5", "1", "2.5", "5", "+Inf"};
const std::vector<double> kSlow{1, 4, 5, 10, 10, 10};

}  // namespace

TEST_CASE("findings: a name of which only the buckets are series, with the quantile that fires") {
  Fixture f;
  f.histogram("cart_seconds", {{"job", "cart"}, {"instance", "a"}}, kBounds, kSlow);
  Finding x = f.only("histogram_quantile(0.9, cart_seconds{instance=\"a\"}) > 1", kNoSeriesButBucket);
  CHECK(x.severity == Severity::kError);
  CHECK(x.rewrite ==
        "histogram_quantile(0.9, sum by (le, job) (rate(cart_seconds_bucket{instance=\"a\"}[5m]))) > 1");
  CHECK(f.fires(x.rewrite));
  CHECK_FALSE(f.fires(x.expr));
  // Written for native histograms.
  x = f.only("histogram_quantile(0.9, sum by (instance) (rate(cart_seconds[2m]))) > 1", kNoSeriesButBucket);
  CHECK(x.rewrite == "histogram_quantile(0.9, sum by (le, instance) (rate(cart_seconds_bucket[2m]))) > 1");
  CHECK(f.fires(x.rewrite));
  // Without a quantile the mean is what can be meant.
  x = f.only("cart_seconds > 0.2", kNoSeriesButBucket);
  CHECK(x.rewrite ==
        "sum by (job) (rate(cart_seconds_sum[5m])) / sum by (job) (rate(cart_seconds_count[5m])) > 0.2");
  CHECK(f.fires(x.rewrite));
  CHECK(says(x, "can never fire"));
  // No rewrite rather than a guess.
  CHECK(f.only("histogram_quantile(0.9, cart_seconds * 2) > 1", kNoSeriesButBucket).rewrite.empty());
}

TEST_CASE("findings: the buckets are no reproach where the name exists, is recorded, or is guarded") {
  Fixture f;
  f.histogram("cart_seconds", {{"job", "cart"}}, kBounds, kSlow);
  CHECK(f.classes("histogram_quantile(0.9, sum by (le) (rate(cart_seconds_bucket[5m]))) > 1") == "");
  CHECK(f.classes("absent(cart_seconds)") == "");
  CHECK(f.classes("cart_seconds > 1 or vector(0)") == "");
  CHECK(f.classes("up_seconds > 1") == "");  // nothing at all, but no buckets either
  f.rules.clear();
  f.rule("cart_seconds", "sum(cart_seconds_sum)", false);
  f.rule("A", "cart_seconds > 1");
  CHECK(f.analyse().empty());
  Fixture n;
  n.histogram("mail_seconds", {{"job", "m"}}, kBounds, kSlow);
  n.native("mail_seconds", {{"job", "m"}}, false);
  CHECK(n.classes("histogram_quantile(0.9, sum by (job) (rate(mail_seconds[5m]))) > 1") == "");
}

TEST_CASE("findings: the quantile of a histogram since the beginning of time") {
  Fixture f;
  f.histogram("pay_seconds", {{"job", "pay"}}, kBounds, kSlow);
  Finding x = f.only("histogram_quantile(0.5, pay_seconds_bucket) > 0.2", kUnratedHistogramQuantile);
  CHECK(x.severity == Severity::kWarning);
  CHECK(x.rewrite == "histogram_quantile(0.5, sum by (le, job) (rate(pay_seconds_bucket[5m]))) > 0.2");
  CHECK(f.fires(x.rewrite));
  x = f.only("histogram_quantile(0.5, sum by (le) (pay_seconds_bucket)) > 0.2", kUnratedHistogramQuantile);
  CHECK(x.rewrite == "histogram_quantile(0.5, sum by (le) (rate(pay_seconds_bucket[5m]))) > 0.2");
  f.native("mail_seconds", {{"team", "m"}}, false);
  x = f.only("histogram_quantile(0.5, mail_seconds) > 0.2", kUnratedHistogramQuantile);
  CHECK(x.rewrite == "histogram_quantile(0.5, sum(rate(mail_seconds[5m]))) > 0.2");
  CHECK(f.fires(x.rewrite));
  // The range follows the scrape interval.
  for (const char* le : {"1", "2", "+Inf"}) {
    f.counter("slow_seconds_bucket", {{"le", le}}, 1, Duration::minutes(2));
  }
  x = f.only("histogram_quantile(0.5, slow_seconds_bucket) > 0.2", kUnratedHistogramQuantile);
  CHECK(x.rewrite == "histogram_quantile(0.5, sum by (le) (rate(slow_seconds_bucket[8m]))) > 0.2");
}

TEST_CASE("findings: rated, recorded and gauge histograms pass") {
  Fixture f;
  f.histogram("pay_seconds", {{"job", "pay"}}, kBounds, kSlow);
  f.native("queue_ages", {}, true);
  f.counter("job:pay_seconds_bucket:rate5m", {{"le", "1"}}, 0);
  CHECK(f.classes("histogram_quantile(0.5, rate(pay_seconds_bucket[5m])) > 0.2") == "");
  CHECK(f.classes("histogram_quantile(0.5, queue_ages) > 0.2") == "");
  for (const Finding& x : f.of("histogram_quantile(0.5, job:pay_seconds_bucket:rate5m) > 0.2")) {
    CHECK(x.class_name != kUnratedHistogramQuantile);
  }
  storage::Batch b;
  b.metadata.push_back({"pay_seconds", {MetricType::kGaugeHistogram, "", ""}});
  REQUIRE(storage::commit_and_wait(f.store, std::move(b)));
  CHECK(f.classes("histogram_quantile(0.5, pay_seconds_bucket) > 0.2") == "");
}

TEST_CASE("findings: a threshold that no bucket reaches") {
  Fixture f;
  f.histogram("tile_seconds", {{"job", "tile"}}, {"0.1", "0.5", "+Inf"}, {1, 2, 10});
  std::string quantile = "histogram_quantile(0.99, sum by (le) (rate(tile_seconds_bucket[5m])))";
  Finding x = f.only(quantile + " > 0.5", kThresholdAboveTopBound);
  CHECK(x.severity == Severity::kError);
  CHECK(says(x, "can never exceed 0.5"));
  CHECK(x.rewrite == quantile + " >= 0.5");
  CHECK(f.fires(x.rewrite));
  CHECK(f.only(quantile + " >= 2", kThresholdAboveTopBound).rewrite == quantile + " >= 0.5");
  CHECK(f.only("2 < " + quantile, kThresholdAboveTopBound).rewrite == "0.5 <= " + quantile);
  f.native("bins_seconds", {{"job", "bins"}}, false, {0.25, 0.75});
  x = f.only("histogram_quantile(0.9, sum by (job) (rate(bins_seconds[5m]))) > 1", kThresholdAboveTopBound);
  CHECK(says(x, "0.75"));
  // Near misses.
  CHECK(f.classes(quantile + " > 0.4") == "");
  CHECK(f.classes(quantile + " >= 0.5") == "");
  CHECK(f.classes(quantile + " < 3") == "");
  CHECK(f.only(quantile + " > 3 or vector(1)", kThresholdAboveTopBound).severity == Severity::kWarning);
  CHECK(f.classes(quantile + " * 1000 > 400") == "");
  f.histogram("tile_seconds", {{"job", "other"}}, {"4", "+Inf"}, {1, 10});
  CHECK(f.classes(quantile + " > 0.5") == "");  // one series reaches it
  f.native("exp_seconds", {{"job", "e"}}, false);
  CHECK(f.classes("histogram_quantile(0.9, sum(rate(exp_seconds[5m]))) > 99999") == "");
}

TEST_CASE("findings: a name without series whose buckets do not reach the threshold either") {
  Fixture f;
  f.histogram("tile_seconds", {{"job", "tile"}}, {"0.1", "0.5", "+Inf"}, {1, 2, 10});
  Finding x = f.only("histogram_quantile(0.9, tile_seconds) > 1", kNoSeriesButBucket);
  CHECK(says(x, "can never exceed 0.5"));
  CHECK(x.rewrite == "histogram_quantile(0.9, sum by (le, job) (rate(tile_seconds_bucket[5m]))) >= 0.5");
  CHECK(f.fires(x.rewrite));
}

TEST_CASE("findings: a label value that was never seen") {
  Fixture f;
  f.counter("mails_total", {{"queue", "outgoing"}, {"code", "ok"}}, 1);
  f.counter("mails_total", {{"queue", "returned"}, {"code", "bounced"}}, 1);
  Finding x = f.only("rate(mails_total{queue=\"outgoin\"}[5m]) > 5", kLabelValueNeverSeen);
  CHECK(x.severity == Severity::kWarning);
  CHECK(says(x, "\"outgoing\", \"returned\""));
  CHECK(x.rewrite == "rate(mails_total{queue=\"outgoing\"}[5m]) > 5");
  x = f.only("rate(mails_total{queue=~\"lost|stolen\"}[5m]) > 5", kLabelValueNeverSeen);
  CHECK(x.rewrite.empty());
  CHECK(says(x, "first sample of a new series"));
  // Another label has it.
  x = f.only("mails_total{result=\"bounced\"} > 5", kLabelValueNeverSeen);
  CHECK(x.severity == Severity::kError);
  CHECK(x.rewrite == "mails_total{code=\"bounced\"} > 5");
  CHECK(f.fires(x.rewrite));
  CHECK(f.only("mails_total{status=~\"5..\"} > 5", kLabelValueNeverSeen).rewrite ==
        "mails_total{code=~\"5..\"} > 5");
}

TEST_CASE("findings: values that may be absent are not missed") {
  Fixture f;
  f.counter("mails_total", {{"queue", "outgoing"}}, 1);
  f.counter("mails_total", {{"queue", "returned"}}, 1);
  CHECK(f.classes("mails_total{queue=~\"out.*|none\"} > 1e9") == "");
  CHECK(f.classes("mails_total{queue!=\"none\"} > 1e9") == "");
  CHECK(f.classes("mails_total{queue!~\".+\"} > 1e9") == "");
  CHECK(f.classes("mails_total{area=\"\"} > 1e9") == "");
  CHECK(f.classes("absent(mails_total{queue=\"none\"})") == "");
  CHECK(f.classes("absent_over_time(mails_total{queue=\"none\"}[5m])") == "");
  CHECK(f.classes("mails_total{queue=\"none\"} > 1 or vector(0) > 1") == "");
  CHECK(f.classes("mails_total > 1e9 unless on (queue) mails_total{queue=\"none\"}") == "");
  CHECK(f.classes("letters_total{queue=\"none\"} > 1") == "");  // the metric itself is unknown
  CHECK(f.classes("ALERTS{alertname=\"None\"} == 1") == "");
  // The left of `unless` is needed.
  CHECK(f.classes("mails_total{queue=\"none\"} unless on (queue) mails_total") == kLabelValueNeverSeen);
}

TEST_CASE("findings: a range that holds too few samples") {
  Fixture f;
  f.counter("reads_total", {{"job", "disk"}}, 1, Duration::minutes(1));
  Finding x = f.only("rate(reads_total[90s]) > 7", kRangeShorterThanTwoScrapes);
  CHECK(x.severity == Severity::kWarning);
  CHECK(x.rewrite == "rate(reads_total[4m]) > 7");
  x = f.only("sum(increase(reads_total[1m])) > 7", kRangeShorterThanTwoScrapes);
  CHECK(x.severity == Severity::kError);
  CHECK(says(x, "can never fire"));
  CHECK_FALSE(f.fires("rate(reads_total[1m])"));
  CHECK(f.fires("rate(reads_total[4m])"));
  CHECK(f.classes("rate(reads_total[2m]) > 7") == "");
  CHECK(f.classes("max_over_time(reads_total[1m]) > 1e9") == "");
  CHECK(f.classes("rate(unknown_total[1s]) > 7") == "");  // no data, no configuration
  f.options.scrape_interval_of = [](std::string_view metric,
                                    std::string_view job) -> std::optional<Duration> {
    if (metric == "unknown_total" && job == "slow") return Duration::seconds(30);
    return std::nullopt;
  };
  CHECK(f.classes("rate(unknown_total{job=\"slow\"}[40s]) > 7") == kRangeShorterThanTwoScrapes);
  CHECK(f.classes("rate(unknown_total{job=\"slow\"}[1m]) > 7") == "");
}

TEST_CASE("findings: `for` that outlasts the range over which a burst is seen") {
  Fixture f;
  f.counter("panics_total", {{"job", "kernel"}}, 1);
  Finding x =
      f.only("sum by (job) (increase(panics_total[10m])) > 3", kForOutlastsRange, Duration::minutes(10));
  CHECK(x.severity == Severity::kWarning);
  CHECK(says(x, "`for: 10m`"));
  CHECK(f.classes("max_over_time(panics_total[1m]) * 2 > 3", Duration::minutes(2)) == kForOutlastsRange);
  CHECK(f.classes("increase(panics_total[10m]) > 3", Duration::minutes(9)) == "");
  CHECK(f.classes("increase(panics_total[10m]) > 3") == "");
  CHECK(f.classes("increase(panics_total[10m]) < 3", Duration::minutes(10)) == "");
  CHECK(f.classes("min_over_time(panics_total[1m]) > 3", Duration::minutes(10)) == "");
  CHECK(f.classes("panics_total > 3", Duration::minutes(10)) == "");
}

TEST_CASE("findings: ratios of series that divide themselves or find no partner") {
  Fixture f;
  f.counter("calls_total", {{"job", "rpc"}, {"outcome", "fail"}, {"method", "Get"}}, 1);
  f.counter("calls_total", {{"job", "rpc"}, {"outcome", "good"}, {"method", "Get"}}, 9);
  f.counter("faults_total", {{"job", "rpc"}, {"reason", "eof"}}, 2);
  Finding x =
      f.only("rate(calls_total{outcome=\"fail\"}[5m]) / rate(calls_total[5m]) > 0.05", kUnaggregatedRatio);
  CHECK(x.severity == Severity::kWarning);
  CHECK(
      x.rewrite ==
      "sum by (job) (rate(calls_total{outcome=\"fail\"}[5m])) / sum by (job) (rate(calls_total[5m])) > 0.05");
  CHECK(f.fires(x.rewrite));
  x = f.only("rate(faults_total[5m]) / rate(calls_total[5m]) > 0.05", kUnaggregatedRatio);
  CHECK(x.severity == Severity::kError);
  CHECK_FALSE(f.fires(x.expr));
  CHECK(x.rewrite == "sum by (job) (rate(faults_total[5m])) / sum by (job) (rate(calls_total[5m])) > 0.05");
  CHECK(f.fires(x.rewrite));
  x = f.only("rate(faults_total[5m]) / sum by (job) (rate(calls_total[5m])) > 0.05", kUnaggregatedRatio);
  CHECK(f.fires(x.rewrite));
  x = f.only("sum by (reason) (rate(faults_total[5m])) / sum by (job) (rate(calls_total[5m])) > 0.05",
             kUnaggregatedRatio);
  CHECK(x.rewrite == "sum(rate(faults_total[5m])) / sum(rate(calls_total[5m])) > 0.05");
}

TEST_CASE("findings: ratios that find their partners pass") {
  Fixture f;
  f.counter("calls_total", {{"job", "rpc"}, {"outcome", "fail"}}, 1);
  f.counter("calls_total", {{"job", "rpc"}, {"outcome", "good"}}, 9);
  f.histogram("call_seconds", {{"job", "rpc"}, {"method", "Get"}}, kBounds, kSlow);
  CHECK(f.classes("sum(rate(calls_total{outcome=\"fail\"}[5m])) / sum(rate(calls_total[5m])) > 0.5") == "");
  CHECK(f.classes("rate(call_seconds_sum[5m]) / rate(call_seconds_count[5m]) > 1") == "");
  CHECK(f.classes("rate(calls_total{outcome=\"fail\"}[5m]) / ignoring (outcome) group_left () "
                  "sum without (outcome) (rate(calls_total[5m])) > 0.5") == "");
  CHECK(f.classes("rate(call_seconds_sum[5m]) / 60 > 1") == "");
  CHECK(f.classes("rate(calls_total{outcome=\"fail\"}[2m]) / rate(calls_total[10m]) > 2") == "");
  CHECK(f.classes("calls_total{outcome=\"fail\"} / calls_total offset 10m > 2") == "");
  CHECK(f.classes("rate(call_seconds_sum[5m]) / rate(calls_total[5m]) > 1 or vector(0) > 1") == "");
  CHECK(f.classes("rate(gone_total[5m]) / rate(calls_total[5m]) > 1") == "");
}

TEST_CASE("findings: a small rate per series that looks like a share") {
  Fixture f;
  f.counter("calls_total", {{"job", "rpc"}, {"outcome", "fail"}}, 3);
  f.counter("calls_total", {{"job", "rpc"}, {"outcome", "good"}}, 9);
  Finding x = f.only("rate(calls_total{outcome=\"fail\"}[10m]) > 0.1", kUnaggregatedRatio);
  CHECK(x.severity == Severity::kWarning);
  CHECK(says(x, "0.1 means more than 60 in 10m"));
  CHECK(x.rewrite ==
        "sum by (job) (rate(calls_total{outcome=\"fail\"}[10m])) / sum by (job) (rate(calls_total[10m])) > "
        "0.1");
  CHECK(f.fires(x.rewrite));
  CHECK(f.classes("sum(rate(calls_total{outcome=\"fail\"}[10m])) > 0.1") == "");
  CHECK(f.classes("rate(calls_total{outcome=\"fail\"}[10m]) > 2") == "");
  CHECK(f.classes("rate(calls_total{job=\"rpc\"}[10m]) > 0.1") == "");
  CHECK(f.classes("rate(calls_total{outcome=~\"fail|good\"}[10m]) > 0.1") == "");  // that is all of them
  CHECK(f.of("rate(calls_total{outcome=\"fail\"}[10m]) > 0.1", {}, false).empty());
}

TEST_CASE("findings: warnings of the evaluation, of the last one or of a first look") {
  Fixture f;
  f.counter("plain_gauge", {{"job", "x"}}, 0);
  Finding x = f.only("histogram_quantile(0.9, plain_gauge) > 1", kDiscardedWarning);
  CHECK(says(x, "\"le\""));
  f.rules.clear();
  RuleStatus& status = f.rule("R", "plain_gauge > 1");
  status.last_evaluation = f.clock.now();
  status.warnings = {"first", "second", "first"};
  auto found = f.analyse();
  REQUIRE(found.size() == 2);
  CHECK(says(found[1], "second"));
  f.rules[0].warnings.clear();
  CHECK(f.analyse().empty());
  CHECK(f.classes("plain_gauge > 1") == "");
}

TEST_CASE("findings: the guide's two rules") {
  Fixture f;
  Labels api{{"job", "api"}, {"instance", "a"}};
  f.counter("http_requests_total", {{"job", "api"}, {"instance", "a"}, {"status", "200"}}, 20);
  f.counter("http_requests_total", {{"job", "api"}, {"instance", "a"}, {"status", "500"}}, 1);
  f.histogram("http_request_duration_seconds", api, kBounds, kSlow);
  f.rule("HighErrorRate", "rate(http_requests_total{status=~\"5..\"}[5m]) > 0.05", true,
         Duration::minutes(5));
  f.rule("HighLatency", "histogram_quantile(0.95, http_request_duration_seconds) > 1", true,
         Duration::minutes(5));
  auto found = f.analyse();
  REQUIRE(found.size() == 3);
  CHECK(found[0].class_name == kForOutlastsRange);
  CHECK(found[1].class_name == kUnaggregatedRatio);
  CHECK(says(found[1], "more than 15 in 5m"));
  for (int i : {0, 1}) {
    CHECK(found[i].rule == "HighErrorRate");
    CHECK(found[i].severity == Severity::kWarning);
  }
  const Finding& latency = found[2];
  CHECK(latency.rule == "HighLatency");
  CHECK(latency.group == "g");
  CHECK(latency.file == "rules.yml");
  CHECK(latency.line == 6);
  CHECK(latency.class_name == kNoSeriesButBucket);
  CHECK(latency.severity == Severity::kError);
  CHECK(latency.rewrite ==
        "histogram_quantile(0.95, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m]))) > 1");
  CHECK_FALSE(f.fires(latency.expr));
  CHECK(f.fires(latency.rewrite));
}

TEST_CASE("findings: the time of the first sight stays as long as the finding does") {
  Fixture f;
  f.counter("mails_total", {{"queue", "outgoing"}}, 1);
  f.rule("A", "mails_total{queue=\"lost\"} > 1");
  FindingsAnalyst analyst(f.store, f.engine, f.clock);
  Timestamp first = f.clock.timestamp();
  REQUIRE(analyst.analyse(f.groups()).size() == 1);
  f.clock.advance(Duration::minutes(3));
  f.rule("B", "mails_total{queue=\"gone\"} > 1");
  auto found = analyst.analyse(f.groups());
  REQUIRE(found.size() == 2);
  CHECK(found[0].since == first);
  CHECK(found[1].since == f.clock.timestamp());
  REQUIRE(analyst.latest().size() == 2);
  CHECK(analyst.latest()[0].since == first);
  REQUIRE(analyst.latest_of("g", f.rules[1].rule).size() == 1);
  CHECK(analyst.latest_of("g", f.rules[1].rule)[0].rule == "B");
  CHECK(analyst.latest_of("other", f.rules[1].rule).empty());
  // Gone with the value's appearance.
  f.counter("mails_total", {{"queue", "lost"}}, 1);
  CHECK(analyst.analyse(f.groups()).size() == 1);
  f.rules.clear();
  CHECK(analyst.analyse(f.groups()).empty());
}

namespace {

// A clock on which each look takes a while.
class SlowClock final : public Clock {
 public:
  EventTime now() const override { return {1'700'000'000'000'000'000}; }
  MonotonicTime monotonic() const override { return {(ticks_ += 1'000'000)}; }

 private:
  mutable int64_t ticks_ = 0;
};

}  // namespace

TEST_CASE("findings: one call keeps its time, and later calls take the rules that were left") {
  Fixture f;
  f.counter("mails_total", {{"queue", "outgoing"}}, 1);
  for (int i = 0; i < 30; i++) f.rule("R" + std::to_string(i), "mails_total{queue=\"lost\"} > 1");
  SlowClock slow;
  FindingsOptions options;
  options.budget = Duration::milliseconds(100);
  FindingsAnalyst analyst(f.store, f.engine, slow, options);
  size_t first = analyst.analyse(f.groups()).size();
  CHECK(first > 0);
  CHECK(first < 30);
  for (int i = 0; i < 30 && analyst.analyse(f.groups()).size() < 30; i++) {
  }
  CHECK(analyst.analyse(f.groups()).size() == 30);
}

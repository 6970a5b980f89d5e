#include <doctest/doctest.h>

#include "memstore/mem_metric_store.h"
#include "promql/parser.h"
#include "rules/manager.h"

using namespace sonde;
using namespace sonde::rules;

namespace {

Rule rule(std::string name, std::string query, bool alerting) {
  Rule r;
  r.alerting = alerting;
  r.name = std::move(name);
  r.query = std::move(query);
  auto parsed = promql::parse(r.query);
  REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
  r.expr = std::move(*parsed);
  r.file = "rules.yml";
  return r;
}

Group group_of(std::vector<Rule> rules, Duration interval = Duration::seconds(15)) {
  Group g;
  g.file = "rules.yml";
  g.name = "g";
  g.interval = interval;
  g.rules = std::move(rules);
  return g;
}

// A server in miniature on a virtual clock: a store, an engine, the rules, and what they said.
struct Fixture {
  VirtualClock clock;
  VirtualScheduler scheduler{clock};
  InlineExecutor executor;
  memstore::MemMetricStore store;
  promql::Engine engine{store, clock};
  std::unique_ptr<state::Database> db = state::Database::open(":memory:").value();
  state::AlertBook book{*db};
  std::vector<std::vector<Alert>> told;
  std::unique_ptr<Manager> manager = make();

  std::unique_ptr<Manager> make() {
    return std::make_unique<Manager>(
        engine, store, book, scheduler, executor, [this](const std::vector<Alert>& a) { told.push_back(a); },
        Manager::Options{.external_url = "http://sonde"});
  }
  void set(const LabelSet& labels, double v) {
    storage::Batch b;
    b.add_float(b.add_series(labels), clock.timestamp(), v);
    REQUIRE(storage::commit_and_wait(store, std::move(b)));
  }
  // Writes a value each 15 s for that long, with the rules running.
  void run(Duration d, const LabelSet& labels, std::function<double()> value) {
    for (int64_t i = 0; i < d.ns; i += Duration::seconds(15).ns) {
      set(labels, value());
      scheduler.advance(Duration::seconds(15));
    }
  }
  RuleStatus status() { return manager->groups().at(0).rules.at(0); }
  double value(const std::string& query) {
    auto r = engine.instant(query, clock.timestamp(), {});
    REQUIRE(r);
    auto* v = std::get_if<promql::Vector>(&r->value);
    return v && !v->empty() ? (*v)[0].value : -1;
  }
  AlertState state() {
    auto s = status();
    return s.alerts.empty() ? AlertState::kInactive : s.alerts[0].state;
  }
};

const LabelSet kErrors{{"__name__", "http_requests_total"}, {"instance", "a"}, {"status", "500"}};

}  // namespace

TEST_CASE("rules: the guide's HighErrorRate goes pending, fires after its five minutes, resolves") {
  Fixture f;
  Rule r = rule("HighErrorRate", "rate(http_requests_total{status=~\"5..\"}[5m]) > 0.05", true);
  r.hold = Duration::minutes(5);
  r.annotations = {{"summary", "High error rate detected"}};
  f.manager->apply({group_of({r})}, {});
  double total = 0;
  f.run(Duration::minutes(6), kErrors, [&] { return total; });
  CHECK(f.state() == AlertState::kInactive);
  f.run(Duration::minutes(3), kErrors, [&] { return total += 15; });
  CHECK(f.state() == AlertState::kPending);
  CHECK(f.told.empty());
  f.run(Duration::minutes(4), kErrors, [&] { return total += 15; });
  CHECK(f.state() == AlertState::kFiring);
  REQUIRE(!f.told.empty());
  const Alert& told = f.told[0][0];
  CHECK(told.labels == LabelSet{{"alertname", "HighErrorRate"}, {"instance", "a"}, {"status", "500"}});
  CHECK(told.annotations.get("summary") == "High error rate detected");
  CHECK(told.fired_at - told.active_at == Duration::minutes(5));
  CHECK(told.ends_at - told.fired_at == Duration::minutes(4));
  CHECK(f.value("ALERTS{alertname=\"HighErrorRate\",alertstate=\"firing\"}") == 1);
  f.run(Duration::minutes(7), kErrors, [&] { return total; });
  CHECK(f.state() == AlertState::kInactive);
  CHECK(f.told.back()[0].resolved_at.ms != 0);
  CHECK(f.value("ALERTS") == -1);
  auto history = f.book.history({0}, f.clock.timestamp(), 10);
  REQUIRE(history->size() == 3);
  CHECK((*history)[0].to == AlertState::kInactive);
  CHECK((*history)[1].to == AlertState::kFiring);
  CHECK((*history)[2].to == AlertState::kPending);
}

TEST_CASE("rules: a firing alert survives a restart without a false resolution or a second beginning") {
  Fixture f;
  Rule r = rule("Bad", "bad > 0", true);
  r.hold = Duration::minutes(2);
  f.manager->apply({group_of({r})}, {});
  LabelSet bad{{"__name__", "bad"}};
  f.run(Duration::minutes(4), bad, [] { return 1.0; });
  REQUIRE(f.state() == AlertState::kFiring);
  Timestamp fired = f.status().alerts[0].fired_at;
  f.manager.reset();
  f.clock.advance(Duration::minutes(10));  // away: the last sample is beyond the lookback
  f.told.clear();
  f.manager = f.make();
  f.manager->apply({group_of({r})}, {});
  f.scheduler.advance(Duration::seconds(30));
  CHECK(f.state() == AlertState::kFiring);
  f.run(Duration::minutes(2), bad, [] { return 1.0; });
  CHECK(f.status().alerts[0].fired_at == fired);
  for (const auto& batch : f.told) CHECK(batch[0].resolved_at.ms == 0);
}

TEST_CASE("rules: waiting does not count the time away, and an old memory is forgotten") {
  for (Duration away : {Duration::minutes(10), Duration::hours(2)}) {
    Fixture f;
    Rule r = rule("Bad", "bad > 0", true);
    r.hold = Duration::minutes(5);
    f.manager->apply({group_of({r})}, {});
    LabelSet bad{{"__name__", "bad"}};
    f.run(Duration::minutes(3), bad, [] { return 1.0; });
    REQUIRE(f.state() == AlertState::kPending);
    f.manager.reset();
    f.clock.advance(away);
    f.manager = f.make();
    f.manager->apply({group_of({r})}, {});
    f.run(Duration::minutes(1), bad, [] { return 1.0; });
    CHECK(f.state() == AlertState::kPending);
    f.run(Duration::minutes(3), bad, [] { return 1.0; });
    CHECK(f.state() == (away == Duration::minutes(10) ? AlertState::kFiring : AlertState::kPending));
  }
}

TEST_CASE("rules: a waiting alert does not fire after a restart before the query confirms it") {
  Fixture f;
  Rule r = rule("Bad", "bad > 0", true);
  r.hold = Duration::minutes(1);
  f.manager->apply({group_of({r})}, {});
  LabelSet bad{{"__name__", "bad"}};
  f.run(Duration::seconds(50), bad, [] { return 1.0; });
  REQUIRE(f.state() == AlertState::kPending);
  f.manager.reset();
  f.clock.advance(Duration::minutes(10));  // away: the last sample is beyond the lookback
  f.told.clear();
  f.manager = f.make();
  f.manager->apply({group_of({r})}, {});
  f.scheduler.advance(Duration::minutes(2));
  CHECK(f.state() == AlertState::kInactive);
  CHECK(f.told.empty());
}

TEST_CASE("rules: keep_firing_for bridges a gap") {
  Fixture f;
  Rule r = rule("Bad", "bad > 0", true);
  r.keep_firing_for = Duration::minutes(2);
  f.manager->apply({group_of({r})}, {});
  LabelSet bad{{"__name__", "bad"}};
  f.run(Duration::minutes(1), bad, [] { return 1.0; });
  CHECK(f.state() == AlertState::kFiring);
  f.run(Duration::minutes(1), bad, [] { return 0.0; });
  CHECK(f.state() == AlertState::kFiring);
  f.run(Duration::minutes(2), bad, [] { return 0.0; });
  CHECK(f.state() == AlertState::kInactive);
}

TEST_CASE("rules: labels and annotations are templates, and a bad one is text") {
  Fixture f;
  Rule r = rule("Bad", "bad > 0", true);
  r.labels = {{"severity", "{{ if gt $value 5.0 }}page{{ else }}ticket{{ end }}"}};
  r.annotations = {{"broken", "{{ $nothing }}"},
                   {"summary", "{{ $labels.host }} is at {{ $value | humanize }}"}};
  f.manager->apply({group_of({r})}, {});
  f.run(Duration::seconds(30), LabelSet{{"__name__", "bad"}, {"host", "h1"}}, [] { return 7.0; });
  auto alerts = f.status().alerts;
  REQUIRE(alerts.size() == 1);
  CHECK(alerts[0].labels.get("severity") == "page");
  CHECK(alerts[0].annotations.get("summary") == "h1 is at 7");
  CHECK(alerts[0].annotations.get("broken").starts_with("<error expanding template:"));
  CHECK(f.status().health == RuleHealth::kOk);
}

TEST_CASE("rules: recorded series appear under the rule's name and end when the result does") {
  Fixture f;
  Rule r = rule("job:up:sum", "sum by (job) (up) > 0", false);
  r.labels = {{"team", "x"}};
  f.manager->apply({group_of({r})}, {});
  LabelSet up{{"__name__", "up"}, {"job", "j"}};
  f.run(Duration::minutes(1), up, [] { return 1.0; });
  CHECK(f.value("job:up:sum{team=\"x\",job=\"j\"}") == 1);
  f.run(Duration::minutes(1), up, [] { return 0.0; });
  CHECK(f.value("job:up:sum") == -1);
}

TEST_CASE("rules: errors make the rule unhealthy, others go on") {
  Fixture f;
  Rule many = rule("x", "label_replace(up, \"job\", \"same\", \"\", \"\")", false);
  Rule fine = rule("y", "vector(1)", false);
  f.manager->apply({group_of({many, fine})}, {});
  f.set(LabelSet{{"__name__", "up"}, {"job", "a"}}, 1);
  f.set(LabelSet{{"__name__", "up"}, {"job", "b"}}, 1);
  f.scheduler.advance(Duration::seconds(20));
  auto rules = f.manager->groups().at(0).rules;
  CHECK(rules[0].health == RuleHealth::kError);
  CHECK(!rules[0].last_error.empty());
  CHECK(rules[1].health == RuleHealth::kOk);
}

TEST_CASE("rules: a limit fails the rule and drops its alerts") {
  Fixture f;
  Group g = group_of({rule("Bad", "up == 0", true)});
  g.limit = 1;
  f.manager->apply({g}, {});
  f.set(LabelSet{{"__name__", "up"}, {"job", "a"}}, 0);
  f.set(LabelSet{{"__name__", "up"}, {"job", "b"}}, 0);
  f.scheduler.advance(Duration::seconds(20));
  CHECK(f.status().last_error == "exceeded limit of 1 with 2 alerts");
  CHECK(f.status().alerts.empty());
}

TEST_CASE("rules: a reload keeps the alerts of rules that stay, and resolves those of rules that go") {
  Fixture f;
  Rule bad = rule("Bad", "bad > 0", true), other = rule("Other", "bad > 0", true);
  bad.hold = Duration::minutes(1);
  f.manager->apply({group_of({bad, other})}, {});
  LabelSet series{{"__name__", "bad"}};
  f.run(Duration::minutes(2), series, [] { return 1.0; });
  Timestamp fired = f.status().alerts.at(0).fired_at;
  f.told.clear();
  bad.annotations = {{"summary", "new"}};
  f.manager->apply({group_of({bad})}, {});
  REQUIRE(f.told.size() == 1);
  CHECK(f.told[0][0].labels.get("alertname") == "Other");
  CHECK(f.told[0][0].resolved_at.ms != 0);
  f.run(Duration::seconds(30), series, [] { return 1.0; });
  CHECK(f.status().alerts.at(0).fired_at == fired);
  CHECK(f.status().alerts.at(0).annotations.get("summary") == "new");
  CHECK(f.value("ALERTS{alertname=\"Other\"}") == -1);
}

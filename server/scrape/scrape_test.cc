#include <doctest/doctest.h>

#include <map>

#include "scrape/manager.h"

using namespace sonde;
using namespace sonde::scrape;

namespace {

// Keeps every batch's samples as text: series → "t value" in order.
class RecordingStore final : public storage::Appender {
 public:
  std::map<std::string, std::vector<std::pair<int64_t, double>>> series;
  std::vector<storage::MetadataRow> metadata;
  std::vector<storage::ExemplarRow> exemplars;

  void commit(storage::Batch batch, storage::OnDurable on_durable) override {
    for (const auto& row : batch.floats)
      series[batch.series[row.series].labels.to_string()].emplace_back(row.t.ms, row.v);
    metadata.insert(metadata.end(), batch.metadata.begin(), batch.metadata.end());
    exemplars.insert(exemplars.end(), batch.exemplars.begin(), batch.exemplars.end());
    storage::CommitOutcome outcome;
    outcome.floats_stored = batch.floats.size();
    on_durable(std::move(outcome));
  }
  double last(const std::string& name) const {
    auto it = series.find(name);
    return it == series.end() || it->second.empty() ? -1 : it->second.back().second;
  }
};

class FakeTargets final : public net::HttpClient {
 public:
  struct Page {
    int status = 200;
    std::string type = "text/plain; version=0.0.4";
    std::string body;
  };
  std::map<std::string, Page> pages;
  std::vector<net::ClientRequest> requests;
  void fetch(net::ClientRequest request, std::function<void(Result<net::ClientResponse>)> done) override {
    requests.push_back(request);
    auto it = pages.find(request.url);
    if (it == pages.end()) {
      done(fail(ErrorCode::kUnavailable, request.url + ": connection refused"));
      return;
    }
    if (it->second.body.size() > request.response_bytes_max) {
      done(fail(ErrorCode::kLimit, "body too large"));
      return;
    }
    net::ClientResponse r;
    r.status = it->second.status;
    if (!it->second.type.empty()) r.headers.add("Content-Type", it->second.type);
    r.body = it->second.body;
    done(std::move(r));
  }
};

RelabelRule rule(RelabelOptions options) { return RelabelRule::create(std::move(options)).value(); }

struct Fixture {
  VirtualClock clock;
  VirtualScheduler scheduler{clock};
  InlineExecutor executor;
  RecordingStore store;
  FakeTargets targets;
  ScrapeStats stats;
  ScrapeContext context{store, targets, scheduler, executor, stats};
  Manager manager{context};
  std::vector<discovery::TargetGroup> groups{{"static/0", {LabelSet{{"__address__", "a:1"}}}, {}}};

  ScrapeJob job() {
    ScrapeJob j;
    j.name = "shop";
    j.interval = Duration::seconds(10);
    j.timeout = Duration::seconds(5);
    j.discoverers.push_back([g = groups] { return discovery::make_static_discoverer(g); });
    j.fingerprint = "1";
    return j;
  }
  void run(ScrapeJob j) {
    std::vector<ScrapeJob> jobs;
    jobs.push_back(std::move(j));
    manager.apply(std::move(jobs));
  }
  FakeTargets::Page& page() { return targets.pages["http://a:1/metrics"]; }
  TargetStatus status() { return manager.pools()[0].active.at(0); }
};

const char* const kUp = "up{instance=\"a:1\", job=\"shop\"}";

}  // namespace

TEST_CASE("scrape: samples get the target's labels, and the report series tell of the scrape") {
  Fixture f;
  f.page().body =
      "# HELP x_total What.\n# TYPE x_total counter\nx_total{code=\"200\"} 5\nx_total{code=\"500\"} 1\n";
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  CHECK(f.store.last("x_total{code=\"200\", instance=\"a:1\", job=\"shop\"}") == 5);
  CHECK(f.store.last(kUp) == 1);
  CHECK(f.store.last("scrape_samples_scraped{instance=\"a:1\", job=\"shop\"}") == 2);
  CHECK(f.store.last("scrape_series_added{instance=\"a:1\", job=\"shop\"}") == 2);
  REQUIRE(f.store.metadata.size() == 1);
  CHECK(f.store.metadata[0].metadata == Metadata{MetricType::kCounter, "What.", ""});
  CHECK(f.status().health == TargetHealth::kUp);
  f.scheduler.advance(Duration::seconds(10));
  CHECK(f.store.last("scrape_series_added{instance=\"a:1\", job=\"shop\"}") == 0);
  CHECK(f.targets.requests[0].headers.get("Accept").find("application/openmetrics-text;version=1.0.0") == 0);
  CHECK(f.targets.requests[0].headers.get("X-Prometheus-Scrape-Timeout-Seconds") == "5");
}

TEST_CASE("scrape: a series that vanishes ends at that scrape, one with its own timestamps does not") {
  Fixture f;
  f.page().body = "a 1\nb 2\nc 3 1000\n";
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  f.page().body = "a 1\n";
  f.scheduler.advance(Duration::seconds(10));
  CHECK(f.store.last("a{instance=\"a:1\", job=\"shop\"}") == 1);
  CHECK(is_stale(f.store.last("b{instance=\"a:1\", job=\"shop\"}")));
  CHECK(f.store.last("c{instance=\"a:1\", job=\"shop\"}") == 3);
  size_t b_samples = f.store.series["b{instance=\"a:1\", job=\"shop\"}"].size();
  f.scheduler.advance(Duration::seconds(30));
  CHECK(f.store.series["b{instance=\"a:1\", job=\"shop\"}"].size() == b_samples);
}

TEST_CASE("scrape: a failing target is down, ends its series once, and says why") {
  Fixture f;
  f.page().body = "a 1\n";
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  SUBCASE("refused") { f.targets.pages.clear(); }
  SUBCASE("status") { f.page().status = 500; }
  SUBCASE("malformed") { f.page().body = "a 1\nb{ 2\n"; }
  SUBCASE("content type") { f.page().type = ""; }
  f.scheduler.advance(Duration::seconds(10));
  CHECK(f.store.last(kUp) == 0);
  CHECK(is_stale(f.store.last("a{instance=\"a:1\", job=\"shop\"}")));
  CHECK(f.status().health == TargetHealth::kDown);
  CHECK(!f.status().last_error.empty());
  f.scheduler.advance(Duration::seconds(20));
  CHECK(f.store.series["a{instance=\"a:1\", job=\"shop\"}"].size() == 2);
}

TEST_CASE("scrape: a malformed exposition leaves no half") {
  Fixture f;
  f.page().body = "a 1\nb{ 2\n";
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  CHECK(!f.store.series.contains("a{instance=\"a:1\", job=\"shop\"}"));
  CHECK(f.status().last_error.find("line 2") == 0);
  CHECK(f.stats.samples_discarded == 1);
}

TEST_CASE("scrape: labels that clash with the target's are kept under another name, or win when honored") {
  Fixture f;
  f.page().body = "a{job=\"own\",exported_job=\"x\"} 1\n";
  ScrapeJob j = f.job();
  SUBCASE("renamed") {
    f.run(std::move(j));
    f.scheduler.advance(Duration::seconds(10));
    CHECK(f.store.last(
              "a{exported_exported_job=\"own\", exported_job=\"x\", instance=\"a:1\", job=\"shop\"}") == 1);
  }
  SUBCASE("honored") {
    j.honor_labels = true;
    f.run(std::move(j));
    f.scheduler.advance(Duration::seconds(10));
    CHECK(f.store.last("a{exported_job=\"x\", instance=\"a:1\", job=\"own\"}") == 1);
  }
}

TEST_CASE("scrape: metric relabelling drops and rewrites, report series are exempt") {
  Fixture f;
  f.page().body = "keep 1\ndrop_me 2\n";
  ScrapeJob j = f.job();
  j.metric_relabel = {rule({.source_labels = {"__name__"}, .regex = "keep", .action = RelabelAction::kKeep})};
  f.run(std::move(j));
  f.scheduler.advance(Duration::seconds(20));
  CHECK(f.store.last("keep{instance=\"a:1\", job=\"shop\"}") == 1);
  CHECK(!f.store.series.contains("drop_me{instance=\"a:1\", job=\"shop\"}"));
  CHECK(f.store.last(kUp) == 1);
  CHECK(f.store.last("scrape_samples_post_metric_relabeling{instance=\"a:1\", job=\"shop\"}") == 1);
  CHECK(f.stats.samples_dropped == 2);
}

TEST_CASE("scrape: limits fail the whole scrape and name themselves") {
  Fixture f;
  f.page().body = "a{x=\"1\",y=\"22\"} 1\nb 2\nc 3\n";
  ScrapeJob j = f.job();
  std::string expected;
  SUBCASE("samples") {
    j.limits.samples_max = 2;
    expected = "sample limit exceeded (samples: 3, limit: 2)";
  }
  SUBCASE("labels") {
    j.limits.labels_max = 2;
    expected = "label_limit exceeded (metric: \"a\", number of labels: 3, limit: 2)";
  }
  SUBCASE("value length") {
    j.limits.label_value_bytes_max = 1;
    expected =
        "label_value_length_limit exceeded (metric: \"a\", label name: \"y\", value length: 2, limit: 1)";
  }
  SUBCASE("body") {
    j.limits.body_bytes_max = 10;
    expected = "body size limit exceeded";
  }
  SUBCASE("targets") {
    f.groups[0].targets.push_back(LabelSet{{"__address__", "b:1"}});
    j = f.job();
    j.limits.targets_max = 1;
    expected = "target_limit exceeded (number of targets: 2, limit: 1)";
  }
  f.run(std::move(j));
  f.scheduler.advance(Duration::seconds(10));
  CHECK(f.status().last_error == expected);
  CHECK(f.store.last(kUp) == 0);
  CHECK(!f.store.series.contains("b{instance=\"a:1\", job=\"shop\"}"));
}

TEST_CASE("scrape: a target that fails for ever with new series each time does not fill the memory") {
  Fixture f;
  f.run(f.job());
  for (int i = 0; i < 50; i++) {
    f.page().body = "a{i=\"" + std::to_string(i) + "\"} 1\nbroken";
    f.scheduler.advance(Duration::seconds(10));
  }
  CHECK(f.status().health == TargetHealth::kDown);
  CHECK(f.status().series <= 6);
}

TEST_CASE("scrape: a target that discovery drops ends its series two intervals later") {
  Fixture f;
  f.page().body = "a 1\n";
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  f.manager.apply({});
  f.scheduler.advance(Duration::seconds(15));
  CHECK(f.store.last("a{instance=\"a:1\", job=\"shop\"}") == 1);
  f.scheduler.advance(Duration::seconds(10));
  CHECK(is_stale(f.store.last("a{instance=\"a:1\", job=\"shop\"}")));
  CHECK(is_stale(f.store.last(kUp)));
}

TEST_CASE("scrape: stopping the process ends no series, and an unchanged job goes on over a reload") {
  Fixture f;
  f.page().body = "a 1\n";
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  CHECK(f.store.last("scrape_series_added{instance=\"a:1\", job=\"shop\"}") == 0);
  f.manager.stop();
  f.scheduler.advance(Duration::minutes(2));
  CHECK(f.store.series["a{instance=\"a:1\", job=\"shop\"}"].size() == 2);
}

TEST_CASE("scrape: times lie on one grid") {
  Fixture f;
  f.page().body = "a 1\n";
  f.run(f.job());
  f.scheduler.advance(Duration::minutes(2));
  const auto& samples = f.store.series["a{instance=\"a:1\", job=\"shop\"}"];
  REQUIRE(samples.size() == 12);
  for (size_t i = 1; i < samples.size(); i++) CHECK(samples[i].first - samples[i - 1].first == 10'000);
}

TEST_CASE("scrape: OpenMetrics exemplars are stored with their series") {
  Fixture f;
  f.page().type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  f.page().body =
      "# TYPE d histogram\nd_bucket{le=\"1\"} 2 # {trace_id=\"abc\"} 0.5 1700000000.5\nd_bucket{le=\"+Inf\"} "
      "2\nd_count 2\nd_sum 1\n# EOF\n";
  f.run(f.job());
  f.scheduler.advance(Duration::seconds(10));
  REQUIRE(f.store.exemplars.size() == 1);
  CHECK(f.store.exemplars[0].exemplar.labels.get("trace_id") == "abc");
  CHECK(f.store.exemplars[0].exemplar.t == Timestamp{1'700'000'000'500});
}

TEST_CASE("targets: relabelling decides about address, path, labels, and what is dropped") {
  ScrapeJob job;
  job.name = "j";
  job.params = {{"module", {"http", "x y"}}};
  job.relabel = {
      rule({.source_labels = {"__meta_kind"}, .regex = "skip", .action = RelabelAction::kDrop}),
      rule({.source_labels = {"__meta_kind"}, .target_label = "kind"}),
      rule({.source_labels = {"__meta_path"}, .regex = "(.+)", .target_label = "__metrics_path__"})};
  std::vector<discovery::TargetGroup> groups{
      {"g",
       {LabelSet{{"__address__", "a:1"}, {"__meta_kind", "web"}, {"__meta_path", "/m"}},
        LabelSet{{"__address__", "b:1"}, {"__meta_kind", "skip"}}, LabelSet{{"__address__", "http://c:1"}}},
       LabelSet{{"env", "prod"}}}};
  TargetList list = make_targets(job, groups);
  REQUIRE(list.active.size() == 1);
  CHECK(list.active[0].url == "http://a:1/m?module=http&module=x%20y");
  CHECK(list.active[0].labels ==
        LabelSet{{"env", "prod"}, {"instance", "a:1"}, {"job", "j"}, {"kind", "web"}});
  CHECK(list.dropped.size() == 1);
  REQUIRE(list.errors.size() == 1);
  CHECK(list.errors[0].find("\"http://c:1\" is not a valid address") != std::string::npos);
}

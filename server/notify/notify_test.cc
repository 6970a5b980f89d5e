#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <deque>

#include "notify/alertmanager_client.h"
#include "notify/dispatcher.h"
#include "notify/notification.h"

using namespace sonde;
using namespace sonde::notify;

namespace {

// Answers from a script, keeps what it was asked.
class ScriptedClient final : public net::HttpClient {
 public:
  std::vector<net::ClientRequest> requests;
  std::deque<int> statuses;  // 0: connection refused; empty: 200
  void fetch(net::ClientRequest request, std::function<void(Result<net::ClientResponse>)> done) override {
    requests.push_back(std::move(request));
    int status = 200;
    if (!statuses.empty()) {
      status = statuses.front();
      statuses.pop_front();
    }
    if (status == 0) {
      done(fail(ErrorCode::kUnavailable, "connection refused"));
      return;
    }
    net::ClientResponse r;
    r.status = status;
    done(std::move(r));
  }
};

Alert alert(std::string_view name, std::string_view instance, bool resolved = false) {
  Alert a;
  a.labels = LabelSet{{"alertname", name}, {"instance", instance}};
  a.annotations = LabelSet{{"summary", "too slow"}};
  a.state = resolved ? AlertState::kInactive : AlertState::kFiring;
  a.active_at = {1'700'000'000'000};
  a.fired_at = {1'700'000'060'000};
  if (resolved) a.resolved_at = {1'700'000'120'000};
  a.value = 2.5;
  return a;
}

struct Fixture {
  VirtualClock clock;
  VirtualScheduler scheduler{clock};
  InlineExecutor executor;
  ScriptedClient client;
  std::unique_ptr<state::Database> db = std::move(state::Database::open(":memory:")).value();
  state::Mailbox mailbox{*db, 100};

  std::unique_ptr<Dispatcher> dispatcher() {
    auto d = std::make_unique<Dispatcher>(mailbox, client, scheduler, executor,
                                          Dispatcher::Options{.external_url = "http://x"});
    std::vector<std::unique_ptr<Receiver>> receivers;
    receivers.push_back(
        std::move(*make_receiver({.name = "hook", .kind = "webhook", .url = "http://127.0.0.1:1/h"})));
    d->set_receivers(std::move(receivers));
    return d;
  }
};

}  // namespace

TEST_CASE("dispatcher: a firing alert is told once, its resolution once") {
  Fixture f;
  auto d = f.dispatcher();
  d->notify({alert("Slow", "a")});
  d->notify({alert("Slow", "a")});
  f.scheduler.advance(Duration::seconds(1));
  CHECK(f.client.requests.size() == 1);
  d->notify({alert("Slow", "a", true)});
  d->notify({alert("Slow", "a", true)});
  f.scheduler.advance(Duration::seconds(1));
  REQUIRE(f.client.requests.size() == 2);
  auto payload = boost::json::parse(f.client.requests[1].body).as_object();
  CHECK(payload["status"].as_string() == "resolved");
  CHECK(payload["version"].as_string() == "4");
  CHECK(payload["commonLabels"].as_object()["instance"].as_string() == "a");
  auto inbox = f.mailbox.list(10);
  REQUIRE(inbox->size() == 2);
  CHECK((*inbox)[1].title == "[FIRING:1] Slow");
  CHECK((*inbox)[1].body.find("too slow") == 0);
  CHECK((*inbox)[1].deliveries.size() == 1);
  CHECK(d->stats().delivered == 2);
}

TEST_CASE(
    "dispatcher: alerts of one evaluation share a message, a resolution without a notification is silent") {
  Fixture f;
  auto d = f.dispatcher();
  d->notify({alert("Slow", "a"), alert("Slow", "b"), alert("Slow", "c", true)});
  f.scheduler.advance(Duration::seconds(1));
  REQUIRE(f.client.requests.size() == 1);
  CHECK(boost::json::parse(f.client.requests[0].body).as_object()["alerts"].as_array().size() == 2);
}

TEST_CASE("dispatcher: delivery is retried with growing pauses until it succeeds") {
  Fixture f;
  f.client.statuses = {0, 503, 429, 200};
  auto d = f.dispatcher();
  d->notify({alert("Slow", "a")});
  f.scheduler.advance(Duration::milliseconds(10));
  CHECK(f.client.requests.size() == 1);
  f.scheduler.advance(Duration::minutes(2));
  CHECK(f.client.requests.size() == 4);
  CHECK(*f.mailbox.outbox_count() == 0);
  auto inbox = f.mailbox.list(1);
  CHECK((*inbox)[0].deliveries.size() == 4);
  CHECK((*inbox)[0].deliveries[0].error == "connection refused");
  CHECK((*inbox)[0].deliveries[3].ok);
}

TEST_CASE("dispatcher: a refusal that cannot change is given up at once, and shown") {
  Fixture f;
  f.client.statuses = {400};
  auto d = f.dispatcher();
  d->notify({alert("Slow", "a")});
  f.scheduler.advance(Duration::hours(1));
  CHECK(f.client.requests.size() == 1);
  CHECK(d->stats().given_up == 1);
}

TEST_CASE("dispatcher: a restart neither forgets an undelivered message nor tells a delivered one again") {
  Fixture f;
  {
    f.client.statuses = {503};
    auto d = f.dispatcher();
    d->notify({alert("Slow", "a")});
    f.scheduler.advance(Duration::milliseconds(10));
    CHECK(f.client.requests.size() == 1);
  }
  auto d = f.dispatcher();
  d->notify({alert("Slow", "a")});
  f.scheduler.advance(Duration::seconds(10));
  CHECK(f.client.requests.size() == 2);
  CHECK(*f.mailbox.outbox_count() == 0);
  CHECK(f.mailbox.list(10)->size() == 1);
}

TEST_CASE("dispatcher: what waits in the outbox waits until the receivers are known") {
  Fixture f;
  {
    f.client.statuses = {503};
    auto d = f.dispatcher();
    d->notify({alert("Slow", "a")});
    f.scheduler.advance(Duration::milliseconds(10));
  }
  Dispatcher d(f.mailbox, f.client, f.scheduler, f.executor, {});
  f.scheduler.advance(Duration::seconds(30));
  CHECK(*f.mailbox.outbox_count() == 1);
  CHECK(d.stats().given_up == 0);
}

TEST_CASE("dispatcher: an alert that fires again is told although its end never was") {
  Fixture f;
  auto d = f.dispatcher();
  Alert first = alert("Slow", "a");
  d->notify({first});
  Alert again = first;
  again.fired_at = first.fired_at + Duration::hours(3);
  d->notify({again});
  d->notify({again});
  d->notify({first});  // the same alert of another rule
  CHECK(f.mailbox.list(10)->size() == 2);
}

TEST_CASE("alertmanager client: every target gets every alert in batches, and one answer counts as sent") {
  InlineExecutor executor;
  ScriptedClient client;
  AlertmanagerClient am(client, executor, {.queue_length_max = 10, .batch_length_max = 2});
  am.set_targets({{.url = "http://a/api/v2/alerts"}, {.url = "http://b/api/v2/alerts"}});
  client.statuses = {0, 200};
  am.send({alert("A", "1"), alert("A", "2"), alert("A", "3")});
  CHECK(client.requests.size() == 4);
  CHECK(am.stats().sent == 3);
  CHECK(am.states()[0].errors == 1);
  auto body = boost::json::parse(client.requests[0].body).as_array();
  REQUIRE(body.size() == 2);
  CHECK(body[0].as_object()["startsAt"].as_string() == "2023-11-14T22:14:20.000Z");
}

TEST_CASE("alertmanager client: a full queue drops the oldest and counts them") {
  struct Never final : net::HttpClient {
    void fetch(net::ClientRequest, std::function<void(Result<net::ClientResponse>)>) override {}
  } client;
  InlineExecutor executor;
  AlertmanagerClient am(client, executor, {.queue_length_max = 3, .batch_length_max = 1});
  am.set_targets({{.url = "http://a"}});
  for (int i = 0; i < 6; i++) am.send({alert("A", std::to_string(i))});
  CHECK(am.stats().queue_length == 3);
  CHECK(am.stats().dropped == 2);  // one is in flight
}

TEST_CASE("receivers: an unknown kind and a bad url are refused by name") {
  CHECK(make_receiver({.name = "x", .kind = "pigeon"}).error().message ==
        "receiver \"x\": unknown kind \"pigeon\"");
  CHECK(make_receiver({.name = "x", .kind = "webhook", .url = "ftp://h"}).error().message ==
        "receiver \"x\": url must start with http:// or https://");
}

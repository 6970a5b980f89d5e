#include "notify/dispatcher.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/mutex.h"
#include "notify/notification.h"

namespace sonde::notify {

struct Dispatcher::State : std::enable_shared_from_this<State> {
  State(state::Mailbox& m, net::HttpClient& c, Scheduler& s, Executor& e, Options o)
      : mailbox(m), client(c), scheduler(s), executor(e), options(std::move(o)) {}

  state::Mailbox& mailbox;
  net::HttpClient& client;
  Scheduler& scheduler;
  Executor& executor;
  const Options options;
  mutable Mutex mu;
  std::vector<std::shared_ptr<Receiver>> receivers SONDE_GUARDED_BY(mu);
  bool receivers_known SONDE_GUARDED_BY(mu) = false;  // before that nothing is delivered, nor given up
  std::unordered_map<LabelSet, Timestamp, LabelSetHash> notified SONDE_GUARDED_BY(mu);  // firing; → fired at
  std::set<int64_t> in_flight SONDE_GUARDED_BY(mu);                                     // outbox ids
  bool timer_armed SONDE_GUARDED_BY(mu) = false;
  bool closed SONDE_GUARDED_BY(mu) = false;
  DispatcherStats stats SONDE_GUARDED_BY(mu);

  Timestamp now() const { return scheduler.clock().timestamp(); }

  // One message for `alerts`, which all have the status `firing`.
  void post(const std::vector<Alert>& alerts, bool firing) {
    Notification n;
    n.receiver = "default";
    n.firing = firing;
    n.external_url = options.external_url;
    n.group_labels = LabelSet{{"alertname", alerts[0].labels.get("alertname")}};
    n.alerts = alerts;
    state::InboxMessage m;
    m.t = now();
    m.receiver = n.receiver;
    m.status = firing ? "firing" : "resolved";
    m.title = title(n);
    m.body = plain_text(n);
    m.payload = webhook_payload(n);
    std::vector<state::Notified> remember;
    std::vector<LabelSet> forget;
    for (const Alert& a : alerts) {
      if (firing) {
        remember.push_back({a.labels, a.fired_at});
      } else {
        forget.push_back(a.labels);
      }
    }
    std::vector<std::string> to;
    {
      MutexLock lock(mu);
      for (const auto& r : receivers) to.push_back(r->name());
    }
    auto posted = mailbox.post(m, to, m.payload, remember, forget);
    MutexLock lock(mu);
    if (!posted) {
      stats.post_errors++;
      return;
    }
    stats.messages++;
    for (const auto& r : remember) notified[r.labels] = r.starts_at;
    for (const auto& labels : forget) notified.erase(labels);
  }

  // Starts the delivery of everything that is due, and comes back while the outbox is not empty.
  void deliver() {
    auto due = mailbox.due(now(), 100);
    if (!due) {
      arm(options.first_retry);
      return;
    }
    for (const state::OutboxItem& item : *due) {
      std::shared_ptr<Receiver> receiver;
      {
        MutexLock lock(mu);
        if (closed || !in_flight.insert(item.id).second) continue;
        for (const auto& r : receivers) {
          if (r->name() == item.receiver) receiver = r;
        }
      }
      if (!receiver) {
        settle(item, {now(), item.receiver, false, "there is no receiver \"" + item.receiver + "\" any more"},
               false);
        continue;
      }
      client.fetch(receiver->request(item.payload), [self = shared_from_this(), item, receiver](auto answer) {
        // Off the I/O thread: settling writes to disk. When the executor is full, the item stays in flight
        // for now and the next start or round delivers it again: twice is better than never.
        auto shared = std::make_shared<Result<net::ClientResponse>>(std::move(answer));
        if (!self->executor.submit(
                [self, item, receiver, shared] { self->answered(item, *receiver, *shared); })) {
          MutexLock lock(self->mu);
          self->in_flight.erase(item.id);
        }
      });
    }
    auto left = mailbox.outbox_count();
    if (!left || *left > 0) arm(options.first_retry);
  }

  void answered(const state::OutboxItem& item, const Receiver& receiver,
                const Result<net::ClientResponse>& answer) {
    state::Delivery d{now(), item.receiver, false, {}};
    bool retry = true;
    if (!answer) {
      d.error = answer.error().to_string();
    } else if (answer->status / 100 == 2) {
      d.ok = true;
    } else {
      d.error = "status " + std::to_string(answer->status) + ": " + answer->body.substr(0, 200);
      retry = receiver.worth_retrying(answer->status);
    }
    if (d.ok || !retry || now() - item.created > options.give_up_after) {
      settle(item, d, d.ok);
      return;
    }
    Duration wait = options.first_retry * (int64_t{1} << std::min<int64_t>(item.attempts, 20));
    wait = std::min(wait, options.retry_max);
    (void)mailbox.retry(item, d, now() + wait);
    MutexLock lock(mu);
    in_flight.erase(item.id);
    stats.attempts_failed++;
  }

  void settle(const state::OutboxItem& item, const state::Delivery& d, bool ok) {
    (void)mailbox.settle(item, d);
    MutexLock lock(mu);
    in_flight.erase(item.id);
    (ok ? stats.delivered : stats.given_up)++;
    if (!ok) stats.attempts_failed++;
  }

  void arm(Duration delay) {
    {
      MutexLock lock(mu);
      if (timer_armed || closed || !receivers_known) return;
      timer_armed = true;
    }
    scheduler.after(delay, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      {
        MutexLock lock(self->mu);
        self->timer_armed = false;
      }
      if (!self->executor.submit([self] { self->deliver(); })) self->arm(self->options.first_retry);
    });
  }
};

Dispatcher::Dispatcher(state::Mailbox& mailbox, net::HttpClient& client, Scheduler& scheduler,
                       Executor& executor, Options options)
    : state_(std::make_shared<State>(mailbox, client, scheduler, executor, std::move(options))) {
  if (auto known = mailbox.notified()) {
    MutexLock lock(state_->mu);
    for (auto& n : *known) state_->notified[n.labels] = n.starts_at;
  }
}

Dispatcher::~Dispatcher() {
  MutexLock lock(state_->mu);
  state_->closed = true;
}

void Dispatcher::set_receivers(std::vector<std::unique_ptr<Receiver>> receivers) {
  {
    MutexLock lock(state_->mu);
    state_->receivers.clear();
    for (auto& r : receivers) state_->receivers.push_back(std::move(r));
    state_->receivers_known = true;
  }
  state_->arm({0});
}

void Dispatcher::notify(const std::vector<Alert>& alerts) {
  std::map<std::string, std::vector<Alert>> firing, resolved;  // by alertname
  {
    MutexLock lock(state_->mu);
    for (const Alert& a : alerts) {
      auto known = state_->notified.find(a.labels);
      bool told = known != state_->notified.end();
      std::string name(a.labels.get("alertname"));
      if (a.resolved_at.ms != 0) {
        if (told) resolved[name].push_back(a);
      } else if (a.state == AlertState::kFiring && (!told || known->second < a.fired_at)) {
        // One that fires again counts as new even if its end was never told: the rule was dropped, its limit
        // exceeded, or the end came while nobody watched.
        firing[name].push_back(a);
      }
    }
  }
  for (const auto& [name, group] : firing) state_->post(group, true);
  for (const auto& [name, group] : resolved) state_->post(group, false);
  if (!firing.empty() || !resolved.empty()) state_->arm({0});
}

DispatcherStats Dispatcher::stats() const {
  MutexLock lock(state_->mu);
  return state_->stats;
}

}  // namespace sonde::notify

#include "notify/alertmanager_client.h"

#include <atomic>
#include <deque>

#include "base/mutex.h"
#include "notify/notification.h"

namespace sonde::notify {

struct AlertmanagerClient::State : std::enable_shared_from_this<State> {
  State(net::HttpClient& c, Executor& e, Options o) : client(c), executor(e), options(o) {}

  net::HttpClient& client;
  Executor& executor;
  const Options options;
  mutable Mutex mu;
  std::vector<AlertmanagerTarget> targets SONDE_GUARDED_BY(mu);
  std::vector<AlertmanagerState> states SONDE_GUARDED_BY(mu);
  uint64_t generation SONDE_GUARDED_BY(mu) = 0;  // of the targets
  std::deque<Alert> queue SONDE_GUARDED_BY(mu);
  bool in_flight SONDE_GUARDED_BY(mu) = false;
  bool closed SONDE_GUARDED_BY(mu) = false;
  AlertmanagerStats stats SONDE_GUARDED_BY(mu);

  // Sends the next batch to every target at once; the last answer starts the batch after it.
  void pump() {
    std::vector<Alert> batch;
    std::vector<AlertmanagerTarget> to;
    uint64_t now_generation = 0;
    {
      MutexLock lock(mu);
      if (in_flight || closed || queue.empty()) return;
      if (targets.empty()) {
        queue.clear();
        return;
      }
      while (!queue.empty() && batch.size() < options.batch_length_max) {
        batch.push_back(std::move(queue.front()));
        queue.pop_front();
      }
      to = targets;
      now_generation = generation;
      in_flight = true;
    }
    std::string body = alertmanager_payload(batch);
    struct Round {
      std::atomic<size_t> open;
      std::atomic<bool> taken{false};
    };
    auto round = std::make_shared<Round>();
    round->open = to.size();
    for (size_t i = 0; i < to.size(); i++) {
      net::ClientRequest r;
      r.method = "POST";
      r.url = to[i].url;
      r.headers = to[i].headers;
      r.headers.set("Content-Type", "application/json");
      r.headers.set("User-Agent", "sonde");
      r.tls = to[i].tls;
      r.timeout = to[i].timeout;
      r.body = body;
      r.response_bytes_max = 64 << 10;
      client.fetch(std::move(r),
                   [self = shared_from_this(), round, i, n = batch.size(), now_generation](auto answer) {
                     self->answered(round->taken, round->open, i, n, now_generation, std::move(answer));
                   });
    }
  }

  void answered(std::atomic<bool>& taken, std::atomic<size_t>& open, size_t target, size_t alerts,
                uint64_t of_generation, Result<net::ClientResponse> answer) {
    std::string error;
    if (!answer) {
      error = answer.error().to_string();
    } else if (answer->status / 100 != 2) {
      error = "status " + std::to_string(answer->status) + ": " + answer->body.substr(0, 200);
    } else {
      taken = true;
    }
    bool last = --open == 0;
    {
      MutexLock lock(mu);
      if (of_generation == generation && target < states.size()) {
        states[target].last_error = error;
        if (!error.empty()) states[target].errors++;
      }
      if (last) {
        (taken ? stats.sent : stats.failed) += alerts;
        in_flight = false;
      }
    }
    if (last) (void)executor.submit([self = shared_from_this()] { self->pump(); });
  }
};

AlertmanagerClient::AlertmanagerClient(net::HttpClient& client, Executor& executor, Options options)
    : state_(std::make_shared<State>(client, executor, options)) {}

AlertmanagerClient::~AlertmanagerClient() {
  MutexLock lock(state_->mu);
  state_->closed = true;
}

void AlertmanagerClient::set_targets(std::vector<AlertmanagerTarget> targets) {
  MutexLock lock(state_->mu);
  state_->states.clear();
  for (const auto& t : targets) state_->states.push_back({t.url, {}, 0});
  state_->targets = std::move(targets);
  state_->generation++;
}

void AlertmanagerClient::send(const std::vector<Alert>& alerts) {
  {
    MutexLock lock(state_->mu);
    if (state_->targets.empty()) return;
    for (const Alert& a : alerts) {
      if (state_->queue.size() >= state_->options.queue_length_max) {
        state_->queue.pop_front();
        state_->stats.dropped++;
      }
      state_->queue.push_back(a);
    }
  }
  (void)state_->executor.submit([s = state_] { s->pump(); });
}

AlertmanagerStats AlertmanagerClient::stats() const {
  MutexLock lock(state_->mu);
  AlertmanagerStats out = state_->stats;
  out.queue_length = state_->queue.size();
  return out;
}

std::vector<AlertmanagerState> AlertmanagerClient::states() const {
  MutexLock lock(state_->mu);
  return state_->states;
}

}  // namespace sonde::notify

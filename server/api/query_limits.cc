#include "api/query_limits.h"

#include <algorithm>

#include "base/mutex.h"

namespace sonde::api {

namespace {
constexpr size_t kTextKept = 1024;
// A waiting query looks this often whether it should give up: neither its peer nor its clock can wake it.
constexpr int64_t kWaitSliceNs = 20'000'000;
}  // namespace

struct QueryGate::Query {
  std::string text;
  Cancellation peer;
  Cancellation own;
  Duration waited;
};

struct QueryGate::State : std::enable_shared_from_this<QueryGate::State> {
  State(const Clock& c, Scheduler* s, Options o) : clock(c), scheduler(s), options(o) {}

  const Clock& clock;
  Scheduler* const scheduler;
  const Options options;
  mutable Mutex mu;
  CondVar freed;
  bool closed SONDE_GUARDED_BY(mu) = false;
  bool armed SONDE_GUARDED_BY(mu) = false;
  TimerId timer SONDE_GUARDED_BY(mu) = 0;
  std::vector<std::shared_ptr<Query>> running SONDE_GUARDED_BY(mu);
  Stats stats SONDE_GUARDED_BY(mu);

  void relay() {
    MutexLock lock(mu);
    for (const auto& q : running) {
      if (q->peer.cancelled()) q->own.cancel();
    }
  }
  void arm() SONDE_REQUIRES(mu) {
    if (!scheduler || armed || closed || running.empty()) return;
    armed = true;
    timer = scheduler->after(options.relay_interval, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      self->relay();
      MutexLock lock(self->mu);
      self->armed = false;
      self->arm();
    });
  }
};

QueryGate::QueryGate(const Clock& clock, Scheduler* scheduler, Options options)
    : state_(std::make_shared<State>(clock, scheduler, options)) {}

QueryGate::~QueryGate() {
  TimerId timer = 0;
  bool armed = false;
  {
    MutexLock lock(state_->mu);
    state_->closed = true;
    armed = state_->armed;
    timer = state_->timer;
  }
  if (armed) state_->scheduler->cancel(timer);
}

Result<QueryGate::Permit> QueryGate::enter(std::string_view text, const Cancellation& peer,
                                           Duration timeout) {
  SONDE_CHECK(peer.check());
  State& s = *state_;
  MonotonicTime began = s.clock.monotonic();
  auto query = std::make_shared<Query>();
  query->text = std::string(text.substr(0, kTextKept));
  query->peer = peer;
  query->own = Cancellation::create(&s.clock, began + timeout);
  MutexLock lock(s.mu);
  if (s.running.size() >= s.options.running_max) {
    if (s.stats.waiting >= s.options.waiting_max) {
      s.stats.refused++;
      return fail(ErrorCode::kUnavailable, "too many queries: " + std::to_string(s.running.size()) +
                                               " running, " + std::to_string(s.stats.waiting) + " waiting");
    }
    s.stats.waiting++;
    Result<> go_on;
    while (s.running.size() >= s.options.running_max && go_on) {
      s.freed.wait_for_ns(s.mu, kWaitSliceNs);
      go_on = peer.check();
      if (go_on) go_on = query->own.check();
    }
    s.stats.waiting--;
    if (!go_on) {
      s.stats.abandoned++;
      return fail(go_on.error());
    }
  }
  s.stats.entered++;
  query->waited = s.clock.monotonic() - began;
  s.running.push_back(query);
  s.arm();
  return Permit(state_, std::move(query));
}

void QueryGate::relay() { state_->relay(); }

QueryGate::Stats QueryGate::stats() const {
  MutexLock lock(state_->mu);
  Stats out = state_->stats;
  out.running = state_->running.size();
  return out;
}

std::vector<std::string> QueryGate::running() const {
  MutexLock lock(state_->mu);
  std::vector<std::string> out;
  for (const auto& q : state_->running) out.push_back(q->text);
  return out;
}

QueryGate::Permit::Permit(std::shared_ptr<State> state, std::shared_ptr<Query> query)
    : state_(std::move(state)), query_(std::move(query)) {}
QueryGate::Permit::Permit(Permit&&) noexcept = default;

QueryGate::Permit::~Permit() {
  if (!query_) return;
  MutexLock lock(state_->mu);
  std::erase(state_->running, query_);
  state_->freed.notify_one();
}

const Cancellation& QueryGate::Permit::cancel() const { return query_->own; }
Duration QueryGate::Permit::waited() const { return query_->waited; }

}  // namespace sonde::api

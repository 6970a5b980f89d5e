#include "sonde/health.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "health/check_state.h"
#include "sonde/log.h"
#include "sonde/registry.h"

namespace sonde::inline v1::health {
namespace {

using namespace sonde::literals;

constexpr size_t kChecksMax = 64;

constinit Logger g_log{"sonde.health"};

std::string_view group_name(Group group) {
  switch (group) {
    case Group::kLive:
      return "live";
    case Group::kReady:
      return "ready";
    case Group::kStartup:
      return "startup";
  }
  return "";
}

struct Running {
  std::string name;
  Group group;
  Check check;
  CheckOptions options;
  CheckState state;
  std::string detail;  // of the last failed run
  bool removed = false;
  bool has_thread = false;
  std::unique_ptr<std::condition_variable> wake = std::make_unique<std::condition_variable>();

  Running(std::string_view n, Group g, Check c, const CheckOptions& o)
      : name(n),
        group(g),
        check(std::move(c)),
        options(o),
        state({std::chrono::nanoseconds(o.timeout).count(), std::chrono::nanoseconds(o.every).count(),
               o.fail_after, o.recover_after}) {}
};

// A change that is to be logged once the lock is released.
struct Change {
  std::string name;
  Group group;
  Status status;
  std::string detail;
  bool overdue;
  int failures;
};

void log_change(const Change& c) {
  if (c.status == Status::kFailing) {
    g_log.warn("health check fails", "check"_f = c.name, "group"_f = group_name(c.group),
               "reason"_f = c.overdue ? std::string_view("timeout") : std::string_view("error"),
               "detail"_f = c.detail, "failures"_f = c.failures);
  } else {
    g_log.info("health check passes", "check"_f = c.name, "group"_f = group_name(c.group));
  }
}

// All of it lives as long as the process: checks may run while static objects are destroyed.
class Registry {
 public:
  static Registry& get() {
    static Registry* registry = new Registry;
    return *registry;
  }

  bool add(std::string_view name, Group group, Check check, const CheckOptions& options) {
    auto running = std::make_shared<Running>(name, group, std::move(check), options);
    std::unique_lock lock(mu_);
    register_metrics(lock);
    if (checks_.size() >= kChecksMax || find(name, group) != nullptr) return false;
    checks_.push_back(running);
    if (start_threads()) return true;
    std::erase(checks_, running);
    return false;
  }

  bool remove(std::string_view name, Group group) {
    std::unique_lock lock(mu_);
    std::shared_ptr<Running> check = find(name, group);
    if (check == nullptr) return false;
    std::erase(checks_, check);
    check->removed = true;
    check->wake->notify_all();
    return stopped_.wait_for(lock, check->options.timeout, [&] { return !check->state.running(); });
  }

  bool passes(Group group) {
    std::unique_lock lock(mu_);
    start_threads();
    std::vector<Change> changes = tick(detail::monotonic_ns());
    bool ok = evaluate(group);
    lock.unlock();
    for (const Change& c : changes) log_change(c);
    return ok;
  }

  bool set_draining(bool on) {
    std::unique_lock lock(mu_);
    return std::exchange(draining_, on) != on;
  }
  bool draining() {
    std::unique_lock lock(mu_);
    return draining_;
  }

 private:
  Registry() {
    pthread_atfork([] { get().mu_.lock(); }, [] { get().mu_.unlock(); }, [] { get().in_child(); });
  }

  // The child has none of the threads. Condition variables may count waiters that do not exist here: leave
  // the old ones alone and make new ones.
  void in_child() {
    for (auto& check : checks_) {
      check->has_thread = false;
      (void)check->wake.release();
      check->wake = std::make_unique<std::condition_variable>();
      if (check->state.running()) check->state.end(detail::monotonic_ns(), false);
    }
    monitor_has_thread_ = false;
    new (&monitor_wake_) std::condition_variable;
    new (&stopped_) std::condition_variable;
    mu_.unlock();
  }

  std::shared_ptr<Running> find(std::string_view name, Group group) {
    for (auto& check : checks_) {
      if (check->name == name && check->group == group) return check;
    }
    return nullptr;
  }

  // Threads of the library take no signals from the application.
  template <class F>
  static bool start_thread(F f) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = true;
    try {
      std::thread(std::move(f)).detach();
    } catch (...) {
      ok = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return ok;
  }

  bool start_threads() {
    for (auto& check : checks_) {
      if (check->has_thread) continue;
      if (!start_thread([this, check] { run(check); })) return false;
      check->has_thread = true;
    }
    if (!monitor_has_thread_ && !checks_.empty()) {
      monitor_has_thread_ = start_thread([this] { monitor(); });
    }
    return true;
  }

  void run(const std::shared_ptr<Running>& check) {
    pthread_setname_np(pthread_self(), "sonde-check");
    std::unique_lock lock(mu_);
    while (!check->removed) {
      int64_t now = detail::monotonic_ns();
      if (now < check->state.due_ns()) {
        check->wake->wait_for(lock, std::chrono::nanoseconds(check->state.due_ns() - now));
        continue;
      }
      check->state.begin(now);
      monitor_wake_.notify_all();
      lock.unlock();
      Outcome outcome = run_once(check->check);
      lock.lock();
      check->detail = outcome.detail;
      bool changed = check->state.end(detail::monotonic_ns(), outcome.ok);
      std::vector<Change> changes;
      if (changed && !check->removed) changes.push_back(change_of(*check));
      evaluate(Group::kStartup);
      stopped_.notify_all();
      lock.unlock();
      for (const Change& c : changes) log_change(c);
      lock.lock();
    }
  }

  static Outcome run_once(const Check& check) {
    try {
      return check();
    } catch (const std::exception& e) {
      return Outcome::failed(e.what());
    } catch (...) {
      return Outcome::failed("unknown exception");
    }
  }

  // Notices runs that exceed their time, so that the log and the metrics know without a probe asking.
  void monitor() {
    pthread_setname_np(pthread_self(), "sonde-health");
    std::unique_lock lock(mu_);
    while (true) {
      int64_t now = detail::monotonic_ns();
      std::vector<Change> changes = tick(now);
      if (!changes.empty()) {
        lock.unlock();
        for (const Change& c : changes) log_change(c);
        lock.lock();
        continue;
      }
      int64_t deadline = INT64_MAX;
      for (auto& check : checks_) {
        if (check->state.running()) deadline = std::min(deadline, check->state.deadline_ns());
      }
      if (deadline == INT64_MAX) {
        monitor_wake_.wait(lock);
      } else {
        monitor_wake_.wait_for(lock, std::chrono::nanoseconds(deadline - now));
      }
    }
  }

  std::vector<Change> tick(int64_t now) {
    std::vector<Change> changes;
    for (auto& check : checks_) {
      if (check->state.tick(now)) changes.push_back(change_of(*check));
    }
    return changes;
  }

  static Change change_of(const Running& check) {
    return {check.name,
            check.group,
            check.state.status(),
            check.state.overdue() ? std::string() : check.detail,
            check.state.overdue(),
            check.state.failures_in_a_row()};
  }

  bool evaluate(Group group) {
    bool ok = true;
    bool any = false;
    for (auto& check : checks_) {
      if (check->group != group || !check->options.critical) continue;
      any = true;
      Status status = check->state.status();
      // Nobody restarts a process for a check that has not run yet.
      ok &= status == Status::kPassing || (group == Group::kLive && status == Status::kUnknown);
    }
    switch (group) {
      case Group::kLive:
        return ok;
      case Group::kStartup:
        // Not latched while there is no check: one may be about to be added.
        if (ok && any) started_ = true;
        return ok || started_;
      case Group::kReady:
        return ok && !draining_ && evaluate(Group::kStartup);
    }
    return ok;
  }

  void register_metrics(std::unique_lock<std::mutex>& lock) {
    if (metrics_registered_) return;
    metrics_registered_ = true;
    lock.unlock();  // a scrape that is under way holds the registry's lock and may be waiting for ours
    register_collector([this](MetricSink& sink) { collect(sink); }).release();
    lock.lock();
  }

  struct Seen {
    std::string name;
    std::string_view group;
    bool passing;
    uint64_t passed, failed, timed_out;
  };

  void collect(MetricSink& sink) noexcept {
    try {
      std::vector<Seen> seen;
      bool groups[3];
      {
        std::unique_lock lock(mu_);
        tick(detail::monotonic_ns());
        for (auto& c : checks_) {
          seen.push_back({c->name, group_name(c->group), c->state.status() == Status::kPassing,
                          c->state.passed(), c->state.failed() - c->state.timed_out(), c->state.timed_out()});
        }
        for (Group g : {Group::kLive, Group::kReady, Group::kStartup})
          groups[static_cast<int>(g)] = evaluate(g);
      }
      sink.family(MetricKind::kGauge, "sonde_health_status",
                  "1 if the group of health checks passes, else 0");
      for (Group g : {Group::kLive, Group::kReady, Group::kStartup}) {
        sink.value({{"group", group_name(g)}}, groups[static_cast<int>(g)] ? 1 : 0);
      }
      sink.family(MetricKind::kGauge, "sonde_health_check_status", "1 if the health check passes, else 0");
      for (const Seen& s : seen) sink.value({{"group", s.group}, {"check", s.name}}, s.passing ? 1 : 0);
      sink.family(MetricKind::kCounter, "sonde_health_check_runs_total",
                  "Runs of the health check by result");
      for (const Seen& s : seen) {
        sink.count({{"group", s.group}, {"check", s.name}, {"result", "passed"}}, s.passed);
        sink.count({{"group", s.group}, {"check", s.name}, {"result", "failed"}}, s.failed);
        sink.count({{"group", s.group}, {"check", s.name}, {"result", "timeout"}}, s.timed_out);
      }
    } catch (...) {
      // Out of memory: this scrape goes without.
    }
  }

  std::mutex mu_;
  std::vector<std::shared_ptr<Running>> checks_;
  bool draining_ = false;
  bool started_ = false;
  bool metrics_registered_ = false;
  bool monitor_has_thread_ = false;
  std::condition_variable monitor_wake_;
  std::condition_variable stopped_;
};

struct Bodies {
  std::string_view pass;
  std::string_view fail;
};

constexpr Bodies bodies_of(Group group) {
  switch (group) {
    case Group::kLive:
      return {R"({"status":"alive"})", R"({"status":"not alive"})"};
    case Group::kReady:
      return {R"({"status":"ready"})", R"({"status":"not ready"})"};
    case Group::kStartup:
      return {R"({"status":"started"})", R"({"status":"starting"})"};
  }
  return {R"({"status":"unknown"})", R"({"status":"unknown"})"};
}

}  // namespace

bool add(std::string_view name, Group group, Check check, const CheckOptions& options) noexcept {
  if (!check) return false;
  try {
    return Registry::get().add(name, group, std::move(check), options);
  } catch (...) {
    return false;
  }
}

bool remove(std::string_view name, Group group) noexcept {
  try {
    return Registry::get().remove(name, group);
  } catch (...) {
    return false;
  }
}

Answer answer(Group group) noexcept {
  Bodies bodies = bodies_of(group);
  bool ok;
  try {
    ok = Registry::get().passes(group);
  } catch (...) {
    ok = group == Group::kLive;  // out of memory: alive, but in no state to take traffic
  }
  return ok ? Answer{200, bodies.pass} : Answer{503, bodies.fail};
}

void drain(std::chrono::milliseconds settle) noexcept {
  if (Registry::get().set_draining(true)) g_log.info("draining", "settle_ms"_f = settle.count());
  if (settle.count() > 0) std::this_thread::sleep_for(settle);
}

bool draining() noexcept { return Registry::get().draining(); }

void resume() noexcept {
  if (Registry::get().set_draining(false)) g_log.info("draining ended");
}

}  // namespace sonde::inline v1::health

#include "rules/manager.h"

#include <algorithm>
#include <map>

#include "base/mutex.h"

namespace sonde::rules {
namespace {

constexpr Duration kSaveInterval = Duration::minutes(1);  // at least this often while a rule has alerts

bool same(const Rule& a, const Rule& b) {
  return a.alerting == b.alerting && a.name == b.name && a.query == b.query && a.hold == b.hold &&
         a.keep_firing_for == b.keep_firing_for && a.labels == b.labels && a.annotations == b.annotations &&
         a.line == b.line;
}

bool same(const Group& a, const Group& b) {
  return a.file == b.file && a.name == b.name && a.interval == b.interval &&
         a.query_offset == b.query_offset && a.limit == b.limit &&
         std::equal(a.rules.begin(), a.rules.end(), b.rules.begin(), b.rules.end(),
                    [](const Rule& x, const Rule& y) { return same(x, y); });
}

}  // namespace

const char* to_string(RuleHealth health) {
  switch (health) {
    case RuleHealth::kUnknown:
      return "unknown";
    case RuleHealth::kOk:
      return "ok";
    case RuleHealth::kError:
      return "err";
  }
  return "unknown";
}

struct Manager::State : std::enable_shared_from_this<State> {
  State(const promql::Engine& e, storage::Appender& a, state::AlertBook& b, Scheduler& s, Executor& x,
        OnAlerts on, Options o)
      : engine(e),
        appender(a),
        book(b),
        scheduler(s),
        executor(x),
        on_alerts(std::move(on)),
        options(std::move(o)) {}

  const promql::Engine& engine;
  storage::Appender& appender;
  state::AlertBook& book;
  Scheduler& scheduler;
  Executor& executor;
  const OnAlerts on_alerts;
  const Options options;
  RulesStats stats;
  mutable Mutex mu;
  std::map<std::string, std::shared_ptr<Runner>> runners SONDE_GUARDED_BY(mu);

  void commit(storage::Batch batch) {
    if (batch.floats.empty() && batch.histograms.empty()) return;
    appender.commit(std::move(batch), [self = shared_from_this()](Result<storage::CommitOutcome> r) {
      if (!r) {
        self->stats.commit_errors++;
        return;
      }
      self->stats.samples_stored += r->floats_stored + r->histograms_stored;
      self->stats.samples_rejected += r->floats_rejected + r->histograms_rejected;
    });
  }
};

// One group: its timer, its rules' state.
struct Manager::Runner : std::enable_shared_from_this<Runner> {
  struct RuleState {
    AlertingState alerts;
    std::vector<LabelSet> series;  // of the last evaluation that succeeded
    Timestamp saved_at;
    RuleStatus status;
  };

  Runner(std::shared_ptr<State> s, Group g, LabelSet external)
      : shared(std::move(s)), group(std::move(g)), external_labels(std::move(external)) {
    MutexLock lock(mu);
    rules.resize(group.rules.size());
    MutexLock publishing(status_mu);
    published.file = group.file;
    published.name = group.name;
    published.interval = group.interval;
    published.limit = group.limit;
    published.rules.resize(rules.size());
    for (size_t i = 0; i < rules.size(); i++) {
      rules[i].status.rule = group.rules[i];
      published.rules[i] = rules[i].status;
    }
  }

  const std::shared_ptr<State> shared;
  const Group group;
  const LabelSet external_labels;
  mutable Mutex mu;  // held over an evaluation
  std::vector<RuleState> rules SONDE_GUARDED_BY(mu);
  mutable Mutex status_mu;  // held briefly; taken after mu
  GroupStatus published SONDE_GUARDED_BY(status_mu);
  Cancellation current SONDE_GUARDED_BY(status_mu);  // of the query under way
  std::atomic<bool> running{false};
  std::atomic<bool> stopped{false};

  // Takes the alerts and series of rules that were there before, the rest from the book.
  void take_over(Runner* before) {
    Timestamp now = shared->scheduler.clock().timestamp();
    MutexLock lock(mu);
    for (size_t i = 0; i < rules.size(); i++) {
      take_over_rule(i, before, now);
      publish(i);
    }
  }

  void take_over_rule(size_t i, Runner* before, Timestamp now) SONDE_REQUIRES(mu) {
    std::string key = group.rules[i].key(group.name);
    if (before) {
      MutexLock other(before->mu);
      for (size_t j = 0; j < before->rules.size(); j++) {
        if (before->group.rules[j].key(group.name) != key) continue;
        rules[i].alerts = std::move(before->rules[j].alerts);
        rules[i].series = std::move(before->rules[j].series);
        before->rules[j].alerts = {};
        before->rules[j].series.clear();
        return;
      }
    }
    if (!group.rules[i].alerting) return;
    auto remembered = shared->book.load(key);
    if (!remembered) {
      shared->stats.book_errors++;
      return;
    }
    if (remembered->alerts.empty() || now - remembered->saved_at > shared->options.outage_tolerance) return;
    rules[i].alerts.restore(std::move(remembered->alerts), remembered->saved_at, now,
                            now + group.interval * 2 + Duration::seconds(30));
  }

  // No evaluation begins any more, and the query under way ends soon.
  void halt() {
    stopped = true;
    MutexLock lock(status_mu);
    current.cancel();
  }

  void publish(size_t i) SONDE_REQUIRES(mu) {
    RuleStatus status = rules[i].status;
    for (const auto& [labels, a] : rules[i].alerts.alerts()) {
      if (a.state != AlertState::kInactive) status.alerts.push_back(a);
    }
    std::sort(status.alerts.begin(), status.alerts.end(),
              [](const Alert& a, const Alert& b) { return a.labels < b.labels; });
    MutexLock lock(status_mu);
    published.rules[i] = std::move(status);
  }

  // Ends the series of rules whose state nobody took over, and tells that their alerts are over.
  void end() {
    Timestamp now = shared->scheduler.clock().timestamp();
    storage::Batch batch;
    batch.origin = storage::Origin::kRules;
    batch.source = "rules";
    std::vector<Alert> resolved;
    MutexLock lock(mu);
    for (size_t i = 0; i < rules.size(); i++) {
      RuleState& rule = rules[i];
      for (const LabelSet& labels : rule.series) batch.add_float(batch.add_series(labels), now, stale_nan());
      std::vector<AlertTransition> changes;
      for (const auto& [labels, a] : rule.alerts.alerts()) {
        if (a.state == AlertState::kInactive) continue;
        changes.push_back(
            {now, group.name, group.rules[i].name, labels, a.state, AlertState::kInactive, a.value});
        if (a.state != AlertState::kFiring) continue;
        Alert copy = a;
        copy.state = AlertState::kInactive;
        copy.resolved_at = now;
        copy.ends_at = now;
        resolved.push_back(std::move(copy));
      }
      if (!changes.empty() && !shared->book.save(group.rules[i].key(group.name), {}, changes, now))
        shared->stats.book_errors++;
    }
    shared->commit(std::move(batch));
    if (!resolved.empty()) shared->on_alerts(resolved);
  }

  void start() {
    const Clock& clock = shared->scheduler.clock();
    int64_t interval = group.interval.ns;
    auto offset = static_cast<int64_t>(hash_bytes(group.key()) % static_cast<uint64_t>(interval));
    int64_t wait = offset - clock.now().ns % interval;
    if (wait < 0) wait += interval;
    arm(clock.monotonic() + Duration{wait});
  }

  void arm(MonotonicTime when) {
    shared->scheduler.at(when, [weak = weak_from_this(), when] {
      if (auto self = weak.lock()) self->tick(when);
    });
  }

  void tick(MonotonicTime scheduled) {
    if (stopped) return;
    int64_t behind = std::max<int64_t>(0, (shared->scheduler.clock().monotonic() - scheduled).ns);
    arm(scheduled + group.interval * (1 + behind / group.interval.ns));
    Timestamp t = shared->scheduler.clock().timestamp();
    if (running.exchange(true)) {
      shared->stats.missed++;
      return;
    }
    bool taken = shared->executor.submit([self = shared_from_this(), t] {
      if (!self->stopped) self->evaluate(t);
      self->running = false;
    });
    if (!taken) {
      running = false;
      shared->stats.missed++;
    }
  }

  void evaluate(Timestamp t) {
    const Clock& clock = shared->scheduler.clock();
    MonotonicTime began = clock.monotonic();
    MutexLock lock(mu);
    for (size_t i = 0; i < rules.size(); i++) {
      if (stopped) return;
      evaluate_rule(i, t);
      publish(i);
    }
    MutexLock publishing(status_mu);
    published.last_evaluation = EventTime::from_timestamp(t);
    published.evaluation_time = clock.monotonic() - began;
  }

  void evaluate_rule(size_t i, Timestamp t) SONDE_REQUIRES(mu) {
    const Clock& clock = shared->scheduler.clock();
    const Rule& rule = group.rules[i];
    RuleState& state = rules[i];
    MonotonicTime began = clock.monotonic();
    EvaluationContext context{shared->engine, external_labels, shared->options.external_url,
                              Cancellation::create(&clock, began + shared->options.timeout)};
    {
      MutexLock lock(status_mu);
      current = context.cancel;
    }
    if (stopped) return;
    std::vector<AlertTransition> changes;
    auto output = rule.alerting ? state.alerts.evaluate(rule, group.name, t, group.query_offset, group.limit,
                                                        context, changes)
                                : evaluate_recording(rule, t, group.query_offset, group.limit, context);
    if (!output && stopped) return;  // interrupted
    shared->stats.evaluations++;
    state.status.last_evaluation = EventTime::from_timestamp(t);
    state.status.evaluation_time = clock.monotonic() - began;
    if (rule.alerting) save(rule, state, changes, t);
    if (!output) {
      shared->stats.failures++;
      state.status.health = RuleHealth::kError;
      state.status.last_error = output.error().to_string();
      state.status.warnings.clear();
      return;
    }
    state.status.health = RuleHealth::kOk;
    state.status.last_error.clear();
    state.status.warnings = std::move(output->warnings);
    state.status.last_samples = output->samples.size();
    store(state, *output, t);
    if (!rule.alerting) return;
    auto alerts = state.alerts.to_send(t, shared->options.resend_delay, group.interval,
                                       expression_url(shared->options.external_url, rule.query));
    if (!alerts.empty()) shared->on_alerts(alerts);
  }

  // The rule's samples, and the end of series that it no longer makes.
  void store(RuleState& state, const RuleOutput& output, Timestamp t) {
    storage::Batch batch;
    batch.origin = storage::Origin::kRules;
    batch.source = "rules";
    std::vector<LabelSet> series;
    series.reserve(output.samples.size());
    for (const RuleSample& s : output.samples) {
      uint32_t index = batch.add_series(s.labels);
      if (s.histogram) {
        batch.histograms.push_back({index, t, s.histogram, {}});
      } else {
        batch.add_float(index, t, s.value);
      }
      series.push_back(s.labels);
    }
    std::sort(series.begin(), series.end());
    for (const LabelSet& old : state.series) {
      if (!std::binary_search(series.begin(), series.end(), old))
        batch.add_float(batch.add_series(old), t, stale_nan());
    }
    state.series = std::move(series);
    shared->commit(std::move(batch));
  }

  void save(const Rule& rule, RuleState& state, const std::vector<AlertTransition>& changes, Timestamp t) {
    bool has_alerts = !state.alerts.alerts().empty();
    if (changes.empty() && !(has_alerts && t - state.saved_at >= kSaveInterval)) return;
    std::vector<Alert> alerts;
    for (const auto& [labels, a] : state.alerts.alerts()) alerts.push_back(a);
    if (shared->book.save(rule.key(group.name), alerts, changes, t)) {
      state.saved_at = t;
    } else {
      shared->stats.book_errors++;
    }
  }

  GroupStatus status() const {
    MutexLock lock(status_mu);
    return published;
  }
};

Manager::Manager(const promql::Engine& engine, storage::Appender& appender, state::AlertBook& book,
                 Scheduler& scheduler, Executor& executor, OnAlerts on_alerts, Options options)
    : state_(std::make_shared<State>(engine, appender, book, scheduler, executor, std::move(on_alerts),
                                     std::move(options))) {}

Manager::~Manager() { stop(); }

void Manager::apply(std::vector<Group> groups, LabelSet external_labels) {
  std::vector<std::shared_ptr<Runner>> ended, begun;
  {
    MutexLock lock(state_->mu);
    std::map<std::string, std::shared_ptr<Runner>> next;
    for (Group& group : groups) {
      std::string key = group.key();
      auto known = state_->runners.find(key);
      if (known != state_->runners.end() && same(known->second->group, group) &&
          known->second->external_labels == external_labels) {
        next.insert(*known);
        state_->runners.erase(known);
        continue;
      }
      auto runner = std::make_shared<Runner>(state_, std::move(group), external_labels);
      Runner* before = nullptr;
      if (known != state_->runners.end()) {
        before = known->second.get();
        before->halt();
        ended.push_back(known->second);
        state_->runners.erase(known);
      }
      runner->take_over(before);
      begun.push_back(runner);
      next.emplace(std::move(key), std::move(runner));
    }
    for (auto& [key, runner] : state_->runners) {
      runner->halt();
      ended.push_back(runner);
    }
    state_->runners = std::move(next);
  }
  for (auto& runner : ended) runner->end();
  for (auto& runner : begun) runner->start();
}

void Manager::stop() {
  MutexLock lock(state_->mu);
  for (auto& [key, runner] : state_->runners) runner->halt();
  state_->runners.clear();
}

std::vector<GroupStatus> Manager::groups() const {
  std::vector<std::shared_ptr<Runner>> all;
  {
    MutexLock lock(state_->mu);
    for (const auto& [key, runner] : state_->runners) all.push_back(runner);
  }
  std::vector<GroupStatus> out;
  for (const auto& runner : all) out.push_back(runner->status());
  return out;
}

const RulesStats& Manager::stats() const { return state_->stats; }

}  // namespace sonde::rules

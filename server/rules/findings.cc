#include "rules/findings.h"

#include <algorithm>
#include <set>
#include <utility>

#include "promql/parser.h"
#include "rules/findings/checks.h"

namespace sonde::rules {

namespace {

constexpr size_t kFindingsPerRuleMax = 20;

// Two rules of a group may be the same but for their labels.
std::string key_of(const std::string& group, const Rule& rule) {
  return rule.key(group) + "\n" + std::to_string(rule.line);
}

}  // namespace

const char* to_string(Severity severity) { return severity == Severity::kError ? "error" : "warning"; }

FindingsAnalyst::FindingsAnalyst(const storage::MetricStore& store, const promql::Engine& engine,
                                 const Clock& clock, Options options)
    : store_(store), engine_(engine), clock_(clock), options_(std::move(options)) {}

std::vector<Finding> FindingsAnalyst::analyse(const std::vector<GroupStatus>& groups) const {
  struct Place {
    const GroupStatus* group;
    const RuleStatus* rule;
    std::string key;
  };
  std::vector<Place> places;
  std::set<std::string> recorded;
  for (const GroupStatus& group : groups) {
    for (const RuleStatus& rule : group.rules) {
      places.push_back({&group, &rule, key_of(group.name, rule.rule)});
      if (!rule.rule.alerting) recorded.insert(rule.rule.name);
    }
  }

  MutexLock lock(mu_);
  const Timestamp now = clock_.timestamp();
  const MonotonicTime deadline = clock_.monotonic() + options_.budget;
  const Cancellation cancel = Cancellation::create(&clock_, deadline);
  const findings::Evidence evidence(store_, now, {options_.history, options_.series_max, options_.values_max},
                                    cancel);

  std::set<std::string> keys;
  for (const Place& p : places) keys.insert(p.key);
  std::erase_if(known_, [&](const auto& entry) { return !keys.contains(entry.first); });

  // Where the last call ran out of time, this one begins.
  size_t start = places.empty() ? 0 : cursor_ % places.size();
  cursor_ = 0;
  for (size_t i = 0; i < places.size(); i++) {
    size_t at = (start + i) % places.size();
    const Place& p = places[at];
    const Rule& rule = p.rule->rule;
    if (!rule.expr || !promql::parse(rule.query, engine_.options().parser)) continue;
    std::vector<findings::Found> found =
        findings::check_rule({*p.rule, engine_, evidence, recorded, options_});
    if (cancel.expired() && i > 0) {  // incomplete; the first one counts, lest one slow rule stop all others
      cursor_ = at;
      break;
    }
    Known& known = known_[p.key];
    std::map<std::string, Timestamp> since;
    known.findings.clear();
    for (findings::Found& f : found) {
      std::string subject = f.class_name + "\n" + f.subject;
      auto before = known.since.find(subject);
      Timestamp first = before == known.since.end() ? now : before->second;
      if (!since.emplace(std::move(subject), first).second) continue;  // the same selector twice in a rule
      if (known.findings.size() == kFindingsPerRuleMax) break;
      known.findings.push_back({std::move(f.class_name), f.severity, std::move(f.message), rule.query,
                                std::move(f.rewrite), p.group->name, rule.name, rule.file, rule.line, first});
    }
    known.since = std::move(since);
    if (cancel.expired()) {
      cursor_ = at + 1;
      break;
    }
  }

  std::vector<Finding> out;
  for (const Place& p : places) {
    auto known = known_.find(p.key);
    if (known == known_.end()) continue;
    out.insert(out.end(), known->second.findings.begin(), known->second.findings.end());
  }
  latest_ = out;
  return out;
}

std::vector<Finding> FindingsAnalyst::latest() const {
  MutexLock lock(mu_);
  return latest_;
}

std::vector<Finding> FindingsAnalyst::latest_of(const std::string& group, const Rule& rule) const {
  MutexLock lock(mu_);
  auto known = known_.find(key_of(group, rule));
  return known == known_.end() ? std::vector<Finding>{} : known->second.findings;
}

}  // namespace sonde::rules

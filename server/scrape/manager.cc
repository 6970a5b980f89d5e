#include "scrape/manager.h"

#include <map>

#include "base/mutex.h"

namespace sonde::scrape {

// One job with its discoverers and loops.
struct Manager::Pool {
  Pool(const ScrapeContext& c, std::shared_ptr<const ScrapeJob> j) : context(c), job(std::move(j)) {}

  const ScrapeContext& context;
  const std::shared_ptr<const ScrapeJob> job;
  // Taken before a discoverer's own lock, which is taken before mu: they call back.
  mutable Mutex discoverers_mu;
  std::vector<std::unique_ptr<discovery::Discoverer>> discoverers SONDE_GUARDED_BY(discoverers_mu);
  mutable Mutex mu;
  std::vector<std::vector<discovery::TargetGroup>> groups SONDE_GUARDED_BY(mu);  // by discoverer
  std::map<std::string, std::unique_ptr<ScrapeLoop>> loops SONDE_GUARDED_BY(mu);
  TargetList found SONDE_GUARDED_BY(mu);
  bool over_target_limit SONDE_GUARDED_BY(mu) = false;
  bool stopped SONDE_GUARDED_BY(mu) = false;

  void start() {
    MutexLock discovering(discoverers_mu);
    for (const auto& make : job->discoverers) discoverers.push_back(make());
    {
      MutexLock lock(mu);
      groups.resize(discoverers.size());
    }
    for (size_t i = 0; i < discoverers.size(); i++) {
      discoverers[i]->start([this, i](std::vector<discovery::TargetGroup> g) { update(i, std::move(g)); });
    }
  }

  void update(size_t discoverer, std::vector<discovery::TargetGroup> g) {
    MutexLock lock(mu);
    if (stopped) return;
    groups[discoverer] = std::move(g);
    std::vector<discovery::TargetGroup> all;
    for (const auto& one : groups) all.insert(all.end(), one.begin(), one.end());
    found = make_targets(*job, all);
    std::string forced;
    if (job->limits.targets_max > 0 && found.active.size() > job->limits.targets_max) {
      forced = "target_limit exceeded (number of targets: " + std::to_string(found.active.size()) +
               ", limit: " + std::to_string(job->limits.targets_max) + ")";
    }
    bool limit_changed = forced.empty() == over_target_limit;
    over_target_limit = !forced.empty();
    std::map<std::string, std::unique_ptr<ScrapeLoop>> next;
    for (Target& target : found.active) {
      std::string key = target.key();
      auto known = loops.find(key);
      if (known != loops.end() && !limit_changed) {
        next.emplace(key, std::move(known->second));
        loops.erase(known);
        continue;
      }
      auto loop = std::make_unique<ScrapeLoop>(context, job, target);
      loop->start(forced);
      next.emplace(std::move(key), std::move(loop));
    }
    for (auto& [key, loop] : loops) loop->stop(!limit_changed);
    loops = std::move(next);
  }

  void stop(bool end_series) {
    {
      MutexLock discovering(discoverers_mu);
      discoverers.clear();  // before the lock: a callback may be running, and it takes the lock
    }
    MutexLock lock(mu);
    stopped = true;
    for (auto& [key, loop] : loops) loop->stop(end_series);
    loops.clear();
  }

  PoolStatus status() const {
    PoolStatus out;
    out.job = job->name;
    {
      MutexLock discovering(discoverers_mu);
      for (const auto& d : discoverers) {
        for (std::string& e : d->errors()) out.errors.push_back(std::move(e));
      }
    }
    MutexLock lock(mu);
    for (const auto& [key, loop] : loops) out.active.push_back(loop->status());
    out.dropped_count = found.dropped.size();
    uint64_t keep = job->limits.dropped_targets_kept_max > 0 ? job->limits.dropped_targets_kept_max : 1000;
    for (const DroppedTarget& d : found.dropped) {
      if (out.dropped.size() >= keep) break;
      out.dropped.push_back(d);
    }
    out.errors.insert(out.errors.end(), found.errors.begin(), found.errors.end());
    return out;
  }
};

struct Manager::State {
  explicit State(const ScrapeContext& c) : context(c) {}
  const ScrapeContext context;
  mutable Mutex mu;
  std::map<std::string, std::shared_ptr<Pool>> pools SONDE_GUARDED_BY(mu);
};

Manager::Manager(const ScrapeContext& context) : state_(std::make_unique<State>(context)) {}
Manager::~Manager() { stop(); }

void Manager::apply(std::vector<ScrapeJob> jobs) {
  std::vector<std::shared_ptr<Pool>> begin, gone, replaced;
  {
    MutexLock lock(state_->mu);
    std::map<std::string, std::shared_ptr<Pool>> next;
    for (ScrapeJob& job : jobs) {
      auto known = state_->pools.find(job.name);
      if (known != state_->pools.end() && known->second->job->fingerprint == job.fingerprint) {
        next.insert(*known);
        state_->pools.erase(known);
        continue;
      }
      if (known != state_->pools.end()) {
        replaced.push_back(known->second);
        state_->pools.erase(known);
      }
      std::string name = job.name;
      auto pool = std::make_shared<Pool>(state_->context, std::make_shared<const ScrapeJob>(std::move(job)));
      begin.push_back(pool);
      next.emplace(std::move(name), std::move(pool));
    }
    for (auto& [name, pool] : state_->pools) gone.push_back(pool);
    state_->pools = std::move(next);
  }
  for (auto& pool : replaced) pool->stop(false);
  for (auto& pool : gone) pool->stop(true);
  for (auto& pool : begin) pool->start();
}

void Manager::stop() {
  std::map<std::string, std::shared_ptr<Pool>> all;
  {
    MutexLock lock(state_->mu);
    all.swap(state_->pools);
  }
  for (auto& [name, pool] : all) pool->stop(false);
}

std::vector<PoolStatus> Manager::pools() const {
  std::vector<std::shared_ptr<Pool>> all;
  {
    MutexLock lock(state_->mu);
    for (const auto& [name, pool] : state_->pools) all.push_back(pool);
  }
  std::vector<PoolStatus> out;
  for (const auto& pool : all) out.push_back(pool->status());
  return out;
}

}  // namespace sonde::scrape

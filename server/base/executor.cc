#include "base/executor.h"

#include <pthread.h>

#include <deque>
#include <map>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace sonde {

struct ThreadPool::State {
  Options options;
  mutable Mutex mu;
  CondVar ready;
  std::deque<Task> queue SONDE_GUARDED_BY(mu);
  bool stopping SONDE_GUARDED_BY(mu) = false;
  uint64_t rejected SONDE_GUARDED_BY(mu) = 0;
  std::vector<std::thread> threads;

  void run() {
    for (;;) {
      Task task;
      {
        MutexLock lock(mu);
        while (queue.empty() && !stopping) ready.wait(mu);
        if (queue.empty()) return;
        task = std::move(queue.front());
        queue.pop_front();
      }
      task();
    }
  }
};

ThreadPool::ThreadPool(Options options) : state_(std::make_unique<State>()) {
  state_->options = options;
  for (size_t i = 0; i < options.threads; i++) {
    state_->threads.emplace_back([s = state_.get()] { s->run(); });
    pthread_setname_np(state_->threads.back().native_handle(), options.name);
  }
}

ThreadPool::~ThreadPool() { stop(); }

bool ThreadPool::submit(Task task) {
  {
    MutexLock lock(state_->mu);
    if (state_->stopping || state_->queue.size() >= state_->options.queue_length_max) {
      state_->rejected++;
      return false;
    }
    state_->queue.push_back(std::move(task));
  }
  state_->ready.notify_one();
  return true;
}

size_t ThreadPool::queue_length() const {
  MutexLock lock(state_->mu);
  return state_->queue.size();
}

uint64_t ThreadPool::rejected_count() const {
  MutexLock lock(state_->mu);
  return state_->rejected;
}

void ThreadPool::stop() {
  {
    MutexLock lock(state_->mu);
    state_->stopping = true;
  }
  state_->ready.notify_all();
  for (auto& t : state_->threads) {
    if (t.joinable()) t.join();
  }
}

struct SystemScheduler::State {
  Clock& clock;
  Mutex mu;
  CondVar changed;
  std::map<std::pair<int64_t, TimerId>, Task> timers SONDE_GUARDED_BY(mu);
  std::map<TimerId, int64_t> due SONDE_GUARDED_BY(mu);
  TimerId next_id SONDE_GUARDED_BY(mu) = 1;
  bool stopping SONDE_GUARDED_BY(mu) = false;
  std::thread thread;

  explicit State(Clock& c) : clock(c) {}

  void run() {
    for (;;) {
      Task task;
      {
        MutexLock lock(mu);
        while (!stopping) {
          if (timers.empty()) {
            changed.wait(mu);
            continue;
          }
          int64_t wait_ns = timers.begin()->first.first - clock.monotonic().ns;
          if (wait_ns <= 0) break;
          changed.wait_for_ns(mu, wait_ns);
        }
        if (stopping) return;
        auto first = timers.begin();
        task = std::move(first->second);
        due.erase(first->first.second);
        timers.erase(first);
      }
      task();
    }
  }
};

SystemScheduler::SystemScheduler(Clock& clock) : state_(std::make_unique<State>(clock)) {
  state_->thread = std::thread([s = state_.get()] { s->run(); });
  pthread_setname_np(state_->thread.native_handle(), "scheduler");
}

SystemScheduler::~SystemScheduler() { stop(); }

void SystemScheduler::stop() {
  {
    MutexLock lock(state_->mu);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

TimerId SystemScheduler::at(MonotonicTime when, Task task) {
  TimerId id = 0;
  {
    MutexLock lock(state_->mu);
    id = state_->next_id++;
    state_->timers.emplace(std::pair{when.ns, id}, std::move(task));
    state_->due[id] = when.ns;
  }
  state_->changed.notify_all();
  return id;
}

bool SystemScheduler::cancel(TimerId id) {
  MutexLock lock(state_->mu);
  auto it = state_->due.find(id);
  if (it == state_->due.end()) return false;
  state_->timers.erase({it->second, id});
  state_->due.erase(it);
  return true;
}

Clock& SystemScheduler::clock() { return state_->clock; }

struct VirtualScheduler::State {
  VirtualClock& clock;
  std::map<std::pair<int64_t, TimerId>, Task> timers;
  TimerId next_id = 1;
};

VirtualScheduler::VirtualScheduler(VirtualClock& clock) : state_(new State{clock, {}, 1}) {}
VirtualScheduler::~VirtualScheduler() = default;

TimerId VirtualScheduler::at(MonotonicTime when, Task task) {
  TimerId id = state_->next_id++;
  state_->timers.emplace(std::pair{when.ns, id}, std::move(task));
  return id;
}

bool VirtualScheduler::cancel(TimerId id) {
  for (auto it = state_->timers.begin(); it != state_->timers.end(); ++it) {
    if (it->first.second == id) {
      state_->timers.erase(it);
      return true;
    }
  }
  return false;
}

Clock& VirtualScheduler::clock() { return state_->clock; }

void VirtualScheduler::advance(Duration d) {
  MonotonicTime end = state_->clock.monotonic() + d;
  while (!state_->timers.empty() && state_->timers.begin()->first.first <= end.ns) {
    auto first = state_->timers.begin();
    int64_t due_ns = first->first.first;
    Task task = std::move(first->second);
    state_->timers.erase(first);
    int64_t ahead = due_ns - state_->clock.monotonic().ns;
    if (ahead > 0) state_->clock.advance({ahead});
    task();
  }
  if (state_->clock.monotonic() < end) state_->clock.advance(end - state_->clock.monotonic());
}

}  // namespace sonde

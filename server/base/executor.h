// Where background work runs, and when: bounded executors and a scheduler, injected so that tests can drive
// both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"

namespace sonde {

using Task = std::function<void()>;

// Runs tasks somewhere. Threads: `submit` from any thread.
class Executor {
 public:
  virtual ~Executor() = default;
  // False when the queue is full or the executor stops; the task was then not taken, and will not run.
  [[nodiscard]] virtual bool submit(Task task) = 0;
  virtual size_t queue_length() const = 0;
  virtual uint64_t rejected_count() const = 0;  // tasks turned away since the start
};

// Runs every task at once, on the caller's thread. For tests and virtual time.
class InlineExecutor final : public Executor {
 public:
  bool submit(Task task) override {
    task();
    return true;
  }
  size_t queue_length() const override { return 0; }
  uint64_t rejected_count() const override { return 0; }
};

// A fixed number of threads behind one bounded queue. The destructor finishes what was taken, then joins.
class ThreadPool final : public Executor {
 public:
  struct Options {
    const char* name = "pool";  // thread name, at most 15 bytes
    size_t threads = 2;
    size_t queue_length_max = 1024;
  };
  explicit ThreadPool(Options options);
  ~ThreadPool() override;
  bool submit(Task task) override;
  size_t queue_length() const override;
  uint64_t rejected_count() const override;
  // Refuses new tasks, waits until those taken have run, joins. Idempotent.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

using TimerId = uint64_t;

// Calls tasks at points of the monotonic clock. Tasks are short or hand over to an executor.
// Threads: any. A task runs on the scheduler's thread (system) or inside advance() (virtual).
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual TimerId at(MonotonicTime when, Task task) = 0;
  // True when the task was removed before it began.
  virtual bool cancel(TimerId id) = 0;
  virtual Clock& clock() = 0;
  TimerId after(Duration delay, Task task) { return at(clock().monotonic() + delay, std::move(task)); }
};

// One thread. The destructor drops what has not begun and joins.
class SystemScheduler final : public Scheduler {
 public:
  explicit SystemScheduler(Clock& clock);
  ~SystemScheduler() override;
  TimerId at(MonotonicTime when, Task task) override;
  bool cancel(TimerId id) override;
  Clock& clock() override;
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Single-threaded: tasks run in order of time inside `advance`, with the clock standing at each one's time.
class VirtualScheduler final : public Scheduler {
 public:
  explicit VirtualScheduler(VirtualClock& clock);
  ~VirtualScheduler() override;
  TimerId at(MonotonicTime when, Task task) override;
  bool cancel(TimerId id) override;
  Clock& clock() override;
  void advance(Duration d);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde

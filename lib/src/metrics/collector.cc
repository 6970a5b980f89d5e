#include "metrics/collector.h"

#include <new>

#include "runtime/fork.h"
#include "runtime/lane.h"

namespace sonde::inline v1::detail {

namespace {
// A union keeps the mutex from being destroyed at exit, and lets the child of a fork make it anew.
union Immortal {
  std::mutex mutex;
  constexpr Immortal() : mutex() {}
  ~Immortal() {}
};
constinit Immortal g_scrape;
constinit std::atomic<Collector*> g_collectors{nullptr};  // changed under g_scrape
}  // namespace

std::mutex& scrape_mutex() noexcept { return g_scrape.mutex; }

bool add_collector(Collector* collector) noexcept {
  ensure_runtime();
  std::lock_guard lock(g_scrape.mutex);
  collector->next = g_collectors.load(std::memory_order_relaxed);
  g_collectors.store(collector, std::memory_order_release);
  return true;
}

void remove_collector(Collector* collector) noexcept {
  {
    std::lock_guard lock(g_scrape.mutex);
    Collector* head = g_collectors.load(std::memory_order_relaxed);
    if (head == collector) {
      g_collectors.store(collector->next, std::memory_order_release);
    } else {
      for (Collector* c = head; c != nullptr; c = c->next) {
        if (c->next != collector) continue;
        c->next = collector->next;
        break;
      }
    }
  }
  collector->destroy(collector);
}

void run_collectors(MetricSink& sink) noexcept {
  for (Collector* c = g_collectors.load(std::memory_order_acquire); c != nullptr; c = c->next) {
    c->collect(c, sink);
  }
}

// The scrape that held it does not exist in the child. It is not taken before the fork: a collector may fork.
void reset_scrape_after_fork() noexcept { new (&g_scrape.mutex) std::mutex(); }

}  // namespace sonde::inline v1::detail

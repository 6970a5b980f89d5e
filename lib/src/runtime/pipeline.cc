#include "runtime/pipeline.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>

#include "export/exporter.h"
#include "export/otlp.h"
#include "log/json.h"
#include "metrics/family.h"
#include "runtime/fork.h"
#include "runtime/lane.h"
#include "runtime/settings.h"
#include "runtime/time.h"
#include "sonde/span.h"
#include "trace/sampler.h"

namespace sonde::inline v1 {

namespace detail {

int64_t monotonic_ns() noexcept { return read_clock(CLOCK_MONOTONIC); }

namespace {

constexpr size_t kWriteBytes = 64 << 10;
constexpr int64_t kPollMinMs = 2;
constexpr int64_t kPollMaxMs = 64;
constexpr int64_t kOvertimeMs = 30;  // what shutdown() adds for threads that are just finishing

enum class Phase : uint8_t { kOff, kRunning, kForked };

constinit std::atomic<Phase> g_phase{Phase::kOff};
constinit std::atomic<uint32_t> g_ring_capacity{64 << 10};
constinit std::atomic<int64_t> g_unix_offset{0};
// The backend sleeps on this word: 1 while asleep.
constinit std::atomic<uint32_t> g_asleep{0};

void wake_backend() noexcept {
  if (g_asleep.load(std::memory_order_relaxed) == 0 || g_asleep.exchange(0) == 0) return;
  syscall(SYS_futex, &g_asleep, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void sleep_backend(int64_t ms) noexcept {
  timespec t{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000 * 1'000'000)};
  syscall(SYS_futex, &g_asleep, FUTEX_WAIT_PRIVATE, 1, &t, nullptr, 0);
  g_asleep.store(0);
}

void refresh_offset() noexcept { g_unix_offset.store(unix_ns() - monotonic_ns(), std::memory_order_relaxed); }

}  // namespace

uint32_t ring_capacity() noexcept { return g_ring_capacity.load(std::memory_order_relaxed); }
int64_t unix_offset_ns() noexcept { return g_unix_offset.load(std::memory_order_relaxed); }

// The two threads and what they own. Made by init(); destroyed by the last of shutdown() and the two threads.
class Pipeline {
 public:
  explicit Pipeline(std::shared_ptr<const Settings> settings, int log_fd)
      : settings_(std::move(settings)), log_fd_(log_fd) {
    out_.reserve(2 * kWriteBytes);
    if (settings_->transport != nullptr && settings_->exports()) {
      exporter_ = std::make_unique<Exporter>(ExporterOptions{
          settings_->transport, settings_->endpoint + "/v1/traces", settings_->endpoint + "/v1/logs",
          settings_->header_lines, settings_->timeout_ms, settings_->queue_bytes});
    }
  }
  ~Pipeline() {
    if (log_fd_ > 2) close(log_fd_);
  }

  const std::shared_ptr<const Settings>& settings() const { return settings_; }
  int log_fd() const { return log_fd_; }

  // False if the backend could not be started. Each thread holds `self` for as long as it runs.
  static bool start(const std::shared_ptr<Pipeline>& self) noexcept {
    if (!spawn(self, "sonde-backend", &Pipeline::run_backend)) return false;
    if (self->exporter_ != nullptr && !spawn(self, "sonde-export", &Pipeline::run_exporter)) {
      self->exporter_lost_.store(true);
    }
    return true;
  }

  // Everything that is in a ring now, through to the file and the collector.
  bool flush_until(std::chrono::steady_clock::time_point deadline) noexcept {
    std::unique_lock lock(mu_);
    uint64_t wanted = ++flush_wanted_;
    if (exporter_ != nullptr) exporter_->hurry();
    wake_backend();
    auto written = [&] { return flush_done_ >= wanted || backend_ended_; };
    // wait_until on a predicate re-checks, so that a wake-up that got lost costs a poll interval at most.
    if (!changed_.wait_until(lock, deadline, written)) return false;
    bool ok = flush_ok_;
    lock.unlock();
    if (exporter_ == nullptr || exporter_lost_.load()) return ok;
    uint64_t target = exporter_->pushed();
    while (exporter_->settled() < target) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::unique_lock again(mu_);
      auto step = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
      changed_.wait_until(again, std::min(step, deadline));
    }
    return ok;
  }

  // Asks both threads to end; true if they did before the deadline.
  bool stop_until(std::chrono::steady_clock::time_point deadline) noexcept {
    stopping_.store(true);
    wake_backend();
    if (exporter_ != nullptr) exporter_->stop();
    std::unique_lock lock(mu_);
    return changed_.wait_until(lock, deadline, [&] { return threads_ == 0; });
  }

 private:
  using Body = void (Pipeline::*)() noexcept;
  struct Start {
    std::shared_ptr<Pipeline> self;
    Body body;
    const char* name;
  };

  static void* thread_main(void* argument) {
    std::unique_ptr<Start> start(static_cast<Start*>(argument));
    pthread_setname_np(pthread_self(), start->name);
    Pipeline& self = *start->self;
    (self.*start->body)();
    {
      std::lock_guard lock(self.mu_);
      self.threads_--;
    }
    self.changed_.notify_all();
    return nullptr;
  }

  static bool spawn(const std::shared_ptr<Pipeline>& self, const char* name, Body body) noexcept {
    auto* start = new (std::nothrow) Start{self, body, name};
    if (start == nullptr) return false;
    {
      std::lock_guard lock(self->mu_);
      self->threads_++;
    }
    // The library's threads take none of the host's signals.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    bool made = pthread_create(&thread, nullptr, thread_main, start) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (made) {
      pthread_detach(thread);
      return true;
    }
    delete start;
    std::lock_guard lock(self->mu_);
    self->threads_--;
    return false;
  }

  void run_exporter() noexcept { exporter_->run(); }

  void run_backend() noexcept {
    int64_t pause_ms = kPollMinMs;
    for (;;) {
      refresh_offset();
      uint64_t wanted;
      {
        std::lock_guard lock(mu_);
        wanted = flush_wanted_;
      }
      bool stopping = stopping_.load();
      bool worked = drain_rings();
      // Nobody else will read what came in while the rings were drained for the last time.
      if (stopping && worked) drain_rings();
      if (!out_.empty()) write_out();
      int64_t now = monotonic_ns();
      bool flushing = wanted != flush_done_;
      cut_batches(now, flushing || stopping);
      if (flushing) {
        std::lock_guard lock(mu_);
        flush_done_ = wanted;
        flush_ok_ = !lost_output_;
        lost_output_ = false;
      }
      if (flushing) changed_.notify_all();
      if (stopping) break;
      pause_ms = worked ? kPollMinMs : std::min(pause_ms * 2, kPollMaxMs);
      g_asleep.store(1);
      {
        std::lock_guard lock(mu_);
        if (flush_wanted_ != flush_done_) g_asleep.store(0);
      }
      if (stopping_.load()) g_asleep.store(0);
      sleep_backend(pause_ms);
    }
    {
      std::lock_guard lock(mu_);
      backend_ended_ = true;
    }
    changed_.notify_all();
  }

  // At most one ring's worth from each lane, so that a busy thread cannot starve the others.
  bool drain_rings() noexcept {
    bool worked = false;
    for (Lane* lane = first_lane(); lane != nullptr; lane = lane->next) {
      Ring* ring = lane->ring.load(std::memory_order_acquire);
      if (ring == nullptr) continue;
      uint64_t left = ring->capacity();  // all that is there now, so that flush() misses nothing
      while (const RecordHeader* record = ring->front()) {
        uint32_t size = record->size;
        take(*record);
        ring->pop();
        worked = true;
        if (size >= left) break;
        left -= size;
      }
    }
    return worked;
  }

  void take(const RecordHeader& record) noexcept {
    auto* body = reinterpret_cast<const char*>(&record + 1);
    bool is_log = record.type == RecordType::kLog;
    try {
      if (is_log) {
        LogHead head;
        std::memcpy(&head, body, sizeof head);
        take_log(head, body + sizeof head);
      } else {
        SpanHead head;
        std::memcpy(&head, body, sizeof head);
        take_span(head, body + sizeof head);
      }
    } catch (...) {
      count_drop(is_log ? Signal::kLogs : Signal::kSpans, DropReason::kNoMemory);
    }
    if (out_.size() >= kWriteBytes) write_out();
  }

  void take_log(const LogHead& head, const char* body) {
    if (settings_->log_lines) {
      append_log_json(out_, head, body, settings_->resource->service_name);
      out_lines_++;
    }
    if (exporter_ == nullptr || !settings_->export_logs) return;
    std::string_view name(head.logger, head.logger_size);
    auto it = std::find_if(logs_.begin(), logs_.end(), [&](const auto& s) { return s.first == name; });
    if (it == logs_.end()) it = logs_.emplace(logs_.end(), std::string(name), std::string());
    size_t before = it->second.size();
    append_otlp_log(it->second, head, body, head.unix_ns);
    log_bytes_ += it->second.size() - before;
    if (log_items_++ == 0) logs_since_ = monotonic_ns();
    if (log_bytes_ >= settings_->batch_bytes) cut_logs();
  }

  void take_span(const SpanHead& head, const char* body) {
    if (settings_->console_spans) {
      append_span_json(out_, head, body, settings_->resource->service_name);
      out_spans_++;
    }
    if (exporter_ == nullptr || !settings_->export_spans) return;
    if (spans_.empty()) spans_.emplace_back("sonde", std::string());
    append_otlp_span(spans_.back().second, head, body);
    if (span_items_++ == 0) spans_since_ = monotonic_ns();
    if (spans_.back().second.size() >= settings_->batch_bytes) cut_spans();
  }

  void cut_batches(int64_t now, bool all) noexcept {
    int64_t delay = settings_->batch_delay_ms * 1'000'000;
    if (log_items_ != 0 && (all || now - logs_since_ >= delay)) cut_logs();
    if (span_items_ != 0 && (all || now - spans_since_ >= delay)) cut_spans();
  }

  void cut_logs() noexcept {
    cut(Signal::kLogs, logs_, log_items_);
    log_bytes_ = 0;
  }
  void cut_spans() noexcept { cut(Signal::kSpans, spans_, span_items_); }

  void cut(Signal signal, Scopes& scopes, uint64_t& items) noexcept {
    try {
      exporter_->push(signal, otlp_request(*settings_->resource, scopes), items);
    } catch (...) {
      count_drop(signal, DropReason::kNoMemory, items);
    }
    items = 0;
    scopes.clear();
  }

  // Blocks if the file or pipe does: then the rings fill, and nobody else waits.
  void write_out() noexcept {
    size_t at = 0;
    while (at < out_.size()) {
      ssize_t n = write(log_fd_, out_.data() + at, out_.size() - at);
      if (n >= 0) {
        at += static_cast<size_t>(n);
        continue;
      }
      if (errno == EINTR) continue;
      if ((errno == EAGAIN || errno == EWOULDBLOCK) && !stopping_.load()) {
        pollfd p{log_fd_, POLLOUT, 0};
        poll(&p, 1, 50);
        continue;
      }
      // What was written is a prefix: the lines in it are not lost.
      auto lost =
          static_cast<uint64_t>(std::count(out_.begin() + static_cast<ptrdiff_t>(at), out_.end(), '\n'));
      uint64_t spans = std::min(lost, out_spans_);
      count_drop(Signal::kSpans, DropReason::kWriteFailed, spans);
      count_drop(Signal::kLogs, DropReason::kWriteFailed, lost - spans);
      lost_output_ = true;
      break;
    }
    out_.clear();
    out_lines_ = 0;
    out_spans_ = 0;
  }

  const std::shared_ptr<const Settings> settings_;
  const int log_fd_;
  std::unique_ptr<Exporter> exporter_;
  std::atomic<bool> exporter_lost_{false};
  std::atomic<bool> stopping_{false};

  std::mutex mu_;
  std::condition_variable changed_;
  int threads_ = 0;             // guarded by mu_
  bool backend_ended_ = false;  // guarded by mu_
  uint64_t flush_wanted_ = 0;   // guarded by mu_
  uint64_t flush_done_ = 0;     // written by the backend under mu_
  bool flush_ok_ = true;        // guarded by mu_

  // The backend's own.
  std::string out_;
  uint64_t out_lines_ = 0;
  uint64_t out_spans_ = 0;
  bool lost_output_ = false;
  Scopes logs_;
  uint64_t log_items_ = 0;
  size_t log_bytes_ = 0;
  int64_t logs_since_ = 0;
  Scopes spans_;
  uint64_t span_items_ = 0;
  int64_t spans_since_ = 0;
};

namespace {

// Never destroyed: static destructors of the host may still log.
union Immortals {
  struct {
    std::mutex mutex;  // init(), shutdown() and the restart in a child take turns
    std::shared_ptr<Pipeline> pipeline;
    std::weak_ptr<Pipeline> hanging;  // stopped, but a thread of it is still in a system call
  } v;
  constexpr Immortals() : v() {}
  ~Immortals() {}
};
constinit Immortals g;
constinit char g_problem[256] = {};

void set_problem(std::string_view text) noexcept {
  size_t n = std::min(text.size(), sizeof g_problem - 1);
  std::memcpy(g_problem, text.data(), n);
  g_problem[n] = '\0';
}

std::shared_ptr<Pipeline> current() noexcept {
  std::lock_guard lock(g.v.mutex);
  return g.v.pipeline;
}

// The first record of a child starts threads for it. The parent's object is left alone: its threads do not
// exist here and its locks may be held for ever.
void restart_in_child() noexcept try {
  std::lock_guard lock(g.v.mutex);
  if (g_phase.load() != Phase::kForked) return;
  auto* old = new std::shared_ptr<Pipeline>(std::move(g.v.pipeline));  // leaked
  auto made = std::make_shared<Pipeline>((*old)->settings(), dup((*old)->log_fd()));
  bool started = Pipeline::start(made);
  g.v.pipeline = started ? std::move(made) : nullptr;
  g_tracing.store(started && g.v.pipeline->settings()->spans_wanted(), std::memory_order_relaxed);
  g_phase.store(started ? Phase::kRunning : Phase::kOff);
} catch (...) {
  g_phase.store(Phase::kOff);
}

}  // namespace

RingWrite::RingWrite(Signal signal, RecordType type, uint32_t size) noexcept {
  Phase phase = g_phase.load(std::memory_order_relaxed);
  if (phase != Phase::kRunning) [[unlikely]] {
    if (phase == Phase::kForked) restart_in_child();
    if (g_phase.load() != Phase::kRunning) {
      count_drop(signal, signal == Signal::kLogs ? DropReason::kNotStarted : DropReason::kShutdown);
      return;
    }
  }
  ring_ = ring_of_thread();
  if (ring_ == nullptr) {
    count_drop(signal, DropReason::kNoMemory);
    return;
  }
  if (size > ring_->record_max()) {
    count_drop(signal, DropReason::kTooLarge);
    return;
  }
  bytes_ = ring_->reserve(size, type);
  if (bytes_ == nullptr) {
    count_drop(signal, DropReason::kRingFull);
    wake_backend();
  }
}

RingWrite::~RingWrite() {
  if (bytes_ == nullptr) return;
  ring_->publish();
  if (ring_->more_than_half()) wake_backend();
}

void lock_pipeline_for_fork() noexcept { g.v.mutex.lock(); }
void unlock_pipeline_after_fork() noexcept { g.v.mutex.unlock(); }

void reset_pipeline_after_fork() noexcept {
  for (Lane* lane = first_lane(); lane != nullptr; lane = lane->next) {
    if (Ring* ring = lane->ring.load(std::memory_order_relaxed); ring != nullptr) ring->discard();
  }
  g_asleep.store(0);
  if (g_phase.load() == Phase::kRunning) g_phase.store(Phase::kForked);
}

}  // namespace detail

using detail::g;

Telemetry init(const Options& options) noexcept try {
  detail::ensure_runtime();
  std::lock_guard lock(g.v.mutex);
  detail::set_problem("");
  if (g.v.pipeline != nullptr) {
    detail::set_problem("init: already started");
    return Telemetry();
  }
  // Its backend would read the same rings.
  if (!g.v.hanging.expired()) {
    detail::set_problem("init: a thread of the one before has not ended");
    return Telemetry();
  }
  auto settings = std::make_shared<detail::Settings>();
  std::string problem = detail::read_settings(options, *settings);
  if (!problem.empty()) detail::set_problem(problem);
  if (settings->disabled) {
    detail::set_problem("init: OTEL_SDK_DISABLED is set");
    return Telemetry();
  }
  int fd = STDOUT_FILENO;
  if (!settings->log_path.empty()) {
    fd = open(settings->log_path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
      detail::set_problem("log file " + settings->log_path +
                          ": cannot be opened, logging to standard output");
      fd = STDOUT_FILENO;
    }
  }
  // Published for expose(), which may be reading an earlier one: those are kept.
  detail::publish_resource(new detail::Resource(*settings->resource));
  detail::set_default_series_max(options.max_series);
  detail::set_sampler(settings->sampler);
  set_level(settings->level);
  uint32_t ring = std::clamp<uint32_t>(options.ring_bytes, 4096, 64 << 20);
  detail::g_ring_capacity.store(std::bit_ceil(ring), std::memory_order_relaxed);
  detail::refresh_offset();
  auto made = std::make_shared<detail::Pipeline>(settings, fd);
  if (!detail::Pipeline::start(made)) {
    detail::set_problem("init: no thread could be started");
    return Telemetry();
  }
  g.v.pipeline = std::move(made);
  detail::g_phase.store(detail::Phase::kRunning);
  detail::g_tracing.store(settings->spans_wanted(), std::memory_order_relaxed);
  return Telemetry(true);
} catch (...) {
  detail::set_problem("init: out of memory");
  return Telemetry();
}

std::string_view problem() noexcept { return detail::g_problem; }

bool flush(int64_t timeout_ms) noexcept {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  std::shared_ptr<detail::Pipeline> pipeline = detail::current();
  if (pipeline == nullptr || detail::g_phase.load() != detail::Phase::kRunning) return true;
  return pipeline->flush_until(deadline);
}

bool shutdown(int64_t timeout_ms) noexcept {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  std::shared_ptr<detail::Pipeline> pipeline;
  detail::Phase phase;
  {
    std::lock_guard lock(g.v.mutex);
    phase = detail::g_phase.load();
    detail::g_tracing.store(false, std::memory_order_relaxed);
    detail::g_phase.store(detail::Phase::kOff);
    pipeline = std::move(g.v.pipeline);
    g.v.pipeline = nullptr;
    if (phase == detail::Phase::kRunning) g.v.hanging = pipeline;
  }
  if (pipeline == nullptr) return true;
  if (phase != detail::Phase::kRunning) {
    new std::shared_ptr<detail::Pipeline>(std::move(pipeline));  // a forked child's: see restart_in_child()
    return true;
  }
  bool ok = pipeline->flush_until(deadline);
  auto end =
      std::max(deadline, std::chrono::steady_clock::now()) + std::chrono::milliseconds(detail::kOvertimeMs);
  if (!pipeline->stop_until(end)) return false;
  std::lock_guard lock(g.v.mutex);
  g.v.hanging.reset();
  return ok;
}

Telemetry& Telemetry::operator=(Telemetry&& o) noexcept {
  if (this != &o) {
    if (owner_) shutdown(5'000);
    owner_ = o.owner_;
    o.owner_ = false;
  }
  return *this;
}

Telemetry::~Telemetry() {
  if (owner_) shutdown(5'000);
}

}  // namespace sonde::inline v1

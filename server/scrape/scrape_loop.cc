#include "scrape/scrape_loop.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/mutex.h"
#include "scrape/exposition_intake.h"

namespace sonde::scrape {
namespace {

constexpr uint64_t kBodyBytesMax =
    64ULL << 20;  // when the configuration sets no limit: a target must not fill our memory

Duration max_drift(Duration interval) {
  return std::min(Duration::milliseconds(2), Duration{interval.ns / 100});
}

}  // namespace

const char* to_string(TargetHealth health) {
  switch (health) {
    case TargetHealth::kUnknown:
      return "unknown";
    case TargetHealth::kUp:
      return "up";
    case TargetHealth::kDown:
      return "down";
  }
  return "unknown";
}

std::string accept_header(const std::vector<std::string>& protocols) {
  struct Row {
    std::string_view protocol;
    std::string_view media;
  };
  static constexpr Row kRows[] = {
      {"OpenMetricsText1.0.0", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8"},
      {"OpenMetricsText0.0.1", "application/openmetrics-text;version=0.0.1"},
      {"PrometheusText1.0.0", "text/plain;version=1.0.0;escaping=allow-utf-8"},
      {"PrometheusText0.0.4", "text/plain;version=0.0.4"},
  };
  std::vector<std::string_view> media;
  if (protocols.empty()) {
    for (const Row& row : kRows) media.push_back(row.media);
  }
  for (const std::string& p : protocols) {
    for (const Row& row : kRows) {
      if (row.protocol == p) media.push_back(row.media);
    }
  }
  std::string out;
  int weight = static_cast<int>(media.size()) + 2;
  for (std::string_view m : media) {
    out += std::string(m) + ";q=0." + std::to_string(std::min(weight--, 9)) + ",";
  }
  return out + "*/*;q=0.2";
}

struct ScrapeLoop::State : std::enable_shared_from_this<State> {
  State(const ScrapeContext& c, std::shared_ptr<const ScrapeJob> j, Target t)
      : context(c), job(std::move(j)), target(std::move(t)) {}

  const ScrapeContext context;
  const std::shared_ptr<const ScrapeJob> job;
  const Target target;
  std::string forced_error;

  Mutex work_mu;     // held while an exposition is read, which may take long; taken before mu
  mutable Mutex mu;  // held briefly: the scheduler's thread takes it
  bool stopped SONDE_GUARDED_BY(mu) = false;
  bool end_series SONDE_GUARDED_BY(mu) = false;
  bool in_flight SONDE_GUARDED_BY(mu) = false;
  Timestamp last_time SONDE_GUARDED_BY(mu);  // of the last scrape, aligned
  Timestamp stop_time SONDE_GUARDED_BY(mu);
  TargetStatus status SONDE_GUARDED_BY(mu);
  SeriesCache cache SONDE_GUARDED_BY(work_mu);

  void arm(MonotonicTime when) {
    context.scheduler.at(when, [weak = weak_from_this(), when] {
      if (auto self = weak.lock()) self->tick(when);
    });
  }

  void tick(MonotonicTime scheduled) {
    Timestamp t;
    {
      MutexLock lock(mu);
      if (stopped) return;
      // After a pause (a suspended machine) the missed scrapes are left out.
      MonotonicTime now = context.scheduler.clock().monotonic();
      int64_t behind = std::max<int64_t>(0, (now - scheduled).ns);
      arm(scheduled + target.interval * (1 + behind / target.interval.ns));
      if (in_flight) {
        context.stats.skipped++;
        return;
      }
      in_flight = true;
      t = aligned_now();
      last_time = t;
    }
    MonotonicTime began = context.scheduler.clock().monotonic();
    if (!forced_error.empty()) {
      finish(t, began, fail(ErrorCode::kLimit, forced_error));
      return;
    }
    context.client.fetch(request(), [self = shared_from_this(), t,
                                     began](Result<net::ClientResponse> answer) {
      auto held = std::make_shared<Result<net::ClientResponse>>(std::move(answer));
      if (self->context.executor.submit([self, t, began, held] { self->finish(t, began, std::move(*held)); }))
        return;
      self->context.stats.skipped++;
      MutexLock lock(self->mu);
      self->in_flight = false;
    });
  }

  // Wall time, moved onto the grid of the last scrape when it is within the drift that timers have: equal
  // distances compress best.
  Timestamp aligned_now() SONDE_REQUIRES(mu) {
    Timestamp now = context.scheduler.clock().timestamp();
    if (last_time.ms == 0) return now;
    Timestamp expected = last_time + target.interval;
    int64_t off = std::abs((now - expected).ns);
    return off <= max_drift(target.interval).ns ? expected : now;
  }

  net::ClientRequest request() const {
    net::ClientRequest r;
    r.url = target.url;
    r.headers = job->headers;
    r.headers.set("Accept", accept_header(job->protocols));
    r.headers.set("Accept-Encoding", job->compression ? "gzip" : "identity");
    r.headers.set("User-Agent", "sonde");
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%g", target.timeout.to_seconds());
    r.headers.set("X-Prometheus-Scrape-Timeout-Seconds", seconds);
    r.timeout = target.timeout;
    r.tls = job->tls;
    r.redirects_max = job->follow_redirects ? 3 : 0;
    r.response_bytes_max = job->limits.body_bytes_max > 0 ? job->limits.body_bytes_max : kBodyBytesMax;
    return r;
  }

  void finish(Timestamp t, MonotonicTime began, Result<net::ClientResponse> answer) {
    MutexLock work(work_mu);
    {
      MutexLock lock(mu);
      if (stopped && !end_series) return;
    }
    context.stats.scrapes++;
    storage::Batch batch;
    batch.source = "scrape";
    IntakeCounts counts;
    std::string error;
    uint64_t body_bytes = 0;
    if (!answer) {
      error = answer.error().code == ErrorCode::kLimit && job->limits.body_bytes_max > 0
                  ? "body size limit exceeded"
                  : answer.error().to_string();
    } else if (answer->status != 200) {
      error = "server returned HTTP status " + std::to_string(answer->status);
    } else {
      body_bytes = answer->body.size();
      if (auto format = exposition_format(answer->headers.get("Content-Type"), *job); !format) {
        error = format.error().to_string();
      } else if (auto taken = take_exposition(answer->body, *format, *job, target, t, cache, batch, counts);
                 !taken) {
        bool placed = taken.error().line == 0 || taken.error().message.starts_with("line ");
        error = (placed ? "" : "line " + std::to_string(taken.error().line) + ": ") + taken.error().message;
      }
    }
    context.stats.samples_received += counts.scraped;
    context.stats.samples_dropped += counts.scraped - counts.after_relabeling;
    if (!error.empty()) {
      context.stats.failed++;
      context.stats.samples_discarded += counts.after_relabeling;
      batch = storage::Batch{};
      batch.source = "scrape";
      mark_all_stale(t, batch);
      counts.series_added = 0;
    }
    MonotonicTime now = context.scheduler.clock().monotonic();
    Duration took = now - began;
    report(t, error.empty(), took, counts, body_bytes, batch);
    commit(std::move(batch));
    MutexLock lock(mu);
    in_flight = false;
    status.health = error.empty() ? TargetHealth::kUp : TargetHealth::kDown;
    status.last_error = error;
    status.last_scrape = EventTime::from_timestamp(t);
    status.last_duration = took;
    status.last_samples = counts.scraped;
    status.last_body_bytes = body_bytes;
    status.series = cache.size();
  }

  void commit(storage::Batch batch) {
    context.appender.commit(std::move(batch), [&stats = context.stats](Result<storage::CommitOutcome> r) {
      if (!r) {
        stats.commit_errors++;
        return;
      }
      stats.samples_stored += r->floats_stored + r->histograms_stored;
      stats.samples_rejected += r->floats_rejected + r->histograms_rejected;
    });
  }

  void mark_all_stale(Timestamp t, storage::Batch& batch) SONDE_REQUIRES(work_mu) {
    for (const SeriesCache::Entry* e : cache.fail())
      batch.add_float(batch.add_series(e->labels, e->ref), t, stale_nan());
  }

  void report(Timestamp t, bool up, Duration took, const IntakeCounts& counts, uint64_t body_bytes,
              storage::Batch& batch) const {
    auto add = [&](std::string_view name, double v) {
      batch.add_float(batch.add_series(LabelBuilder(target.labels).set(kMetricName, name).build()), t, v);
    };
    add("up", up ? 1 : 0);
    add("scrape_duration_seconds", took.to_seconds());
    add("scrape_samples_scraped", static_cast<double>(counts.scraped));
    add("scrape_samples_post_metric_relabeling", static_cast<double>(counts.after_relabeling));
    add("scrape_series_added", static_cast<double>(counts.series_added));
    if (job->extra_metrics) {
      add("scrape_timeout_seconds", target.timeout.to_seconds());
      add("scrape_sample_limit", static_cast<double>(job->limits.samples_max));
      add("scrape_body_size_bytes", up ? static_cast<double>(body_bytes) : -1);
    }
  }

  void write_end_markers() {
    storage::Batch batch;
    batch.source = "scrape";
    {
      MutexLock work(work_mu);
      MutexLock lock(mu);
      mark_all_stale(stop_time, batch);
      for (std::string_view name : {"up", "scrape_duration_seconds", "scrape_samples_scraped",
                                    "scrape_samples_post_metric_relabeling", "scrape_series_added"}) {
        batch.add_float(batch.add_series(LabelBuilder(target.labels).set(kMetricName, name).build()),
                        stop_time, stale_nan());
      }
    }
    commit(std::move(batch));
  }
};

ScrapeLoop::ScrapeLoop(const ScrapeContext& context, std::shared_ptr<const ScrapeJob> job, Target target)
    : state_(std::make_shared<State>(context, std::move(job), std::move(target))) {
  MutexLock lock(state_->mu);
  TargetStatus& s = state_->status;
  s.job = state_->job->name;
  s.discovered = state_->target.discovered;
  s.labels = state_->target.labels;
  s.url = state_->target.url;
  s.interval = state_->target.interval;
  s.timeout = state_->target.timeout;
}

ScrapeLoop::~ScrapeLoop() { stop(false); }

void ScrapeLoop::start(std::string forced_error) {
  state_->forced_error = std::move(forced_error);
  const Clock& clock = state_->context.scheduler.clock();
  int64_t interval = state_->target.interval.ns;
  int64_t offset = static_cast<int64_t>(hash_bytes(state_->target.key()) % static_cast<uint64_t>(interval));
  int64_t wait = offset - clock.now().ns % interval;
  if (wait < 0) wait += interval;
  state_->arm(clock.monotonic() + Duration{wait});
}

void ScrapeLoop::stop(bool end_series) {
  {
    MutexLock lock(state_->mu);
    if (state_->stopped) return;
    state_->stopped = true;
    state_->end_series = end_series;
    // Where the next sample would have stood: after everything that a scrape in flight may still write.
    state_->stop_time =
        std::max(state_->last_time + state_->target.interval, state_->context.scheduler.clock().timestamp());
    if (state_->last_time.ms == 0) return;
  }
  if (!end_series) return;
  Duration wait = state_->target.interval * 2 + Duration{state_->target.interval.ns / 10};
  state_->context.scheduler.after(wait, [state = state_] {
    (void)state->context.executor.submit([state] { state->write_end_markers(); });
  });
}

TargetStatus ScrapeLoop::status() const {
  MutexLock lock(state_->mu);
  return state_->status;
}

}  // namespace sonde::scrape

#include "api/sonde_api.h"

#include <charconv>
#include <deque>
#include <list>
#include <unordered_map>

#include "api/sonde_alerts.h"
#include "api/sonde_evidence.h"
#include "api/sonde_services.h"
#include "api/sonde_statements.h"
#include "api/sonde_traces.h"
#include "base/mutex.h"

namespace sonde::api {

namespace {

constexpr Duration kAnswerLife = Duration::seconds(1);
constexpr size_t kAnswersMax = 64;
constexpr size_t kAnswerBytesMax = 16 << 20;
constexpr Duration kRateWindow = Duration::seconds(60);
constexpr Duration kRateWindowMin = Duration::seconds(5);

using Answer = std::shared_ptr<const std::string>;

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
    case ErrorCode::kLimit:
    case ErrorCode::kUnsupported:
      return 422;
    case ErrorCode::kTimeout:
      return 504;
    case ErrorCode::kCancelled:
    case ErrorCode::kNoSpace:
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

void send_error(net::ResponseWriter& out, const Error& error) {
  std::string body;
  wire::JsonWriter w(body);
  w.begin_object();
  w.field("error", error.to_string());
  w.field("code", to_string(error.code));
  w.end_object();
  out.header("Cache-Control", "no-store");
  out.send(http_status(error.code), "application/json", body);
}

void send_json(net::ResponseWriter& out, std::string_view body) {
  out.header("Cache-Control", "no-store");
  out.send(200, "application/json", body);
}

// Whole answers by what was asked and by whom.
class AnswerCache {
 public:
  explicit AnswerCache(const Clock& clock) : clock_(clock) {}

  Answer find(const std::string& key) {
    MutexLock lock(mu_);
    expire();
    for (const auto& e : entries_) {
      if (e.key == key) return e.answer;
    }
    return nullptr;
  }
  void add(std::string key, Answer answer) {
    MutexLock lock(mu_);
    if (answer->size() > kAnswerBytesMax / 4) return;
    bytes_ += answer->size();
    entries_.push_back({std::move(key), std::move(answer), clock_.monotonic()});
    while (entries_.size() > kAnswersMax || bytes_ > kAnswerBytesMax) drop_oldest();
  }
  void clear() {
    MutexLock lock(mu_);
    entries_.clear();
    bytes_ = 0;
  }

 private:
  struct Entry {
    std::string key;
    Answer answer;
    MonotonicTime made;
  };
  void expire() SONDE_REQUIRES(mu_) {
    while (!entries_.empty() && clock_.monotonic() - entries_.front().made >= kAnswerLife) drop_oldest();
  }
  void drop_oldest() SONDE_REQUIRES(mu_) {
    bytes_ -= entries_.front().answer->size();
    entries_.pop_front();
  }

  const Clock& clock_;
  Mutex mu_;
  std::deque<Entry> entries_ SONDE_GUARDED_BY(mu_);
  size_t bytes_ SONDE_GUARDED_BY(mu_) = 0;
};

// Rates out of totals: over the time since the oldest reading within a minute.
class IngestMeter {
 public:
  IngestRates read(const StatusFigures& f, EventTime wall, MonotonicTime now) {
    MutexLock lock(mu_);
    Reading current{now, f.samples_received, f.log_records_received, f.spans_received};
    while (readings_.size() > 1 && now - readings_[1].t >= kRateWindow) readings_.pop_front();
    IngestRates out;
    if (!readings_.empty() && now - readings_.front().t >= kRateWindowMin) {
      out = rates(readings_.front(), current, (now - readings_.front().t).to_seconds());
    } else if (f.started.ns > 0 && wall > f.started) {
      out = rates({}, current, (wall - f.started).to_seconds());
    }
    if (readings_.empty() || now - readings_.back().t >= Duration::seconds(1)) readings_.push_back(current);
    return out;
  }

 private:
  struct Reading {
    MonotonicTime t;
    uint64_t samples = 0;
    uint64_t logs = 0;
    uint64_t spans = 0;
  };
  static IngestRates rates(const Reading& a, const Reading& b, double seconds) {
    auto rate = [&](uint64_t from, uint64_t to) {
      return to > from ? static_cast<double>(to - from) / std::max(seconds, 1.0) : 0.0;
    };
    return {rate(a.samples, b.samples), rate(a.logs, b.logs), rate(a.spans, b.spans)};
  }

  Mutex mu_;
  std::deque<Reading> readings_ SONDE_GUARDED_BY(mu_);  // at most one a second for a minute, and one older
};

void write_events(wire::JsonWriter& w, std::string_view name, const storage::EventStats& stats) {
  w.key(name).begin_object();
  add_count(w, "records", stats.records);
  add_count(w, "bytes", stats.bytes);
  w.end_object();
}

Result<std::string> status_json(const SondeContext& context, const std::string& user) {
  StatusFigures f;
  if (context.status) f = context.status();
  storage::HeadStats head = context.metrics.head_stats(0);
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.field("version", context.build.version);
  w.field("revision", context.build.revision);
  w.field("build_date", context.build.build_date);
  add_number(w, "started", to_seconds(f.started));
  add_number(w, "now", to_seconds(context.clock.now()));
  SONDE_TRY(auto synthetic, context.settings.get(kSyntheticUntil));
  if (synthetic) {
    if (auto t = parse_time(kSyntheticUntil, *synthetic)) add_number(w, "synthetic_until", to_seconds(*t));
  }
  w.field("data_dir", f.data_dir);
  add_number(w, "retention_seconds", f.retention.to_seconds());
  w.key("listen").begin_array();
  for (const auto& l : f.listen) {
    w.begin_object().field("address", l.address).field("kind", l.kind).end_object();
  }
  w.end_array();
  w.key("head").begin_object();
  add_count(w, "series", head.series);
  add_count(w, "samples", head.samples);
  // An empty head's times are at the ends of all time.
  add_number(w, "min_time", head.samples == 0 ? 0 : to_seconds(head.min_time));
  add_number(w, "max_time", head.samples == 0 ? 0 : to_seconds(head.max_time));
  w.end_object();
  add_count(w, "wal_bytes", f.wal_bytes);
  write_events(w, "logs", context.logs.event_stats());
  write_events(w, "spans", context.spans.event_stats());
  add_count(w, "memory_bytes", f.memory_bytes);
  add_strings(w, "warnings", f.warnings);
  w.key("auth").begin_object();
  w.field("enabled", f.auth_enabled);
  w.field("user", user.empty() ? std::string("anonymous") : user);
  w.end_object();
  w.field("demo", f.demo);
  w.end_object();
  return out;
}

}  // namespace

struct SondeApi::State {
  explicit State(SondeContext c) : context(std::move(c)), cache(context.clock) {}
  SondeContext context;
  AnswerCache cache;
  IngestMeter meter;

  Result<std::string> overview(net::Request& r) {
    SONDE_TRY(Window window, window_of(r.query, context.clock));
    IngestRates rates;
    if (context.status) {
      rates = meter.read(context.status(), context.clock.now(), context.clock.monotonic());
    }
    return overview_json(context, r.cancel, window, rates);
  }
  Result<std::string> service(net::Request& r) {
    SONDE_TRY(Window window, window_of(r.query, context.clock));
    return service_json(context, r.cancel, window, std::string(r.path_param("name")));
  }
  Result<std::string> statements(net::Request& r) {
    SONDE_TRY(Window window, window_of(r.query, context.clock));
    SONDE_TRY(size_t limit, limit_of(r.query, 100, 1000));
    return statements_json(context, r.cancel, window, std::string(r.query.get_or("service", "")), limit);
  }
  Result<std::string> statement(net::Request& r) {
    SONDE_TRY(Window window, window_of(r.query, context.clock));
    StatementFilter filter{std::string(r.query.get_or("service", "")),
                           std::string(r.path_param("fingerprint"))};
    return statement_json(context, r.cancel, window, filter);
  }
  Result<std::string> history(net::Request& r) {
    SONDE_TRY(Window window, window_of(r.query, context.clock));
    SONDE_TRY(size_t limit, limit_of(r.query, 500, 5000));
    return alert_history_json(context, window, limit);
  }
  Result<std::string> evidence(net::Request& r) {
    auto text = r.query.get("labels");
    if (!text) return fail(ErrorCode::kInvalid, "parameter labels is missing");
    SONDE_TRY(LabelSet labels, labels_from_json(*text));
    Timestamp t = context.clock.timestamp();
    if (auto at = r.query.get("t"); at && !at->empty()) {
      SONDE_TRY(t, parse_time("t", *at));
    }
    return evidence_json(context, r.cancel, labels, t);
  }
  Result<std::string> inbox(net::Request& r) {
    SONDE_TRY(size_t limit, limit_of(r.query, 50, 500));
    return inbox_json(context, limit);
  }
  Result<std::string> mark_read(net::Request& r) {
    std::string_view text = r.path_param("id");
    int64_t id = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc() || end != text.data() + text.size()) {
      return fail(ErrorCode::kInvalid, "\"" + std::string(text) + "\" is not the number of a message");
    }
    SONDE_CHECK(context.mailbox.mark_read(id));
    cache.clear();
    return std::string("{}");
  }
};

SondeApi::SondeApi(SondeContext context) : state_(std::make_unique<State>(std::move(context))) {}
SondeApi::~SondeApi() = default;

void SondeApi::add_routes(net::Router& router, const std::string& prefix) {
  State* s = state_.get();
  std::string base = prefix + "/api/sonde/v1";
  using Function = std::function<Result<std::string>(net::Request&)>;
  auto get = [&](const char* pattern, Function f) {
    auto handler = [s, f = std::move(f)](net::Request& r, std::shared_ptr<net::ResponseWriter> out) {
      std::string key = r.identity.user + '\0' + r.raw_target;
      if (Answer known = s->cache.find(key)) return send_json(*out, *known);
      auto made = f(r);
      if (!made) return send_error(*out, made.error());
      auto answer = std::make_shared<const std::string>(std::move(*made));
      send_json(*out, *answer);
      s->cache.add(std::move(key), std::move(answer));
    };
    router.add("GET", base + pattern, net::Role::kRead, std::move(handler));
  };
  get("/status", [s](net::Request& r) { return status_json(s->context, r.identity.user); });
  get("/overview", [s](net::Request& r) { return s->overview(r); });
  get("/services", [s](net::Request&) { return service_names_json(s->context); });
  get("/services/{name}", [s](net::Request& r) { return s->service(r); });
  get("/queries", [s](net::Request& r) { return s->statements(r); });
  get("/queries/{fingerprint}", [s](net::Request& r) { return s->statement(r); });
  get("/alerts", [s](net::Request&) { return alerts_json(s->context); });
  get("/alerts/history", [s](net::Request& r) { return s->history(r); });
  get("/evidence", [s](net::Request& r) { return s->evidence(r); });
  get("/inbox", [s](net::Request& r) { return s->inbox(r); });
  get("/findings", [s](net::Request&) { return findings_json(s->context); });
  get("/traces", [s](net::Request& r) { return traces_json(s->context, r.cancel, r.query); });
  get("/traces/{id}", [s](net::Request& r) { return trace_json(s->context, r.cancel, r.path_param("id")); });
  router.add("POST", base + "/inbox/{id}/read", net::Role::kAlert,
             [s](net::Request& r, std::shared_ptr<net::ResponseWriter> out) {
               auto made = s->mark_read(r);
               if (!made) return send_error(*out, made.error());
               send_json(*out, *made);
             });
}

}  // namespace sonde::api

#include "api/sonde_statements.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "api/sonde_sql.h"

namespace sonde::api {

namespace {

constexpr size_t kStatementsMax = 2000;
constexpr size_t kStatementTracesMax = 40;
constexpr size_t kStatementPointsMax = 120;

using Key = std::tuple<std::string, std::string, std::string>;  // service, system, fingerprint
using Rows = std::map<Key, StatementRow>;

std::string_view text_attribute(const Span& span, const char* name, const char* old_name) {
  std::string_view v = string_attribute(span.attributes, name);
  return v.empty() ? string_attribute(span.attributes, old_name) : v;
}

struct SpanStatement {
  std::string fingerprint;
  std::string system;
  std::string text;
};

SpanStatement statement_of(const Span& span) {
  SpanStatement s;
  s.text = normalise_statement(text_attribute(span, "db.query.text", "db.statement"));
  s.system = text_attribute(span, "db.system.name", "db.system");
  s.fingerprint = string_attribute(span.attributes, "sonde.db.fingerprint");
  if (s.fingerprint.empty()) s.fingerprint = statement_fingerprint(s.text);
  return s;
}

// f(span, statement) for each span of a statement; true when there were too many to look at.
template <class F>
Result<bool> each_statement_span(const SondeContext& context, const Cancellation& cancel,
                                 const Window& window, const StatementFilter& filter, F&& f) {
  bool truncated = false;
  size_t seen = 0;
  for (const char* key : {"db.query.text", "db.statement"}) {
    storage::SpanSelect select{filter.service, key, window.from(), window.to()};
    bool old = key == std::string_view("db.statement");
    SONDE_CHECK(context.spans.scan({}, select, cancel, [&](const Span& span) {
      if (++seen > kSpansScannedMax) {
        truncated = true;
        return false;
      }
      if (old && find_attribute(span.attributes, "db.query.text")) return true;  // seen in the first pass
      SpanStatement s = statement_of(span);
      if (filter.fingerprint.empty() || filter.fingerprint == s.fingerprint) f(span, s);
      return true;
    }));
    if (truncated) break;
  }
  return truncated;
}

std::string metric_matchers(const StatementFilter& filter) {
  return filter.fingerprint.empty() ? std::string() : "fingerprint=" + quote(filter.fingerprint);
}

std::string grouped(std::string_view metric, const StatementFilter& filter, std::string_view function,
                    Duration range, std::string_view by) {
  std::string matchers = metric_matchers(filter);
  return sum_by_service(series_text({metric, matchers, filter.service, function, range}), by);
}

Result<Rows> rows_of_metrics(const SondeContext& context, const Cancellation& cancel, const Window& window,
                             const StatementFilter& filter, bool& truncated) {
  Rows out;
  MetricReader reader(context, cancel);
  Duration whole = std::max(window.length(), scrape_interval_guess(context.scrape) * 4);
  constexpr std::string_view kBy = "fingerprint, system";
  auto add = [&](const std::string& query, bool may_create, auto&& set) -> Result<> {
    SONDE_TRY(auto vector, reader.instant(query, window.end));
    for (const auto& s : vector) {
      Key key{std::string(s.labels.get(kServiceLabel)), std::string(s.labels.get("system")),
              std::string(s.labels.get("fingerprint"))};
      auto it = out.find(key);
      if (it == out.end()) {
        if (!may_create || !(s.value > 0)) continue;
        if (out.size() >= kStatementsMax) {
          truncated = true;
          continue;
        }
        StatementRow row;
        std::tie(row.service, row.system, row.fingerprint) = key;
        it = out.emplace(std::move(key), std::move(row)).first;
      }
      set(it->second, s);
    }
    return {};
  };
  auto increase = [&](const char* metric) { return grouped(metric, filter, "increase", whole, kBy); };
  SONDE_CHECK(add(increase("sonde_db_statement_calls_total"), true,
                  [](StatementRow& r, const auto& s) { r.calls = s.value; }));
  if (out.empty()) return out;
  SONDE_CHECK(add(increase("sonde_db_statement_errors_total"), false,
                  [](StatementRow& r, const auto& s) { r.errors = s.value; }));
  SONDE_CHECK(add(increase("sonde_db_statement_duration_seconds_sum"), false,
                  [](StatementRow& r, const auto& s) { r.total_seconds = s.value; }));
  std::string buckets = grouped("sonde_db_statement_duration_seconds_bucket", filter, "increase", whole,
                                "le, fingerprint, system");
  SONDE_CHECK(add("histogram_quantile(0.5, " + buckets + ")", false,
                  [](StatementRow& r, const auto& s) { r.p50 = s.value; }));
  SONDE_CHECK(add("histogram_quantile(0.95, " + buckets + ")", false,
                  [](StatementRow& r, const auto& s) { r.p95 = s.value; }));
  SONDE_CHECK(add(
      grouped("sonde_db_statement_info", filter, "last_over_time", whole, "fingerprint, system, statement"),
      false, [](StatementRow& r, const auto& s) { r.text = s.labels.get("statement"); }));
  double length = whole.to_seconds();
  for (auto& [key, row] : out) {
    row.rate = row.calls / length;
    row.mean = row.calls > 0 ? row.total_seconds / row.calls : 0;
    if (row.text.empty()) row.text = row.fingerprint == "_other" ? "all other statements" : row.fingerprint;
  }
  return out;
}

struct Last {
  EventTime t;
  TraceId trace_id;
  std::vector<float> seconds;
};

}  // namespace

Result<StatementRows> collect_statements(const SondeContext& context, const Cancellation& cancel,
                                         const Window& window, const StatementFilter& filter) {
  StatementRows out;
  SONDE_TRY(auto rows, rows_of_metrics(context, cancel, window, filter, out.truncated));
  // Which services count their statements themselves. When one statement alone was asked for, its own row
  // tells.
  std::set<std::string> measured;
  for (const auto& [key, row] : rows) measured.insert(row.service);

  std::map<Key, Last> of_spans;
  SONDE_TRY(bool more,
            each_statement_span(context, cancel, window, filter, [&](const Span& span, SpanStatement& s) {
              bool counted = measured.contains(span.service);
              Key key{span.service, s.system, s.fingerprint};
              auto it = rows.find(key);
              if (it == rows.end()) {
                if (counted) return;
                if (rows.size() >= kStatementsMax) {
                  out.truncated = true;
                  return;
                }
                StatementRow row;
                std::tie(row.service, row.system, row.fingerprint) = key;
                row.text = std::move(s.text);
                row.sampled = true;
                it = rows.emplace(key, std::move(row)).first;
              }
              StatementRow& row = it->second;
              double seconds = span.duration().to_seconds();
              row.max = std::max(row.max, seconds);
              Last& last = of_spans[key];
              if (span.start >= last.t) {
                last.t = span.start;
                last.trace_id = span.trace_id;
              }
              last.seconds.push_back(static_cast<float>(seconds));
              if (!row.sampled) return;
              row.calls += 1;
              row.total_seconds += seconds;
              if (span.status == SpanStatus::kError) row.errors += 1;
            }));
  out.truncated |= more;
  double length = std::max(window.seconds(), 1.0);
  for (auto& [key, last] : of_spans) {
    StatementRow& row = rows.at(key);
    row.last_trace_id = last.trace_id.to_hex();
    if (!row.sampled) {
      // Buckets only bound a quantile; when (nearly, the newest are under way) every call left its span, it
      // is known.
      row.complete = !more && static_cast<double>(last.seconds.size()) >= row.calls * 0.9;
      if (!row.complete) continue;
      row.p50 = quantile_of(last.seconds, 0.5);
      row.p95 = quantile_of(last.seconds, 0.95);
      continue;
    }
    row.rate = row.calls / length;
    row.mean = row.total_seconds / row.calls;
    row.p50 = quantile_of(last.seconds, 0.5);
    row.p95 = quantile_of(last.seconds, 0.95);
  }
  for (auto& [key, row] : rows) out.list.push_back(std::move(row));
  std::stable_sort(out.list.begin(), out.list.end(), [](const StatementRow& a, const StatementRow& b) {
    return a.total_seconds > b.total_seconds;
  });
  return out;
}

void write_statement(wire::JsonWriter& w, const StatementRow& s) {
  w.begin_object();
  w.field("fingerprint", s.fingerprint);
  w.field("text", s.text);
  w.field("system", s.system);
  w.field("service", s.service);
  add_number(w, "calls", std::round(s.calls));
  add_number(w, "errors", std::round(s.errors));
  add_number(w, "rate", s.rate);
  add_number(w, "mean", s.mean);
  add_number(w, "p50", s.p50);
  add_number(w, "p95", s.p95);
  if (s.max > 0) add_number(w, "max", s.max);
  add_number(w, "total_seconds", s.total_seconds);
  w.field("sampled", s.sampled);
  if (!s.last_trace_id.empty()) w.field("last_trace_id", s.last_trace_id);
  w.end_object();
}

Result<std::string> statements_json(const SondeContext& context, const Cancellation& cancel,
                                    const Window& window, const std::string& service, size_t limit) {
  SONDE_TRY(auto rows, collect_statements(context, cancel, window, {service, ""}));
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("statements").begin_array();
  for (size_t i = 0; i < rows.list.size() && i < limit; i++) write_statement(w, rows.list[i]);
  w.end_array();
  w.field("truncated", rows.truncated || rows.list.size() > limit);
  w.end_object();
  return out;
}

namespace {

struct StatementSeries {
  Points calls;
  Points errors;
  Points p50;
  Points p95;
};

Result<StatementSeries> series_of_metrics(const SondeContext& context, const Cancellation& cancel,
                                          const Grid& grid, const StatementRow& row) {
  MetricReader reader(context, cancel);
  StatementFilter filter{row.service, row.fingerprint};
  auto one = [&](const std::string& query, Points& points) -> Result<> {
    SONDE_TRY(auto lines, reader.lines_by_service(query, grid));
    if (auto it = lines.find(row.service); it != lines.end()) points = std::move(it->second);
    return {};
  };
  StatementSeries out;
  auto rate = [&](const char* metric) { return grouped(metric, filter, "rate", grid.range, ""); };
  SONDE_CHECK(one(rate("sonde_db_statement_calls_total"), out.calls));
  SONDE_CHECK(one(rate("sonde_db_statement_errors_total"), out.errors));
  std::string buckets =
      grouped("sonde_db_statement_duration_seconds_bucket", filter, "rate", grid.range, "le");
  SONDE_CHECK(one("histogram_quantile(0.5, " + buckets + ")", out.p50));
  SONDE_CHECK(one("histogram_quantile(0.95, " + buckets + ")", out.p95));
  return out;
}

struct StatementCall {
  TraceId trace_id;
  SpanId span_id;
  EventTime t;
  Duration duration;
  std::string service;
  bool error = false;
};

}  // namespace

Result<std::string> statement_json(const SondeContext& context, const Cancellation& cancel,
                                   const Window& window, const StatementFilter& filter) {
  SONDE_TRY(auto rows, collect_statements(context, cancel, window, filter));
  if (rows.list.empty()) {
    return fail(ErrorCode::kNotFound, "statement " + filter.fingerprint + " was not called in this time");
  }
  const StatementRow& row = rows.list.front();
  Grid grid = grid_of(window, kStatementPointsMax, scrape_interval_guess(context.scrape));
  StatementSeries series;
  if (!row.sampled) {
    SONDE_TRY(series, series_of_metrics(context, cancel, grid, row));
  }

  SpanRed red;
  int64_t steps = (grid.end - grid.start).ms() / grid.step.ms();
  red.bins.resize(static_cast<size_t>(steps) + 1);
  std::vector<StatementCall> calls;
  auto newer = [](const StatementCall& a, const StatementCall& b) { return a.t > b.t; };
  auto slower = [](const StatementCall& a, const StatementCall& b) { return a.duration > b.duration; };
  // Half of what is listed are the slowest calls, the rest the newest of the others.
  auto prune = [&] {
    constexpr size_t kSlow = kStatementTracesMax / 2;
    std::stable_sort(calls.begin(), calls.end(), slower);
    if (calls.size() > kSlow) std::stable_sort(calls.begin() + kSlow, calls.end(), newer);
    if (calls.size() > kStatementTracesMax) calls.resize(kStatementTracesMax);
  };
  SONDE_TRY(bool more, each_statement_span(
                           context, cancel, window, {row.service, row.fingerprint},
                           [&](const Span& span, const SpanStatement&) {
                             bool error = span.status == SpanStatus::kError;
                             calls.push_back({span.trace_id, span.span_id, span.start, span.duration(),
                                              span.service, error});
                             if (calls.size() > kStatementTracesMax * 16) prune();
                             int64_t offset = (span.start.to_timestamp() - (grid.start - grid.step)).ms();
                             if (offset < 0 || offset / grid.step.ms() > steps) return;
                             auto& bin = red.bins[static_cast<size_t>(offset / grid.step.ms())];
                             bin.calls++;
                             bin.errors += error ? 1 : 0;
                             bin.seconds.push_back(static_cast<float>(span.duration().to_seconds()));
                           }));
  prune();
  if (row.complete) {
    series.p50.clear();
    series.p95.clear();
  }
  if (row.sampled || row.complete) {
    double step = grid.step.to_seconds();
    for (size_t i = 0; i < red.bins.size(); i++) {
      auto& bin = red.bins[i];
      Timestamp t = grid.start + grid.step * static_cast<int64_t>(i);
      if (row.complete) {
        if (bin.seconds.empty()) continue;
        series.p50.emplace_back(t, quantile_of(bin.seconds, 0.5));
        series.p95.emplace_back(t, quantile_of(bin.seconds, 0.95));
        continue;
      }
      series.calls.emplace_back(t, static_cast<double>(bin.calls) / step);
      series.errors.emplace_back(t, static_cast<double>(bin.errors) / step);
      series.p50.emplace_back(t, quantile_of(bin.seconds, 0.5));
      series.p95.emplace_back(t, quantile_of(bin.seconds, 0.95));
    }
  }

  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("statement");
  write_statement(w, row);
  w.key("series").begin_object();
  add_points(w, "calls", series.calls);
  add_points(w, "errors", series.errors);
  add_points(w, "p50", series.p50);
  add_points(w, "p95", series.p95);
  w.end_object();
  w.key("traces").begin_array();
  for (const auto& c : calls) {
    w.begin_object();
    w.field("trace_id", c.trace_id.to_hex());
    w.field("span_id", c.span_id.to_hex());
    add_number(w, "t", to_seconds(c.t));
    add_number(w, "duration", c.duration.to_seconds());
    w.field("service", c.service);
    w.field("error", c.error);
    w.end_object();
  }
  w.end_array();
  if (rows.truncated || more) w.field("truncated", true);
  w.end_object();
  return out;
}

}  // namespace sonde::api

#include "logql/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>

#include "logql/pipeline.h"

namespace sonde::logql {
namespace {

constexpr int64_t kTimeMax = 7'000'000'000'000'000'000;  // with range and offset it stays within 64 bits

// The steps of a query.
struct Grid {
  EventTime start;
  int64_t step_ns = 1;
  size_t points = 1;
  EventTime at(size_t i) const { return {start.ns + static_cast<int64_t>(i) * step_ns}; }
};

struct Row {
  LabelSet labels;
  std::vector<double> values;  // one a step
  std::vector<char> present;
};

// A number, or series.
struct Value {
  bool is_scalar = false;
  double number = 0;
  std::vector<Row> rows;  // labels unique
};

struct Grouping {
  bool without = false;
  std::vector<std::string> names;
};

LabelSet grouped(const LabelSet& labels, const Grouping& g) {
  if (!g.without && g.names.empty()) return {};
  LabelBuilder b(labels);
  if (g.without) {
    for (const std::string& n : g.names) b.del(n);
  } else {
    b.keep(g.names);
  }
  return b.build();
}

int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

bool is_trace_id(const std::string& s) {
  return s.size() == 32 && s.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// A condition on the record's own trace id that all lines must meet.
void find_trace_id(const Predicate& p, std::optional<TraceId>& out) {
  if (p.kind == Predicate::Kind::kAnd) {
    for (const Predicate& part : p.parts) find_trace_id(part, out);
  }
  if (p.kind == Predicate::Kind::kText && p.matcher.op() == MatchOp::kEqual &&
      p.matcher.name() == "trace_id" && is_trace_id(p.matcher.value())) {
    out = TraceId::from_hex(p.matcher.value());
  }
}

// What of the stages the store may use to read less.
void add_hints(const LogExpr& log, storage::LogSelect& select) {
  bool own_labels = true;  // no stage changed them so far
  for (const Stage& stage : log.stages) {
    if (const auto* f = std::get_if<LineFilter>(&stage)) {
      if (f->op == LineOp::kContains && f->values.size() == 1 && !f->values[0].empty()) {
        select.contains.push_back(f->values[0]);
      }
    } else if (const auto* l = std::get_if<LabelFilter>(&stage)) {
      if (own_labels) find_trace_id(l->predicate, select.trace_id);
    } else {
      own_labels = false;
    }
  }
}

double apply(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSubtract:
      return a - b;
    case BinaryOp::kMultiply:
      return a * b;
    case BinaryOp::kDivide:
      return a / b;
    case BinaryOp::kModulo:
      return std::fmod(a, b);
    case BinaryOp::kPower:
      return std::pow(a, b);
    case BinaryOp::kEqual:
      return a == b ? 1 : 0;
    case BinaryOp::kNotEqual:
      return a != b ? 1 : 0;
    case BinaryOp::kGreater:
      return a > b ? 1 : 0;
    case BinaryOp::kGreaterEqual:
      return a >= b ? 1 : 0;
    case BinaryOp::kLess:
      return a < b ? 1 : 0;
    case BinaryOp::kLessEqual:
      break;
  }
  return a <= b ? 1 : 0;
}

// One query.
class Run {
 public:
  Run(const storage::LogReader& reader, const Clock& clock, const EngineOptions& options,
      const QueryContext& context)
      : reader_(reader), clock_(clock), options_(options), context_(context), begun_(clock.monotonic()) {}

  LogQueryStats stats() const {
    LogQueryStats s = stats_;
    s.seconds = (clock_.monotonic() - begun_).to_seconds();
    return s;
  }

  Result<std::vector<LogEntry>> entries(const LogExpr& log, EventTime from, EventTime to, size_t limit,
                                        storage::Direction direction) {
    std::vector<LogEntry> out;
    uint64_t bytes = 0;
    SONDE_CHECK(
        scan(log, from, to, direction, [&](const LogRecord& record, RecordLabels& labels) -> Result<bool> {
          LogEntry e{record.time, record.line, labels.stream(), labels.metadata(), labels.parsed()};
          bytes += e.line.size() + e.stream.encoded().size() + sizeof e;
          for (const Fields* fields : {&e.metadata, &e.parsed}) {
            for (const auto& [name, value] : *fields) bytes += name.size() + value.size() + 64;
          }
          if (bytes > options_.answer_bytes_max) {
            return fail(ErrorCode::kLimit,
                        fmt::format("the answer is larger than {} bytes: lower the limit of lines",
                                    options_.answer_bytes_max));
          }
          out.push_back(std::move(e));
          return out.size() < limit;
        }));
    return out;
  }

  // Depth is bounded by the parser: calls, parentheses and operators.
  Result<Value> evaluate(const Expr& expr, const Grid& grid) {
    SONDE_CHECK(check());
    if (const auto* e = std::get_if<NumberExpr>(&expr.node)) return Value{true, e->value, {}};
    if (const auto* e = std::get_if<VectorExpr>(&expr.node)) {
      Value v;
      v.rows.push_back({{}, std::vector<double>(grid.points, e->value), std::vector<char>(grid.points, 1)});
      return v;
    }
    if (const auto* e = std::get_if<RangeExpr>(&expr.node)) return range_aggregate(*e, grid, nullptr);
    if (const auto* e = std::get_if<AggregateExpr>(&expr.node)) return aggregate(*e, grid);
    if (const auto* e = std::get_if<BinaryExpr>(&expr.node)) {
      SONDE_TRY(Value left, evaluate(*e->left, grid));
      SONDE_TRY(Value right, evaluate(*e->right, grid));
      return binary(*e, std::move(left), std::move(right), grid);
    }
    return fail(ErrorCode::kInternal, "a log query inside of a metric query");
  }

 private:
  Result<> check() const {
    SONDE_CHECK(context_.cancel.check());
    if (options_.timeout.ns > 0 && clock_.monotonic() - begun_ >= options_.timeout) {
      return fail(ErrorCode::kTimeout, "query timed out");
    }
    return {};
  }

  // Calls visit(record, labels) → Result<bool> for each record that passes the pipeline, until it says false.
  template <class Visit>
  Result<> scan(const LogExpr& log, EventTime from, EventTime to, storage::Direction direction,
                Visit&& visit) {
    if (from >= to) return {};
    storage::LogSelect select;
    select.stream = log.selector;
    select.from = from;
    select.to = to;
    select.direction = direction;
    add_hints(log, select);
    SONDE_TRY(auto cursor, reader_.select_logs(context_.scope, select, context_.cancel));
    Pipeline pipeline(log);
    RecordLabels labels;
    for (const LogRecord* record = nullptr;;) {
      if (stats_.lines_scanned % 1024 == 0) SONDE_CHECK(check());
      SONDE_TRY(bool more, cursor->next(record));
      if (!more) return {};
      stats_.lines_scanned++;
      stats_.bytes_scanned += record->line.size();
      if (stats_.lines_scanned > options_.lines_scanned_max) {
        return fail(
            ErrorCode::kLimit,
            fmt::format("the query would scan more than {} lines: narrow its time range or its selector",
                        options_.lines_scanned_max));
      }
      if (stats_.bytes_scanned > options_.bytes_scanned_max) {
        return fail(
            ErrorCode::kLimit,
            fmt::format("the query would scan more than {} bytes: narrow its time range or its selector",
                        options_.bytes_scanned_max));
      }
      labels.reset(*record);
      if (!pipeline.run(*record, labels)) continue;
      SONDE_TRY(bool go_on, visit(*record, labels));
      if (!go_on) return {};
    }
  }

  // Differences of counts and bytes from step to step: each record touches two cells, however long the range
  // is.
  struct Counts {
    LabelSet labels;
    std::vector<int64_t> lines;
    std::vector<int64_t> bytes;
  };

  // With `grouping`, sums over those labels.
  Result<Value> range_aggregate(const RangeExpr& e, const Grid& grid, const Grouping* grouping) {
    std::vector<Counts> groups;
    std::unordered_map<std::string, size_t> index;
    std::string key;
    const bool of_bytes = e.op == RangeOp::kBytesRate || e.op == RangeOp::kBytesOverTime;
    const size_t n = grid.points;
    EventTime from{grid.start.ns - e.offset.ns - e.range.ns + 1};
    EventTime to{grid.at(n - 1).ns - e.offset.ns + 1};
    auto visit = [&](const LogRecord& record, RecordLabels& labels) -> Result<bool> {
      if (!labels.error().empty()) {
        return fail(
            ErrorCode::kInvalid,
            fmt::format("pipeline error: '{0}' for series: '{1}'.\nUse a label filter to intentionally skip "
                        "this error. (e.g | __error__!=\"{0}\").",
                        labels.error(), labels.all().to_string()));
      }
      key.clear();
      LabelSet set;
      if (grouping && !grouping->without) {
        for (const std::string& name : grouping->names) {
          std::string_view value = labels.get(name);
          key += std::to_string(value.size());
          key += ':';
          key += value;
        }
      } else {
        set = labels.all();
        if (grouping) set = grouped(set, *grouping);
        key = set.encoded();
      }
      auto [it, fresh] = index.try_emplace(key, groups.size());
      if (fresh) {
        cells_ += n + 1;
        if (groups.size() >= options_.groups_max) {
          return fail(
              ErrorCode::kLimit,
              fmt::format("more than {} series to aggregate: narrow the selector, or group by fewer labels "
                          "with sum by (…)",
                          options_.groups_max));
        }
        if (cells_ > options_.cells_max) {
          return fail(ErrorCode::kLimit,
                      fmt::format("more than {} points to aggregate: use a longer step, or group "
                                  "by fewer labels with sum by (…)",
                                  options_.cells_max));
        }
        if (grouping && !grouping->without) {
          LabelBuilder b;
          for (const std::string& name : grouping->names) b.set(name, labels.get(name));
          set = b.build();
        }
        groups.push_back({std::move(set), std::vector<int64_t>(n + 1), {}});
        if (of_bytes) groups.back().bytes.resize(n + 1);
      }
      Counts& c = groups[it->second];
      // Steps t with t - range < time + offset <= t.
      int64_t since = record.time.ns + e.offset.ns - grid.start.ns;
      int64_t first = std::max<int64_t>(0, -floor_div(-since, grid.step_ns));
      int64_t last =
          std::min<int64_t>(static_cast<int64_t>(n) - 1, floor_div(since + e.range.ns - 1, grid.step_ns));
      if (first > last) return true;
      auto a = static_cast<size_t>(first), b = static_cast<size_t>(last) + 1;
      c.lines[a]++;
      c.lines[b]--;
      if (of_bytes) {
        c.bytes[a] += static_cast<int64_t>(record.line.size());
        c.bytes[b] -= static_cast<int64_t>(record.line.size());
      }
      return true;
    };
    SONDE_CHECK(scan(e.log, from, to, storage::Direction::kForward, visit));

    const bool per_second = e.op == RangeOp::kRate || e.op == RangeOp::kBytesRate;
    const double divisor = per_second ? e.range.to_seconds() : 1;
    Value out;
    for (Counts& c : groups) {
      Row row{std::move(c.labels), std::vector<double>(n), std::vector<char>(n)};
      int64_t lines = 0, bytes = 0;
      bool any = false;
      for (size_t i = 0; i < n; i++) {
        lines += c.lines[i];
        if (of_bytes) bytes += c.bytes[i];
        row.present[i] = lines > 0;
        row.values[i] = static_cast<double>(of_bytes ? bytes : lines) / divisor;
        any |= lines > 0;
      }
      c = {};
      if (any) out.rows.push_back(std::move(row));
    }
    return out;
  }

  Result<Value> aggregate(const AggregateExpr& e, const Grid& grid) {
    Grouping g{e.without, e.grouping};
    const auto* range = std::get_if<RangeExpr>(&e.inner->node);
    if (e.op == AggregateOp::kSum && range) return range_aggregate(*range, grid, &g);
    SONDE_TRY(Value inner, evaluate(*e.inner, grid));
    if (inner.is_scalar) {
      return fail(ErrorCode::kInvalid, fmt::format("{} needs series, and has a number", to_string(e.op)));
    }
    std::map<LabelSet, std::vector<Row*>> groups;
    for (Row& row : inner.rows) groups[grouped(row.labels, g)].push_back(&row);
    Value out;
    for (auto& [labels, rows] : groups) {
      SONDE_CHECK(check());
      if (e.op == AggregateOp::kTopk || e.op == AggregateOp::kBottomk) {
        keep_extremes(rows, static_cast<size_t>(e.k), e.op == AggregateOp::kTopk, grid.points);
      } else {
        out.rows.push_back(fold(e.op, labels, rows, grid.points));
      }
    }
    if (e.op == AggregateOp::kTopk || e.op == AggregateOp::kBottomk) {
      std::erase_if(inner.rows,
                    [](const Row& r) { return std::count(r.present.begin(), r.present.end(), 1) == 0; });
      return inner;
    }
    return out;
  }

  static Row fold(AggregateOp op, const LabelSet& labels, const std::vector<Row*>& rows, size_t points) {
    Row out{labels, std::vector<double>(points), std::vector<char>(points)};
    for (size_t i = 0; i < points; i++) {
      double sum = 0, min = 0, max = 0, count = 0;
      for (const Row* r : rows) {
        if (!r->present[i]) continue;
        double v = r->values[i];
        min = count == 0 || v < min || std::isnan(min) ? v : min;
        max = count == 0 || v > max || std::isnan(max) ? v : max;
        sum += v;
        count++;
      }
      if (count == 0) continue;
      out.present[i] = 1;
      out.values[i] = op == AggregateOp::kSum     ? sum
                      : op == AggregateOp::kCount ? count
                      : op == AggregateOp::kAvg   ? sum / count
                      : op == AggregateOp::kMin   ? min
                                                  : max;
    }
    return out;
  }

  // Of each step, only the k largest or smallest stay; of equal ones those that come first.
  static void keep_extremes(const std::vector<Row*>& rows, size_t k, bool largest, size_t points) {
    std::vector<Row*> order;
    for (size_t i = 0; i < points; i++) {
      order.clear();
      for (Row* r : rows) {
        if (r->present[i]) order.push_back(r);
      }
      if (order.size() <= k) continue;
      std::stable_sort(order.begin(), order.end(), [&](const Row* a, const Row* b) {
        double x = a->values[i], y = b->values[i];
        if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
        return largest ? x > y : x < y;
      });
      for (size_t j = k; j < order.size(); j++) order[j]->present[i] = 0;
    }
  }

  static Result<Value> binary(const BinaryExpr& e, Value left, Value right, const Grid& grid) {
    const bool filters = is_comparison(e.op) && !e.returns_bool;
    if (left.is_scalar && right.is_scalar) {
      if (filters) return fail(ErrorCode::kInvalid, "comparisons between numbers need the modifier bool");
      return Value{true, apply(e.op, left.number, right.number), {}};
    }
    Value out;
    auto combine = [&](Row& kept, bool kept_is_left, auto other_at) {
      Row row{kept.labels, std::move(kept.values), std::move(kept.present)};
      for (size_t i = 0; i < grid.points; i++) {
        auto other = other_at(i);
        if (!row.present[i] || !other) {
          row.present[i] = 0;
          continue;
        }
        double result =
            kept_is_left ? apply(e.op, row.values[i], *other) : apply(e.op, *other, row.values[i]);
        if (filters) {
          row.present[i] = result != 0;
        } else {
          row.values[i] = result;
        }
      }
      if (std::count(row.present.begin(), row.present.end(), 1) > 0) out.rows.push_back(std::move(row));
    };
    if (left.is_scalar || right.is_scalar) {
      double number = left.is_scalar ? left.number : right.number;
      for (Row& row : left.is_scalar ? right.rows : left.rows) {
        combine(row, right.is_scalar, [&](size_t) { return std::optional(number); });
      }
      return out;
    }
    std::unordered_map<LabelSet, const Row*, LabelSetHash> by_labels;
    for (const Row& r : right.rows) by_labels.emplace(r.labels, &r);
    for (Row& row : left.rows) {
      auto it = by_labels.find(row.labels);
      if (it == by_labels.end()) continue;
      const Row& other = *it->second;
      combine(row, true,
              [&](size_t i) { return other.present[i] ? std::optional(other.values[i]) : std::nullopt; });
    }
    return out;
  }

  const storage::LogReader& reader_;
  const Clock& clock_;
  const EngineOptions& options_;
  const QueryContext& context_;
  MonotonicTime begun_;
  LogQueryStats stats_;
  uint64_t cells_ = 0;
};

Result<std::vector<LogSeries>> to_series(std::vector<Row> rows, const Grid& grid,
                                         const EngineOptions& options) {
  if (rows.size() > options.series_max) {
    return fail(
        ErrorCode::kLimit,
        fmt::format("maximum number of series ({}) reached for a single query; consider reducing query "
                    "cardinality by adding more specific stream selectors, reducing the time range, or "
                    "aggregating results with functions like sum(), count() or topk()",
                    options.series_max));
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.labels < b.labels; });
  std::vector<LogSeries> out;
  for (Row& row : rows) {
    LogSeries s;
    s.labels = std::move(row.labels);
    for (size_t i = 0; i < grid.points; i++) {
      if (row.present[i]) s.points.emplace_back(grid.at(i).to_timestamp(), row.values[i]);
    }
    if (!s.points.empty()) out.push_back(std::move(s));
  }
  return out;
}

Result<> check_time(EventTime t) {
  if (t.ns >= -kTimeMax && t.ns <= kTimeMax) return {};
  return fail(ErrorCode::kInvalid, "the time is too far from 1970");
}

}  // namespace

Engine::Engine(const storage::LogReader& reader, const Clock& clock, EngineOptions options)
    : reader_(reader), clock_(clock), options_(options) {}

Result<LogQueryResult> Engine::range(std::string_view query, EventTime from, EventTime to, Duration step,
                                     size_t limit, storage::Direction direction,
                                     const QueryContext& context) const {
  SONDE_TRY(ExprPtr expr, parse(query));
  SONDE_CHECK(check_time(from));
  SONDE_CHECK(check_time(to));
  Run run(reader_, clock_, options_, context);
  LogQueryResult result;
  if (const auto* log = std::get_if<LogExpr>(&expr->node)) {
    if (limit > options_.entries_max) {
      return fail(
          ErrorCode::kLimit,
          fmt::format("max entries limit per query exceeded, limit > max_entries_limit_per_query ({} > {})",
                      limit, options_.entries_max));
    }
    if (limit > 0) {
      SONDE_TRY(result.entries, run.entries(*log, from, to, limit, direction));
    }
    result.stats = run.stats();
    return result;
  }
  if (step.ns <= 0) return fail(ErrorCode::kInvalid, "the step must be above 0");
  if (to < from) return fail(ErrorCode::kInvalid, "the end is before the start");
  auto points = static_cast<uint64_t>((to.ns - from.ns) / step.ns) + 1;
  if (points > options_.points_max) {
    return fail(ErrorCode::kInvalid,
                "exceeded maximum resolution of 11,000 points per time series. Try increasing "
                "the value of the step parameter");
  }
  Grid grid{from, step.ns, points};
  SONDE_TRY(Value value, run.evaluate(*expr, grid));
  if (value.is_scalar) {
    value.rows.push_back({{}, std::vector<double>(points, value.number), std::vector<char>(points, 1)});
  }
  result.type = LogQueryResult::Type::kMatrix;
  SONDE_TRY(result.series, to_series(std::move(value.rows), grid, options_));
  result.stats = run.stats();
  return result;
}

Result<LogQueryResult> Engine::instant(std::string_view query, EventTime t,
                                       const QueryContext& context) const {
  SONDE_TRY(ExprPtr expr, parse(query));
  SONDE_CHECK(check_time(t));
  if (expr->is_log()) {
    return fail(ErrorCode::kInvalid,
                "log queries are not supported as an instant query type, please change your "
                "query to a range query type");
  }
  Run run(reader_, clock_, options_, context);
  Grid grid{t, 1, 1};
  SONDE_TRY(Value value, run.evaluate(*expr, grid));
  LogQueryResult result;
  result.time = t.to_timestamp();
  if (value.is_scalar) {
    result.type = LogQueryResult::Type::kScalar;
    result.scalar = value.number;
  } else {
    result.type = LogQueryResult::Type::kVector;
    SONDE_TRY(result.series, to_series(std::move(value.rows), grid, options_));
    const auto* top = std::get_if<AggregateExpr>(&expr->node);
    if (top && (top->op == AggregateOp::kTopk || top->op == AggregateOp::kBottomk)) {
      std::stable_sort(result.series.begin(), result.series.end(),
                       [&](const LogSeries& a, const LogSeries& b) {
                         double x = a.points[0].second, y = b.points[0].second;
                         return top->op == AggregateOp::kTopk ? x > y : x < y;
                       });
    }
  }
  result.stats = run.stats();
  return result;
}

}  // namespace sonde::logql

// The clock and the calendar (UTC, proleptic Gregorian).
#include <chrono>
#include <cmath>

#include "promql/evaluator.h"

namespace sonde::promql {
namespace {

EvalValue scalar_of(const Grid& grid, double v) {
  EvalValue out;
  out.type = ValueType::kScalar;
  out.scalar.assign(grid.count, v);
  return out;
}

Result<EvalValue> time(Evaluator&, const Call&, const Grid& grid) {
  EvalValue out = scalar_of(grid, 0);
  for (size_t i = 0; i < grid.count; i++) out.scalar[i] = static_cast<double>(grid.at(i)) / 1000;
  return out;
}

Result<EvalValue> start(Evaluator& ev, const Call&, const Grid& grid) {
  return scalar_of(grid, static_cast<double>(ev.query_grid().start) / 1000);
}
Result<EvalValue> end(Evaluator& ev, const Call&, const Grid& grid) {
  return scalar_of(grid, static_cast<double>(ev.query_end()) / 1000);
}
Result<EvalValue> range(Evaluator& ev, const Call&, const Grid& grid) {
  return scalar_of(grid, static_cast<double>(ev.query_end() - ev.query_grid().start) / 1000);
}
Result<EvalValue> step(Evaluator& ev, const Call&, const Grid& grid) {
  return scalar_of(grid, ev.instant_query() ? 0 : static_cast<double>(ev.query_grid().step) / 1000);
}

Result<EvalValue> timestamp(Evaluator& ev, const Call& call, const Grid& grid) {
  EvalValue v;
  if (const auto* s = as<VectorSelector>(unwrap(*call.args[0]))) {
    SONDE_TRY(v, ev.eval_selector(*s, grid, Evaluator::Take::kTime));
  } else {
    SONDE_TRY(v, ev.eval(*call.args[0], grid));
    for (Series& s : v.series) {
      for (size_t i = 0; i < grid.count; i++) {
        if (s.present(i)) s.set(i, static_cast<double>(grid.at(i)) / 1000);
      }
    }
  }
  SONDE_CHECK(ev.drop_names(v.series));
  return v;
}

Result<EvalValue> start_timestamp(Evaluator& ev, const Call& call, const Grid& grid) {
  EvalValue v;
  // Expressions have lost the start.
  if (const auto* s = as<VectorSelector>(unwrap(*call.args[0]))) {
    SONDE_TRY(v, ev.eval_selector(*s, grid, Evaluator::Take::kStart));
  }
  SONDE_CHECK(ev.drop_names(v.series));
  return v;
}

using Part = double (*)(std::chrono::sys_seconds);

template <Part F>
Result<EvalValue> calendar(Evaluator& ev, const Call& call, const Grid& grid) {
  auto apply = [](double seconds) {
    if (std::isnan(seconds)) return seconds;
    // Beyond this a year has no meaning; Go converts out-of-range values to the smallest integer.
    if (std::fabs(seconds) > 1e15) return std::nan("");
    return F(std::chrono::sys_seconds(std::chrono::seconds(static_cast<int64_t>(seconds))));
  };
  EvalValue v;
  if (call.args.empty()) {
    Series s(LabelSet(), grid.count);
    for (size_t i = 0; i < grid.count; i++)
      s.set(i, apply(std::floor(static_cast<double>(grid.at(i)) / 1000)));
    v.series.push_back(std::move(s));
    return v;
  }
  SONDE_TRY(v, ev.eval(*call.args[0], grid));
  for (Series& s : v.series) {
    for (size_t i = 0; i < grid.count; i++) {
      if (s.is_float(i)) {
        s.floats[i] = apply(s.floats[i]);
      } else {
        s.clear(i);
      }
    }
    s.histograms.clear();
  }
  std::erase_if(v.series, [](const Series& s) { return s.empty(); });
  SONDE_CHECK(ev.drop_names(v.series));
  return v;
}

std::chrono::year_month_day date_of(std::chrono::sys_seconds t) {
  return std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(t));
}
double minute_of(std::chrono::sys_seconds t) {
  return static_cast<double>(
      std::chrono::floor<std::chrono::minutes>(t - std::chrono::floor<std::chrono::hours>(t)).count());
}
double hour_of(std::chrono::sys_seconds t) {
  return static_cast<double>(
      std::chrono::floor<std::chrono::hours>(t - std::chrono::floor<std::chrono::days>(t)).count());
}
double day_of_week(std::chrono::sys_seconds t) {
  return std::chrono::weekday(std::chrono::floor<std::chrono::days>(t)).c_encoding();
}
double day_of_month(std::chrono::sys_seconds t) { return static_cast<unsigned>(date_of(t).day()); }
double day_of_year(std::chrono::sys_seconds t) {
  auto day = std::chrono::floor<std::chrono::days>(t);
  std::chrono::sys_days first =
      std::chrono::year_month_day(date_of(t).year(), std::chrono::January, std::chrono::day(1));
  return static_cast<double>((day - first).count() + 1);
}
double days_in_month(std::chrono::sys_seconds t) {
  auto d = date_of(t);
  return static_cast<unsigned>(
      std::chrono::year_month_day_last(d.year(), std::chrono::month_day_last(d.month())).day());
}
double month_of(std::chrono::sys_seconds t) { return static_cast<unsigned>(date_of(t).month()); }
double year_of(std::chrono::sys_seconds t) { return static_cast<int>(date_of(t).year()); }

Function row(const char* name, CallCode code, const char* doc, bool experimental = false) {
  Function f;
  f.name = name;
  f.return_type = ValueType::kScalar;
  f.doc = doc;
  f.call = code;
  f.time_dependent = !experimental;
  f.experimental = experimental;
  return f;
}

Function of_date(const char* name, CallCode code, const char* doc) {
  Function f;
  f.name = name;
  f.arg_types = {ValueType::kVector};
  f.variadic = 1;
  f.doc = doc;
  f.call = code;
  f.time_dependent = true;
  return f;
}

}  // namespace

std::vector<Function> time_functions() {
  Function stamp;
  stamp.name = "timestamp";
  stamp.arg_types = {ValueType::kVector};
  stamp.doc = "Time of each sample, in seconds since 1970.";
  stamp.call = timestamp;
  stamp.time_dependent = true;
  Function begun;
  begun.name = "start_timestamp";
  begun.arg_types = {ValueType::kVector};
  begun.doc = "Start time of each sample's counter, in seconds since 1970; 0 when unknown.";
  begun.call = start_timestamp;
  begun.time_dependent = true;
  begun.experimental = true;
  return {
      std::move(begun),
      row("time", time, "The evaluation time, in seconds since 1970."),
      row("start", start, "Start of the query's range, in seconds since 1970.", true),
      row("end", end, "End of the query's range, in seconds since 1970.", true),
      row("range", range, "Length of the query's range, in seconds.", true),
      row("step", step, "Step of the query, in seconds.", true),
      std::move(stamp),
      of_date("minute", calendar<minute_of>, "Minute of the hour, 0 to 59."),
      of_date("hour", calendar<hour_of>, "Hour of the day, 0 to 23."),
      of_date("day_of_week", calendar<day_of_week>, "Day of the week, 0 is Sunday."),
      of_date("day_of_month", calendar<day_of_month>, "Day of the month, from 1."),
      of_date("day_of_year", calendar<day_of_year>, "Day of the year, from 1."),
      of_date("days_in_month", calendar<days_in_month>, "Number of days of the month."),
      of_date("month", calendar<month_of>, "Month, 1 to 12."),
      of_date("year", calendar<year_of>, "Year."),
  };
}

}  // namespace sonde::promql

#include "promql/test_script.h"

#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "promql/duration.h"
#include "promql/evaluator.h"
#include "promql/native_histogram.h"
#include "promql/series_notation.h"

namespace sonde::promql {
namespace {

struct Line {
  int number = 0;
  std::string_view text;
};

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t' || s.front() == '\r')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) s.remove_suffix(1);
  return s;
}

// The first word; `rest` gets what follows it.
std::string_view word(std::string_view text, std::string_view& rest) {
  size_t n = text.find_first_of(" \t");
  rest = n == std::string_view::npos ? std::string_view() : trim(text.substr(n));
  return text.substr(0, n);
}

std::optional<int64_t> parse_time(std::string_view text) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  auto ms = parse_duration_ms(text);
  if (!ms) {
    double v = 0;
    auto r = std::from_chars(text.data(), text.data() + text.size(), v);
    if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
    ms = std::llround(v * 1000);
  }
  return negative ? -*ms : *ms;
}

// ---- comparison ----

bool nearly_equal(double a, double b) {
  constexpr double kEpsilon = 1e-6;
  if (is_stale(a) || is_stale(b)) return is_stale(a) && is_stale(b);
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  double sum = std::fabs(a) + std::fabs(b), diff = std::fabs(a - b);
  constexpr double kTiny = std::numeric_limits<double>::min();
  if (a == 0 || b == 0 || sum < kTiny) return diff < kEpsilon * kTiny;
  return diff / std::min(sum, std::numeric_limits<double>::max()) < kEpsilon;
}

bool nearly_equal(const NativeHistogram& expected, const NativeHistogram& actual) {
  NativeHistogram a = compacted(expected), b = compacted(actual);
  auto lists = [](const std::vector<double>& x, const std::vector<double>& y) {
    return x.size() == y.size() &&
           std::equal(x.begin(), x.end(), y.begin(), [](double l, double r) { return nearly_equal(l, r); });
  };
  if (expected.counter_reset != CounterReset::kUnknown && expected.counter_reset != actual.counter_reset)
    return false;
  return a.schema == b.schema && a.custom_values == b.custom_values && a.zero_threshold == b.zero_threshold &&
         a.positive_spans == b.positive_spans && a.negative_spans == b.negative_spans &&
         lists(a.positive_buckets, b.positive_buckets) && lists(a.negative_buckets, b.negative_buckets) &&
         nearly_equal(a.count, b.count) && nearly_equal(a.sum, b.sum) &&
         nearly_equal(a.zero_count, b.zero_count);
}

std::string print(double v, const HistogramPtr& h) { return h ? to_string(*h) : format_value(v); }

bool same(const SequenceValue& expected, double v, const HistogramPtr& h) {
  if ((expected.h != nullptr) != (h != nullptr)) return false;
  return h ? nearly_equal(*expected.h, *h) : nearly_equal(expected.v, v);
}

// ---- the script ----

struct Note {
  bool regex = false;
  bool any = true;
  std::string text;
  bool matches(const std::string& actual) const {
    if (any) return true;
    return regex ? RE2::PartialMatch(actual, text) : actual == text;
  }
};

struct Eval {
  int line = 0;
  bool range = false;
  int64_t start = 0, end = 0, step = 0;
  std::string query;
  bool ordered = false;
  std::vector<Note> fail, warn, info;
  bool no_warn = false, no_info = false;
  std::optional<std::string> string;
  std::optional<double> scalar;
  bool range_vector = false;
  int64_t rv_start = 0, rv_end = 0, rv_step = 0;
  std::vector<SeriesNotation> series;
};

class Runner {
 public:
  Runner(const StoreFactory& make_store, const EngineOptions& options)
      : make_store_(make_store), options_(options) {}

  Result<ScriptResult> run(std::string_view text) {
    split(text);
    store_ = make_store_();
    while (at_ < lines_.size()) {
      if (lines_[at_].text.empty()) {
        at_++;
        continue;
      }
      std::string_view rest;
      std::string_view command = word(lines_[at_].text, rest);
      Result<> done;
      if (command == "clear") {
        store_ = make_store_();
        at_++;
      } else if (command == "load" || command == "load_with_nhcb") {
        done = load(rest, command != "load");
      } else if (command.starts_with("eval")) {
        done = eval(command, rest);
      } else {
        done = wrong("unknown command " + quote(command));
      }
      if (!done) return std::unexpected(done.error());
    }
    return std::move(result_);
  }

 private:
  void split(std::string_view text) {
    for (int n = 1; !text.empty(); n++) {
      size_t eol = text.find('\n');
      std::string_view line = trim(text.substr(0, eol));
      if (line.starts_with("#")) line = {};
      lines_.push_back({n, line});
      text = eol == std::string_view::npos ? std::string_view() : text.substr(eol + 1);
    }
    lines_.push_back({static_cast<int>(lines_.size()) + 1, {}});
  }

  std::unexpected<Error> wrong(std::string message) const {
    Error e{ErrorCode::kInvalid, std::move(message), {}, lines_[std::min(at_, lines_.size() - 1)].number, 0};
    e.message = "line " + std::to_string(e.line) + ": " + e.message;
    return std::unexpected(std::move(e));
  }

  // ---- load ----
  struct Loaded {
    LabelSet labels;
    std::vector<SequenceValue> values;
    std::vector<std::optional<int64_t>> offsets;
  };

  Result<> load(std::string_view step_text, bool with_nhcb) {
    auto step = parse_time(step_text);
    if (!step || *step <= 0) return wrong("bad step of load: " + std::string(step_text));
    std::vector<Loaded> loaded;
    std::map<std::string, size_t> index;
    std::optional<SeriesNotation> starts;
    for (at_++; !lines_[at_].text.empty(); at_++) {
      auto s = parse_series_notation(lines_[at_].text);
      if (!s) return wrong(s.error().message);
      if (s->start_times) {
        starts = std::move(*s);
        continue;
      }
      auto [it, fresh] = index.emplace(s->labels.encoded(), loaded.size());
      if (fresh) loaded.emplace_back();
      Loaded& l = loaded[it->second];
      l.labels = s->labels;
      l.values = std::move(s->values);
      l.offsets.clear();
      if (starts) {
        if (starts->labels != l.labels)
          return wrong("start timestamps are not followed by the samples of their series");
        if (starts->offsets.size() != l.values.size())
          return wrong("start timestamps and samples differ in number");
        l.offsets = std::move(starts->offsets);
        starts.reset();
      }
    }
    if (with_nhcb) {
      for (Loaded& l : to_custom_buckets(loaded)) loaded.push_back(std::move(l));
    }
    for (Loaded& l : loaded) note_resets(l);
    storage::Batch batch;
    for (const Loaded& l : loaded) {
      uint32_t series = batch.add_series(l.labels);
      for (size_t i = 0; i < l.values.size(); i++) {
        const SequenceValue& v = l.values[i];
        if (v.omitted) continue;
        Timestamp t{static_cast<int64_t>(i) * *step};
        Timestamp start{i < l.offsets.size() && l.offsets[i] ? t.ms + *l.offsets[i] : 0};
        if (v.h) {
          batch.histograms.push_back({series, t, v.h, start});
        } else {
          batch.add_float(series, t, v.v, start);
        }
      }
    }
    auto outcome = storage::commit_and_wait(*store_, std::move(batch));
    if (!outcome) return wrong("load failed: " + outcome.error().message);
    return {};
  }

  // A store knows, of histograms that follow one another, that no reset lies between.
  static void note_resets(Loaded& l) {
    HistogramPtr previous;
    for (SequenceValue& v : l.values) {
      if (v.omitted) continue;
      HistogramPtr now = v.h;
      bool counters = now && previous && now->counter_reset == CounterReset::kUnknown &&
                      previous->counter_reset != CounterReset::kGauge && now->schema == previous->schema &&
                      now->zero_threshold == previous->zero_threshold &&
                      now->custom_values == previous->custom_values;
      if (counters && !detect_reset(*now, *previous)) {
        NativeHistogram h = *now;
        h.counter_reset = CounterReset::kNoReset;
        v.h = std::make_shared<const NativeHistogram>(std::move(h));
      }
      previous = now;
    }
  }

  // Classic histograms as native ones with custom buckets, under the base name.
  std::vector<Loaded> to_custom_buckets(const std::vector<Loaded>& loaded) const {
    struct Parts {
      LabelSet labels;
      std::map<double, const Loaded*> buckets;
      const Loaded* count = nullptr;
      const Loaded* sum = nullptr;
      size_t length = 0;
    };
    std::map<std::string, Parts> groups;
    for (const Loaded& l : loaded) {
      std::string_view name = l.labels.metric_name();
      for (std::string_view suffix : {"_bucket", "_count", "_sum"}) {
        if (!name.ends_with(suffix)) continue;
        bool bucket = suffix == "_bucket";
        std::string le(l.labels.get("le"));
        if (bucket && le.empty()) break;
        LabelBuilder b(l.labels);
        b.set(kMetricName, name.substr(0, name.size() - suffix.size()));
        if (bucket) b.del("le");
        LabelSet base = b.build();
        Parts& p = groups[std::string(base.encoded())];
        p.labels = base;
        p.length = std::max(p.length, l.values.size());
        if (bucket) {
          auto bound = parse_plain_number(le);
          if (bound) p.buckets.emplace(*bound, &l);
        } else {
          (suffix == "_count" ? p.count : p.sum) = &l;
        }
        break;
      }
    }
    std::vector<Loaded> out;
    for (auto& [key, p] : groups) {
      if (p.buckets.empty()) continue;
      Loaded l;
      l.labels = p.labels;
      l.values.resize(p.length);
      auto at = [](const Loaded* from, size_t i) -> std::optional<double> {
        if (!from || i >= from->values.size() || from->values[i].omitted) return std::nullopt;
        return from->values[i].v;
      };
      for (size_t i = 0; i < p.length; i++) {
        NativeHistogram h;
        h.schema = kCustomBucketsSchema;
        double previous = 0;
        bool any = false, monotonic = true;
        for (const auto& [bound, from] : p.buckets) {
          auto c = at(from, i);
          if (!c) continue;
          any = true;
          if (std::isfinite(bound)) h.custom_values.push_back(bound);
          h.positive_buckets.push_back(*c - previous);
          monotonic &= *c >= previous;
          previous = *c;
        }
        if (!any || !monotonic) continue;
        auto count = at(p.count, i);
        h.count = count ? *count : previous;
        if (h.positive_buckets.size() == h.custom_values.size())
          h.positive_buckets.push_back(h.count - previous);
        h.sum = at(p.sum, i).value_or(0);
        h.positive_spans = {{0, static_cast<uint32_t>(h.positive_buckets.size())}};
        l.values[i] = {false, 0, std::make_shared<const NativeHistogram>(compacted(std::move(h)))};
      }
      out.push_back(std::move(l));
    }
    return out;
  }

  // ---- eval ----
  Result<> eval(std::string_view command, std::string_view rest) {
    Eval e;
    e.line = lines_[at_].number;
    if (command == "eval_fail") {
      e.fail.push_back({});
    } else if (command == "eval_warn") {
      e.warn.push_back({});
    } else if (command == "eval_info") {
      e.info.push_back({});
    } else if (command == "eval_ordered") {
      e.ordered = true;
    } else if (command != "eval") {
      return wrong("unknown command " + quote(command));
    }
    std::string_view kind = word(rest, rest);
    if (kind == "instant") {
      if (word(rest, rest) != "at") return wrong("expected: eval instant at TIME QUERY");
      auto t = parse_time(word(rest, rest));
      if (!t) return wrong("bad time of eval");
      e.start = e.end = *t;
    } else if (kind == "range") {
      e.range = true;
      SONDE_CHECK(range_of(rest, e.start, e.end, e.step));
    } else {
      return wrong("expected instant or range after eval");
    }
    e.query = std::string(rest);
    for (at_++; !lines_[at_].text.empty(); at_++) SONDE_CHECK(expectation(e, lines_[at_].text));
    ScriptCase c;
    c.line = e.line;
    c.query = e.query;
    c.failure = e.range ? check_range(e) : check_instant(e);
    result_.total++;
    (c.failure.empty() ? result_.passed : result_.failed)++;
    result_.cases.push_back(std::move(c));
    return {};
  }

  Result<> range_of(std::string_view& rest, int64_t& start, int64_t& end, int64_t& step) const {
    auto piece = [&](std::string_view name, int64_t& out) {
      if (word(rest, rest) != name) return false;
      auto t = parse_time(word(rest, rest));
      if (!t) return false;
      out = *t;
      return true;
    };
    if (!piece("from", start) || !piece("to", end) || !piece("step", step) || step <= 0) {
      return wrong("expected: from TIME to TIME step DURATION");
    }
    return {};
  }

  Result<> expectation(Eval& e, std::string_view line) const {
    std::string_view rest;
    std::string_view first = word(line, rest);
    if (first == "expected_fail_message" || first == "expected_fail_regexp") {
      e.fail = {{first == "expected_fail_regexp", false, std::string(rest)}};
      return {};
    }
    if (first == "expect") {
      std::string_view what = word(rest, rest);
      if (what == "ordered") {
        e.ordered = true;
      } else if (what == "string") {
        std::string s;
        if (!unquote(rest, s)) return wrong("bad string in expect string");
        e.string = std::move(s);
      } else if (what == "range") {
        if (word(rest, rest) != "vector") return wrong("expected: expect range vector from … to … step …");
        e.range_vector = true;
        SONDE_CHECK(range_of(rest, e.rv_start, e.rv_end, e.rv_step));
      } else if (what == "no_warn") {
        e.no_warn = true;
      } else if (what == "no_info") {
        e.no_info = true;
      } else if (what == "fail" || what == "warn" || what == "info") {
        Note n;
        if (!rest.empty()) {
          n.any = false;
          n.regex = rest.starts_with("regex:");
          if (!n.regex && !rest.starts_with("msg:")) return wrong("expected msg: or regex: after expect");
          n.text = std::string(trim(rest.substr(n.regex ? 6 : 4)));
        }
        (what == "fail" ? e.fail : what == "warn" ? e.warn : e.info).push_back(std::move(n));
      } else {
        return wrong("unknown expectation " + quote(what));
      }
      return {};
    }
    if (auto v = parse_plain_number(line)) {
      e.scalar = v;
      return {};
    }
    auto s = parse_series_notation(line);
    if (!s) return wrong(s.error().message);
    e.series.push_back(std::move(*s));
    return {};
  }

  // ---- checks: empty when as expected, else what is not ----

  static std::string check_notes(const char* kind, const std::vector<Note>& expected, bool none,
                                 const std::vector<Annotation>& actual) {
    if (none && !actual.empty()) return std::string("unexpected ") + kind + ": " + actual[0].text;
    if (expected.empty()) return "";
    if (actual.empty()) return std::string("expected ") + kind + ", got none";
    for (const Annotation& a : actual) {
      if (std::none_of(expected.begin(), expected.end(), [&](const Note& n) { return n.matches(a.text); })) {
        return std::string("unexpected ") + kind + ": " + a.text;
      }
    }
    for (const Note& n : expected) {
      if (std::none_of(actual.begin(), actual.end(),
                       [&](const Annotation& a) { return n.matches(a.text); })) {
        return std::string("missing ") + kind + ": " + n.text + "; got: " + actual[0].text;
      }
    }
    return "";
  }

  // Errors and remarks; `done` tells that there is nothing more to check.
  static std::string check_outcome(const Eval& e, const Result<QueryResult>& r, bool& done) {
    done = true;
    if (!r) {
      if (e.fail.empty()) return "unexpected error: " + r.error().message;
      if (!e.fail[0].matches(r.error().message)) {
        return "expected error " + quote(e.fail[0].text) + ", got " + quote(r.error().message);
      }
      return "";
    }
    if (!e.fail.empty()) return "expected an error, got a result";
    done = false;
    if (auto m = check_notes("warning", e.warn, e.no_warn, r->warnings); !m.empty()) return m;
    return check_notes("info", e.info, e.no_info, r->infos);
  }

  std::string check_instant(const Eval& e) {
    Engine engine(*store_, clock_, options_);
    QueryContext context;
    auto r = engine.instant(e.query, {e.start}, context);
    bool done = false;
    if (auto m = check_outcome(e, r, done); !m.empty() || done) return m;
    if (auto m = compare(e, r->value); !m.empty()) return m;
    if (!e.range_vector && !e.string) {
      if (auto m = check_pinned(e, engine); !m.empty()) return m;
      return check_as_range(e, engine);
    }
    return "";
  }

  // With every free selector pinned to the time, the answer is the same at any other.
  std::string check_pinned(const Eval& e, const Engine& engine) {
    auto tree = parse(e.query, options_.parser);
    if (!tree) return "does not parse twice: " + tree.error().message;
    bool depends_on_time = false;
    walk(**tree, [&](const Expr& node, const std::vector<const Expr*>& path) {
      if (const auto* c = as<Call>(node))
        depends_on_time |= c->function->time_dependent || mentions_query_range(*c);
      bool below_pinned = std::any_of(path.begin(), path.end(), [](const Expr* p) {
        const auto* s = as<SubqueryExpr>(p);
        return s && s->modifiers.at != AtKind::kNone;
      });
      if (below_pinned) return true;
      TimeModifiers* m = nullptr;
      // The tree is ours and not const; only the walk is.
      if (const auto* s = as<VectorSelector>(node)) m = &const_cast<VectorSelector*>(s)->modifiers;
      if (const auto* s = as<SubqueryExpr>(node)) m = &const_cast<SubqueryExpr*>(s)->modifiers;
      if (m && m->at == AtKind::kNone) {
        m->at = AtKind::kTimestamp;
        m->at_ms = e.start;
      }
      return true;
    });
    if (depends_on_time) return "";
    std::string pinned = to_string(**tree);
    std::vector<int64_t> times = {-10 * e.start, 0, e.start / 5, e.start, 10 * e.start};
    if (e.start == 0) times = {-1000, 0, 1000};
    for (int64_t t : times) {
      QueryContext context;
      auto r = engine.instant(pinned, {t}, context);
      std::string where = "as " + pinned + " at " + std::to_string(t) + " ms: ";
      if (!r) return where + r.error().message;
      if (auto m = compare(e, r->value); !m.empty()) return where + m;
    }
    return "";
  }

  static bool mentions_query_range(const Call& c) {
    std::string_view n = c.function->name;
    return n == "start" || n == "end" || n == "range" || n == "step";
  }

  std::string check_as_range(const Eval& e, const Engine& engine) {
    std::string flat;
    for (char c : e.query) flat += static_cast<char>(std::tolower(c));
    for (std::string_view call : {"start()", "end()", "range()", "step()"}) {
      if (flat.find(call) != std::string::npos) return "";
    }
    int64_t minute = 60'000;
    QueryContext context;
    auto r = engine.range(e.query, {e.start - minute}, {e.start + minute}, Duration::milliseconds(minute),
                          context);
    if (!r) return "as a range query: " + r.error().message;
    const auto& m = std::get<Matrix>(r->value);
    Value middle;
    if (e.scalar) {
      double v = m.empty() || m[0].floats.size() != 3 ? std::nan("") : m[0].floats[1];
      middle = Scalar{{e.start}, v};
    } else {
      Vector vec;
      for (const MatrixSeries& s : m) {
        for (size_t i = 0; i < s.floats.size(); i++) {
          if (s.float_times[i].ms == e.start) vec.push_back({s.labels, {e.start}, s.floats[i], {}});
        }
        for (size_t i = 0; i < s.histograms.size(); i++) {
          if (s.histogram_times[i].ms == e.start) vec.push_back({s.labels, {e.start}, 0, s.histograms[i]});
        }
      }
      middle = std::move(vec);
    }
    Eval unordered = e;
    unordered.ordered = false;
    std::string failure = compare(unordered, middle);
    return failure.empty() ? "" : "as a range query: " + failure;
  }

  std::string check_range(const Eval& e) {
    Engine engine(*store_, clock_, options_);
    QueryContext context;
    auto r = engine.range(e.query, {e.start}, {e.end}, Duration::milliseconds(e.step), context);
    bool done = false;
    if (auto m = check_outcome(e, r, done); !m.empty() || done) return m;
    return compare_matrix(e, std::get<Matrix>(r->value), e.start, e.end, e.step);
  }

  static std::string compare(const Eval& e, const Value& value) {
    if (e.string) {
      const auto* s = std::get_if<String>(&value);
      if (!s) return "expected a string";
      return s->v == *e.string ? "" : "expected string " + quote(*e.string) + ", got " + quote(s->v);
    }
    if (e.range_vector) {
      const auto* m = std::get_if<Matrix>(&value);
      return m ? compare_matrix(e, *m, e.rv_start, e.rv_end, e.rv_step) : "expected a range vector";
    }
    if (const auto* s = std::get_if<Scalar>(&value)) {
      if (!e.scalar) return "expected a vector, got scalar " + format_value(s->v);
      return nearly_equal(*e.scalar, s->v)
                 ? ""
                 : "expected " + format_value(*e.scalar) + ", got " + format_value(s->v);
    }
    const auto* v = std::get_if<Vector>(&value);
    if (!v) return "unexpected type of result";
    if (e.scalar) return "expected a scalar, got a vector";
    return compare_vector(e, *v);
  }

  static std::string compare_vector(const Eval& e, const Vector& v) {
    std::map<std::string, size_t> expected;
    for (size_t i = 0; i < e.series.size(); i++) {
      if (e.series[i].values.size() != 1) return "expected exactly one value for each series";
      expected.emplace(e.series[i].labels.encoded(), i);
    }
    std::vector<uint8_t> seen(e.series.size(), 0);
    for (size_t i = 0; i < v.size(); i++) {
      auto it = expected.find(std::string(v[i].labels.encoded()));
      if (it == expected.end()) {
        return "unexpected " + v[i].labels.to_string() + " " + print(v[i].value, v[i].histogram);
      }
      if (e.ordered && it->second != i) {
        return v[i].labels.to_string() + " at position " + std::to_string(i + 1) + ", expected at " +
               std::to_string(it->second + 1);
      }
      if (seen[it->second]++) return "twice: " + v[i].labels.to_string();
      const SequenceValue& want = e.series[it->second].values[0];
      if (!same(want, v[i].value, v[i].histogram)) {
        return v[i].labels.to_string() + ": expected " + print(want.v, want.h) + ", got " +
               print(v[i].value, v[i].histogram);
      }
    }
    for (size_t i = 0; i < seen.size(); i++) {
      if (!seen[i]) return "missing " + e.series[i].labels.to_string();
    }
    return "";
  }

  static std::string compare_matrix(const Eval& e, const Matrix& m, int64_t start, int64_t end,
                                    int64_t step) {
    for (size_t i = 1; i < m.size(); i++) {
      if (!(m[i - 1].labels < m[i].labels)) return "the matrix is not sorted by labels";
    }
    std::map<std::string, const SeriesNotation*> expected;
    for (const auto& s : e.series) expected.emplace(s.labels.encoded(), &s);
    if (e.scalar) return "expected series";
    for (const MatrixSeries& s : m) {
      auto it = expected.find(std::string(s.labels.encoded()));
      if (it == expected.end()) return "unexpected series " + s.labels.to_string();
      const auto& want = it->second->values;
      size_t f = 0, h = 0;
      int64_t t = start;
      for (size_t i = 0; i < want.size(); i++, t += step) {
        if (t > end && !want[i].omitted) return "more values expected than steps";
        bool is_float = f < s.floats.size() && s.float_times[f].ms == t;
        bool is_histogram = h < s.histograms.size() && s.histogram_times[h].ms == t;
        std::string where = s.labels.to_string() + " at " + std::to_string(t) + " ms: ";
        if (want[i].omitted) {
          if (is_float || is_histogram)
            return where + "unexpected " +
                   print(is_float ? s.floats[f] : 0, is_float ? nullptr : s.histograms[h]);
          continue;
        }
        if (!is_float && !is_histogram) return where + "missing " + print(want[i].v, want[i].h);
        double v = is_float ? s.floats[f] : 0;
        HistogramPtr hist = is_float ? nullptr : s.histograms[h];
        if (!same(want[i], v, hist))
          return where + "expected " + print(want[i].v, want[i].h) + ", got " + print(v, hist);
        f += is_float;
        h += is_histogram;
      }
      if (f < s.floats.size() || h < s.histograms.size())
        return s.labels.to_string() + ": more points than expected";
      expected.erase(it);
    }
    for (const auto& [key, s] : expected) {
      bool any =
          std::any_of(s->values.begin(), s->values.end(), [](const SequenceValue& v) { return !v.omitted; });
      if (any) return "missing series " + s->labels.to_string();
    }
    return "";
  }

  const StoreFactory& make_store_;
  const EngineOptions& options_;
  SystemClock clock_;
  std::unique_ptr<storage::MetricStore> store_;
  std::vector<Line> lines_;
  size_t at_ = 0;
  ScriptResult result_;
};

}  // namespace

EngineOptions script_engine_options() {
  EngineOptions o;
  o.max_samples = 10'000;
  o.delayed_name_removal = true;
  o.use_start_timestamps = true;
  o.parser = ParserOptions::everything();
  return o;
}

Result<ScriptResult> run_script(std::string_view text, const StoreFactory& make_store,
                                const EngineOptions& options) {
  return Runner(make_store, options).run(text);
}

}  // namespace sonde::promql

// Binary operators: arithmetic, comparison, set operators, and the matching of vectors.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "promql/evaluator.h"
#include "promql/native_histogram.h"

namespace sonde::promql {
namespace {

// {__name__="a", b="c"}: how Prometheus prints labels in errors.
std::string print_labels(const LabelSet& labels) {
  std::string out = "{";
  for (LabelView l : labels) {
    if (out.size() > 1) out += ", ";
    out += label_name_to_string(std::string(l.name)) + "=" + quote(l.value);
  }
  return out + "}";
}

double arithmetic(BinaryOp op, double l, double r) {
  switch (op) {
    case BinaryOp::kAdd:
      return l + r;
    case BinaryOp::kSub:
      return l - r;
    case BinaryOp::kMul:
      return l * r;
    case BinaryOp::kDiv:
      return l / r;
    case BinaryOp::kMod:
      return std::fmod(l, r);
    case BinaryOp::kPow:
      return std::pow(l, r);
    case BinaryOp::kAtan2:
      return std::atan2(l, r);
    default:
      return 0;
  }
}

bool compare(BinaryOp op, double l, double r) {
  switch (op) {
    case BinaryOp::kEqual:
      return l == r;
    case BinaryOp::kNotEqual:
      return l != r;
    case BinaryOp::kLess:
      return l < r;
    case BinaryOp::kGreater:
      return l > r;
    case BinaryOp::kLessEqual:
      return l <= r;
    case BinaryOp::kGreaterEqual:
      return l >= r;
    default:
      return false;
  }
}

// One side of an operation at one step.
struct Cell {
  double v = 0;
  const HistogramPtr* h = nullptr;  // null: a float
};

Cell cell_of(const Series& s, size_t i) {
  Cell c;
  if (s.is_histogram(i)) {
    c.h = &s.histograms[i];
  } else {
    c.v = s.floats[i];
  }
  return c;
}

struct Outcome {
  bool has_value = false;  // false: incompatible types, nothing comes out
  bool keep = true;        // of comparisons
  double v = 0;
  HistogramPtr h;
};

HistogramPtr share(NativeHistogram h) { return std::make_shared<const NativeHistogram>(std::move(h)); }

Outcome apply(Evaluator& ev, const BinaryExpr& b, Cell l, Cell r) {
  Outcome o;
  o.has_value = true;
  if (!l.h && !r.h) {
    if (is_comparison(b.op)) {
      o.keep = compare(b.op, l.v, r.v);
      o.v = l.v;
      return o;
    }
    if (b.op != BinaryOp::kTrimUpper && b.op != BinaryOp::kTrimLower) {
      o.v = arithmetic(b.op, l.v, r.v);
      return o;
    }
  } else if (!l.h) {
    if (b.op == BinaryOp::kMul) {
      o.h = share(scaled(**r.h, l.v));
      return o;
    }
  } else if (!r.h) {
    switch (b.op) {
      case BinaryOp::kMul:
        o.h = share(scaled(**l.h, r.v));
        return o;
      case BinaryOp::kDiv:
        o.h = share(divided(**l.h, r.v));
        return o;
      case BinaryOp::kTrimUpper:
      case BinaryOp::kTrimLower:
        o.h = share(trimmed(**l.h, r.v, b.op == BinaryOp::kTrimUpper));
        return o;
      default:
        break;
    }
  } else {
    if (b.op == BinaryOp::kAdd || b.op == BinaryOp::kSub) {
      bool add = b.op == BinaryOp::kAdd;
      NativeHistogram h = **l.h;
      JoinNotes notes;
      if (!join(h, **r.h, add ? 1 : -1, notes)) {
        ev.warn(b.pos, "vector contains a mix of histograms with exponential and custom buckets schemas");
        return Outcome{};
      }
      if (notes.bounds_reconciled) {
        ev.info(b.pos, std::string("mismatched custom buckets were reconciled during ") +
                           (add ? "addition" : "subtraction"));
      }
      if (notes.reset_collision) {
        ev.warn(b.pos, std::string("conflicting counter resets during histogram ") +
                           (add ? "addition" : "subtraction"));
      }
      if (!add) h.counter_reset = CounterReset::kGauge;
      o.h = share(std::move(h));
      return o;
    }
    if (b.op == BinaryOp::kEqual || b.op == BinaryOp::kNotEqual) {
      o.keep = same_histogram(**l.h, **r.h) == (b.op == BinaryOp::kEqual);
      o.h = *l.h;
      return o;
    }
  }
  auto name = [](const Cell& c) { return std::string(c.h ? "histogram" : "float"); };
  ev.info(b.pos, "incompatible sample types encountered for binary operator " + quote(to_string(b.op)) +
                     ": " + name(l) + " " + to_string(b.op) + " " + name(r));
  return Outcome{};
}

void put(Series& s, size_t i, Outcome& o) {
  if (o.h) {
    s.set(i, std::move(o.h));
  } else {
    s.set(i, o.v);
  }
}

LabelSet signature(const VectorMatching& m, const LabelSet& labels) {
  LabelBuilder b(labels);
  if (m.on) return b.keep(m.labels).build();
  for (const auto& l : m.labels) b.del(l);
  return b.del(kMetricName).build();
}

bool is_trim(BinaryOp op) { return op == BinaryOp::kTrimUpper || op == BinaryOp::kTrimLower; }
bool drops_name(const BinaryExpr& b) { return (!is_comparison(b.op) && !is_trim(b.op)) || b.return_bool; }

Result<EvalValue> vector_scalar(Evaluator& ev, const BinaryExpr& b, EvalValue vec,
                                const std::vector<double>& scalar, bool scalar_left) {
  for (Series& s : vec.series) {
    for (size_t i = 0; i < s.kinds.size(); i++) {
      if (!s.present(i)) continue;
      Cell v = cell_of(s, i), c;
      c.v = scalar[i];
      Outcome o = scalar_left ? apply(ev, b, c, v) : apply(ev, b, v, c);
      if (!o.has_value) {
        s.clear(i);
        continue;
      }
      if (!is_comparison(b.op)) {
        put(s, i, o);
      } else if (b.return_bool) {
        s.set(i, o.keep ? 1.0 : 0.0);
      } else if (!o.keep) {
        s.clear(i);
      }  // else: the sample of the vector stays
    }
  }
  std::erase_if(vec.series, [](const Series& s) { return s.empty(); });
  if (drops_name(b)) SONDE_CHECK(ev.drop_names(vec.series));
  return vec;
}

Result<EvalValue> set_operation(Evaluator& ev, const BinaryExpr& b, EvalValue l, EvalValue r, size_t steps) {
  std::unordered_map<LabelSet, size_t, LabelSetHash> groups;
  auto group_of = [&](const Series& s) {
    return groups.emplace(signature(b.matching, s.labels), groups.size()).first->second;
  };
  std::vector<size_t> left_group, right_group;
  for (const Series& s : l.series) left_group.push_back(group_of(s));
  for (const Series& s : r.series) right_group.push_back(group_of(s));
  // Which groups have a sample at a step, on the side that decides.
  bool is_or = b.op == BinaryOp::kOr;
  const auto& deciding = is_or ? l.series : r.series;
  const auto& deciding_group = is_or ? left_group : right_group;
  std::vector<std::vector<uint8_t>> has(groups.size());
  for (size_t k = 0; k < deciding.size(); k++) {
    auto& row = has[deciding_group[k]];
    row.resize(steps);
    for (size_t i = 0; i < steps; i++) row[i] |= deciding[k].present(i);
  }
  auto filter = [&](std::vector<Series>& series, const std::vector<size_t>& group, bool want) {
    for (size_t k = 0; k < series.size(); k++) {
      const auto& row = has[group[k]];
      for (size_t i = 0; i < steps; i++) {
        if ((!row.empty() && row[i]) != want) series[k].clear(i);
      }
    }
    std::erase_if(series, [](const Series& s) { return s.empty(); });
  };
  if (!is_or) {
    filter(l.series, left_group, b.op == BinaryOp::kAnd);
    return l;
  }
  filter(r.series, right_group, false);
  for (Series& s : r.series) l.series.push_back(std::move(s));
  SONDE_CHECK(ev.merge_equal(l.series));
  return l;
}

// Vector-to-vector matching. "Many" and "one" are the sides after a possible swap: with one-to-one, left is
// "many".
class Matching {
 public:
  Matching(Evaluator& ev, const BinaryExpr& b, EvalValue l, EvalValue r, size_t steps)
      : ev_(ev),
        b_(b),
        steps_(steps),
        swapped_(b.matching.card == MatchCardinality::kOneToMany),
        many_(std::move(swapped_ ? r.series : l.series)),
        one_(std::move(swapped_ ? l.series : r.series)) {
    fill_many_ = swapped_ ? b.matching.fill_right : b.matching.fill_left;
    fill_one_ = swapped_ ? b.matching.fill_left : b.matching.fill_right;
  }

  Result<EvalValue> run() {
    if (many_.empty() && !fill_many_) return EvalValue{};
    if (one_.empty() && !fill_one_) return EvalValue{};
    build_groups();
    any_many_.assign(steps_, 0);
    for (const Series& s : many_) {
      for (size_t i = 0; i < steps_; i++) any_many_[i] |= s.present(i);
    }
    for (Group& g : groups_) {
      SONDE_CHECK(ev_.check());
      for (size_t i = 0; i < steps_; i++) SONDE_CHECK(match(g, i));
    }
    EvalValue out;
    for (Series& s : out_) {
      if (!s.empty()) out.series.push_back(std::move(s));
    }
    if (!ev_.delayed_names() && drops_name(b_)) SONDE_CHECK(ev_.merge_equal(out.series));
    return out;
  }

 private:
  struct Group {
    LabelSet labels;
    std::vector<size_t> many, one;
    std::map<std::pair<size_t, size_t>, size_t> outputs;  // of (many, one) pairs
  };
  static constexpr size_t kFilled = std::numeric_limits<size_t>::max();

  void build_groups() {
    std::unordered_map<LabelSet, size_t, LabelSetHash> index;
    auto group_of = [&](const Series& s) -> Group& {
      LabelSet sig = signature(b_.matching, s.labels);
      auto [it, fresh] = index.emplace(sig, groups_.size());
      if (fresh) groups_.push_back({std::move(sig), {}, {}, {}});
      return groups_[it->second];
    };
    for (size_t k = 0; k < many_.size(); k++) group_of(many_[k]).many.push_back(k);
    for (size_t k = 0; k < one_.size(); k++) group_of(one_[k]).one.push_back(k);
  }

  Result<> match(Group& g, size_t i) {
    size_t one = kFilled;
    for (size_t k : g.one) {
      if (!one_[k].present(i)) continue;
      if (one != kFilled) {
        if (!any_many_[i] && !fill_many_) return {};
        return fail(ErrorCode::kConflict,
                    "found duplicate series for the match group " + print_labels(g.labels) + " on the " +
                        (swapped_ ? "left" : "right") + " hand-side of the operation: [" +
                        print_labels(std::min(one_[one].labels, one_[k].labels)) + ", " +
                        print_labels(std::max(one_[one].labels, one_[k].labels)) +
                        "];many-to-many matching not allowed: matching labels must be unique on one side");
      }
      one = k;
    }
    bool matched = false;  // a pair came out: no second one for one-to-one
    bool seen_many = false;
    for (size_t k : g.many) {
      if (!many_[k].present(i)) continue;
      seen_many = true;
      if (one == kFilled && !fill_one_) continue;
      SONDE_CHECK(pair(g, k, one, i, matched));
    }
    if (!seen_many && one != kFilled && fill_many_) SONDE_CHECK(pair(g, kFilled, one, i, matched));
    return {};
  }

  Result<> pair(Group& g, size_t m, size_t o, size_t i, bool& matched) {
    Cell many = m == kFilled ? Cell{*fill_many_, nullptr} : cell_of(many_[m], i);
    Cell one = o == kFilled ? Cell{*fill_one_, nullptr} : cell_of(one_[o], i);
    Outcome out = swapped_ ? apply(ev_, b_, one, many) : apply(ev_, b_, many, one);
    if (!out.has_value) return {};
    // A comparison that is about to drop the sample still counts as a match.
    if (b_.matching.card == MatchCardinality::kOneToOne) {
      if (matched) {
        return fail(
            ErrorCode::kConflict,
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
      }
      matched = true;
    }
    if (is_comparison(b_.op)) {
      if (b_.return_bool) {
        out.v = out.keep ? 1 : 0;
        out.h.reset();
      } else if (!out.keep) {
        return {};
      }
    }
    Series& into = output(g, m, o);
    if (into.present(i)) {
      return fail(ErrorCode::kConflict,
                  b_.matching.card == MatchCardinality::kOneToOne
                      ? "vector cannot contain metrics with the same labelset"
                      : "multiple matches for labels: grouping labels must ensure unique matches");
    }
    put(into, i, out);
    return {};
  }

  Series& output(Group& g, size_t m, size_t o) {
    auto [it, fresh] = g.outputs.emplace(std::pair(m, o), 0);
    if (!fresh) return out_[it->second];
    const LabelSet& one_labels = o == kFilled ? g.labels : one_[o].labels;
    LabelSet labels = result_labels(m == kFilled ? g.labels : many_[m].labels, one_labels);
    auto [at, is_new] = by_labels_.emplace(labels, out_.size());
    if (is_new) out_.emplace_back(std::move(labels), steps_);
    it->second = at->second;
    Series& s = out_[it->second];
    bool comparison = is_comparison(b_.op);
    if (ev_.delayed_names()) {
      s.drop_name |= b_.return_bool || (comparison && m != kFilled && many_[m].drop_name);
    }
    return s;
  }

  LabelSet result_labels(const LabelSet& many, const LabelSet& one) const {
    LabelBuilder lb(many);
    if (!is_comparison(b_.op) || (b_.return_bool && !ev_.delayed_names())) {
      lb.del(kMetricName).del(kTypeLabel).del(kUnitLabel);
    }
    if (b_.matching.card == MatchCardinality::kOneToOne) {
      if (b_.matching.on) {
        lb.keep(b_.matching.labels);
      } else {
        for (const auto& l : b_.matching.labels) lb.del(l);
      }
    }
    for (const auto& l : b_.matching.include) lb.set(l, one.get(l));
    return lb.build();
  }

  Evaluator& ev_;
  const BinaryExpr& b_;
  size_t steps_;
  bool swapped_;
  std::vector<Series> many_, one_;
  std::optional<double> fill_many_, fill_one_;
  std::vector<Group> groups_;
  std::vector<uint8_t> any_many_;
  std::vector<Series> out_;
  std::unordered_map<LabelSet, size_t, LabelSetHash> by_labels_;
};

}  // namespace

Result<EvalValue> eval_binary(Evaluator& ev, const BinaryExpr& b, const Grid& grid) {
  SONDE_TRY(EvalValue l, ev.eval(*b.lhs, grid));
  SONDE_TRY(EvalValue r, ev.eval(*b.rhs, grid));
  bool left_scalar = l.type == ValueType::kScalar, right_scalar = r.type == ValueType::kScalar;
  if (left_scalar && right_scalar) {
    for (size_t i = 0; i < grid.count; i++) {
      if (b.op == BinaryOp::kTrimUpper || b.op == BinaryOp::kTrimLower) {
        return fail(ErrorCode::kConflict,
                    std::string("operator ") + quote(to_string(b.op)) + " not allowed for Scalar operations");
      }
      l.scalar[i] = is_comparison(b.op) ? (compare(b.op, l.scalar[i], r.scalar[i]) ? 1 : 0)
                                        : arithmetic(b.op, l.scalar[i], r.scalar[i]);
    }
    return l;
  }
  if (right_scalar) return vector_scalar(ev, b, std::move(l), r.scalar, false);
  if (left_scalar) return vector_scalar(ev, b, std::move(r), l.scalar, true);
  if (is_set_operator(b.op)) return set_operation(ev, b, std::move(l), std::move(r), grid.count);
  return Matching(ev, b, std::move(l), std::move(r), grid.count).run();
}

}  // namespace sonde::promql

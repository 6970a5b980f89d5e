// info(): joins the labels of info metrics (target_info, …) that share instance and job.
#include <algorithm>
#include <map>

#include "promql/evaluator.h"

namespace sonde::promql {
namespace {

constexpr std::string_view kIdentifying[] = {"instance", "job"};

bool identifying(std::string_view name) { return name == kIdentifying[0] || name == kIdentifying[1]; }

std::string identity_of(const LabelSet& labels) {
  LabelBuilder b;
  for (std::string_view l : kIdentifying) b.set(l, labels.get(l));
  return std::string(b.build().encoded());
}

// The time at which the argument's samples are read: info metrics are read at the same one.
Result<Evaluator::Shift> reference_shift(Evaluator& ev, const Expr& arg) {
  std::vector<const Expr*> chain;
  walk(arg, [&](const Expr& e, const std::vector<const Expr*>& path) {
    if (!chain.empty()) return false;
    if (e.kind == ExprKind::kVectorSelector) {
      chain = path;
      chain.push_back(&e);
    }
    return true;
  });
  Evaluator::Shift total;
  for (const Expr* e : chain) {
    const TimeModifiers* m = nullptr;
    if (const auto* s = as<SubqueryExpr>(e)) m = &s->modifiers;
    if (const auto* s = as<VectorSelector>(e)) m = &s->modifiers;
    if (!m) continue;
    SONDE_TRY(Evaluator::Shift s, ev.shift(*m));
    if (s.pinned) {
      total = s;
    } else {
      total.offset_ms += s.offset_ms;
    }
  }
  return total;
}

struct InfoSeries {
  LabelSet labels;
  Series stamps;  // times of the samples
};

struct Plan {
  Matchers names;  // on __name__
  Matchers data;
  bool positive = false;  // one of `names` says what to take
  bool required = false;  // a data matcher does not match the empty value

  bool is_info_metric(const LabelSet& labels) const { return positive && all_match(names, labels); }
  bool wants(std::string_view label) const {
    if (label == kMetricName || identifying(label)) return false;
    return data.empty() ||
           std::any_of(data.begin(), data.end(), [&](const Matcher& m) { return m.name() == label; });
  }
};

Result<Plan> plan_of(const Call& call) {
  Plan plan;
  if (call.args.size() > 1) {
    for (const Matcher& m : static_cast<const VectorSelector&>(*call.args[1]).matchers) {
      if (m.name() == kMetricName) {
        plan.names.push_back(m);
        plan.positive |= m.op() == MatchOp::kEqual || m.op() == MatchOp::kRegex;
      } else {
        plan.data.push_back(m);
        plan.required |= !m.matches_empty();
      }
    }
  }
  if (plan.names.empty()) {
    plan.names.push_back(Matcher::equal(std::string(kMetricName), "target_info"));
    plan.positive = true;
  } else if (!plan.positive) {
    SONDE_TRY(Matcher m, Matcher::create(MatchOp::kRegex, std::string(kMetricName), ".+_info"));
    plan.names.push_back(std::move(m));
  }
  return plan;
}

Result<EvalValue> info(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue base, ev.eval(*call.args[0], grid));
  SONDE_TRY(Plan plan, plan_of(call));
  SONDE_TRY(Evaluator::Shift shift, reference_shift(ev, *call.args[0]));
  VectorSelector selector;
  selector.matchers = plan.names;
  selector.matchers.insert(selector.matchers.end(), plan.data.begin(), plan.data.end());
  selector.modifiers.offset_ms = shift.offset_ms;
  if (shift.pinned) {
    selector.modifiers.at = AtKind::kTimestamp;
    selector.modifiers.at_ms = shift.pinned_at;
  }
  SONDE_TRY(EvalValue found, ev.eval_selector(selector, grid, Evaluator::Take::kTime));
  SONDE_TRY(EvalValue values, ev.eval_selector(selector, grid, Evaluator::Take::kValue));
  for (const Series& s : values.series) {
    if (!s.histograms.empty()) {
      return fail(ErrorCode::kConflict,
                  "this should be an info metric, with float samples: " + s.labels.to_string());
    }
  }
  std::map<std::string, std::vector<InfoSeries>> by_identity;
  for (Series& s : found.series) {
    LabelSet labels = s.labels;
    by_identity[identity_of(labels)].push_back({std::move(labels), std::move(s)});
  }

  EvalValue out;
  for (Series& s : base.series) {
    SONDE_CHECK(ev.check());
    auto match = by_identity.find(identity_of(s.labels));
    if (plan.is_info_metric(s.labels)) {
      out.series.push_back(std::move(s));
      continue;
    }
    std::map<std::vector<size_t>, Series> enriched;  // by the info series in force
    for (size_t i = 0; i < grid.count; i++) {
      if (!s.present(i)) continue;
      std::map<std::string, size_t> chosen;  // info metric → newest series
      if (match != by_identity.end()) {
        for (size_t k = 0; k < match->second.size(); k++) {
          const InfoSeries& candidate = match->second[k];
          if (!candidate.stamps.present(i)) continue;
          auto [it, fresh] = chosen.emplace(candidate.labels.metric_name(), k);
          if (fresh) continue;
          double had = match->second[it->second].stamps.floats[i], has = candidate.stamps.floats[i];
          if (had == has) {
            return fail(ErrorCode::kConflict, "found duplicate series for info metric: existing " +
                                                  match->second[it->second].labels.to_string() + ", new " +
                                                  candidate.labels.to_string());
          }
          if (has > had) it->second = k;
        }
      }
      if (chosen.empty() && plan.required) continue;
      std::vector<size_t> key;
      for (const auto& [name, k] : chosen) key.push_back(k);
      auto [it, fresh] = enriched.try_emplace(key);
      if (fresh) {
        LabelBuilder labels(s.labels);
        std::map<std::string, std::string> added;
        for (size_t k : key) {
          for (LabelView l : match->second[k].labels) {
            if (!plan.wants(l.name) || s.labels.has(l.name)) continue;
            auto [at, is_new] = added.emplace(l.name, l.value);
            if (!is_new && at->second != l.value) {
              return fail(ErrorCode::kConflict, "conflicting label: " + std::string(l.name));
            }
            labels.set(l.name, l.value);
          }
        }
        it->second = Series(labels.build(), grid.count);
        it->second.drop_name = s.drop_name;
      }
      it->second.copy(i, s, i);
    }
    for (auto& [key, series] : enriched) out.series.push_back(std::move(series));
  }
  SONDE_CHECK(ev.merge_equal(out.series));
  return out;
}

}  // namespace

std::vector<Function> info_functions() {
  Function f;
  f.name = "info";
  f.arg_types = {ValueType::kVector, ValueType::kVector};
  f.variadic = 1;
  f.doc = "Adds the labels of info metrics (target_info) that share instance and job.";
  f.call = info;
  f.experimental = true;
  return {std::move(f)};
}

}  // namespace sonde::promql

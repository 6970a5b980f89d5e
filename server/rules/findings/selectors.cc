// Selectors that match nothing, and ranges with too few samples in them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>

#include "promql/duration.h"
#include "promql/functions/function.h"
#include "rules/findings/checks.h"

namespace sonde::rules::findings {

using namespace promql;

namespace {

constexpr size_t kShownValues = 8;

const char* never(const Rule& rule) { return rule.alerting ? "can never fire" : "can never record anything"; }

bool is_synthetic(const std::string& name) { return name == "ALERTS" || name == "ALERTS_FOR_STATE"; }

Matchers named(const std::string& name) { return {Matcher::equal(std::string(kMetricName), name)}; }

// x > 1 on a histogram can only mean its mean.
std::string mean_instead(const Subject& s, const Site& site) {
  bool compared = site.ancestors.empty();
  if (!compared) {
    const auto* b = as<BinaryExpr>(site.ancestors.back());
    compared = b && is_comparison(b->op);
  }
  if (site.matrix || !compared) return "";
  const std::string& name = site.selector->name;
  VectorSelector bucket;
  bucket.matchers = renamed(site.selector->matchers, name + "_count");
  if (s.evidence.exists(bucket.matchers) != true ||
      s.evidence.exists(renamed(site.selector->matchers, name + "_sum")) != true) {
    return "";
  }
  bucket.name = name + "_count";
  Duration range = rate_range(s, bucket);
  std::vector<std::string> by = s.evidence.grouping(bucket.matchers);
  Draft draft(s.rule().query, s.parser());
  Draft other(s.rule().query, s.parser());
  rename(draft.selector_at(site.path), name + "_sum");
  rename(other.selector_at(site.path), name + "_count");
  ExprPtr& slot = draft.at(site.path);
  slot = ratio_of(sum_by(rate_of(std::move(slot), range), by),
                  sum_by(rate_of(std::move(other.at(site.path)), range), by));
  return draft.print();
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); j++) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row.back();
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// The one value that `wanted` is a slip of.
std::optional<std::string> slip_of(const std::string& wanted, const std::vector<std::string>& values) {
  bool digits = std::any_of(wanted.begin(), wanted.end(), [](unsigned char c) { return std::isdigit(c); });
  std::optional<std::string> found;
  for (const std::string& v : values) {
    bool same = lower(v) == lower(wanted);
    if (!same && (digits || wanted.size() < 4 || wanted.size() > 100 || v.size() > 100)) continue;
    if (!same && edit_distance(wanted, v) > (wanted.size() < 6 ? 1 : 2)) continue;
    if (found) return std::nullopt;
    found = v;
  }
  return found;
}

// The one other label that has what was meant for an absent one.
std::optional<std::string> label_meant(const Subject& s, const Matcher& m, const Matchers& metric) {
  static constexpr std::array<std::string_view, 5> kStatusNames = {
      "status", "code", "status_code", "http_status_code", "http_response_status_code"};
  auto names = s.evidence.label_names(metric);
  if (!names || names->size() > 50) return std::nullopt;
  bool status = std::find(kStatusNames.begin(), kStatusNames.end(), m.name()) != kStatusNames.end();
  std::optional<std::string> found;
  for (const std::string& name : *names) {
    if (name == kMetricName || name == m.name()) continue;
    bool fits = status && std::find(kStatusNames.begin(), kStatusNames.end(), name) != kStatusNames.end();
    if (!fits) {
      auto values = s.evidence.values(name, metric);
      if (!values) return std::nullopt;
      fits = std::any_of(values->begin(), values->end(), [&](const std::string& v) { return m.matches(v); });
    }
    if (!fits) continue;
    if (found) return std::nullopt;
    found = name;
  }
  return found;
}

std::string with_matcher(const Subject& s, const Site& site, const Matcher& old, const std::string& name,
                         const std::string& value) {
  auto made = Matcher::create(old.op(), name, value);
  if (!made) return "";
  Draft draft(s.rule().query, s.parser());
  for (Matcher& m : draft.selector_at(site.path).matchers) {
    if (m == old) m = *made;
  }
  return draft.print();
}

std::string shown(const std::vector<std::string>& values) {
  std::string out;
  for (size_t i = 0; i < values.size() && i < kShownValues; i++) {
    out += (i ? ", " : "") + quote(values[i]);
  }
  if (values.size() > kShownValues) out += fmt::format(" and {} more", values.size() - kShownValues);
  return out;
}

bool is_positive(const Matcher& m) {
  return (m.op() == MatchOp::kEqual || m.op() == MatchOp::kRegex) && !m.matches_empty();
}

bool needs_two_samples(std::string_view function) {
  static constexpr std::array<std::string_view, 7> kNames = {"rate",   "increase", "irate",         "delta",
                                                             "idelta", "deriv",    "predict_linear"};
  return std::find(kNames.begin(), kNames.end(), function) != kNames.end();
}

// Up to a readable step: whole seconds below two minutes, whole minutes above.
Duration rounded_up(Duration d) {
  int64_t unit = d > Duration::minutes(2) ? Duration::minutes(1).ns : Duration::seconds(1).ns;
  return Duration{(d.ns + unit - 1) / unit * unit};
}

}  // namespace

std::string print(Duration d) { return format_duration_ms(d.ms()); }

void check_missing_series(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out) {
  for (const Site& site : sites) {
    const VectorSelector& selector = *site.selector;
    const std::string& name = selector.name;
    if (site.guarded || name.empty() || name.ends_with("_bucket") || s.recorded.contains(name)) continue;
    if (s.evidence.exists(selector.matchers) != false) continue;
    Matchers bucket = renamed(selector.matchers, name + "_bucket");
    std::optional<bool> there = s.evidence.exists(bucket);
    if (there == false && s.evidence.exists(named(name)) == false) {
      there = s.evidence.exists(named(name + "_bucket"));
    }
    if (there != true) continue;
    Found f;
    f.class_name = kNoSeriesButBucket;
    f.severity = Severity::kError;
    f.subject = selector_to_string(selector);
    f.message = fmt::format(
        "{} selects nothing: {} is a classic histogram, of which only {}_bucket, {}_sum and {}_count are "
        "series; the rule {}",
        f.subject, name, name, name, name, never(s.rule()));
    f.rewrite = site.quantile ? rated_quantile(s, site, name + "_bucket", true) : mean_instead(s, site);
    if (!f.rewrite.empty() && site.quantile) {
      // The rewrite must be able to fire, too.
      if (auto tree = parse(f.rewrite, s.parser())) {
        std::vector<Found> more;
        check_thresholds(s, **tree, f.rewrite, more);
        if (!more.empty()) {
          f.message += "; and so rewritten, " + more.front().message;
          f.rewrite = more.front().rewrite;
        }
      }
    }
    out.push_back(std::move(f));
  }
}

void check_label_values(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out) {
  for (const Site& site : sites) {
    const VectorSelector& selector = *site.selector;
    if (site.guarded || selector.name.empty() || is_synthetic(selector.name)) continue;
    Matchers metric = named(selector.name);
    if (s.evidence.exists(selector.matchers) != false || s.evidence.exists(metric) != true) continue;
    for (const Matcher& m : selector.matchers) {
      if (m.name() == kMetricName || !is_positive(m)) continue;
      auto values = s.evidence.values(m.name(), metric);
      if (!values) continue;
      if (std::any_of(values->begin(), values->end(), [&](const std::string& v) { return m.matches(v); })) {
        continue;
      }
      Found f;
      f.class_name = kLabelValueNeverSeen;
      f.subject = selector_to_string(selector) + " " + m.to_string();
      std::string days = print(s.options.history);
      if (values->empty()) {
        f.severity = Severity::kError;
        f.message = fmt::format(
            "no series of {} has had a label {} in the last {}: {} selects nothing, and the "
            "rule {}",
            selector.name, quote(m.name()), days, selector_to_string(selector), never(s.rule()));
        if (auto label = label_meant(s, m, metric)) {
          f.message += fmt::format("; {} seems to be meant", quote(*label));
          f.rewrite = with_matcher(s, site, m, *label, m.value());
        }
      } else {
        f.message = fmt::format("no series of {} has had {} in the last {}; seen: {}", selector.name,
                                m.to_string(), days, shown(*values));
        std::optional<std::string> meant;
        if (m.op() == MatchOp::kEqual) meant = slip_of(m.value(), *values);
        if (meant) {
          f.message += fmt::format("; {} seems to be meant", quote(*meant));
          f.rewrite = with_matcher(s, site, m, m.name(), *meant);
        } else if (site.function && needs_two_samples(site.function->function->name)) {
          f.message += fmt::format(
              "; if it may still come: {}() does not see the first sample of a new series, so "
              "let the service export it as 0 from the start",
              site.function->function->name);
        }
      }
      out.push_back(std::move(f));
    }
  }
}

void check_ranges(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out) {
  for (const Site& site : sites) {
    if (!site.matrix || site.matrix->range_expr || !site.function) continue;
    if (site.selector->anchored || site.selector->smoothed) continue;
    std::string_view function = site.function->function->name;
    if (!needs_two_samples(function)) continue;
    auto interval = scrape_interval(s, *site.selector);
    if (!interval || interval->ns <= 0) continue;
    auto range = Duration::milliseconds(site.matrix->range_ms);
    // A twentieth for jitter.
    if (range.ns >= interval->ns * 2 - interval->ns / 10) continue;
    bool hopeless = range.ns <= interval->ns;
    Found f;
    f.class_name = kRangeShorterThanTwoScrapes;
    f.severity = hopeless && !site.guarded ? Severity::kError : Severity::kWarning;
    f.subject = promql::to_string(*site.matrix);
    f.message = fmt::format(
        "{}() needs two samples, and a sample of {} comes each {}: {} holds {}", function,
        selector_to_string(*site.selector), print(*interval), f.subject,
        hopeless ? fmt::format("never more than one, so the rule {}", never(s.rule()))
                 : std::string("often only one, so there are gaps, and `for` begins anew after each"));
    Draft draft(s.rule().query, s.parser());
    Expr& matrix = *draft.at(site.path);
    static_cast<MatrixSelector&>(matrix).range_ms = rounded_up(*interval * 4).ms();
    f.rewrite = draft.print();
    out.push_back(std::move(f));
  }
}

}  // namespace sonde::rules::findings

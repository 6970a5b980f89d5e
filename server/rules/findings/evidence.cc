#include "rules/findings/evidence.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>

namespace sonde::rules::findings {

namespace {

constexpr Duration kRecent = Duration::hours(1);
constexpr size_t kSampledSeries = 16;
constexpr size_t kSampledTimes = 11;

std::optional<double> number_of(const std::string& text) {
  double v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return v;
}

int64_t median(std::vector<int64_t>& v) {
  auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

}  // namespace

Matchers renamed(const Matchers& matchers, const std::string& name) {
  Matchers out = without_label(matchers, kMetricName);
  out.push_back(Matcher::equal(std::string(kMetricName), name));
  return out;
}

Matchers without_label(const Matchers& matchers, std::string_view label) {
  Matchers out;
  for (const Matcher& m : matchers) {
    if (m.name() != label) out.push_back(m);
  }
  return out;
}

Evidence::Evidence(const storage::MetricStore& store, Timestamp now, Bounds bounds, Cancellation cancel)
    : store_(store), now_(now), bounds_(bounds), cancel_(std::move(cancel)) {}

storage::SelectHints Evidence::hints(Duration back, const char* func) const {
  storage::SelectHints h;
  h.from = now_ - std::min(back, bounds_.history);
  h.to = now_;
  h.func = func;
  return h;
}

std::optional<bool> Evidence::exists(const Matchers& matchers) const {
  auto set = store_.select({}, matchers, hints(bounds_.history, "series"), cancel_);
  if (!set) return std::nullopt;
  auto more = (*set)->next();
  if (!more) return std::nullopt;
  return *more;
}

std::optional<std::vector<LabelSet>> Evidence::series(const Matchers& matchers) const {
  auto set = store_.select({}, matchers, hints(bounds_.history, "series"), cancel_);
  if (!set) return std::nullopt;
  std::vector<LabelSet> out;
  while (out.size() < bounds_.series_max) {
    auto more = (*set)->next();
    if (!more) return std::nullopt;
    if (!*more) break;
    out.push_back((*set)->labels());
  }
  return out;
}

std::optional<std::vector<std::string>> Evidence::values(std::string_view label,
                                                         const Matchers& matchers) const {
  if (!cancel_.check()) return std::nullopt;
  auto v = store_.label_values({}, label, {matchers}, now_ - bounds_.history, now_, bounds_.values_max + 1);
  if (!v || v->size() > bounds_.values_max) return std::nullopt;
  return std::move(*v);
}

std::optional<std::vector<std::string>> Evidence::label_names(const Matchers& matchers) const {
  if (!cancel_.check()) return std::nullopt;
  auto v = store_.label_names({}, {matchers}, now_ - bounds_.history, now_, bounds_.values_max + 1);
  if (!v || v->size() > bounds_.values_max) return std::nullopt;
  return std::move(*v);
}

std::optional<Duration> Evidence::sample_distance(const Matchers& matchers) const {
  auto set = store_.select({}, matchers, hints(kRecent, ""), cancel_);
  if (!set) return std::nullopt;
  std::vector<int64_t> distances;  // one per series
  for (size_t looked = 0; looked < bounds_.series_max && distances.size() < kSampledSeries; looked++) {
    auto more = (*set)->next();
    if (!more) return std::nullopt;
    if (!*more) break;
    std::deque<int64_t> times;
    storage::ColumnBlock block;
    while (true) {
      auto next = (*set)->next_block(block);
      if (!next) return std::nullopt;
      if (!*next) break;
      size_t skip = block.times.size() > kSampledTimes ? block.times.size() - kSampledTimes : 0;
      for (Timestamp t : block.times.subspan(skip)) times.push_back(t.ms);
      while (times.size() > kSampledTimes) times.pop_front();
    }
    std::vector<int64_t> steps;
    for (size_t i = 1; i < times.size(); i++) steps.push_back(times[i] - times[i - 1]);
    if (steps.size() >= 2) distances.push_back(median(steps));
  }
  if (distances.empty()) return std::nullopt;
  return Duration::milliseconds(median(distances));
}

std::optional<SampleKinds> Evidence::kinds(const Matchers& matchers) const {
  auto set = store_.select({}, matchers, hints(kRecent, ""), cancel_);
  if (!set) return std::nullopt;
  SampleKinds kinds;
  size_t looked = 0;
  for (; looked < bounds_.series_max; looked++) {
    auto more = (*set)->next();
    if (!more) return std::nullopt;
    if (!*more) return kinds;
    storage::ColumnBlock block;
    while (true) {
      auto next = (*set)->next_block(block);
      if (!next) return std::nullopt;
      if (!*next) break;
      kinds.floats |=
          std::any_of(block.values.begin(), block.values.end(), [](double v) { return !is_stale(v); });
      for (const auto& h : block.histograms) {
        if (!h || is_stale(h->sum)) continue;
        kinds.native = true;
        kinds.gauge |= h->counter_reset == CounterReset::kGauge;
        kinds.exponential |= h->schema != kCustomBucketsSchema;
        for (double bound : h->custom_values) {
          if (std::isfinite(bound)) kinds.top_bound = std::max(kinds.top_bound, bound);
        }
      }
    }
  }
  return std::nullopt;  // there may be others
}

std::optional<double> Evidence::top_le(const Matchers& matchers) const {
  auto bounds = values("le", matchers);
  if (!bounds) return std::nullopt;
  std::optional<double> top;
  for (const std::string& text : *bounds) {
    auto v = number_of(text);
    if (v && std::isfinite(*v) && (!top || *v > *top)) top = v;
  }
  return top;
}

MetricType Evidence::type_of(std::string_view family) const {
  auto entries = store_.metadata(family, 1);
  return entries.empty() ? MetricType::kUnknown : entries.front().metadata.type;
}

std::vector<std::string> Evidence::grouping(const Matchers& matchers) const {
  auto all = series(matchers);
  if (!all || all->empty()) return {};
  bool everywhere = std::all_of(all->begin(), all->end(), [](const LabelSet& l) { return l.has("job"); });
  return everywhere ? std::vector<std::string>{"job"} : std::vector<std::string>{};
}

}  // namespace sonde::rules::findings

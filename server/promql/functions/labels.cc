// Labels: label_replace, label_join, and sorting by them.
#include <re2/re2.h>

#include <algorithm>

#include "promql/evaluator.h"

namespace sonde::promql {
namespace {

// Go's Regexp.Expand: $1, ${1}, $name, ${name}, $$; unknown groups are empty.
std::string expand(std::string_view t, const RE2& re, const std::vector<re2::StringPiece>& groups) {
  std::string out;
  const auto& names = re.NamedCapturingGroups();
  while (!t.empty()) {
    size_t dollar = t.find('$');
    if (dollar == std::string_view::npos) return out.append(t);
    out.append(t.substr(0, dollar));
    t.remove_prefix(dollar);
    if (t.size() > 1 && t[1] == '$') {
      out += '$';
      t.remove_prefix(2);
      continue;
    }
    size_t start = 1;
    bool brace = t.size() > 1 && t[1] == '{';
    if (brace) start = 2;
    size_t n = 0;
    while (start + n < t.size() &&
           (std::isalnum(static_cast<unsigned char>(t[start + n])) || t[start + n] == '_'))
      n++;
    bool closed = !brace || (start + n < t.size() && t[start + n] == '}');
    if (n == 0 || !closed) {
      out += '$';
      t.remove_prefix(1);
      continue;
    }
    std::string name(t.substr(start, n));
    size_t index = groups.size();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      if (name.size() < 6) index = static_cast<size_t>(std::stoi(name));
    } else if (auto it = names.find(name); it != names.end()) {
      index = static_cast<size_t>(it->second);
    }
    if (index < groups.size()) out.append(groups[index].data(), groups[index].size());
    t.remove_prefix(start + n + (brace ? 1 : 0));
  }
  return out;
}

bool valid_label(std::string_view name) { return !name.empty() && is_valid_utf8(name); }

Result<EvalValue> label_replace(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  SONDE_TRY(std::string destination, ev.eval_string(*call.args[1]));
  SONDE_TRY(std::string replacement, ev.eval_string(*call.args[2]));
  SONDE_TRY(std::string source, ev.eval_string(*call.args[3]));
  SONDE_TRY(std::string pattern, ev.eval_string(*call.args[4]));
  if (pattern.size() > 4096)
    return fail(ErrorCode::kLimit, "regular expression in label_replace() is longer than 4096 bytes");
  RE2::Options options;
  options.set_log_errors(false);
  RE2 re("^(?s:" + pattern + ")$", options);
  if (!re.ok())
    return fail(ErrorCode::kConflict, "invalid regular expression in label_replace(): " + pattern);
  if (!valid_label(destination)) {
    return fail(ErrorCode::kConflict, "invalid destination label name in label_replace(): " + destination);
  }
  auto group_count = static_cast<size_t>(re.NumberOfCapturingGroups()) + 1;
  std::vector<re2::StringPiece> groups(group_count);
  for (Series& s : v.series) {
    std::string_view value = s.labels.get(source);
    re2::StringPiece text(value.data(), value.size());
    if (!re.Match(text, 0, value.size(), RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(group_count)))
      continue;
    std::string result = expand(replacement, re, groups);
    s.labels = LabelBuilder(s.labels).set(destination, result).build();
    if (destination == kMetricName) s.drop_name = false;
  }
  SONDE_CHECK(ev.merge_equal(v.series));
  return v;
}

Result<EvalValue> label_join(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  SONDE_TRY(std::string destination, ev.eval_string(*call.args[1]));
  SONDE_TRY(std::string separator, ev.eval_string(*call.args[2]));
  std::vector<std::string> sources;
  for (size_t i = 3; i < call.args.size(); i++) {
    SONDE_TRY(std::string source, ev.eval_string(*call.args[i]));
    if (!valid_label(source))
      return fail(ErrorCode::kConflict, "invalid source label name in label_join(): " + source);
    sources.push_back(std::move(source));
  }
  if (!valid_label(destination)) {
    return fail(ErrorCode::kConflict, "invalid destination label name in label_join(): " + destination);
  }
  for (Series& s : v.series) {
    std::string joined;
    for (size_t i = 0; i < sources.size(); i++) {
      if (i) joined += separator;
      joined += s.labels.get(sources[i]);
    }
    s.labels = LabelBuilder(s.labels).set(destination, joined).build();
    if (destination == kMetricName) s.drop_name = false;
  }
  SONDE_CHECK(ev.merge_equal(v.series));
  return v;
}

// Digits compare as numbers: "a2" before "a10".
int natural_compare(std::string_view a, std::string_view b) {
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (digit(a[i]) && digit(b[j])) {
      size_t si = i, sj = j;
      while (i < a.size() && digit(a[i])) i++;
      while (j < b.size() && digit(b[j])) j++;
      std::string_view x = a.substr(si, i - si), y = b.substr(sj, j - sj);
      while (x.size() > 1 && x[0] == '0') x.remove_prefix(1);
      while (y.size() > 1 && y[0] == '0') y.remove_prefix(1);
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (int c = x.compare(y); c != 0) return c;
      continue;
    }
    if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]) ? -1 : 1;
    i++;
    j++;
  }
  if (i < a.size()) return 1;
  return j < b.size() ? -1 : 0;
}

template <int kSign>
Result<EvalValue> sort_by_label(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  std::vector<std::string> labels;
  for (size_t i = 1; i < call.args.size(); i++) {
    SONDE_TRY(std::string label, ev.eval_string(*call.args[i]));
    labels.push_back(std::move(label));
  }
  std::stable_sort(v.series.begin(), v.series.end(), [&](const Series& a, const Series& b) {
    for (const auto& l : labels) {
      std::string_view x = a.labels.get(l), y = b.labels.get(l);
      if (x == y) continue;
      return natural_compare(x, y) * kSign < 0;
    }
    auto c = a.labels <=> b.labels;
    return kSign > 0 ? c < 0 : c > 0;
  });
  return v;
}

template <int kSign>
Result<EvalValue> sort_by_value(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  // Histograms have no order.
  for (Series& s : v.series) {
    for (size_t i = 0; i < grid.count; i++) {
      if (s.is_histogram(i)) s.clear(i);
    }
  }
  std::erase_if(v.series, [](const Series& s) { return s.empty(); });
  if (grid.count > 1) return v;
  auto key = [](const Series& s) { return s.floats[0]; };
  std::stable_sort(v.series.begin(), v.series.end(), [&](const Series& a, const Series& b) {
    double x = key(a), y = key(b);
    if (x != x) return false;
    if (y != y) return true;
    return kSign > 0 ? x < y : x > y;
  });
  return v;
}

Function row(const char* name, std::vector<ValueType> args, int variadic, CallCode code, const char* doc) {
  Function f;
  f.name = name;
  f.arg_types = std::move(args);
  f.variadic = variadic;
  f.doc = doc;
  f.call = code;
  f.experimental = std::string_view(name).starts_with("sort_by_label");
  return f;
}

}  // namespace

std::vector<Function> label_functions() {
  constexpr auto kV = ValueType::kVector, kT = ValueType::kString;
  return {
      row("label_replace", {kV, kT, kT, kT, kT}, 0, label_replace,
          "Sets a label from a regular expression's match on another."),
      row("label_join", {kV, kT, kT, kT}, -1, label_join, "Sets a label to others joined by a separator."),
      row("sort", {kV}, 0, sort_by_value<1>, "By value, ascending; NaN last. Of instant queries only."),
      row("sort_desc", {kV}, 0, sort_by_value<-1>,
          "By value, descending; NaN last. Of instant queries only."),
      row("sort_by_label", {kV, kT}, -1, sort_by_label<1>, "By the given labels, in natural order."),
      row("sort_by_label_desc", {kV, kT}, -1, sort_by_label<-1>,
          "By the given labels, in reverse natural order."),
  };
}

}  // namespace sonde::promql

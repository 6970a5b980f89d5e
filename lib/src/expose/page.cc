#include "expose/page.h"

#include <algorithm>
#include <cmath>

#include "expose/text.h"
#include "runtime/lane.h"
#include "sonde/detail/metric_name.h"

namespace sonde::inline v1::detail {

namespace {

std::string_view kind_name(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    default:
      return "histogram";
  }
}

// OpenMetrics names a counter's family without the suffix of its samples.
std::string_view family_name(std::string_view name, MetricKind kind, bool openmetrics) {
  if (openmetrics && kind == MetricKind::kCounter) name.remove_suffix(6);
  return name;
}

std::string_view unit_of(std::string_view family) {
  for (std::string_view unit : {"_seconds", "_bytes", "_ratio"}) {
    if (family.ends_with(unit) && family.size() > unit.size()) return unit.substr(1);
  }
  return {};
}

}  // namespace

// The sink's calls are noexcept and allocate: what does not fit into memory is left out.
void Page::family(MetricKind kind, std::string_view name, std::string_view help) noexcept try {
  has_current_ = false;
  std::string full(name);
  if (kind == MetricKind::kCounter && !name.ends_with("_total")) full += "_total";
  if (!is_metric_name(full) || (kind != MetricKind::kCounter && has_reserved_suffix(full))) {
    count_conflict();
    return;
  }
  if (auto it = by_name_.find(full); it != by_name_.end()) {
    if (entries_[it->second].kind != kind || entries_[it->second].native != nullptr) {
      count_conflict();
      return;
    }
    current_index_ = it->second;
  } else {
    current_index_ = entries_.size();
    Entry entry;
    entry.kind = kind;
    entry.name = full;
    entry.help = help;
    entries_.push_back(std::move(entry));
    by_name_.emplace(std::move(full), current_index_);
  }
  has_current_ = true;
} catch (...) {
  has_current_ = false;
}

bool Page::take_labels(std::span<const Label> labels) {
  if (!has_current_) return false;
  labels_.clear();
  for (size_t i = 0; i < labels.size(); i++) {
    bool duplicate = std::any_of(labels.begin(), labels.begin() + static_cast<ptrdiff_t>(i),
                                 [&](const Label& l) { return l.name == labels[i].name; });
    if (!is_label_name(labels[i].name) || is_reserved_label(labels[i].name) || duplicate) {
      count_conflict();
      return false;
    }
    if (i != 0) labels_ += ',';
    labels_ += labels[i].name;
    labels_ += "=\"";
    size_t at = labels_.size();
    labels_.resize(at + escaped_label_size(labels[i].value));
    escape_label(labels_.data() + at, labels[i].value);
    labels_ += '"';
  }
  if (!entries_[current_index_].seen.insert(labels_).second) {
    count_conflict();
    return false;
  }
  return true;
}

void Page::line(std::string_view suffix, std::string_view more_labels) {
  Entry& e = entries_[current_index_];
  e.lines += e.name;
  e.lines += suffix;
  if (!labels_.empty() || !more_labels.empty()) {
    e.lines += '{';
    e.lines += labels_;
    if (!labels_.empty() && !more_labels.empty()) e.lines += ',';
    e.lines += more_labels;
    e.lines += '}';
  }
  e.lines += ' ';
}

void Page::value(std::span<const Label> labels, double value) noexcept try {
  if (has_current_ && entries_[current_index_].kind == MetricKind::kHistogram) return;
  if (!take_labels(labels)) return;
  line("", "");
  append_double(entries_[current_index_].lines, value);
  entries_[current_index_].lines += '\n';
} catch (...) {
}

void Page::count(std::span<const Label> labels, uint64_t value) noexcept try {
  if (has_current_ && entries_[current_index_].kind == MetricKind::kHistogram) return;
  if (!take_labels(labels)) return;
  line("", "");
  append_uint(entries_[current_index_].lines, value);
  entries_[current_index_].lines += '\n';
} catch (...) {
}

void Page::seconds(std::span<const Label> labels, int64_t ns) noexcept try {
  if (has_current_ && entries_[current_index_].kind == MetricKind::kHistogram) return;
  if (!take_labels(labels)) return;
  line("", "");
  append_seconds(entries_[current_index_].lines, ns);
  entries_[current_index_].lines += '\n';
} catch (...) {
}

void Page::histogram(std::span<const Label> labels, std::span<const double> bounds,
                     std::span<const uint64_t> counts, double sum) noexcept try {
  if (has_current_ && entries_[current_index_].kind != MetricKind::kHistogram) return;
  bool ascending = std::is_sorted(bounds.begin(), bounds.end(), [](double a, double b) { return a <= b; });
  if (counts.size() != bounds.size() + 1 || !ascending) {
    count_conflict();
    return;
  }
  if (!take_labels(labels)) return;
  std::string& lines = entries_[current_index_].lines;
  uint64_t cumulative = 0;
  for (size_t i = 0; i < counts.size(); i++) {
    cumulative += counts[i];
    char le[48];
    char* end = copy(le, "le=\"");
    end = i < bounds.size() ? write_le(end, bounds[i]) : copy(end, "+Inf");
    *end++ = '"';
    line("_bucket", std::string_view(le, static_cast<size_t>(end - le)));
    append_uint(lines, cumulative);
    lines += '\n';
  }
  line("_sum", "");
  append_double(lines, sum);
  lines += '\n';
  line("_count", "");
  append_uint(lines, cumulative);
  lines += '\n';
} catch (...) {
}

void Page::add_registry() {
  for (const FamilyState* f = first_family(); f != nullptr; f = f->next.load(std::memory_order_acquire)) {
    if (f->first.load(std::memory_order_acquire) == nullptr) continue;
    Entry entry;
    entry.kind = f->kind;
    entry.name = f->name;
    entry.help = f->help;
    entry.native = f;
    by_name_.emplace(entry.name, entries_.size());
    entries_.push_back(std::move(entry));
  }
}

void Page::append_exemplar(std::string& out, const Series& series, uint32_t slot) const {
  ExemplarValue e;
  if (!openmetrics_ || !read_exemplar(series, slot, e)) return;
  out += " # {trace_id=\"";
  append_hex(out, e.trace_high);
  append_hex(out, e.trace_low);
  out += "\",span_id=\"";
  append_hex(out, e.span_id);
  out += "\"} ";
  append_double(out, e.value);
  out += ' ';
  append_seconds(out, e.unix_ms * 1'000'000);
}

void Page::render_native(std::string& out, const FamilyState& family, const uint64_t* totals,
                         uint32_t used) const {
  for (const SeriesNode* s = family.first.load(std::memory_order_acquire); s != nullptr;
       s = s->next.load(std::memory_order_acquire)) {
    std::string_view labels(s->labels, s->labels_size);
    auto start = [&](std::string_view suffix, std::string_view le) {
      out += family.name;
      out += suffix;
      if (!labels.empty() || !le.empty()) {
        out += '{';
        out += labels;
        if (!le.empty()) {
          if (!labels.empty()) out += ',';
          out += "le=\"";
          out += le;
          out += '"';
        }
        out += '}';
      }
      out += ' ';
    };
    switch (family.kind) {
      case MetricKind::kCounter:
        if (s->cell >= used) continue;  // made after the cells were added up
        start("", "");
        append_uint(out, totals[s->cell]);
        append_exemplar(out, *s, 0);
        out += '\n';
        break;
      case MetricKind::kGauge:
        start("", "");
        append_double(out, std::bit_cast<double>(gauge_cell(s->cell)->load(std::memory_order_relaxed)));
        out += '\n';
        break;
      case MetricKind::kHistogram: {
        const BucketLayout& layout = family.layout;
        if (s->cell + layout.count + 1 >= used) continue;
        uint64_t cumulative = 0;
        for (uint32_t i = 0; i <= layout.count; i++) {
          cumulative += totals[s->cell + i];
          start("_bucket", family.le[i]);
          append_uint(out, cumulative);
          append_exemplar(out, *s, i);
          out += '\n';
        }
        start("_sum", "");
        uint64_t sum = totals[s->cell + layout.count + 1];
        if (layout.seconds) {
          append_seconds(out, static_cast<int64_t>(sum));
        } else {
          append_double(out, std::bit_cast<double>(sum));
        }
        out += '\n';
        start("_count", "");
        append_uint(out, cumulative);
        out += '\n';
        break;
      }
    }
  }
}

std::string Page::render() {
  uint32_t used = cells_used();
  std::vector<uint64_t> totals(used);
  total_cells(totals.data(), used);
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  std::string out;
  size_t estimate = 64;
  for (const Entry& e : entries_) {
    estimate += e.lines.size() + e.help.size() + 3 * e.name.size() + 64;
    if (e.native == nullptr) continue;
    size_t lines = e.kind == MetricKind::kHistogram ? e.native->layout.count + 3 : 1;
    const SeriesNode* first = e.native->first.load(std::memory_order_acquire);
    size_t labels = first == nullptr ? 0 : first->labels_size;
    estimate += (e.native->count.load(std::memory_order_relaxed) + 1) * lines * (e.name.size() + labels + 32);
  }
  out.reserve(estimate);
  for (const Entry& e : entries_) {
    if (e.native == nullptr && e.lines.empty()) continue;
    std::string_view name = family_name(e.name, e.kind, openmetrics_);
    if (!e.help.empty()) {
      out += "# HELP ";
      out += name;
      out += ' ';
      append_help(out, e.help, openmetrics_);
      out += '\n';
    }
    out += "# TYPE ";
    out += name;
    out += ' ';
    out += kind_name(e.kind);
    out += '\n';
    if (std::string_view unit = unit_of(name); openmetrics_ && !unit.empty()) {
      out += "# UNIT ";
      out += name;
      out += ' ';
      out += unit;
      out += '\n';
    }
    if (e.native != nullptr) {
      render_native(out, *e.native, totals.data(), used);
    } else {
      out += e.lines;
    }
  }
  if (openmetrics_) out += "# EOF\n";
  return out;
}

}  // namespace sonde::inline v1::detail

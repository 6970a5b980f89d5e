// OpenMetrics 1.0 as scraped: the grammar, as lax as Prometheus reads it.
#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "wire/exposition.h"
#include "wire/sample_lexer.h"
#include "wire/utf8.h"

namespace sonde::wire {
namespace {

class OpenMetricsParser {
 public:
  OpenMetricsParser(std::string_view text, const ExpositionOptions& options, ExpositionVisitor& visitor)
      : p_(text.data()),
        end_(text.data() + text.size()),
        options_(options),
        lexer_(Dialect::kOpenMetrics, options.limits),
        ahead_(Dialect::kOpenMetrics, options.limits),
        visitor_(visitor) {}

  Result<ExpositionSummary> run() {
    ExpositionSummary summary;
    while (p_ < end_) {
      if (*p_ == '#') {
        bool eof = false;
        SONDE_CHECK(metadata(eof));
        if (eof) return summary;
      } else {
        if (*p_ == '\n') return fail(error(ErrorCode::kInvalid, "blank line"));
        if (!lexer_.sample(p_, end_)) return fail(error(lexer_.code(), lexer_.error()));
        if (++summary.samples > options_.limits.series_max) {
          return fail(
              error(ErrorCode::kLimit, fmt::format("more than {} samples", options_.limits.series_max)));
        }
        lexer_.current().line = line_;
        if (!options_.created_as_start || !take_created()) {
          if (!visitor_.on_sample(lexer_.current())) {
            summary.stopped = true;
            return summary;
          }
        }
      }
      line_++;
    }
    return fail(error(ErrorCode::kInvalid, "the exposition does not end with # EOF"));
  }

 private:
  Error error(ErrorCode code, std::string message) const {
    return exposition_error(code, line_, std::move(message), {p_, static_cast<size_t>(end_ - p_)});
  }

  Result<> metadata(bool& eof) {
    const auto* eol = static_cast<const char*>(std::memchr(p_, '\n', static_cast<size_t>(end_ - p_)));
    const char* line_end = eol != nullptr ? eol : end_;
    std::string_view line(p_, static_cast<size_t>(line_end - p_));
    if (line == "# EOF") {
      p_ = eol != nullptr ? eol + 1 : end_;
      if (p_ != end_) {
        line_++;
        return fail(error(ErrorCode::kInvalid, "text after # EOF"));
      }
      eof = true;
      return {};
    }
    ExpositionMetadata m;
    m.line = line_;
    if (line.starts_with("# HELP ")) {
      m.field = MetadataField::kHelp;
    } else if (line.starts_with("# TYPE ")) {
      m.field = MetadataField::kType;
    } else if (line.starts_with("# UNIT ")) {
      m.field = MetadataField::kUnit;
    } else {
      return fail(error(ErrorCode::kInvalid, "expected # HELP, # TYPE, # UNIT or # EOF"));
    }
    const char* p = p_ + 7;
    if (p < line_end && *p == '"') {
      bool escaped = false;
      if (!lexer_.quoted(p, line_end, m.family, escaped)) return fail(error(lexer_.code(), lexer_.error()));
      if (escaped) {
        family_text_.clear();
        SampleLexer::unescape(m.family, family_text_);
        m.family = family_text_;
      }
      if (m.family.empty()) return fail(error(ErrorCode::kInvalid, "empty metric name"));
    } else {
      const char* start = p;
      while (p < line_end && *p != ' ') p++;
      m.family = {start, static_cast<size_t>(p - start)};
      if (!is_legacy_metric_name(m.family)) return fail(error(ErrorCode::kInvalid, "no valid metric name"));
    }
    std::string_view rest;
    if (p < line_end) {
      if (*p != ' ') return fail(error(ErrorCode::kInvalid, "expected a space after the metric name"));
      rest = {p + 1, static_cast<size_t>(line_end - p - 1)};
    }
    switch (m.field) {
      case MetadataField::kHelp:
        if (rest.size() > options_.limits.help_bytes_max) {
          return fail(error(ErrorCode::kLimit,
                            fmt::format("help text longer than {} bytes", options_.limits.help_bytes_max)));
        }
        if (!is_valid_utf8(rest)) return fail(error(ErrorCode::kInvalid, "help text is not UTF-8"));
        m.text = rest;
        if (rest.find('\\') != std::string_view::npos) {
          help_.clear();
          SampleLexer::unescape(rest, help_);
          m.text = help_;
        }
        break;
      case MetadataField::kType:
        m.type = metric_type_from(rest);
        if (m.type == MetricType::kUnknown && rest != "unknown" && rest != "untyped") {
          return fail(error(ErrorCode::kInvalid, "unknown metric type"));
        }
        family_.assign(m.family);
        has_created_ = m.type == MetricType::kCounter || m.type == MetricType::kHistogram ||
                       m.type == MetricType::kSummary;
        counter_ = m.type == MetricType::kCounter;
        group_known_ = false;
        break;
      case MetadataField::kUnit:
        m.text = rest;
        if (!rest.empty() && !(m.family.size() > rest.size() + 1 && m.family.ends_with(rest) &&
                               m.family[m.family.size() - rest.size() - 1] == '_')) {
          return fail(error(ErrorCode::kInvalid, "the unit is not the suffix of the metric's name"));
        }
        break;
    }
    p_ = eol != nullptr ? eol + 1 : end_;
    visitor_.on_metadata(m);
    return {};
  }

  // Whether `name` is the family's name with `suffix`.
  bool is_family(std::string_view name, std::string_view suffix) const {
    return name.size() == family_.size() + suffix.size() && name.starts_with(family_) &&
           name.ends_with(suffix);
  }

  // The label set without le and quantile, whatever the order.
  static uint64_t group_of(const ExpositionSample& s) {
    uint64_t sum = s.labels.size() + 1;
    for (const LabelView& l : s.labels) {
      if (l.name == "le" || l.name == "quantile") {
        sum--;
        continue;
      }
      uint64_t h = hash_bytes(l.name) * 0x9e3779b97f4a7c15u ^ hash_bytes(l.value);
      sum += h ^ (h >> 29);
    }
    return sum;
  }

  // True: the sample was a `_created` line and is not a series. Otherwise sets the sample's start timestamp,
  // which stands further down among the samples of the same label set. Each label set is looked through once.
  bool take_created() {
    ExpositionSample& s = lexer_.current();
    if (!has_created_ || !s.name.starts_with(family_)) return false;
    if (is_family(s.name, "_created")) return true;
    bool member = counter_ ? is_family(s.name, "_total")
                           : is_family(s.name, "_bucket") || is_family(s.name, "_count") ||
                                 is_family(s.name, "_sum") || is_family(s.name, "");
    if (!member) return false;
    uint64_t group = group_of(s);
    if (!group_known_ || group != group_) {
      group_ = group;
      group_known_ = true;
      start_ = find_created(group);
    }
    s.start = start_;
    return false;
  }

  std::optional<Timestamp> find_created(uint64_t group) {
    const char* p = p_;
    while (p < end_ && *p != '#') {
      if (!ahead_.sample(p, end_)) return std::nullopt;
      const ExpositionSample& s = ahead_.current();
      if (!s.name.starts_with(family_) || group_of(s) != group) return std::nullopt;
      if (is_family(s.name, "_created")) {
        double ms = std::round(s.value * 1000);
        if (!(ms > 0 && ms < 9.2e18)) return std::nullopt;
        return Timestamp{static_cast<int64_t>(ms)};
      }
      if (counter_ && !is_family(s.name, "_total")) return std::nullopt;
    }
    return std::nullopt;
  }

  const char* p_;
  const char* end_;
  const ExpositionOptions options_;
  SampleLexer lexer_;
  SampleLexer ahead_;
  ExpositionVisitor& visitor_;
  std::string family_text_;
  std::string help_;
  std::string family_;  // of the last TYPE line
  std::optional<Timestamp> start_;
  uint64_t group_ = 0;
  int line_ = 1;
  bool has_created_ = false;
  bool counter_ = false;
  bool group_known_ = false;
};

}  // namespace

Result<ExpositionSummary> parse_open_metrics(std::string_view text, const ExpositionOptions& options,
                                             ExpositionVisitor& visitor) {
  return OpenMetricsParser(text, options, visitor).run();
}

}  // namespace sonde::wire

// Every rule of OpenMetrics 1.0, checked line by line and family by family, as the standard's reference
// parser does.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <unordered_set>
#include <vector>

#include "wire/exposition.h"
#include "wire/sample_lexer.h"
#include "wire/utf8.h"

namespace sonde::wire {
namespace {

// The suffixes that samples of a type may have.
std::vector<std::string_view> suffixes_of(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return {"_total", "_created"};
    case MetricType::kSummary:
      return {"_count", "_sum", "", "_created"};
    case MetricType::kHistogram:
      return {"_count", "_sum", "_bucket", "_created"};
    case MetricType::kGaugeHistogram:
      return {"_gcount", "_gsum", "_bucket"};
    case MetricType::kInfo:
      return {"_info"};
    case MetricType::kGauge:
    case MetricType::kStateset:
    case MetricType::kUnknown:
      return {""};
  }
  return {""};
}

std::optional<MetricType> strict_type(std::string_view text) {
  if (text == "unknown") return MetricType::kUnknown;
  MetricType type = metric_type_from(text);
  if (type == MetricType::kUnknown) return std::nullopt;
  return type;
}

// +Inf is the one bound that has to be written in one way.
bool is_canonical(std::string_view text, double v) { return !std::isinf(v) || v < 0 || text == "+Inf"; }

class Verifier {
 public:
  explicit Verifier(std::string_view text)
      : p_(text.data()), end_(text.data() + text.size()), lexer_(Dialect::kOpenMetricsStrict, {}) {}

  Result<> run(std::string_view text) {
    if (!is_valid_utf8(text)) return invalid("the exposition is not UTF-8");
    while (p_ < end_) {
      if (*p_ == '\n') return invalid("blank line");
      if (*p_ == '#') {
        bool eof = false;
        SONDE_CHECK(comment(eof));
        if (eof) return end_family();
      } else {
        SONDE_CHECK(sample());
      }
      line_++;
    }
    return invalid("the exposition does not end with # EOF");
  }

 private:
  // What is checked once the samples of one label set (without le) at one time are complete.
  struct Buckets {
    std::optional<double> bound;
    double value = 0;
    std::optional<double> count;
    bool sum = false;
    bool gsum = false;
    bool negative_gsum = false;
    bool negative_buckets = false;
    bool any = false;
  };

  struct Family {
    bool open = false;
    std::string name;
    bool has_help = false;
    bool has_samples = false;
    std::optional<MetricType> type;
    std::optional<std::string> unit;
    std::optional<std::string> group;
    std::optional<double> group_time;
    std::unordered_set<std::string> groups;
    Buckets buckets;
  };

  Result<> invalid(std::string message) const {
    return fail(exposition_error(ErrorCode::kInvalid, line_, std::move(message), here()));
  }
  std::string_view here() const { return {p_, static_cast<size_t>(end_ - p_)}; }

  MetricType type() const { return family_.type.value_or(MetricType::kUnknown); }

  Result<> comment(bool& eof) {
    const auto* eol = static_cast<const char*>(std::memchr(p_, '\n', static_cast<size_t>(end_ - p_)));
    const char* line_end = eol != nullptr ? eol : end_;
    std::string_view line(p_, static_cast<size_t>(line_end - p_));
    if (line == "# EOF") {
      if (line_end != end_ && line_end + 1 != end_) return invalid("text after # EOF");
      p_ = end_;
      eof = true;
      return {};
    }
    // "#", keyword, name, rest: exactly one space between.
    if (!line.starts_with("# ")) return invalid("expected a space after '#'");
    std::string_view rest = line.substr(2);
    auto word = [&](std::string_view& out) {
      size_t space = rest.find(' ');
      if (space == std::string_view::npos) return false;
      out = rest.substr(0, space);
      rest = rest.substr(space + 1);
      return true;
    };
    std::string_view keyword, name;
    if (!word(keyword) || !word(name)) return invalid("expected a keyword, a metric name and a text");
    if (keyword != "HELP" && keyword != "TYPE" && keyword != "UNIT") return invalid("unknown keyword");
    if (!is_legacy_metric_name(name)) return invalid("not a metric name");
    if (!family_.open || family_.name != name) {
      SONDE_CHECK(end_family());
      begin_family(name);
    } else if (family_.has_samples) {
      return invalid("metadata after samples");
    }
    if (keyword == "HELP") {
      if (family_.has_help) return invalid("more than one HELP");
      family_.has_help = true;
    } else if (keyword == "TYPE") {
      if (family_.type) return invalid("more than one TYPE");
      family_.type = strict_type(rest);
      if (!family_.type) return invalid("unknown type");
    } else {
      if (family_.unit) return invalid("more than one UNIT");
      family_.unit = std::string(rest);
    }
    p_ = eol != nullptr ? eol + 1 : end_;
    return {};
  }

  void begin_family(std::string_view name) {
    family_ = {};
    family_.open = true;
    family_.name = name;
  }

  Result<> end_family() {
    if (!family_.open) return {};
    std::vector<std::string_view> suffixes = suffixes_of(type());
    if (std::find(suffixes.begin(), suffixes.end(), "") == suffixes.end()) suffixes.emplace_back();
    for (std::string_view suffix : suffixes) {
      if (!seen_.insert(family_.name + std::string(suffix)).second) {
        return invalid(fmt::format("the name {}{} clashes with another family", family_.name, suffix));
      }
    }
    if (family_.unit && !family_.unit->empty()) {
      if (!family_.name.ends_with("_" + *family_.unit))
        return invalid("the unit is not the suffix of the name");
      if (type() == MetricType::kInfo || type() == MetricType::kStateset)
        return invalid("this type has no unit");
    }
    return check_buckets();
  }

  Result<> check_buckets() {
    Buckets b = family_.buckets;
    family_.buckets = {};
    if (!b.any) return {};
    bool gauge = type() == MetricType::kGaugeHistogram;
    if (!b.bound || *b.bound != std::numeric_limits<double>::infinity())
      return invalid("no bucket le=\"+Inf\"");
    if (b.count && *b.count != b.value) return invalid("the count is not that of the bucket le=\"+Inf\"");
    if ((b.sum || b.gsum) && !b.count) return invalid("a sum without a count");
    if (b.count && !b.sum && !b.gsum) return invalid("a count without a sum");
    if (b.negative_buckets && b.sum) return invalid("a sum together with negative buckets");
    if (gauge && !b.negative_buckets && b.negative_gsum)
      return invalid("a negative sum without negative buckets");
    return {};
  }

  // The sample's place in its family: the label set without what tells its own samples apart.
  std::string group_of(const ExpositionSample& s) const {
    std::vector<LabelView> labels;
    if (type() == MetricType::kInfo) return {};
    for (const LabelView& l : s.labels) {
      bool apart =
          (type() == MetricType::kSummary && l.name == "quantile") ||
          (type() == MetricType::kStateset && l.name == family_.name) ||
          ((type() == MetricType::kHistogram || type() == MetricType::kGaugeHistogram) && l.name == "le");
      if (!apart) labels.push_back(l);
    }
    std::sort(labels.begin(), labels.end());
    std::string key;
    for (const LabelView& l : labels) key += fmt::format("{}={}:{};", l.name, l.value.size(), l.value);
    return key;
  }

  Result<> sample() {
    const char* begin = p_;
    if (!lexer_.sample(p_, end_)) return invalid(lexer_.error());
    const char* next = p_;
    p_ = begin;  // errors from here on quote the line's start
    const ExpositionSample& s = lexer_.current();
    std::vector<std::string_view> names;
    for (const LabelView& l : s.labels) names.push_back(l.name);
    std::sort(names.begin(), names.end());
    if (std::adjacent_find(names.begin(), names.end()) != names.end())
      return invalid("a label name given twice");

    auto allowed = suffixes_of(type());
    bool member =
        family_.open && s.name.starts_with(family_.name) &&
        std::find(allowed.begin(), allowed.end(), s.name.substr(family_.name.size())) != allowed.end();
    if (!member) {
      SONDE_CHECK(end_family());
      begin_family(s.name);
      family_.type = MetricType::kUnknown;
    }
    family_.has_samples = true;
    std::string_view suffix = s.name.substr(family_.name.size());
    SONDE_CHECK(check_value(s, suffix));
    SONDE_CHECK(check_group(s));
    SONDE_CHECK(check_bucket(s, suffix));
    p_ = next;
    return {};
  }

  static const LabelView* find(const ExpositionSample& s, std::string_view name) {
    for (const LabelView& l : s.labels) {
      if (l.name == name) return &l;
    }
    return nullptr;
  }

  Result<> check_value(const ExpositionSample& s, std::string_view suffix) {
    MetricType t = type();
    bool counter_like = suffix == "_total" || suffix == "_sum" || suffix == "_count" || suffix == "_bucket" ||
                        suffix == "_gcount";
    if ((counter_like || suffix == "_gsum") && std::isnan(s.value)) return invalid("a counter cannot be NaN");
    if (counter_like && s.value < 0) return invalid("a counter cannot be negative");
    if ((suffix == "_bucket" || suffix == "_count" || suffix == "_gcount") &&
        s.value != std::floor(s.value)) {
      return invalid("a count must be a whole number");
    }
    if (t == MetricType::kStateset) {
      if (find(s, family_.name) == nullptr) return invalid("a stateset needs a label with its own name");
      if (s.value != 0 && s.value != 1) return invalid("a stateset is 0 or 1");
    }
    if (t == MetricType::kInfo && s.value != 1) return invalid("an info is 1");
    if (t == MetricType::kSummary && suffix.empty()) {
      const LabelView* quantile = find(s, "quantile");
      auto q = quantile != nullptr ? parse_sample_value(quantile->value) : std::nullopt;
      if (!q || !(*q >= 0 && *q <= 1)) return invalid("a quantile lies between 0 and 1");
      if (s.value < 0) return invalid("a quantile cannot be negative");
    }
    if (suffix == "_bucket") {
      const LabelView* le = find(s, "le");
      auto bound = le != nullptr ? parse_sample_value(le->value) : std::nullopt;
      if (!bound || std::isnan(*bound) || !is_canonical(le->value, *bound)) return invalid("no valid le");
    }
    if (s.exemplar != nullptr) {
      bool bucket = (t == MetricType::kHistogram || t == MetricType::kGaugeHistogram) && suffix == "_bucket";
      bool total = t == MetricType::kCounter && suffix == "_total";
      if (!bucket && !total) return invalid("only counters and buckets have exemplars");
      std::vector<std::string_view> names;
      for (const LabelView& l : s.exemplar->labels) names.push_back(l.name);
      std::sort(names.begin(), names.end());
      if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
        return invalid("a label name given twice in an exemplar");
      }
    }
    return {};
  }

  Result<> check_group(const ExpositionSample& s) {
    std::string group = group_of(s);
    std::optional<double> t = s.t ? std::optional(lexer_.raw_timestamp()) : std::nullopt;
    bool same_group = family_.group && *family_.group == group;
    if (!same_group && family_.groups.contains(group)) return invalid("samples of a label set stand apart");
    if (same_group) {
      if (t.has_value() != family_.group_time.has_value())
        return invalid("only some samples have timestamps");
      if (t && *t < *family_.group_time && type() != MetricType::kInfo)
        return invalid("timestamps go backwards");
    }
    if (!same_group || t != family_.group_time) SONDE_CHECK(check_buckets());
    family_.group_time = t;
    family_.groups.insert(group);
    family_.group = std::move(group);
    return {};
  }

  Result<> check_bucket(const ExpositionSample& s, std::string_view suffix) {
    if (type() != MetricType::kHistogram && type() != MetricType::kGaugeHistogram) return {};
    Buckets& b = family_.buckets;
    b.any = true;
    if (suffix == "_bucket") {
      double bound = *parse_sample_value(find(s, "le")->value);
      if (bound < 0) b.negative_buckets = true;
      if (b.bound && bound <= *b.bound) return invalid("buckets are not in order");
      if (s.value < b.value) return invalid("a bucket counts less than the one before it");
      b.bound = bound;
      b.value = s.value;
    } else if (suffix == "_count" || suffix == "_gcount") {
      b.count = s.value;
    } else if (suffix == "_sum") {
      b.sum = true;
    } else if (suffix == "_gsum") {
      b.gsum = true;
      b.negative_gsum = s.value < 0;
    }
    return {};
  }

  const char* p_;
  const char* end_;
  SampleLexer lexer_;
  Family family_;
  std::set<std::string, std::less<>> seen_;
  int line_ = 1;
};

}  // namespace

Result<> verify_open_metrics(std::string_view text) { return Verifier(text).run(text); }

}  // namespace sonde::wire

#include "wire/sample_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "wire/utf8.h"

namespace sonde::wire {
namespace {

constexpr auto kNameClass = [] {
  struct Table {
    unsigned char of[256];  // 1: may start a name; 2: may follow
  } t{};
  for (int c = 0; c < 256; c++) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
    t.of[c] = static_cast<unsigned char>(letter ? 3 : c >= '0' && c <= '9' ? 2 : 0);
  }
  return t;
}();

// Milliseconds, saturated: what lies beyond is refused later, as too far from now.
Timestamp saturated_ms(double ms) {
  constexpr double kMax = 9223372036854774784.0;  // the largest double below 2^63
  if (!(ms < kMax)) return {std::numeric_limits<int64_t>::max()};
  if (!(ms > -kMax)) return {std::numeric_limits<int64_t>::min()};
  return {static_cast<int64_t>(ms)};
}

size_t code_points(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

bool SampleLexer::is_name_start(char c) { return (kNameClass.of[static_cast<unsigned char>(c)] & 1) != 0; }
bool SampleLexer::is_name_char(char c) { return (kNameClass.of[static_cast<unsigned char>(c)] & 2) != 0; }

Error exposition_error(ErrorCode code, int line, std::string message, std::string_view near) {
  if (size_t eol = near.find('\n'); eol != std::string_view::npos) near = near.substr(0, eol);
  if (!near.empty()) message += fmt::format(" near {}", quote(excerpt(near)));
  return Error{code, fmt::format("line {}: {}", line, message), {}, line, 0};
}

std::optional<double> parse_sample_value(std::string_view text) {
  if (text.empty()) return std::nullopt;
  // Most values are short integers.
  if (text.size() <= 15) {
    int64_t n = 0;
    size_t i = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; i++) n = n * 10 + (text[i] - '0');
    if (i == text.size()) return static_cast<double>(n);
  }
  std::string_view digits = text;
  if (digits[0] == '+') digits.remove_prefix(1);
  if (digits.empty() || (text[0] == '+' && (digits[0] == '+' || digits[0] == '-'))) return std::nullopt;
  if (digits.back() == ')') return std::nullopt;  // from_chars reads nan(…)
  if (digits.size() > 1 && digits[0] == '-' && (digits[1] | 0x20) == 'n')
    return std::nullopt;  // Go has no signed NaN
  if (text[0] == '+' && (digits[0] | 0x20) == 'n') return std::nullopt;
  double v = 0;
  auto r = std::from_chars(digits.data(), digits.data() + digits.size(), v);
  if (r.ptr != digits.data() + digits.size()) return std::nullopt;
  if (r.ec == std::errc::result_out_of_range) {
    v = std::strtod(std::string(digits).c_str(), nullptr);
    if (std::isinf(v)) return std::nullopt;
    return v;
  }
  if (r.ec != std::errc()) return std::nullopt;
  return std::isnan(v) ? std::bit_cast<double>(kNormalNanBits) : v;
}

void SampleLexer::unescape(std::string_view raw, std::string& out) {
  for (size_t i = 0; i < raw.size(); i++) {
    if (raw[i] != '\\' || i + 1 == raw.size()) {
      out += raw[i];
      continue;
    }
    char next = raw[++i];
    if (next == 'n') {
      out += '\n';
    } else if (next == '\\' || next == '"') {
      out += next;
    } else {
      out += '\\';
      out += next;
    }
  }
}

bool SampleLexer::quoted(const char*& p, const char* end, std::string_view& raw, bool& escaped) {
  const char* start = ++p;
  const char* limit = end - start > static_cast<ptrdiff_t>(limits_.label_value_bytes_max)
                          ? start + limits_.label_value_bytes_max + 1
                          : end;
  escaped = false;
  while (p < limit) {
    char c = *p;
    if (c == '"') {
      raw = {start, static_cast<size_t>(p - start)};
      p++;
      return true;
    }
    if (c == '\\') {
      escaped = true;
      p++;
      if (p == limit) break;
    }
    if (*p == '\n') {
      if (dialect_ != Dialect::kText) return wrong("line end inside quotes");
      extra_lines_++;
    }
    p++;
  }
  p = start;
  if (limit != end) {
    return wrong(fmt::format("label value longer than {} bytes", limits_.label_value_bytes_max),
                 ErrorCode::kLimit);
  }
  return wrong("quotes are not closed");
}

// `p` behind the opening brace; afterwards behind the closing one.
bool SampleLexer::labels(const char*& p, const char* end, LabelSpace& space, bool name_allowed) {
  bool strict = dialect_ == Dialect::kOpenMetricsStrict;
  bool first = true;
  blanks(p, end);
  while (true) {
    if (p == end) return wrong("braces are not closed");
    if (*p == '}') {
      if (strict && !first) return wrong("comma before the closing brace");
      p++;
      return true;
    }
    std::string_view name;
    bool name_escaped = false;
    bool name_quoted = *p == '"';
    if (name_quoted) {
      if (strict) return wrong("label names cannot be quoted");
      if (!quoted(p, end, name, name_escaped)) return false;
    } else {
      const char* start = p;
      if (!is_name_start(*p) || *p == ':') return wrong("expected a label name");
      while (p < end && is_name_char(*p) && *p != ':') p++;
      name = {start, static_cast<size_t>(p - start)};
    }
    if (name.size() > limits_.label_name_bytes_max) {
      return wrong(fmt::format("label name longer than {} bytes", limits_.label_name_bytes_max),
                   ErrorCode::kLimit);
    }
    blanks(p, end);
    if (name_quoted && name_allowed && first && sample_.name.empty() && p < end && (*p == ',' || *p == '}')) {
      if (name.empty()) return wrong("empty metric name");
      sample_.name = name;
      if (name_escaped) {
        quoted_name_.clear();
        unescape(name, quoted_name_);
        sample_.name = quoted_name_;
      }
    } else {
      if (p == end || *p != '=') return wrong("expected '=' after the label name");
      if (name.empty()) return wrong("empty label name");
      p++;
      blanks(p, end);
      if (p == end || *p != '"') return wrong("expected a quoted label value");
      if (space.labels.size() == limits_.labels_max) {
        return wrong(fmt::format("more than {} labels", limits_.labels_max), ErrorCode::kLimit);
      }
      std::string_view value;
      bool value_escaped = false;
      if (!quoted(p, end, value, value_escaped)) return false;
      if (name_escaped) space.escaped.emplace_back(space.labels.size(), true);
      if (value_escaped) space.escaped.emplace_back(space.labels.size(), false);
      space.labels.push_back({name, value});
      blanks(p, end);
    }
    first = false;
    if (p == end) return wrong("braces are not closed");
    if (*p == ',') {
      p++;
      blanks(p, end);
      if (p < end && *p == ',') return wrong("two commas in a row");
    } else if (*p == '}') {
      p++;
      return true;
    } else {
      return wrong("expected ',' or '}' after the label value");
    }
  }
}

void SampleLexer::resolve(LabelSpace& space) {
  if (space.escaped.empty()) return;
  // Reserved up front, so that views into it stay valid while it grows: unescaping never lengthens.
  size_t total = 0;
  for (auto [i, is_name] : space.escaped) {
    total += is_name ? space.labels[i].name.size() : space.labels[i].value.size();
  }
  space.text.clear();
  space.text.reserve(total);
  for (auto [i, is_name] : space.escaped) {
    std::string_view& target = is_name ? space.labels[i].name : space.labels[i].value;
    size_t start = space.text.size();
    unescape(target, space.text);
    target = std::string_view(space.text).substr(start);
  }
}

bool SampleLexer::token(const char*& p, const char* end, std::string_view& out) {
  const char* start = p;
  while (p < end && *p != ' ' && *p != '\t' && *p != '\n') p++;
  out = {start, static_cast<size_t>(p - start)};
  return !out.empty();
}

bool SampleLexer::timestamp(std::string_view text, Timestamp& t, double& raw) {
  if (dialect_ == Dialect::kText) {
    int64_t ms = 0;
    auto r = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (r.ec != std::errc() || r.ptr != text.data() + text.size()) {
      return wrong("timestamp is not a whole number of milliseconds");
    }
    t.ms = ms;
    raw = static_cast<double>(ms);
    return true;
  }
  auto seconds = parse_sample_value(text);
  if (!seconds || !std::isfinite(*seconds)) return wrong("timestamp is not a finite number of seconds");
  raw = *seconds;
  t = saturated_ms(std::round(*seconds * 1000));
  return true;
}

// `p` on the '#'.
bool SampleLexer::exemplar(const char*& p, const char* end) {
  p++;
  if (p == end || *p != ' ') return wrong("expected a space after '#'");
  p++;
  if (p == end || *p != '{') return wrong("expected '{' to begin the exemplar's labels");
  p++;
  exemplar_space_.labels.clear();
  exemplar_space_.escaped.clear();
  if (!labels(p, end, exemplar_space_, false)) return false;
  resolve(exemplar_space_);
  if (p == end || *p != ' ') return wrong("expected a space before the exemplar's value");
  p++;
  const char* at = p;
  std::string_view text;
  token(p, end, text);
  auto value = parse_sample_value(text);
  if (!value) {
    p = at;
    return wrong("exemplar's value is not a number");
  }
  exemplar_ = {exemplar_space_.labels, *value, std::nullopt};
  if (p < end && *p == ' ') {
    at = ++p;
    token(p, end, text);
    Timestamp t;
    double raw = 0;
    if (!timestamp(text, t, raw)) {
      p = at;
      return false;
    }
    exemplar_.t = t;
  }
  if (dialect_ == Dialect::kOpenMetricsStrict) {
    size_t length = 0;
    for (const LabelView& l : exemplar_.labels) length += code_points(l.name) + code_points(l.value);
    if (length > 128)
      return wrong(fmt::format("exemplar's labels have {} code points, at most 128 may be", length));
  }
  sample_.exemplar = &exemplar_;
  return true;
}

bool SampleLexer::sample(const char*& p, const char* end) {
  const char* begin = p;
  sample_ = {};
  space_.labels.clear();
  space_.escaped.clear();
  extra_lines_ = 0;
  if (is_name_start(*p)) {
    while (p < end && is_name_char(*p)) p++;
    sample_.name = {begin, static_cast<size_t>(p - begin)};
  } else if (*p != '{' || dialect_ == Dialect::kOpenMetricsStrict) {
    return wrong("expected a metric name");
  }
  sample_.series = sample_.name;
  const char* after_name = p;
  if (dialect_ == Dialect::kText) blanks(p, end);
  bool braces = p < end && *p == '{';
  if (braces) {
    p++;
    if (!labels(p, end, space_, true)) return false;
    if (sample_.name.empty()) {
      p = begin;
      return wrong("no metric name");
    }
    sample_.series = {begin, static_cast<size_t>(p - begin)};
    resolve(space_);
    sample_.labels = space_.labels;
  } else {
    p = after_name;
  }
  if (sample_.name.size() > limits_.label_name_bytes_max) {
    p = begin;
    return wrong(fmt::format("metric name longer than {} bytes", limits_.label_name_bytes_max),
                 ErrorCode::kLimit);
  }

  if (dialect_ == Dialect::kText) {
    if (!braces && (p == end || (*p != ' ' && *p != '\t'))) {
      return wrong(p == end || *p == '\n' ? "no value" : "unexpected character in the metric name");
    }
    blanks(p, end);
  } else {
    if (p == end || *p == '\n') return wrong("no value");
    if (*p != ' ') return wrong("expected a space before the value");
    p++;
  }
  const char* at = p;
  std::string_view text;
  if (!token(p, end, text)) return wrong("no value");
  auto value = parse_sample_value(text);
  if (!value) {
    p = at;
    return wrong("value is not a number");
  }
  sample_.value = *value;
  value_text_ = text;
  if (dialect_ == Dialect::kText) {
    blanks(p, end);
    if (p < end && *p != '\n') {
      at = p;
      token(p, end, text);
      Timestamp t;
      if (!timestamp(text, t, raw_timestamp_)) {
        p = at;
        return false;
      }
      sample_.t = t;
      blanks(p, end);
    }
  } else {
    if (p < end && *p == ' ' && p + 1 < end && p[1] != '#') {
      at = ++p;
      token(p, end, text);
      Timestamp t;
      if (!timestamp(text, t, raw_timestamp_)) {
        p = at;
        return false;
      }
      sample_.t = t;
    }
    if (p + 1 < end && *p == ' ' && p[1] == '#') {
      p++;
      if (!exemplar(p, end)) return false;
    }
  }
  if (p < end && *p != '\n') return wrong("unexpected text at the end of the line");
  if (p < end) p++;
  return true;
}

namespace {

Result<LabelSet> label_set_from(std::string_view name, std::span<const LabelView> labels) {
  std::vector<std::pair<std::string, std::string>> all;
  all.reserve(labels.size() + 1);
  if (!name.empty()) {
    if (!is_valid_utf8(name)) return fail(ErrorCode::kInvalid, "metric name is not UTF-8");
    all.emplace_back(kMetricName, name);
  }
  for (const LabelView& l : labels) {
    if (!is_valid_utf8(l.name)) return fail(ErrorCode::kInvalid, "label name is not UTF-8");
    if (!is_valid_utf8(l.value)) {
      return fail(ErrorCode::kInvalid, fmt::format("value of label {} is not UTF-8", quote(excerpt(l.name))));
    }
    all.emplace_back(l.name, l.value);
  }
  std::sort(all.begin(), all.end());
  auto twice = std::adjacent_find(all.begin(), all.end(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != all.end()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("label name {} is not unique", quote(excerpt(twice->first))));
  }
  return LabelSet::from(std::move(all));
}

}  // namespace

Result<LabelSet> to_label_set(const ExpositionSample& sample) {
  return label_set_from(sample.name, sample.labels);
}
Result<LabelSet> to_label_set(const ExpositionExemplar& exemplar) {
  return label_set_from({}, exemplar.labels);
}

}  // namespace sonde::wire

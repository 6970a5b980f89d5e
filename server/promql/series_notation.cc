#include "promql/series_notation.h"

#include <charconv>
#include <cmath>

#include "promql/duration.h"
#include "promql/lexer.h"
#include "promql/native_histogram.h"

namespace sonde::promql {
namespace {

constexpr size_t kRepeatMax = 1'000'000;

std::unexpected<Error> bad(std::string message) { return fail(ErrorCode::kInvalid, std::move(message)); }

bool is_space(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads values from left to right.
class Scanner {
 public:
  explicit Scanner(std::string_view in) : in_(in) {}

  bool at_end() {
    while (at_ < in_.size() && is_space(in_[at_])) at_++;
    return at_ == in_.size();
  }
  bool accept(std::string_view text) {
    if (!in_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  bool blank() const { return at_ == in_.size() || is_space(in_[at_]); }
  std::string_view rest() const { return in_.substr(at_); }

  bool number(double& v) {
    size_t i = at_;
    bool negative = false;
    if (i < in_.size() && (in_[i] == '+' || in_[i] == '-')) negative = in_[i++] == '-';
    std::string word;
    for (size_t k = i; k < in_.size() && k < i + 3; k++) word += static_cast<char>(std::tolower(in_[k]));
    if (word == "inf" || word == "nan") {
      v = word == "inf" ? (negative ? -INFINITY : INFINITY) : std::nan("");
      at_ = i + 3;
      return true;
    }
    if (i >= in_.size() || (!is_digit(in_[i]) && in_[i] != '.')) return false;
    auto r = std::from_chars(in_.data() + i, in_.data() + in_.size(), v);
    if (r.ec == std::errc::invalid_argument) return false;
    if (negative) v = -v;
    at_ = static_cast<size_t>(r.ptr - in_.data());
    return true;
  }

  // xN; 0 when there is none.
  Result<size_t> repeat() {
    if (!accept("x")) return 0;
    size_t n = 0;
    auto r = std::from_chars(in_.data() + at_, in_.data() + in_.size(), n);
    if (r.ec != std::errc() || n > kRepeatMax)
      return bad("bad repetition in series values: " + std::string(rest()));
    at_ = static_cast<size_t>(r.ptr - in_.data());
    return n;
  }

  // {{…}}, the cursor standing after the opening braces.
  Result<NativeHistogram> histogram() {
    size_t close = in_.find("}}", at_);
    if (close == std::string_view::npos) return bad("unclosed histogram");
    std::string_view body = in_.substr(at_, close - at_);
    at_ = close + 2;
    NativeHistogram h;
    double offset = 0, negative_offset = 0;
    Scanner s(body);
    while (!s.at_end()) {
      size_t colon = s.rest().find(':');
      if (colon == std::string_view::npos)
        return bad("histogram field without a colon: " + std::string(s.rest()));
      std::string_view key = s.rest().substr(0, colon);
      s.at_ += colon + 1;
      if (key == "buckets" || key == "n_buckets" || key == "custom_values") {
        auto& list = key == "buckets"     ? h.positive_buckets
                     : key == "n_buckets" ? h.negative_buckets
                                          : h.custom_values;
        if (!s.accept("[")) return bad("expected [ in histogram");
        while (!s.at_end() && !s.accept("]")) {
          double v = 0;
          if (!s.number(v)) return bad("bad number in histogram: " + std::string(s.rest()));
          list.push_back(v);
        }
        continue;
      }
      if (key == "counter_reset_hint") {
        if (s.accept("unknown")) {
          h.counter_reset = CounterReset::kUnknown;
        } else if (s.accept("reset")) {
          h.counter_reset = CounterReset::kReset;
        } else if (s.accept("not_reset")) {
          h.counter_reset = CounterReset::kNoReset;
        } else if (s.accept("gauge")) {
          h.counter_reset = CounterReset::kGauge;
        } else {
          return bad("bad counter_reset_hint: " + std::string(s.rest()));
        }
        continue;
      }
      double v = 0;
      if (!s.number(v)) return bad("bad number in histogram: " + std::string(s.rest()));
      if (key == "schema") {
        h.schema = static_cast<int32_t>(v);
      } else if (key == "sum") {
        h.sum = v;
      } else if (key == "count") {
        h.count = v;
      } else if (key == "z_bucket") {
        h.zero_count = v;
      } else if (key == "z_bucket_w") {
        h.zero_threshold = v;
      } else if (key == "offset") {
        offset = v;
      } else if (key == "n_offset") {
        negative_offset = v;
      } else {
        return bad("unknown histogram field " + std::string(key));
      }
    }
    if (!h.positive_buckets.empty()) {
      h.positive_spans = {{static_cast<int32_t>(offset), static_cast<uint32_t>(h.positive_buckets.size())}};
    }
    if (!h.negative_buckets.empty()) {
      h.negative_spans = {
          {static_cast<int32_t>(negative_offset), static_cast<uint32_t>(h.negative_buckets.size())}};
    }
    return h;
  }

  size_t at_ = 0;

 private:
  std::string_view in_;
};

SequenceValue value_of(double v) { return {false, v, nullptr}; }
SequenceValue value_of(const NativeHistogram& h) {
  return {false, 0, std::make_shared<const NativeHistogram>(h)};
}

Result<> read_histograms(Scanner& s, std::vector<SequenceValue>& out) {
  SONDE_TRY(NativeHistogram h, s.histogram());
  double sign = s.accept("+{{") ? 1 : s.accept("-{{") ? -1 : 0;
  NativeHistogram step;
  if (sign != 0) {
    SONDE_TRY(step, s.histogram());
  }
  SONDE_TRY(size_t n, s.repeat());
  for (size_t i = 0; i <= n; i++) {
    out.push_back(value_of(h));
    JoinNotes notes;
    if (sign != 0 && !join(h, step, sign, notes)) return bad("histograms of a sequence do not go together");
  }
  return {};
}

std::string_view metric_end(std::string_view line) {
  size_t i = 0;
  while (i < line.size() && !is_space(line[i]) && line[i] != '{' && line[i] != '@') i++;
  if (i < line.size() && line[i] == '{') {
    char quoted = 0;
    for (; i < line.size(); i++) {
      if (quoted) {
        if (line[i] == '\\' && quoted != '`') {
          i++;
        } else if (line[i] == quoted) {
          quoted = 0;
        }
      } else if (line[i] == '"' || line[i] == '\'' || line[i] == '`') {
        quoted = line[i];
      } else if (line[i] == '}') {
        i++;
        break;
      }
    }
  }
  return line.substr(0, i);
}

}  // namespace

std::optional<double> parse_plain_number(std::string_view text) {
  Scanner s(text);
  double v = 0;
  if (s.number(v) && s.rest().empty()) return v;
  return std::nullopt;
}

Result<LabelSet> parse_metric(std::string_view text) {
  std::vector<Token> tokens;
  ParseError error;
  if (!tokenize(text, tokens, error)) return bad("bad metric " + std::string(text) + ": " + error.message);
  std::vector<std::pair<std::string, std::string>> labels;
  size_t i = 0;
  if (tokens[i].kind == TokenKind::kIdentifier || tokens[i].kind == TokenKind::kMetricIdentifier) {
    labels.emplace_back(kMetricName, tokens[i++].text);
  }
  auto wrong = [&] { return bad("bad metric " + std::string(text)); };
  if (tokens[i].kind == TokenKind::kLeftBrace) {
    i++;
    while (tokens[i].kind != TokenKind::kRightBrace) {
      std::string name(tokens[i].text);
      if (tokens[i].kind == TokenKind::kString) {
        if (!unquote(tokens[i].text, name)) return wrong();
      } else if (tokens[i].kind != TokenKind::kIdentifier) {
        return wrong();
      }
      i++;
      if (tokens[i].kind == TokenKind::kAssign) {
        std::string value;
        if (tokens[i + 1].kind != TokenKind::kString || !unquote(tokens[i + 1].text, value)) return wrong();
        labels.emplace_back(std::move(name), std::move(value));
        i += 2;
      } else {
        labels.emplace_back(kMetricName, std::move(name));
      }
      if (tokens[i].kind == TokenKind::kComma) i++;
    }
    i++;
  }
  if (tokens[i].kind != TokenKind::kEnd) return wrong();
  return LabelSet::from(std::move(labels));
}

Result<std::vector<SequenceValue>> parse_sequence(std::string_view text) {
  std::vector<SequenceValue> out;
  Scanner s(text);
  while (!s.at_end()) {
    size_t begin = s.at_;
    if (s.accept("{{")) {
      SONDE_CHECK(read_histograms(s, out));
    } else if (s.accept("_")) {
      SONDE_TRY(size_t n, s.repeat());
      out.resize(out.size() + std::max<size_t>(n, 1));
    } else if (s.accept("stale")) {
      SONDE_TRY(size_t n, s.repeat());
      for (size_t i = 0; i <= n; i++) out.push_back(value_of(stale_nan()));
    } else {
      double v = 0, step = 0;
      if (!s.number(v)) return bad("bad series value: " + std::string(s.rest()));
      if (!s.blank() && s.rest()[0] != 'x' && !s.number(step))
        return bad("bad series value: " + std::string(s.rest()));
      SONDE_TRY(size_t n, s.repeat());
      for (size_t i = 0; i <= n; i++) {
        out.push_back(value_of(v));
        v += step;
      }
    }
    if (!s.blank() || s.at_ == begin) return bad("bad series value: " + std::string(s.rest()));
  }
  return out;
}

namespace {

// _ , -1m, -1mx3, -1m+30sx3
Result<std::vector<std::optional<int64_t>>> parse_offsets(std::string_view text) {
  std::vector<std::optional<int64_t>> out;
  size_t i = 0;
  auto duration = [&](int64_t& ms) {
    bool negative = false;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) negative = text[i++] == '-';
    size_t n = 0;
    while (i + n < text.size() &&
           (is_digit(text[i + n]) || (text[i + n] >= 'a' && text[i + n] <= 'w') || text[i + n] == 'y')) {
      n++;
    }
    auto d = parse_duration_ms(text.substr(i, n));
    if (!d) return false;
    ms = negative ? -*d : *d;
    i += n;
    return true;
  };
  while (i < text.size()) {
    if (is_space(text[i])) {
      i++;
      continue;
    }
    bool gap = text[i] == '_';
    int64_t v = 0, step = 0;
    if (gap) {
      i++;
    } else if (!duration(v) || (i < text.size() && (text[i] == '+' || text[i] == '-') && !duration(step))) {
      return bad("bad start timestamp: " + std::string(text.substr(i)));
    }
    size_t n = 0;
    if (i < text.size() && text[i] == 'x') {
      auto r = std::from_chars(text.data() + i + 1, text.data() + text.size(), n);
      if (r.ec != std::errc() || n > kRepeatMax) return bad("bad repetition of start timestamps");
      i = static_cast<size_t>(r.ptr - text.data());
      if (gap) n--;
    }
    for (size_t k = 0; k <= n; k++) {
      if (gap) {
        out.push_back(std::nullopt);
      } else {
        out.push_back(v);
        v += step;
      }
    }
  }
  return out;
}

}  // namespace

Result<SeriesNotation> parse_series_notation(std::string_view line) {
  SeriesNotation out;
  std::string_view metric = metric_end(line);
  SONDE_TRY(out.labels, parse_metric(metric));
  line.remove_prefix(metric.size());
  if (line.starts_with("@st")) {
    out.start_times = true;
    SONDE_TRY(out.offsets, parse_offsets(line.substr(3)));
  } else {
    SONDE_TRY(out.values, parse_sequence(line));
  }
  return out;
}

}  // namespace sonde::promql

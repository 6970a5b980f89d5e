#include "wire/log_line.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>

namespace sonde::wire {
namespace {

constexpr size_t kFieldsMax = 256;
constexpr int kDepthMax = 16;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool equals_ignoring_case(std::string_view a, std::string_view lower_case) {
  return a.size() == lower_case.size() &&
         std::equal(a.begin(), a.end(), lower_case.begin(), [](char x, char y) { return lower(x) == y; });
}

template <size_t N>
bool one_of(std::string_view key, const std::array<std::string_view, N>& lower_case_names) {
  return std::any_of(lower_case_names.begin(), lower_case_names.end(),
                     [&](std::string_view n) { return equals_ignoring_case(key, n); });
}

constexpr std::array<std::string_view, 5> kMessageKeys = {"msg", "message", "body", "event", "text"};
constexpr std::array<std::string_view, 8> kLevelKeys = {
    "level", "lvl", "severity", "loglevel", "levelname", "log.level", "severity_text", "log_level"};
constexpr std::array<std::string_view, 7> kTimeKeys = {"time", "ts",      "timestamp", "@timestamp",
                                                       "t",    "asctime", "datetime"};
constexpr std::array<std::string_view, 4> kTraceKeys = {"trace_id", "traceid", "trace.id", "oteltraceid"};
constexpr std::array<std::string_view, 4> kSpanKeys = {"span_id", "spanid", "span.id", "otelspanid"};

struct LevelName {
  std::string_view name;
  std::string_view level;
};
constexpr LevelName kLevelNames[] = {
    {"trace", "trace"},        {"trc", "trace"},     {"debug", "debug"},  {"dbg", "debug"},
    {"info", "info"},          {"inf", "info"},      {"notice", "info"},  {"information", "info"},
    {"informational", "info"}, {"warn", "warn"},     {"warning", "warn"}, {"wrn", "warn"},
    {"error", "error"},        {"err", "error"},     {"eror", "error"},   {"severe", "error"},
    {"critical", "critical"},  {"crit", "critical"}, {"fatal", "fatal"},  {"emerg", "fatal"},
    {"emergency", "fatal"},    {"alert", "fatal"},   {"panic", "fatal"},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits of exactly `n`; advances.
std::optional<int> digits(std::string_view& s, size_t n) {
  if (s.size() < n || !std::all_of(s.begin(), s.begin() + static_cast<ptrdiff_t>(n), is_digit))
    return std::nullopt;
  int v = 0;
  for (size_t i = 0; i < n; i++) v = v * 10 + (s[i] - '0');
  s.remove_prefix(n);
  return v;
}

bool take(std::string_view& s, char c) {
  if (s.empty() || s[0] != c) return false;
  s.remove_prefix(1);
  return true;
}

// A date and time at the start of `s`; advances behind it.
std::optional<EventTime> take_date_time(std::string_view& s) {
  auto year = digits(s, 4);
  if (!year || !take(s, '-')) return std::nullopt;
  auto month = digits(s, 2);
  if (!month || !take(s, '-')) return std::nullopt;
  auto day = digits(s, 2);
  if (!day || !(take(s, 'T') || take(s, ' ') || take(s, 't'))) return std::nullopt;
  auto hour = digits(s, 2);
  if (!hour || !take(s, ':')) return std::nullopt;
  auto minute = digits(s, 2);
  if (!minute || !take(s, ':')) return std::nullopt;
  auto second = digits(s, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 1678 || *year > 2261) return std::nullopt;  // what int64 nanoseconds can hold
  int64_t nanos = 0;
  if (s.size() > 1 && (s[0] == '.' || s[0] == ',') && is_digit(s[1])) {
    s.remove_prefix(1);
    int64_t unit = 100'000'000;
    while (!s.empty() && is_digit(s[0])) {
      nanos += unit * (s[0] - '0');
      unit /= 10;
      s.remove_prefix(1);
    }
  }
  int64_t offset = 0;
  if (!take(s, 'Z') && !take(s, 'z') && !s.empty() && (s[0] == '+' || s[0] == '-')) {
    std::string_view zone = s;
    int64_t sign = zone[0] == '-' ? -1 : 1;
    zone.remove_prefix(1);
    auto h = digits(zone, 2);
    take(zone, ':');
    auto m = h ? digits(zone, 2) : std::nullopt;
    if (m) {
      offset = sign * (*h * 3600 + *m * 60);
      s = zone;
    }
  }
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  int64_t seconds = days * 86400 + *hour * 3600 + *minute * 60 + *second - offset;
  return EventTime{seconds * 1'000'000'000 + nanos};
}

// Seconds, milli-, micro- or nanoseconds, told apart by their size: all mean years from 1973 to 5138.
std::optional<EventTime> epoch_time(double v) {
  if (!std::isfinite(v) || v <= 0) return std::nullopt;
  double unit = v < 1e11 ? 1e9 : v < 1e14 ? 1e6 : v < 1e17 ? 1e3 : 1;
  double ns = v * unit;
  if (ns >= 9.2e18) return std::nullopt;
  return EventTime{static_cast<int64_t>(ns)};
}
std::optional<EventTime> epoch_time(int64_t v) {
  if (v <= 0) return std::nullopt;
  int64_t unit = v < 100'000'000'000           ? 1'000'000'000
                 : v < 100'000'000'000'000     ? 1'000'000
                 : v < 100'000'000'000'000'000 ? 1'000
                                               : 1;
  if (v > INT64_MAX / unit) return std::nullopt;
  return EventTime{v * unit};
}

bool is_word(char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || is_digit(c) || c == '_'; }

// The first word near the start of a plain line that names a level.
std::string_view level_word(std::string_view line) {
  std::string_view head = line.substr(0, 256);
  for (size_t i = 0; i < head.size();) {
    if (!is_word(head[i])) {
      i++;
      continue;
    }
    size_t start = i;
    while (i < head.size() && is_word(head[i])) i++;
    std::string_view word = head.substr(start, i - start);
    // One letter and bare numbers say nothing in running text.
    if (word.size() < 3 || is_digit(word[0])) continue;
    if (std::string_view level = normal_level(word); !level.empty()) return level;
  }
  return {};
}

// Puts one field where it belongs.
void put(LogLine& out, std::string_view key, AttributeValue value) {
  if (const std::string* text = value.as_string()) {
    if (out.level.empty() && one_of(key, kLevelKeys)) {
      if (std::string_view level = normal_level(*text); !level.empty()) {
        out.level = level;
        return;
      }
    }
    if (!out.time && one_of(key, kTimeKeys)) {
      if (auto t = parse_log_time(*text)) {
        out.time = t;
        return;
      }
    }
    if (out.trace_id.empty() && one_of(key, kTraceKeys)) {
      if (auto id = TraceId::from_hex(*text); id && (text->size() == 32 || text->size() == 16)) {
        out.trace_id = *id;
        return;
      }
    }
    if (out.span_id.empty() && one_of(key, kSpanKeys)) {
      if (auto id = SpanId::from_hex(*text); id && text->size() == 16) {
        out.span_id = *id;
        return;
      }
    }
    if (out.message.empty() && one_of(key, kMessageKeys)) {
      out.message = *text;
      return;
    }
  } else if (const auto* i = std::get_if<int64_t>(&value.variant())) {
    if (out.level.empty() && one_of(key, kLevelKeys)) {
      if (std::string_view level = normal_level(std::to_string(*i)); !level.empty()) {
        out.level = level;
        return;
      }
    }
    if (!out.time && one_of(key, kTimeKeys)) {
      if (auto t = epoch_time(*i)) {
        out.time = t;
        return;
      }
    }
  } else if (const auto* d = std::get_if<double>(&value.variant())) {
    if (!out.time && one_of(key, kTimeKeys)) {
      if (auto t = epoch_time(*d)) {
        out.time = t;
        return;
      }
    }
  }
  if (out.fields.size() >= kFieldsMax) return;
  for (auto& [k, v] : out.fields) {
    if (k == key) {
      v = std::move(value);
      return;
    }
  }
  out.fields.emplace_back(key, std::move(value));
}

AttributeValue to_attribute(const simdjson::dom::element& e, int depth) {
  using simdjson::dom::element_type;
  switch (e.type()) {
    case element_type::STRING:
      return std::string_view(e.get_string().value_unsafe());
    case element_type::INT64:
      return e.get_int64().value_unsafe();
    case element_type::UINT64:
      return static_cast<double>(e.get_uint64().value_unsafe());  // above int64
    case element_type::DOUBLE:
      return e.get_double().value_unsafe();
    case element_type::BOOL:
      return e.get_bool().value_unsafe();
    case element_type::NULL_VALUE:
      return {};
    case element_type::ARRAY: {
      if (depth >= kDepthMax) return simdjson::minify(e);
      AttributeArray out;
      simdjson::dom::array array;
      if (e.get_array().get(array) != simdjson::SUCCESS) return {};
      for (auto child : array) out.push_back(to_attribute(child, depth + 1));
      return out;
    }
    case element_type::OBJECT: {
      if (depth >= kDepthMax) return simdjson::minify(e);
      Attributes out;
      simdjson::dom::object object;
      if (e.get_object().get(object) != simdjson::SUCCESS) return {};
      for (auto field : object) {
        bool again =
            std::any_of(out.begin(), out.end(), [&](const auto& kv) { return kv.first == field.key; });
        if (again || out.size() >= kFieldsMax) continue;
        out.emplace_back(field.key, to_attribute(field.value, depth + 1));
      }
      return out;
    }
  }
  return {};
}

// A whole line of key=value, key="value" and bare keys, starting with a pair and with two pairs or more.
bool parse_logfmt(std::string_view line, std::vector<std::pair<std::string_view, std::string>>& out) {
  size_t i = 0;
  size_t pairs = 0;
  auto skip = [&] {
    while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) i++;
  };
  for (skip(); i < line.size(); skip()) {
    size_t start = i;
    while (i < line.size() && line[i] > ' ' && line[i] != '=' && line[i] != '"') i++;
    std::string_view key = line.substr(start, i - start);
    if (key.empty()) return false;
    std::string value;
    if (i < line.size() && line[i] == '=') {
      pairs++;
      i++;
      if (i < line.size() && line[i] == '"') {
        i++;
        bool closed = false;
        while (i < line.size()) {
          char c = line[i++];
          if (c == '"') {
            closed = true;
            break;
          }
          if (c == '\\' && i < line.size()) {
            c = line[i++];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
          }
          value += c;
        }
        if (!closed || (i < line.size() && line[i] > ' ')) return false;
      } else {
        start = i;
        while (i < line.size() && line[i] != ' ' && line[i] != '\t' && line[i] != '"') i++;
        if (i < line.size() && line[i] == '"') return false;
        value = line.substr(start, i - start);
      }
    } else if (pairs == 0 || (i < line.size() && line[i] == '"')) {
      return false;
    }
    if (out.size() < kFieldsMax) out.emplace_back(key, std::move(value));
  }
  return pairs >= 2;
}

AttributeValue typed(std::string text) {
  if (text.empty() || text.size() > 24) return text;
  if (text == "true") return true;
  if (text == "false") return false;
  const char* end = text.data() + text.size();
  int64_t i = 0;
  // Not what would print differently: leading zeros are part of codes and numbers of things.
  bool plain = text == "0" || (text[0] != '0' && !text.starts_with("-0"));
  if (auto r = std::from_chars(text.data(), end, i); plain && r.ec == std::errc() && r.ptr == end) return i;
  double d = 0;
  bool numeric =
      is_digit(text.back()) && (is_digit(text[0]) || text[0] == '-') && text.find('.') != std::string::npos;
  if (auto r = std::from_chars(text.data(), end, d); numeric && r.ec == std::errc() && r.ptr == end) return d;
  return text;
}

}  // namespace

std::string_view normal_level(std::string_view text) {
  for (const LevelName& l : kLevelNames) {
    if (equals_ignoring_case(text, l.name)) return l.level;
  }
  if (text.size() == 1) {
    switch (lower(text[0])) {
      case 't':
        return "trace";
      case 'd':
        return "debug";
      case 'i':
        return "info";
      case 'w':
        return "warn";
      case 'e':
        return "error";
      case 'c':
        return "critical";
      case 'f':
        return "fatal";
      default:
        return {};
    }
  }
  // bunyan and pino
  if (text.size() == 2 && text[1] == '0' && text[0] >= '1' && text[0] <= '6') {
    static constexpr std::string_view kPino[] = {"trace", "debug", "info", "warn", "error", "fatal"};
    return kPino[text[0] - '1'];
  }
  return {};
}

int severity_of_level(std::string_view level) {
  if (level == "trace") return 1;
  if (level == "debug") return 5;
  if (level == "info") return 9;
  if (level == "warn") return 13;
  if (level == "error") return 17;
  if (level == "critical" || level == "fatal") return 21;
  return 0;
}

std::string_view level_of_severity(int severity_number) {
  if (severity_number < 1 || severity_number > 24) return {};
  static constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "fatal"};
  return kLevels[(severity_number - 1) / 4];
}

std::optional<EventTime> parse_log_time(std::string_view text) {
  std::string_view rest = text;
  if (auto t = take_date_time(rest); t && rest.empty()) return t;
  int64_t i = 0;
  const char* end = text.data() + text.size();
  if (auto r = std::from_chars(text.data(), end, i); r.ec == std::errc() && r.ptr == end)
    return epoch_time(i);
  double d = 0;
  if (auto r = std::from_chars(text.data(), end, d); r.ec == std::errc() && r.ptr == end)
    return epoch_time(d);
  return std::nullopt;
}

struct LogLineParser::Json {
  simdjson::dom::parser parser;
};

LogLineParser::LogLineParser() : json_(std::make_unique<Json>()) {}
LogLineParser::~LogLineParser() = default;

LogLine LogLineParser::parse(std::string_view line) {
  LogLine out;
  std::string_view body = line;
  while (!body.empty() && static_cast<unsigned char>(body.front()) <= ' ') body.remove_prefix(1);
  while (!body.empty() && static_cast<unsigned char>(body.back()) <= ' ') body.remove_suffix(1);
  if (body.size() >= 2 && body.front() == '{' && body.back() == '}') {
    simdjson::dom::object object;
    if (json_->parser.parse(body.data(), body.size(), true).get_object().get(object) == simdjson::SUCCESS) {
      out.kind = LineKind::kJson;
      for (auto field : object) put(out, field.key, to_attribute(field.value, 1));
      out.severity_number = severity_of_level(out.level);
      return out;
    }
  }
  std::vector<std::pair<std::string_view, std::string>> pairs;
  if (body.find('=') != std::string_view::npos && parse_logfmt(body, pairs)) {
    out.kind = LineKind::kLogfmt;
    for (auto& [key, value] : pairs) {
      // Ids and messages are text even when they look like numbers.
      bool text = one_of(key, kTraceKeys) || one_of(key, kSpanKeys) || one_of(key, kMessageKeys);
      put(out, key, text ? AttributeValue(std::move(value)) : typed(std::move(value)));
    }
    out.severity_number = severity_of_level(out.level);
    return out;
  }
  out.message = line;
  std::string_view head = body;
  if (!head.empty() && head.front() == '[') head.remove_prefix(1);
  out.time = take_date_time(head);
  out.level = level_word(out.time ? head : body);
  out.severity_number = severity_of_level(out.level);
  return out;
}

std::string_view LogLineParser::detect_level(std::string_view line) {
  // Long lines are judged by how they start: a level stands early.
  LogLine parsed = line.size() <= 65536 ? parse(line) : LogLine{};
  std::string_view level = parsed.level;
  if (level.empty() && parsed.kind != LineKind::kJson) level = level_word(line);
  return level.empty() ? "unknown" : level;
}

}  // namespace sonde::wire

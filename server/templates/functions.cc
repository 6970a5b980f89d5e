// The built-in functions: those of text/template, then those of Prometheus.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>

#include "templates/template.h"

namespace sonde::templates {

namespace {

using Args = std::vector<Value>;
using Context = FunctionContext;

std::unexpected<Error> wrong(std::string message) { return fail(ErrorCode::kInvalid, std::move(message)); }

Result<> expect_count(const Args& args, size_t min, size_t max = 0) {
  if (max == 0) max = min;
  if (args.size() >= min && args.size() <= max) return {};
  return wrong(
      fmt::format("wrong number of args: want {}{} got {}", min == max ? "" : "at least ", min, args.size()));
}

Result<std::string> text_arg(const Args& args, size_t i) {
  if (const std::string* s = args[i].as<std::string>()) return *s;
  return wrong(fmt::format("wrong type for value; expected string; got {}", args[i].type_name()));
}

Result<double> parse_float(std::string_view text) {
  std::string_view t = text;
  auto bad = [&] {
    return wrong(fmt::format("strconv.ParseFloat: parsing {}: invalid syntax", quote(text)));
  };
  bool negative = t.starts_with('-');
  if (negative || t.starts_with('+')) t.remove_prefix(1);
  if (t.empty() || t[0] == '-' || t[0] == '+') return bad();
  double v = 0;
  bool hex = t.starts_with("0x") || t.starts_with("0X");
  if (hex) t.remove_prefix(2);
  auto r = std::from_chars(t.data(), t.data() + t.size(), v,
                           hex ? std::chars_format::hex : std::chars_format::general);
  if (r.ptr != t.data() + t.size()) return bad();
  if (r.ec == std::errc::result_out_of_range) {
    return wrong(fmt::format("strconv.ParseFloat: parsing {}: value out of range", quote(text)));
  }
  if (r.ec != std::errc()) return bad();
  return negative ? -v : v;
}

Result<double> number_arg(const Args& args, size_t i) {
  const Value& v = args[i];
  if (const double* d = v.as<double>()) return *d;
  if (const int64_t* n = v.as<int64_t>()) return static_cast<double>(*n);
  if (const std::string* s = v.as<std::string>()) return parse_float(*s);
  if (const Duration* d = v.as<Duration>()) return d->to_seconds();
  return wrong("can't convert " + v.type_name() + " to float");
}

// ---- text/template ----

std::string escape_html(std::string_view s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\0':
        out += "\xef\xbf\xbd";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escape_js(std::string_view s) {
  std::string out;
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\'':
        out += "\\'";
        break;
      case '"':
        out += "\\\"";
        break;
      case '<':
      case '>':
      case '&':
      case '=':
        out += fmt::format("\\u{:04X}", u);
        break;
      default:
        if (u < 0x20) {
          out += fmt::format("\\u{:04X}", u);
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string escape_query(std::string_view s) {
  std::string out;
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                 c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", u);
    }
  }
  return out;
}

// fmt.Sprint: blanks between operands when neither is a string.
std::string sprint(const Args& args) {
  std::string out;
  for (size_t i = 0; i < args.size(); i++) {
    if (i > 0 && !args[i].as<std::string>() && !args[i - 1].as<std::string>()) out += ' ';
    out += to_text(args[i]);
  }
  return out;
}

std::string one_text(const Args& args) {
  if (args.size() == 1) {
    if (const std::string* s = args[0].as<std::string>()) return *s;
  }
  return sprint(args);
}

Result<Value> f_print(const Args& args, const Context&) { return Value(sprint(args)); }
Result<Value> f_println(const Args& args, const Context&) {
  std::string out;
  for (size_t i = 0; i < args.size(); i++) out += (i > 0 ? " " : "") + to_text(args[i]);
  return Value(out + "\n");
}
Result<Value> f_printf(const Args& args, const Context&) {
  if (args.empty()) return wrong("wrong number of args for printf: want at least 1 got 0");
  SONDE_TRY(std::string f, text_arg(args, 0));
  return Value(format(f, Args(args.begin() + 1, args.end())));
}
Result<Value> f_html(const Args& args, const Context&) { return Value(escape_html(one_text(args))); }
Result<Value> f_js(const Args& args, const Context&) { return Value(escape_js(one_text(args))); }
Result<Value> f_urlquery(const Args& args, const Context&) { return Value(escape_query(one_text(args))); }
Result<Value> f_not(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  return Value(!args[0].truthy());
}
Result<Value> f_len(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  if (const std::string* s = args[0].as<std::string>()) return Value(static_cast<int64_t>(s->size()));
  if (const ValueList* l = args[0].as_list()) return Value(static_cast<int64_t>(l->size()));
  const ValueMap* m = args[0].as_map();
  if (m && m->kind != MapKind::kStruct) return Value(static_cast<int64_t>(m->fields.size()));
  return wrong(args[0].is_nil() ? "len of nil pointer" : "len of type " + args[0].type_name());
}

Result<size_t> index_arg(const Value& v, size_t size, const char* what) {
  const int64_t* i = v.as<int64_t>();
  if (!i) return wrong(fmt::format("cannot {} slice/array with type {}", what, v.type_name()));
  if (*i < 0 || static_cast<uint64_t>(*i) >= size) return wrong(fmt::format("index out of range: {}", *i));
  return static_cast<size_t>(*i);
}

Result<Value> f_index(const Args& args, const Context&) {
  if (args.empty()) return wrong("wrong number of args for index: want at least 1 got 0");
  Value v = args[0];
  for (size_t i = 1; i < args.size(); i++) {
    if (const ValueList* l = v.as_list()) {
      SONDE_TRY(size_t at, index_arg(args[i], l->size(), "index"));
      Value next = (*l)[at];
      v = std::move(next);
    } else if (const std::string* s = v.as<std::string>()) {
      SONDE_TRY(size_t at, index_arg(args[i], s->size(), "index"));
      v = Value(static_cast<int64_t>(static_cast<unsigned char>((*s)[at])));
    } else if (const ValueMap* m = v.as_map(); m && m->kind != MapKind::kStruct) {
      SONDE_TRY(std::string key, text_arg(args, i));
      auto it = m->fields.find(key);
      Value next = it != m->fields.end()          ? it->second
                   : m->kind == MapKind::kStrings ? Value(std::string())
                                                  : Value();
      v = std::move(next);
    } else {
      return wrong(v.is_nil() ? "index of untyped nil" : "can't index item of type " + v.type_name());
    }
  }
  return v;
}

Result<Value> f_slice(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1, 4));
  const ValueList* l = args[0].as_list();
  const std::string* s = args[0].as<std::string>();
  if (!l && !s) return wrong("can't slice item of type " + args[0].type_name());
  if (s && args.size() == 4) return wrong("cannot 3-index slice a string");
  size_t size = l ? l->size() : s->size();
  std::array<size_t, 3> at{0, size, size};
  for (size_t i = 1; i < args.size(); i++) {
    SONDE_TRY(at[i - 1], index_arg(args[i], size + 1, "slice"));
  }
  if (at[0] > at[1]) return wrong(fmt::format("invalid slice index: {} > {}", at[0], at[1]));
  if (at[1] > at[2]) return wrong(fmt::format("invalid slice index: {} > {}", at[1], at[2]));
  if (s) return Value(s->substr(at[0], at[1] - at[0]));
  return Value::list(
      ValueList(l->begin() + static_cast<ptrdiff_t>(at[0]), l->begin() + static_cast<ptrdiff_t>(at[1])));
}

// -1, 0, 1; 2 for unordered (NaN). Values of different kinds do not compare, as in Go: `gt 1.5 1` is an
// error.
Result<int> compare(const Value& a, const Value& b, bool ordering) {
  if (a.is_nil() || b.is_nil()) {
    if (ordering) return wrong("invalid type for comparison");
    return a.is_nil() && b.is_nil() ? 0 : 1;
  }
  if (a.variant().index() != b.variant().index()) return wrong("incompatible types for comparison");
  auto three_way = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2; };
  if (const int64_t* i = a.as<int64_t>()) return three_way(*i, *b.as<int64_t>());
  if (const double* d = a.as<double>()) return three_way(*d, *b.as<double>());
  if (const std::string* s = a.as<std::string>()) {
    int c = s->compare(*b.as<std::string>());
    return c < 0 ? -1 : c > 0 ? 1 : 0;
  }
  if (const Duration* d = a.as<Duration>()) return three_way(d->ns, b.as<Duration>()->ns);
  if (ordering) return wrong("invalid type for comparison");
  if (const bool* x = a.as<bool>()) return *x == *b.as<bool>() ? 0 : 1;
  if (const EventTime* t = a.as<EventTime>()) return three_way(t->ns, b.as<EventTime>()->ns);
  return wrong("non-comparable type " + a.type_name());
}

Result<Value> f_eq(const Args& args, const Context&) {
  if (args.size() < 2) return wrong("missing argument for comparison");
  for (size_t i = 1; i < args.size(); i++) {
    SONDE_TRY(int c, compare(args[0], args[i], false));
    if (c == 0) return Value(true);
  }
  return Value(false);
}
Result<Value> f_ne(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(int c, compare(args[0], args[1], false));
  return Value(c != 0);
}
Result<Value> f_lt(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(int c, compare(args[0], args[1], true));
  return Value(c == -1);
}
Result<Value> f_le(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(int c, compare(args[0], args[1], true));
  return Value(c == -1 || c == 0);
}
Result<Value> f_gt(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(int c, compare(args[0], args[1], true));
  return Value(c == 1);
}
Result<Value> f_ge(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(int c, compare(args[0], args[1], true));
  return Value(c == 1 || c == 0);
}

// ---- Prometheus ----

Result<Value> f_query(const Args& args, const Context& context) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string expression, text_arg(args, 0));
  if (!context.query) return wrong("queries are not available here");
  SONDE_TRY(auto samples, context.query(expression));
  ValueList out;
  out.reserve(samples.size());
  for (const QuerySample& s : samples) out.push_back(Value::sample(s.labels, s.value));
  return Value::list(std::move(out));
}

Result<Value> f_first(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  const ValueList* l = args[0].as_list();
  if (!l) return wrong("wrong type for value; expected template.queryResult; got " + args[0].type_name());
  if (l->empty()) return wrong("first() called on vector with no elements");
  return l->front();
}

const Value* sample_field(const Value& sample, const char* field) {
  const ValueMap* m = sample.as_map();
  if (!m) return nullptr;
  auto it = m->fields.find(field);
  return it == m->fields.end() ? nullptr : &it->second;
}

std::string label_of(const Value& sample, const std::string& name) {
  const Value* labels = sample_field(sample, "Labels");
  const ValueMap* m = labels ? labels->as_map() : nullptr;
  if (!m) return "";
  auto it = m->fields.find(name);
  return it == m->fields.end() ? "" : to_text(it->second);
}

Result<> expect_sample(const Value& v) {
  if (sample_field(v, "Labels")) return {};
  return wrong("wrong type for value; expected *template.sample; got " + v.type_name());
}

Result<Value> f_label(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(std::string name, text_arg(args, 0));
  SONDE_CHECK(expect_sample(args[1]));
  return Value(label_of(args[1], name));
}
Result<Value> f_value(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  const Value* v = sample_field(args[0], "Value");
  if (!v) return wrong("wrong type for value; expected *template.sample; got " + args[0].type_name());
  return *v;
}
Result<Value> f_strvalue(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_CHECK(expect_sample(args[0]));
  return Value(label_of(args[0], "__value__"));
}
Result<Value> f_sort_by_label(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(std::string name, text_arg(args, 0));
  const ValueList* l = args[1].as_list();
  if (!l) return wrong("wrong type for value; expected template.queryResult; got " + args[1].type_name());
  std::vector<std::pair<std::string, size_t>> order;
  for (size_t i = 0; i < l->size(); i++) order.emplace_back(label_of((*l)[i], name), i);
  std::sort(order.begin(), order.end());
  ValueList out;
  for (const auto& [key, i] : order) out.push_back((*l)[i]);
  return Value::list(std::move(out));
}

std::string four_digits(double v) { return format_float(v, 'g', 4); }

constexpr const char* kBig[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr const char* kSmall[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
constexpr const char* kBinary[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};

std::string small_prefix(double& v) {
  std::string prefix;
  for (const char* p : kSmall) {
    if (std::fabs(v) >= 1) break;
    prefix = p;
    v *= 1000;
  }
  return prefix;
}

Result<Value> f_humanize(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(double v, number_arg(args, 0));
  if (v == 0 || !std::isfinite(v)) return Value(four_digits(v));
  std::string prefix;
  if (std::fabs(v) >= 1) {
    for (const char* p : kBig) {
      if (std::fabs(v) < 1000) break;
      prefix = p;
      v /= 1000;
    }
  } else {
    prefix = small_prefix(v);
  }
  return Value(four_digits(v) + prefix);
}

Result<Value> f_humanize1024(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(double v, number_arg(args, 0));
  std::string prefix;
  if (std::fabs(v) > 1 && std::isfinite(v)) {
    for (const char* p : kBinary) {
      if (std::fabs(v) < 1024) break;
      prefix = p;
      v /= 1024;
    }
  }
  return Value(four_digits(v) + prefix);
}

Result<Value> f_humanize_duration(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(double v, number_arg(args, 0));
  if (!std::isfinite(v)) return Value(four_digits(v));
  if (v == 0) return Value("0s");
  if (std::fabs(v) < 1) {
    std::string prefix = small_prefix(v);
    return Value(four_digits(v) + prefix + "s");
  }
  std::string sign = v < 0 ? "-" : "";
  v = std::fabs(v);
  constexpr double kMax = 9.2e18;
  auto whole = static_cast<int64_t>(std::min(v, kMax));
  int64_t seconds = whole % 60;
  int64_t minutes = whole / 60 % 60;
  int64_t hours = whole / 3600 % 24;
  int64_t days = whole / 86400;
  if (days != 0) return Value(fmt::format("{}{}d {}h {}m {}s", sign, days, hours, minutes, seconds));
  if (hours != 0) return Value(fmt::format("{}{}h {}m {}s", sign, hours, minutes, seconds));
  if (minutes != 0) return Value(fmt::format("{}{}m {}s", sign, minutes, seconds));
  return Value(sign + four_digits(v) + "s");
}

Result<Value> f_humanize_percentage(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(double v, number_arg(args, 0));
  return Value(four_digits(v * 100) + "%");
}

Result<EventTime> float_to_time(double v) {
  if (!std::isfinite(v)) return wrong("value is NaN or Inf");
  double ns = v * 1e9;
  if (ns >= 9223372036854775807.0 || ns <= -9223372036854775808.0) {
    return wrong(
        format("%v cannot be represented as a nanoseconds timestamp since it overflows int64", {Value(v)}));
  }
  // Metric time has milliseconds.
  return EventTime{static_cast<int64_t>(ns) / 1'000'000 * 1'000'000};
}

Result<Value> f_humanize_timestamp(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(double v, number_arg(args, 0));
  if (!std::isfinite(v)) return Value(four_digits(v));
  SONDE_TRY(EventTime t, float_to_time(v));
  return Value(format_go_time(t));
}
Result<Value> f_to_time(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(double v, number_arg(args, 0));
  SONDE_TRY(EventTime t, float_to_time(v));
  return Value(t);
}
Result<Value> f_to_duration(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(double v, number_arg(args, 0));
  double ns = v * 1e9;
  if (!(std::fabs(ns) < 9.2e18)) return wrong(four_digits(v) + " cannot be represented as a duration");
  return Value(Duration{static_cast<int64_t>(ns)});
}
Result<Value> f_now(const Args& args, const Context& context) {
  SONDE_CHECK(expect_count(args, 0));
  return Value(static_cast<double>(context.now.to_timestamp().ms) / 1000.0);
}

// The duration syntax of Prometheus, in seconds, with a sign.
Result<Value> f_parse_duration(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string text, text_arg(args, 0));
  std::string_view rest = text;
  bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  auto bad = [&] { return wrong("not a valid duration string: " + quote(text)); };
  if (rest.empty()) return wrong("empty duration string");
  if (rest == "0") return Value(0.0);
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"y", 365 * 86400.0}, {"w", 7 * 86400.0}, {"d", 86400.0}, {"h", 3600.0},
      {"m", 60.0},          {"s", 1.0},         {"ms", 0.001}};
  size_t next = 0;
  double total = 0;
  while (!rest.empty()) {
    int64_t n = 0;
    auto r = std::from_chars(rest.data(), rest.data() + rest.size(), n);
    if (r.ec != std::errc() || rest[0] == '-') return bad();
    rest.remove_prefix(static_cast<size_t>(r.ptr - rest.data()));
    size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') letters++;
    size_t u = next;
    while (u < std::size(kUnits) && kUnits[u].first != rest.substr(0, letters)) u++;
    if (u == std::size(kUnits)) return bad();
    total += static_cast<double>(n) * kUnits[u].second;
    next = u + 1;
    rest.remove_prefix(letters);
  }
  return Value(negative ? -total : total);
}

Result<Value> f_to_upper(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  for (char& c : s) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return Value(std::move(s));
}
Result<Value> f_to_lower(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  for (char& c : s) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return Value(std::move(s));
}
Result<Value> f_title(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  bool in_word = false;
  for (char& c : s) {
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                c == '\'' || static_cast<unsigned char>(c) >= 0x80;
    if (word && !in_word && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    in_word = word;
  }
  return Value(std::move(s));
}
Result<Value> f_trim_space(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  size_t begin = s.find_first_not_of(" \t\r\n\v\f");
  if (begin == std::string::npos) return Value("");
  return Value(s.substr(begin, s.find_last_not_of(" \t\r\n\v\f") - begin + 1));
}

struct HostPort {
  std::string host;
  std::string port;
};

// net.SplitHostPort.
std::optional<HostPort> split_host_port(const std::string& s) {
  size_t colon = s.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  HostPort out;
  if (s[0] == '[') {
    size_t close = s.find(']');
    if (close == std::string::npos || close + 1 != colon) return std::nullopt;
    out.host = s.substr(1, close - 1);
    if (out.host.find_first_of("[]") != std::string::npos) return std::nullopt;
  } else {
    out.host = s.substr(0, colon);
    if (out.host.find_first_of(":[]") != std::string::npos) return std::nullopt;
  }
  out.port = s.substr(colon + 1);
  if (out.port.find_first_of("[]") != std::string::npos) return std::nullopt;
  return out;
}

bool is_ip(const std::string& s) {
  if (s.find(':') != std::string::npos)
    return s.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string::npos;
  int parts = 1;
  int value = 0;
  int digits = 0;
  for (char c : s) {
    if (c == '.') {
      if (digits == 0) return false;
      parts++;
      value = 0;
      digits = 0;
    } else if (c >= '0' && c <= '9') {
      if (digits > 0 && value == 0) return false;  // leading zero
      value = value * 10 + (c - '0');
      if (++digits > 3 || value > 255) return false;
    } else {
      return false;
    }
  }
  return parts == 4 && digits > 0;
}

Result<Value> f_strip_port(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  auto split = split_host_port(s);
  return Value(split ? split->host : s);
}
Result<Value> f_strip_domain(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  auto split = split_host_port(s);
  std::string host = split ? split->host : s;
  if (is_ip(host)) return Value(s);
  host = host.substr(0, host.find('.'));
  if (split && !split->port.empty()) return Value(host + ":" + split->port);
  return Value(std::move(host));
}

Result<std::unique_ptr<re2::RE2>> compile(const std::string& pattern) {
  constexpr size_t kRegexBytesMax = 4096;
  if (pattern.size() > kRegexBytesMax) return wrong("regular expression is too long");
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  auto re = std::make_unique<re2::RE2>(pattern, options);
  if (!re->ok()) return wrong(fmt::format("error parsing regexp: {}: `{}`", re->error(), pattern));
  return re;
}

Result<Value> f_match(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(std::string pattern, text_arg(args, 0));
  SONDE_TRY(std::string text, text_arg(args, 1));
  SONDE_TRY(auto re, compile(pattern));
  return Value(re2::RE2::PartialMatch(text, *re));
}

void expand_replacement(std::string& out, std::string_view t, const re2::RE2& re,
                        const std::vector<re2::StringPiece>& groups) {
  auto word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (size_t i = 0; i < t.size(); i++) {
    if (t[i] != '$') {
      out += t[i];
      continue;
    }
    if (i + 1 < t.size() && t[i + 1] == '$') {
      out += '$';
      i++;
      continue;
    }
    bool braces = i + 1 < t.size() && t[i + 1] == '{';
    size_t begin = i + (braces ? 2 : 1);
    size_t end = begin;
    while (end < t.size() && word(t[end])) end++;
    if (end == begin || (braces && (end >= t.size() || t[end] != '}'))) {
      out += '$';
      continue;
    }
    std::string name(t.substr(begin, end - begin));
    size_t index = groups.size();
    if (name.find_first_not_of("0123456789") == std::string::npos) {
      if (name.size() < 6) index = static_cast<size_t>(std::atoi(name.c_str()));
    } else if (auto it = re.NamedCapturingGroups().find(name); it != re.NamedCapturingGroups().end()) {
      index = static_cast<size_t>(it->second);
    }
    if (index < groups.size() && groups[index].data()) out.append(groups[index].data(), groups[index].size());
    i = braces ? end : end - 1;
  }
}

Result<Value> f_re_replace_all(const Args& args, const Context& context) {
  SONDE_CHECK(expect_count(args, 3));
  SONDE_TRY(std::string pattern, text_arg(args, 0));
  SONDE_TRY(std::string replacement, text_arg(args, 1));
  SONDE_TRY(std::string text, text_arg(args, 2));
  SONDE_TRY(auto re, compile(pattern));
  std::vector<re2::StringPiece> groups(static_cast<size_t>(re->NumberOfCapturingGroups()) + 1);
  std::string out;
  size_t at = 0;
  size_t copied = 0;
  while (at <= text.size() && re->Match(text, at, text.size(), re2::RE2::UNANCHORED, groups.data(),
                                        static_cast<int>(groups.size()))) {
    auto begin = static_cast<size_t>(groups[0].data() - text.data());
    size_t end = begin + groups[0].size();
    out.append(text, copied, begin - copied);
    // As in Go: an empty match right after the one before does not count.
    if (end > copied || begin == 0) expand_replacement(out, replacement, *re, groups);
    copied = end;
    if (out.size() > context.limits.output_bytes_max)
      return fail(ErrorCode::kLimit, "the replaced text is too long");
    if (end > begin) {
      at = end;
    } else {
      // Step over one character.
      size_t n = 1;
      while (end + n < text.size() && (text[end + n] & 0xc0) == 0x80) n++;
      at = end + n;
    }
  }
  if (copied < text.size()) out.append(text, copied);
  return Value(std::move(out));
}

Result<Value> f_graph_link(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  return Value("/graph?g0.expr=" + escape_query(s) + "&g0.tab=0");
}
Result<Value> f_table_link(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  return Value("/graph?g0.expr=" + escape_query(s) + "&g0.tab=1");
}
Result<Value> f_url_query_escape(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  return Value(escape_query(s));
}
Result<Value> f_args(const Args& args, const Context&) {
  std::map<std::string, Value> fields;
  for (size_t i = 0; i < args.size(); i++) fields.emplace("arg" + std::to_string(i), args[i]);
  return Value::map(std::move(fields));
}
Result<Value> f_safe_html(const Args& args, const Context&) {
  SONDE_CHECK(expect_count(args, 1));
  SONDE_TRY(std::string s, text_arg(args, 0));
  return Value(std::move(s));
}
Result<Value> f_external_url(const Args& args, const Context& context) {
  SONDE_CHECK(expect_count(args, 0));
  return Value(context.external_url);
}
Result<Value> f_path_prefix(const Args& args, const Context& context) {
  SONDE_CHECK(expect_count(args, 0));
  std::string_view url = context.external_url;
  if (size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(scheme + 3);
    size_t slash = url.find('/');
    url = slash == std::string_view::npos ? std::string_view() : url.substr(slash);
  }
  return Value(url.substr(0, url.find_first_of("?#")));
}
// join SEPARATOR LIST, the order that Alertmanager's templates use.
Result<Value> f_join(const Args& args, const Context& context) {
  SONDE_CHECK(expect_count(args, 2));
  SONDE_TRY(std::string separator, text_arg(args, 0));
  const ValueList* l = args[1].as_list();
  if (!l) return wrong("wrong type for value; expected []string; got " + args[1].type_name());
  std::string out;
  for (size_t i = 0; i < l->size(); i++) {
    if (i > 0) out += separator;
    out += to_text((*l)[i]);
    if (out.size() > context.limits.output_bytes_max)
      return fail(ErrorCode::kLimit, "the joined text is too long");
  }
  return Value(std::move(out));
}
Result<Value> f_string_slice(const Args& args, const Context&) {
  for (size_t i = 0; i < args.size(); i++) {
    if (auto text = text_arg(args, i); !text) return fail(std::move(text).error());
  }
  return Value::list(args);
}

struct Row {
  std::string_view name;
  Builtin function;
};

// Sorted by name. `and` and `or` stand for themselves in the interpreter; a template may name them all the
// same.
constexpr Row kFunctions[] = {
    {"args", f_args},
    {"eq", f_eq},
    {"externalURL", f_external_url},
    {"first", f_first},
    {"ge", f_ge},
    {"graphLink", f_graph_link},
    {"gt", f_gt},
    {"html", f_html},
    {"humanize", f_humanize},
    {"humanize1024", f_humanize1024},
    {"humanizeDuration", f_humanize_duration},
    {"humanizePercentage", f_humanize_percentage},
    {"humanizeTimestamp", f_humanize_timestamp},
    {"index", f_index},
    {"join", f_join},
    {"js", f_js},
    {"label", f_label},
    {"le", f_le},
    {"len", f_len},
    {"lt", f_lt},
    {"match", f_match},
    {"ne", f_ne},
    {"not", f_not},
    {"now", f_now},
    {"parseDuration", f_parse_duration},
    {"pathPrefix", f_path_prefix},
    {"print", f_print},
    {"printf", f_printf},
    {"println", f_println},
    {"query", f_query},
    {"reReplaceAll", f_re_replace_all},
    {"safeHtml", f_safe_html},
    {"slice", f_slice},
    {"sortByLabel", f_sort_by_label},
    {"stringSlice", f_string_slice},
    {"stripDomain", f_strip_domain},
    {"stripPort", f_strip_port},
    {"strvalue", f_strvalue},
    {"tableLink", f_table_link},
    {"title", f_title},
    {"toDuration", f_to_duration},
    {"toLower", f_to_lower},
    {"toTime", f_to_time},
    {"toUpper", f_to_upper},
    {"trimSpace", f_trim_space},
    {"urlQueryEscape", f_url_query_escape},
    {"urlquery", f_urlquery},
    {"value", f_value},
};

}  // namespace

Builtin find_builtin(std::string_view name) {
  auto it = std::lower_bound(std::begin(kFunctions), std::end(kFunctions), name,
                             [](const Row& row, std::string_view n) { return row.name < n; });
  return it != std::end(kFunctions) && it->name == name ? it->function : nullptr;
}

}  // namespace sonde::templates

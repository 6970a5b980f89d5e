#include "templates/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <ctime>

namespace sonde::templates {

Value Value::list(ValueList items) {
  Value v;
  v.v_ = std::make_shared<const ValueList>(std::move(items));
  return v;
}

Value Value::map(std::map<std::string, Value> fields, MapKind kind) {
  Value v;
  v.v_ = std::make_shared<const ValueMap>(ValueMap{kind, {}, std::move(fields)});
  return v;
}

Value Value::object(std::string type_name, std::map<std::string, Value> fields) {
  Value v;
  v.v_ =
      std::make_shared<const ValueMap>(ValueMap{MapKind::kStruct, std::move(type_name), std::move(fields)});
  return v;
}

Value Value::strings(const LabelSet& labels) {
  std::map<std::string, Value> fields;
  for (LabelView l : labels) fields.emplace(l.name, Value(l.value));
  return map(std::move(fields), MapKind::kStrings);
}

Value Value::sample(const LabelSet& labels, double value) {
  return object("*template.sample", {{"Labels", strings(labels)}, {"Value", Value(value)}});
}

const ValueList* Value::as_list() const {
  const List* l = std::get_if<List>(&v_);
  return l ? l->get() : nullptr;
}
const ValueMap* Value::as_map() const {
  const Map* m = std::get_if<Map>(&v_);
  return m ? m->get() : nullptr;
}

bool Value::truthy() const {
  if (const bool* b = as<bool>()) return *b;
  if (const int64_t* i = as<int64_t>()) return *i != 0;
  if (const double* d = as<double>()) return *d != 0;
  if (const std::string* s = as<std::string>()) return !s->empty();
  if (const ValueList* l = as_list()) return !l->empty();
  if (const ValueMap* m = as_map()) return m->kind == MapKind::kStruct || !m->fields.empty();
  if (const Duration* d = as<Duration>()) return d->ns != 0;
  return as<EventTime>() != nullptr;
}

std::string Value::type_name() const {
  if (as<bool>()) return "bool";
  if (as<int64_t>()) return "int";
  if (as<double>()) return "float64";
  if (as<std::string>()) return "string";
  if (as_list()) return "[]interface {}";
  if (const ValueMap* m = as_map()) {
    if (m->kind == MapKind::kStruct) return m->type_name;
    return m->kind == MapKind::kStrings ? "map[string]string" : "map[string]interface {}";
  }
  if (as<EventTime>()) return "time.Time";
  if (as<Duration>()) return "time.Duration";
  return "<nil>";
}

std::string format_float(double v, char verb, int precision) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  // 308 digits before the point and as many after as a caller may ask for.
  char buf[1500];
  precision = std::min(precision, 1000);
  if (verb == 'f' || verb == 'e') {
    auto style = verb == 'f' ? std::chars_format::fixed : std::chars_format::scientific;
    auto r = precision < 0 ? std::to_chars(buf, buf + sizeof buf, v, style)
                           : std::to_chars(buf, buf + sizeof buf, v, style, precision);
    return std::string(buf, r.ptr);
  }
  if (precision >= 0) {
    auto r = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::general, std::max(precision, 1));
    return std::string(buf, r.ptr);
  }
  // Shortest %g: strconv switches to the exponent form below 10^-4 and where the exponent reaches 6.
  if (v == 0) return std::signbit(v) ? "-0" : "0";
  auto r = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::scientific);
  *r.ptr = '\0';  // ends the exponent for atoi
  std::string_view text(buf, static_cast<size_t>(r.ptr - buf));
  size_t e = text.find('e');
  int exponent = std::atoi(text.data() + e + 1);
  if (exponent < -4 || exponent >= 6) return std::string(text);
  r = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::fixed);
  return std::string(buf, r.ptr);
}

std::string format_go_duration(Duration d) {
  if (d.ns == 0) return "0s";
  bool negative = d.ns < 0;
  uint64_t u = negative ? ~static_cast<uint64_t>(d.ns) + 1 : static_cast<uint64_t>(d.ns);
  auto fraction = [](uint64_t whole, uint64_t rest, int digits) {
    std::string s = std::to_string(whole);
    if (rest == 0) return s;
    std::string f = std::to_string(rest);
    f.insert(0, static_cast<size_t>(digits) - f.size(), '0');
    while (f.back() == '0') f.pop_back();
    return s + "." + f;
  };
  std::string out = negative ? "-" : "";
  if (u < 1'000) return out + std::to_string(u) + "ns";
  if (u < 1'000'000) return out + fraction(u / 1'000, u % 1'000, 3) + "µs";
  if (u < 1'000'000'000) return out + fraction(u / 1'000'000, u % 1'000'000, 6) + "ms";
  uint64_t seconds = u / 1'000'000'000;
  uint64_t hours = seconds / 3600;
  uint64_t minutes = seconds / 60 % 60;
  if (hours > 0) out += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) out += std::to_string(minutes) + "m";
  return out + fraction(seconds % 60, u % 1'000'000'000, 9) + "s";
}

std::string format_go_time(EventTime t) {
  int64_t seconds = t.ns / 1'000'000'000;
  int64_t ns = t.ns % 1'000'000'000;
  if (ns < 0) {
    ns += 1'000'000'000;
    seconds--;
  }
  std::time_t time = seconds;
  std::tm tm{};
  gmtime_r(&time, &tm);
  std::string out = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", tm.tm_year + 1900, tm.tm_mon + 1,
                                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
  if (ns != 0) {
    std::string f = fmt::format("{:09}", ns);
    while (f.back() == '0') f.pop_back();
    out += "." + f;
  }
  return out + " +0000 UTC";
}

namespace {

// The depth of a value is that of the caller's data; templates cannot nest values deeper than `args` calls
// allow.
constexpr int kDepthMax = 32;
constexpr size_t kTextBytesMax = 2u << 20;

void append_text(std::string& out, const Value& v, std::string_view nil_text, int depth) {
  // Shared lists can multiply when printed; every visit adds at least one character, so this ends in time.
  if (depth > kDepthMax || out.size() > kTextBytesMax) return;
  if (v.is_nil()) {
    out += nil_text;
  } else if (const bool* b = v.as<bool>()) {
    out += *b ? "true" : "false";
  } else if (const int64_t* i = v.as<int64_t>()) {
    out += std::to_string(*i);
  } else if (const double* d = v.as<double>()) {
    out += format_float(*d, 'g', -1);
  } else if (const std::string* s = v.as<std::string>()) {
    out += *s;
  } else if (const EventTime* t = v.as<EventTime>()) {
    out += format_go_time(*t);
  } else if (const Duration* du = v.as<Duration>()) {
    out += format_go_duration(*du);
  } else if (const ValueList* list = v.as_list()) {
    out += '[';
    for (size_t k = 0; k < list->size() && out.size() <= kTextBytesMax; k++) {
      if (k > 0) out += ' ';
      append_text(out, (*list)[k], "<nil>", depth + 1);
    }
    out += ']';
  } else if (const ValueMap* map = v.as_map()) {
    out += map->kind == MapKind::kStruct ? "{" : "map[";
    bool first = true;
    for (const auto& [key, value] : map->fields) {
      if (out.size() > kTextBytesMax) break;
      if (!first) out += ' ';
      first = false;
      if (map->kind != MapKind::kStruct) out += key + ":";
      append_text(out, value, "<nil>", depth + 1);
    }
    out += map->kind == MapKind::kStruct ? '}' : ']';
  }
}

size_t rune_count(std::string_view s) {
  return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

struct Spec {
  bool minus = false, plus = false, sharp = false, space = false, zero = false;
  int width = -1;
  int precision = -1;
  char verb = 0;
};

std::string padded(std::string s, const Spec& spec, bool numeric = false) {
  size_t n = rune_count(s);
  if (spec.width < 0 || n >= static_cast<size_t>(spec.width)) return s;
  size_t fill = static_cast<size_t>(spec.width) - n;
  if (spec.minus) return s + std::string(fill, ' ');
  if (spec.zero && numeric) {
    size_t sign = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0;
    return s.substr(0, sign) + std::string(fill, '0') + s.substr(sign);
  }
  return std::string(fill, spec.zero ? '0' : ' ') + s;
}

std::string encode_rune(uint32_t cp) {
  if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) cp = 0xfffd;
  std::string out;
  if (cp < 0x80) {
    out += static_cast<char>(cp);
  } else if (cp < 0x800) {
    out += {static_cast<char>(0xc0 | cp >> 6), static_cast<char>(0x80 | (cp & 0x3f))};
  } else if (cp < 0x10000) {
    out += {static_cast<char>(0xe0 | cp >> 12), static_cast<char>(0x80 | (cp >> 6 & 0x3f)),
            static_cast<char>(0x80 | (cp & 0x3f))};
  } else {
    out += {static_cast<char>(0xf0 | cp >> 18), static_cast<char>(0x80 | (cp >> 12 & 0x3f)),
            static_cast<char>(0x80 | (cp >> 6 & 0x3f)), static_cast<char>(0x80 | (cp & 0x3f))};
  }
  return out;
}

std::string bad_verb(const Spec& spec, const Value& v) {
  std::string out = std::string("%!") + spec.verb + "(";
  if (v.is_nil()) return out + "<nil>)";
  return out + v.type_name() + "=" + to_text(v) + ")";
}

std::string format_one(const Spec& spec, const Value& v, int depth, size_t budget);

std::string format_int(const Spec& spec, int64_t i, const Value& v) {
  auto based = [&](int base, bool upper, const char* prefix) {
    uint64_t u = i < 0 ? ~static_cast<uint64_t>(i) + 1 : static_cast<uint64_t>(i);
    char buf[80];
    auto r = std::to_chars(buf, buf + sizeof buf, u, base);
    std::string digits(buf, r.ptr);
    if (upper) {
      for (char& c : digits) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
      }
    }
    if (spec.precision > static_cast<int>(digits.size())) {
      digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
    }
    std::string sign = i < 0 ? "-" : spec.plus ? "+" : spec.space ? " " : "";
    return padded(sign + (spec.sharp ? prefix : "") + digits, spec, true);
  };
  switch (spec.verb) {
    case 'v':
    case 'd':
      return based(10, false, "");
    case 'x':
      return based(16, false, "0x");
    case 'X':
      return based(16, true, "0X");
    case 'o':
      return based(8, false, "0");
    case 'b':
      return based(2, false, "0b");
    case 'c':
      return padded(encode_rune(i < 0 || i > 0x10ffff ? 0xfffd : static_cast<uint32_t>(i)), spec);
    case 'q':
      return padded("'" + encode_rune(i < 0 || i > 0x10ffff ? 0xfffd : static_cast<uint32_t>(i)) + "'", spec);
    case 'U':
      return padded(fmt::format("U+{:04X}", static_cast<uint64_t>(i)), spec);
    default:
      return bad_verb(spec, v);
  }
}

std::string format_double(const Spec& spec, double d, const Value& v) {
  std::string out;
  switch (spec.verb) {
    case 'v':
      out = spec.precision < 0 ? format_float(d, 'g', -1) : format_float(d, 'g', spec.precision);
      break;
    case 'g':
    case 'G':
      out = format_float(d, 'g', spec.precision);
      break;
    case 'e':
    case 'E':
      out = format_float(d, 'e', spec.precision < 0 ? 6 : spec.precision);
      break;
    case 'f':
    case 'F':
      out = format_float(d, 'f', spec.precision < 0 ? 6 : spec.precision);
      break;
    default:
      return bad_verb(spec, v);
  }
  if (spec.verb == 'G' || spec.verb == 'E') {
    std::replace(out.begin(), out.end(), 'e', 'E');
  }
  if (spec.plus && out[0] != '-' && out[0] != '+') out.insert(0, "+");
  if (spec.space && !spec.plus && out[0] != '-' && out[0] != '+') out.insert(0, " ");
  bool finite = std::isfinite(d);
  Spec s = spec;
  if (!finite) s.zero = false;
  return padded(std::move(out), s, true);
}

std::string format_string(const Spec& spec, std::string s, const Value& v) {
  auto cut = [&](std::string text) {
    if (spec.precision < 0) return text;
    size_t runes = 0;
    for (size_t i = 0; i < text.size(); i++) {
      if ((text[i] & 0xc0) != 0x80 && runes++ == static_cast<size_t>(spec.precision))
        return text.substr(0, i);
    }
    return text;
  };
  switch (spec.verb) {
    case 'v':
    case 's':
      if (spec.verb == 'v' && spec.sharp) return padded(quote(cut(std::move(s))), spec);
      return padded(cut(std::move(s)), spec);
    case 'q':
      return padded(quote(cut(std::move(s))), spec);
    case 'x':
    case 'X': {
      std::string out;
      for (char c : s) {
        out += spec.verb == 'x' ? fmt::format("{:02x}", static_cast<unsigned char>(c))
                                : fmt::format("{:02X}", static_cast<unsigned char>(c));
      }
      return padded(std::move(out), spec);
    }
    default:
      return bad_verb(spec, v);
  }
}

std::string format_one(const Spec& spec, const Value& v, int depth, size_t budget) {
  if (depth > kDepthMax) return "…";
  if (spec.verb == 'T') return padded(v.type_name(), spec);
  if (v.is_nil()) return spec.verb == 'v' ? padded("<nil>", spec) : bad_verb(spec, v);
  if (const bool* b = v.as<bool>()) {
    return spec.verb == 'v' || spec.verb == 't' ? padded(*b ? "true" : "false", spec) : bad_verb(spec, v);
  }
  if (const int64_t* i = v.as<int64_t>()) return format_int(spec, *i, v);
  if (const double* d = v.as<double>()) return format_double(spec, *d, v);
  if (const std::string* s = v.as<std::string>()) return format_string(spec, *s, v);
  if (v.as<EventTime>()) return format_string(spec, to_text(v), v);
  if (const Duration* d = v.as<Duration>()) {
    if (spec.verb == 'v' || spec.verb == 's' || spec.verb == 'q') return format_string(spec, to_text(v), v);
    return format_int(spec, d->ns, v);
  }
  // Elements take the verb one by one, within the bound that plain text has.
  std::string out;
  if (const ValueList* list = v.as_list()) {
    for (const Value& item : *list) {
      if (budget < out.size()) break;
      out += (out.empty() ? "" : " ") + format_one(spec, item, depth + 1, budget - out.size());
    }
    return "[" + out + "]";
  }
  const ValueMap* map = v.as_map();
  bool first = true;
  Spec key_spec = spec;
  key_spec.precision = -1;
  for (const auto& [key, value] : map->fields) {
    if (budget < out.size()) break;
    if (!first) out += ' ';
    first = false;
    if (map->kind != MapKind::kStruct) out += format_one(key_spec, Value(key), depth + 1, 0) + ":";
    out += format_one(spec, value, depth + 1, budget - std::min(budget, out.size()));
  }
  return map->kind == MapKind::kStruct ? "{" + out + "}" : "map[" + out + "]";
}

}  // namespace

std::string to_text(const Value& v, std::string_view nil_text) {
  std::string out;
  append_text(out, v, nil_text, 0);
  return out;
}

std::string format(std::string_view f, const std::vector<Value>& args) {
  constexpr int kSizeMax = 1000;
  std::string out;
  size_t next = 0;
  size_t i = 0;
  while (i < f.size()) {
    size_t percent = f.find('%', i);
    out += f.substr(i, percent - i);
    if (percent == std::string_view::npos) break;
    i = percent + 1;
    Spec spec;
    for (; i < f.size(); i++) {
      char c = f[i];
      if (c == '-') {
        spec.minus = true;
        spec.zero = false;
      } else if (c == '+') {
        spec.plus = true;
      } else if (c == '#') {
        spec.sharp = true;
      } else if (c == ' ') {
        spec.space = true;
      } else if (c == '0') {
        spec.zero = !spec.minus;
      } else {
        break;
      }
    }
    auto number = [&](int& target, const char* complaint) {
      if (i < f.size() && f[i] == '*') {
        i++;
        const int64_t* n = next < args.size() ? args[next].as<int64_t>() : nullptr;
        if (next < args.size()) next++;
        if (!n || *n > kSizeMax || *n < -kSizeMax) {
          out += complaint;
          return;
        }
        target = static_cast<int>(*n);
        return;
      }
      int n = 0;
      bool any = false;
      while (i < f.size() && f[i] >= '0' && f[i] <= '9') {
        n = std::min(n * 10 + (f[i] - '0'), kSizeMax);
        any = true;
        i++;
      }
      if (any) target = n;
    };
    number(spec.width, "%!(BADWIDTH)");
    if (spec.width < -1) {
      spec.minus = true;
      spec.zero = false;
      spec.width = -spec.width;
    }
    if (i < f.size() && f[i] == '.') {
      i++;
      spec.precision = 0;
      number(spec.precision, "%!(BADPREC)");
      if (spec.precision < 0) spec.precision = -1;
    }
    if (i >= f.size()) {
      out += "%!(NOVERB)";
      break;
    }
    spec.verb = f[i++];
    if (spec.verb == '%') {
      out += '%';
      continue;
    }
    if (next >= args.size()) {
      out += std::string("%!") + spec.verb + "(MISSING)";
      continue;
    }
    out += format_one(spec, args[next++], 0, kTextBytesMax);
    if (out.size() > kTextBytesMax) return out;
  }
  if (next < args.size()) {
    out += "%!(EXTRA ";
    for (size_t k = next; k < args.size(); k++) {
      if (k > next) out += ", ";
      out += args[k].is_nil() ? "<nil>" : args[k].type_name() + "=" + to_text(args[k]);
    }
    out += ")";
  }
  return out;
}

}  // namespace sonde::templates

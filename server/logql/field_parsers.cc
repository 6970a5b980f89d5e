#include "logql/field_parsers.h"

#include <cstdint>

namespace sonde::logql {
namespace {

void append_name(std::string& out, std::string_view key) {
  if (out.empty() && !key.empty() && key[0] >= '0' && key[0] <= '9') out += '_';
  for (char c : key) {
    bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    out += fine ? c : '_';
  }
}

std::string joined(const std::string& prefix, std::string_view key) {
  std::string out = prefix;
  if (!out.empty()) out += '_';
  append_name(out, key);
  return out;
}

void append_utf8(std::string& out, uint32_t cp) {
  if (cp < 0x80) {
    out += static_cast<char>(cp);
  } else if (cp < 0x800) {
    out += {static_cast<char>(0xc0 | cp >> 6), static_cast<char>(0x80 | (cp & 63))};
  } else if (cp < 0x10000) {
    out += {static_cast<char>(0xe0 | cp >> 12), static_cast<char>(0x80 | (cp >> 6 & 63)),
            static_cast<char>(0x80 | (cp & 63))};
  } else {
    out += {static_cast<char>(0xf0 | cp >> 18), static_cast<char>(0x80 | (cp >> 12 & 63)),
            static_cast<char>(0x80 | (cp >> 6 & 63)), static_cast<char>(0x80 | (cp & 63))};
  }
}

class JsonReader {
 public:
  JsonReader(std::string_view text, Fields& out) : text_(text), out_(out) {}

  bool whole() {
    skip_space();
    if (!object("", 1, true)) return false;
    skip_space();
    return at_ == text_.size();
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      at_++;
  }
  bool accept(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    at_++;
    return true;
  }
  void emit(const std::string& name, std::string value) {
    if (!name.empty() && out_.size() < kFieldsMax) out_.emplace_back(name, std::move(value));
  }

  bool object(const std::string& prefix, int depth, bool wanted) {
    if (depth > kNestingMax || !accept('{')) return false;
    skip_space();
    if (accept('}')) return true;
    do {
      skip_space();
      std::string key;
      if (!string(key)) return false;
      skip_space();
      if (!accept(':')) return false;
      if (!value(wanted ? joined(prefix, key) : std::string(), depth, wanted)) return false;
      skip_space();
    } while (accept(','));
    return accept('}');
  }

  bool array(int depth) {
    if (depth > kNestingMax || !accept('[')) return false;
    skip_space();
    if (accept(']')) return true;
    do {
      if (!value("", depth, false)) return false;
      skip_space();
    } while (accept(','));
    return accept(']');
  }

  bool value(const std::string& name, int depth, bool wanted) {
    skip_space();
    if (at_ >= text_.size()) return false;
    char c = text_[at_];
    if (c == '{') return object(name, depth + 1, wanted);
    if (c == '[') return array(depth + 1);
    if (c == '"') {
      std::string s;
      if (!string(s)) return false;
      if (wanted) emit(name, std::move(s));
      return true;
    }
    size_t start = at_;
    while (at_ < text_.size() && std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos)
      at_++;
    std::string_view word = text_.substr(start, at_ - start);
    if (word == "null") return true;
    if (word != "true" && word != "false" && !is_number(word)) return false;
    if (wanted) emit(name, std::string(word));
    return true;
  }

  // RFC 8259's grammar.
  static bool is_number(std::string_view w) {
    size_t i = 0;
    auto digits = [&] {
      size_t begin = i;
      while (i < w.size() && w[i] >= '0' && w[i] <= '9') i++;
      return i > begin;
    };
    if (i < w.size() && w[i] == '-') i++;
    size_t begin = i;
    if (!digits() || (w[begin] == '0' && i - begin > 1)) return false;
    if (i < w.size() && w[i] == '.') {
      i++;
      if (!digits()) return false;
    }
    if (i < w.size() && (w[i] == 'e' || w[i] == 'E')) {
      i++;
      if (i < w.size() && (w[i] == '+' || w[i] == '-')) i++;
      if (!digits()) return false;
    }
    return i == w.size();
  }

  bool hex4(uint32_t& v) {
    if (text_.size() - at_ < 4) return false;
    v = 0;
    for (int i = 0; i < 4; i++) {
      char c = text_[at_++];
      int d = c >= '0' && c <= '9'   ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : -1;
      if (d < 0) return false;
      v = v << 4 | static_cast<uint32_t>(d);
    }
    return true;
  }

  bool string(std::string& out) {
    if (!accept('"')) return false;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return true;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) return false;
      c = text_[at_++];
      static constexpr std::string_view kFrom = "bfnrt\"\\/", kTo = "\b\f\n\r\t\"\\/";
      if (size_t i = kFrom.find(c); i != std::string_view::npos) {
        out += kTo[i];
        continue;
      }
      uint32_t cp = 0;
      if (c != 'u' || !hex4(cp)) return false;
      if (cp >= 0xd800 && cp < 0xdc00 && text_.substr(at_).starts_with("\\u")) {
        size_t back = at_;
        uint32_t low = 0;
        at_ += 2;
        if (!hex4(low)) return false;
        if (low >= 0xdc00 && low < 0xe000) {
          cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
        } else {
          at_ = back;
        }
      }
      append_utf8(out, cp >= 0xd800 && cp < 0xe000 ? 0xfffd : cp);
    }
    return false;
  }

  std::string_view text_;
  size_t at_ = 0;
  Fields& out_;
};

void flatten(const std::string& prefix, const Attributes& attributes, int depth, Fields& out) {
  for (const auto& [key, value] : attributes) {
    if (out.size() >= kFieldsMax) return;
    const auto* map = std::get_if<Attributes>(&value.variant());
    if (map && depth < kNestingMax) {
      flatten(joined(prefix, key), *map, depth + 1, out);
    } else if (!value.is_empty()) {
      out.emplace_back(joined(prefix, key), value.to_text());
    }
  }
}

}  // namespace

std::string label_name_of(std::string_view key) {
  std::string out;
  append_name(out, key);
  return out;
}

bool parse_json_fields(std::string_view line, Fields& out) { return JsonReader(line, out).whole(); }

void parse_logfmt_fields(std::string_view line, Fields& out) {
  size_t at = 0;
  auto is_space = [&](size_t i) { return static_cast<unsigned char>(line[i]) <= ' '; };
  while (at < line.size() && out.size() < kFieldsMax) {
    while (at < line.size() && is_space(at)) at++;
    size_t start = at;
    while (at < line.size() && !is_space(at) && line[at] != '=' && line[at] != '"') at++;
    std::string_view key = line.substr(start, at - start);
    if (at >= line.size() || line[at] != '=') {
      if (at < line.size() && line[at] == '"') at++;  // a stray quote: not ours to explain
      continue;
    }
    at++;
    std::string value;
    if (at < line.size() && line[at] == '"') {
      at++;
      while (at < line.size() && line[at] != '"') {
        if (line[at] == '\\' && at + 1 < line.size()) {
          char c = line[++at];
          static constexpr std::string_view kFrom = "nrt", kTo = "\n\r\t";
          size_t i = kFrom.find(c);
          value += i == std::string_view::npos ? c : kTo[i];
        } else {
          value += line[at];
        }
        at++;
      }
      at++;
    } else {
      start = at;
      while (at < line.size() && !is_space(at)) at++;
      value = line.substr(start, at - start);
    }
    if (!key.empty()) out.emplace_back(label_name_of(key), std::move(value));
  }
}

void flatten_attributes(const Attributes& attributes, Fields& out) { flatten("", attributes, 1, out); }

}  // namespace sonde::logql

#include "model/attributes.h"

#include <charconv>
#include <cmath>

namespace sonde {
namespace {

void append_json_string(std::string& out, std::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (u < 0x20) {
      out += "\\u00";
      out += {kHex[u >> 4], kHex[u & 15]};
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string base64(std::string_view in) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < in.size(); i += 3) {
    auto at = [&](size_t k) { return k < in.size() ? static_cast<unsigned char>(in[k]) : 0u; };
    unsigned v = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    out += kAlphabet[v >> 18];
    out += kAlphabet[(v >> 12) & 63];
    out += i + 1 < in.size() ? kAlphabet[(v >> 6) & 63] : '=';
    out += i + 2 < in.size() ? kAlphabet[v & 63] : '=';
  }
  return out;
}

void append_text(std::string& out, const AttributeValue& value, bool nested) {
  struct Visitor {
    std::string& out;
    bool nested;
    void operator()(std::monostate) const { out += nested ? "null" : ""; }
    void operator()(bool v) const { out += v ? "true" : "false"; }
    void operator()(int64_t v) const { out += std::to_string(v); }
    void operator()(double v) const {
      char buf[32];
      auto r = std::to_chars(buf, buf + sizeof buf, v);
      if (nested && !std::isfinite(v)) {
        append_json_string(out, std::string_view(buf, r.ptr));
      } else {
        out.append(buf, r.ptr);
      }
    }
    void operator()(const std::string& v) const {
      if (nested) {
        append_json_string(out, v);
      } else {
        out += v;
      }
    }
    void operator()(const Bytes& v) const { (*this)(base64(v.data)); }
    void operator()(const AttributeArray& v) const {
      out += '[';
      for (size_t i = 0; i < v.size(); i++) {
        if (i > 0) out += ',';
        append_text(out, v[i], true);
      }
      out += ']';
    }
    void operator()(const Attributes& v) const {
      out += '{';
      for (size_t i = 0; i < v.size(); i++) {
        if (i > 0) out += ',';
        append_json_string(out, v[i].first);
        out += ':';
        append_text(out, v[i].second, true);
      }
      out += '}';
    }
  };
  std::visit(Visitor{out, nested}, value.variant());
}

}  // namespace

std::string AttributeValue::to_text() const {
  std::string out;
  append_text(out, *this, false);
  return out;
}

const AttributeValue* find_attribute(const Attributes& attributes, std::string_view key) {
  for (const auto& [k, v] : attributes) {
    if (k == key) return &v;
  }
  return nullptr;
}

std::string_view string_attribute(const Attributes& attributes, std::string_view key) {
  const AttributeValue* v = find_attribute(attributes, key);
  const std::string* s = v ? v->as_string() : nullptr;
  return s ? std::string_view(*s) : std::string_view();
}

}  // namespace sonde

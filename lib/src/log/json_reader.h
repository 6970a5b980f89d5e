// For tests: a strict reader of one JSON object. Values of the top level are kept as they were written,
// strings decoded.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "expose/text.h"

namespace json {

class Object {
 public:
  explicit Object(std::string_view text) : in_(text) {
    valid_ = object(true, 0) && in_.empty();
    if (!valid_) values_.clear();
  }
  bool valid() const { return valid_; }
  std::string at(const std::string& key) const {
    auto it = values_.find(key);
    return it == values_.end() ? "<absent>" : it->second;
  }

 private:
  bool eat(char c) {
    if (in_.empty() || in_.front() != c) return false;
    in_.remove_prefix(1);
    return true;
  }
  bool object(bool top, int depth) {
    if (depth > 16 || !eat('{')) return false;
    if (eat('}')) return true;
    do {
      std::string key, value;
      if (!string(key) || !eat(':')) return false;
      std::string_view before = in_;
      if (!in_.empty() && in_.front() == '"') {
        if (!string(value)) return false;
      } else {
        if (!other(depth)) return false;
        value = before.substr(0, before.size() - in_.size());
      }
      if (top && !values_.emplace(key, value).second) return false;  // a key twice
    } while (eat(','));
    return eat('}');
  }
  bool other(int depth) {
    if (in_.starts_with("{")) return object(false, depth + 1);
    if (eat('[')) {
      if (eat(']')) return true;
      do {
        std::string ignored;
        if (in_.starts_with("\"") ? !string(ignored) : !other(depth + 1)) return false;
      } while (eat(','));
      return eat(']');
    }
    for (std::string_view word : {"true", "false", "null"}) {
      if (!in_.starts_with(word)) continue;
      in_.remove_prefix(word.size());
      return true;
    }
    return number();
  }
  bool digits() {
    size_t n = 0;
    while (!in_.empty() && in_.front() >= '0' && in_.front() <= '9') {
      in_.remove_prefix(1);
      n++;
    }
    return n > 0;
  }
  bool number() {
    eat('-');
    if (!digits()) return false;
    if (eat('.') && !digits()) return false;
    if (eat('e') || eat('E')) {
      if (!eat('+')) eat('-');
      return digits();
    }
    return true;
  }
  bool string(std::string& out) {
    if (!eat('"')) return false;
    while (!in_.empty() && in_.front() != '"') {
      auto c = static_cast<unsigned char>(in_.front());
      if (c < 0x20) return false;
      if (c == '\\') {
        in_.remove_prefix(1);
        if (in_.empty()) return false;
        char kind = in_.front();
        in_.remove_prefix(1);
        if (kind == 'u') {
          if (in_.size() < 4) return false;
          unsigned v = static_cast<unsigned>(std::stoul(std::string(in_.substr(0, 4)), nullptr, 16));
          in_.remove_prefix(4);
          out += v < 0x80 ? std::string(1, static_cast<char>(v)) : v == 0xfffd ? "\xef\xbf\xbd" : "?";
        } else {
          size_t at = std::string_view("\"\\/bfnrt").find(kind);
          if (at == std::string_view::npos) return false;
          out += "\"\\/\b\f\n\r\t"[at];
        }
        continue;
      }
      auto* p = reinterpret_cast<const unsigned char*>(in_.data());
      size_t n = sonde::detail::utf8_length(p, p + in_.size());
      if (n == 0) return false;
      out.append(in_.substr(0, n));
      in_.remove_prefix(n);
    }
    return eat('"');
  }

  std::string_view in_;
  bool valid_ = false;
  std::map<std::string, std::string> values_;
};

}  // namespace json

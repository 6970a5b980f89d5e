#include "config/yaml_writer.h"

#include <algorithm>

#include "model/labels.h"

namespace sonde::config {

struct YamlMap::Value {
  enum class Kind { kScalar, kTexts, kMap, kList } kind = Kind::kScalar;
  std::string scalar;
  std::vector<std::string> texts;
  std::vector<YamlMap> maps;  // one for kMap
};

std::string yaml_scalar(std::string_view text) {
  auto plain_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./$()+<>=^").find(c) != std::string_view::npos;
  };
  bool starts_well =
      !text.empty() &&
      ((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z') || text[0] == '_' ||
       text[0] == '/' || text[0] == '$' || text[0] == '(' || text == "<secret>");
  static constexpr std::string_view kReserved[] = {"true", "false", "yes", "no", "on",
                                                   "off",  "null",  "y",   "n"};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c);
  });
  bool reserved = std::find(std::begin(kReserved), std::end(kReserved), lower) != std::end(kReserved);
  if (starts_well && !reserved && std::all_of(text.begin(), text.end(), plain_char)) return std::string(text);
  return quote(text);
}

YamlMap& YamlMap::text(std::string key, std::string_view value) {
  return raw(std::move(key), yaml_scalar(value));
}

YamlMap& YamlMap::raw(std::string key, std::string value) {
  auto v = std::make_shared<Value>();
  v->scalar = std::move(value);
  fields_.emplace_back(std::move(key), std::move(v));
  return *this;
}

YamlMap& YamlMap::texts(std::string key, const std::vector<std::string>& values) {
  auto v = std::make_shared<Value>();
  v->kind = Value::Kind::kTexts;
  v->texts = values;
  fields_.emplace_back(std::move(key), std::move(v));
  return *this;
}

YamlMap& YamlMap::text_map(std::string key, const std::map<std::string, std::string>& values) {
  YamlMap m;
  for (const auto& [k, v] : values) m.text(k, v);
  return map(std::move(key), std::move(m));
}

YamlMap& YamlMap::map(std::string key, YamlMap value) {
  auto v = std::make_shared<Value>();
  v->kind = Value::Kind::kMap;
  v->maps.push_back(std::move(value));
  fields_.emplace_back(std::move(key), std::move(v));
  return *this;
}

YamlMap& YamlMap::list(std::string key, std::vector<YamlMap> values) {
  auto v = std::make_shared<Value>();
  v->kind = Value::Kind::kList;
  v->maps = std::move(values);
  fields_.emplace_back(std::move(key), std::move(v));
  return *this;
}

// The depth is that of our own configuration types, not of any input.
void YamlMap::write(std::string& out, size_t indent, bool first_inline) const {
  bool first = true;
  for (const auto& [key, value] : fields_) {
    if (!first || !first_inline) out.append(indent, ' ');
    first = false;
    out += yaml_scalar(key) + ":";
    switch (value->kind) {
      case Value::Kind::kScalar:
        out += " " + value->scalar + "\n";
        break;
      case Value::Kind::kTexts:
        out += value->texts.empty() ? " []\n" : "\n";
        for (const std::string& t : value->texts) {
          out.append(indent, ' ');
          out += "- " + yaml_scalar(t) + "\n";
        }
        break;
      case Value::Kind::kMap:
        if (value->maps[0].empty()) {
          out += " {}\n";
        } else {
          out += "\n";
          value->maps[0].write(out, indent + 2, false);
        }
        break;
      case Value::Kind::kList:
        out += value->maps.empty() ? " []\n" : "\n";
        for (const YamlMap& m : value->maps) {
          out.append(indent, ' ');
          if (m.empty()) {
            out += "- {}\n";
          } else {
            out += "- ";
            m.write(out, indent + 2, true);
          }
        }
        break;
    }
  }
}

std::string YamlMap::to_string() const {
  std::string out;
  write(out, 0, false);
  return out;
}

}  // namespace sonde::config

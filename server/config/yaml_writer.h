// Writes YAML in block style, keys in the order they were added, texts quoted exactly when they need it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde::config {

class YamlMap {
 public:
  YamlMap() = default;
  // A text; quoted when it would read back as something else.
  YamlMap& text(std::string key, std::string_view value);
  // Numbers, booleans, durations: written as they are.
  YamlMap& raw(std::string key, std::string value);
  YamlMap& flag(std::string key, bool value) { return raw(std::move(key), value ? "true" : "false"); }
  YamlMap& texts(std::string key, const std::vector<std::string>& values);
  YamlMap& text_map(std::string key, const std::map<std::string, std::string>& values);
  YamlMap& map(std::string key, YamlMap value);
  YamlMap& list(std::string key, std::vector<YamlMap> values);

  bool empty() const { return fields_.empty(); }
  std::string to_string() const;

 private:
  struct Value;
  void write(std::string& out, size_t indent, bool first_inline) const;

  std::vector<std::pair<std::string, std::shared_ptr<const Value>>> fields_;
};

// One scalar, quoted when it needs to be.
std::string yaml_scalar(std::string_view text);

}  // namespace sonde::config

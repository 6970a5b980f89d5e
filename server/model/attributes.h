// Typed attributes of logs, spans and resources: never flattened on the way in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sonde {

class AttributeValue;
using AttributeArray = std::vector<AttributeValue>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;  // in order of arrival, keys unique

struct Bytes {
  std::string data;
  bool operator==(const Bytes&) const = default;
};

// Empty, bool, int64, double, string, bytes, array or map. Nesting is bounded by the decoders.
class AttributeValue {
 public:
  using Variant =
      std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, AttributeArray, Attributes>;
  AttributeValue() = default;
  AttributeValue(bool v) : v_(v) {}                           // NOLINT(google-explicit-constructor)
  AttributeValue(int64_t v) : v_(v) {}                        // NOLINT
  AttributeValue(int v) : v_(static_cast<int64_t>(v)) {}      // NOLINT
  AttributeValue(double v) : v_(v) {}                         // NOLINT
  AttributeValue(std::string v) : v_(std::move(v)) {}         // NOLINT
  AttributeValue(std::string_view v) : v_(std::string(v)) {}  // NOLINT
  AttributeValue(const char* v) : v_(std::string(v)) {}       // NOLINT
  AttributeValue(Bytes v) : v_(std::move(v)) {}               // NOLINT
  AttributeValue(AttributeArray v) : v_(std::move(v)) {}      // NOLINT
  AttributeValue(Attributes v) : v_(std::move(v)) {}          // NOLINT

  const Variant& variant() const { return v_; }
  bool is_empty() const { return std::holds_alternative<std::monostate>(v_); }
  const std::string* as_string() const { return std::get_if<std::string>(&v_); }
  // Plain text for labels and tables: strings as they are, numbers in shortest form, bytes in base64, arrays
  // and maps as JSON.
  std::string to_text() const;
  bool operator==(const AttributeValue&) const = default;

 private:
  Variant v_;
};

// Null when absent.
const AttributeValue* find_attribute(const Attributes& attributes, std::string_view key);
// The text of a string attribute; empty when absent or of another type.
std::string_view string_attribute(const Attributes& attributes, std::string_view key);

}  // namespace sonde

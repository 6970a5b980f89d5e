// What a template works on: a tree of plain values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/labels.h"

namespace sonde::templates {

class Value;

// How a missing key of a mapping reads.
enum class MapKind : uint8_t {
  kAny,      // no value
  kStrings,  // the empty text, as Go's map[string]string under missingkey=zero
  kStruct,   // an error: the template names a field that does not exist
};

struct ValueMap {
  MapKind kind = MapKind::kAny;
  std::string type_name;  // of a struct, in messages
  std::map<std::string, Value> fields;
};
using ValueList = std::vector<Value>;

// Nothing, bool, int64, double, text, list, mapping, point in time, or length of time. Copies share lists and
// mappings.
class Value {
 public:
  using List = std::shared_ptr<const ValueList>;
  using Map = std::shared_ptr<const ValueMap>;
  using Variant =
      std::variant<std::monostate, bool, int64_t, double, std::string, List, Map, EventTime, Duration>;

  Value() = default;
  Value(bool v) : v_(v) {}                           // NOLINT(google-explicit-constructor)
  Value(int v) : v_(static_cast<int64_t>(v)) {}      // NOLINT
  Value(int64_t v) : v_(v) {}                        // NOLINT
  Value(double v) : v_(v) {}                         // NOLINT
  Value(std::string v) : v_(std::move(v)) {}         // NOLINT
  Value(std::string_view v) : v_(std::string(v)) {}  // NOLINT
  Value(const char* v) : v_(std::string(v)) {}       // NOLINT
  Value(EventTime v) : v_(v) {}                      // NOLINT
  Value(Duration v) : v_(v) {}                       // NOLINT

  static Value list(ValueList items);
  static Value map(std::map<std::string, Value> fields, MapKind kind = MapKind::kAny);
  // `type_name` is what messages call it: "struct" or a type's name.
  static Value object(std::string type_name, std::map<std::string, Value> fields);
  static Value strings(const LabelSet& labels);
  // A query result's sample: Labels and Value.
  static Value sample(const LabelSet& labels, double value);

  const Variant& variant() const { return v_; }
  bool is_nil() const { return std::holds_alternative<std::monostate>(v_); }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&v_);
  }
  const ValueList* as_list() const;
  const ValueMap* as_map() const;
  // Go's idea of truth: not zero, not empty.
  bool truthy() const;
  // "string", "int", "float64", "map[string]string", …: Go's name of the type, for messages and %T.
  std::string type_name() const;

 private:
  Variant v_;
};

// Go's fmt.Sprint of one value. `nil_text` stands for nothing: "<nil>", or "<no value>" where a template
// prints it.
std::string to_text(const Value& v, std::string_view nil_text = "<nil>");
// Go's fmt.Sprintf: flags, width, precision, `*`; verbs v s d f F e E g G q x X t c U o b T p %. Mismatches
// become
// %!d(string=x) as in Go. Widths and precisions are bounded at 1,000.
std::string format(std::string_view format, const std::vector<Value>& args);
// strconv.FormatFloat(v, verb, precision, 64); verb e, f or g; precision -1: shortest.
std::string format_float(double v, char verb, int precision);
// "1h2m3.5s", time.Duration's own text.
std::string format_go_duration(Duration d);
// "2006-01-02 15:04:05.999 +0000 UTC", time.Time's own text.
std::string format_go_time(EventTime t);

}  // namespace sonde::templates

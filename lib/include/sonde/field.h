// Typed fields of log lines and attributes of spans: "order_id"_f = id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace sonde::inline v1 {

// A key and a value. Text is borrowed: a Field lives for the call that it is an argument of, which copies it.
struct Field {
  enum class Type : uint8_t { kBool, kInt, kUint, kDouble, kText };

  std::string_view key;
  Type type;
  union {
    bool boolean;
    int64_t integer;
    uint64_t natural;
    double real;
    std::string_view text;
  };

  constexpr Field(std::string_view k, bool v) noexcept : key(k), type(Type::kBool), boolean(v) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  constexpr Field(std::string_view k, T v) noexcept : key(k), type(Type::kInt), integer(0) {
    if constexpr (std::is_signed_v<T>) {
      integer = v;
    } else {
      type = Type::kUint;
      natural = v;
    }
  }
  template <class T>
    requires std::is_floating_point_v<T>
  constexpr Field(std::string_view k, T v) noexcept
      : key(k), type(Type::kDouble), real(static_cast<double>(v)) {}
  template <class T>
    requires std::is_enum_v<T>
  constexpr Field(std::string_view k, T v) noexcept : Field(k, static_cast<std::underlying_type_t<T>>(v)) {}
  constexpr Field(std::string_view k, const char* v) noexcept
      : key(k), type(Type::kText), text(v == nullptr ? std::string_view{} : std::string_view(v)) {}
  template <class T>
    requires(std::is_convertible_v<const T&, std::string_view> &&
             !std::is_convertible_v<const T&, const char*> && !std::is_arithmetic_v<T>)
  constexpr Field(std::string_view k, const T& v) noexcept : key(k), type(Type::kText), text(v) {}
};

struct FieldKey {
  std::string_view name;

  template <class T>
  constexpr Field operator=(const T& value) const noexcept {
    return Field(name, value);
  }
};

inline namespace literals {
consteval FieldKey operator""_f(const char* name, size_t size) { return FieldKey{{name, size}}; }
}  // namespace literals

}  // namespace sonde::inline v1

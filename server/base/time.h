// The three kinds of time. None converts into another implicitly.
#pragma once

#include <compare>
#include <cstdint>

namespace sonde {

// A length of time in nanoseconds.
struct Duration {
  int64_t ns = 0;

  static constexpr Duration nanoseconds(int64_t n) { return {n}; }
  static constexpr Duration microseconds(int64_t n) { return {n * 1'000}; }
  static constexpr Duration milliseconds(int64_t n) { return {n * 1'000'000}; }
  static constexpr Duration seconds(int64_t n) { return {n * 1'000'000'000}; }
  static constexpr Duration minutes(int64_t n) { return seconds(n * 60); }
  static constexpr Duration hours(int64_t n) { return seconds(n * 3600); }
  constexpr int64_t ms() const { return ns / 1'000'000; }
  constexpr double to_seconds() const { return static_cast<double>(ns) * 1e-9; }
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration o) const { return {ns + o.ns}; }
  constexpr Duration operator-(Duration o) const { return {ns - o.ns}; }
  constexpr Duration operator*(int64_t k) const { return {ns * k}; }
};

// Metric time: milliseconds since the Unix epoch.
struct Timestamp {
  int64_t ms = 0;

  constexpr auto operator<=>(const Timestamp&) const = default;
  constexpr Timestamp operator+(Duration d) const { return {ms + d.ms()}; }
  constexpr Timestamp operator-(Duration d) const { return {ms - d.ms()}; }
  constexpr Duration operator-(Timestamp o) const { return Duration::milliseconds(ms - o.ms); }
};

// Event time (logs, spans): nanoseconds since the Unix epoch.
struct EventTime {
  int64_t ns = 0;

  constexpr Timestamp to_timestamp() const { return {ns / 1'000'000}; }
  static constexpr EventTime from_timestamp(Timestamp t) { return {t.ms * 1'000'000}; }
  constexpr auto operator<=>(const EventTime&) const = default;
  constexpr EventTime operator+(Duration d) const { return {ns + d.ns}; }
  constexpr EventTime operator-(Duration d) const { return {ns - d.ns}; }
  constexpr Duration operator-(EventTime o) const { return {ns - o.ns}; }
};

// A point of the monotonic clock; only differences mean anything.
struct MonotonicTime {
  int64_t ns = 0;

  constexpr auto operator<=>(const MonotonicTime&) const = default;
  constexpr MonotonicTime operator+(Duration d) const { return {ns + d.ns}; }
  constexpr Duration operator-(MonotonicTime o) const { return {ns - o.ns}; }
};

}  // namespace sonde

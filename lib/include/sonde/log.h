// Structured logs: one JSON object a line.
//
//   using namespace sonde::literals;
//   sonde::info("order placed", "order_id"_f = id, "total"_f = 12.5);
//   static constinit sonde::Logger db{"db"};
//   db.debug("connected", "host"_f = host);
//
// A call copies its fields into the thread's ring and returns; a thread of the library renders and writes. It
// never blocks and never allocates after the thread's first line. If the ring is full, or init() has not been
// called, the line is dropped and counted in `sonde_dropped_total{signal="logs",reason}`. Trace and span id
// of the current span, file, line and thread come along by themselves.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string_view>

#include "sonde/field.h"

namespace sonde::inline v1 {

enum class Level : uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kFatal, kOff };

std::string_view level_name(Level level) noexcept;               // "info"
bool parse_level(std::string_view name, Level& level) noexcept;  // any case; also "warning"

namespace detail {
extern constinit std::atomic<uint8_t> g_level;  // of loggers without a level of their own
inline constexpr uint8_t kInherit = 255;
}  // namespace detail

// A message with its place in the source. Made from a literal; text made at run time is wrapped in Text{}.
struct Text {
  std::string_view text;
};

struct Message {
  std::string_view text;
  std::source_location where;
  bool literal;

  template <size_t N>
  consteval Message(const char (&message)[N],  // NOLINT: implicit on purpose
                    std::source_location here = std::source_location::current())
      : text(message, N - 1), where(here), literal(true) {}
  Message(Text message, std::source_location here = std::source_location::current()) noexcept  // NOLINT
      : text(message.text), where(here), literal(false) {}
};

struct LoggerLevel;

// A named source of lines with a level of its own. Constant-initialised, at namespace scope: it is never
// unregistered. The name is a literal.
class Logger {
 public:
  constexpr explicit Logger(std::string_view name) noexcept : name_(name) {}
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  bool enabled(Level level) noexcept {
    uint8_t own = level_.load(std::memory_order_relaxed);
    if (own == detail::kInherit) [[likely]]
      own = detail::g_level.load(std::memory_order_relaxed);
    return static_cast<uint8_t>(level) >= own;
  }
  std::string_view name() const noexcept { return name_; }

  template <class... F>
  void log(Level level, const Message& message, const F&... fields) noexcept {
    if (enabled(level)) emit_fields(level, message, fields...);
  }
  template <class... F>
  void trace(const Message& message, const F&... fields) noexcept {
    log(Level::kTrace, message, fields...);
  }
  template <class... F>
  void debug(const Message& message, const F&... fields) noexcept {
    log(Level::kDebug, message, fields...);
  }
  template <class... F>
  void info(const Message& message, const F&... fields) noexcept {
    log(Level::kInfo, message, fields...);
  }
  template <class... F>
  void warn(const Message& message, const F&... fields) noexcept {
    log(Level::kWarn, message, fields...);
  }
  template <class... F>
  void error(const Message& message, const F&... fields) noexcept {
    log(Level::kError, message, fields...);
  }
  // Severity alone: it does not end the process.
  template <class... F>
  void fatal(const Message& message, const F&... fields) noexcept {
    log(Level::kFatal, message, fields...);
  }
  // For fields gathered at run time.
  void emit(Level level, const Message& message, const Field* fields, size_t count) noexcept;

 private:
  friend bool set_level(std::string_view, Level) noexcept;
  friend void reset_level(std::string_view) noexcept;
  friend struct LoggerTable;
  friend size_t loggers(LoggerLevel*, size_t) noexcept;

  template <class... F>
  [[gnu::noinline]] void emit_fields(Level level, const Message& message, const F&... fields) noexcept {
    if constexpr (sizeof...(F) == 0) {
      emit(level, message, nullptr, 0);
    } else {
      const Field list[] = {fields...};
      emit(level, message, list, sizeof...(F));
    }
  }

  std::string_view name_;
  std::atomic<uint8_t> level_{0};  // all, until the first line looks the name up
  std::atomic<bool> listed_{false};
  Logger* next_ = nullptr;
};

// The logger without a name.
extern constinit Logger root_logger;

template <class... F>
void trace(const Message& message, const F&... fields) noexcept {
  root_logger.log(Level::kTrace, message, fields...);
}
template <class... F>
void debug(const Message& message, const F&... fields) noexcept {
  root_logger.log(Level::kDebug, message, fields...);
}
template <class... F>
void info(const Message& message, const F&... fields) noexcept {
  root_logger.log(Level::kInfo, message, fields...);
}
template <class... F>
void warn(const Message& message, const F&... fields) noexcept {
  root_logger.log(Level::kWarn, message, fields...);
}
template <class... F>
void error(const Message& message, const F&... fields) noexcept {
  root_logger.log(Level::kError, message, fields...);
}
template <class... F>
void fatal(const Message& message, const F&... fields) noexcept {
  root_logger.log(Level::kFatal, message, fields...);
}

// The level of every logger without one of its own; kInfo unless set.
void set_level(Level level) noexcept;
Level level() noexcept;
// The level of the logger `name`, now or when it first logs. False if the table (256 names) is full.
bool set_level(std::string_view name, Level level) noexcept;
// Takes the logger's own level away again.
void reset_level(std::string_view name) noexcept;

struct LoggerLevel {
  std::string_view name;
  Level level;  // in effect
  bool inherited;
};
// The loggers known so far, at most `max`; returns how many there are.
size_t loggers(LoggerLevel* out, size_t max) noexcept;

}  // namespace sonde::inline v1

#include "sonde/log.h"

#include <cstring>
#include <mutex>

#include "log/logger_table.h"
#include "runtime/lane.h"
#include "runtime/pipeline.h"
#include "runtime/record.h"
#include "runtime/time.h"

namespace sonde::inline v1 {

namespace detail {
constinit std::atomic<uint8_t> g_level{static_cast<uint8_t>(Level::kInfo)};
}

constinit Logger root_logger{""};

std::string_view level_name(Level level) noexcept {
  constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error", "fatal", "off"};
  auto i = static_cast<size_t>(level);
  return i < std::size(kNames) ? kNames[i] : "off";
}

bool parse_level(std::string_view name, Level& level) noexcept {
  char lower[8];
  if (name.size() >= sizeof lower) return false;
  for (size_t i = 0; i < name.size(); i++) {
    lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? static_cast<char>(name[i] + 32) : name[i];
  }
  std::string_view text(lower, name.size());
  if (text == "warning") text = "warn";
  for (uint8_t i = 0; i <= static_cast<uint8_t>(Level::kOff); i++) {
    if (level_name(static_cast<Level>(i)) != text) continue;
    level = static_cast<Level>(i);
    return true;
  }
  return false;
}

void Logger::emit(Level level, const Message& message, const Field* fields, size_t count) noexcept {
  if (!listed_.load(std::memory_order_acquire)) [[unlikely]]
    LoggerTable::list(*this);
  // A level set by name before the logger was known takes effect in list().
  if (!enabled(level)) return;
  if (count > UINT16_MAX) count = UINT16_MAX;
  size_t size = sizeof(detail::LogHead) + (message.literal ? 0 : message.text.size());
  for (size_t i = 0; i < count; i++) size += detail::field_size(fields[i]);
  if (size > UINT32_MAX) size = UINT32_MAX;
  detail::RingWrite write(detail::Signal::kLogs, detail::RecordType::kLog, static_cast<uint32_t>(size));
  char* out = write.bytes();
  if (out == nullptr) return;
  const detail::TraceSlot& trace = detail::t_thread.trace;
  detail::LogHead head{
      detail::unix_ns(),
      trace.trace_high,
      trace.trace_low,
      trace.span_id,
      message.where.file_name(),
      name_.data(),
      message.literal ? message.text.data() : nullptr,
      static_cast<uint32_t>(message.text.size()),
      static_cast<uint32_t>(name_.size()),
      message.where.line(),
      static_cast<uint32_t>(detail::t_thread.lane->thread_id.load(std::memory_order_relaxed)),
      static_cast<uint16_t>(count),
      static_cast<uint8_t>(level),
      trace.flags};
  out = detail::put(out, &head, sizeof head);
  if (!message.literal) out = detail::put(out, message.text.data(), message.text.size());
  for (size_t i = 0; i < count; i++) out = detail::write_field(out, fields[i]);
}

}  // namespace sonde::inline v1

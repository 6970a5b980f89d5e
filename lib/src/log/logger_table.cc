#include "log/logger_table.h"

#include <cstring>

#include "runtime/fork.h"
#include "runtime/spin_lock.h"

namespace sonde::inline v1 {

namespace {

struct NamedLevel {
  char name[64];
  uint8_t size;
  uint8_t level;  // kInherit: reset
};

constexpr size_t kNamesMax = 256;
constinit detail::SpinLock g_lock;
constinit NamedLevel g_named[kNamesMax] = {};
constinit size_t g_named_count = 0;

NamedLevel* named(std::string_view name) noexcept {
  for (size_t i = 0; i < g_named_count; i++) {
    if (std::string_view(g_named[i].name, g_named[i].size) == name) return &g_named[i];
  }
  return nullptr;
}

}  // namespace

// Changed under g_lock; loggers are never taken off.
static constinit Logger* g_loggers = nullptr;

void LoggerTable::list(Logger& logger) noexcept {
  detail::SpinGuard guard(g_lock);
  if (logger.listed_.load(std::memory_order_relaxed)) return;
  logger.next_ = g_loggers;
  g_loggers = &logger;
  const NamedLevel* level = named(logger.name_);
  logger.level_.store(level == nullptr ? detail::kInherit : level->level, std::memory_order_relaxed);
  logger.listed_.store(true, std::memory_order_release);
}

void set_level(Level level) noexcept {
  detail::g_level.store(static_cast<uint8_t>(level), std::memory_order_relaxed);
}

Level level() noexcept { return static_cast<Level>(detail::g_level.load(std::memory_order_relaxed)); }

bool set_level(std::string_view name, Level level) noexcept {
  if (name.empty()) {
    set_level(level);
    return true;
  }
  if (name.size() > sizeof NamedLevel::name) return false;
  detail::SpinGuard guard(g_lock);
  NamedLevel* entry = named(name);
  if (entry == nullptr) {
    if (g_named_count == kNamesMax) return false;
    entry = &g_named[g_named_count++];
    std::memcpy(entry->name, name.data(), name.size());
    entry->size = static_cast<uint8_t>(name.size());
  }
  entry->level = static_cast<uint8_t>(level);
  for (Logger* l = g_loggers; l != nullptr; l = l->next_) {
    if (l->name_ == name) l->level_.store(static_cast<uint8_t>(level), std::memory_order_relaxed);
  }
  return true;
}

void reset_level(std::string_view name) noexcept {
  detail::SpinGuard guard(g_lock);
  if (NamedLevel* entry = named(name); entry != nullptr) entry->level = detail::kInherit;
  for (Logger* l = g_loggers; l != nullptr; l = l->next_) {
    if (l->name_ == name) l->level_.store(detail::kInherit, std::memory_order_relaxed);
  }
}

size_t loggers(LoggerLevel* out, size_t max) noexcept {
  detail::SpinGuard guard(g_lock);
  size_t n = 0;
  for (Logger* l = g_loggers; l != nullptr; l = l->next_) {
    uint8_t own = l->level_.load(std::memory_order_relaxed);
    bool inherited = own == detail::kInherit;
    if (n < max) out[n] = {l->name_, inherited ? level() : static_cast<Level>(own), inherited};
    n++;
  }
  return n;
}

// Whoever held the lock does not exist in the child; the list is whole after every store.
void detail::reset_loggers_after_fork() noexcept { g_lock.unlock(); }

}  // namespace sonde::inline v1

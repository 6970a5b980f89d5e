// Spans: a named stretch of work, on the stack.
//
//   sonde::Span span{"checkout", {.kind = sonde::Span::Kind::kInternal}};
//   span.set("cart.items"_f = cart.size());
//   if (!ok) span.error("payment refused");
//
// A span is the current one of its thread from construction to end(), and a child of the one before it. It
// does nothing before init() and costs one load then. An unsampled span only carries its context.
//
// Threads: a span belongs to the thread that made it, unless it is `.detached`, which may be ended anywhere
// but is used by one thread at a time. Everything given to it is copied at the call; name and attributes past
// 8 KiB are dropped and counted in the span. A span whose thread's ring is full is dropped and counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "sonde/context.h"
#include "sonde/field.h"

namespace sonde::inline v1 {

namespace detail {
extern constinit std::atomic<bool> g_tracing;  // true between init() and shutdown()
}

struct SpanOptions;

class Span {
 public:
  enum class Kind : uint8_t { kInternal = 1, kServer, kClient, kProducer, kConsumer };  // OTLP's numbers
  enum class Status : uint8_t { kUnset, kOk, kError };                                  // OTLP's numbers

  explicit Span(std::string_view name) noexcept;
  Span(std::string_view name, const SpanOptions& options) noexcept;
  ~Span() {
    if (started_) end();
  }
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

  // Whether what is set here will be exported; spare the work of computing attributes if not.
  bool recording() const noexcept { return recording_; }
  // The empty context if tracing is off.
  const Context& context() const noexcept { return context_; }

  void set(const Field& attribute) noexcept {
    if (recording_) set_recorded(attribute);
  }
  void set(std::initializer_list<Field> attributes) noexcept {
    if (!recording_) return;
    for (const Field& attribute : attributes) set_recorded(attribute);
  }
  void rename(std::string_view name) noexcept;
  void event(std::string_view name, std::initializer_list<Field> attributes = {}) noexcept;
  // A link to another span, such as the producer's of a message.
  void link(const Context& to) noexcept;
  void ok() noexcept { status_ = Status::kOk; }
  // Marks the span as failed. `description` is for people; put the machine's word into "error.type".
  void error(std::string_view description = {}) noexcept;
  Status status() const noexcept { return status_; }

  // Hands the span over and makes its parent current again. Idempotent.
  void end() noexcept;

 private:
  void start(std::string_view name, const SpanOptions& options) noexcept;
  void start(std::string_view name) noexcept;
  void set_recorded(const Field& attribute) noexcept;
  char* reserve(uint32_t size) noexcept;

  static constexpr size_t kInlineBytes = 448;

  bool started_ = false;
  bool recording_ = false;
  bool detached_ = false;
  bool parent_remote_ = false;
  Kind kind_ = Kind::kInternal;
  Status status_ = Status::kUnset;
  uint16_t attributes_ = 0;
  uint16_t dropped_attributes_ = 0;
  uint16_t dropped_events_ = 0;
  uint32_t used_ = 0;      // bytes of items
  uint32_t capacity_ = 0;  // of spill_, 0 while inline
  Context context_;
  // Set by start(); a span that is off does not pay for them.
  uint64_t parent_span_;
  int64_t start_ns_;  // monotonic
  alignas(detail::TraceSlot) char saved_[sizeof(detail::TraceSlot)];
  char* spill_ = nullptr;  // used instead of inline_ once that is full
  char inline_[kInlineBytes];
};

struct SpanOptions {
  Span::Kind kind = Span::Kind::kInternal;
  // The parent; null: the current context. &Context{} makes a root.
  const Context* parent = nullptr;
  // Known at the start, and so visible to the sampler's future rules.
  std::initializer_list<Field> attributes = {};
  // Does not become the thread's current span and may be ended on another thread.
  bool detached = false;
};

inline Span::Span(std::string_view name) noexcept {
  if (detail::g_tracing.load(std::memory_order_relaxed)) start(name);
}
inline Span::Span(std::string_view name, const SpanOptions& options) noexcept {
  if (detail::g_tracing.load(std::memory_order_relaxed)) start(name, options);
}

}  // namespace sonde::inline v1

// Which span a piece of work belongs to: a value that crosses threads, queues and processes.
//
//   pool.submit(sonde::bind([=] { work(); }));       // runs in the span that is current here
//   sonde::Context remote = sonde::Context::parse(headers["traceparent"], headers["tracestate"]);
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sonde/detail/lane.h"

namespace sonde::inline v1 {

// `00-<32 hex>-<16 hex>-<2 hex>`, ready to be sent.
struct TraceParent {
  char text[55];

  std::string_view view() const noexcept { return {text, sizeof text}; }
  std::string_view trace_id() const noexcept { return {text + 3, 32}; }
  std::string_view span_id() const noexcept { return {text + 36, 16}; }
};

class Context {
 public:
  Context() noexcept = default;  // no span
  Context(uint64_t trace_high, uint64_t trace_low, uint64_t span_id, uint8_t flags) noexcept
      : trace_high_(trace_high), trace_low_(trace_low), span_id_(span_id), flags_(flags) {}
  Context(const Context& o) noexcept;
  Context(Context&& o) noexcept;
  Context& operator=(Context o) noexcept;
  ~Context() {
    if (state_ != nullptr) drop_state();
  }

  // W3C Trace Context, level 1: any input gives a context, an invalid one the empty context. An invalid
  // `tracestate` is ignored alone. Never allocates more than 512 bytes. The result is remote().
  static Context parse(std::string_view traceparent, std::string_view tracestate = {}) noexcept;

  bool valid() const noexcept { return (trace_high_ | trace_low_) != 0 && span_id_ != 0; }
  bool sampled() const noexcept { return (flags_ & 1) != 0; }
  bool remote() const noexcept { return remote_; }
  uint64_t trace_id_high() const noexcept { return trace_high_; }
  uint64_t trace_id_low() const noexcept { return trace_low_; }
  uint64_t span_id() const noexcept { return span_id_; }
  uint8_t flags() const noexcept { return flags_; }

  TraceParent traceparent() const noexcept;
  // As received; empty if there is none. Lives as long as this context or a copy.
  std::string_view tracestate() const noexcept;

 private:
  friend class Span;
  friend class ContextScope;
  friend Context current_context() noexcept;

  void drop_state() noexcept;

  uint64_t trace_high_ = 0;
  uint64_t trace_low_ = 0;
  uint64_t span_id_ = 0;
  detail::StateText* state_ = nullptr;  // shared, counted
  uint8_t flags_ = 0;
  bool remote_ = false;
};

// The context of the innermost span or ContextScope of this thread.
Context current_context() noexcept;

// Makes a context current for as long as it lives. Scopes of a thread nest; one is left on its own thread.
class ContextScope {
 public:
  explicit ContextScope(Context context) noexcept;
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  Context context_;
  detail::TraceSlot saved_;
};

// `f`, to be called later and elsewhere in the context that is current now.
template <class F>
auto bind(F&& f) {
  return [context = current_context(),
          f = std::forward<F>(f)]<class... A>(A&&... args) mutable -> decltype(auto) {
    ContextScope scope(context);
    return f(std::forward<A>(args)...);
  };
}

}  // namespace sonde::inline v1

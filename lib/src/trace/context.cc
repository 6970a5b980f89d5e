#include "sonde/context.h"

#include <cstdlib>
#include <cstring>

#include "trace/state_text.h"

namespace sonde::inline v1 {

namespace detail {

StateText* make_state_text(std::string_view text) noexcept {
  void* memory = std::malloc(sizeof(StateText) + text.size());
  if (memory == nullptr) return nullptr;
  auto* state = new (memory) StateText();
  state->references.store(1, std::memory_order_relaxed);
  state->size = static_cast<uint32_t>(text.size());
  std::memcpy(state->bytes(), text.data(), text.size());
  return state;
}

void retain(StateText* state) noexcept {
  if (state != nullptr) state->references.fetch_add(1, std::memory_order_relaxed);
}

void release(StateText* state) noexcept {
  // Acquire-release: the last owner frees after everyone else's reads.
  if (state != nullptr && state->references.fetch_sub(1, std::memory_order_acq_rel) == 1) std::free(state);
}

}  // namespace detail

namespace {

// Lower-case hexadecimal only, as the specification asks.
bool parse_hex(std::string_view text, uint64_t& out) noexcept {
  out = 0;
  for (char c : text) {
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return false;
    out = out << 4 | static_cast<uint64_t>(digit);
  }
  return true;
}

void write_hex(char* out, uint64_t v, int digits) noexcept {
  for (int i = digits - 1; i >= 0; i--, v >>= 4) out[i] = "0123456789abcdef"[v & 15];
}

bool is_state_key(std::string_view key) noexcept {
  if (key.empty() || key.size() > 256) return false;
  auto lower_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!lower_or_digit(key[0])) return false;
  for (char c : key) {
    if (!lower_or_digit(c) && c != '_' && c != '-' && c != '*' && c != '/' && c != '@') return false;
  }
  return true;
}

bool is_state_value(std::string_view value) noexcept {
  if (value.empty() || value.size() > 256 || value.back() == ' ') return false;
  for (char c : value) {
    if (c < 0x20 || c > 0x7e || c == ',' || c == '=') return false;
  }
  return true;
}

bool is_tracestate(std::string_view text) noexcept {
  if (text.empty() || text.size() > 512) return false;
  std::string_view keys[32];
  size_t members = 0;
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view member = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    while (!member.empty() && (member.front() == ' ' || member.front() == '\t')) member.remove_prefix(1);
    while (!member.empty() && (member.back() == ' ' || member.back() == '\t')) member.remove_suffix(1);
    if (member.empty()) continue;
    size_t equals = member.find('=');
    if (equals == std::string_view::npos || members == 32) return false;
    std::string_view key = member.substr(0, equals);
    if (!is_state_key(key) || !is_state_value(member.substr(equals + 1))) return false;
    for (size_t i = 0; i < members; i++) {
      if (keys[i] == key) return false;
    }
    keys[members++] = key;
  }
  return members > 0;
}

}  // namespace

Context::Context(const Context& o) noexcept
    : trace_high_(o.trace_high_),
      trace_low_(o.trace_low_),
      span_id_(o.span_id_),
      state_(o.state_),
      flags_(o.flags_),
      remote_(o.remote_) {
  detail::retain(state_);
}

Context::Context(Context&& o) noexcept
    : trace_high_(o.trace_high_),
      trace_low_(o.trace_low_),
      span_id_(o.span_id_),
      state_(std::exchange(o.state_, nullptr)),
      flags_(o.flags_),
      remote_(o.remote_) {}

Context& Context::operator=(Context o) noexcept {
  trace_high_ = o.trace_high_;
  trace_low_ = o.trace_low_;
  span_id_ = o.span_id_;
  flags_ = o.flags_;
  remote_ = o.remote_;
  std::swap(state_, o.state_);
  return *this;
}

void Context::drop_state() noexcept { detail::release(state_); }

Context Context::parse(std::string_view traceparent, std::string_view tracestate) noexcept {
  while (!traceparent.empty() && (traceparent.front() == ' ' || traceparent.front() == '\t')) {
    traceparent.remove_prefix(1);
  }
  while (!traceparent.empty() && (traceparent.back() == ' ' || traceparent.back() == '\t')) {
    traceparent.remove_suffix(1);
  }
  Context c;
  uint64_t version, high, low, span, flags;
  if (traceparent.size() < 55 || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-' ||
      !parse_hex(traceparent.substr(0, 2), version) || !parse_hex(traceparent.substr(3, 16), high) ||
      !parse_hex(traceparent.substr(19, 16), low) || !parse_hex(traceparent.substr(36, 16), span) ||
      !parse_hex(traceparent.substr(53, 2), flags)) {
    return c;
  }
  bool longer = traceparent.size() > 55;
  if (version == 0xff || (version == 0 && longer) || (longer && traceparent[55] != '-')) return c;
  if ((high | low) == 0 || span == 0) return c;
  c.trace_high_ = high;
  c.trace_low_ = low;
  c.span_id_ = span;
  c.flags_ = static_cast<uint8_t>(flags & 1);  // level 1 knows this bit; the others must not be passed on
  c.remote_ = true;
  if (is_tracestate(tracestate)) c.state_ = detail::make_state_text(tracestate);
  return c;
}

TraceParent Context::traceparent() const noexcept {
  TraceParent out;
  std::memcpy(out.text, "00-", 3);
  write_hex(out.text + 3, trace_high_, 16);
  write_hex(out.text + 19, trace_low_, 16);
  out.text[35] = '-';
  write_hex(out.text + 36, span_id_, 16);
  out.text[52] = '-';
  write_hex(out.text + 53, flags_, 2);
  return out;
}

std::string_view Context::tracestate() const noexcept {
  return state_ == nullptr ? std::string_view{} : state_->text();
}

Context current_context() noexcept {
  const detail::TraceSlot& slot = detail::t_thread.trace;
  Context c(slot.trace_high, slot.trace_low, slot.span_id, slot.flags);
  c.remote_ = slot.remote;
  c.state_ = slot.trace_state;
  detail::retain(c.state_);
  return c;
}

ContextScope::ContextScope(Context context) noexcept
    : context_(std::move(context)), saved_(detail::t_thread.trace) {
  detail::t_thread.trace = {context_.trace_high_, context_.trace_low_, context_.span_id_,
                            context_.state_,      context_.flags_,     context_.remote_};
}

ContextScope::~ContextScope() { detail::t_thread.trace = saved_; }

}  // namespace sonde::inline v1

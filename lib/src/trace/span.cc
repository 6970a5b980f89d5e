#include "sonde/span.h"

#include <cstdlib>
#include <cstring>

#include "runtime/drops.h"
#include "runtime/ids.h"
#include "runtime/lane.h"
#include "runtime/pipeline.h"
#include "runtime/record.h"
#include "runtime/ring.h"
#include "runtime/time.h"
#include "sonde/detail/family.h"
#include "trace/sampler.h"
#include "trace/state_text.h"

namespace sonde::inline v1 {

namespace detail {
constinit std::atomic<bool> g_tracing{false};
}

namespace {
constexpr uint32_t kItemBytesMax = 8 << 10;
constexpr uint16_t kAttributesMax = 128;
}  // namespace

void Span::start(std::string_view name) noexcept { start(name, SpanOptions{}); }

void Span::start(std::string_view name, const SpanOptions& options) noexcept {
  started_ = true;
  detached_ = options.detached;
  kind_ = options.kind;
  detail::TraceSlot& current = detail::t_thread.trace;
  if (!detached_) std::memcpy(saved_, &current, sizeof current);

  detail::TraceSlot parent = current;
  if (options.parent != nullptr) {
    const Context& p = *options.parent;
    parent = {p.trace_high_, p.trace_low_, p.span_id_, p.state_, p.flags_, p.remote_};
  }
  bool has_parent = (parent.trace_high | parent.trace_low) != 0 && parent.span_id != 0;
  if (has_parent) {
    context_.trace_high_ = parent.trace_high;
    context_.trace_low_ = parent.trace_low;
    context_.state_ = parent.trace_state;
    if (context_.state_ != nullptr) detail::retain(context_.state_);
    parent_span_ = parent.span_id;
    parent_remote_ = parent.remote;
  } else {
    context_.trace_high_ = detail::random_id();
    context_.trace_low_ = detail::random_id();
    parent_span_ = 0;
  }
  context_.span_id_ = detail::random_id();
  recording_ = detail::should_sample(has_parent, (parent.flags & 1) != 0, context_.trace_low_);
  context_.flags_ = recording_ ? 1 : 0;
  if (!detached_) {
    current = {context_.trace_high_, context_.trace_low_, context_.span_id_,
               context_.state_,      context_.flags_,     false};
  }
  if (!recording_) return;
  rename(name);
  for (const Field& attribute : options.attributes) set_recorded(attribute);
  start_ns_ = detail::monotonic_ns();
}

// Room for an item of `size` bytes, its head included.
char* Span::reserve(uint32_t size) noexcept {
  uint32_t need = used_ + size;
  if (size > kItemBytesMax || need > kItemBytesMax) return nullptr;
  if (spill_ == nullptr && need <= kInlineBytes) {
    char* at = inline_ + used_;
    used_ = need;
    return at;
  }
  if (need > capacity_) {
    uint32_t capacity = need <= 2048 ? 2048 : kItemBytesMax;
    auto* larger = static_cast<char*>(std::realloc(spill_, capacity));
    if (larger == nullptr) return nullptr;
    if (spill_ == nullptr) std::memcpy(larger, inline_, used_);
    spill_ = larger;
    capacity_ = capacity;
  }
  char* at = spill_ + used_;
  used_ = need;
  return at;
}

namespace {

char* put_item(char* out, detail::SpanItem item, size_t payload) noexcept {
  detail::ItemHead head{static_cast<uint32_t>(payload), item};
  return detail::put(out, &head, sizeof head);
}

}  // namespace

void Span::rename(std::string_view name) noexcept {
  if (!recording_) return;
  name = name.substr(0, 1024);
  char* out = reserve(static_cast<uint32_t>(sizeof(detail::ItemHead) + name.size()));
  if (out == nullptr) return;
  detail::put(put_item(out, detail::SpanItem::kName, name.size()), name.data(), name.size());
}

void Span::set_recorded(const Field& attribute) noexcept {
  size_t size = detail::field_size(attribute);
  char* out = attributes_ < kAttributesMax && size < kItemBytesMax
                  ? reserve(static_cast<uint32_t>(sizeof(detail::ItemHead) + size))
                  : nullptr;
  if (out == nullptr) {
    if (dropped_attributes_ < UINT16_MAX) dropped_attributes_++;
    return;
  }
  attributes_++;
  detail::write_field(put_item(out, detail::SpanItem::kAttribute, size), attribute);
}

void Span::event(std::string_view name, std::initializer_list<Field> attributes) noexcept {
  if (!recording_) return;
  name = name.substr(0, 1024);
  size_t size = sizeof(detail::EventHead) + name.size();
  for (const Field& f : attributes) size += detail::field_size(f);
  char* out =
      size < kItemBytesMax ? reserve(static_cast<uint32_t>(sizeof(detail::ItemHead) + size)) : nullptr;
  if (out == nullptr) {
    if (dropped_events_ < UINT16_MAX) dropped_events_++;
    return;
  }
  out = put_item(out, detail::SpanItem::kEvent, size);
  detail::EventHead head{detail::unix_ns(), static_cast<uint32_t>(name.size()),
                         static_cast<uint32_t>(attributes.size())};
  out = detail::put(out, &head, sizeof head);
  out = detail::put(out, name.data(), name.size());
  for (const Field& f : attributes) out = detail::write_field(out, f);
}

void Span::link(const Context& to) noexcept {
  if (!recording_ || !to.valid()) return;
  char* out = reserve(sizeof(detail::ItemHead) + sizeof(detail::LinkHead));
  if (out == nullptr) return;
  detail::LinkHead head{to.trace_high_, to.trace_low_, to.span_id_, to.flags_};
  detail::put(put_item(out, detail::SpanItem::kLink, sizeof head), &head, sizeof head);
}

void Span::error(std::string_view description) noexcept {
  status_ = Status::kError;
  if (!recording_ || description.empty()) return;
  description = description.substr(0, 1024);
  char* out = reserve(static_cast<uint32_t>(sizeof(detail::ItemHead) + description.size()));
  if (out == nullptr) return;
  detail::put(put_item(out, detail::SpanItem::kStatusText, description.size()), description.data(),
              description.size());
}

void Span::end() noexcept {
  if (!started_) return;
  started_ = false;
  if (!detached_) std::memcpy(&detail::t_thread.trace, saved_, sizeof(detail::TraceSlot));
  if (!recording_) return;
  recording_ = false;
  int64_t end_ns = detail::monotonic_ns();
  int64_t offset = detail::unix_offset_ns();
  std::string_view state = context_.tracestate();
  detail::SpanHead head{start_ns_ + offset,
                        end_ns + offset,
                        context_.trace_high_,
                        context_.trace_low_,
                        context_.span_id_,
                        parent_span_,
                        used_,
                        static_cast<uint32_t>(state.size()),
                        dropped_attributes_,
                        dropped_events_,
                        context_.flags_,
                        static_cast<uint8_t>(kind_),
                        static_cast<uint8_t>(status_),
                        parent_remote_};
  uint32_t size = static_cast<uint32_t>(sizeof head + state.size()) + used_;
  detail::RingWrite write(detail::Signal::kSpans, detail::RecordType::kSpan, size);
  if (char* out = write.bytes(); out != nullptr) {
    out = detail::put(out, &head, sizeof head);
    out = detail::put(out, state.data(), state.size());
    detail::put(out, spill_ != nullptr ? spill_ : inline_, used_);
  }
  std::free(spill_);
  spill_ = nullptr;
}

}  // namespace sonde::inline v1

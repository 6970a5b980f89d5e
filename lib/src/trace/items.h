// Reads what a span gathered.
#pragma once

#include <cstring>
#include <string_view>

#include "runtime/record.h"

namespace sonde::inline v1::detail {

struct SpanView {
  std::string_view state;
  std::string_view name;
  std::string_view status_text;
  const char* items;
  uint32_t item_bytes;
};

// Calls f(payload, size) for every item of one kind.
template <class F>
void each_item(const SpanView& span, SpanItem wanted, F&& f) {
  for (uint32_t at = 0; at < span.item_bytes;) {
    ItemHead head;
    std::memcpy(&head, span.items + at, sizeof head);
    at += sizeof head;
    if (head.item == wanted) f(span.items + at, head.size);
    at += head.size;
  }
}

// The last name and status text win.
inline SpanView view_span(const SpanHead& head, const char* body) {
  SpanView view{{body, head.state_size}, {}, {}, body + head.state_size, head.item_bytes};
  each_item(view, SpanItem::kName, [&](const char* p, uint32_t n) { view.name = {p, n}; });
  each_item(view, SpanItem::kStatusText, [&](const char* p, uint32_t n) { view.status_text = {p, n}; });
  return view;
}

// Of two attributes with the same key the later one wins. At most 128, so that the scan is bounded.
template <class F>
void each_attribute(const SpanView& span, F&& f) {
  each_item(span, SpanItem::kAttribute, [&](const char* p, uint32_t) {
    const char* at = p;
    Field field = read_field(at);
    bool repeated = false;
    each_item(span, SpanItem::kAttribute, [&](const char* other, uint32_t) {
      if (other <= p || repeated) return;
      const char* in = other;
      repeated = read_field(in).key == field.key;
    });
    if (!repeated) f(field);
  });
}

}  // namespace sonde::inline v1::detail

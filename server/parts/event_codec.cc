#include "parts/event_codec.h"

#include <map>
#include <unordered_map>

#include "base/bytes.h"

namespace sonde::parts {
namespace {

constexpr int kDepthMax = 32;  // of nested arrays and maps; the protocols' decoders allow less

enum class Kind : uint8_t { kEmpty, kFalse, kTrue, kInteger, kDouble, kString, kBytes, kArray, kMap };

void write_attributes(ByteWriter& out, const Attributes& attributes, int depth);

void write_value(ByteWriter& out, const AttributeValue& value, int depth) {
  struct Visitor {
    ByteWriter& out;
    int depth;
    void kind(Kind k) const { out.fixed(static_cast<uint8_t>(k)); }
    void operator()(std::monostate) const { kind(Kind::kEmpty); }
    void operator()(bool v) const { kind(v ? Kind::kTrue : Kind::kFalse); }
    void operator()(int64_t v) const {
      kind(Kind::kInteger);
      out.svarint(v);
    }
    void operator()(double v) const {
      kind(Kind::kDouble);
      out.fixed(v);
    }
    void operator()(const std::string& v) const {
      kind(Kind::kString);
      out.text(v);
    }
    void operator()(const Bytes& v) const {
      kind(Kind::kBytes);
      out.text(v.data);
    }
    void operator()(const AttributeArray& v) const {
      kind(Kind::kArray);
      out.varint(depth < kDepthMax ? v.size() : 0);
      if (depth >= kDepthMax) return;
      for (const AttributeValue& item : v) write_value(out, item, depth + 1);
    }
    void operator()(const Attributes& v) const {
      kind(Kind::kMap);
      if (depth < kDepthMax) {
        write_attributes(out, v, depth + 1);
      } else {
        out.varint(0);
      }
    }
  };
  std::visit(Visitor{out, depth}, value.variant());
}

void write_attributes(ByteWriter& out, const Attributes& attributes, int depth) {
  out.varint(attributes.size());
  for (const auto& [key, value] : attributes) {
    out.text(key);
    write_value(out, value, depth);
  }
}

bool read_attributes(ByteReader& in, Attributes& out, int depth);

bool read_value(ByteReader& in, AttributeValue& out, int depth) {
  if (depth > kDepthMax + 1) return false;
  switch (static_cast<Kind>(in.fixed<uint8_t>())) {
    case Kind::kEmpty:
      out = AttributeValue();
      return in.ok();
    case Kind::kFalse:
      out = AttributeValue(false);
      return in.ok();
    case Kind::kTrue:
      out = AttributeValue(true);
      return in.ok();
    case Kind::kInteger:
      out = AttributeValue(in.svarint());
      return in.ok();
    case Kind::kDouble:
      out = AttributeValue(in.fixed<double>());
      return in.ok();
    case Kind::kString:
      out = AttributeValue(in.text());
      return in.ok();
    case Kind::kBytes:
      out = AttributeValue(Bytes{std::string(in.text())});
      return in.ok();
    case Kind::kArray: {
      AttributeArray items(in.count());
      for (AttributeValue& item : items) {
        if (!read_value(in, item, depth + 1)) return false;
      }
      out = AttributeValue(std::move(items));
      return in.ok();
    }
    case Kind::kMap: {
      Attributes map;
      if (!read_attributes(in, map, depth + 1)) return false;
      out = AttributeValue(std::move(map));
      return true;
    }
  }
  return false;
}

bool read_attributes(ByteReader& in, Attributes& out, int depth) {
  size_t n = in.count(2);
  out.clear();
  out.reserve(n);
  for (size_t i = 0; i < n; i++) {
    std::string key(in.text());
    AttributeValue value;
    if (!read_value(in, value, depth)) return false;
    out.emplace_back(std::move(key), std::move(value));
  }
  return in.ok();
}

// Values that repeat within a block, numbered in order of appearance.
class Tables {
 public:
  uint64_t stream(const LabelSet& labels) {
    auto [it, added] = stream_numbers_.try_emplace(labels, stream_numbers_.size());
    if (added) streams_.text(labels.encoded());
    return it->second;
  }
  // 0: none.
  uint64_t resource(const std::shared_ptr<const Attributes>& resource) {
    if (!resource) return 0;
    auto [it, added] = resource_numbers_.try_emplace(resource.get(), resource_numbers_.size() + 1);
    if (added) write_attributes(resources_, *resource, 0);
    return it->second;
  }
  uint64_t scope(const InstrumentationScope& scope) {
    auto [it, added] = scope_numbers_.try_emplace({scope.name, scope.version}, scope_numbers_.size());
    if (added) scopes_.text(scope.name).text(scope.version);
    return it->second;
  }
  std::string finish(ByteWriter& rows, size_t row_count) {
    ByteWriter out;
    out.varint(stream_numbers_.size()).raw(streams_.buffer());
    out.varint(resource_numbers_.size()).raw(resources_.buffer());
    out.varint(scope_numbers_.size()).raw(scopes_.buffer());
    out.varint(row_count).raw(rows.buffer());
    return out.take();
  }

 private:
  std::unordered_map<LabelSet, uint64_t, LabelSetHash> stream_numbers_;
  std::unordered_map<const Attributes*, uint64_t> resource_numbers_;
  std::map<std::pair<std::string, std::string>, uint64_t> scope_numbers_;
  ByteWriter streams_, resources_, scopes_;
};

class TableReader {
 public:
  bool read(ByteReader& in) {
    size_t n = in.count();
    for (size_t i = 0; i < n && in.ok(); i++)
      streams_.push_back(LabelSet::from_encoded(std::string(in.text())));
    n = in.count();
    for (size_t i = 0; i < n && in.ok(); i++) {
      auto attributes = std::make_shared<Attributes>();
      if (!read_attributes(in, *attributes, 0)) return false;
      resources_.push_back(std::move(attributes));
    }
    n = in.count(2);
    for (size_t i = 0; i < n && in.ok(); i++) {
      std::string name(in.text());
      scopes_.push_back({std::move(name), std::string(in.text())});
    }
    return in.ok();
  }
  bool stream(uint64_t i, LabelSet& out) const {
    if (i >= streams_.size()) return false;
    out = streams_[i];
    return true;
  }
  bool resource(uint64_t i, std::shared_ptr<const Attributes>& out) const {
    if (i > resources_.size()) return false;
    if (i > 0) out = resources_[i - 1];
    return true;
  }
  bool scope(uint64_t i, InstrumentationScope& out) const {
    if (i >= scopes_.size()) return false;
    out = scopes_[i];
    return true;
  }

 private:
  std::vector<LabelSet> streams_;
  std::vector<std::shared_ptr<const Attributes>> resources_;
  std::vector<InstrumentationScope> scopes_;
};

template <size_t N>
std::string_view id_bytes(const std::array<uint8_t, N>& id) {
  return {reinterpret_cast<const char*>(id.data()), N};
}

template <class Id>
void write_id(ByteWriter& out, const Id& id) {
  if (id.empty()) {
    out.fixed(uint8_t{0});
  } else {
    out.fixed(uint8_t{1}).raw(id_bytes(id.bytes));
  }
}

template <class Id>
bool read_id(ByteReader& in, Id& out) {
  uint8_t present = in.fixed<uint8_t>();
  if (present > 1) return false;
  if (present == 0) return in.ok();
  std::string_view raw = in.raw(out.bytes.size());
  if (!in.ok()) return false;
  std::memcpy(out.bytes.data(), raw.data(), raw.size());
  return true;
}

std::unexpected<Error> corrupt(const char* what) {
  return fail(ErrorCode::kCorrupt, std::string(what) + " block does not decode");
}

}  // namespace

std::string encode_logs(std::span<const LogRecord* const> records) {
  Tables tables;
  ByteWriter rows;
  int64_t last = 0;
  for (const LogRecord* r : records) {
    rows.svarint(r->time.ns - last).svarint(r->observed.ns - r->time.ns);
    last = r->time.ns;
    rows.varint(tables.stream(r->stream)).varint(tables.resource(r->resource)).varint(tables.scope(r->scope));
    rows.text(r->line).svarint(r->severity_number).text(r->severity_text);
    write_attributes(rows, r->attributes, 0);
    write_id(rows, r->trace_id);
    write_id(rows, r->span_id);
    rows.varint(r->flags).text(r->event_name);
  }
  return tables.finish(rows, records.size());
}

Result<std::vector<LogRecord>> decode_logs(std::string_view bytes) {
  ByteReader in(bytes);
  TableReader tables;
  if (!tables.read(in)) return corrupt("log");
  size_t n = in.count(12);
  std::vector<LogRecord> out(n);
  int64_t last = 0;
  for (LogRecord& r : out) {
    // Sums wrap instead of overflowing: the bytes may be damaged in ways that a checksum does not see.
    last = static_cast<int64_t>(static_cast<uint64_t>(last) + static_cast<uint64_t>(in.svarint()));
    r.time.ns = last;
    r.observed.ns = static_cast<int64_t>(static_cast<uint64_t>(last) + static_cast<uint64_t>(in.svarint()));
    if (!tables.stream(in.varint(), r.stream) || !tables.resource(in.varint(), r.resource) ||
        !tables.scope(in.varint(), r.scope)) {
      return corrupt("log");
    }
    r.line = in.text();
    r.severity_number = static_cast<int>(in.svarint());
    r.severity_text = in.text();
    if (!read_attributes(in, r.attributes, 0) || !read_id(in, r.trace_id) || !read_id(in, r.span_id))
      return corrupt("log");
    r.flags = static_cast<uint32_t>(in.varint());
    r.event_name = in.text();
  }
  if (!in.at_end()) return corrupt("log");
  return out;
}

std::string encode_spans(std::span<const Span* const> spans) {
  Tables tables;
  ByteWriter rows;
  int64_t last = 0;
  for (const Span* s : spans) {
    rows.svarint(s->start.ns - last).svarint(s->end.ns - s->start.ns);
    last = s->start.ns;
    rows.varint(tables.stream(LabelSet{{"service", s->service}, {"name", s->name}}));
    rows.varint(tables.resource(s->resource)).varint(tables.scope(s->scope));
    write_id(rows, s->trace_id);
    write_id(rows, s->span_id);
    write_id(rows, s->parent_id);
    rows.text(s->trace_state)
        .varint(s->flags)
        .fixed(static_cast<uint8_t>(s->kind))
        .fixed(static_cast<uint8_t>(s->status));
    rows.text(s->status_message);
    write_attributes(rows, s->attributes, 0);
    rows.varint(s->events.size());
    for (const SpanEvent& e : s->events) {
      rows.svarint(e.time.ns - s->start.ns).text(e.name);
      write_attributes(rows, e.attributes, 0);
    }
    rows.varint(s->links.size());
    for (const SpanLink& l : s->links) {
      write_id(rows, l.trace_id);
      write_id(rows, l.span_id);
      write_attributes(rows, l.attributes, 0);
    }
  }
  return tables.finish(rows, spans.size());
}

Result<std::vector<Span>> decode_spans(std::string_view bytes) {
  ByteReader in(bytes);
  TableReader tables;
  if (!tables.read(in)) return corrupt("span");
  size_t n = in.count(14);
  std::vector<Span> out(n);
  int64_t last = 0;
  auto add = [](int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  };
  for (Span& s : out) {
    last = add(last, in.svarint());
    s.start.ns = last;
    s.end.ns = add(last, in.svarint());
    LabelSet stream;
    if (!tables.stream(in.varint(), stream) || !tables.resource(in.varint(), s.resource) ||
        !tables.scope(in.varint(), s.scope)) {
      return corrupt("span");
    }
    s.service = stream.get("service");
    s.name = stream.get("name");
    if (!read_id(in, s.trace_id) || !read_id(in, s.span_id) || !read_id(in, s.parent_id))
      return corrupt("span");
    s.trace_state = in.text();
    s.flags = static_cast<uint32_t>(in.varint());
    auto kind = in.fixed<uint8_t>();
    auto status = in.fixed<uint8_t>();
    if (kind > static_cast<uint8_t>(SpanKind::kConsumer) || status > static_cast<uint8_t>(SpanStatus::kError))
      return corrupt("span");
    s.kind = static_cast<SpanKind>(kind);
    s.status = static_cast<SpanStatus>(status);
    s.status_message = in.text();
    if (!read_attributes(in, s.attributes, 0)) return corrupt("span");
    s.events.resize(in.count(3));
    for (SpanEvent& e : s.events) {
      e.time.ns = add(s.start.ns, in.svarint());
      e.name = in.text();
      if (!read_attributes(in, e.attributes, 0)) return corrupt("span");
    }
    s.links.resize(in.count(3));
    for (SpanLink& l : s.links) {
      if (!read_id(in, l.trace_id) || !read_id(in, l.span_id) || !read_attributes(in, l.attributes, 0))
        return corrupt("span");
    }
  }
  if (!in.at_end()) return corrupt("span");
  return out;
}

namespace {

size_t memory_bytes(const AttributeValue& value);
size_t memory_bytes(const Attributes& attributes) {
  size_t n = 0;
  for (const auto& [key, value] : attributes) n += 64 + key.size() + memory_bytes(value);
  return n;
}
size_t memory_bytes(const AttributeValue& value) {
  if (const auto* s = std::get_if<std::string>(&value.variant())) return s->size();
  if (const auto* b = std::get_if<Bytes>(&value.variant())) return b->data.size();
  if (const auto* m = std::get_if<Attributes>(&value.variant())) return memory_bytes(*m);
  size_t n = 0;
  if (const auto* a = std::get_if<AttributeArray>(&value.variant())) {
    for (const AttributeValue& item : *a) n += 40 + memory_bytes(item);
  }
  return n;
}

}  // namespace

size_t memory_bytes(const LogRecord& r) {
  return sizeof r + r.line.size() + r.severity_text.size() + r.event_name.size() + memory_bytes(r.attributes);
}

size_t memory_bytes(const Span& s) {
  size_t n = sizeof s + s.service.size() + s.name.size() + s.status_message.size() + s.trace_state.size() +
             memory_bytes(s.attributes);
  for (const SpanEvent& e : s.events) n += sizeof e + e.name.size() + memory_bytes(e.attributes);
  for (const SpanLink& l : s.links) n += sizeof l + memory_bytes(l.attributes);
  return n;
}

}  // namespace sonde::parts

#include "parts/span_store.h"

#include "parts/event_codec.h"
#include "parts/event_store.h"

namespace sonde::parts {
namespace {

struct SpanTraits {
  using Event = Span;
  static constexpr const char* kName = "span";
  static std::string encode(std::span<const Span* const> e) { return encode_spans(e); }
  static Result<std::vector<Span>> decode(std::string_view bytes) { return decode_spans(bytes); }
  static EventTime time(const Span& s) { return s.start; }
  static LabelSet stream(const Span& s) {
    return LabelSet{{"service", s.service}, {"name", s.name}, {"kind", to_string(s.kind)}};
  }
  static const TraceId& trace(const Span& s) { return s.trace_id; }
  static uint64_t text_bytes(const Span& s) { return s.name.size(); }
};

using Store = EventStore<SpanTraits>;

SpanKind kind_from(std::string_view text) {
  for (int i = 0; i <= static_cast<int>(SpanKind::kConsumer); i++) {
    if (text == to_string(static_cast<SpanKind>(i))) return static_cast<SpanKind>(i);
  }
  return SpanKind::kUnspecified;
}

constexpr EventTime kBegin{INT64_MIN};
constexpr EventTime kEnd{INT64_MAX};

class DiskSpanStore final : public storage::SpanStore {
 public:
  DiskSpanStore(FileSystem& fs, const Clock& clock, PartsOptions options)
      : store_(fs, clock, std::move(options)) {}
  Result<> open() { return store_.open(); }
  Result<> flush() { return store_.flush(); }
  void commit_now() { (void)store_.commit_now(); }

  void append_spans(std::vector<Span> spans, std::string_view, storage::OnEventsDurable on_durable) override {
    store_.append(std::move(spans), std::move(on_durable));
  }

  Result<std::vector<std::string>> services(const storage::Scope& scope) const override {
    std::set<std::string> out;
    store_.for_each_stream(kBegin, kEnd, [&](const StreamCount& s) {
      if (all_match(scope.enforced, s.labels)) out.emplace(s.labels.get("service"));
    });
    return std::vector<std::string>(out.begin(), out.end());
  }

  Result<std::vector<std::pair<std::string, SpanKind>>> operations(const storage::Scope& scope,
                                                                   std::string_view service) const override {
    std::set<std::pair<std::string, SpanKind>> out;
    store_.for_each_stream(kBegin, kEnd, [&](const StreamCount& s) {
      if (s.labels.get("service") == service && all_match(scope.enforced, s.labels)) {
        out.emplace(s.labels.get("name"), kind_from(s.labels.get("kind")));
      }
    });
    return std::vector<std::pair<std::string, SpanKind>>(out.begin(), out.end());
  }

  Result<std::vector<Span>> trace(const storage::Scope& scope, const TraceId& id,
                                  const Cancellation& cancel) const override {
    std::vector<Span> out;
    auto take = [&](const Store::RunPtr& run) {
      for (const Span& s : run->events) {
        if (s.trace_id == id && in_scope(scope, s)) out.push_back(s);
      }
    };
    Store::Snapshot snap = store_.snapshot();
    for (const auto& part : snap.parts) {
      for (uint32_t b : part->blocks_of(id)) {
        SONDE_CHECK(cancel.check());
        SONDE_TRY(auto run, store_.block(*part, b));
        take(run);
      }
    }
    for (const Store::RunPtr& run : snap.runs) take(run);
    // A client that did not see our acknowledgement sends again: the same span twice is one span.
    std::stable_sort(out.begin(), out.end(), [](const Span& a, const Span& b) {
      return std::tie(a.start, a.span_id) < std::tie(b.start, b.span_id);
    });
    out.erase(std::unique(out.begin(), out.end(),
                          [](const Span& a, const Span& b) {
                            return a.span_id == b.span_id && a.start == b.start && a.name == b.name;
                          }),
              out.end());
    return out;
  }

  Result<std::vector<storage::TraceSummary>> search(const storage::Scope& scope,
                                                    const storage::SpanSearch& search,
                                                    const Cancellation& cancel) const override {
    // The newest matching start of each trace; scanning from the newest block back, it may end once `limit`
    // traces are newer than everything that is left.
    std::map<TraceId, EventTime> hits;
    auto take = [&](const Store::RunPtr& run) {
      for (const Span& s : run->events) {
        if (!span_matches(s, search) || !in_scope(scope, s)) continue;
        auto [it, added] = hits.try_emplace(s.trace_id, s.start);
        if (!added && it->second < s.start) it->second = s.start;
      }
    };
    Store::Snapshot snap = store_.snapshot();
    for (const Store::RunPtr& run : snap.runs) {
      if (run->max_time >= search.from && run->min_time < search.to) take(run);
    }
    struct Candidate {
      EventTime max_time;
      const PartFile* part;
      uint32_t block;
    };
    std::vector<Candidate> candidates;
    for (const auto& part : snap.parts) {
      const PartIndex& index = part->index();
      std::vector<char> wanted(index.streams.size());
      for (size_t i = 0; i < wanted.size(); i++) {
        const LabelSet& l = index.streams[i].labels;
        wanted[i] = (search.service.empty() || l.get("service") == search.service) &&
                    (search.operation.empty() || l.get("name") == search.operation);
      }
      for (uint32_t b = 0; b < index.blocks.size(); b++) {
        const BlockInfo& info = index.blocks[b];
        if (info.max_time < search.from || info.min_time >= search.to) continue;
        if (std::any_of(info.streams.begin(), info.streams.end(),
                        [&](uint32_t s) { return wanted[s] != 0; })) {
          candidates.push_back({info.max_time, part.get(), b});
        }
      }
    }
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.max_time > b.max_time; });
    for (const Candidate& c : candidates) {
      SONDE_CHECK(cancel.check());
      auto newer =
          std::count_if(hits.begin(), hits.end(), [&](const auto& h) { return h.second > c.max_time; });
      if (static_cast<size_t>(newer) >= search.limit) break;
      SONDE_TRY(auto run, store_.block(*c.part, c.block));
      take(run);
    }
    std::vector<std::pair<EventTime, TraceId>> order;
    for (const auto& [id, t] : hits) order.emplace_back(t, id);
    std::sort(order.begin(), order.end(), std::greater<>());
    if (order.size() > search.limit) order.resize(search.limit);
    std::vector<storage::TraceSummary> out;
    for (const auto& [t, id] : order) {
      SONDE_TRY(auto spans, trace(scope, id, cancel));
      if (!spans.empty()) out.push_back(summarize(spans));
    }
    return out;
  }

  Result<> scan(const storage::Scope& scope, const storage::SpanSelect& select, const Cancellation& cancel,
                const std::function<bool(const Span&)>& visit) const override {
    auto take = [&](const Store::RunPtr& run) {
      for (const Span& s : run->events) {
        if (s.start < select.from || s.start >= select.to) continue;
        if (!select.service.empty() && s.service != select.service) continue;
        if (!select.attribute_key.empty() && !find_attribute(s.attributes, select.attribute_key)) continue;
        if (in_scope(scope, s) && !visit(s)) return false;
      }
      return true;
    };
    Store::Snapshot snap = store_.snapshot();
    for (const Store::RunPtr& run : snap.runs) {
      if (run->max_time >= select.from && run->min_time < select.to && !take(run)) return {};
    }
    for (const auto& part : snap.parts) {
      const PartIndex& index = part->index();
      for (uint32_t b = 0; b < index.blocks.size(); b++) {
        const BlockInfo& info = index.blocks[b];
        if (info.max_time < select.from || info.min_time >= select.to) continue;
        bool any =
            select.service.empty() || std::any_of(info.streams.begin(), info.streams.end(), [&](uint32_t s) {
              return index.streams[s].labels.get("service") == select.service;
            });
        if (!any) continue;
        SONDE_CHECK(cancel.check());
        SONDE_TRY(auto run, store_.block(*part, b));
        if (!take(run)) return {};
      }
    }
    return {};
  }

  storage::EventStats event_stats() const override { return store_.stats(); }
  Result<> apply_retention(Timestamp now) override { return store_.apply_retention(now); }

 private:
  static bool in_scope(const storage::Scope& scope, const Span& s) {
    return scope.enforced.empty() || all_match(scope.enforced, SpanTraits::stream(s));
  }

  Store store_;
};

}  // namespace

Result<std::unique_ptr<storage::SpanStore>> open_span_store(FileSystem& fs, const Clock& clock,
                                                            PartsOptions options) {
  auto store = std::make_unique<DiskSpanStore>(fs, clock, std::move(options));
  SONDE_CHECK(store->open());
  return store;
}

Result<> flush_now(storage::SpanStore& store) { return static_cast<DiskSpanStore&>(store).flush(); }
void commit_pending(storage::SpanStore& store) { static_cast<DiskSpanStore&>(store).commit_now(); }

bool span_matches(const Span& s, const storage::SpanSearch& search) {
  if (s.start < search.from || s.start >= search.to) return false;
  if (!search.service.empty() && s.service != search.service) return false;
  if (!search.operation.empty() && s.name != search.operation) return false;
  if (s.duration() < search.min_duration) return false;
  if (search.max_duration.ns > 0 && s.duration() > search.max_duration) return false;
  if (search.errors_only && s.status != SpanStatus::kError) return false;
  for (const auto& [key, value] : search.tags) {
    const AttributeValue* v = find_attribute(s.attributes, key);
    if (!v && s.resource) v = find_attribute(*s.resource, key);
    if (v ? v->to_text() != value
          : !(key == "error" && value == (s.status == SpanStatus::kError ? "true" : "false")))
      return false;
  }
  return true;
}

storage::TraceSummary summarize(const std::vector<Span>& spans) {
  storage::TraceSummary out;
  const Span* root = nullptr;
  EventTime end{INT64_MIN};
  std::map<std::string, size_t> services;
  std::set<SpanId> ids;
  for (const Span& s : spans) ids.insert(s.span_id);
  for (const Span& s : spans) {
    services[s.service]++;
    if (s.status == SpanStatus::kError) out.error_count++;
    end = std::max(end, s.end);
    if (out.span_count++ == 0 || s.start < out.start) out.start = s.start;
    // The root, or else the earliest span whose parent is not here.
    bool orphan = s.parent_id.empty() || !ids.contains(s.parent_id);
    if (orphan && (!root || (s.parent_id.empty() && !root->parent_id.empty()))) root = &s;
  }
  if (!root && !spans.empty()) root = &spans.front();
  if (root) {
    out.trace_id = root->trace_id;
    out.root_service = root->service;
    out.root_name = root->name;
  }
  out.duration = spans.empty() ? Duration{} : end - out.start;
  out.services.assign(services.begin(), services.end());
  return out;
}

}  // namespace sonde::parts

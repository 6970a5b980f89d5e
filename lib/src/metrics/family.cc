#include "metrics/family.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "expose/text.h"
#include "runtime/fork.h"
#include "runtime/lane.h"
#include "runtime/time.h"
#include "sonde/detail/metric_name.h"

namespace sonde::inline v1::detail {

namespace {

constinit std::atomic<FamilyState*> g_families{nullptr};
constinit std::mutex g_registry;
constinit std::atomic<uint64_t> g_conflicts{0};
constinit std::atomic<uint32_t> g_series_max{kSeriesMaxDefault};
constinit Series g_dead_series{};  // cell 0, no family

__extension__ using Uint128 = unsigned __int128;

// wyhash's mixing step; the table is bounded by the family's limit, so that collisions cannot hurt beyond it.
inline uint64_t mix(uint64_t a, uint64_t b) noexcept {
  auto product = static_cast<Uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t load8(const char* p) noexcept {
  uint64_t v;
  std::memcpy(&v, p, 8);
  return v;
}

inline uint64_t load4(const char* p) noexcept {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

constexpr uint64_t kSecret0 = 0xa0761d6478bd642fULL;
constexpr uint64_t kSecret1 = 0xe7037ed1a0b428dbULL;

inline uint64_t hash_text(uint64_t seed, std::string_view text) noexcept {
  const char* p = text.data();
  size_t n = text.size();
  uint64_t a = 0;
  uint64_t b = 0;
  if (n <= 16) {
    if (n >= 8) {
      a = load8(p);
      b = load8(p + n - 8);
    } else if (n >= 4) {
      a = load4(p);
      b = load4(p + n - 4);
    } else if (n > 0) {
      a = static_cast<uint64_t>(static_cast<unsigned char>(p[0])) << 16 |
          static_cast<uint64_t>(static_cast<unsigned char>(p[n >> 1])) << 8 |
          static_cast<unsigned char>(p[n - 1]);
    }
  } else {
    while (n > 16) {
      seed = mix(load8(p) ^ kSecret0, load8(p + 8) ^ seed);
      p += 16;
      n -= 16;
    }
    a = load8(p + n - 16);
    b = load8(p + n - 8);
  }
  return mix(a ^ kSecret1 ^ text.size(), b ^ seed ^ kSecret0);
}

inline bool key_equals(const Series& series, const std::string_view* values, size_t count) noexcept {
  const char* key = series.key;
  for (size_t i = 0; i < count; i++) {
    uint32_t size;
    std::memcpy(&size, key, 4);
    if (size != values[i].size()) return false;
    key += 4;
    if (size != 0 && std::memcmp(key, values[i].data(), size) != 0) return false;
    key += size;
  }
  return true;
}

SeriesNode* probe(const FamilyState& family, uint64_t hash, const std::string_view* values,
                  size_t count) noexcept {
  SeriesTable* table = family.table.load(std::memory_order_acquire);
  if (table == nullptr) return nullptr;
  for (uint64_t i = hash & table->mask;; i = (i + 1) & table->mask) {
    SeriesNode* node = table->slots()[i].load(std::memory_order_acquire);
    if (node == nullptr) return nullptr;
    if (node->hash == hash && key_equals(*node, values, count)) return node;
  }
}

SeriesTable* make_table(uint64_t slots) noexcept {
  // Zero bytes are empty slots.
  void* memory = std::calloc(1, sizeof(SeriesTable) + slots * sizeof(std::atomic<SeriesNode*>));
  if (memory == nullptr) return nullptr;
  auto* table = static_cast<SeriesTable*>(memory);
  table->mask = slots - 1;
  return table;
}

void place(SeriesTable& table, SeriesNode* node) noexcept {
  uint64_t i = node->hash & table.mask;
  while (table.slots()[i].load(std::memory_order_relaxed) != nullptr) i = (i + 1) & table.mask;
  table.slots()[i].store(node, std::memory_order_release);
}

// Under the registry's lock. Readers may still be in the old table, so it is kept: the sum of all is less
// than the newest.
bool make_room(FamilyState& family) noexcept {
  SeriesTable* table = family.table.load(std::memory_order_relaxed);
  uint32_t count = family.count.load(std::memory_order_relaxed);
  if (table != nullptr && (count + 1) * 2 <= table->mask + 1) return true;
  SeriesTable* larger = make_table(table == nullptr ? 8 : (table->mask + 1) * 2);
  if (larger == nullptr) return false;
  for (SeriesNode* n = family.first.load(std::memory_order_relaxed); n != nullptr;
       n = n->next.load(std::memory_order_relaxed)) {
    if (n != family.overflow.load(std::memory_order_relaxed)) place(*larger, n);
  }
  larger->smaller = table;
  family.table.store(larger, std::memory_order_release);
  return true;
}

SeriesNode* make_series(FamilyState& family, uint64_t hash, const std::string_view* values,
                        size_t count) noexcept {
  size_t key_size = 0;
  size_t labels_size = 0;
  for (size_t i = 0; i < count; i++) {
    key_size += 4 + values[i].size();
    labels_size += family.labels[i].size() + 4 + escaped_label_size(values[i]);
  }
  uint32_t cell = 0;
  if (family.kind == MetricKind::kHistogram) {
    cell = allocate_cells(family.layout.count + 2, CellKind::kInteger);
    if (cell != 0 && !family.layout.seconds) mark_cell(cell + family.layout.count + 1, CellKind::kReal);
  } else {
    cell = allocate_cells(1, family.kind == MetricKind::kGauge ? CellKind::kGauge : CellKind::kInteger);
  }
  if (cell == 0) return nullptr;
  void* memory = std::calloc(1, sizeof(SeriesNode) + key_size + labels_size + 1);
  if (memory == nullptr) return nullptr;  // the cells are lost; there are a million of them
  auto* node = new (memory) SeriesNode();
  node->family = &family;
  node->hash = hash;
  node->cell = cell;
  char* key = static_cast<char*>(memory) + sizeof(SeriesNode);
  char* labels = key + key_size;
  node->key = key;
  node->key_size = static_cast<uint32_t>(key_size);
  node->labels = labels;
  char* out = labels;
  for (size_t i = 0; i < count; i++) {
    auto size = static_cast<uint32_t>(values[i].size());
    std::memcpy(key, &size, 4);
    if (size != 0) std::memcpy(key + 4, values[i].data(), size);
    key += 4 + size;
    if (i != 0) *out++ = ',';
    out = copy(out, family.labels[i]);
    out = copy(out, "=\"");
    out = escape_label(out, values[i]);
    *out++ = '"';
  }
  node->labels_size = static_cast<uint32_t>(out - labels);
  return node;
}

void append(FamilyState& family, SeriesNode* node) noexcept {
  if (family.last == nullptr) {
    family.first.store(node, std::memory_order_release);
  } else {
    family.last->next.store(node, std::memory_order_release);
  }
  family.last = node;
}

uint32_t series_max(const FamilyState& family) noexcept {
  return family.max_series != 0 ? family.max_series : g_series_max.load(std::memory_order_relaxed);
}

SeriesNode* make_overflow(FamilyState& family) noexcept {
  std::lock_guard lock(g_registry);
  if (SeriesNode* made = family.overflow.load(std::memory_order_relaxed); made != nullptr) return made;
  std::string_view values[16];
  for (auto& value : values) value = kOverflowValue;
  SeriesNode* node = make_series(family, 0, values, family.label_count);
  if (node == nullptr) return nullptr;
  family.overflow_cell.store(allocate_cells(1, CellKind::kInteger), std::memory_order_relaxed);
  family.overflow.store(node, std::memory_order_release);
  append(family, node);
  return node;
}

Series* overflow_series(FamilyState& family) noexcept {
  SeriesNode* node = family.overflow.load(std::memory_order_acquire);
  if (node == nullptr) node = make_overflow(family);
  if (node == nullptr) return &g_dead_series;
  add(family.overflow_cell.load(std::memory_order_relaxed), 1);
  return node;
}

Series* insert(FamilyState& family, uint64_t hash, const std::string_view* values, size_t count) noexcept {
  {
    std::lock_guard lock(g_registry);
    if (SeriesNode* node = probe(family, hash, values, count); node != nullptr) return node;
    uint32_t used = family.count.load(std::memory_order_relaxed);
    if (used < series_max(family) && make_room(family)) {
      if (SeriesNode* node = make_series(family, hash, values, count); node != nullptr) {
        place(*family.table.load(std::memory_order_relaxed), node);
        append(family, node);
        family.count.store(used + 1, std::memory_order_release);
        return node;
      }
    }
  }
  return overflow_series(family);
}

bool same_shape(const FamilyState& a, const FamilySpec& b) noexcept {
  if (a.kind != b.kind || a.label_count != b.label_count || a.layout.count != b.bound_count) return false;
  for (size_t i = 0; i < b.label_count; i++) {
    if (a.labels[i] != b.labels[i]) return false;
  }
  for (size_t i = 0; i < b.bound_count; i++) {
    if (a.layout.bounds[i] != b.bounds[i]) return false;
  }
  return true;
}

FamilyState* find_family(std::string_view name) noexcept {
  for (FamilyState* f = g_families.load(std::memory_order_acquire); f != nullptr;
       f = f->next.load(std::memory_order_acquire)) {
    if (f->name == name) return f;
  }
  return nullptr;
}

// A family may not be named like one of the lines of another one: x_bucket beside the histogram x.
bool collides(std::string_view name, MetricKind kind) noexcept {
  for (FamilyState* f = first_family(); f != nullptr; f = f->next.load(std::memory_order_acquire)) {
    for (std::string_view suffix : {"_bucket", "_count", "_sum", "_total"}) {
      bool theirs = suffix != "_total" && f->kind == MetricKind::kHistogram;
      bool ours = suffix != "_total" && kind == MetricKind::kHistogram;
      // OpenMetrics names the counter family x_total "x".
      if (suffix == "_total") {
        ours = f->kind == MetricKind::kCounter;
        theirs = kind == MetricKind::kCounter;
      }
      if (theirs && name.size() == f->name.size() + suffix.size() && name.starts_with(f->name) &&
          name.ends_with(suffix)) {
        return true;
      }
      if (ours && f->name.size() == name.size() + suffix.size() && f->name.starts_with(name) &&
          f->name.ends_with(suffix)) {
        return true;
      }
    }
  }
  return false;
}

bool well_formed(const FamilySpec& spec) noexcept {
  if (!is_metric_name(spec.name) || spec.label_count > 16 || spec.bound_count > kBucketsMax) return false;
  if (spec.kind != MetricKind::kCounter && has_reserved_suffix(spec.name)) return false;
  for (size_t i = 0; i < spec.label_count; i++) {
    if (!is_label_name(spec.labels[i]) || is_reserved_label(spec.labels[i])) return false;
    for (size_t j = 0; j < i; j++) {
      if (spec.labels[i] == spec.labels[j]) return false;
    }
  }
  return true;
}

// Strings are copied behind the state, as those of run-time families do not outlive the call.
FamilyState* make_family(const FamilySpec& spec) noexcept {
  size_t text = spec.name.size() + spec.help.size();
  for (size_t i = 0; i < spec.label_count; i++) text += spec.labels[i].size();
  void* memory = std::calloc(1, sizeof(FamilyState) + spec.label_count * sizeof(std::string_view) + text);
  if (memory == nullptr) return nullptr;
  auto* family = new (memory) FamilyState();
  auto* labels = reinterpret_cast<std::string_view*>(family + 1);
  char* out = reinterpret_cast<char*>(labels + spec.label_count);
  auto keep = [&out](std::string_view s) {
    char* at = out;
    out = copy(out, s);
    return std::string_view(at, s.size());
  };
  family->name = keep(spec.name);
  family->help = keep(spec.help);
  for (size_t i = 0; i < spec.label_count; i++) new (&labels[i]) std::string_view(keep(spec.labels[i]));
  family->labels = labels;
  family->label_count = static_cast<uint32_t>(spec.label_count);
  family->kind = spec.kind;
  family->max_series = spec.max_series;
  family->layout.count = static_cast<uint32_t>(spec.bound_count);
  family->layout.seconds = spec.kind == MetricKind::kHistogram && spec.name.ends_with("_seconds");
  for (size_t i = 0; i < spec.bound_count; i++) {
    double bound = spec.bounds[i];
    family->layout.bounds[i] = bound;
    double ns = bound * 1e9;
    family->layout.bounds_ns[i] = ns >= 9.2e18    ? INT64_MAX
                                  : ns <= -9.2e18 ? INT64_MIN
                                                  : static_cast<int64_t>(ns < 0 ? ns - 0.5 : ns + 0.5);
    *write_le(family->le[i], bound) = '\0';
  }
  std::memcpy(family->le[spec.bound_count], "+Inf", 5);
  return family;
}

}  // namespace

FamilyState* first_family() noexcept { return g_families.load(std::memory_order_acquire); }
std::mutex& registry_mutex() noexcept { return g_registry; }
uint64_t conflict_count() noexcept { return g_conflicts.load(std::memory_order_relaxed); }
void count_conflict() noexcept { g_conflicts.fetch_add(1, std::memory_order_relaxed); }
void set_default_series_max(uint32_t n) noexcept { g_series_max.store(n == 0 ? kSeriesMaxDefault : n); }
void lock_registry_for_fork() noexcept { g_registry.lock(); }
void unlock_registry_after_fork() noexcept { g_registry.unlock(); }

FamilyState* register_family(const FamilySpec& spec) noexcept {
  ensure_runtime();
  std::lock_guard lock(g_registry);
  if (FamilyState* family = find_family(spec.name); family != nullptr) {
    if (same_shape(*family, spec)) return family;
    count_conflict();
    return nullptr;
  }
  if (!well_formed(spec) || collides(spec.name, spec.kind)) {
    count_conflict();
    return nullptr;
  }
  FamilyState* family = make_family(spec);
  if (family == nullptr) return nullptr;
  family->next.store(g_families.load(std::memory_order_relaxed), std::memory_order_relaxed);
  g_families.store(family, std::memory_order_release);
  return family;
}

FamilyState* FamilyRef::attach() noexcept {
  if (refused_.load(std::memory_order_relaxed)) return nullptr;
  FamilyState* family = register_family(spec_);
  if (family == nullptr) refused_.store(true, std::memory_order_relaxed);
  state_.store(family, std::memory_order_release);
  return family;
}

const BucketLayout* bucket_layout(const FamilyState* family) noexcept {
  return family == nullptr ? nullptr : &family->layout;
}

Series* find_series(FamilyState* family, const std::string_view* values, size_t count) noexcept {
  if (family == nullptr || count != family->label_count) return &g_dead_series;
  uint64_t hash = reinterpret_cast<uintptr_t>(family);
  size_t bytes = 0;
  for (size_t i = 0; i < count; i++) {
    hash = hash_text(hash, values[i]);
    bytes += values[i].size();
  }
  CacheEntry* cache = t_thread.cache;
  if (cache == nullptr) [[unlikely]] {
    lane_of_thread();
    cache = t_thread.cache;
  }
  CacheEntry* entry = nullptr;
  if (cache != nullptr) [[likely]] {
    entry = &cache[hash % kCacheEntries];
    if (entry->hash == hash && entry->series != nullptr && entry->series->family == family &&
        key_equals(*entry->series, values, count)) [[likely]] {
      return entry->series;
    }
  }
  if (bytes > kKeyBytesMax) return overflow_series(*family);
  Series* series = probe(*family, hash, values, count);
  if (series == nullptr) {
    // A full family takes no lock for the label sets that it turns away.
    if (family->count.load(std::memory_order_acquire) >= series_max(*family)) return overflow_series(*family);
    series = insert(*family, hash, values, count);
    if (series == family->overflow.load(std::memory_order_relaxed) || series == &g_dead_series) return series;
  }
  if (entry != nullptr) *entry = {hash, series};
  return series;
}

namespace {
// The slots lie behind it.
struct ExemplarSet {
  uint64_t count;
  ExemplarSlot* slots() noexcept { return reinterpret_cast<ExemplarSlot*>(this + 1); }
};

ExemplarSet* exemplar_set(Series& series) noexcept {
  void* set = series.exemplars.load(std::memory_order_acquire);
  if (set != nullptr) return static_cast<ExemplarSet*>(set);
  const FamilyState& family = *series.family;
  uint32_t count = family.kind == MetricKind::kHistogram ? family.layout.count + 1 : 1;
  void* made = std::calloc(1, sizeof(ExemplarSet) + count * sizeof(ExemplarSlot));
  if (made == nullptr) return nullptr;
  static_cast<ExemplarSet*>(made)->count = count;
  if (series.exemplars.compare_exchange_strong(set, made, std::memory_order_acq_rel)) {
    return static_cast<ExemplarSet*>(made);
  }
  std::free(made);
  return static_cast<ExemplarSet*>(set);
}
}  // namespace

// Keeps the largest value of the last second, and the newest after that.
void note_exemplar(Series* series, uint32_t slot, double value) noexcept {
  if (series == nullptr || series->family == nullptr) return;
  ExemplarSet* set = exemplar_set(*series);
  if (set == nullptr || slot >= set->count) return;
  ExemplarSlot& s = set->slots()[slot];
  int64_t now_ms = coarse_unix_ns() / 1'000'000;
  uint32_t sequence = s.sequence.load(std::memory_order_relaxed);
  if (sequence != 0) {
    int64_t age = now_ms - static_cast<int64_t>(s.unix_ms.load(std::memory_order_relaxed));
    if (age >= 0 && age < 1000 && value <= std::bit_cast<double>(s.value.load(std::memory_order_relaxed)))
      return;
  }
  if ((sequence & 1) != 0 ||
      !s.sequence.compare_exchange_strong(sequence, sequence + 1, std::memory_order_acquire)) {
    return;  // another thread is writing: its exemplar is as good
  }
  const TraceSlot& trace = t_thread.trace;
  // Release stores, so that a reader that sees one of them sees the odd sequence number too.
  s.trace_high.store(trace.trace_high, std::memory_order_release);
  s.trace_low.store(trace.trace_low, std::memory_order_release);
  s.span_id.store(trace.span_id, std::memory_order_release);
  s.value.store(std::bit_cast<uint64_t>(value), std::memory_order_release);
  s.unix_ms.store(static_cast<uint64_t>(now_ms), std::memory_order_release);
  s.sequence.store(sequence + 2 == 0 ? 2 : sequence + 2, std::memory_order_release);
}

bool read_exemplar(const Series& series, uint32_t slot, ExemplarValue& out) noexcept {
  auto* set = static_cast<ExemplarSet*>(series.exemplars.load(std::memory_order_acquire));
  if (set == nullptr || slot >= set->count) return false;
  const ExemplarSlot& s = set->slots()[slot];
  for (int attempt = 0; attempt < 4; attempt++) {
    uint32_t before = s.sequence.load(std::memory_order_acquire);
    if (before == 0) return false;
    if ((before & 1) != 0) continue;
    out.trace_high = s.trace_high.load(std::memory_order_acquire);
    out.trace_low = s.trace_low.load(std::memory_order_acquire);
    out.span_id = s.span_id.load(std::memory_order_acquire);
    out.value = std::bit_cast<double>(s.value.load(std::memory_order_acquire));
    out.unix_ms = static_cast<int64_t>(s.unix_ms.load(std::memory_order_acquire));
    if (s.sequence.load(std::memory_order_relaxed) == before) return true;
  }
  return false;
}

}  // namespace sonde::inline v1::detail

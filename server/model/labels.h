// Label sets: the identity of series, log streams, alerts and resources.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde {

inline constexpr std::string_view kMetricName = "__name__";

struct LabelView {
  std::string_view name;
  std::string_view value;
  auto operator<=>(const LabelView&) const = default;
};

// Sorted by name, names unique, no empty values: an empty value means that the label is absent. Immutable;
// one canonical encoding (varint length, bytes, for name and value in turn) and one 64-bit hash of it. Copies
// share the bytes. Views into it live as long as any copy does. Threads: safe to share.
class LabelSet {
 public:
  LabelSet() = default;
  LabelSet(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);
  // Sorts; drops empty values; of equal names the last one wins.
  static LabelSet from(std::vector<std::pair<std::string, std::string>> labels);
  // `encoded` must be canonical (as from `encoded()`); empty on malformed input is not checked here.
  static LabelSet from_encoded(std::string encoded);

  class Iterator {
   public:
    using value_type = LabelView;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(const char* at, const char* end);
    LabelView operator*() const { return current_; }
    const LabelView* operator->() const { return &current_; }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator old = *this;
      ++*this;
      return old;
    }
    bool operator==(const Iterator& o) const { return at_ == o.at_; }

   private:
    void decode();
    const char* at_ = nullptr;    // start of the current label
    const char* next_ = nullptr;  // start of the one after it
    const char* end_ = nullptr;
    LabelView current_;
  };
  Iterator begin() const;
  Iterator end() const;

  size_t count() const { return rep_ ? rep_->count : 0; }
  bool empty() const { return count() == 0; }
  // Empty when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const { return !get(name).empty(); }
  std::string_view metric_name() const { return get(kMetricName); }
  uint64_t hash() const { return rep_ ? rep_->hash : 0; }
  std::string_view encoded() const { return rep_ ? std::string_view(rep_->bytes) : std::string_view(); }

  LabelSet without_name() const;
  // {a="b", c="d"} or name{a="b"}; names that are not legacy identifiers are quoted, as Prometheus prints
  // them.
  std::string to_string() const;

  bool operator==(const LabelSet& o) const {
    return rep_ == o.rep_ || (hash() == o.hash() && encoded() == o.encoded());
  }
  // By name, then value, label for label; a prefix comes first (Prometheus's labels.Compare).
  std::strong_ordering operator<=>(const LabelSet& o) const;

 private:
  struct Rep {
    std::string bytes;
    uint64_t hash = 0;
    uint32_t count = 0;
  };
  std::shared_ptr<const Rep> rep_;
};

struct LabelSetHash {
  size_t operator()(const LabelSet& s) const { return static_cast<size_t>(s.hash()); }
};

// Collects changes against a base, then makes a LabelSet. Setting an empty value deletes.
class LabelBuilder {
 public:
  LabelBuilder() = default;
  explicit LabelBuilder(const LabelSet& base);
  LabelBuilder& set(std::string_view name, std::string_view value);
  LabelBuilder& del(std::string_view name);
  std::string_view get(std::string_view name) const;
  // Keep only / drop the listed names.
  LabelBuilder& keep(const std::vector<std::string>& names);
  // Calls f(name, value) for each present label, in order of name.
  template <class F>
  void for_each(F&& f) const {
    for (const auto& [n, v] : labels_) f(std::string_view(n), std::string_view(v));
  }
  LabelSet build() const;

 private:
  std::vector<std::pair<std::string, std::string>> labels_;  // sorted by name
};

// [a-zA-Z_:][a-zA-Z0-9_:]* ; label names without the colon.
bool is_legacy_metric_name(std::string_view name);
bool is_legacy_label_name(std::string_view name);
bool is_valid_utf8(std::string_view text);
// Go's strconv.Quote: what Prometheus uses wherever it prints a string.
std::string quote(std::string_view text);
// 64-bit XXH3 of the bytes; the hash of every label set.
uint64_t hash_bytes(std::string_view bytes);

}  // namespace sonde

// YAML documents as a small node tree of our own: the only door to yaml-cpp.
//
// Bounds: document size, nesting depth, and the number of nodes after aliases are expanded, so that neither a
// deep nor a self-multiplying document costs more than its bytes. Merge keys (`<<`) are resolved here; a key
// that appears twice in one mapping is an error. Every node knows its file and line, and every error names
// them.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/time.h"
#include "config/secret.h"

namespace sonde::config {

struct Node;
using NodePtr = std::shared_ptr<const Node>;

enum class NodeKind : uint8_t { kNull, kScalar, kSequence, kMapping };

// Immutable once parsed; aliases share their target.
struct Node {
  struct Entry {
    std::string key;
    NodePtr key_node;  // where the key stands
    NodePtr value;     // never null; absent values are kNull nodes
  };

  NodeKind kind = NodeKind::kNull;
  bool plain = true;           // a scalar without quotes, block style or tag
  std::string text;            // kScalar; !!binary is already decoded
  std::vector<NodePtr> items;  // kSequence
  std::vector<Entry> entries;  // kMapping, in order of appearance, merged ones last
  int line = 0;                // 1-based
  int column = 0;
  uint64_t expanded_nodes = 1;  // with aliases counted as often as they are used
  std::shared_ptr<const std::string> file;

  bool is_null() const { return kind == NodeKind::kNull; }
  // Null when this is not a mapping or has no such key.
  const Node* find(std::string_view key) const;
  // kInvalid, with the file and line of this node.
  Error error(std::string message) const;
};

struct YamlLimits {
  size_t document_bytes_max = 16u << 20;
  int depth_max = 64;
  uint64_t nodes_max = 2'000'000;
};

// Parses one document; `file` only serves messages. An empty document is a null node. A second document in
// the same text is an error, because it would be ignored otherwise.
Result<NodePtr> parse_yaml(std::string_view text, std::string file, YamlLimits limits = {});

// Reads and parses; refuses a file above the size limit before reading it.
Result<NodePtr> read_yaml(FileSystem& fs, const std::string& path, YamlLimits limits = {});
// The file's text, bounded. What read_yaml uses.
Result<std::string> read_bounded(FileSystem& fs, const std::string& path, size_t bytes_max);

// Prometheus durations: "1h30m", "15s", "500ms", "1d", "1w", "1y", "0"; no fractions, units in descending
// order.
Result<Duration> parse_duration(std::string_view text);
// The same syntax back: "1m30s", "0s"; years and weeks only when they leave no rest.
std::string format_duration(Duration d);
// "10MB", "15MiB", "512KB", "0", "1.5GB": powers of 1024 whichever way they are written. May be negative.
Result<int64_t> parse_bytes(std::string_view text);
// "10MiB", "1GiB512MiB", "0B".
std::string format_bytes(int64_t bytes);

// Scalars by the rules of YAML 1.1 as Go reads it (yes/no/on/off are booleans).
Result<bool> node_bool(const Node& node);
Result<int64_t> node_int(const Node& node);
Result<uint64_t> node_uint(const Node& node);
Result<double> node_double(const Node& node);
Result<std::string> node_string(const Node& node);  // null is ""
Result<Duration> node_duration(const Node& node);
Result<std::vector<std::string>> node_strings(const Node& node);
Result<std::map<std::string, std::string>> node_string_map(const Node& node);

// Reads the keys of one mapping strictly: each key the caller asks for is known, every other one is an error
// in `finish`. The first failure sticks and later reads do nothing, so a caller reads all its keys and checks
// once. A null node reads as an empty mapping; null values leave the target at its default.
class MappingReader {
 public:
  // `what` names the mapping in messages: "scrape_configs entry".
  MappingReader(const Node& node, std::string what);

  void read(std::string_view key, std::string& out);
  void read(std::string_view key, bool& out);
  void read(std::string_view key, int64_t& out);
  void read(std::string_view key, uint64_t& out);
  void read(std::string_view key, double& out);
  void read(std::string_view key, Duration& out);
  void read(std::string_view key, Secret& out);
  void read(std::string_view key, std::vector<std::string>& out);
  void read(std::string_view key, std::map<std::string, std::string>& out);
  template <class T>
    requires(!std::same_as<T, std::string>)
  void read(std::string_view key, std::optional<T>& out) {
    if (const Node* n = find(key); n && !n->is_null()) {
      T value{};
      read(key, value);
      if (!error_) out = std::move(value);
    }
  }
  void read_bytes(std::string_view key, int64_t& out);

  // Calls f(node) → Result<> when the key is present and not null.
  template <class F>
  void with(std::string_view key, F&& f) {
    const Node* n = find(key);
    if (error_ || !n || n->is_null()) return;
    if (Result<> r = f(*n); !r) error_ = locate(std::move(r).error(), *n);
  }
  // Calls f(item) → Result<> for each item of a sequence; a null item is an error: "empty or null
  // <item_name>".
  template <class F>
  void each(std::string_view key, std::string_view item_name, F&& f) {
    with(key, [&](const Node& n) -> Result<> {
      SONDE_CHECK(check_sequence(n, key));
      for (const NodePtr& item : n.items) {
        if (item->is_null()) return fail(item->error("empty or null " + std::string(item_name)));
        if (Result<> r = f(*item); !r) return fail(locate(std::move(r).error(), *item));
      }
      return {};
    });
  }

  // Marks the key as known and returns its value; null when absent.
  const Node* find(std::string_view key);
  bool has(std::string_view key) { return find(key) != nullptr; }
  // The node to blame for a key: its value, or the mapping when the key is absent.
  const Node& at(std::string_view key);
  // Keeps the first failure, at the line of `node`.
  void set_error(const Node& node, std::string message);
  bool failed() const { return error_.has_value(); }
  // The first failure, or the first unknown key.
  Result<> finish();

 private:
  static Error locate(Error error, const Node& node);
  static Result<> check_sequence(const Node& node, std::string_view key);
  template <class T, class F>
  void convert(std::string_view key, T& out, F&& f);

  const Node& node_;
  std::string what_;
  std::set<std::string, std::less<>> known_;
  std::optional<Error> error_;
};

}  // namespace sonde::config

#include "config/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <istream>
#include <limits>
#include <span>
#include <streambuf>
#include <unordered_map>

#include "model/labels.h"

namespace sonde::config {

namespace {

// Reads from memory that somebody else owns.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* p = const_cast<char*>(text.data());  // only read from
    setg(p, p, p + text.size());
  }
};

Result<std::string> decode_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int bit_count = 0;
  size_t padding = 0;
  size_t symbols = 0;
  for (char c : text) {
    if (c == '\n' || c == '\r' || c == ' ') continue;
    symbols++;
    if (c == '=') {
      padding++;
      continue;
    }
    uint32_t v = 0;
    if (c >= 'A' && c <= 'Z') {
      v = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      v = static_cast<uint32_t>(c - 'a' + 26);
    } else if (c >= '0' && c <= '9') {
      v = static_cast<uint32_t>(c - '0' + 52);
    } else if (c == '+') {
      v = 62;
    } else if (c == '/') {
      v = 63;
    } else {
      return fail(ErrorCode::kInvalid, "!!binary value contains invalid base64 data");
    }
    if (padding > 0) return fail(ErrorCode::kInvalid, "!!binary value contains invalid base64 data");
    bits = bits << 6 | v;
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      out += static_cast<char>(bits >> bit_count & 0xff);
    }
  }
  if (symbols % 4 != 0 || padding > 2) {
    return fail(ErrorCode::kInvalid, "!!binary value contains invalid base64 data");
  }
  return out;
}

struct BuildFailure {
  Error error;
};

// Builds the tree from parser events. Failures leave through BuildFailure, which parse_yaml catches.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const std::string> file, YamlLimits limits)
      : file_(std::move(file)), limits_(limits) {}

  NodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = make(mark, NodeKind::kNull);
    // An empty item carries the place of whatever follows it; the first of a list stands where the list
    // starts.
    if (!stack_.empty() && stack_.back().node->kind == NodeKind::kSequence &&
        stack_.back().node->items.empty()) {
      node->line = stack_.back().node->line;
    }
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto it = anchors_.find(anchor);
    if (it == anchors_.end()) stop(mark, "an anchor contains itself");
    attach(it->second, mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    bool plain = tag == "?" || tag.empty();
    bool null =
        plain && (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL");
    auto node = make(mark, null ? NodeKind::kNull : NodeKind::kScalar);
    node->plain = plain;
    if (tag == "tag:yaml.org,2002:binary") {
      auto decoded = decode_base64(value);
      if (!decoded) stop(mark, decoded.error().message);
      node->text = *std::move(decoded);
    } else {
      node->text = value;
    }
    if (node->kind == NodeKind::kNull) node->text.clear();
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(make(mark, NodeKind::kSequence), anchor, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(make(mark, NodeKind::kMapping), anchor, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = 0;
    NodePtr key;  // waiting for its value
    std::vector<std::pair<NodePtr, YAML::Mark>> merges;
    std::unordered_map<std::string, int> lines;  // of the keys seen
  };

  std::shared_ptr<Node> make(const YAML::Mark& mark, NodeKind kind) {
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->line = mark.line + 1;
    node->column = mark.column + 1;
    node->file = file_;
    return node;
  }

  [[noreturn]] void stop(const YAML::Mark& mark, std::string message) {
    throw BuildFailure{Error{ErrorCode::kInvalid, std::move(message), *file_, mark.line + 1, 0}};
  }

  void open(std::shared_ptr<Node> node, YAML::anchor_t anchor, const YAML::Mark& mark) {
    if (static_cast<int>(stack_.size()) >= limits_.depth_max) {
      stop(mark, fmt::format("nested deeper than {} levels", limits_.depth_max));
    }
    stack_.push_back(Open{std::move(node), anchor, nullptr, {}, {}});
  }

  void close() {
    Open done = std::move(stack_.back());
    stack_.pop_back();
    for (auto& [source, mark] : done.merges) {
      if (source->kind == NodeKind::kMapping) {
        merge(done, *source);
      } else if (source->kind == NodeKind::kSequence &&
                 std::all_of(source->items.begin(), source->items.end(),
                             [](const NodePtr& n) { return n->kind == NodeKind::kMapping; })) {
        for (const NodePtr& item : source->items) merge(done, *item);
      } else {
        stop(mark, "map merge requires a mapping or a sequence of mappings as the value");
      }
    }
    count(*done.node);
    add(std::move(done.node), done.anchor);
  }

  static void merge(Open& into, const Node& from) {
    for (const Node::Entry& e : from.entries) {
      if (!into.lines.emplace(e.key, e.key_node->line).second) continue;
      into.node->expanded_nodes += e.value->expanded_nodes + 1;
      into.node->entries.push_back(e);
    }
  }

  void count(const Node& node) {
    if (node.expanded_nodes > limits_.nodes_max) {
      throw BuildFailure{Error{
          ErrorCode::kLimit,
          fmt::format("the document has more than {} values once aliases are expanded", limits_.nodes_max),
          *file_, node.line, 0}};
    }
  }

  void add(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    YAML::Mark mark;
    mark.line = node->line - 1;
    mark.column = node->column - 1;
    if (anchor != 0) anchors_[anchor] = node;
    attach(std::move(node), mark);
  }

  void attach(NodePtr node, const YAML::Mark& mark) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = stack_.back();
    if (top.node->kind == NodeKind::kSequence) {
      top.node->expanded_nodes += node->expanded_nodes;
      count(*top.node);
      top.node->items.push_back(std::move(node));
      return;
    }
    if (!top.key) {
      if (node->kind != NodeKind::kScalar && node->kind != NodeKind::kNull) {
        stop(mark, "a mapping key must be a plain value");
      }
      top.key = std::move(node);
      return;
    }
    NodePtr key = std::exchange(top.key, nullptr);
    if (key->plain && key->text == "<<") {
      top.merges.emplace_back(std::move(node), mark);
      return;
    }
    auto [it, fresh] = top.lines.emplace(key->text, key->line);
    if (!fresh) {
      throw BuildFailure{Error{ErrorCode::kInvalid,
                               fmt::format("key {} is already set at line {}", quote(key->text), it->second),
                               *file_, key->line, 0}};
    }
    top.node->expanded_nodes += node->expanded_nodes + 1;
    count(*top.node);
    std::string text = key->text;
    top.node->entries.push_back({std::move(text), std::move(key), std::move(node)});
  }

  std::shared_ptr<const std::string> file_;
  YamlLimits limits_;
  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, NodePtr> anchors_;
  NodePtr root_;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const Entry& e : entries) {
    if (e.key == key) return e.value.get();
  }
  return nullptr;
}

Error Node::error(std::string message) const {
  return Error{ErrorCode::kInvalid, std::move(message), file ? *file : std::string(), line, 0};
}

Result<NodePtr> parse_yaml(std::string_view text, std::string file, YamlLimits limits) {
  auto name = std::make_shared<const std::string>(std::move(file));
  if (text.size() > limits.document_bytes_max) {
    return fail(Error{ErrorCode::kLimit,
                      fmt::format("{} bytes long, the limit is {}", text.size(), limits.document_bytes_max),
                      *name, 0, 0});
  }
  try {
    ViewBuffer buffer(text);
    std::istream in(&buffer);
    YAML::Parser parser(in);
    TreeBuilder first(name, limits);
    NodePtr root;
    if (parser.HandleNextDocument(first)) root = first.root();
    TreeBuilder second(name, limits);
    if (parser.HandleNextDocument(second) && second.root() && !second.root()->is_null()) {
      return fail(
          second.root()->error("a second YAML document would be ignored; keep one document per file"));
    }
    if (!root) {
      auto empty = std::make_shared<Node>();
      empty->line = 1;
      empty->column = 1;
      empty->file = name;
      root = std::move(empty);
    }
    return root;
  } catch (const BuildFailure& e) {
    return fail(e.error);
  } catch (const YAML::Exception& e) {
    return fail(Error{ErrorCode::kInvalid, e.msg, *name, e.mark.is_null() ? 0 : e.mark.line + 1, 0});
  } catch (const std::exception& e) {
    return fail(Error{ErrorCode::kInvalid, std::string("not YAML: ") + e.what(), *name, 0, 0});
  }
}

Result<std::string> read_bounded(FileSystem& fs, const std::string& path, size_t bytes_max) {
  auto located = [&](Error e) {
    e.file = path;
    return fail(std::move(e));
  };
  auto file = fs.open(path, OpenMode::kRead);
  if (!file) return located(std::move(file).error());
  auto size = (*file)->size();
  if (!size) return located(std::move(size).error());
  if (*size > bytes_max) {
    return located(
        Error{ErrorCode::kLimit, fmt::format("{} bytes long, the limit is {}", *size, bytes_max), {}, 0, 0});
  }
  std::string text(*size, '\0');
  auto read = (*file)->read_at(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  if (!read) return located(std::move(read).error());
  text.resize(*read);
  return text;
}

Result<NodePtr> read_yaml(FileSystem& fs, const std::string& path, YamlLimits limits) {
  SONDE_TRY(std::string text, read_bounded(fs, path, limits.document_bytes_max));
  return parse_yaml(text, path, limits);
}

Result<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return fail(ErrorCode::kInvalid, "empty duration string");
  if (text == "0") return Duration{};
  struct Unit {
    std::string_view name;
    int64_t ms;
  };
  static constexpr Unit kUnits[] = {{"y", 365LL * 86400'000},
                                    {"w", 7LL * 86400'000},
                                    {"d", 86400'000},
                                    {"h", 3600'000},
                                    {"m", 60'000},
                                    {"s", 1000},
                                    {"ms", 1}};
  std::string_view rest = text;
  size_t next_unit = 0;
  int64_t total_ms = 0;
  constexpr int64_t kMaxMs = std::numeric_limits<int64_t>::max() / 1'000'000;
  while (!rest.empty()) {
    size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits])) digits++;
    size_t letters = digits;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') letters++;
    std::string_view unit = rest.substr(digits, letters - digits);
    size_t u = next_unit;
    while (u < std::size(kUnits) && kUnits[u].name != unit) u++;
    if (digits == 0 || u == std::size(kUnits)) {
      return fail(ErrorCode::kInvalid, "not a valid duration string: " + quote(text));
    }
    int64_t n = 0;
    auto r = std::from_chars(rest.data(), rest.data() + digits, n);
    if (r.ec != std::errc() || n > (kMaxMs - total_ms) / kUnits[u].ms) {
      return fail(ErrorCode::kInvalid, "duration out of range: " + quote(text));
    }
    total_ms += n * kUnits[u].ms;
    next_unit = u + 1;
    rest.remove_prefix(letters);
  }
  return Duration::milliseconds(total_ms);
}

std::string format_duration(Duration d) {
  int64_t ms = d.ms();
  if (ms == 0) return "0s";
  std::string out;
  if (ms < 0) {
    out = "-";
    ms = -ms;
  }
  auto part = [&](const char* unit, int64_t size, bool exact) {
    if (exact && ms % size != 0) return;
    if (int64_t n = ms / size; n > 0) {
      out += std::to_string(n) + unit;
      ms -= n * size;
    }
  };
  part("y", 365LL * 86400'000, true);
  part("w", 7LL * 86400'000, true);
  part("d", 86400'000, false);
  part("h", 3600'000, false);
  part("m", 60'000, false);
  part("s", 1000, false);
  part("ms", 1, false);
  return out;
}

Result<int64_t> parse_bytes(std::string_view text) {
  std::string_view rest = text;
  auto bad = [&](const char* why) { return fail(ErrorCode::kInvalid, std::string(why) + " " + quote(text)); };
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") return 0;
  if (rest.empty()) return bad("invalid size");
  double total = 0;
  while (!rest.empty()) {
    size_t n = 0;
    size_t digits = 0;
    size_t dots = 0;
    while (n < rest.size() && (is_digit(rest[n]) || rest[n] == '.')) {
      (rest[n] == '.' ? dots : digits)++;
      n++;
    }
    if (digits == 0 || dots > 1) return bad("invalid size");
    double value = 0;
    auto parsed = std::from_chars(rest.data(), rest.data() + n, value);
    if (parsed.ec != std::errc()) return bad("invalid size");
    rest.remove_prefix(n);
    size_t u = 0;
    while (u < rest.size() && !is_digit(rest[u]) && rest[u] != '.') u++;
    std::string_view unit = rest.substr(0, u);
    rest.remove_prefix(u);
    if (unit.empty()) return bad("missing unit in size");
    static constexpr std::string_view kPrefixes = "KMGTPE";
    double scale = 1;
    if (unit != "B") {
      size_t power = kPrefixes.find(unit[0]);
      std::string_view tail = unit.substr(1);
      if (power == std::string_view::npos || (tail != "B" && tail != "iB"))
        return bad("unknown unit in size");
      scale = std::ldexp(1.0, 10 * (static_cast<int>(power) + 1));
    }
    total += value * scale;
  }
  if (total >= 9.2233720368547758e18) return bad("size out of range:");
  auto result = static_cast<int64_t>(total);
  return negative ? -result : result;
}

std::string format_bytes(int64_t bytes) {
  if (bytes == 0) return "0B";
  std::string out;
  uint64_t n = static_cast<uint64_t>(bytes);
  if (bytes < 0) {
    out = "-";
    n = ~n + 1;
  }
  static constexpr std::string_view kPrefixes = "KMGTPE";
  for (int power = 6; power >= 1; power--) {
    uint64_t size = uint64_t{1} << (10 * power);
    if (n >= size) {
      out += std::to_string(n / size) + kPrefixes[static_cast<size_t>(power - 1)] + "iB";
      n %= size;
    }
  }
  if (n > 0) out += std::to_string(n) + "B";
  return out;
}

namespace {
std::string describe(const Node& node) {
  switch (node.kind) {
    case NodeKind::kNull:
      return "nothing";
    case NodeKind::kScalar:
      return quote(node.text.size() > 64 ? node.text.substr(0, 64) + "…" : node.text);
    case NodeKind::kSequence:
      return "a list";
    case NodeKind::kMapping:
      return "a mapping";
  }
  return "nothing";
}

std::unexpected<Error> wrong_type(const Node& node, const char* wanted) {
  return fail(node.error(fmt::format("expected {}, got {}", wanted, describe(node))));
}
}  // namespace

Result<bool> node_bool(const Node& node) {
  if (node.is_null()) return false;
  if (node.kind == NodeKind::kScalar && node.plain) {
    for (const char* t : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"}) {
      if (node.text == t) return true;
    }
    for (const char* t : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"}) {
      if (node.text == t) return false;
    }
  }
  return wrong_type(node, "true or false");
}

namespace {
template <class T>
Result<T> parse_integer(const Node& node, const char* wanted) {
  if (node.is_null()) return T{0};
  if (node.kind != NodeKind::kScalar || !node.plain) return wrong_type(node, wanted);
  std::string digits;
  for (char c : node.text) {
    if (c != '_') digits += c;
  }
  std::string_view rest = digits;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  int base = 10;
  if (rest.starts_with("0x") || rest.starts_with("0X")) {
    base = 16;
    rest.remove_prefix(2);
  } else if (rest.starts_with("0b")) {
    base = 2;
    rest.remove_prefix(2);
  } else if (rest.starts_with("0o")) {
    base = 8;
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest[0] == '0') {
    base = 8;
    rest.remove_prefix(1);
  }
  uint64_t magnitude = 0;
  auto r = std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
  if (rest.empty() || r.ec != std::errc() || r.ptr != rest.data() + rest.size()) {
    // 1e3 and 5.0 are whole numbers too.
    double v = 0;
    auto d = std::from_chars(digits.data(), digits.data() + digits.size(), v);
    if (digits.empty() || d.ec != std::errc() || d.ptr != digits.data() + digits.size() ||
        v != std::floor(v) || std::fabs(v) > 9e15) {
      return wrong_type(node, wanted);
    }
    negative = v < 0;
    magnitude = static_cast<uint64_t>(std::fabs(v));
  }
  if constexpr (std::is_unsigned_v<T>) {
    if (negative && magnitude != 0) return wrong_type(node, wanted);
    return magnitude;
  } else {
    if (magnitude > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return wrong_type(node, wanted);
    auto v = static_cast<int64_t>(magnitude);
    return negative ? -v : v;
  }
}
}  // namespace

Result<int64_t> node_int(const Node& node) { return parse_integer<int64_t>(node, "a whole number"); }
Result<uint64_t> node_uint(const Node& node) {
  return parse_integer<uint64_t>(node, "a whole number that is not negative");
}

Result<double> node_double(const Node& node) {
  if (node.is_null()) return 0.0;
  if (node.kind != NodeKind::kScalar || !node.plain) return wrong_type(node, "a number");
  std::string_view t = node.text;
  if (t == ".inf" || t == "+.inf" || t == ".Inf" || t == "+.Inf")
    return std::numeric_limits<double>::infinity();
  if (t == "-.inf" || t == "-.Inf") return -std::numeric_limits<double>::infinity();
  if (t == ".nan" || t == ".NaN") return std::numeric_limits<double>::quiet_NaN();
  if (t.starts_with('+')) t.remove_prefix(1);
  double v = 0;
  auto r = std::from_chars(t.data(), t.data() + t.size(), v);
  if (t.empty() || r.ec != std::errc() || r.ptr != t.data() + t.size() || !std::isfinite(v)) {
    return wrong_type(node, "a number");
  }
  return v;
}

Result<std::string> node_string(const Node& node) {
  if (node.is_null()) return std::string();
  if (node.kind != NodeKind::kScalar) return wrong_type(node, "a text");
  return node.text;
}

Result<Duration> node_duration(const Node& node) {
  if (node.kind != NodeKind::kScalar) return wrong_type(node, "a duration such as 15s");
  auto d = parse_duration(node.text);
  if (!d) return fail(node.error(d.error().message));
  return *d;
}

Result<std::vector<std::string>> node_strings(const Node& node) {
  std::vector<std::string> out;
  if (node.is_null()) return out;
  if (node.kind == NodeKind::kScalar) return std::vector<std::string>{node.text};
  if (node.kind != NodeKind::kSequence) return wrong_type(node, "a list of texts");
  for (const NodePtr& item : node.items) {
    SONDE_TRY(std::string s, node_string(*item));
    out.push_back(std::move(s));
  }
  return out;
}

Result<std::map<std::string, std::string>> node_string_map(const Node& node) {
  std::map<std::string, std::string> out;
  if (node.is_null()) return out;
  if (node.kind != NodeKind::kMapping) return wrong_type(node, "a mapping of texts");
  for (const Node::Entry& e : node.entries) {
    SONDE_TRY(std::string s, node_string(*e.value));
    out.emplace(e.key, std::move(s));
  }
  return out;
}

MappingReader::MappingReader(const Node& node, std::string what) : node_(node), what_(std::move(what)) {
  if (node.kind != NodeKind::kMapping && !node.is_null()) {
    error_ = node.error(fmt::format("{} must be a mapping, got {}", what_, describe(node)));
  }
}

const Node* MappingReader::find(std::string_view key) {
  if (!known_.contains(key)) known_.emplace(key);
  return node_.find(key);
}

const Node& MappingReader::at(std::string_view key) {
  const Node* n = find(key);
  return n ? *n : node_;
}

template <class T, class F>
void MappingReader::convert(std::string_view key, T& out, F&& f) {
  const Node* n = find(key);
  if (error_ || !n || n->is_null()) return;
  auto r = f(*n);
  if (!r) {
    Error e = std::move(r).error();
    e.message = std::string(key) + ": " + e.message;
    error_ = locate(std::move(e), *n);
    return;
  }
  out = T(*std::move(r));
}

void MappingReader::read(std::string_view key, std::string& out) { convert(key, out, node_string); }
void MappingReader::read(std::string_view key, bool& out) { convert(key, out, node_bool); }
void MappingReader::read(std::string_view key, int64_t& out) { convert(key, out, node_int); }
void MappingReader::read(std::string_view key, uint64_t& out) { convert(key, out, node_uint); }
void MappingReader::read(std::string_view key, double& out) { convert(key, out, node_double); }
void MappingReader::read(std::string_view key, Duration& out) { convert(key, out, node_duration); }
void MappingReader::read(std::string_view key, std::vector<std::string>& out) {
  convert(key, out, node_strings);
}
void MappingReader::read(std::string_view key, std::map<std::string, std::string>& out) {
  convert(key, out, node_string_map);
}
void MappingReader::read(std::string_view key, Secret& out) {
  const Node* n = find(key);
  if (error_ || !n || n->is_null()) return;
  if (n->kind != NodeKind::kScalar) {
    error_ = n->error(std::string(key) + ": expected a text");
    return;
  }
  out = Secret(n->text);
}
void MappingReader::read_bytes(std::string_view key, int64_t& out) {
  convert(key, out, [](const Node& n) -> Result<int64_t> {
    SONDE_TRY(std::string text, node_string(n));
    auto v = parse_bytes(text);
    if (!v) return fail(n.error(v.error().message));
    return *v;
  });
}

void MappingReader::set_error(const Node& node, std::string message) {
  if (!error_) error_ = node.error(std::move(message));
}

Result<> MappingReader::finish() {
  if (error_) return fail(*error_);
  for (const Node::Entry& e : node_.entries) {
    if (!known_.contains(e.key)) {
      return fail(e.key_node->error(fmt::format("unknown key {} in {}", quote(e.key), what_)));
    }
  }
  return {};
}

Error MappingReader::locate(Error error, const Node& node) {
  if (error.file.empty() && error.line == 0) {
    error.file = node.file ? *node.file : std::string();
    error.line = node.line;
    error.column = 0;
  }
  return error;
}

Result<> MappingReader::check_sequence(const Node& node, std::string_view key) {
  if (node.kind != NodeKind::kSequence) return wrong_type(node, (std::string(key) + " to be a list").c_str());
  return {};
}

}  // namespace sonde::config

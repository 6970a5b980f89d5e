#include "model/labels.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace sonde {
namespace {

void append_varint(std::string& out, size_t n) {
  while (n >= 0x80) {
    out.push_back(static_cast<char>(n | 0x80));
    n >>= 7;
  }
  out.push_back(static_cast<char>(n));
}

std::string_view read_text(const char*& at, const char* end) {
  size_t n = 0;
  int shift = 0;
  while (at < end) {
    auto byte = static_cast<unsigned char>(*at++);
    n |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80 || shift > 56) break;
    shift += 7;
  }
  if (n > static_cast<size_t>(end - at)) n = static_cast<size_t>(end - at);
  std::string_view text(at, n);
  at += n;
  return text;
}

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

}  // namespace

uint64_t hash_bytes(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

LabelSet::LabelSet(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
  std::vector<std::pair<std::string, std::string>> copy(labels.begin(), labels.end());
  *this = from(std::move(copy));
}

LabelSet LabelSet::from(std::vector<std::pair<std::string, std::string>> labels) {
  auto by_name = [](const auto& a, const auto& b) { return a.first < b.first; };
  if (!std::is_sorted(labels.begin(), labels.end(), by_name)) {
    std::stable_sort(labels.begin(), labels.end(), by_name);
  }
  std::string bytes;
  for (size_t i = 0; i < labels.size(); i++) {
    if (i + 1 < labels.size() && labels[i].first == labels[i + 1].first) continue;
    if (labels[i].second.empty()) continue;
    append_varint(bytes, labels[i].first.size());
    bytes += labels[i].first;
    append_varint(bytes, labels[i].second.size());
    bytes += labels[i].second;
  }
  return from_encoded(std::move(bytes));
}

LabelSet LabelSet::from_encoded(std::string encoded) {
  LabelSet set;
  if (encoded.empty()) return set;
  auto rep = std::make_shared<Rep>();
  rep->bytes = std::move(encoded);
  rep->hash = hash_bytes(rep->bytes);
  const char* at = rep->bytes.data();
  const char* end = at + rep->bytes.size();
  while (at < end) {
    read_text(at, end);
    read_text(at, end);
    rep->count++;
  }
  set.rep_ = std::move(rep);
  return set;
}

LabelSet::Iterator::Iterator(const char* at, const char* end) : at_(at), next_(at), end_(end) { decode(); }

void LabelSet::Iterator::decode() {
  if (at_ == end_) return;
  const char* p = at_;
  current_.name = read_text(p, end_);
  current_.value = read_text(p, end_);
  next_ = p;
}

LabelSet::Iterator& LabelSet::Iterator::operator++() {
  at_ = next_;
  decode();
  return *this;
}

LabelSet::Iterator LabelSet::begin() const {
  auto e = encoded();
  return Iterator(e.data(), e.data() + e.size());
}
LabelSet::Iterator LabelSet::end() const {
  auto e = encoded();
  return Iterator(e.data() + e.size(), e.data() + e.size());
}

std::string_view LabelSet::get(std::string_view name) const {
  for (LabelView l : *this) {
    if (l.name == name) return l.value;
    if (l.name > name) break;
  }
  return {};
}

LabelSet LabelSet::without_name() const { return LabelBuilder(*this).del(kMetricName).build(); }

std::string LabelSet::to_string() const {
  std::string out;
  std::string_view name = metric_name();
  bool bare = !name.empty() && is_legacy_metric_name(name);
  if (bare) out += name;
  if (bare && count() == 1) return out;
  out += '{';
  bool first = true;
  if (!bare && !name.empty()) {
    out += quote(name);
    first = false;
  }
  for (LabelView l : *this) {
    if (l.name == kMetricName) continue;
    if (!first) out += ", ";
    first = false;
    out += is_legacy_label_name(l.name) ? std::string(l.name) : quote(l.name);
    out += '=';
    out += quote(l.value);
  }
  out += '}';
  return out;
}

std::strong_ordering LabelSet::operator<=>(const LabelSet& o) const {
  if (rep_ == o.rep_) return std::strong_ordering::equal;
  auto a = begin(), b = o.begin();
  for (; a != end() && b != o.end(); ++a, ++b) {
    if (auto c = a->name <=> b->name; c != 0) return c;
    if (auto c = a->value <=> b->value; c != 0) return c;
  }
  return count() <=> o.count();
}

LabelBuilder::LabelBuilder(const LabelSet& base) {
  labels_.reserve(base.count() + 2);
  for (LabelView l : base) labels_.emplace_back(l.name, l.value);
}

LabelBuilder& LabelBuilder::set(std::string_view name, std::string_view value) {
  if (value.empty()) return del(name);
  auto it = std::lower_bound(labels_.begin(), labels_.end(), name,
                             [](const auto& l, std::string_view n) { return l.first < n; });
  if (it != labels_.end() && it->first == name) {
    it->second = value;
  } else {
    labels_.emplace(it, name, value);
  }
  return *this;
}

LabelBuilder& LabelBuilder::del(std::string_view name) {
  std::erase_if(labels_, [&](const auto& l) { return l.first == name; });
  return *this;
}

std::string_view LabelBuilder::get(std::string_view name) const {
  auto it = std::lower_bound(labels_.begin(), labels_.end(), name,
                             [](const auto& l, std::string_view n) { return l.first < n; });
  return it != labels_.end() && it->first == name ? std::string_view(it->second) : std::string_view();
}

LabelBuilder& LabelBuilder::keep(const std::vector<std::string>& names) {
  std::erase_if(labels_,
                [&](const auto& l) { return std::find(names.begin(), names.end(), l.first) == names.end(); });
  return *this;
}

LabelSet LabelBuilder::build() const { return LabelSet::from(labels_); }

bool is_legacy_label_name(std::string_view name) {
  return !name.empty() && is_name_start(name[0]) && std::all_of(name.begin(), name.end(), is_name_char);
}

bool is_legacy_metric_name(std::string_view name) {
  return !name.empty() && (is_name_start(name[0]) || name[0] == ':') &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_name_char(c) || c == ':'; });
}

namespace {
// Length of the well-formed UTF-8 sequence at `s`, 0 when malformed (Unicode 15, table 3-7).
size_t utf8_length(std::string_view s, uint32_t& code_point) {
  auto byte = [&](size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  unsigned b0 = byte(0);
  auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  if (b0 < 0x80) {
    code_point = b0;
    return 1;
  }
  if (b0 >= 0xc2 && b0 <= 0xdf && tail(1)) {
    code_point = (b0 & 0x1f) << 6 | (byte(1) & 0x3f);
    return 2;
  }
  if (b0 >= 0xe0 && b0 <= 0xef && tail(1) && tail(2)) {
    code_point = (b0 & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    return code_point >= 0x800 && (code_point < 0xd800 || code_point > 0xdfff) ? 3 : 0;
  }
  if (b0 >= 0xf0 && b0 <= 0xf4 && tail(1) && tail(2) && tail(3)) {
    code_point = (b0 & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    return code_point >= 0x10000 && code_point <= 0x10ffff ? 4 : 0;
  }
  return 0;
}
}  // namespace

bool is_valid_utf8(std::string_view text) {
  uint32_t cp = 0;
  while (!text.empty()) {
    size_t n = utf8_length(text, cp);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

std::string quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    uint32_t cp = 0;
    size_t n = utf8_length(text, cp);
    auto c = static_cast<unsigned char>(text[0]);
    if (n == 0) {
      out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
      n = 1;
    } else if (c == '"' || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (n == 1 && (c < 0x20 || c == 0x7f)) {
      switch (c) {
        case '\a':
          out += "\\a";
          break;
        case '\b':
          out += "\\b";
          break;
        case '\f':
          out += "\\f";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        case '\v':
          out += "\\v";
          break;
        default:
          out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
      }
    } else if (cp == 0xfeff || (cp >= 0x80 && cp < 0xa0) || (cp >= 0x2028 && cp <= 0x2029)) {
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(cp >> shift) & 15];
    } else {
      out += text.substr(0, n);
    }
    text.remove_prefix(n);
  }
  return out + "\"";
}

}  // namespace sonde

#include "model/relabel.h"

#include <openssl/evp.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <optional>

namespace sonde {

namespace {

constexpr size_t kRegexBytesMax = 4096;
constexpr int64_t kRegexMemoryMax = 8 << 20;

struct ActionName {
  RelabelAction action;
  const char* name;
};
constexpr ActionName kActions[] = {
    {RelabelAction::kReplace, "replace"},     {RelabelAction::kKeep, "keep"},
    {RelabelAction::kDrop, "drop"},           {RelabelAction::kKeepEqual, "keepequal"},
    {RelabelAction::kDropEqual, "dropequal"}, {RelabelAction::kHashMod, "hashmod"},
    {RelabelAction::kLabelMap, "labelmap"},   {RelabelAction::kLabelDrop, "labeldrop"},
    {RelabelAction::kLabelKeep, "labelkeep"}, {RelabelAction::kLowercase, "lowercase"},
    {RelabelAction::kUppercase, "uppercase"},
};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool is_word_start(char c) { return is_word(c) && !(c >= '0' && c <= '9'); }
bool is_digits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Splits "$name" or "${name}" off the front of `rest`, which starts with '$'. Absent when it is not a
// reference.
std::optional<std::string_view> take_reference(std::string_view& rest) {
  bool braces = rest.size() > 1 && rest[1] == '{';
  size_t begin = braces ? 2 : 1;
  size_t end = begin;
  while (end < rest.size() && is_word(rest[end])) end++;
  if (end == begin) return std::nullopt;
  std::string_view name = rest.substr(begin, end - begin);
  if (braces) {
    if (end >= rest.size() || rest[end] != '}') return std::nullopt;
    end++;
  }
  rest.remove_prefix(end);
  return name;
}

// A label name made of literals and references: ^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$ under the legacy
// rules.
bool is_legacy_label_template(std::string_view text) {
  if (text.empty()) return false;
  bool first = true;
  while (!text.empty()) {
    if (text[0] == '$') {
      if (!take_reference(text)) return false;
    } else {
      if (first ? !is_word_start(text[0]) : !is_word(text[0])) return false;
      text.remove_prefix(1);
    }
    first = false;
  }
  return true;
}

// The lower 64 bits of the MD5 digest, read big-endian.
uint64_t md5_tail(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
  uint64_t v = 0;
  for (size_t i = 8; i < 16; i++) v = v << 8 | digest[i];
  return v;
}

// ASCII and Latin-1/Greek/Cyrillic letters, code point for code point; what has no simple counterpart stays.
std::string change_case(std::string_view text, bool upper) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      if (upper && c >= 'a' && c <= 'z') c = static_cast<unsigned char>(c - 32);
      if (!upper && c >= 'A' && c <= 'Z') c = static_cast<unsigned char>(c + 32);
      out += static_cast<char>(c);
      continue;
    }
    if ((c & 0xe0) != 0xc0 || i + 1 >= text.size()) {
      out += static_cast<char>(c);
      continue;
    }
    uint32_t cp = (c & 0x1fu) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fu);
    auto in = [&](uint32_t lo, uint32_t hi) { return cp >= lo && cp <= hi; };
    if (upper) {
      if (cp == 0xff) {
        cp = 0x178;
      } else if (in(0xe0, 0xfe) && cp != 0xf7) {
        cp -= 32;
      } else if ((in(0x3b1, 0x3c9) && cp != 0x3c2) || in(0x430, 0x44f)) {
        cp -= 32;
      } else if (cp == 0x3c2) {
        cp = 0x3a3;
      } else if (in(0x450, 0x45f)) {
        cp -= 80;
      } else if ((in(0x100, 0x137) && cp != 0x131) || in(0x14a, 0x177) || in(0x460, 0x481)) {
        cp &= ~1u;
      }
    } else {
      if (in(0xc0, 0xde) && cp != 0xd7) {
        cp += 32;
      } else if (cp == 0x178) {
        cp = 0xff;
      } else if ((in(0x391, 0x3a9) && cp != 0x3a2) || in(0x410, 0x42f)) {
        cp += 32;
      } else if (in(0x400, 0x40f)) {
        cp += 80;
      } else if ((in(0x100, 0x137) && cp != 0x130) || in(0x14a, 0x177) || in(0x460, 0x481)) {
        cp |= 1u;
      }
    }
    out += static_cast<char>(0xc0 | cp >> 6);
    out += static_cast<char>(0x80 | (cp & 0x3f));
  }
  return out;
}

}  // namespace

const char* to_string(RelabelAction action) {
  for (const ActionName& a : kActions) {
    if (a.action == action) return a.name;
  }
  return "replace";
}

Result<RelabelAction> relabel_action_from(std::string_view text) {
  std::string lower = change_case(text, false);
  for (const ActionName& a : kActions) {
    if (lower == a.name) return a.action;
  }
  return fail(ErrorCode::kInvalid, "unknown relabel action " + quote(text));
}

bool is_valid_label_name(std::string_view name, NameValidation names) {
  if (names == NameValidation::kLegacy) return is_legacy_label_name(name);
  return !name.empty() && is_valid_utf8(name);
}

bool is_valid_metric_name(std::string_view name, NameValidation names) {
  if (names == NameValidation::kLegacy) return is_legacy_metric_name(name);
  return !name.empty() && is_valid_utf8(name);
}

struct RelabelRule::Regex {
  re2::RE2 re;
  std::map<std::string, int> groups;
  bool is_default = false;  // (.*)

  Regex(const std::string& text, const re2::RE2::Options& options) : re(text, options) {
    if (re.ok()) groups = re.NamedCapturingGroups();
    is_default = text == "(.*)";
  }

  using Captures = std::vector<re2::StringPiece>;
  bool match(std::string_view text, Captures* captures) const {
    re2::StringPiece piece(text.data(), text.size());
    if (!captures) return re.Match(piece, 0, text.size(), re2::RE2::ANCHOR_BOTH, nullptr, 0);
    captures->resize(static_cast<size_t>(re.NumberOfCapturingGroups()) + 1);
    return re.Match(piece, 0, text.size(), re2::RE2::ANCHOR_BOTH, captures->data(),
                    static_cast<int>(captures->size()));
  }

  std::string expand(std::string_view text, const Captures& captures) const {
    std::string out;
    while (!text.empty()) {
      size_t dollar = text.find('$');
      out += text.substr(0, dollar);
      if (dollar == std::string_view::npos) break;
      text.remove_prefix(dollar);
      if (text.starts_with("$$")) {
        out += '$';
        text.remove_prefix(2);
        continue;
      }
      auto name = take_reference(text);
      if (!name) {  // malformed: the dollar sign stays
        out += '$';
        text.remove_prefix(1);
        continue;
      }
      size_t index = captures.size();
      if (is_digits(*name)) {
        if (name->size() < 6) index = static_cast<size_t>(std::stoi(std::string(*name)));
      } else if (auto it = groups.find(std::string(*name)); it != groups.end()) {
        index = static_cast<size_t>(it->second);
      }
      if (index < captures.size())
        out.append(captures[index].data() ? captures[index].data() : "", captures[index].size());
    }
    return out;
  }
};

Result<RelabelRule> RelabelRule::create(RelabelOptions options, NameValidation names) {
  using A = RelabelAction;
  auto bad = [](std::string message) { return fail(ErrorCode::kInvalid, std::move(message)); };
  const RelabelOptions defaults;
  const A action = options.action;
  const std::string name = to_string(action);

  if (options.regex.size() > kRegexBytesMax) {
    return bad("relabel regex is " + std::to_string(options.regex.size()) + " bytes long, the limit is " +
               std::to_string(kRegexBytesMax));
  }
  re2::RE2::Options re_options;
  re_options.set_log_errors(false);
  re_options.set_dot_nl(true);
  re_options.set_max_mem(kRegexMemoryMax);
  auto regex = std::make_shared<Regex>(options.regex, re_options);
  if (!regex->re.ok()) {
    return bad("error parsing regexp: " + regex->re.error() + ": `" + options.regex + "`");
  }

  auto valid_target = [&](std::string_view target) {
    return names == NameValidation::kUtf8 ? is_valid_label_name(target, names)
                                          : is_legacy_label_template(target);
  };
  for (const std::string& s : options.source_labels) {
    if (!is_valid_label_name(s, names)) return bad(quote(s) + " is not a valid label name");
  }
  if (options.modulus == 0 && action == A::kHashMod) {
    return bad("relabel configuration for hashmod requires non-zero modulus");
  }
  bool needs_target = action == A::kReplace || action == A::kKeepEqual || action == A::kDropEqual ||
                      action == A::kHashMod || action == A::kLowercase || action == A::kUppercase;
  if (needs_target && options.target_label.empty()) {
    return bad("relabel configuration for " + name + " action requires 'target_label' value");
  }
  if (action == A::kReplace && !valid_target(options.target_label)) {
    return bad(quote(options.target_label) + " is invalid 'target_label' for " + name + " action");
  }
  if ((action == A::kLowercase || action == A::kUppercase || action == A::kKeepEqual ||
       action == A::kDropEqual) &&
      options.replacement != defaults.replacement) {
    return bad("'replacement' can not be set for " + name + " action");
  }
  if ((action == A::kLowercase || action == A::kUppercase || action == A::kHashMod ||
       action == A::kKeepEqual || action == A::kDropEqual) &&
      !is_valid_label_name(options.target_label, names)) {
    return bad(quote(options.target_label) + " is invalid 'target_label' for " + name + " action");
  }
  if (action == A::kLabelMap && !valid_target(options.replacement)) {
    return bad(quote(options.replacement) + " is invalid 'replacement' for " + name + " action");
  }
  if (action == A::kKeepEqual || action == A::kDropEqual) {
    if (options.regex != defaults.regex || options.modulus != 0 || options.separator != defaults.separator ||
        options.replacement != defaults.replacement) {
      return bad(name + " action requires only 'source_labels' and `target_label`, and no other fields");
    }
  }
  if (action == A::kLabelDrop || action == A::kLabelKeep) {
    if (!options.source_labels.empty() || !options.target_label.empty() || options.modulus != 0 ||
        options.separator != defaults.separator || options.replacement != defaults.replacement) {
      return bad(name + " action requires only 'regex', and no other fields");
    }
  }

  RelabelRule rule;
  rule.options_ = std::move(options);
  rule.names_ = names;
  rule.regex_ = std::move(regex);
  return rule;
}

bool RelabelRule::apply(LabelBuilder& labels) const {
  std::string value;
  for (size_t i = 0; i < options_.source_labels.size(); i++) {
    if (i > 0) value += options_.separator;
    value += labels.get(options_.source_labels[i]);
  }
  switch (options_.action) {
    case RelabelAction::kDrop:
      return !regex_->match(value, nullptr);
    case RelabelAction::kKeep:
      return regex_->match(value, nullptr);
    case RelabelAction::kDropEqual:
      return labels.get(options_.target_label) != value;
    case RelabelAction::kKeepEqual:
      return labels.get(options_.target_label) == value;
    case RelabelAction::kReplace: {
      // The default expression copies the whole value.
      if (regex_->is_default && options_.replacement == "$1" &&
          options_.target_label.find('$') == std::string::npos) {
        labels.set(options_.target_label, value);
        return true;
      }
      Regex::Captures captures;
      if (!regex_->match(value, &captures)) return true;
      std::string target = regex_->expand(options_.target_label, captures);
      if (!is_valid_label_name(target, names_)) return true;
      labels.set(target, regex_->expand(options_.replacement, captures));
      return true;
    }
    case RelabelAction::kLowercase:
      labels.set(options_.target_label, change_case(value, false));
      return true;
    case RelabelAction::kUppercase:
      labels.set(options_.target_label, change_case(value, true));
      return true;
    case RelabelAction::kHashMod:
      labels.set(options_.target_label, std::to_string(md5_tail(value) % options_.modulus));
      return true;
    case RelabelAction::kLabelMap: {
      std::vector<std::pair<std::string, std::string>> additions;
      Regex::Captures captures;
      labels.for_each([&](std::string_view n, std::string_view v) {
        if (regex_->match(n, &captures))
          additions.emplace_back(regex_->expand(options_.replacement, captures), v);
      });
      for (const auto& [n, v] : additions) {
        if (!n.empty()) labels.set(n, v);
      }
      return true;
    }
    case RelabelAction::kLabelDrop:
    case RelabelAction::kLabelKeep: {
      bool drop = options_.action == RelabelAction::kLabelDrop;
      std::vector<std::string> gone;
      labels.for_each([&](std::string_view n, std::string_view) {
        if (regex_->match(n, nullptr) == drop) gone.emplace_back(n);
      });
      for (const std::string& n : gone) labels.del(n);
      return true;
    }
  }
  return true;
}

bool relabel(const RelabelRules& rules, LabelBuilder& labels) {
  return std::all_of(rules.begin(), rules.end(), [&](const RelabelRule& r) { return r.apply(labels); });
}

std::vector<RelabelStep> relabel_steps(const RelabelRules& rules, const LabelSet& labels) {
  std::vector<RelabelStep> out;
  LabelBuilder builder(labels);
  for (const RelabelRule& rule : rules) {
    bool keep = rule.apply(builder);
    out.push_back({keep ? builder.build() : LabelSet(), keep});
    if (!keep) break;
  }
  return out;
}

}  // namespace sonde

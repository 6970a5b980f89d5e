#include "app/flags.h"

#include <algorithm>
#include <charconv>

#include "config/yaml.h"

namespace sonde::app {
namespace {

bool is_ignored(const Flag& f) { return f.kind == FlagKind::kIgnored || f.kind == FlagKind::kIgnoredBool; }
bool is_bool(const Flag& f) { return f.kind == FlagKind::kBool || f.kind == FlagKind::kIgnoredBool; }

const Flag* find(const std::vector<Flag>& table, std::string_view name) {
  for (const Flag& f : table) {
    if (name == f.name) return &f;
  }
  return nullptr;
}

Result<> check(const Flag& flag, const std::string& value) {
  auto bad = [&](const std::string& what) {
    return fail(ErrorCode::kInvalid, "flag --" + std::string(flag.name) + ": \"" + value + "\" " + what);
  };
  if (flag.kind == FlagKind::kDuration) {
    auto d = config::parse_duration(value);
    if (!d) return bad("is not a duration such as 15s, 5m or 1h30m");
  }
  if (flag.kind == FlagKind::kNumber) {
    int64_t n = 0;
    auto r = std::from_chars(value.data(), value.data() + value.size(), n);
    if (r.ec != std::errc() || r.ptr != value.data() + value.size()) return bad("is not a whole number");
  }
  return {};
}

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); j++) row[j] = j;
  for (size_t i = 1; i <= a.size(); i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); j++) {
      size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& c : candidates) {
    size_t d = distance(word, c);
    if (d < best_distance) {
      best_distance = d;
      best = c;
    }
  }
  return best;
}

Result<FlagValues> FlagValues::parse(const std::vector<Flag>& table, const std::vector<std::string>& args) {
  FlagValues out;
  out.table_ = table;
  for (const Flag& f : table) {
    if (f.kind == FlagKind::kTexts) {
      if (*f.fallback) out.values_[f.name] = {f.fallback};
    } else {
      out.values_[f.name] = {f.fallback};
    }
  }
  for (size_t i = 0; i < args.size(); i++) {
    const std::string& arg = args[i];
    if (arg == "--") {
      out.positional_.insert(out.positional_.end(), args.begin() + static_cast<long>(i) + 1, args.end());
      break;
    }
    if (!arg.starts_with("--")) {
      out.positional_.push_back(arg);
      continue;
    }
    size_t equals = arg.find('=');
    std::string name = arg.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
    bool negated = false;
    const Flag* flag = find(table, name);
    if (!flag && name.starts_with("no-")) {
      flag = find(table, name.substr(3));
      negated = flag != nullptr && is_bool(*flag);
      if (!negated) flag = nullptr;
    }
    if (!flag) {
      std::vector<std::string> names;
      for (const Flag& f : table) names.emplace_back(f.name);
      std::string near = nearest(name, names);
      return fail(ErrorCode::kInvalid,
                  "unknown flag --" + name + (near.empty() ? "" : "; did you mean --" + near + "?"));
    }
    std::string value;
    if (is_bool(*flag)) {
      value = negated ? "false" : "true";
      if (equals != std::string::npos) {
        value = arg.substr(equals + 1);
        if (negated || (value != "true" && value != "false")) {
          return fail(ErrorCode::kInvalid,
                      "flag --" + name + ": expected true or false, not \"" + value + "\"");
        }
      }
    } else if (equals != std::string::npos) {
      value = arg.substr(equals + 1);
    } else if (i + 1 < args.size()) {
      value = args[++i];
    } else {
      return fail(ErrorCode::kInvalid, "flag --" + name + ": a value must follow");
    }
    if (is_ignored(*flag)) {
      out.ignored_.push_back(flag->name);
      continue;
    }
    SONDE_CHECK(check(*flag, value));
    auto& values = out.values_[flag->name];
    if (flag->kind != FlagKind::kTexts || !out.given_[flag->name]) values.clear();
    values.push_back(value);
    out.given_[flag->name] = true;
  }
  std::erase_if(out.given_, [](const auto& kv) { return !kv.second; });
  return out;
}

std::string FlagValues::text(std::string_view name) const {
  auto it = values_.find(std::string(name));
  return it == values_.end() || it->second.empty() ? "" : it->second.back();
}

std::vector<std::string> FlagValues::texts(std::string_view name) const {
  auto it = values_.find(std::string(name));
  return it == values_.end() ? std::vector<std::string>{} : it->second;
}

Duration FlagValues::duration(std::string_view name) const {
  auto d = config::parse_duration(text(name));
  return d ? *d : Duration{};
}

int64_t FlagValues::number(std::string_view name) const {
  std::string t = text(name);
  int64_t n = 0;
  std::from_chars(t.data(), t.data() + t.size(), n);
  return n;
}

std::vector<std::pair<std::string, std::string>> FlagValues::all() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Flag& f : table_) {
    if (is_ignored(f)) continue;
    std::string joined;
    for (const std::string& v : texts(f.name)) joined += (joined.empty() ? "" : ",") + v;
    out.emplace_back(f.name, joined);
  }
  return out;
}

std::string flag_help(std::string_view usage, std::string_view summary, const std::vector<Flag>& table) {
  std::string out = "usage: " + std::string(usage) + "\n\n" + std::string(summary) + "\n";
  std::string_view group = "\xff";
  for (const Flag& f : table) {
    if (is_ignored(f)) continue;
    if (group != f.group) {
      group = f.group;
      out += "\n" + std::string(group.empty() ? "Flags" : group) + "\n";
    }
    std::string left = std::string("  --") + (f.kind == FlagKind::kBool ? "[no-]" : "") + f.name;
    if (f.kind != FlagKind::kBool) left += "=" + std::string(*f.fallback ? f.fallback : "…");
    out += left;
    if (left.size() < 46) {
      out += std::string(46 - left.size(), ' ');
    } else {
      out += "\n" + std::string(46, ' ');
    }
    out += f.help;
    if (f.kind == FlagKind::kTexts) out += " (repeatable)";
    if (f.kind == FlagKind::kBool && std::string_view(f.fallback) == "true") out += " (on)";
    out += "\n";
  }
  return out;
}

}  // namespace sonde::app

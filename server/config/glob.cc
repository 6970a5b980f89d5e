#include "config/glob.h"

#include <fmt/format.h>

#include <algorithm>

namespace sonde::config {

namespace {

bool has_meta(std::string_view s) { return s.find_first_of("*?[\\") != std::string_view::npos; }

// Consumes one element of the pattern that is not '*' and tells whether `c` matches it.
Result<bool> match_one(std::string_view& pattern, char c) {
  auto bad = [] { return fail(ErrorCode::kInvalid, "syntax error in file name pattern"); };
  char p = pattern[0];
  pattern.remove_prefix(1);
  if (p == '?') return true;
  if (p == '\\') {
    if (pattern.empty()) return bad();
    p = pattern[0];
    pattern.remove_prefix(1);
    return p == c;
  }
  if (p != '[') return p == c;
  bool negated = pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool hit = false;
  bool first = true;
  auto take = [&](char& out) {
    if (pattern.starts_with('\\')) pattern.remove_prefix(1);
    if (pattern.empty()) return false;
    out = pattern[0];
    pattern.remove_prefix(1);
    return true;
  };
  while (first || !pattern.starts_with(']')) {
    first = false;
    if (pattern.empty() || pattern[0] == ']' || pattern[0] == '-') return bad();
    char lo = 0;
    if (!take(lo)) return bad();
    char hi = lo;
    if (pattern.starts_with('-')) {
      pattern.remove_prefix(1);
      if (pattern.empty() || pattern[0] == ']' || !take(hi)) return bad();
    }
    if (lo <= c && c <= hi) hit = true;
    if (pattern.empty()) return bad();
  }
  pattern.remove_prefix(1);
  return hit != negated;
}

}  // namespace

Result<bool> match_component(std::string_view pattern, std::string_view name) {
  // Check the whole pattern first, so that a malformed one is an error whatever the name is.
  for (std::string_view rest = pattern; !rest.empty();) {
    if (rest[0] == '*') {
      rest.remove_prefix(1);
      continue;
    }
    SONDE_CHECK(match_one(rest, 'x'));
  }
  // Greedy with one point of return: the last star.
  std::string_view star;
  std::string_view star_name;
  bool starred = false;
  while (true) {
    if (!pattern.empty() && pattern[0] == '*') {
      pattern.remove_prefix(1);
      star = pattern;
      star_name = name;
      starred = true;
      continue;
    }
    if (name.empty()) return pattern.empty();
    if (!pattern.empty()) {
      std::string_view rest = pattern;
      SONDE_TRY(bool hit, match_one(rest, name[0]));
      if (hit) {
        pattern = rest;
        name.remove_prefix(1);
        continue;
      }
    }
    if (!starred) return false;
    star_name.remove_prefix(1);
    name = star_name;
    pattern = star;
  }
}

Result<std::vector<std::string>> glob(const FileSystem& fs, const std::string& pattern, size_t paths_max) {
  if (!has_meta(pattern)) {
    if (fs.exists(pattern)) return std::vector<std::string>{pattern};
    return std::vector<std::string>{};
  }
  std::vector<std::string> found{pattern.starts_with('/') ? "/" : ""};
  std::string_view rest = pattern;
  while (!rest.empty()) {
    size_t slash = rest.find('/');
    std::string_view component = rest.substr(0, slash);
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    if (component.empty()) continue;
    std::vector<std::string> next;
    for (const std::string& base : found) {
      std::string prefix = base.empty() || base.ends_with('/') ? base : base + "/";
      if (!has_meta(component)) {
        std::string path = prefix + std::string(component);
        if (fs.exists(path)) next.push_back(std::move(path));
        continue;
      }
      auto names = fs.list(base.empty() ? "." : base);
      if (!names) names = std::vector<std::string>{};
      for (const std::string& name : *names) {
        SONDE_TRY(bool hit, match_component(component, name));
        if (!hit) continue;
        if (next.size() >= paths_max) {
          return fail(ErrorCode::kLimit,
                      fmt::format("pattern {} matches more than {} files", pattern, paths_max));
        }
        next.push_back(prefix + name);
      }
      if (names->empty()) SONDE_CHECK(match_component(component, ""));
    }
    found = std::move(next);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string resolve_path(std::string_view dir, std::string_view path) {
  if (path.empty() || path.starts_with('/') || dir.empty() || dir == ".") return std::string(path);
  std::string out(dir);
  if (!out.ends_with('/')) out += '/';
  while (path.starts_with("./")) path.remove_prefix(2);
  return out + std::string(path);
}

std::string directory_of(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return "";
  if (slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

}  // namespace sonde::config

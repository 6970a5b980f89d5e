// Names and units as Prometheus translates them: UnderscoreEscapingWithSuffixes (prometheus: otlptranslator).
#include <algorithm>
#include <vector>

#include "wire/otlp.h"

namespace sonde::wire {
namespace {

struct UnitName {
  std::string_view ucum;
  std::string_view word;
};
constexpr UnitName kUnits[] = {
    {"d", "days"},
    {"h", "hours"},
    {"min", "minutes"},
    {"s", "seconds"},
    {"ms", "milliseconds"},
    {"us", "microseconds"},
    {"ns", "nanoseconds"},
    {"By", "bytes"},
    {"KiBy", "kibibytes"},
    {"MiBy", "mebibytes"},
    {"GiBy", "gibibytes"},
    {"TiBy", "tibibytes"},
    {"KBy", "kilobytes"},
    {"MBy", "megabytes"},
    {"GBy", "gigabytes"},
    {"TBy", "terabytes"},
    {"m", "meters"},
    {"V", "volts"},
    {"A", "amperes"},
    {"J", "joules"},
    {"W", "watts"},
    {"g", "grams"},
    {"Cel", "celsius"},
    {"Hz", "hertz"},
    {"1", ""},
    {"%", "percent"},
};
constexpr UnitName kPerUnits[] = {{"s", "second"}, {"m", "minute"}, {"h", "hour"}, {"d", "day"},
                                  {"w", "week"},   {"mo", "month"}, {"y", "year"}};

template <size_t N>
std::string word_for(const UnitName (&table)[N], std::string_view unit) {
  for (const UnitName& u : table) {
    if (u.ucum == unit) return std::string(u.word);
  }
  return std::string(unit);
}

bool is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

// Runs of other characters become one underscore; none at the ends.
std::string cleaned(std::string_view unit) {
  std::string out;
  for (char c : unit) {
    if (is_alnum(c) || c == ':') {
      out += c;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  return out;
}

struct UnitWords {
  std::string main;
  std::string per;
};

UnitWords words_of(std::string_view unit) {
  UnitWords words;
  size_t slash = unit.find('/');
  std::string_view main = trimmed(unit.substr(0, slash));
  // Annotations in braces name what is counted, not a unit.
  if (main.find_first_of("{}") == std::string_view::npos) words.main = cleaned(word_for(kUnits, main));
  if (slash != std::string_view::npos) {
    std::string_view per = trimmed(unit.substr(slash + 1));
    if (!per.empty() && per.find_first_of("{}") == std::string_view::npos) {
      words.per = cleaned(word_for(kPerUnits, per));
    }
  }
  return words;
}

std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens(1);
  for (char c : text) {
    if (is_alnum(c) || c == ':') {
      tokens.back() += c;
    } else if (!tokens.back().empty()) {
      tokens.emplace_back();
    }
  }
  if (tokens.back().empty()) tokens.pop_back();
  return tokens;
}

bool contains(const std::vector<std::string>& tokens, std::string_view token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

}  // namespace

std::string otlp_unit(std::string_view unit) {
  UnitWords words = words_of(unit);
  if (words.per.empty()) return words.main;
  return words.main.empty() ? "per_" + words.per : words.main + "_per_" + words.per;
}

std::string otlp_metric_name(std::string_view name, std::string_view unit, MetricType type) {
  std::vector<std::string> tokens = tokens_of(name);
  UnitWords words = words_of(unit);
  if (!words.main.empty() && !contains(tokens, words.main)) tokens.push_back(words.main);
  if (!words.per.empty() && !contains(tokens, words.per)) {
    tokens.emplace_back("per");
    tokens.push_back(words.per);
  }
  auto last = [&](std::string_view token) {
    std::erase(tokens, token);
    tokens.emplace_back(token);
  };
  if (type == MetricType::kCounter) last("total");
  if (type == MetricType::kGauge && unit == "1") last("ratio");
  std::string out;
  for (const std::string& t : tokens) {
    if (!out.empty()) out += '_';
    out += t;
  }
  if (!out.empty() && out[0] >= '0' && out[0] <= '9') out.insert(0, 1, '_');
  return out;
}

std::string otlp_label_name(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  for (char c : name) {
    // Of a multi-byte character only the first byte counts.
    if ((static_cast<unsigned char>(c) & 0xc0) == 0x80) continue;
    out += is_alnum(c) ? c : '_';
  }
  if (out.empty()) return out;
  if (out[0] >= '0' && out[0] <= '9') return "key_" + out;
  if (out[0] == '_' && !out.starts_with("__")) return "key" + out;
  return out;
}

}  // namespace sonde::wire

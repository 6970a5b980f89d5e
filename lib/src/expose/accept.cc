#include "expose/accept.h"

namespace sonde::inline v1::detail {

namespace {

std::string_view trim(std::string_view s) noexcept {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::string_view take(std::string_view& rest, char separator) noexcept {
  size_t at = rest.find(separator);
  std::string_view item = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return trim(item);
}

bool equals(std::string_view a, std::string_view lower) noexcept {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// Thousandths; a malformed weight counts as 0.
int weight(std::string_view text) noexcept {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return 0;
  int q = (text[0] - '0') * 1000;
  if (text.size() == 1) return q;
  if (text[1] != '.') return 0;
  int unit = 100;
  for (char c : text.substr(2)) {
    if (c < '0' || c > '9' || unit == 0) return 0;
    q += (c - '0') * unit;
    unit /= 10;
  }
  return q > 1000 ? 1000 : q;
}

}  // namespace

bool prefers_openmetrics(std::string_view accept) noexcept {
  int openmetrics = -1;
  int text = -1;
  int text_specificity = -1;  // of the range that decided `text`: */* < text/* < text/plain
  while (!accept.empty()) {
    std::string_view range = take(accept, ',');
    std::string_view type = take(range, ';');
    int q = 1000;
    std::string_view version;
    while (!range.empty()) {
      std::string_view parameter = take(range, ';');
      std::string_view name = take(parameter, '=');
      std::string_view value = trim(parameter);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
      if (equals(name, "q")) q = weight(value);
      if (equals(name, "version")) version = value;
    }
    if (equals(type, "application/openmetrics-text")) {
      if (version.empty() || version == "1.0.0" || version == "0.0.1")
        openmetrics = q > openmetrics ? q : openmetrics;
      continue;
    }
    int specificity = equals(type, "text/plain") ? 2
                      : equals(type, "text/*")   ? 1
                      : equals(type, "*/*")      ? 0
                                                 : -1;
    if (specificity < 0) continue;
    if (specificity == 2 && !version.empty() && version != "0.0.4") continue;
    if (specificity > text_specificity) {
      text_specificity = specificity;
      text = q;
    } else if (specificity == text_specificity && q > text) {
      text = q;
    }
  }
  return openmetrics > 0 && openmetrics >= text;
}

}  // namespace sonde::inline v1::detail

#include "api/prometheus_parameters.h"

#include <charconv>
#include <cmath>
#include <optional>

#include "base/rfc3339.h"
#include "model/labels.h"
#include "promql/duration.h"
#include "promql/parser.h"

namespace sonde::api {
namespace {

constexpr std::string_view kMinTimeText = "-292273086-05-16T16:47:06Z";
constexpr std::string_view kMaxTimeText = "+292277025-08-18T07:12:54.999999999Z";

std::optional<double> parse_finite(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double v = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc() || end != text.data() + text.size() || !std::isfinite(v)) return std::nullopt;
  return v;
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 63));
    out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 63));
    out += static_cast<char>(0x80 | ((c >> 6) & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

}  // namespace

Error invalid_parameter(std::string_view name, std::string_view message) {
  return Error{
      ErrorCode::kInvalid, "invalid parameter " + quote(name) + ": " + std::string(message), {}, 0, 0};
}

Result<Timestamp> parse_time(std::string_view text) {
  if (auto seconds = parse_finite(text)) {
    double whole = 0;
    double fraction = std::modf(*seconds, &whole);
    if (std::abs(whole) < 2e15) {
      return Timestamp{static_cast<int64_t>(whole) * 1000 +
                       static_cast<int64_t>(std::round(fraction * 1000))};
    }
  } else if (auto t = parse_rfc3339(text)) {
    return t->to_timestamp();
  } else if (text == kMinTimeText) {
    return kEarliest;
  } else if (text == kMaxTimeText) {
    return kLatest;
  }
  return fail(ErrorCode::kInvalid, "cannot parse " + quote(text) + " to a valid timestamp");
}

Result<Duration> parse_duration_parameter(std::string_view text) {
  if (auto seconds = parse_finite(text)) {
    double ns = *seconds * 1e9;
    if (std::abs(ns) < 9.2e18) return Duration{static_cast<int64_t>(ns)};
    return fail(ErrorCode::kInvalid,
                "cannot parse " + quote(text) + " to a valid duration. It overflows int64");
  }
  auto ms = promql::parse_duration_ms(text);
  if (ms && *ms < INT64_MAX / 1'000'000) return Duration::milliseconds(*ms);
  return fail(ErrorCode::kInvalid, "cannot parse " + quote(text) + " to a valid duration");
}

Result<Timestamp> time_parameter(const net::Params& params, std::string_view name, Timestamp fallback) {
  std::string_view text = params.get_or(name, "");
  if (text.empty()) return fallback;
  auto t = parse_time(text);
  if (t) return *t;
  return fail(
      invalid_parameter(name, "invalid time value for '" + std::string(name) + "': " + t.error().message));
}

Result<size_t> limit_parameter(const net::Params& params) {
  std::string_view text = params.get_or("limit", "");
  if (text.empty()) return size_t{0};
  std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  int64_t n = 0;
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (ec == std::errc::result_out_of_range) {
    return fail(invalid_parameter("limit", "strconv.Atoi: parsing " + quote(text) + ": value out of range"));
  }
  if (ec != std::errc() || end != digits.data() + digits.size()) {
    return fail(invalid_parameter("limit", "strconv.Atoi: parsing " + quote(text) + ": invalid syntax"));
  }
  if (n < 0) return fail(invalid_parameter("limit", "limit must be non-negative"));
  return static_cast<size_t>(n);
}

Result<std::vector<Matchers>> match_parameters(const net::Params& params) {
  std::vector<Matchers> out;
  for (std::string_view text : params.all("match[]")) {
    auto matchers = promql::parse_selector(text);
    if (!matchers) return fail(invalid_parameter("match[]", matchers.error().message));
    bool selective = false;
    for (const Matcher& m : *matchers) selective = selective || !m.matches_empty();
    if (!selective) {
      return fail(invalid_parameter("match[]", "match[] must contain at least one non-empty matcher"));
    }
    out.push_back(std::move(*matchers));
  }
  return out;
}

Result<TimeRange> range_parameters(const net::Params& params) {
  TimeRange out;
  SONDE_TRY(out.from, time_parameter(params, "start", kEarliest));
  SONDE_TRY(out.to, time_parameter(params, "end", kLatest));
  return out;
}

Result<bool> bool_parameter(const net::Params& params, std::string_view name) {
  std::string_view text = params.get_or(name, "");
  if (text.empty()) return false;
  for (std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (std::string_view no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return fail(invalid_parameter(name, "error converting " + std::string(name) +
                                          ": strconv.ParseBool: parsing " + quote(text) +
                                          ": invalid syntax"));
}

std::string unescape_name(std::string_view name) {
  if (!name.starts_with("U__")) return std::string(name);
  std::string out;
  for (size_t i = 3; i < name.size(); i++) {
    if (name[i] != '_') {
      out += name[i];
      continue;
    }
    if (i + 1 < name.size() && name[i + 1] == '_') {
      out += '_';
      i++;
      continue;
    }
    size_t close = name.find('_', i + 1);
    uint32_t code = 0;
    std::string_view digits = close == std::string_view::npos ? "" : name.substr(i + 1, close - i - 1);
    auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    bool whole =
        !digits.empty() && digits.size() <= 6 && ec == std::errc() && end == digits.data() + digits.size();
    if (!whole || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::string(name);
    append_utf8(out, code);
    i = close;
  }
  return out;
}

}  // namespace sonde::api

#include "api/sonde_parameters.h"

#include <charconv>
#include <cmath>

#include "base/rfc3339.h"

namespace sonde::api {

namespace {

std::optional<double> number(std::string_view text) {
  double v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(v)) return std::nullopt;
  return v;
}

std::unexpected<Error> invalid(std::string_view name, std::string_view text, const char* want) {
  return fail(ErrorCode::kInvalid, "parameter " + std::string(name) + ": \"" +
                                       std::string(text.substr(0, 100)) + "\" is not " + want);
}

}  // namespace

Result<Timestamp> parse_time(std::string_view name, std::string_view text) {
  if (auto seconds = number(text)) {
    if (std::abs(*seconds) > 9e9) return invalid(name, text, "a time in the years 1684 to 2255");
    return Timestamp{std::llround(*seconds * 1000)};
  }
  if (auto t = parse_rfc3339(text)) return t->to_timestamp();
  return invalid(name, text, "a time: seconds since the epoch, or RFC 3339");
}

Result<Window> window_of(const net::Params& params, const Clock& clock) {
  Window w;
  w.end = clock.timestamp();
  if (auto text = params.get("end"); text && !text->empty()) {
    SONDE_TRY(w.end, parse_time("end", *text));
  }
  w.start = w.end - Duration::hours(1);
  if (auto text = params.get("start"); text && !text->empty()) {
    SONDE_TRY(w.start, parse_time("start", *text));
  }
  if (w.start > w.end) return fail(ErrorCode::kInvalid, "start is after end");
  if (w.length() > Duration::hours(24 * 3660)) {
    return fail(ErrorCode::kInvalid, "start and end are more than ten years apart");
  }
  return w;
}

Result<size_t> limit_of(const net::Params& params, size_t fallback, size_t most) {
  auto text = params.get("limit");
  if (!text || text->empty()) return fallback;
  auto v = number(*text);
  if (!v || *v < 1 || *v != std::floor(*v)) return invalid("limit", *text, "a whole number of at least 1");
  return *v > static_cast<double>(most) ? most : static_cast<size_t>(*v);
}

Result<Duration> seconds_of(const net::Params& params, std::string_view name) {
  auto text = params.get(name);
  if (!text || text->empty()) return Duration{};
  auto v = number(*text);
  if (!v || *v < 0 || *v > 1e9) return invalid(name, *text, "a number of seconds");
  return Duration{std::llround(*v * 1e9)};
}

bool flag_of(const net::Params& params, std::string_view name) {
  std::string_view v = params.get_or(name, "");
  return !v.empty() && v != "0" && v != "false";
}

}  // namespace sonde::api

#include "base/rfc3339.h"

#include <chrono>
#include <cstdio>

namespace sonde {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Reads exactly `digits` digits at `pos`; -1 when they are not there.
int number(std::string_view s, size_t& pos, int digits) {
  int v = 0;
  for (int i = 0; i < digits; i++) {
    if (pos >= s.size() || s[pos] < '0' || s[pos] > '9') return -1;
    v = v * 10 + (s[pos++] - '0');
  }
  return v;
}

bool take(std::string_view s, size_t& pos, std::string_view any) {
  if (pos >= s.size() || any.find(s[pos]) == std::string_view::npos) return false;
  pos++;
  return true;
}

}  // namespace

std::string to_rfc3339(EventTime t, int fraction_digits) {
  using namespace std::chrono;
  int64_t seconds_part = t.ns / kSecond;
  int64_t nanos = t.ns % kSecond;
  if (nanos < 0) {
    nanos += kSecond;
    seconds_part--;
  }
  sys_seconds s{seconds{seconds_part}};
  auto day = floor<days>(s);
  year_month_day ymd{day};
  hh_mm_ss hms{s - day};
  char buf[64];
  int n = std::snprintf(buf, sizeof buf, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(ymd.year()),
                        static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()),
                        static_cast<int>(hms.hours().count()), static_cast<int>(hms.minutes().count()),
                        static_cast<int>(hms.seconds().count()));
  std::string out(buf, static_cast<size_t>(n));
  if (fraction_digits > 0) {
    std::snprintf(buf, sizeof buf, ".%09lld", static_cast<long long>(nanos));
    out.append(buf, static_cast<size_t>(1 + (fraction_digits > 9 ? 9 : fraction_digits)));
  }
  return out + "Z";
}

std::optional<EventTime> parse_rfc3339(std::string_view s) {
  using namespace std::chrono;
  size_t pos = 0;
  int y = number(s, pos, 4);
  if (y < 1678 || y > 2261 || !take(s, pos, "-")) return std::nullopt;
  int mo = number(s, pos, 2);
  if (mo < 1 || !take(s, pos, "-")) return std::nullopt;
  int d = number(s, pos, 2);
  if (d < 1 || !take(s, pos, "Tt ")) return std::nullopt;
  int h = number(s, pos, 2);
  if (h < 0 || h > 23 || !take(s, pos, ":")) return std::nullopt;
  int mi = number(s, pos, 2);
  if (mi < 0 || mi > 59 || !take(s, pos, ":")) return std::nullopt;
  int sec = number(s, pos, 2);
  if (sec < 0 || sec > 60) return std::nullopt;
  int64_t nanos = 0;
  if (take(s, pos, ".,")) {
    int64_t unit = kSecond / 10;
    size_t first = pos;
    for (; pos < s.size() && s[pos] >= '0' && s[pos] <= '9'; pos++) {
      nanos += unit * (s[pos] - '0');
      unit /= 10;
    }
    if (pos == first) return std::nullopt;
  }
  int64_t offset = 0;
  if (!take(s, pos, "Zz")) {
    bool minus = pos < s.size() && s[pos] == '-';
    if (!take(s, pos, "+-")) return std::nullopt;
    int oh = number(s, pos, 2);
    if (oh < 0 || oh > 23 || !take(s, pos, ":")) return std::nullopt;
    int om = number(s, pos, 2);
    if (om < 0 || om > 59) return std::nullopt;
    offset = (oh * 60 + om) * 60 * (minus ? -1 : 1);
  }
  if (pos != s.size()) return std::nullopt;
  year_month_day ymd{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!ymd.ok()) return std::nullopt;
  int64_t days_since = sys_days{ymd}.time_since_epoch().count();
  int64_t total = days_since * 86400 + h * 3600 + mi * 60 + sec - offset;
  return EventTime{total * kSecond + nanos};
}

}  // namespace sonde

#include "api/prometheus_parameters.h"

#include <doctest/doctest.h>

using namespace sonde;
using namespace sonde::api;

TEST_CASE("prometheus parameters: times are seconds with a fraction, or RFC 3339") {
  auto ms = [](std::string_view text) {
    auto t = parse_time(text);
    return t ? t->ms : -1;
  };
  CHECK(ms("1435781451.781") == 1435781451781);
  CHECK(ms("0") == 0);
  CHECK(ms("1e9") == 1'000'000'000'000);
  CHECK(ms("-1.5") == -1500);
  CHECK(ms("123.0001") == 123'000);
  CHECK(ms("2015-06-03T13:21:58.555Z") == 1433337718555);
  CHECK(ms("2015-06-03T14:21:58.555+01:00") == 1433337718555);
  CHECK(parse_time("-292273086-05-16T16:47:06Z") == kEarliest);
  CHECK(parse_time("+292277025-08-18T07:12:54.999999999Z") == kLatest);
  for (std::string_view bad : {"", "foo", "30s", "NaN", "Inf", "1e300", "1 ", "2015-06-03"}) {
    INFO(bad);
    REQUIRE(!parse_time(bad));
    CHECK(parse_time(bad).error().message == "cannot parse " + quote(bad) + " to a valid timestamp");
  }
}

TEST_CASE("prometheus parameters: durations are seconds with a fraction, or units") {
  CHECK(parse_duration_parameter("1") == Duration::seconds(1));
  CHECK(parse_duration_parameter("0.5") == Duration::milliseconds(500));
  CHECK(parse_duration_parameter("5m") == Duration::minutes(5));
  CHECK(parse_duration_parameter("1h30m") == Duration::minutes(90));
  CHECK(parse_duration_parameter("-1") == Duration::seconds(-1));
  CHECK(parse_duration_parameter("1e30").error().message ==
        "cannot parse \"1e30\" to a valid duration. It overflows int64");
  for (std::string_view bad : {"", "foo", "5x", "NaN", "2015-06-03T13:21:58.555Z", "300y"}) {
    INFO(bad);
    REQUIRE(!parse_duration_parameter(bad));
    CHECK(parse_duration_parameter(bad).error().message ==
          "cannot parse " + quote(bad) + " to a valid duration");
  }
}

TEST_CASE("prometheus parameters: escaped names come back, all others stay") {
  CHECK(unescape_name("job") == "job");
  CHECK(unescape_name("U__my_2e_label") == "my.label");
  CHECK(unescape_name("U__a__b") == "a_b");
  CHECK(unescape_name("U___1f600_") == "\xf0\x9f\x98\x80");
  CHECK(unescape_name("U__") == "");
  for (std::string_view broken : {"U__a_", "U__a_zz_", "U__a_d800_", "U__a_110000_", "U__a_2e"}) {
    CHECK(unescape_name(broken) == broken);
  }
}

#include "base/rfc3339.h"

#include <doctest/doctest.h>

using namespace sonde;

TEST_CASE("rfc3339: prints and reads back, before and after the epoch") {
  for (int64_t ns :
       {int64_t{0}, int64_t{1'700'000'000'123'456'789}, int64_t{-1}, int64_t{-86'400'000'000'001}}) {
    CAPTURE(ns);
    auto back = parse_rfc3339(to_rfc3339({ns}, 9));
    REQUIRE(back);
    CHECK(back->ns == ns);
  }
  CHECK(to_rfc3339({1'700'000'000'123'456'789}) == "2023-11-14T22:13:20.123Z");
  CHECK(to_rfc3339({0}, 0) == "1970-01-01T00:00:00Z");
}

TEST_CASE("rfc3339: reads offsets, leap years and fractions of any length") {
  CHECK(parse_rfc3339("2024-02-29T00:30:00+01:00")->ns == parse_rfc3339("2024-02-28T23:30:00Z")->ns);
  CHECK(parse_rfc3339("2024-01-01 00:00:00.5Z")->ns % 1'000'000'000 == 500'000'000);
  CHECK(parse_rfc3339("2024-01-01T00:00:00.1234567891234Z")->ns % 1'000'000'000 == 123'456'789);
}

TEST_CASE("rfc3339: refuses what is no point in time") {
  for (const char* bad : {"", "2024", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00",
                          "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx", "2024-13-01T00:00:00Z",
                          "9999-01-01T00:00:00Z", "2024-01-01T00:00:00+0100"}) {
    CAPTURE(bad);
    CHECK(!parse_rfc3339(bad));
  }
}

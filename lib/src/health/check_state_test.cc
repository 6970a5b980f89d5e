#include "health/check_state.h"

#include <doctest/doctest.h>

using sonde::health::CheckState;
using sonde::health::Status;

namespace {

constexpr int64_t kMs = 1'000'000;

CheckState make(int fail_after, int recover_after) {
  return CheckState({.timeout_ns = 100 * kMs,
                     .every_ns = 1000 * kMs,
                     .fail_after = fail_after,
                     .recover_after = recover_after});
}

bool run(CheckState& c, int64_t at, bool ok) {
  c.begin(at);
  return c.end(at + 10 * kMs, ok);
}

}  // namespace

TEST_CASE("health check: it is unknown until the first run, and one pass makes it pass") {
  CheckState c = make(3, 2);
  CHECK(c.status() == Status::kUnknown);
  CHECK(run(c, 0, true));
  CHECK(c.status() == Status::kPassing);
  CHECK(c.due_ns() == 1000 * kMs);
}

TEST_CASE("health check: only failures in a row make it fail, only passes in a row make it recover") {
  CheckState c = make(3, 2);
  run(c, 0, true);
  CHECK_FALSE(run(c, 1000 * kMs, false));
  CHECK_FALSE(run(c, 2000 * kMs, false));
  CHECK_FALSE(run(c, 3000 * kMs, true));
  CHECK_FALSE(run(c, 4000 * kMs, false));
  CHECK_FALSE(run(c, 5000 * kMs, false));
  CHECK(run(c, 6000 * kMs, false));
  CHECK(c.status() == Status::kFailing);
  CHECK_FALSE(run(c, 7000 * kMs, true));
  CHECK_FALSE(run(c, 8000 * kMs, false));
  CHECK_FALSE(run(c, 9000 * kMs, true));
  CHECK(c.status() == Status::kFailing);
  CHECK(run(c, 10000 * kMs, true));
  CHECK(c.status() == Status::kPassing);
}

TEST_CASE("health check: a run that hangs fails at its deadline and again every period") {
  CheckState c = make(3, 1);
  run(c, 0, true);
  c.begin(1000 * kMs);
  CHECK(c.deadline_ns() == 1100 * kMs);
  CHECK_FALSE(c.tick(1099 * kMs));
  CHECK(c.failures_in_a_row() == 0);
  CHECK_FALSE(c.tick(1100 * kMs));
  CHECK(c.failures_in_a_row() == 1);
  CHECK_FALSE(c.tick(2100 * kMs));
  CHECK(c.tick(3100 * kMs));
  CHECK(c.status() == Status::kFailing);
  CHECK(c.timed_out() == 3);
  SUBCASE("its late success does not count") {
    CHECK_FALSE(c.end(3200 * kMs, true));
    CHECK(c.status() == Status::kFailing);
    CHECK(c.due_ns() == 3200 * kMs);
    CHECK(run(c, 3200 * kMs, true));
  }
  SUBCASE("a clock that jumps far costs no time") {
    CHECK_FALSE(c.tick(INT64_MAX / 2));
    CHECK(c.failures_in_a_row() < 20);
  }
}

TEST_CASE("health check: a slow success that nobody watched still counts as a time-out") {
  CheckState c = make(1, 1);
  c.begin(0);
  CHECK(c.end(150 * kMs, true));
  CHECK(c.status() == Status::kFailing);
}

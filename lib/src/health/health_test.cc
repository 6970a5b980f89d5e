#include "sonde/health.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "sonde/expose.h"

namespace health = sonde::health;
using namespace std::chrono_literals;

namespace {

// The status that `group` has reached within three seconds.
int settles_to(health::Group group, int status) {
  auto deadline = std::chrono::steady_clock::now() + 3s;
  while (health::answer(group).status != status && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(2ms);
  }
  return health::answer(group).status;
}

constexpr health::CheckOptions kQuick{.timeout = 50ms, .every = 10ms, .fail_after = 2, .recover_after = 2};

}  // namespace

TEST_CASE("health: a process without checks is alive, started and ready") {
  CHECK(health::answer(health::live).status == 200);
  CHECK(health::answer(health::live).body == R"({"status":"alive"})");
  CHECK(health::answer(health::startup).body == R"({"status":"started"})");
  CHECK(health::answer(health::ready).body == R"({"status":"ready"})");
}

TEST_CASE("health: a failing dependency makes it unready with a constant body, never dead, and it recovers") {
  static std::atomic<bool> up{true};
  up = true;
  REQUIRE(health::add(
      "db", health::ready,
      [] { return up ? health::Outcome(true) : health::Outcome::failed("password for user admin refused"); },
      kQuick));
  CHECK_FALSE(health::add("db", health::ready, [] { return true; }));
  CHECK(settles_to(health::ready, 200) == 200);
  up = false;
  CHECK(settles_to(health::ready, 503) == 503);
  CHECK(health::answer(health::ready).body == R"({"status":"not ready"})");
  CHECK(health::answer(health::live).status == 200);
  std::string page = sonde::expose().body;
  CHECK(page.find(R"(sonde_health_check_status{group="ready",check="db"} 0)") != std::string::npos);
  CHECK(page.find(R"(sonde_health_status{group="live"} 1)") != std::string::npos);
  up = true;
  CHECK(settles_to(health::ready, 200) == 200);
  CHECK(sonde::expose().body.find(R"(sonde_health_check_status{group="ready",check="db"} 1)") !=
        std::string::npos);
  CHECK(health::remove("db", health::ready));
  CHECK_FALSE(health::remove("db", health::ready));
}

TEST_CASE("health: a hung check fails by its time-out and holds up no other check and no probe") {
  static std::atomic<bool> hang{false};
  static std::atomic<int> others{0};
  hang = false;
  health::add(
      "hangs", health::ready,
      [] {
        while (hang) std::this_thread::sleep_for(1ms);
        return true;
      },
      kQuick);
  health::add(
      "other", health::ready,
      [] {
        others++;
        return true;
      },
      kQuick);
  CHECK(settles_to(health::ready, 200) == 200);
  hang = true;
  CHECK(settles_to(health::ready, 503) == 503);
  int before = others;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; i++) health::answer(health::ready);
  CHECK(std::chrono::steady_clock::now() - start < 500ms);
  std::this_thread::sleep_for(100ms);
  CHECK(others > before);
  CHECK_FALSE(health::remove("hangs", health::ready));  // it runs still, and says so
  hang = false;
  CHECK(health::remove("other", health::ready));
  CHECK(settles_to(health::ready, 200) == 200);
}

TEST_CASE("health: a check that throws fails, and one that is not critical gates nothing") {
  health::add("throws", health::ready, []() -> health::Outcome { throw std::runtime_error("secret"); },
              {.timeout = 50ms, .every = 10ms, .fail_after = 1, .critical = false});
  std::string want = R"(sonde_health_check_runs_total{group="ready",check="throws",result="failed"} 0)";
  auto deadline = std::chrono::steady_clock::now() + 3s;
  std::string page;
  do {
    page = sonde::expose().body;
  } while (page.find(want) != std::string::npos && std::chrono::steady_clock::now() < deadline);
  CHECK(page.find(want) == std::string::npos);
  CHECK(page.find(R"(sonde_health_check_status{group="ready",check="throws"} 0)") != std::string::npos);
  CHECK(health::answer(health::ready).status == 200);
  CHECK(health::remove("throws", health::ready));
}

TEST_CASE("health: draining is not ready at once and still alive") {
  health::drain();
  CHECK(health::draining());
  CHECK(health::answer(health::ready).status == 503);
  CHECK(health::answer(health::live).status == 200);
  health::resume();
  CHECK(health::answer(health::ready).status == 200);
}

TEST_CASE("health: a forked child runs its checks again") {
  health::add("forked", health::ready, [] { return true; }, kQuick);
  CHECK(settles_to(health::ready, 200) == 200);
  pid_t pid = fork();
  if (pid == 0) {
    static std::atomic<bool> ran{false};
    health::add(
        "in child", health::ready,
        [] {
          ran = true;
          return true;
        },
        kQuick);
    for (int i = 0; i < 1500 && !ran; i++) std::this_thread::sleep_for(2ms);
    _exit(ran && settles_to(health::ready, 200) == 200 ? 0 : 1);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(health::remove("forked", health::ready));
}

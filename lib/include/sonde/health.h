// Liveness, readiness, start-up.
//
//   sonde::health::add("postgres", sonde::health::ready, ping, {.timeout = 500ms, .every = 5s, .fail_after =
//   3}); auto [status, body] = sonde::health::answer(sonde::health::ready);   // from the HTTP handler
//   sonde::health::drain(10s);                                          // SIGTERM: not ready first, then
//   stop
//
// Each check runs on a thread of its own, never on the probe's: a check that hangs fails after its time-out
// and holds up nobody. A check must fail `fail_after` times in a row before its group fails, and pass
// `recover_after` times before it recovers, so that one hiccup does not empty a load balancer.
//
//  - live: is the process beyond help? Without checks it is always alive. Keep dependencies out of it: a
//  restart
//    does not repair a database.
//  - ready: may traffic come? Not before start-up is complete, not while draining, and not while a critical
//    check of this group fails or has never passed.
//  - startup: has it come up? Once all critical checks of this group have passed it stays so.
//
// Answers are constants and say nothing about the reason; that goes to the log, once per change, by the
// logger "sonde.health". Among the metrics: `sonde_health_check_status{group,check}` (1 or 0),
// `sonde_health_check_runs_total{group,check,result}` and `sonde_health_status{group}`.
//
// Threads: every function may be called from any thread; answer() takes microseconds. After fork() the child
// starts threads of its own at the first call.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sonde::inline v1::health {

enum class Group : uint8_t { kLive, kReady, kStartup };
inline constexpr Group live = Group::kLive;
inline constexpr Group ready = Group::kReady;
inline constexpr Group startup = Group::kStartup;

// What one run of a check found. `detail` is for the log; it never reaches a client.
struct Outcome {
  bool ok;
  std::string detail;

  Outcome(bool passed) : ok(passed) {}  // NOLINT: `return true;` reads well in a check
  static Outcome failed(std::string detail) {
    Outcome o(false);
    o.detail = std::move(detail);
    return o;
  }
};

// An exception that leaves the check is a failure.
using Check = std::function<Outcome()>;

struct CheckOptions {
  std::chrono::milliseconds timeout{1000};  // a run that takes longer has failed; its late result is ignored
  std::chrono::milliseconds every{5000};    // from start to start; the first run is at once
  int fail_after = 3;
  int recover_after = 1;
  bool critical = true;  // false: shown and logged, but no group depends on it
};

// False if there is already a check of that name in the group, 64 checks exist, or no thread could be
// started.
bool add(std::string_view name, Group group, Check check, const CheckOptions& options = {}) noexcept;

// Takes the check out and waits until it does not run any more, at most its time-out. False if it still runs
// (or never existed): then what it refers to must stay.
bool remove(std::string_view name, Group group) noexcept;

struct Answer {
  int status;             // 200 or 503
  std::string_view body;  // a constant JSON text
};
inline constexpr std::string_view content_type = "application/json";

Answer answer(Group group) noexcept;

// From now on not ready. Then waits for `settle`, so that load balancers notice before the caller stops
// serving.
void drain(std::chrono::milliseconds settle = std::chrono::milliseconds{0}) noexcept;
bool draining() noexcept;
// Takes drain() back.
void resume() noexcept;

}  // namespace sonde::inline v1::health

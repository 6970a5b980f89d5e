// The life of one health check as a state machine without threads or clock.
#pragma once

#include <cstdint>

namespace sonde::inline v1::health {

enum class Status : uint8_t { kUnknown, kPassing, kFailing };

struct Limits {
  int64_t timeout_ns;
  int64_t every_ns;
  int fail_after;
  int recover_after;
};

// A run that is over its time-out has failed; while it hangs on, each further period counts as a failed run
// too. Its late result does not count.
class CheckState {
 public:
  explicit CheckState(const Limits& limits);

  // When the next run is due; only meaningful while none is running.
  int64_t due_ns() const { return due_ns_; }
  bool running() const { return running_; }
  // When tick() must be called at the latest while a run is going on.
  int64_t deadline_ns() const { return deadline_ns_; }

  void begin(int64_t now_ns);
  // Both return true if status() changed.
  bool end(int64_t now_ns, bool ok);
  bool tick(int64_t now_ns);

  Status status() const { return status_; }
  int failures_in_a_row() const { return failures_; }
  uint64_t passed() const { return passed_total_; }
  uint64_t failed() const { return failed_total_; }
  uint64_t timed_out() const { return timed_out_total_; }
  // The run that is going on, or went on last, exceeded its time.
  bool overdue() const { return overdue_; }

 private:
  bool count(bool ok);

  Limits limits_;
  Status status_ = Status::kUnknown;
  bool running_ = false;
  bool overdue_ = false;
  int failures_ = 0;
  int passes_ = 0;
  int64_t due_ns_ = 0;
  int64_t deadline_ns_ = 0;
  uint64_t passed_total_ = 0;
  uint64_t failed_total_ = 0;
  uint64_t timed_out_total_ = 0;
};

}  // namespace sonde::inline v1::health

#include "health/check_state.h"

#include <algorithm>

namespace sonde::inline v1::health {

CheckState::CheckState(const Limits& limits) : limits_(limits) {
  limits_.timeout_ns = std::max<int64_t>(limits_.timeout_ns, 1'000'000);
  limits_.every_ns = std::max<int64_t>(limits_.every_ns, 1'000'000);
  limits_.fail_after = std::max(limits_.fail_after, 1);
  limits_.recover_after = std::max(limits_.recover_after, 1);
}

void CheckState::begin(int64_t now_ns) {
  running_ = true;
  overdue_ = false;
  due_ns_ = now_ns + limits_.every_ns;
  deadline_ns_ = now_ns + limits_.timeout_ns;
}

bool CheckState::end(int64_t now_ns, bool ok) {
  bool changed = tick(now_ns);  // the result may have come after the deadline, before anyone looked
  running_ = false;
  due_ns_ = std::max(due_ns_, now_ns);
  if (overdue_) return changed;
  return count(ok);
}

bool CheckState::tick(int64_t now_ns) {
  bool changed = false;
  while (running_ && now_ns >= deadline_ns_) {
    overdue_ = true;
    timed_out_total_++;
    changed |= count(false);
    int64_t behind = (now_ns - deadline_ns_) / limits_.every_ns;
    if (behind > limits_.fail_after) deadline_ns_ += (behind - limits_.fail_after) * limits_.every_ns;
    deadline_ns_ += limits_.every_ns;
  }
  return changed;
}

bool CheckState::count(bool ok) {
  Status before = status_;
  if (ok) {
    passed_total_++;
    failures_ = 0;
    passes_ = std::min(passes_ + 1, limits_.recover_after);
    // What has never been known to fail need not recover.
    if (status_ == Status::kUnknown || passes_ >= limits_.recover_after) status_ = Status::kPassing;
  } else {
    failed_total_++;
    passes_ = 0;
    failures_ = std::min(failures_ + 1, 1'000'000);
    if (failures_ >= limits_.fail_after) status_ = Status::kFailing;
  }
  return status_ != before;
}

}  // namespace sonde::inline v1::health

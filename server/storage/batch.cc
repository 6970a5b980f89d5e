#include "storage/batch.h"

#include <future>

namespace sonde::storage {

const char* to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::kOutOfOrder:
      return "out_of_order";
    case RejectReason::kDuplicate:
      return "duplicate";
    case RejectReason::kTooOld:
      return "too_old";
    case RejectReason::kTooFarInFuture:
      return "too_far_in_future";
    case RejectReason::kSeriesLimit:
      return "series_limit";
    case RejectReason::kLabelLimit:
      return "label_limit";
    case RejectReason::kUnsupported:
      return "unsupported";
    case RejectReason::kInvalidLabels:
      return "invalid_labels";
  }
  return "unsupported";
}

Result<CommitOutcome> commit_and_wait(Appender& appender, Batch batch) {
  std::promise<Result<CommitOutcome>> done;
  auto outcome = done.get_future();
  appender.commit(std::move(batch), [&](Result<CommitOutcome> r) { done.set_value(std::move(r)); });
  return outcome.get();
}

}  // namespace sonde::storage

#include "api/error_codes.h"

namespace sonde::api {

PrometheusCode prometheus_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return {400, "bad_data"};
    case ErrorCode::kNotFound:
      return {404, "not_found"};
    case ErrorCode::kConflict:
    case ErrorCode::kLimit:
    case ErrorCode::kUnsupported:
      return {422, "execution"};
    case ErrorCode::kTimeout:
      return {503, "timeout"};
    case ErrorCode::kCancelled:
      return {499, "canceled"};
    case ErrorCode::kUnavailable:
      return {503, "unavailable"};
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kNoSpace:
    case ErrorCode::kInternal:
      break;
  }
  return {500, "internal"};
}

int jaeger_status(ErrorCode code) { return prometheus_code(code).status; }

}  // namespace sonde::api

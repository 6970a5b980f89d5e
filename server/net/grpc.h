// Unary gRPC over the HTTP/2 server: message framing, compression and status trailers.
// Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"

namespace sonde::net {

// As gRPC numbers them.
enum class GrpcStatus : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
GrpcStatus grpc_status_of(ErrorCode code);

struct GrpcReply {
  GrpcStatus status = GrpcStatus::kOk;
  std::string message;      // the answer, when kOk
  std::string status_text;  // says why, when not
  // Sent as the grpc-retry-pushback-ms trailer; below 0 sends none.
  int retry_after_ms = -1;
  // The google.rpc.Status message, for the grpc-status-details-bin trailer; empty sends none. OTLP clients
  // retry RESOURCE_EXHAUSTED only when it holds a RetryInfo.
  std::string details;
};

// Called exactly once, from any thread; later calls are ignored. When it is never called, the client gets
// INTERNAL.
using GrpcRespond = std::function<void(GrpcReply)>;

// Gets the one request message, decompressed. `request` is only valid during the call; `respond` may be kept,
// which is how answers wait for a group commit.
using GrpcMethod = std::function<void(Request& request, std::string message, GrpcRespond respond)>;

struct GrpcOptions {
  uint64_t message_bytes_max = 64 << 20;  // decompressed; a larger one is RESOURCE_EXHAUSTED
};

// A handler for Router::add("POST", "/package.Service/Method", …). Give its route a body_bytes_max of at
// least message_bytes_max + 5.
Handler grpc_handler(GrpcMethod method, GrpcOptions options = {});

// The message of a body that holds exactly one frame. `encoding` is the grpc-encoding header's value.
// kLimit, kInvalid, or kUnsupported for an unknown encoding.
Result<std::string> decode_grpc_message(std::string_view body, std::string_view encoding, uint64_t bytes_max);
std::string encode_grpc_message(std::string_view message);

// grpc-message: percent-encoded where not printable ASCII.
std::string encode_grpc_text(std::string_view text);

}  // namespace sonde::net

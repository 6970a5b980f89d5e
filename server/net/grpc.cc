#include "net/grpc.h"

#include <atomic>

#include "net/ascii.h"
#include "net/base64.h"
#include "net/content_coding.h"

namespace sonde::net {
namespace {

constexpr size_t kPrefixBytes = 5;       // one flag, four of length
constexpr size_t kStatusTextMax = 1024;  // trailers are bounded at the peer

// Holds the answer until somebody responds; says INTERNAL when nobody does.
class Call {
 public:
  explicit Call(std::shared_ptr<ResponseWriter> writer) : writer_(std::move(writer)) {}
  ~Call() { respond({GrpcStatus::kInternal, {}, "no answer", -1, {}}); }

  void respond(GrpcReply reply) {
    if (responded_.exchange(true)) return;
    writer_->status(200);
    writer_->header("Content-Type", "application/grpc");
    writer_->header("grpc-accept-encoding", "identity,gzip");
    if (reply.status == GrpcStatus::kOk) (void)writer_->write(encode_grpc_message(reply.message));
    writer_->trailer("grpc-status", std::to_string(static_cast<int>(reply.status)));
    if (!reply.status_text.empty()) {
      writer_->trailer("grpc-message",
                       encode_grpc_text(std::string_view(reply.status_text).substr(0, kStatusTextMax)));
    }
    if (reply.retry_after_ms >= 0) {
      writer_->trailer("grpc-retry-pushback-ms", std::to_string(reply.retry_after_ms));
    }
    if (!reply.details.empty()) writer_->trailer("grpc-status-details-bin", base64_encode(reply.details));
    writer_->finish();
    writer_.reset();
  }

 private:
  std::shared_ptr<ResponseWriter> writer_;
  std::atomic<bool> responded_{false};
};

}  // namespace

GrpcStatus grpc_status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return GrpcStatus::kInvalidArgument;
    case ErrorCode::kNotFound:
      return GrpcStatus::kNotFound;
    case ErrorCode::kConflict:
      return GrpcStatus::kAlreadyExists;
    case ErrorCode::kCorrupt:
      return GrpcStatus::kDataLoss;
    case ErrorCode::kLimit:
      return GrpcStatus::kResourceExhausted;
    case ErrorCode::kTimeout:
      return GrpcStatus::kDeadlineExceeded;
    case ErrorCode::kCancelled:
      return GrpcStatus::kCancelled;
    case ErrorCode::kIo:
    case ErrorCode::kNoSpace:
    case ErrorCode::kUnavailable:
      return GrpcStatus::kUnavailable;
    case ErrorCode::kUnsupported:
      return GrpcStatus::kUnimplemented;
    case ErrorCode::kInternal:
      return GrpcStatus::kInternal;
  }
  return GrpcStatus::kInternal;
}

Result<std::string> decode_grpc_message(std::string_view body, std::string_view encoding,
                                        uint64_t bytes_max) {
  if (body.size() < kPrefixBytes) return fail(ErrorCode::kInvalid, "gRPC message: shorter than its prefix");
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(body[i])); };
  uint32_t flag = byte(0);
  uint32_t size = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
  if (flag > 1) return fail(ErrorCode::kInvalid, "gRPC message: unknown flag " + std::to_string(flag));
  if (size > bytes_max) {
    return fail(ErrorCode::kLimit, "gRPC message: larger than " + std::to_string(bytes_max) + " bytes");
  }
  body.remove_prefix(kPrefixBytes);
  if (body.size() != size) {
    return fail(ErrorCode::kInvalid, "gRPC message: " + std::to_string(body.size()) +
                                         " bytes where the prefix says " + std::to_string(size));
  }
  if (flag == 0) return std::string(body);
  if (equals_ignoring_case(encoding, "gzip")) return decode_all(Coding::kGzip, body, bytes_max);
  return fail(ErrorCode::kUnsupported,
              "gRPC message: encoding '" + std::string(encoding) + "' is not supported");
}

std::string encode_grpc_message(std::string_view message) {
  std::string out;
  out.reserve(kPrefixBytes + message.size());
  out += '\0';
  for (int shift : {24, 16, 8, 0}) out += static_cast<char>(message.size() >> shift & 0xff);
  out += message;
  return out;
}

std::string encode_grpc_text(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

Handler grpc_handler(GrpcMethod method, GrpcOptions options) {
  return [method = std::move(method), options](Request& request, std::shared_ptr<ResponseWriter> writer) {
    std::string_view type = request.headers.get("Content-Type");
    bool proto = type == "application/grpc" || type.starts_with("application/grpc+proto") ||
                 type.starts_with("application/grpc;");
    if (!proto) return writer->send(415, "text/plain; charset=utf-8", "expected application/grpc\n");
    auto call = std::make_shared<Call>(std::move(writer));
    auto refuse = [&](const Error& e) { call->respond({grpc_status_of(e.code), {}, e.message, -1, {}}); };
    Result<std::string> body = request.read_body();
    if (!body) return refuse(body.error());
    Result<std::string> message =
        decode_grpc_message(*body, request.headers.get("grpc-encoding"), options.message_bytes_max);
    if (!message) return refuse(message.error());
    body->clear();
    body->shrink_to_fit();
    method(request, *std::move(message), [call](GrpcReply reply) { call->respond(std::move(reply)); });
  };
}

}  // namespace sonde::net

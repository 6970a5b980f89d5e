#include "ingest/otlp_http.h"

#include <optional>

#include "ingest/otlp_intake.h"
#include "net/grpc.h"

namespace sonde::ingest {
namespace {

using wire::OtlpEncoding;
using wire::OtlpSignal;

std::optional<OtlpEncoding> encoding_of(const net::Request& request) {
  std::string type = media_type(request);
  if (type == "application/x-protobuf") return OtlpEncoding::kProtobuf;
  if (type == "application/json") return OtlpEncoding::kJson;
  return std::nullopt;
}

const char* type_of(OtlpEncoding encoding) {
  return encoding == OtlpEncoding::kJson ? "application/json" : "application/x-protobuf";
}

void send_status(net::ResponseWriter& out, OtlpEncoding encoding, int status, ErrorCode code,
                 std::string_view message, int retry_after_seconds) {
  if (status == 503) out.header("Retry-After", std::to_string(retry_after_seconds));
  int number = static_cast<int>(status == 503 ? net::GrpcStatus::kUnavailable : net::grpc_status_of(code));
  out.send(status, type_of(encoding), wire::encode_rpc_status(encoding, number, message));
}

void handle(const IngestContext& context, OtlpSignal signal, net::Request& request,
            const std::shared_ptr<net::ResponseWriter>& out) {
  Source source = otlp_source(signal, request);
  context.stats.of(source).requests++;
  std::optional<OtlpEncoding> encoding = encoding_of(request);
  if (!encoding) {
    Error error{ErrorCode::kUnsupported, "expected application/x-protobuf or application/json", {}, 0, 0};
    count_refusal(context, source, error);
    return out->send(415, "text/plain; charset=utf-8", error.message + "\n");
  }
  int retry_after = context.limits.retry_after_seconds;
  auto refuse = [&](const Error& e) {
    send_status(*out, *encoding, refusal_status(e.code), e.code, e.message, retry_after);
  };
  uint64_t bytes_max = *encoding == OtlpEncoding::kJson
                           ? std::min(context.limits.json_bytes_max, context.limits.body_bytes_max)
                           : context.limits.body_bytes_max;
  Result<Body> body = read_body(context, source, request, bytes_max);
  if (!body) return refuse(body.error());
  Result<> taken = take_otlp(
      context, signal, source, *encoding, *std::move(body),
      [out, encoding = *encoding, signal, retry_after](Result<IntakeOutcome> outcome) {
        if (!outcome) {
          const Error& e = outcome.error();
          int status = is_retryable(e.code) ? 503 : 500;
          return send_status(*out, encoding, status, e.code, e.message, retry_after);
        }
        out->send(200, type_of(encoding),
                  wire::encode_otlp_response(signal, encoding, outcome->rejected, rejection_text(*outcome)));
      });
  if (!taken) refuse(taken.error());
}

}  // namespace

void add_otlp_http_routes(net::Router& router, const IngestContext& context) {
  net::RouteOptions options{.body_bytes_max = context.limits.body_bytes_max};
  auto add = [&](const char* path, OtlpSignal signal) {
    router.add(
        "POST", path, net::Role::kIngest,
        [context, signal](net::Request& request, std::shared_ptr<net::ResponseWriter> out) {
          handle(context, signal, request, out);
        },
        options);
  };
  add("/v1/traces", OtlpSignal::kTraces);
  add("/v1/logs", OtlpSignal::kLogs);
  add("/v1/metrics", OtlpSignal::kMetrics);
  add("/api/v1/otlp/v1/metrics", OtlpSignal::kMetrics);
  add("/otlp/v1/logs", OtlpSignal::kLogs);
}

}  // namespace sonde::ingest

#include "ingest/otlp_grpc.h"

#include <protozero/pbf_writer.hpp>

#include "ingest/otlp_intake.h"
#include "net/grpc.h"

namespace sonde::ingest {
namespace {

using net::GrpcStatus;

// google.rpc.Status with a google.rpc.RetryInfo among its details (googleapis: google/rpc/status.proto,
// error_details.proto).
std::string status_with_retry(int code, std::string_view message, int seconds) {
  std::string retry_info;
  {
    protozero::pbf_writer info(retry_info);
    protozero::pbf_writer delay(info, 1);
    delay.add_int64(1, seconds);
  }
  std::string out;
  protozero::pbf_writer status(out);
  status.add_int32(1, code);
  status.add_string(2, message.data(), message.size());
  protozero::pbf_writer any(status, 3);
  any.add_string(1, "type.googleapis.com/google.rpc.RetryInfo");
  any.add_bytes(2, retry_info);
  return out;
}

net::GrpcReply refusal(const Error& error, bool retry, int retry_after_seconds) {
  net::GrpcReply reply;
  reply.status_text = error.message;
  reply.status = retry ? GrpcStatus::kUnavailable : net::grpc_status_of(error.code);
  // These two are UNAVAILABLE by their code alone, which clients would retry.
  if (!retry && reply.status == GrpcStatus::kUnavailable) reply.status = GrpcStatus::kInternal;
  if (retry) {
    reply.retry_after_ms = retry_after_seconds * 1000;
    reply.details = status_with_retry(static_cast<int>(reply.status), error.message, retry_after_seconds);
  }
  return reply;
}

void handle(const IngestContext& context, wire::OtlpSignal signal, net::Request& request, std::string message,
            const net::GrpcRespond& respond) {
  Source source = otlp_source(signal, request);
  context.stats.of(source).requests++;
  int retry_after = context.limits.retry_after_seconds;
  Result<Share> share = take_share(context, source, message.size());
  if (!share) return respond(refusal(share.error(), true, retry_after));
  Body body{std::move(message), *std::move(share)};
  Result<> taken = take_otlp(context, signal, source, wire::OtlpEncoding::kProtobuf, std::move(body),
                             [respond, signal, retry_after](Result<IntakeOutcome> outcome) {
                               if (!outcome) {
                                 const Error& e = outcome.error();
                                 return respond(refusal(e, is_retryable(e.code), retry_after));
                               }
                               net::GrpcReply reply;
                               reply.message =
                                   wire::encode_otlp_response(signal, wire::OtlpEncoding::kProtobuf,
                                                              outcome->rejected, rejection_text(*outcome));
                               respond(std::move(reply));
                             });
  if (!taken) respond(refusal(taken.error(), false, retry_after));
}

}  // namespace

void add_otlp_grpc_routes(net::Router& router, const IngestContext& context) {
  uint64_t bytes_max = context.limits.body_bytes_max;
  auto add = [&](const char* path, wire::OtlpSignal signal) {
    router.add("POST", path, net::Role::kIngest,
               net::grpc_handler(
                   [context, signal](net::Request& request, std::string message, net::GrpcRespond respond) {
                     handle(context, signal, request, std::move(message), respond);
                   },
                   {.message_bytes_max = bytes_max}),
               {.body_bytes_max = bytes_max + 5});  // the message's prefix
  };
  add("/opentelemetry.proto.collector.trace.v1.TraceService/Export", wire::OtlpSignal::kTraces);
  add("/opentelemetry.proto.collector.logs.v1.LogsService/Export", wire::OtlpSignal::kLogs);
  add("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", wire::OtlpSignal::kMetrics);
}

}  // namespace sonde::ingest

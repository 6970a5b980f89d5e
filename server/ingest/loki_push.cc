#include "ingest/loki_push.h"

#include <string_view>

#include "wire/log_line.h"

namespace sonde::ingest {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";
// Longer lines are kept, but their fields are not looked for: a line is parsed on the request's thread.
constexpr size_t kParsedLineBytesMax = 256 << 10;

void add_fields(LogRecord& record, wire::LogLineParser& parser) {
  if (record.line.size() > kParsedLineBytesMax) return;
  wire::LogLine line = parser.parse(record.line);
  if (record.severity_number == 0) record.severity_number = line.severity_number;
  if (record.severity_text.empty()) record.severity_text = line.level;
  if (record.trace_id.empty()) record.trace_id = line.trace_id;
  if (record.span_id.empty()) record.span_id = line.span_id;
  if (line.kind == wire::LineKind::kPlain) return;
  for (auto& [key, value] : line.fields) {
    if (find_attribute(record.attributes, key) != nullptr) continue;
    record.attributes.emplace_back(std::move(key), std::move(value));
  }
}

void send_error(net::ResponseWriter& out, int status, std::string_view message, int retry_after_seconds) {
  if (status == 503) out.header("Retry-After", std::to_string(retry_after_seconds));
  out.send(status, kText, std::string(message) + "\n");
}

void handle(const IngestContext& context, net::Request& request,
            const std::shared_ptr<net::ResponseWriter>& out) {
  context.stats.of(Source::kLoki).requests++;
  int retry_after = context.limits.retry_after_seconds;
  auto refuse = [&](const Error& e) { send_error(*out, refusal_status(e.code), e.message, retry_after); };

  std::string type = media_type(request);
  bool json = type == "application/json";
  if (!json && !type.empty() && type != "application/x-protobuf") {
    Error error{ErrorCode::kUnsupported, "expected application/json or application/x-protobuf", {}, 0, 0};
    count_refusal(context, Source::kLoki, error);
    return refuse(error);
  }
  uint64_t bytes_max = json ? std::min(context.limits.json_bytes_max, context.limits.body_bytes_max)
                            : context.limits.body_bytes_max;
  Result<Body> body = read_body(context, Source::kLoki, request, bytes_max);
  if (!body) return refuse(body.error());

  Result<std::vector<LogRecord>> records =
      json ? wire::decode_loki_push_json(body->bytes, context.limits.loki)
           : wire::decode_loki_push_protobuf(body->bytes, context.limits.loki);
  std::string().swap(body->bytes);
  if (!records) {
    count_refusal(context, Source::kLoki, records.error());
    return refuse(records.error());
  }
  wire::LogLineParser parser;
  for (LogRecord& record : *records) add_fields(record, parser);

  wire::OtlpLogs logs;
  logs.records = *std::move(records);
  take_logs(context, Source::kLoki, std::move(logs), std::move(body->share),
            [out, retry_after](Result<IntakeOutcome> outcome) {
              if (!outcome) {
                int status = is_retryable(outcome.error().code) ? 503 : 500;
                return send_error(*out, status, outcome.error().message, retry_after);
              }
              if (outcome->rejected == 0) return out->send(204, "", "");
              send_error(*out, 400,
                         std::to_string(outcome->rejected) + " of " + std::to_string(outcome->received) +
                             " entries were not stored: " + outcome->why,
                         retry_after);
            });
}

}  // namespace

void add_loki_push_routes(net::Router& router, const IngestContext& context) {
  router.add("POST", "/loki/api/v1/push", net::Role::kIngest,
             [context](net::Request& request, std::shared_ptr<net::ResponseWriter> out) {
               handle(context, request, out);
             },
             {.body_bytes_max = context.limits.body_bytes_max});
}

}  // namespace sonde::ingest

#include "ingest/otlp_intake.h"

#include <utility>

namespace sonde::ingest {
namespace {

// The bytes go before the items wait for their commit; the share stands for the items from then on.
template <class Decoded>
Result<Decoded> decoded(const IngestContext& context, Source source, Result<Decoded> result, Body& body) {
  std::string().swap(body.bytes);
  if (!result) count_refusal(context, source, result.error());
  return result;
}

}  // namespace

Source otlp_source(wire::OtlpSignal signal, const net::Request& request) {
  switch (signal) {
    case wire::OtlpSignal::kTraces:
      return Source::kOtlpTraces;
    case wire::OtlpSignal::kMetrics:
      return Source::kOtlpMetrics;
    case wire::OtlpSignal::kLogs:
      break;
  }
  return request.headers.get("User-Agent").starts_with("sonde-ship/") ? Source::kShip : Source::kOtlpLogs;
}

Result<> take_otlp(const IngestContext& context, wire::OtlpSignal signal, Source source,
                   wire::OtlpEncoding encoding, Body body, OnIntake done) {
  const wire::OtlpLimits& limits = context.limits.otlp;
  switch (signal) {
    case wire::OtlpSignal::kTraces: {
      SONDE_TRY(auto traces,
                decoded(context, source, wire::decode_otlp_traces(body.bytes, encoding, limits), body));
      take_spans(context, source, std::move(traces), std::move(body.share), std::move(done));
      break;
    }
    case wire::OtlpSignal::kLogs: {
      SONDE_TRY(auto logs,
                decoded(context, source, wire::decode_otlp_logs(body.bytes, encoding, limits), body));
      take_logs(context, source, std::move(logs), std::move(body.share), std::move(done));
      break;
    }
    case wire::OtlpSignal::kMetrics: {
      SONDE_TRY(auto rows,
                decoded(context, source, wire::decode_otlp_metrics(body.bytes, encoding, limits), body));
      take_metrics(context, source, std::move(rows), std::move(body.share), std::move(done));
      break;
    }
  }
  return {};
}

std::string rejection_text(const IntakeOutcome& outcome) {
  if (outcome.rejected == 0) return {};
  return outcome.why.empty() ? "not stored" : outcome.why;
}

}  // namespace sonde::ingest

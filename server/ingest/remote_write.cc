#include "ingest/remote_write.h"

#include <optional>
#include <string_view>

#include "net/ascii.h"

namespace sonde::ingest {
namespace {

enum class Version : uint8_t { k1, k2 };

// From the content type's proto parameter; without one it is 1.0.
std::optional<Version> version_of(const net::Request& request) {
  if (media_type(request) != "application/x-protobuf") return std::nullopt;
  std::string_view type = request.headers.get("Content-Type");
  Version version = Version::k1;
  for (size_t at = type.find(';'); at != std::string_view::npos; at = type.find(';')) {
    type.remove_prefix(at + 1);
    std::string_view parameter = net::trim(type.substr(0, type.find(';')));
    size_t equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    if (!net::equals_ignoring_case(net::trim(parameter.substr(0, equals)), "proto")) continue;
    std::string_view message = net::trim(parameter.substr(equals + 1));
    if (message == "prometheus.WriteRequest") {
      version = Version::k1;
    } else if (message == "io.prometheus.write.v2.Request") {
      version = Version::k2;
    } else {
      return std::nullopt;
    }
  }
  return version;
}

struct Answer {
  std::shared_ptr<net::ResponseWriter> out;
  Version version = Version::k1;
  int retry_after_seconds = 0;

  void send(int status, std::string_view text, const IntakeOutcome& written) const {
    if (version == Version::k2) {
      out->header("X-Prometheus-Remote-Write-Samples-Written", std::to_string(written.floats_stored));
      out->header("X-Prometheus-Remote-Write-Histograms-Written", std::to_string(written.histograms_stored));
      out->header("X-Prometheus-Remote-Write-Exemplars-Written", std::to_string(written.exemplars_stored));
    }
    if (status == 503) out->header("Retry-After", std::to_string(retry_after_seconds));
    if (status == 204) return out->send(204, "", "");
    out->send(status, "text/plain; charset=utf-8", std::string(text) + "\n");
  }
  void refuse(const Error& error) const { send(refusal_status(error.code), error.message, {}); }
  void finish(const Result<IntakeOutcome>& outcome) const {
    if (!outcome) return send(is_retryable(outcome.error().code) ? 503 : 500, outcome.error().message, {});
    if (outcome->rejected == 0) return send(204, "", *outcome);
    send(400,
         std::to_string(outcome->rejected) + " of " + std::to_string(outcome->received) +
             " samples were not stored: " + outcome->why,
         *outcome);
  }
};

void handle(const IngestContext& context, net::Request& request, std::shared_ptr<net::ResponseWriter> out) {
  constexpr Source kSource = Source::kRemoteWrite;
  context.stats.of(kSource).requests++;
  Answer answer{std::move(out), Version::k1, context.limits.retry_after_seconds};
  auto refuse = [&](Error error) {
    count_refusal(context, kSource, error);
    answer.refuse(error);
  };

  std::optional<Version> version = version_of(request);
  if (!version) {
    return refuse({ErrorCode::kUnsupported,
                   "expected application/x-protobuf with proto=prometheus.WriteRequest or "
                   "proto=io.prometheus.write.v2.Request",
                   {},
                   0,
                   0});
  }
  answer.version = *version;
  std::string_view coding = request.headers.get("Content-Encoding");
  if (!coding.empty() && !net::equals_ignoring_case(coding, "snappy")) {
    return refuse({ErrorCode::kUnsupported, "expected Content-Encoding: snappy", {}, 0, 0});
  }

  Result<Body> body = read_body(context, kSource, request, context.limits.body_bytes_max);
  if (!body) return answer.refuse(body.error());
  Result<wire::MetricRows> rows =
      *version == Version::k2 ? wire::decode_remote_write_v2(body->bytes, context.limits.remote_write)
                              : wire::decode_remote_write_v1(body->bytes, context.limits.remote_write);
  std::string().swap(body->bytes);
  if (!rows) return refuse(std::move(rows).error());
  take_metrics(context, kSource, *std::move(rows), std::move(body->share),
               [answer](Result<IntakeOutcome> outcome) { answer.finish(outcome); });
}

}  // namespace

void add_remote_write_routes(net::Router& router, const IngestContext& context) {
  router.add("POST", "/api/v1/write", net::Role::kIngest,
             [context](net::Request& request, std::shared_ptr<net::ResponseWriter> out) {
               handle(context, request, std::move(out));
             },
             {.body_bytes_max = context.limits.body_bytes_max});
}

}  // namespace sonde::ingest

#include "api/prometheus_answer.h"

#include <algorithm>

#include "api/error_codes.h"

namespace sonde::api {

namespace {
constexpr size_t kPieceBytes = 64 << 10;
constexpr size_t kRemarksShown = 10;
}  // namespace

wire::JsonWriter& PrometheusAnswer::data() {
  return json_.begin_object().field("status", "success").key("data");
}

Result<> PrometheusAnswer::flush_if_large() {
  if (buffer_.size() < kPieceBytes) return {};
  if (!streaming_) {
    streaming_ = true;
    writer_.status(200);
    writer_.header("Content-Type", "application/json");
  }
  SONDE_CHECK(writer_.write(buffer_));
  buffer_.clear();
  return {};
}

void PrometheusAnswer::write_remarks(std::string_view key, const std::vector<std::string>& remarks,
                                     std::string_view kind) {
  if (remarks.empty()) return;
  json_.key(key).begin_array();
  for (size_t i = 0; i < std::min(remarks.size(), kRemarksShown); i++) json_.string(remarks[i]);
  if (remarks.size() > kRemarksShown) {
    json_.string(std::to_string(remarks.size() - kRemarksShown) + " more " + std::string(kind) +
                 " annotations omitted");
  }
  json_.end_array();
}

void PrometheusAnswer::end() {
  write_remarks("warnings", warnings_, "warning");
  write_remarks("infos", infos_, "info");
  json_.end_object();
  if (!streaming_) {
    writer_.send(200, "application/json", buffer_);
    return;
  }
  if (writer_.write(buffer_)) writer_.finish();
}

void send_prometheus_error(net::ResponseWriter& writer, const Error& error) {
  PrometheusCode code = prometheus_code(error.code);
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object().field("status", "error").field("errorType", code.type);
  json.field("error", std::string_view(error.message)).end_object();
  writer.send(code.status, "application/json", body);
}

}  // namespace sonde::api

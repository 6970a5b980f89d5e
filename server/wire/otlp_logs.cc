#include <algorithm>
#include <array>

#include "wire/log_line.h"
#include "wire/otlp_reader.h"

namespace sonde::wire {
namespace {

using protozero::pbf_reader;

// Loki's default_resource_attributes_as_index_labels.
constexpr std::array<std::string_view, 18> kStreamAttributes = {"service.name",
                                                                "service.namespace",
                                                                "service.instance.id",
                                                                "deployment.environment",
                                                                "deployment.environment.name",
                                                                "cloud.region",
                                                                "cloud.availability_zone",
                                                                "k8s.cluster.name",
                                                                "k8s.namespace.name",
                                                                "k8s.pod.name",
                                                                "k8s.container.name",
                                                                "container.name",
                                                                "k8s.replicaset.name",
                                                                "k8s.deployment.name",
                                                                "k8s.statefulset.name",
                                                                "k8s.daemonset.name",
                                                                "k8s.cronjob.name",
                                                                "k8s.job.name"};

LabelSet stream_of(const Attributes& resource) {
  std::vector<std::pair<std::string, std::string>> labels;
  for (const auto& [key, value] : resource) {
    if (std::find(kStreamAttributes.begin(), kStreamAttributes.end(), key) == kStreamAttributes.end())
      continue;
    std::string name = key;
    std::replace(name.begin(), name.end(), '.', '_');
    labels.emplace_back(std::move(name), value.to_text());
  }
  bool named = std::any_of(labels.begin(), labels.end(),
                           [](const auto& l) { return l.first == "service_name" && !l.second.empty(); });
  if (!named) labels.emplace_back("service_name", "unknown_service");
  return LabelSet::from(std::move(labels));
}

class LogDecoder : OtlpReader {
 public:
  using OtlpReader::OtlpReader;

  OtlpLogs out;

  void request(pbf_reader& r, PbfPlace& place) {
    while (r.next()) {
      if (r.tag() == 1) {
        place.field = "resource_logs";
        resource_logs(read_message(r), place);
      } else {
        r.skip();
      }
    }
  }

 private:
  void resource_logs(pbf_reader r, PbfPlace& place) {
    resource_ = std::make_shared<Attributes>();
    for (pbf_reader again = r; again.next();) {
      if (again.tag() == 1) {
        place.field = "resource";
        resource_ = resource(read_message(again));
      } else {
        again.skip();
      }
    }
    stream_ = stream_of(*resource_);
    while (r.next()) {
      if (r.tag() == 2) {
        place.field = "scope_logs";
        scope_logs(read_message(r), place);
      } else {
        r.skip();
      }
    }
  }

  void scope_logs(pbf_reader r, PbfPlace& place) {
    InstrumentationScope of_all;
    for (pbf_reader again = r; again.next();) {
      if (again.tag() == 1) {
        of_all = scope(read_message(again));
      } else {
        again.skip();
      }
    }
    while (r.next()) {
      if (r.tag() == 2) {
        place.field = "log_records";
        record(read_message(r), of_all, place);
      } else {
        r.skip();
      }
    }
  }

  void record(pbf_reader r, const InstrumentationScope& scope, PbfPlace& place) {
    count_item();
    LogRecord record;
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          record.time = otlp_time(read_fixed64(r));
          break;
        case 2: {
          uint64_t n = read_uint64(r);
          record.severity_number = n <= 24 ? static_cast<int>(n) : 0;
          break;
        }
        case 3:
          record.severity_text = read_bytes(r);
          break;
        case 5:
          place.field = "log_record.body";
          record.line = any_value(read_message(r)).to_text();
          break;
        case 6:
          place.field = "log_record.attributes";
          key_value(read_message(r), record.attributes);
          break;
        case 8:
          record.flags = read_fixed32(r);
          break;
        case 9:
          if (!read_id(read_bytes(r), record.trace_id)) record.trace_id = {};
          break;
        case 10:
          if (!read_id(read_bytes(r), record.span_id)) record.span_id = {};
          break;
        case 11:
          record.observed = otlp_time(read_fixed64(r));
          break;
        case 12:
          record.event_name = read_bytes(r);
          break;
        default:
          r.skip();
      }
    }
    make_unique(record.attributes);
    if (record.time.ns == 0) record.time = record.observed;
    add_level(record);
    record.stream = stream_;
    record.resource = resource_;
    record.scope = scope;
    out.records.push_back(std::move(record));
  }

  void add_level(LogRecord& record) {
    if (find_attribute(record.attributes, "detected_level") != nullptr) return;
    std::string_view level = level_of_severity(record.severity_number);
    if (level.empty()) level = normal_level(record.severity_text);
    if (level.empty()) {
      for (std::string_view key : {"level", "severity"}) {
        if (level.empty()) level = normal_level(string_attribute(record.attributes, key));
      }
    }
    if (level.empty()) level = lines_.detect_level(record.line);
    if (record.severity_number == 0) record.severity_number = severity_of_level(level);
    record.attributes.emplace_back("detected_level", level);
  }

  std::shared_ptr<const Attributes> resource_;
  LabelSet stream_;
  LogLineParser lines_;
};

}  // namespace

Result<OtlpLogs> decode_otlp_logs(std::string_view body, OtlpEncoding encoding, const OtlpLimits& limits) {
  std::string buffer;
  SONDE_TRY(std::string_view bytes, otlp_protobuf(body, encoding, OtlpSignal::kLogs, buffer));
  LogDecoder decoder(limits);
  SONDE_CHECK(decode_pbf("OTLP logs", bytes, [&](auto& r, auto& place) { decoder.request(r, place); }));
  return std::move(decoder.out);
}

}  // namespace sonde::wire

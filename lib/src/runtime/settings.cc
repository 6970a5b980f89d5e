#include "runtime/settings.h"

#include <charconv>
#include <cstdlib>

namespace sonde::inline v1::detail {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : std::string_view(value);
}

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

template <class T>
bool parse_number(std::string_view text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

void set_attribute(Resource& r, std::string_view key, std::string_view value) {
  for (auto& [k, v] : r.attributes) {
    if (k != key) continue;
    v = value;
    return;
  }
  r.attributes.emplace_back(key, value);
}

std::string_view attribute(const Resource& r, std::string_view key) {
  for (const auto& [k, v] : r.attributes) {
    if (k == key) return v;
  }
  return {};
}

// The names of the OpenTelemetry SDK specification.
bool parse_sampler(std::string_view name, std::string_view argument, Sampler& out) {
  double share = 1;
  if (!argument.empty() && (!parse_number(argument, share) || !(share >= 0 && share <= 1))) return false;
  bool parent = name.starts_with("parentbased_");
  if (parent) name.remove_prefix(12);
  Sampler root;
  if (name == "always_on") {
    root = always_sample;
  } else if (name == "always_off") {
    root = never_sample;
  } else if (name == "traceidratio") {
    root = sample_ratio(share);
  } else {
    return false;
  }
  out = parent ? parent_based(root) : root;
  return true;
}

void read_resource(const Options& options, Resource& r) {
  set_attribute(r, "telemetry.sdk.name", "sonde");
  set_attribute(r, "telemetry.sdk.language", "cpp");
  set_attribute(r, "telemetry.sdk.version", SONDE_VERSION);
  parse_key_values(options.resource_attributes, r.attributes);
  if (!options.service.empty()) set_attribute(r, "service.name", options.service);
  if (!options.version.empty()) set_attribute(r, "service.version", options.version);
  parse_key_values(environment("OTEL_RESOURCE_ATTRIBUTES"), r.attributes);
  if (auto name = environment("OTEL_SERVICE_NAME"); !name.empty()) set_attribute(r, "service.name", name);
  if (attribute(r, "service.name").empty()) set_attribute(r, "service.name", "unknown_service");
  r.service_name = attribute(r, "service.name");
  r.service_version = attribute(r, "service.version");
}

}  // namespace

std::string read_settings(const Options& options, Settings& out) {
  std::string problem;
  auto complain = [&](std::string_view variable, std::string_view value) {
    if (problem.empty()) problem = std::string(variable) + ": cannot use \"" + std::string(value) + "\"";
  };
  out.disabled = equals_ignoring_case(environment("OTEL_SDK_DISABLED"), "true");
  out.resource = std::make_shared<Resource>();
  read_resource(options, *out.resource);
  out.log_path = options.log_path;
  out.log_lines = options.log_lines;
  out.level = options.level;
  if (auto name = environment("SONDE_LOG_LEVEL"); !name.empty() && !parse_level(name, out.level)) {
    complain("SONDE_LOG_LEVEL", name);
  }
  out.sampler = options.sampler;
  if (auto name = environment("OTEL_TRACES_SAMPLER"); !name.empty()) {
    if (!parse_sampler(name, environment("OTEL_TRACES_SAMPLER_ARG"), out.sampler))
      complain("OTEL_TRACES_SAMPLER", name);
  }

  out.endpoint = options.otlp_endpoint;
  if (auto url = environment("OTEL_EXPORTER_OTLP_ENDPOINT"); !url.empty()) out.endpoint = url;
  while (out.endpoint.ends_with('/')) out.endpoint.pop_back();
  out.transport = options.transport;
  bool can_export = !out.endpoint.empty() && out.transport != nullptr;
  if (!out.endpoint.empty() && out.transport == nullptr && problem.empty()) {
    problem = "otlp endpoint " + out.endpoint + ": no transport given, nothing is exported";
  }

  SpanExport spans = options.spans;
  if (auto name = environment("OTEL_TRACES_EXPORTER"); !name.empty()) {
    if (name == "otlp") {
      spans = SpanExport::kOtlp;
    } else if (name == "console") {
      spans = SpanExport::kConsole;
    } else if (name == "none") {
      spans = SpanExport::kNone;
    } else {
      complain("OTEL_TRACES_EXPORTER", name);
    }
  }
  out.console_spans = spans == SpanExport::kConsole;
  out.export_spans = can_export && (spans == SpanExport::kAuto || spans == SpanExport::kOtlp);
  bool logs = options.otlp_logs;
  if (auto name = environment("OTEL_LOGS_EXPORTER"); !name.empty()) {
    if (name == "otlp" || name == "none") {
      logs = name == "otlp";
    } else {
      complain("OTEL_LOGS_EXPORTER", name);
    }
  }
  out.export_logs = can_export && logs;

  std::vector<std::pair<std::string, std::string>> headers;
  parse_key_values(options.otlp_headers, headers);
  parse_key_values(environment("OTEL_EXPORTER_OTLP_HEADERS"), headers);
  for (const auto& [name, value] : headers) {
    std::string line = name + ": " + value;
    if (line.find_first_of("\r\n") != std::string::npos) {
      complain("otlp headers", name);
      continue;
    }
    out.header_lines += line + "\n";
  }
  out.timeout_ms = options.otlp_timeout_ms;
  if (auto text = environment("OTEL_EXPORTER_OTLP_TIMEOUT"); !text.empty()) {
    int64_t ms = 0;
    if (parse_number(text, ms) && ms > 0) {
      out.timeout_ms = ms;
    } else {
      complain("OTEL_EXPORTER_OTLP_TIMEOUT", text);
    }
  }
  if (out.timeout_ms <= 0) out.timeout_ms = 10'000;
  out.batch_delay_ms = options.batch_delay_ms;
  out.batch_bytes = options.batch_bytes;
  out.queue_bytes = options.queue_bytes;
  return problem;
}

}  // namespace sonde::inline v1::detail

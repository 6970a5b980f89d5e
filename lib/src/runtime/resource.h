// Who this process is: the OpenTelemetry resource given to init() and by the environment.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sonde/registry.h"

namespace sonde::inline v1::detail {

struct Resource {
  std::string service_name;
  std::string service_version;
  std::vector<std::pair<std::string, std::string>> attributes;  // with both of the above, and telemetry.sdk.*
  const Resource* earlier = nullptr;  // what it replaced: expose() may be reading it, so it stays
};

// "key=value,key=value", values percent-encoded (W3C Baggage); malformed members are skipped. Later keys win.
void parse_key_values(std::string_view text, std::vector<std::pair<std::string, std::string>>& out);

// Published once per init(); earlier ones stay valid. Null before.
const Resource* resource() noexcept;
void publish_resource(Resource* made) noexcept;

// target_info and <service>_build_info; nothing before init().
void describe_service(MetricSink& sink) noexcept;

}  // namespace sonde::inline v1::detail

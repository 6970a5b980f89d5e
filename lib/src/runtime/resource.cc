#include "runtime/resource.h"

#include <atomic>

namespace sonde::inline v1::detail {

namespace {

constinit std::atomic<const Resource*> g_resource{nullptr};

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); i++) {
    if (s[i] == '%' && i + 2 < s.size() && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2]));
      i += 2;
    } else {
      out += s[i];
    }
  }
  return out;
}

std::string metric_text(std::string_view s) {
  std::string out;
  for (char c : s) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    bool digit = c >= '0' && c <= '9';
    if (digit && out.empty()) out += '_';
    out += letter || digit ? c : '_';
  }
  return out;
}

}  // namespace

void parse_key_values(std::string_view text, std::vector<std::pair<std::string, std::string>>& out) {
  while (!text.empty()) {
    size_t comma = text.find(',');
    std::string_view member = trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    size_t equals = member.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    std::string key = percent_decoded(trim(member.substr(0, equals)));
    std::string value = percent_decoded(trim(member.substr(equals + 1)));
    bool replaced = false;
    for (auto& [k, v] : out) {
      if (k != key) continue;
      v = value;
      replaced = true;
    }
    if (!replaced) out.emplace_back(std::move(key), std::move(value));
  }
}

const Resource* resource() noexcept { return g_resource.load(std::memory_order_acquire); }
void publish_resource(Resource* made) noexcept {
  made->earlier = g_resource.load(std::memory_order_relaxed);  // init() calls come one at a time
  g_resource.store(made, std::memory_order_release);
}

void describe_service(MetricSink& sink) noexcept try {
  const Resource* r = resource();
  if (r == nullptr) return;
  std::vector<std::pair<std::string, std::string>> labels;
  for (const auto& [key, value] : r->attributes) {
    std::string name = metric_text(key);
    bool taken = name.empty() || name.starts_with("__");
    for (const auto& [other, unused] : labels) taken = taken || other == name;
    if (!taken) labels.emplace_back(std::move(name), value);
  }
  std::vector<Label> views;
  for (const auto& [name, value] : labels) views.push_back({name, value});
  sink.family(MetricKind::kGauge, "target_info", "Attributes of the service that is instrumented.");
  sink.value(std::span<const Label>(views), 1);
  std::string name = metric_text(r->service_name) + "_build_info";
  if (name == "sonde_build_info") return;
  sink.family(MetricKind::kGauge, name, "Version of the service.");
  sink.value({{"version", r->service_version}}, 1);
} catch (...) {
}

}  // namespace sonde::inline v1::detail

#include "scrape/target.h"

#include <set>

#include "config/yaml.h"

namespace sonde::scrape {
namespace {

// "host:port" without scheme, path or blanks.
bool is_address(std::string_view a) {
  return !a.empty() && a.find('/') == std::string_view::npos && a.find(' ') == std::string_view::npos;
}

std::string build_url(const LabelBuilder& labels) {
  std::string url = std::string(labels.get("__scheme__")) + "://" + std::string(labels.get("__address__"));
  std::string_view path = labels.get("__metrics_path__");
  if (!path.starts_with('/')) url += '/';
  url += path;
  return url;
}

std::string query_string(const ScrapeJob& job, const LabelBuilder& labels) {
  std::string out;
  auto append = [&](std::string_view name, std::string_view value) {
    out += out.empty() ? '?' : '&';
    out += net::percent_encode(name) + "=" + net::percent_encode(value);
  };
  std::set<std::string> seen;
  for (const auto& [name, values] : job.params) {
    seen.insert(name);
    std::string_view first = labels.get("__param_" + name);
    if (!first.empty()) append(name, first);
    for (size_t i = first.empty() ? 0 : 1; i < values.size(); i++) append(name, values[i]);
  }
  labels.for_each([&](std::string_view name, std::string_view value) {
    if (name.starts_with("__param_") && !seen.contains(std::string(name.substr(8))))
      append(name.substr(8), value);
  });
  return out;
}

}  // namespace

TargetList make_targets(const ScrapeJob& job, const std::vector<discovery::TargetGroup>& groups) {
  TargetList out;
  std::set<std::string> seen;
  for (const discovery::TargetGroup& group : groups) {
    for (const LabelSet& own : group.targets) {
      LabelBuilder labels(group.labels);
      for (LabelView l : own) labels.set(l.name, l.value);
      auto set_default = [&](std::string_view name, std::string_view value) {
        if (labels.get(name).empty()) labels.set(name, value);
      };
      set_default("job", job.name);
      set_default("__scheme__", job.scheme);
      set_default("__metrics_path__", job.metrics_path);
      set_default("__scrape_interval__", config::format_duration(job.interval));
      set_default("__scrape_timeout__", config::format_duration(job.timeout));
      for (const auto& [name, values] : job.params) {
        if (!values.empty()) set_default("__param_" + name, values[0]);
      }
      Target target;
      target.discovered = labels.build();
      if (!relabel(job.relabel, labels)) {
        out.dropped.push_back({target.discovered});
        continue;
      }
      if (!is_address(labels.get("__address__"))) {
        out.errors.push_back("job " + quote(job.name) + ": " + quote(labels.get("__address__")) +
                             " is not a valid address");
        continue;
      }
      auto interval = config::parse_duration(labels.get("__scrape_interval__"));
      auto timeout = config::parse_duration(labels.get("__scrape_timeout__"));
      if (!interval || !timeout || interval->ns <= 0 || timeout->ns <= 0 || *timeout > *interval) {
        out.errors.push_back("job " + quote(job.name) + ": target " + quote(labels.get("__address__")) +
                             ": interval " + quote(labels.get("__scrape_interval__")) + " and timeout " +
                             quote(labels.get("__scrape_timeout__")) + " do not fit");
        continue;
      }
      target.interval = *interval;
      target.timeout = *timeout;
      target.url = build_url(labels) + query_string(job, labels);
      if (labels.get("instance").empty()) labels.set("instance", std::string(labels.get("__address__")));
      std::vector<std::string> internal;
      labels.for_each([&](std::string_view name, std::string_view) {
        if (name.starts_with("__")) internal.emplace_back(name);
      });
      for (const std::string& name : internal) labels.del(name);
      target.labels = labels.build();
      if (seen.insert(target.key()).second) out.active.push_back(std::move(target));
    }
  }
  return out;
}

}  // namespace sonde::scrape

#include <cstdio>
#include <cstdlib>

#include "app/flags.h"
#include "app/settings_from_config.h"
#include "app/verbs.h"
#include "base/clock.h"
#include "config/rule_file.h"
#include "rules/rule_loading.h"

namespace sonde::app {
namespace {

constexpr const char* kUsage = "sonde check config|rules|sonde-config FILE…";

int check_config(FileSystem& fs, const std::string& path) {
  config::LoadOptions options;
  options.environment = [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
  auto config = config::load_prometheus_config(fs, path, options);
  if (!config) {
    std::fprintf(stderr, "FAILED: %s\n", config.error().to_string().c_str());
    return 1;
  }
  config::Capabilities capabilities;
  capabilities.discovery = {"static", "file"};
  int failed = 0;
  for (const Error& e : config::unsupported(*config, capabilities)) {
    std::fprintf(stderr, "FAILED: %s\n", e.to_string().c_str());
    failed = 1;
  }
  SystemClock clock;
  SystemScheduler scheduler(clock);
  if (auto jobs = scrape_jobs(*config, fs, scheduler); !jobs) {
    std::fprintf(stderr, "FAILED: %s\n", jobs.error().to_string().c_str());
    failed = 1;
  }
  if (auto targets = alertmanager_targets(*config, fs); !targets) {
    std::fprintf(stderr, "FAILED: %s\n", targets.error().to_string().c_str());
    failed = 1;
  }
  auto paths = config::rule_file_paths(fs, *config);
  if (!paths) {
    std::fprintf(stderr, "FAILED: %s\n", paths.error().to_string().c_str());
    return 1;
  }
  for (const std::string& rules : *paths) {
    auto file = config::load_rule_file(fs, rules, rules::rule_check());
    if (!file) {
      std::fprintf(stderr, "FAILED: %s\n", file.error().to_string().c_str());
      failed = 1;
    }
  }
  if (failed == 0)
    std::printf("%s: valid, %zu jobs, %zu rule files\n", path.c_str(), config->scrape_configs.size(),
                paths->size());
  return failed;
}

int check_rules(FileSystem& fs, const std::string& path) {
  auto file = config::load_rule_file(fs, path, rules::rule_check());
  if (!file) {
    std::fprintf(stderr, "FAILED: %s\n", file.error().to_string().c_str());
    return 1;
  }
  size_t rules = 0;
  for (const auto& group : file->groups) rules += group.rules.size();
  std::printf("%s: valid, %zu groups, %zu rules\n", path.c_str(), file->groups.size(), rules);
  return 0;
}

int check_sonde_config(FileSystem& fs, const std::string& path) {
  auto config = config::load_sonde_config(fs, path);
  Result<> usable = config ? Result<>{} : Result<>(fail(config.error()));
  if (config) {
    if (auto made = receivers(*config); !made) usable = fail(made.error());
  }
  if (!usable) {
    std::fprintf(stderr, "FAILED: %s\n", usable.error().to_string().c_str());
    return 1;
  }
  std::printf("%s: valid\n", path.c_str());
  return 0;
}

}  // namespace

int run_check(const std::vector<std::string>& args) {
  if (!args.empty() && args[0] == "--help") {
    std::puts(kUsage);
    return 0;
  }
  if (args.size() < 2) {
    std::fprintf(stderr, "usage: %s\n", kUsage);
    return 2;
  }
  auto fs = make_posix_file_system();
  int status = 0;
  for (size_t i = 1; i < args.size(); i++) {
    int one = 2;
    if (args[0] == "config") one = check_config(*fs, args[i]);
    if (args[0] == "rules") one = check_rules(*fs, args[i]);
    if (args[0] == "sonde-config") one = check_sonde_config(*fs, args[i]);
    if (one == 2) {
      std::fprintf(stderr, "sonde check: unknown kind \"%s\"; usage: %s\n", args[0].c_str(), kUsage);
      return 2;
    }
    status = std::max(status, one);
  }
  return status;
}

}  // namespace sonde::app

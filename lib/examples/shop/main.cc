// shop: three services in one executable, instrumented with libsonde alone.
//
//   customers → web → orders → stock → SQLite or PostgreSQL
#include <cstdio>
#include <cstring>

#include "shop/service.h"

namespace {

int print_targets(const shop::Options& options) {
  const char* hosts[][2] = {
      {"web", "127.0.0.1:8081"}, {"orders", "127.0.0.1:8082"}, {"stock", "127.0.0.1:8083"}};
  if (options.format == "json") {  // file_sd_configs
    std::printf("[");
    for (size_t i = 0; i < 3; i++) {
      std::printf("%s{\"targets\":[\"%s\"],\"labels\":{\"service\":\"%s\"}}", i > 0 ? "," : "", hosts[i][1],
                  hosts[i][0]);
    }
    std::printf("]\n");
    return 0;
  }
  std::printf("scrape_configs:\n  - job_name: shop\n    scrape_interval: 5s\n    static_configs:\n");
  for (auto& [name, target] : hosts) {
    std::printf("      - targets: ['%s']\n        labels: {service: %s}\n", target, name);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0)) {
    std::fputs(shop::kUsage, stdout);
    return 0;
  }
  shop::Options options;
  std::string error;
  if (!shop::parse_options(argc, argv, options, error)) {
    std::fprintf(stderr, "shop: %s\n\n%s", error.c_str(), shop::kUsage);
    return 2;
  }
  if (options.verb == "web") return shop::run_web(options);
  if (options.verb == "orders") return shop::run_orders(options);
  if (options.verb == "stock") return shop::run_stock(options);
  if (options.verb == "load") return shop::run_load(options);
  if (options.verb == "all") return shop::run_all(options);
  return print_targets(options);
}

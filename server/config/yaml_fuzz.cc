// Strategy: any bytes as YAML, then as a server configuration, a rule file and sonde.yml. Invariants: no
// crash; a configuration that loads also marshals to text that loads, unless secrets were masked into invalid
// values.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/memory_files.h"
#include "config/prometheus_config.h"
#include "config/rule_file.h"
#include "config/sonde_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde::config;
  if (size > (1u << 16)) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (!parse_yaml(text, "fuzz.yml")) return 0;
  MemoryFiles fs;
  if (auto config = parse_prometheus_config(fs, text, "fuzz.yml", {})) {
    (void)parse_prometheus_config(fs, marshal(*config), "fuzz.yml", {});
  }
  (void)parse_rule_file(text, "fuzz.yml", {});
  (void)parse_sonde_config(text, "fuzz.yml");
  return 0;
}

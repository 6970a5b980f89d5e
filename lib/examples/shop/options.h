// What the command line of the shop says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shop {

// A fault that `shop load` asks a role for: kind:role@start+length.
struct PlannedFault {
  std::string kind;
  std::string role;
  double start_seconds = 0;
  double length_seconds = 30;
};

struct Options {
  std::string verb;  // web, orders, stock, load, all, targets
  std::string host = "127.0.0.1";
  int port = 0;  // 0: the role's default
  std::string web_url = "http://127.0.0.1:8081";
  std::string orders_url = "http://127.0.0.1:8082";
  std::string stock_url = "http://127.0.0.1:8083";
  std::string database;  // of stock: a file, or postgresql://…
  std::string otlp;      // http://127.0.0.1:4318; empty: no export
  std::string log = "-";
  std::string service_name;
  int drain_ms = 500;
  double rate = 0;              // requests per second of `load`; `all` starts `load` if it is given
  double duration_seconds = 0;  // of `load`; 0: until stopped
  std::vector<PlannedFault> faults;
  std::string format = "prometheus";  // of `targets`
};

inline constexpr int kWebPort = 8081;
inline constexpr int kOrdersPort = 8082;
inline constexpr int kStockPort = 8083;

// False with a message in `error` if the arguments make no sense.
bool parse_options(int argc, char** argv, Options& options, std::string& error);
// "20s", "1.5m", "500ms", "20" (seconds); negative if it is none of these.
double parse_seconds(std::string_view text);
bool parse_fault(std::string_view text, PlannedFault& fault);

extern const char kUsage[];

}  // namespace shop

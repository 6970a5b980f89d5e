#include "shop/options.h"

#include <cstdlib>

namespace shop {

const char kUsage[] =
    "usage: shop web|orders|stock [flags]     one service\n"
    "       shop all [flags]                  the three, as child processes; with --rate also load\n"
    "       shop load [flags]                 steady traffic, and faults on a schedule\n"
    "       shop targets [--format prometheus|json]\n"
    "\n"
    "  --port N             default 8081 (web), 8082 (orders), 8083 (stock)\n"
    "  --host ADDRESS       default 127.0.0.1\n"
    "  --web-url URL        where load finds web (also: --url)\n"
    "  --orders-url URL     where web and load find orders\n"
    "  --stock-url URL      where orders and load find stock\n"
    "  --database WHAT      of stock: a file for SQLite, or postgresql://…\n"
    "  --otlp URL           export traces and logs, e.g. http://127.0.0.1:4318\n"
    "  --log FILE|-         JSON lines; - is standard output\n"
    "  --service-name NAME  default: the role\n"
    "  --drain-ms N         how long to be unready before stopping, default 500\n"
    "  --rate N             requests per second of load, default 20\n"
    "  --duration T         of load, e.g. 90s; default: until stopped\n"
    "  --fault KIND[:ROLE]@START+LENGTH\n"
    "                       slow-query, dead-database, errors or memory-leak, e.g. slow-query@20s+60s; "
    "repeatable\n";

double parse_seconds(std::string_view text) {
  std::string s(text);
  char* end = nullptr;
  double value = std::strtod(s.c_str(), &end);
  if (end == s.c_str() || !(value >= 0) || value > 1e7) return -1;
  std::string_view unit(end);
  if (unit.empty() || unit == "s") return value;
  if (unit == "ms") return value / 1000;
  if (unit == "m") return value * 60;
  if (unit == "h") return value * 3600;
  return -1;
}

bool parse_fault(std::string_view text, PlannedFault& fault) {
  std::string_view what = text.substr(0, text.find('@'));
  if (what.size() < text.size()) {
    std::string_view when = text.substr(what.size() + 1);
    std::string_view start = when.substr(0, when.find('+'));
    if (!start.empty()) fault.start_seconds = parse_seconds(start);
    if (start.size() < when.size()) fault.length_seconds = parse_seconds(when.substr(start.size() + 1));
  }
  std::string_view kind = what.substr(0, what.find(':'));
  if (kind.size() < what.size()) fault.role = what.substr(kind.size() + 1);
  fault.kind = kind;
  for (char& c : fault.kind) {
    if (c == '-') c = '_';
  }
  if (fault.role.empty()) {
    fault.role = fault.kind == "slow_query" || fault.kind == "dead_database" ? "stock" : "orders";
  }
  bool known_kind = fault.kind == "slow_query" || fault.kind == "dead_database" || fault.kind == "errors" ||
                    fault.kind == "memory_leak";
  bool known_role = fault.role == "web" || fault.role == "orders" || fault.role == "stock";
  return known_kind && known_role && fault.start_seconds >= 0 && fault.length_seconds > 0;
}

namespace {

bool parse_int(const std::string& text, int min, int max, int& out) {
  char* end = nullptr;
  long v = std::strtol(text.c_str(), &end, 10);
  if (end == text.c_str() || *end != '\0' || v < min || v > max) return false;
  out = static_cast<int>(v);
  return true;
}

bool is_verb(const std::string& v) {
  return v == "web" || v == "orders" || v == "stock" || v == "load" || v == "all" || v == "targets";
}

}  // namespace

bool parse_options(int argc, char** argv, Options& o, std::string& error) {
  if (argc < 2 || !is_verb(argv[1])) {
    error = argc < 2 ? "no role given" : std::string("no such role: ") + argv[1];
    return false;
  }
  o.verb = argv[1];
  for (int i = 2; i < argc; i++) {
    std::string flag = argv[i];
    std::string value;
    size_t equals = flag.find('=');
    if (equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      error = flag + " needs a value";
      return false;
    }
    bool ok = true;
    if (flag == "--port") {
      ok = parse_int(value, 1, 65535, o.port);
    } else if (flag == "--host") {
      o.host = value;
    } else if (flag == "--web-url" || flag == "--url") {
      o.web_url = value;
    } else if (flag == "--orders-url") {
      o.orders_url = value;
    } else if (flag == "--stock-url") {
      o.stock_url = value;
    } else if (flag == "--database") {
      o.database = value;
    } else if (flag == "--otlp") {
      o.otlp = value;
    } else if (flag == "--log") {
      o.log = value;
    } else if (flag == "--service-name") {
      o.service_name = value;
    } else if (flag == "--drain-ms") {
      ok = parse_int(value, 0, 3000, o.drain_ms);
    } else if (flag == "--rate") {
      o.rate = std::strtod(value.c_str(), nullptr);
      ok = o.rate > 0 && o.rate <= 10000;
    } else if (flag == "--duration") {
      o.duration_seconds = parse_seconds(value);
      ok = o.duration_seconds >= 0;
    } else if (flag == "--fault") {
      PlannedFault fault;
      ok = parse_fault(value, fault);
      o.faults.push_back(fault);
    } else if (flag == "--format") {
      o.format = value;
      ok = value == "prometheus" || value == "json";
    } else {
      error = "no such flag: " + flag;
      return false;
    }
    if (!ok) {
      error = flag + ": not understood: " + value;
      return false;
    }
  }
  if (o.port == 0) o.port = o.verb == "web" ? kWebPort : o.verb == "orders" ? kOrdersPort : kStockPort;
  if (o.service_name.empty()) o.service_name = o.verb;
  if (o.rate == 0 && o.verb == "load") o.rate = 20;
  if (o.database.empty()) o.database = "/tmp/shop-stock-" + std::to_string(o.port) + ".db";
  return true;
}

}  // namespace shop

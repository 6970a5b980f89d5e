// The three roles of the shop on free ports, each a process.
#pragma once

#include <memory>
#include <string>

#include "process.h"

class Fleet {
 public:
  explicit Fleet(const std::string& database) {
    char name[] = "/tmp/sonde-shop-XXXXXX";
    directory = mkdtemp(name);
    std::string store = database.empty() ? directory + "/stock.db" : database;
    auto url = [](int port) { return "http://127.0.0.1:" + std::to_string(port); };
    stock = start("stock", stock_port, {"--database", store});
    orders = start("orders", orders_port, {"--stock-url", url(stock_port)});
    web = start("web", web_port, {"--orders-url", url(orders_port)});
  }
  ~Fleet() {
    web.reset();
    orders.reset();
    stock.reset();
    std::string command = "rm -rf " + directory;
    (void)!system(command.c_str());
  }
  bool ready() {
    return milliseconds_until([&] {
             for (int port : {web_port, orders_port, stock_port}) {
               if (get(port, "/health/ready").status != 200) return false;
             }
             return true;
           }) >= 0;
  }
  std::string log(const std::string& role) { return read_file(directory + "/" + role + ".log"); }

  std::string directory;
  int web_port = free_port();
  int orders_port = free_port();
  int stock_port = free_port();
  std::unique_ptr<Process> web;
  std::unique_ptr<Process> orders;
  std::unique_ptr<Process> stock;

 private:
  std::unique_ptr<Process> start(const std::string& role, int port, std::vector<std::string> more) {
    std::vector<std::string> arguments = {SHOP_BINARY,          role,    "--port",
                                          std::to_string(port), "--log", directory + "/" + role + ".log",
                                          "--drain-ms",         "100"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::make_unique<Process>(arguments, directory + "/" + role + ".out");
  }
};

// What the three roles have in common: telemetry, the HTTP server with its pages, faults, and an orderly end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shop/faults.h"
#include "shop/options.h"
#include "sonde/httplib.h"

namespace shop {

class Service {
 public:
  explicit Service(const Options& options);
  ~Service();

  sonde::httplib::Router& router();
  Faults& faults();
  // Runs about every 100 ms on a thread of its own, until the end.
  void every_tick(std::function<void()> f);
  // Serves until SIGTERM or SIGINT. The exit status of the process.
  int run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Each sets up its routes and runs; returns the exit status.
int run_web(const Options& options);
int run_orders(const Options& options);
int run_stock(const Options& options);
int run_load(const Options& options);
int run_all(const Options& options);

// {"error":"…"} with a constant text: what went wrong inside stays in the log.
void reply_error(httplib::Response& response, int status, std::string_view text);
void reply_json(httplib::Response& response, std::string body);
// Passes on what another role answered: its status, and 502 if there was no answer.
void pass_on(httplib::Response& response, const httplib::Result& result);

}  // namespace shop

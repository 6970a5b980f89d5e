// Telemetry of a test: init() with a log file, and spans and lines through a transport that keeps the bytes.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <sstream>
#include <string>

#include "sonde/init.h"
#include "sonde/transport.h"

class Capture final : public sonde::Transport {
 public:
  // One for the process: init() may be called again only after shutdown().
  static Capture& get() {
    static Capture* capture = new Capture;
    return *capture;
  }

  sonde::TransportResult post(const sonde::TransportRequest& request) noexcept override {
    std::lock_guard lock(mu_);
    if (request.url.find("/traces") != std::string_view::npos) traces_.append(request.body);
    return {.status = 200};
  }

  // The OTLP bytes of the spans ended so far. Names, ids and attribute text appear in them as they are.
  std::string traces() {
    sonde::flush(2000);
    std::lock_guard lock(mu_);
    return traces_;
  }
  // The log file so far.
  std::string log() {
    sonde::flush(2000);
    std::ifstream in(path_);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  static size_t count(const std::string& text, std::string_view needle) {
    size_t n = 0;
    for (size_t at = text.find(needle); at != std::string::npos; at = text.find(needle, at + 1)) n++;
    return n;
  }

 private:
  Capture() {
    char path[] = "/tmp/sonde-adapters-XXXXXX";
    close(mkstemp(path));
    path_ = path;
    telemetry_ = sonde::init({.service = "test",
                              .log_path = path_,
                              .otlp_endpoint = "http://capture",
                              .transport = this,
                              .batch_delay_ms = 10});
  }

  std::mutex mu_;
  std::string traces_;
  std::string path_;
  sonde::Telemetry telemetry_;
};

// The envelope of the Prometheus HTTP API, written as it comes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/http.h"
#include "wire/json_writer.h"

namespace sonde::api {

// {"status":"success","data":…,"warnings":[…],"infos":[…]}. Up to 64 KiB go out in one piece with their
// length; more is streamed. Borrows the writer. Threads: one.
class PrometheusAnswer {
 public:
  explicit PrometheusAnswer(net::ResponseWriter& writer) : writer_(writer) {}

  // Begins the envelope; one value, the data, must follow.
  wire::JsonWriter& data();
  // Sends what was written when it is much. Call it between values; on an error the peer is gone: stop.
  Result<> flush_if_large();
  // Whether part of it is sent: an error can then no longer be told.
  bool streaming() const { return streaming_; }
  // At most ten of each are shown, then how many were left out.
  void warn(std::string text) { warnings_.push_back(std::move(text)); }
  void info(std::string text) { infos_.push_back(std::move(text)); }
  void end();

 private:
  void write_remarks(std::string_view key, const std::vector<std::string>& remarks, std::string_view kind);

  net::ResponseWriter& writer_;
  std::string buffer_;
  wire::JsonWriter json_{buffer_};
  std::vector<std::string> warnings_;
  std::vector<std::string> infos_;
  bool streaming_ = false;
};

// {"status":"error","errorType":…,"error":…} with the status of the error's code.
void send_prometheus_error(net::ResponseWriter& writer, const Error& error);

}  // namespace sonde::api

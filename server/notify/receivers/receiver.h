// A kind of place that notifications go to.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/http_client.h"

namespace sonde::notify {

// Where and how, from sonde.yml.
struct ReceiverConfig {
  std::string name;
  std::string kind;  // a row of receivers/all.cc
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  Duration timeout = Duration::seconds(10);
};

// Turns a stored payload (see webhook_payload) into the request that delivers it. Immutable. Threads: any.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual const std::string& name() const = 0;
  virtual net::ClientRequest request(const std::string& payload) const = 0;
  // Whether an answer with this status means that another attempt can succeed.
  virtual bool worth_retrying(int status) const { return status >= 500 || status == 408 || status == 429; }
};

// kInvalid, naming the receiver, when its kind is unknown or its settings do not fit.
Result<std::unique_ptr<Receiver>> make_receiver(const ReceiverConfig& config);

}  // namespace sonde::notify

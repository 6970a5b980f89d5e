#include "notify/receivers/webhook.h"

namespace sonde::notify {
namespace {

class Webhook final : public Receiver {
 public:
  explicit Webhook(ReceiverConfig config) : config_(std::move(config)) {}
  const std::string& name() const override { return config_.name; }

  net::ClientRequest request(const std::string& payload) const override {
    net::ClientRequest r;
    r.method = "POST";
    r.url = config_.url;
    r.headers.add("Content-Type", "application/json");
    r.headers.add("User-Agent", "sonde");
    for (const auto& [name, value] : config_.headers) r.headers.set(name, value);
    r.body = payload;
    r.timeout = config_.timeout;
    r.response_bytes_max = 64 << 10;
    r.redirects_max = 0;  // a webhook's target is what the operator wrote, nothing else
    return r;
  }

 private:
  ReceiverConfig config_;
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_webhook(const ReceiverConfig& config) {
  if (!config.url.starts_with("http://") && !config.url.starts_with("https://")) {
    return fail(ErrorCode::kInvalid,
                "receiver \"" + config.name + "\": url must start with http:// or https://");
  }
  return std::make_unique<Webhook>(config);
}

}  // namespace sonde::notify

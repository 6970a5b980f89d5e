// Every kind of receiver, a row each.
#include <string>

#include "notify/receivers/webhook.h"

namespace sonde::notify {
namespace {

struct Row {
  const char* kind;
  Result<std::unique_ptr<Receiver>> (*make)(const ReceiverConfig&);
};

constexpr Row kRows[] = {
    {"webhook", make_webhook},
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_receiver(const ReceiverConfig& config) {
  for (const Row& row : kRows) {
    if (config.kind == row.kind) return row.make(config);
  }
  return fail(ErrorCode::kInvalid, "receiver \"" + config.name + "\": unknown kind \"" + config.kind + "\"");
}

}  // namespace sonde::notify

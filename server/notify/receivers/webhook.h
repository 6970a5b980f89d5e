// The generic webhook: POST of Alertmanager's payload version "4".
#pragma once

#include "notify/receivers/receiver.h"

namespace sonde::notify {

Result<std::unique_ptr<Receiver>> make_webhook(const ReceiverConfig& config);

}  // namespace sonde::notify

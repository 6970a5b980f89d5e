// Notifications at rest: the outbox holds what must still be delivered, the inbox keeps what was sent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/labels.h"
#include "state/database.h"

namespace sonde::state {

struct Delivery {
  Timestamp t;
  std::string receiver;
  bool ok = false;
  std::string error;
};

struct InboxMessage {
  int64_t id = 0;
  Timestamp t;
  std::string receiver;  // routing group that made it
  std::string status;    // "firing" or "resolved"
  std::string title;
  std::string body;
  std::string payload;  // JSON of the alerts
  bool read = false;
  std::vector<Delivery> deliveries;
};

struct OutboxItem {
  int64_t id = 0;
  int64_t inbox_id = 0;
  std::string receiver;
  std::string payload;
  int64_t attempts = 0;
  Timestamp created;
};

// An alert that somebody was told about and that has not been reported as resolved: keeps a restart from
// telling twice.
struct Notified {
  LabelSet labels;
  Timestamp starts_at;
};

// Threads: any. The database must outlive it.
class Mailbox {
 public:
  // Keeps the newest `inbox_messages_max` messages.
  Mailbox(Database& db, size_t inbox_messages_max) : db_(db), inbox_messages_max_(inbox_messages_max) {}

  // The message and one outbox item for each receiver, in one transaction: once this returned, delivery will
  // be tried until it succeeds or is given up, over any number of restarts. `firing` are remembered as
  // notified, `resolved` forgotten, in the same transaction. Returns the message's id.
  Result<int64_t> post(const InboxMessage& message, const std::vector<std::string>& receivers,
                       const std::string& payload, const std::vector<Notified>& firing = {},
                       const std::vector<LabelSet>& resolved = {});
  Result<std::vector<Notified>> notified() const;

  // Newest first.
  Result<std::vector<InboxMessage>> list(size_t limit) const;
  Result<int64_t> unread_count() const;
  // kNotFound when there is no such message.
  Result<> mark_read(int64_t id);

  Result<std::vector<OutboxItem>> due(Timestamp now, size_t limit) const;
  Result<int64_t> outbox_count() const;
  // Delivered, or given up when `delivery.ok` is false: recorded and removed from the outbox.
  Result<> settle(const OutboxItem& item, const Delivery& delivery);
  // Failed, to be tried again.
  Result<> retry(const OutboxItem& item, const Delivery& delivery, Timestamp next_attempt);

 private:
  Result<> record(int64_t inbox_id, const Delivery& delivery);
  Database& db_;
  size_t inbox_messages_max_;
};

}  // namespace sonde::state

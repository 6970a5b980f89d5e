#include "state/mailbox.h"

namespace sonde::state {

Result<int64_t> Mailbox::post(const InboxMessage& m, const std::vector<std::string>& receivers,
                              const std::string& payload, const std::vector<Notified>& firing,
                              const std::vector<LabelSet>& resolved) {
  int64_t id = 0;
  SONDE_CHECK(db_.transaction([&]() -> Result<> {
    {
      Statement insert =
          db_.prepare("INSERT INTO inbox(t, receiver, status, title, body, payload) VALUES(?,?,?,?,?,?)");
      insert.bind(m.t.ms).bind(m.receiver).bind(m.status).bind(m.title).bind(m.body).bind(m.payload);
      SONDE_CHECK(insert.run());
      id = db_.last_insert_id();
    }
    for (const std::string& receiver : receivers) {
      Statement insert = db_.prepare(
          "INSERT INTO outbox(inbox_id, receiver, payload, attempts, next_attempt, created) "
          "VALUES(?,?,?,0,?,?)");
      insert.bind(id).bind(receiver).bind(payload).bind(m.t.ms).bind(m.t.ms);
      SONDE_CHECK(insert.run());
    }
    for (const Notified& n : firing) {
      Statement insert = db_.prepare("INSERT OR REPLACE INTO notified VALUES(?,?,?)");
      SONDE_CHECK(insert.bind(n.labels.encoded()).bind(n.starts_at.ms).bind(m.t.ms).run());
    }
    for (const LabelSet& labels : resolved) {
      SONDE_CHECK(db_.prepare("DELETE FROM notified WHERE labels = ?").bind(labels.encoded()).run());
    }
    int64_t oldest_kept = id - static_cast<int64_t>(inbox_messages_max_);
    SONDE_CHECK(db_.prepare("DELETE FROM inbox WHERE id <= ?").bind(oldest_kept).run());
    return db_.prepare("DELETE FROM delivery WHERE inbox_id <= ?").bind(oldest_kept).run();
  }));
  return id;
}

Result<std::vector<InboxMessage>> Mailbox::list(size_t limit) const {
  std::vector<InboxMessage> out;
  {
    Statement read = db_.prepare(
        "SELECT id, t, receiver, status, title, body, payload, is_read FROM inbox ORDER BY id DESC LIMIT ?");
    read.bind(static_cast<int64_t>(limit));
    for (;;) {
      SONDE_TRY(bool row, read.step());
      if (!row) break;
      InboxMessage m;
      m.id = read.integer(0);
      m.t = {read.integer(1)};
      m.receiver = read.text(2);
      m.status = read.text(3);
      m.title = read.text(4);
      m.body = read.text(5);
      m.payload = read.text(6);
      m.read = read.integer(7) != 0;
      out.push_back(std::move(m));
    }
  }
  for (InboxMessage& m : out) {
    Statement read =
        db_.prepare("SELECT t, receiver, ok, error FROM delivery WHERE inbox_id = ? ORDER BY id LIMIT 100");
    read.bind(m.id);
    for (;;) {
      SONDE_TRY(bool row, read.step());
      if (!row) break;
      m.deliveries.push_back({{read.integer(0)}, read.text(1), read.integer(2) != 0, read.text(3)});
    }
  }
  return out;
}

Result<int64_t> Mailbox::unread_count() const {
  Statement read = db_.prepare("SELECT count(*) FROM inbox WHERE is_read = 0");
  SONDE_TRY(bool row, read.step());
  return row ? read.integer(0) : 0;
}

Result<> Mailbox::mark_read(int64_t id) {
  Statement update = db_.prepare("UPDATE inbox SET is_read = 1 WHERE id = ? RETURNING id");
  update.bind(id);
  SONDE_TRY(bool row, update.step());
  if (!row) return fail(ErrorCode::kNotFound, "inbox message " + std::to_string(id) + " does not exist");
  return update.run();
}

Result<std::vector<Notified>> Mailbox::notified() const {
  std::vector<Notified> out;
  Statement read = db_.prepare("SELECT labels, starts_at FROM notified");
  for (;;) {
    SONDE_TRY(bool row, read.step());
    if (!row) return out;
    out.push_back({LabelSet::from_encoded(read.text(0)), {read.integer(1)}});
  }
}

Result<std::vector<OutboxItem>> Mailbox::due(Timestamp now, size_t limit) const {
  std::vector<OutboxItem> out;
  Statement read = db_.prepare(
      "SELECT id, inbox_id, receiver, payload, attempts, created FROM outbox WHERE next_attempt <= ? ORDER "
      "BY id LIMIT ?");
  read.bind(now.ms).bind(static_cast<int64_t>(limit));
  for (;;) {
    SONDE_TRY(bool row, read.step());
    if (!row) return out;
    out.push_back(
        {read.integer(0), read.integer(1), read.text(2), read.text(3), read.integer(4), {read.integer(5)}});
  }
}

Result<int64_t> Mailbox::outbox_count() const {
  Statement read = db_.prepare("SELECT count(*) FROM outbox");
  SONDE_TRY(bool row, read.step());
  return row ? read.integer(0) : 0;
}

Result<> Mailbox::record(int64_t inbox_id, const Delivery& d) {
  Statement insert = db_.prepare("INSERT INTO delivery(inbox_id, t, receiver, ok, error) VALUES(?,?,?,?,?)");
  insert.bind(inbox_id).bind(d.t.ms).bind(d.receiver).bind(int64_t{d.ok}).bind(d.error);
  return insert.run();
}

Result<> Mailbox::settle(const OutboxItem& item, const Delivery& delivery) {
  return db_.transaction([&]() -> Result<> {
    SONDE_CHECK(record(item.inbox_id, delivery));
    return db_.prepare("DELETE FROM outbox WHERE id = ?").bind(item.id).run();
  });
}

Result<> Mailbox::retry(const OutboxItem& item, const Delivery& delivery, Timestamp next_attempt) {
  return db_.transaction([&]() -> Result<> {
    SONDE_CHECK(record(item.inbox_id, delivery));
    Statement update =
        db_.prepare("UPDATE outbox SET attempts = attempts + 1, next_attempt = ? WHERE id = ?");
    return update.bind(next_attempt.ms).bind(item.id).run();
  });
}

}  // namespace sonde::state

#include "state/alert_book.h"

#include <algorithm>

namespace sonde::state {

Result<> AlertBook::save(std::string_view rule_key, const std::vector<Alert>& alerts,
                         const std::vector<AlertTransition>& changes, Timestamp now) {
  return db_.transaction([&]() -> Result<> {
    SONDE_CHECK(db_.prepare("DELETE FROM alert_state WHERE rule_key = ?").bind(rule_key).run());
    for (const Alert& a : alerts) {
      Statement insert = db_.prepare("INSERT OR REPLACE INTO alert_state VALUES(?,?,?,?,?,?,?,?,?,?)");
      insert.bind(rule_key)
          .bind(a.labels.encoded())
          .bind(a.annotations.encoded())
          .bind(int64_t{static_cast<int>(a.state)});
      insert.bind(a.value).bind(a.active_at.ms).bind(a.fired_at.ms).bind(a.resolved_at.ms);
      insert.bind(a.keep_firing_since.ms).bind(now.ms);
      SONDE_CHECK(insert.run());
    }
    for (const AlertTransition& c : changes) {
      Statement insert = db_.prepare(
          "INSERT INTO alert_history(t, rule_group, rule, labels, from_state, to_state, value) "
          "VALUES(?,?,?,?,?,?,?)");
      insert.bind(c.t.ms).bind(c.group).bind(c.rule).bind(c.labels.encoded());
      insert.bind(int64_t{static_cast<int>(c.from)}).bind(int64_t{static_cast<int>(c.to)}).bind(c.value);
      SONDE_CHECK(insert.run());
    }
    return {};
  });
}

Result<AlertBook::Remembered> AlertBook::load(std::string_view rule_key) const {
  Remembered out;
  Statement read = db_.prepare(
      "SELECT labels, annotations, state, value, active_at, fired_at, resolved_at, keep_firing_since, "
      "saved_at "
      "FROM alert_state WHERE rule_key = ?");
  read.bind(rule_key);
  for (;;) {
    SONDE_TRY(bool row, read.step());
    if (!row) return out;
    Alert a;
    a.labels = LabelSet::from_encoded(read.text(0));
    a.annotations = LabelSet::from_encoded(read.text(1));
    a.state = static_cast<AlertState>(read.integer(2));
    a.value = read.real(3);
    a.active_at = {read.integer(4)};
    a.fired_at = {read.integer(5)};
    a.resolved_at = {read.integer(6)};
    a.keep_firing_since = {read.integer(7)};
    out.saved_at = std::max(out.saved_at, Timestamp{read.integer(8)});
    out.alerts.push_back(std::move(a));
  }
}

Result<> AlertBook::forget_unsaved_since(Timestamp before) {
  return db_.prepare("DELETE FROM alert_state WHERE saved_at < ?").bind(before.ms).run();
}

Result<std::vector<AlertTransition>> AlertBook::history(Timestamp from, Timestamp to, size_t limit) const {
  std::vector<AlertTransition> out;
  Statement read = db_.prepare(
      "SELECT t, rule_group, rule, labels, from_state, to_state, value FROM alert_history WHERE t >= ? AND t "
      "<= ? "
      "ORDER BY t DESC, id DESC LIMIT ?");
  read.bind(from.ms).bind(to.ms).bind(static_cast<int64_t>(limit));
  for (;;) {
    SONDE_TRY(bool row, read.step());
    if (!row) return out;
    AlertTransition c;
    c.t = {read.integer(0)};
    c.group = read.text(1);
    c.rule = read.text(2);
    c.labels = LabelSet::from_encoded(read.text(3));
    c.from = static_cast<AlertState>(read.integer(4));
    c.to = static_cast<AlertState>(read.integer(5));
    c.value = read.real(6);
    out.push_back(std::move(c));
  }
}

Result<> AlertBook::drop_history_before(Timestamp t) {
  return db_.prepare("DELETE FROM alert_history WHERE t < ?").bind(t.ms).run();
}

}  // namespace sonde::state

#include <doctest/doctest.h>

#include <unistd.h>
#include <cstdlib>

#include <filesystem>
#include <fstream>

#include "state/alert_book.h"
#include "state/mailbox.h"
#include "state/settings.h"

using namespace sonde;
using namespace sonde::state;

namespace {

std::unique_ptr<Database> in_memory() {
  auto db = Database::open(":memory:");
  REQUIRE(db);
  return std::move(*db);
}

struct TempFile {
  std::filesystem::path dir =
      std::filesystem::temp_directory_path() / ("sonde-state-" + std::to_string(getpid()));
  TempFile() { std::filesystem::create_directories(dir); }
  ~TempFile() { std::filesystem::remove_all(dir); }
  std::string path() const { return (dir / "state.db").string(); }
};

Alert firing(std::string_view instance) {
  Alert a;
  a.labels = LabelSet{{"alertname", "Slow"}, {"instance", instance}};
  a.annotations = LabelSet{{"summary", "it's \"slow\""}};
  a.state = AlertState::kFiring;
  a.value = 0.25;
  a.active_at = {1000};
  a.fired_at = {61000};
  return a;
}

}  // namespace

TEST_CASE("state: an alert book gives back over a restart what was saved") {
  TempFile file;
  {
    auto db = Database::open(file.path());
    REQUIRE(db);
    AlertBook book(**db);
    REQUIRE(book.save("r1", {firing("a"), firing("b")}, {}, {70000}));
  }
  auto db = Database::open(file.path());
  REQUIRE(db);
  AlertBook book(**db);
  auto back = book.load("r1");
  REQUIRE(back);
  REQUIRE(back->alerts.size() == 2);
  CHECK(back->saved_at == Timestamp{70000});
  CHECK(back->alerts[0].labels == firing("a").labels);
  CHECK(back->alerts[0].annotations == firing("a").annotations);
  CHECK(back->alerts[1].fired_at == Timestamp{61000});
  CHECK(book.load("another")->alerts.empty());
}

TEST_CASE("state: saving a rule replaces its alerts and appends to the history") {
  auto db = in_memory();
  AlertBook book(*db);
  AlertTransition up{{5}, "g", "Slow", firing("a").labels, AlertState::kPending, AlertState::kFiring, 1};
  AlertTransition down{{9}, "g", "Slow", firing("a").labels, AlertState::kFiring, AlertState::kInactive, 0};
  REQUIRE(book.save("r1", {firing("a")}, {up}, {5}));
  REQUIRE(book.save("r1", {}, {down}, {9}));
  CHECK(book.load("r1")->alerts.empty());
  auto history = book.history({0}, {100}, 10);
  REQUIRE(history);
  REQUIRE(history->size() == 2);
  CHECK((*history)[0].to == AlertState::kInactive);
  CHECK((*history)[1].labels == firing("a").labels);
  CHECK(book.history({6}, {100}, 10)->size() == 1);
  CHECK(book.history({0}, {100}, 1)->size() == 1);
  REQUIRE(book.drop_history_before({6}));
  CHECK(book.history({0}, {100}, 10)->size() == 1);
}

TEST_CASE("state: a posted message waits in the outbox until it is settled, and its deliveries are kept") {
  auto db = in_memory();
  Mailbox box(*db, 100);
  InboxMessage m;
  m.t = {1000};
  m.status = "firing";
  m.title = "Slow";
  m.payload = "[]";
  auto id = box.post(m, {"webhook", "alertmanager"}, "{}");
  REQUIRE(id);
  auto due = box.due({1000}, 10);
  REQUIRE(due);
  REQUIRE(due->size() == 2);
  REQUIRE(box.retry((*due)[0], {{1001}, "webhook", false, "503"}, {5000}));
  REQUIRE(box.settle((*due)[1], {{1002}, "alertmanager", true, ""}));
  CHECK(box.due({2000}, 10)->empty());
  auto later = box.due({5000}, 10);
  REQUIRE(later->size() == 1);
  CHECK((*later)[0].attempts == 1);
  REQUIRE(box.settle((*later)[0], {{5001}, "webhook", true, ""}));
  CHECK(*box.outbox_count() == 0);
  auto list = box.list(10);
  REQUIRE(list->size() == 1);
  CHECK((*list)[0].deliveries.size() == 3);
  CHECK((*list)[0].deliveries[0].error == "503");
  CHECK(*box.unread_count() == 1);
  REQUIRE(box.mark_read(*id));
  CHECK(*box.unread_count() == 0);
  CHECK(box.mark_read(12345).error().code == ErrorCode::kNotFound);
}

TEST_CASE("state: the inbox keeps only the newest messages") {
  auto db = in_memory();
  Mailbox box(*db, 3);
  for (int i = 0; i < 10; i++) {
    InboxMessage m;
    m.t = {i};
    REQUIRE(box.post(m, {}, ""));
  }
  auto list = box.list(100);
  REQUIRE(list->size() == 3);
  CHECK((*list)[0].t == Timestamp{9});
}

TEST_CASE("state: a failed transaction leaves nothing behind") {
  auto db = in_memory();
  Settings settings(*db);
  auto r = db->transaction([&]() -> Result<> {
    SONDE_CHECK(settings.set("a", "1"));
    return fail(ErrorCode::kInternal, "no");
  });
  CHECK(!r);
  CHECK(!settings.get("a")->has_value());
  REQUIRE(settings.set("a", "2"));
  CHECK(settings.get("a")->value() == "2");
}

TEST_CASE("state: a file that is no database, and one of a newer release, are refused by name") {
  TempFile file;
  {
    std::ofstream(file.path()) << std::string(8192, 'x');
    auto db = Database::open(file.path());
    REQUIRE(!db);
    CHECK(db.error().code == ErrorCode::kCorrupt);
    CHECK(db.error().message.find(file.path()) != std::string::npos);
  }
  std::filesystem::remove(file.path());
  {
    auto db = Database::open(file.path());
    REQUIRE(db);
    REQUIRE((*db)->prepare("PRAGMA user_version=99").run());
  }
  auto db = Database::open(file.path());
  REQUIRE(!db);
  CHECK(db.error().code == ErrorCode::kConflict);
}

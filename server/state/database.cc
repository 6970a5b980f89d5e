#include "state/database.h"

#include <sqlite3.h>

#include <mutex>
#include <utility>

namespace sonde::state {
namespace {

constexpr int kSchemaVersion = 1;

constexpr const char* kSchema = R"sql(
CREATE TABLE alert_state(
  rule_key TEXT NOT NULL, labels BLOB NOT NULL, annotations BLOB NOT NULL, state INTEGER NOT NULL, value REAL,
  active_at INTEGER NOT NULL, fired_at INTEGER NOT NULL, resolved_at INTEGER NOT NULL, keep_firing_since INTEGER NOT NULL,
  saved_at INTEGER NOT NULL, PRIMARY KEY(rule_key, labels)) WITHOUT ROWID;
CREATE TABLE alert_history(
  id INTEGER PRIMARY KEY, t INTEGER NOT NULL, rule_group TEXT NOT NULL, rule TEXT NOT NULL, labels BLOB NOT NULL,
  from_state INTEGER NOT NULL, to_state INTEGER NOT NULL, value REAL);
CREATE INDEX alert_history_t ON alert_history(t);
CREATE TABLE inbox(
  id INTEGER PRIMARY KEY, t INTEGER NOT NULL, receiver TEXT NOT NULL, status TEXT NOT NULL, title TEXT NOT NULL,
  body TEXT NOT NULL, payload TEXT NOT NULL, is_read INTEGER NOT NULL DEFAULT 0);
CREATE INDEX inbox_t ON inbox(t);
CREATE TABLE delivery(
  id INTEGER PRIMARY KEY, inbox_id INTEGER NOT NULL, t INTEGER NOT NULL, receiver TEXT NOT NULL, ok INTEGER NOT NULL,
  error TEXT NOT NULL);
CREATE INDEX delivery_inbox ON delivery(inbox_id);
CREATE TABLE outbox(
  id INTEGER PRIMARY KEY, inbox_id INTEGER NOT NULL, receiver TEXT NOT NULL, payload TEXT NOT NULL, attempts INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL, created INTEGER NOT NULL);
CREATE TABLE notified(labels BLOB PRIMARY KEY, starts_at INTEGER NOT NULL, t INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
)sql";

}  // namespace

struct Database::State {
  std::recursive_mutex mu;  // a Statement holds it; a transaction prepares statements while it does
  sqlite3* db = nullptr;
  std::string path;
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}

Database::~Database() { sqlite3_close_v2(state_->db); }

Error Database::error(const char* what) const {
  int code = sqlite3_errcode(state_->db);
  ErrorCode kind = ErrorCode::kIo;
  if (code == SQLITE_FULL) kind = ErrorCode::kNoSpace;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) kind = ErrorCode::kCorrupt;
  if (code == SQLITE_CONSTRAINT) kind = ErrorCode::kConflict;
  return Error{
      kind, "state database " + state_->path + ": " + what + ": " + sqlite3_errmsg(state_->db), {}, 0, 0};
}

Result<> Database::execute(const char* sql) {
  std::lock_guard lock(state_->mu);
  if (sqlite3_exec(state_->db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return fail(error("execute"));
  return {};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path;
  int code = sqlite3_open_v2(path.c_str(), &state->db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  std::unique_ptr<Database> db(new Database(std::move(state)));
  if (code != SQLITE_OK) return fail(db->error("open"));
  sqlite3_busy_timeout(db->state_->db, 2000);
  SONDE_CHECK(db->execute("PRAGMA journal_mode=WAL"));
  SONDE_CHECK(db->execute("PRAGMA synchronous=FULL"));
  SONDE_CHECK(db->migrate());
  return db;
}

Result<> Database::migrate() {
  int64_t version = 0;
  {
    Statement read = prepare("PRAGMA user_version");
    SONDE_TRY(bool row, read.step());
    if (row) version = read.integer(0);
  }
  if (version == kSchemaVersion) return {};
  if (version > kSchemaVersion) {
    return fail(ErrorCode::kConflict, "state database " + state_->path + ": schema version " +
                                          std::to_string(version) + " is newer than this release's " +
                                          std::to_string(kSchemaVersion));
  }
  return transaction([&]() -> Result<> {
    SONDE_CHECK(execute(kSchema));
    return execute(("PRAGMA user_version=" + std::to_string(kSchemaVersion)).c_str());
  });
}

Statement Database::prepare(std::string_view sql) {
  state_->mu.lock();
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(state_->db, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  return Statement(*this, statement);
}

Result<> Database::transaction(const std::function<Result<>()>& work) {
  std::lock_guard lock(state_->mu);
  SONDE_CHECK(execute("BEGIN IMMEDIATE"));
  if (auto done = work(); !done) {
    (void)execute("ROLLBACK");
    return done;
  }
  if (auto committed = execute("COMMIT"); !committed) {
    (void)execute("ROLLBACK");
    return committed;
  }
  return {};
}

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(state_->db); }

Statement::Statement(Database& db, sqlite3_stmt* statement) : db_(&db), statement_(statement) {}

Statement::Statement(Statement&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)), statement_(other.statement_), bound_(other.bound_) {}

Statement::~Statement() {
  if (db_ == nullptr) return;
  sqlite3_finalize(statement_);
  db_->state_->mu.unlock();
}

Statement& Statement::bind(int64_t v) {
  if (statement_) sqlite3_bind_int64(statement_, ++bound_, v);
  return *this;
}

Statement& Statement::bind(double v) {
  if (statement_) sqlite3_bind_double(statement_, ++bound_, v);
  return *this;
}

Statement& Statement::bind(std::string_view v) {
  if (statement_) {
    sqlite3_bind_text(statement_, ++bound_, v.data() ? v.data() : "", static_cast<int>(v.size()),
                      SQLITE_TRANSIENT);
  }
  return *this;
}

Result<bool> Statement::step() {
  if (!statement_) return fail(db_->error("prepare"));
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(db_->error("step"));
}

Result<> Statement::run() {
  for (;;) {
    SONDE_TRY(bool row, step());
    if (!row) return {};
  }
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Statement::text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  return data ? std::string(static_cast<const char*>(data), size) : std::string();
}

}  // namespace sonde::state

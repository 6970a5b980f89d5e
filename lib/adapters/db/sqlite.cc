#include "sonde/sqlite.h"

#include <sqlite3.h>

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sonde/histogram.h"
#include "sonde/query.h"

namespace sonde::inline v1::sqlite {
namespace {

constexpr std::string_view kSystem = "sqlite";
constexpr size_t kOpenMax = 64;       // statements that are running at once on a connection
constexpr size_t kSteppedMax = 4096;  // statements that step() has begun and not ended

// The statement that step() is in on this thread: the hook leaves it alone.
thread_local sqlite3_stmt* t_stepping = nullptr;

// --- statements begun by step() ---

struct Stepped {
  std::mutex mu;
  std::unordered_map<sqlite3_stmt*, std::unique_ptr<db::Call>> calls;

  static Stepped& get() {
    static Stepped* stepped = new Stepped;
    return *stepped;
  }
  std::unique_ptr<db::Call> take(sqlite3_stmt* statement) {
    std::lock_guard lock(mu);
    auto it = calls.find(statement);
    if (it == calls.end()) return nullptr;
    std::unique_ptr<db::Call> call = std::move(it->second);
    calls.erase(it);
    return call;
  }
  void put(sqlite3_stmt* statement, std::unique_ptr<db::Call> call) {
    std::lock_guard lock(mu);
    // Past the bound the call ends here: recorded, though too short.
    if (calls.size() < kSteppedMax) calls[statement] = std::move(call);
  }
};

// --- the hook ---

struct Open {
  sqlite3_stmt* statement = nullptr;
  std::optional<db::Call> call;
};

// Owned by the connection's hook; SQLite calls it with the connection's mutex held.
struct Connection {
  std::vector<std::unique_ptr<Open>> open;

  Open* find(sqlite3_stmt* statement) {
    for (auto& o : open) {
      if (o->statement == statement) return o.get();
    }
    return nullptr;
  }
};

void begin(Connection& connection, sqlite3_stmt* statement, const char* sql) {
  if (sql == nullptr || (sql[0] == '-' && sql[1] == '-')) return;  // a trigger's part of a statement
  Open* slot = connection.find(statement);
  if (slot == nullptr) slot = connection.find(nullptr);
  if (slot == nullptr) {
    if (connection.open.size() >= kOpenMax) return;
    slot = connection.open.emplace_back(std::make_unique<Open>()).get();
  }
  slot->call.reset();
  slot->statement = statement;
  slot->call.emplace(kSystem, sql, db::CallOptions{.detached = true});
}

int on_trace(unsigned event, void* context, void* p, void* x) {
  auto* connection = static_cast<Connection*>(context);
  auto* statement = static_cast<sqlite3_stmt*>(p);
  try {
    switch (event) {
      case SQLITE_TRACE_STMT:
        if (statement != t_stepping) begin(*connection, statement, static_cast<const char*>(x));
        break;
      case SQLITE_TRACE_PROFILE:
        if (statement == t_stepping) break;
        if (Open* slot = connection->find(statement)) {
          slot->call.reset();
          slot->statement = nullptr;
        } else {
          Stepped::get().take(statement);  // begun by step(), ended by SQLite's own sqlite3_reset()
        }
        break;
      case SQLITE_TRACE_CLOSE:
        delete connection;
        break;
      default:
        break;
    }
  } catch (...) {
    // Out of memory: this statement is not watched.
  }
  return 0;
}

int on_open(sqlite3* db, char**, const void*) {
  attach(db);
  return SQLITE_OK;
}

struct Name {
  int code;
  std::string_view name;
};
#define SONDE_CODE(x) {x, #x}
constexpr Name kNames[] = {
    SONDE_CODE(SQLITE_ERROR),
    SONDE_CODE(SQLITE_INTERNAL),
    SONDE_CODE(SQLITE_PERM),
    SONDE_CODE(SQLITE_ABORT),
    SONDE_CODE(SQLITE_BUSY),
    SONDE_CODE(SQLITE_LOCKED),
    SONDE_CODE(SQLITE_NOMEM),
    SONDE_CODE(SQLITE_READONLY),
    SONDE_CODE(SQLITE_INTERRUPT),
    SONDE_CODE(SQLITE_IOERR),
    SONDE_CODE(SQLITE_CORRUPT),
    SONDE_CODE(SQLITE_NOTFOUND),
    SONDE_CODE(SQLITE_FULL),
    SONDE_CODE(SQLITE_CANTOPEN),
    SONDE_CODE(SQLITE_PROTOCOL),
    SONDE_CODE(SQLITE_SCHEMA),
    SONDE_CODE(SQLITE_TOOBIG),
    SONDE_CODE(SQLITE_CONSTRAINT),
    SONDE_CODE(SQLITE_MISMATCH),
    SONDE_CODE(SQLITE_MISUSE),
    SONDE_CODE(SQLITE_AUTH),
    SONDE_CODE(SQLITE_RANGE),
    SONDE_CODE(SQLITE_NOTADB),
    SONDE_CODE(SQLITE_BUSY_RECOVERY),
    SONDE_CODE(SQLITE_BUSY_SNAPSHOT),
    SONDE_CODE(SQLITE_BUSY_TIMEOUT),
    SONDE_CODE(SQLITE_LOCKED_SHAREDCACHE),
    SONDE_CODE(SQLITE_CONSTRAINT_CHECK),
    SONDE_CODE(SQLITE_CONSTRAINT_FOREIGNKEY),
    SONDE_CODE(SQLITE_CONSTRAINT_NOTNULL),
    SONDE_CODE(SQLITE_CONSTRAINT_PRIMARYKEY),
    SONDE_CODE(SQLITE_CONSTRAINT_ROWID),
    SONDE_CODE(SQLITE_CONSTRAINT_TRIGGER),
    SONDE_CODE(SQLITE_CONSTRAINT_UNIQUE),
    SONDE_CODE(SQLITE_READONLY_DBMOVED),
    SONDE_CODE(SQLITE_IOERR_READ),
    SONDE_CODE(SQLITE_IOERR_WRITE),
    SONDE_CODE(SQLITE_IOERR_FSYNC),
    SONDE_CODE(SQLITE_IOERR_SHORT_READ),
};
#undef SONDE_CODE

void report_failure(std::string_view sql, int64_t start_ns, int code) noexcept {
  try {
    db::Call call(kSystem, sql, {.elapsed_ns = sonde::detail::monotonic_ns() - start_ns});
    call.error(code_name(code));
  } catch (...) {
    // Out of memory: this failure is not recorded.
  }
}

}  // namespace

std::string code_name(int code) {
  for (const Name& n : kNames) {
    if (n.code == code) return std::string(n.name);
  }
  int primary = code & 0xff;
  if (primary != code) {
    for (const Name& n : kNames) {
      if (n.code == primary) return std::string(n.name);
    }
  }
  return "SQLITE_" + std::to_string(code);
}

bool attach(sqlite3* db) noexcept {
  auto* connection = new (std::nothrow) Connection;
  if (connection == nullptr) return false;
  if (sqlite3_trace_v2(db, SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE | SQLITE_TRACE_CLOSE, on_trace,
                       connection) == SQLITE_OK) {
    return true;
  }
  delete connection;
  return false;
}

bool attach_all() noexcept {
  return sqlite3_auto_extension(reinterpret_cast<void (*)()>(on_open)) == SQLITE_OK;
}

int prepare(sqlite3* db, std::string_view sql, sqlite3_stmt** statement, const char** tail) noexcept {
  int64_t start = sonde::detail::monotonic_ns();
  int rc = sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), statement, tail);
  if (rc != SQLITE_OK) report_failure(sql, start, sqlite3_extended_errcode(db));
  return rc;
}

int step(sqlite3_stmt* statement) noexcept {
  std::unique_ptr<db::Call> call;
  try {
    call = Stepped::get().take(statement);
    // What is neither running nor fresh has been reset behind our back: that execution ended then.
    if (call != nullptr && sqlite3_stmt_busy(statement) == 0) call.reset();
    if (call == nullptr) {
      const char* sql = sqlite3_sql(statement);
      if (sql != nullptr) call = std::make_unique<db::Call>(kSystem, sql, db::CallOptions{.detached = true});
    }
  } catch (...) {
    call = nullptr;
  }
  sqlite3_stmt* outer = t_stepping;  // a function of the application may run statements of its own
  t_stepping = statement;
  int rc = sqlite3_step(statement);
  t_stepping = outer;
  if (call == nullptr) return rc;
  try {
    if (rc == SQLITE_ROW) {
      call->add_row();
      Stepped::get().put(statement, std::move(call));
    } else if (rc == SQLITE_DONE) {
      if (sqlite3_stmt_readonly(statement) == 0) {
        call->rows(static_cast<uint64_t>(sqlite3_changes64(sqlite3_db_handle(statement))));
      }
      call->finish();
    } else {
      call->error(code_name(sqlite3_extended_errcode(sqlite3_db_handle(statement))));
      call->finish();
    }
  } catch (...) {
    // Out of memory: the call ends as it is.
  }
  return rc;
}

int reset(sqlite3_stmt* statement) noexcept {
  try {
    Stepped::get().take(statement);
  } catch (...) {
    // Only a lock can fail here.
  }
  return sqlite3_reset(statement);
}

int finalize(sqlite3_stmt* statement) noexcept {
  try {
    Stepped::get().take(statement);
  } catch (...) {
    // Only a lock can fail here.
  }
  return sqlite3_finalize(statement);
}

int exec(sqlite3* db, std::string_view sql) noexcept {
  while (!sql.empty()) {
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    int rc = prepare(db, sql, &statement, &tail);
    if (rc != SQLITE_OK) return rc;
    sql.remove_prefix(static_cast<size_t>(tail - sql.data()));
    if (statement == nullptr) continue;  // white space or a comment
    do {
      rc = step(statement);
    } while (rc == SQLITE_ROW);
    finalize(statement);
    if (rc != SQLITE_DONE) return rc;
  }
  return SQLITE_OK;
}

health::Check ping(std::string path) {
  return [path = std::move(path)]() -> health::Outcome {
    sqlite3* db = nullptr;
    int rc = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
    if (rc == SQLITE_OK) {
      sqlite3_trace_v2(db, 0, nullptr, nullptr);  // a probe is no traffic
      sqlite3_busy_timeout(db, 100);
      rc = sqlite3_exec(db, "select count(*) from sqlite_schema", nullptr, nullptr, nullptr);
    }
    std::string detail = rc == SQLITE_OK ? std::string() : code_name(rc) + ": " + sqlite3_errmsg(db);
    sqlite3_close(db);
    return rc == SQLITE_OK ? health::Outcome(true) : health::Outcome::failed(std::move(detail));
  };
}

}  // namespace sonde::inline v1::sqlite

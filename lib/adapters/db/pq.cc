#include "sonde/pq.h"

#include <libpq-events.h>
#include <libpq-fe.h>
#include <poll.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <string_view>

#include "sonde/histogram.h"
#include "sonde/query.h"

namespace sonde::inline v1::pq {
namespace {

constexpr std::string_view kSystem = "postgresql";
constexpr std::string_view kConnectionLost = "08006";  // connection_failure
constexpr size_t kPreparedMax = 1000;

// What we know of a connection; libpq tells us when it goes.
struct Connection {
  std::map<std::string, std::string, std::less<>> prepared;
};

int on_event(PGEventId event, void* info, void*) {
  if (event == PGEVT_CONNDESTROY) {
    PGconn* conn = static_cast<PGEventConnDestroy*>(info)->conn;
    delete static_cast<Connection*>(PQinstanceData(conn, on_event));
  } else if (event == PGEVT_CONNRESET) {
    PGconn* conn = static_cast<PGEventConnReset*>(info)->conn;
    auto* known = static_cast<Connection*>(PQinstanceData(conn, on_event));
    if (known != nullptr) known->prepared.clear();  // the server has forgotten them
  }
  return 1;
}

Connection* connection_of(PGconn* conn) {
  if (conn == nullptr) return nullptr;
  auto* known = static_cast<Connection*>(PQinstanceData(conn, on_event));
  if (known != nullptr) return known;
  if (PQregisterEventProc(conn, on_event, "sonde", nullptr) == 0) return nullptr;
  auto made = std::make_unique<Connection>();
  if (PQsetInstanceData(conn, on_event, made.get()) == 0) return nullptr;
  return made.release();
}

db::CallOptions options_of(PGconn* conn) {
  db::CallOptions options;
  if (conn == nullptr) return options;
  auto text = [](const char* s) { return s == nullptr ? std::string_view() : std::string_view(s); };
  options.database = text(PQdb(conn));
  options.server = text(PQhost(conn));
  const char* port = PQport(conn);
  options.port = port == nullptr ? 0 : std::atoi(port);
  return options;
}

void note(db::Call& call, const PGresult* result) noexcept {
  ExecStatusType status = PQresultStatus(result);
  switch (status) {
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
      call.rows(static_cast<uint64_t>(PQntuples(result)));
      break;
    case PGRES_COMMAND_OK: {
      const char* changed = PQcmdTuples(const_cast<PGresult*>(result));
      if (changed != nullptr && changed[0] != '\0') call.rows(std::strtoull(changed, nullptr, 10));
      break;
    }
    case PGRES_BAD_RESPONSE:
    case PGRES_FATAL_ERROR: {
      const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      call.error(state != nullptr ? std::string_view(state) : kConnectionLost);
      break;
    }
    default:
      break;
  }
}

// Waits for the connection's socket. False when the time is over or poll() failed.
bool wait_for(PGconn* conn, short events, std::chrono::steady_clock::time_point deadline) {
  int fd = PQsocket(conn);
  if (fd < 0) return false;
  while (true) {
    auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd p{fd, events, 0};
    int n = poll(&p, 1, static_cast<int>(left.count()));
    if (n > 0) return true;
    if (n < 0 && errno != EINTR) return false;
  }
}

struct Pinger {
  std::string conninfo;
  std::chrono::milliseconds timeout;
  PGconn* conn = nullptr;

  ~Pinger() { PQfinish(conn); }

  health::Outcome run() {
    auto deadline = std::chrono::steady_clock::now() + timeout;
    // A kept connection may have died with a server that is up again: one more try on a new one.
    bool kept = conn != nullptr;
    health::Outcome outcome = attempt(deadline);
    if (!outcome.ok && kept && conn == nullptr) outcome = attempt(deadline);
    return outcome;
  }

  health::Outcome attempt(std::chrono::steady_clock::time_point deadline) {
    if (conn == nullptr && !connect(deadline)) return give_up("cannot connect");
    if (PQsendQuery(conn, "select 1") == 0) return give_up("cannot send");
    while (PQflush(conn) == 1) {
      if (!wait_for(conn, POLLOUT, deadline)) return give_up("timeout while sending");
    }
    bool ok = false;
    while (true) {
      while (PQisBusy(conn) != 0) {
        if (!wait_for(conn, POLLIN, deadline)) return give_up("timeout while waiting for an answer");
        if (PQconsumeInput(conn) == 0) return give_up("connection lost");
      }
      PGresult* result = PQgetResult(conn);
      if (result == nullptr) break;
      ok = PQresultStatus(result) == PGRES_TUPLES_OK;
      PQclear(result);
    }
    if (!ok) return give_up("query failed");
    return true;
  }

  bool connect(std::chrono::steady_clock::time_point deadline) {
    conn = PQconnectStart(conninfo.c_str());
    if (conn == nullptr || PQstatus(conn) == CONNECTION_BAD) return false;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
      if (state == PGRES_POLLING_FAILED) return false;
      if (!wait_for(conn, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) return false;
      state = PQconnectPoll(conn);
    }
    return PQsetnonblocking(conn, 1) == 0;
  }

  health::Outcome give_up(std::string_view what) {
    std::string detail(what);
    if (conn != nullptr) {
      std::string_view message = PQerrorMessage(conn);
      while (message.ends_with('\n')) message.remove_suffix(1);
      if (!message.empty()) detail.append(": ").append(message);
    }
    PQfinish(conn);
    conn = nullptr;
    return health::Outcome::failed(std::move(detail));
  }
};

}  // namespace

pg_result* exec(pg_conn* conn, const char* sql) noexcept {
  db::Call call(kSystem, sql, options_of(conn));
  PGresult* result = PQexec(conn, sql);
  note(call, result);
  return result;
}

pg_result* exec_params(pg_conn* conn, const char* sql, int count, const unsigned* types,
                       const char* const* values, const int* lengths, const int* formats,
                       int result_format) noexcept {
  db::Call call(kSystem, sql, options_of(conn));
  PGresult* result = PQexecParams(conn, sql, count, types, values, lengths, formats, result_format);
  note(call, result);
  return result;
}

pg_result* exec_params(pg_conn* conn, const char* sql, std::initializer_list<const char*> values) noexcept {
  return exec_params(conn, sql, static_cast<int>(values.size()), nullptr, values.begin(), nullptr, nullptr,
                     0);
}

pg_result* prepare(pg_conn* conn, const char* name, const char* sql, int count,
                   const unsigned* types) noexcept {
  int64_t start = sonde::detail::monotonic_ns();
  PGresult* result = PQprepare(conn, name, sql, count, types);
  try {
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
      Connection* known = connection_of(conn);
      if (known != nullptr && (known->prepared.size() < kPreparedMax || known->prepared.contains(name))) {
        known->prepared[name] = sql;
      }
    } else {
      // A statement that does not compile is a failed call of it.
      db::CallOptions options = options_of(conn);
      options.elapsed_ns = sonde::detail::monotonic_ns() - start;
      db::Call call(kSystem, sql, options);
      note(call, result);
    }
  } catch (...) {
    // Out of memory: its calls will be recorded by name.
  }
  return result;
}

pg_result* exec_prepared(pg_conn* conn, const char* name,
                         std::initializer_list<const char*> values) noexcept {
  std::string by_name;
  std::string_view sql;
  try {
    Connection* known = connection_of(conn);
    if (known != nullptr) {
      auto it = known->prepared.find(std::string_view(name));
      if (it != known->prepared.end()) sql = it->second;
    }
    if (sql.empty()) sql = by_name = std::string("EXECUTE ") + name;
  } catch (...) {
    sql = "EXECUTE";
  }
  db::Call call(kSystem, sql, options_of(conn));
  PGresult* result =
      PQexecPrepared(conn, name, static_cast<int>(values.size()), values.begin(), nullptr, nullptr, 0);
  note(call, result);
  return result;
}

health::Check ping(std::string conninfo, std::chrono::milliseconds timeout) {
  auto pinger = std::make_shared<Pinger>();
  pinger->conninfo = std::move(conninfo);
  pinger->timeout = timeout;
  return [pinger] { return pinger->run(); };
}

}  // namespace sonde::inline v1::pq

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "http/capture.h"
#include "sonde/expose.h"
#include "sonde/query.h"
#include "sonde/span.h"
#include "sonde/sqlite.h"

namespace {

// The row of the table for the statement with this normalised text.
sonde::db::StatementStats row(std::string_view statement) {
  for (auto& s : sonde::db::statements()) {
    if (s.statement == statement) return s;
  }
  return {};
}

class Database {
 public:
  Database() {
    Capture::get();
    sqlite3_open(":memory:", &db);
    sonde::db::configure({});
  }
  ~Database() {
    sqlite3_close(db);
    sonde::db::reset_statements();
  }
  sqlite3* db = nullptr;
};

}  // namespace

TEST_CASE("sqlite: unchanged code on an attached connection is timed to the microsecond") {
  Database d;
  REQUIRE(sonde::sqlite::attach(d.db));
  sqlite3_exec(d.db, "create table t (id integer primary key, name text unique)", nullptr, nullptr, nullptr);
  sqlite3_exec(d.db, "insert into t (name) values ('alpha'), ('beta')", nullptr, nullptr, nullptr);
  for (int i = 0; i < 100; i++) {
    sqlite3_exec(d.db, "select name from t where id = 1 -- hush", nullptr, nullptr, nullptr);
  }
  auto s = row("select name from t where id = ?");
  CHECK(s.calls == 100);
  CHECK(s.errors == 0);
  CHECK(s.summary == "SELECT t");
  CHECK(s.system == "sqlite");
  // A look-up by key takes microseconds: the hook's own milliseconds would say nought.
  CHECK(s.total_ns > 100 * 100);
  CHECK(s.p50_seconds > 0);
  CHECK(s.p50_seconds < 0.001);
  CHECK(row("insert into t(name) values (?)").calls == 1);
  std::string page = sonde::expose().body;
  CHECK(page.find("sonde_db_statement_calls_total{fingerprint=\"" + s.fingerprint +
                  "\",system=\"sqlite\"} 100\n") != std::string::npos);
  CHECK(page.find("sonde_db_statement_info{fingerprint=\"" + s.fingerprint +
                  "\",system=\"sqlite\",statement=\"select name from t where id = ?\"} 1\n") !=
        std::string::npos);
  CHECK(page.find("alpha") == std::string::npos);
}

TEST_CASE("sqlite: a constraint failure, a syntax error and SQLITE_BUSY are each recorded by the wrappers") {
  Database d;
  sonde::sqlite::attach(d.db);
  REQUIRE(sonde::sqlite::exec(d.db, "create table t (id integer primary key, name text unique)") ==
          SQLITE_OK);
  CHECK(sonde::sqlite::exec(d.db, "insert into t (name) values ('secret')") == SQLITE_OK);
  CHECK(sonde::sqlite::exec(d.db, "insert into t (name) values ('secret')") == SQLITE_CONSTRAINT);
  auto insert = row("insert into t(name) values (?)");
  CHECK(insert.calls == 2);  // attached and wrapped: still once each
  CHECK(insert.errors == 1);
  CHECK(insert.rows == 1);
  REQUIRE(insert.error_codes.size() == 1);
  CHECK(insert.error_codes[0].code == "SQLITE_CONSTRAINT_UNIQUE");

  CHECK(sonde::sqlite::exec(d.db, "selekt name from t where name = 'secret'") == SQLITE_ERROR);
  auto bad = row("selekt name from t where name = ?");
  CHECK(bad.calls == 1);
  CHECK(bad.errors == 1);
  CHECK(bad.error_codes[0].code == "SQLITE_ERROR");

  char path[] = "/tmp/sonde-busy-XXXXXX";
  close(mkstemp(path));
  sqlite3* a = nullptr;
  sqlite3* b = nullptr;
  sqlite3_open(path, &a);
  sqlite3_open(path, &b);
  CHECK(sonde::sqlite::exec(a, "create table x (y); begin exclusive") == SQLITE_OK);
  CHECK(sonde::sqlite::exec(b, "insert into x values (1)") == SQLITE_BUSY);
  auto busy = row("insert into x values (?)");
  CHECK(busy.errors == 1);
  CHECK(busy.error_codes[0].code == "SQLITE_BUSY");
  sqlite3_close(b);
  sqlite3_close(a);
  unlink(path);

  std::string page = sonde::expose().body;
  CHECK(page.find("sonde_db_statement_errors_total{fingerprint=\"" + insert.fingerprint +
                  "\",system=\"sqlite\"} 1\n") != std::string::npos);
  CHECK(
      page.find(
          R"(db_client_operation_duration_seconds_count{db_system_name="sqlite",db_operation_name="INSERT",)"
          R"(db_response_status_code="SQLITE_CONSTRAINT_UNIQUE",error_type="SQLITE_CONSTRAINT_UNIQUE"} 1)") !=
      std::string::npos);
  std::string log = Capture::get().log();
  CHECK(Capture::count(log, "database query failed") >= 3);
  std::string traces = Capture::get().traces();
  CHECK(Capture::count(traces, "SQLITE_CONSTRAINT_UNIQUE") >= 1);
  CHECK(Capture::count(traces, "insert into t(name) values (?)") >= 2);
  for (const std::string& text : {log, traces, page}) CHECK(text.find("secret") == std::string::npos);
}

TEST_CASE("sqlite: wrappers work on connections without the hook, and count the rows") {
  Database d;
  sonde::sqlite::exec(d.db, "create table t (a); insert into t values (1), (2), (3)");
  CHECK(row("insert into t values (?)").rows == 3);
  sqlite3_stmt* s = nullptr;
  REQUIRE(sonde::sqlite::prepare(d.db, "select a from t", &s) == SQLITE_OK);
  while (sonde::sqlite::step(s) == SQLITE_ROW) {
  }
  CHECK(row("select a from t").rows == 3);
  SUBCASE("a statement that is left half-way is recorded when it is reset") {
    CHECK(sonde::sqlite::step(s) == SQLITE_ROW);
    CHECK(row("select a from t").calls == 1);
    sonde::sqlite::reset(s);
    CHECK(row("select a from t").calls == 2);
    CHECK(row("select a from t").rows == 4);
  }
  SUBCASE("or when it is stepped again after SQLite's own reset") {
    CHECK(sonde::sqlite::step(s) == SQLITE_ROW);
    sqlite3_reset(s);
    CHECK(sonde::sqlite::step(s) == SQLITE_ROW);
    CHECK(row("select a from t").calls == 2);
  }
  sonde::sqlite::finalize(s);
}

TEST_CASE("sqlite: a slow query writes one sanitised line a second, with its trace") {
  Database d;
  sonde::sqlite::attach(d.db);
  sonde::db::configure({.slow_ns = 1});
  size_t before = Capture::count(Capture::get().log(), "slow database query");
  std::string trace;
  {
    sonde::Span span("caller");
    trace = span.context().traceparent().trace_id();
    for (int i = 0; i < 50; i++) sqlite3_exec(d.db, "select 'needle' || 'hay'", nullptr, nullptr, nullptr);
  }
  std::string log = Capture::get().log();
  size_t lines = Capture::count(log, "slow database query") - before;
  CHECK(lines >= 1);
  CHECK(lines <= 2);
  CHECK(log.find("needle") == std::string::npos);
  CHECK(log.find(R"("db.query.text":"select ? || ?")") != std::string::npos);
  CHECK(log.find(trace) != std::string::npos);
  CHECK(row("select ? || ?").max_trace_id == trace);
  std::string json = sonde::db::statements_json();
  CHECK(json.find(R"("statement":"select ? || ?","calls":50,)") != std::string::npos);
  CHECK(sonde::db::statements_html().find("select ? || ?") != std::string::npos);
}

TEST_CASE("sqlite: every connection opened after attach_all is watched, closed ones leave nothing") {
  Capture::get();
  REQUIRE(sonde::sqlite::attach_all());
  for (int i = 0; i < 3; i++) {
    sqlite3* db = nullptr;
    sqlite3_open(":memory:", &db);
    sqlite3_exec(db, "select 7 + 7", nullptr, nullptr, nullptr);
    sqlite3_close(db);
  }
  CHECK(row("select ? + ?").calls == 3);
  sqlite3_reset_auto_extension();
  sonde::db::reset_statements();
}

TEST_CASE("sqlite: past the bound of the table the calls of further statements are summed") {
  Database d;
  size_t total = sonde::db::kStatementsMax + 50;
  for (size_t i = 0; i < total; i++) {
    sonde::sqlite::exec(d.db, "select 1 as column_" + std::string(1 + i / 26, 'a') +
                                  std::string(1, static_cast<char>('a' + i % 26)));
  }
  auto all = sonde::db::statements(1000);
  CHECK(all.size() == sonde::db::kStatementsMax + 1);
  uint64_t calls = 0;
  for (auto& s : all) calls += s.calls;
  CHECK(calls == total);
  CHECK(std::count_if(all.begin(), all.end(),
                      [](auto& s) { return s.fingerprint == "_other" && s.calls == 50; }) == 1);
}

TEST_CASE("sqlite: the health check sees a missing file, and its return") {
  char path[] = "/tmp/sonde-ping-XXXXXX";
  close(mkstemp(path));
  sonde::health::Check ping = sonde::sqlite::ping(path);
  CHECK(ping().ok);
  std::string away = std::string(path) + ".away";
  rename(path, away.c_str());
  sonde::health::Outcome gone = ping();
  CHECK_FALSE(gone.ok);
  CHECK(gone.detail.find("SQLITE_CANTOPEN") == 0);
  rename(away.c_str(), path);
  CHECK(ping().ok);
  FILE* f = fopen(path, "w");
  fputs(
      "this is no database, and it is long enough to be read as the header of one: 100 bytes and then some "
      "more",
      f);
  fclose(f);
  CHECK(ping().detail.find("SQLITE_NOTADB") == 0);
  unlink(path);
}

// SQLite, opened for state that must survive any crash once acknowledged: synchronous=FULL, write-ahead log.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sonde::state {

class Database;

// A prepared statement being bound, then stepped. Threads: one; holds the database's lock while alive.
class Statement {
 public:
  ~Statement();
  Statement(Statement&&) noexcept;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Binds the next parameter.
  Statement& bind(int64_t v);
  Statement& bind(double v);
  Statement& bind(std::string_view v);
  // True while there is a row.
  Result<bool> step();
  // Steps to the end, ignoring rows.
  Result<> run();

  int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;

 private:
  friend class Database;
  Statement(Database& db, sqlite3_stmt* statement);
  Database* db_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

// One connection behind one lock. Threads: any.
class Database {
 public:
  // Creates the file and brings the schema up to date. `path` ":memory:" keeps everything in memory.
  // kCorrupt when the file is damaged; kConflict when a newer release wrote it.
  static Result<std::unique_ptr<Database>> open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // `sql` is ours, never input. A mistake in it is reported by the statement's first step.
  Statement prepare(std::string_view sql);
  // All or nothing: rolled back when `work` fails. Not nested.
  Result<> transaction(const std::function<Result<>()>& work);
  int64_t last_insert_id() const;

 private:
  friend class Statement;
  struct State;
  explicit Database(std::unique_ptr<State> state);
  Result<> execute(const char* sql);
  Result<> migrate();
  Error error(const char* what) const;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::state

// SQLite (3.40). Existing code needs one line:
//
//   sonde::sqlite::attach_all();      // before connections are opened
//
// Every statement of every connection is then timed through SQLite's trace hook, with a clock of nanoseconds
// of our own (the hook's counts milliseconds). The hook does not tell whether a statement failed, how many
// rows it gave, nor anything of text that does not compile. Where that matters call these in place of
// SQLite's own:
//
//   sonde::sqlite::prepare(db, sql, &stmt);   // a syntax error is recorded
//   sonde::sqlite::step(stmt);                // a constraint failure, SQLITE_BUSY, rows
//
// Both may be mixed: a statement is recorded once. What is recorded: sonde/query.h. A SELECT lasts from the
// first step to the last, including the time that the caller takes between rows.
//
// The hook occupies sqlite3_trace_v2() of the connection; a caller that sets its own replaces ours.
// Threads: as SQLite's own functions.
#pragma once

#include <string>
#include <string_view>

#include "sonde/health.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sonde::inline v1::sqlite {

// Connections opened from now on. False if SQLite refused.
bool attach_all() noexcept;
// One connection, until it is closed.
bool attach(sqlite3* db) noexcept;

// sqlite3_prepare_v2, sqlite3_step, sqlite3_reset, sqlite3_finalize: the same results.
int prepare(sqlite3* db, std::string_view sql, sqlite3_stmt** statement,
            const char** tail = nullptr) noexcept;
int step(sqlite3_stmt* statement) noexcept;
int reset(sqlite3_stmt* statement) noexcept;
int finalize(sqlite3_stmt* statement) noexcept;
// All statements of `sql`, without looking at rows. Stops at the first error and returns it.
int exec(sqlite3* db, std::string_view sql) noexcept;

// "SQLITE_CONSTRAINT_UNIQUE" for an (extended) result code; "SQLITE_<n>" for one that has no name here.
std::string code_name(int code);

// A health check: the file can be opened and its header read, on a connection of its own.
health::Check ping(std::string path);

}  // namespace sonde::inline v1::sqlite

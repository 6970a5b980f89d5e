// PostgreSQL through libpq: the functions of libpq with a statement recorded for each call (sonde/query.h).
//
//   PGresult* r = sonde::pq::exec_params(conn, "select name from users where id = $1", {id.c_str()});
//
// Results, ownership and threads are libpq's. An error is recorded with its SQLSTATE; a lost connection, for
// which the server had no word, as "08006".
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>

#include "sonde/health.h"

struct pg_conn;
struct pg_result;

namespace sonde::inline v1::pq {

// PQexec.
pg_result* exec(pg_conn* conn, const char* sql) noexcept;
// PQexecParams. `types` are OIDs or null.
pg_result* exec_params(pg_conn* conn, const char* sql, int count, const unsigned* types,
                       const char* const* values, const int* lengths, const int* formats,
                       int result_format) noexcept;
// The same with all parameters as text (null: NULL) and the result as text.
pg_result* exec_params(pg_conn* conn, const char* sql, std::initializer_list<const char*> values) noexcept;

// PQprepare; remembers the text for exec_prepared(), as long as the connection exists (at most 1000 names).
pg_result* prepare(pg_conn* conn, const char* name, const char* sql, int count = 0,
                   const unsigned* types = nullptr) noexcept;
// PQexecPrepared. A statement prepared elsewhere is recorded as "EXECUTE name".
pg_result* exec_prepared(pg_conn* conn, const char* name, std::initializer_list<const char*> values) noexcept;

// A health check: connects if need be, asks for one row, on a connection of its own; gives up by itself after
// `timeout`. Give the check a time-out that is longer.
health::Check ping(std::string conninfo, std::chrono::milliseconds timeout = std::chrono::milliseconds{400});

}  // namespace sonde::inline v1::pq

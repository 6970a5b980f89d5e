// Watching database statements. Adapters (sonde/sqlite.h, sonde/pq.h) call this for you; for another
// database:
//
//   sonde::db::Call call{"duckdb", sql};
//   run(sql);                        // an exception that passes counts as an error
//   call.rows(n);
//
// One call yields: a client span named after the statement's summary, `db_client_operation_duration_seconds`,
// a row in the table of statements, and a log line by "sonde.db" if it was slow or failed. The text is
// normalised first (literals → `?`), so no data reaches a span, a log, a metric or the table; neither does
// the text of a database's error message, which quotes data, only its code.
//
// The table keeps kStatementsMax statements; the calls of any further one are summed as `_other`. A statement
// that has not been called for ten minutes makes room for a new one. It is exposed as
// `sonde_db_statement_{calls_total,errors_total,rows_total,duration_seconds}{fingerprint,system}` and
// `sonde_db_statement_info{fingerprint,system,statement}`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sonde/span.h"

namespace sonde::inline v1::db {

// How the text is to be read: which quotes hold names, which hold data.
enum class Dialect : uint8_t { kGeneric, kPostgres, kSqlite, kMysql };

// For a value of `db.system.name`: "postgresql", "sqlite", "mysql", "mariadb", or anything else.
Dialect dialect_of(std::string_view system) noexcept;

inline constexpr size_t kStatementsMax = 200;
inline constexpr size_t kStatementTextBytesMax = 2048;  // of the normalised text that is shown

struct QueryOptions {
  int64_t slow_ns = 200'000'000;  // a call that takes longer is logged; 0: none
  bool log_errors = true;         // a failed call is logged
};
// For the whole process; at most one slow and one error line per second and statement, with the number of
// lines held back.
void configure(const QueryOptions& options) noexcept;

namespace detail {
struct Statement;
struct Entry;
// A statement that was looked up. Cheap to copy, safe to keep.
struct Found {
  std::shared_ptr<const Statement> statement;
  Entry* entry = nullptr;
  uint32_t generation = 0;
  uint32_t epoch = 0;
};
}  // namespace detail

struct CallOptions {
  std::string_view database = {};  // db.namespace
  std::string_view server = {};    // server.address
  int port = 0;                    // server.port, if not 0
  bool detached = false;   // the span is not the thread's current one: several calls may be open at once
  int64_t elapsed_ns = 0;  // the work has begun this long ago; for calls that are reported afterwards
};

class Call {
 public:
  // `system` is a literal or anything else that outlives the process; the rest is copied.
  Call(std::string_view system, std::string_view sql, const CallOptions& options = {}) noexcept;
  ~Call() { finish(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void rows(uint64_t n) noexcept { rows_ = n; }
  void add_row() noexcept { rows_++; }
  // It failed. `code` is the database's word for it: an SQLSTATE, "SQLITE_BUSY". Never a message. Copied.
  void error(std::string_view code) noexcept;
  // Records the call; idempotent.
  void finish() noexcept;

 private:
  std::optional<Span> span_;
  detail::Found found_;
  std::string_view system_;
  int64_t start_ns_ = 0;
  uint64_t rows_ = 0;
  int exceptions_ = 0;
  bool failed_ = false;
  bool detached_ = false;
  char code_[32] = {};
  uint8_t code_size_ = 0;
};

// Statements as a table, the ones that took the most time first.
struct ErrorCount {
  std::string code;
  uint64_t count = 0;
};
struct StatementStats {
  std::string fingerprint;  // 16 hexadecimal digits, or "_other"
  std::string system;
  std::string summary;
  std::string statement;
  uint64_t calls = 0;
  uint64_t errors = 0;
  uint64_t rows = 0;
  int64_t total_ns = 0;
  int64_t max_ns = 0;
  std::string max_trace_id;  // of the call that took max_ns, if it was traced
  double p50_seconds = 0;    // estimated from the buckets
  double p95_seconds = 0;
  double p99_seconds = 0;
  std::vector<ErrorCount> error_codes;  // at most 8 kinds, then "_other"
};
std::vector<StatementStats> statements(size_t max = kStatementsMax + 1) noexcept;

// The same for `/queries`: a JSON document, or an HTML page that needs nothing else.
std::string statements_json() noexcept;
std::string statements_html() noexcept;

// Forgets all statements and their counts.
void reset_statements() noexcept;

}  // namespace sonde::inline v1::db

#include <cstring>
#include <exception>

#include "query/statement_table.h"
#include "sonde/counter.h"
#include "sonde/histogram.h"
#include "sonde/log.h"
#include "sonde/query.h"
#include "sonde/registry.h"

namespace sonde::inline v1::db {
namespace {

using namespace sonde::literals;
using detail::StatementTable;

constinit Logger g_log{"sonde.db"};
constinit std::atomic<int64_t> g_slow_ns{QueryOptions{}.slow_ns};
constinit std::atomic<bool> g_log_errors{true};

constinit Histogram<"db_client_operation_duration_seconds", "db_system_name", "db_operation_name",
                    "db_response_status_code", "error_type">
    g_duration{{.help = "Duration of database client operations", .buckets = db_buckets}};

void collect(MetricSink& sink) noexcept {
  try {
    std::vector<StatementTable::Exposed> all = StatementTable::get().exposed();
    sink.family(MetricKind::kCounter, "sonde_db_statement_calls_total", "Calls of a database statement");
    for (const auto& e : all) {
      sink.count({{"fingerprint", e.statement->fingerprint_hex}, {"system", e.statement->system}}, e.calls);
    }
    sink.family(MetricKind::kCounter, "sonde_db_statement_errors_total",
                "Failed calls of a database statement");
    for (const auto& e : all) {
      sink.count({{"fingerprint", e.statement->fingerprint_hex}, {"system", e.statement->system}}, e.errors);
    }
    sink.family(MetricKind::kCounter, "sonde_db_statement_rows_total",
                "Rows returned or changed by a database statement");
    for (const auto& e : all) {
      sink.count({{"fingerprint", e.statement->fingerprint_hex}, {"system", e.statement->system}}, e.rows);
    }
    sink.family(MetricKind::kHistogram, "sonde_db_statement_duration_seconds",
                "Duration of the calls of a database statement");
    for (const auto& e : all) {
      sink.histogram({{"fingerprint", e.statement->fingerprint_hex}, {"system", e.statement->system}},
                     detail::kStatementBuckets, e.buckets, static_cast<double>(e.total_ns) * 1e-9);
    }
    sink.family(MetricKind::kGauge, "sonde_db_statement_info", "Normalised text of a database statement");
    for (const auto& e : all) {
      sink.value({{"fingerprint", e.statement->fingerprint_hex},
                  {"system", e.statement->system},
                  {"statement", e.statement->text}},
                 1);
    }
    sink.family(MetricKind::kCounter, "sonde_db_statements_replaced_total",
                "Statements that left the table because they were idle and a new one came");
    sink.count({}, StatementTable::get().replaced());
  } catch (...) {
    // Out of memory: this scrape goes without.
  }
}

void register_metrics() {
  static const bool registered = [] {
    register_collector([](MetricSink& sink) { collect(sink); }).release();
    return true;
  }();
  (void)registered;
}

}  // namespace

Dialect dialect_of(std::string_view system) noexcept {
  if (system == "postgresql") return Dialect::kPostgres;
  if (system == "sqlite") return Dialect::kSqlite;
  if (system == "mysql" || system == "mariadb") return Dialect::kMysql;
  return Dialect::kGeneric;
}

void configure(const QueryOptions& options) noexcept {
  g_slow_ns.store(options.slow_ns, std::memory_order_relaxed);
  g_log_errors.store(options.log_errors, std::memory_order_relaxed);
}

Call::Call(std::string_view system, std::string_view sql, const CallOptions& options) noexcept
    : system_(system), detached_(options.detached) {
  try {
    register_metrics();
    start_ns_ = sonde::detail::monotonic_ns();
    found_ = StatementTable::get().find(system, sql, start_ns_);
    const detail::Statement& s = *found_.statement;
    std::string_view name = s.summary.empty() ? system : std::string_view(s.summary);
    span_.emplace(name, SpanOptions{.kind = Span::Kind::kClient,
                                    .attributes = {"db.system.name"_f = system, "db.query.text"_f = s.text,
                                                   "db.query.summary"_f = s.summary,
                                                   "db.operation.name"_f = s.operation,
                                                   "sonde.db.fingerprint"_f = s.fingerprint_hex},
                                    .detached = options.detached});
    if (span_->recording()) {
      if (!options.database.empty()) span_->set("db.namespace"_f = options.database);
      if (!options.server.empty()) span_->set("server.address"_f = options.server);
      if (options.port != 0) span_->set("server.port"_f = options.port);
    }
    exceptions_ = std::uncaught_exceptions();
    // What passed in here is ours, not the statement's.
    start_ns_ = sonde::detail::monotonic_ns() - options.elapsed_ns;
  } catch (...) {
    found_ = {};  // out of memory: this call is not watched
    start_ns_ = 0;
  }
}

void Call::error(std::string_view code) noexcept {
  failed_ = true;
  code_size_ = static_cast<uint8_t>(code.size() < sizeof code_ ? code.size() : sizeof code_);
  std::memcpy(code_, code.data(), code_size_);
}

void Call::finish() noexcept {
  if (start_ns_ == 0) return;
  int64_t now = sonde::detail::monotonic_ns();
  int64_t elapsed = now - start_ns_;
  start_ns_ = 0;
  bool thrown = !failed_ && std::uncaught_exceptions() > exceptions_;
  if (thrown) error("exception");
  std::string_view code(code_, code_size_);
  try {
    const detail::Statement& s = *found_.statement;
    if (failed_ && span_->recording()) {
      if (!thrown) span_->set("db.response.status_code"_f = code);
      span_->set("error.type"_f = code);
      span_->error();
    }
    if (rows_ > 0) span_->set("db.response.returned_rows"_f = rows_);

    // Lines and exemplars of a detached call belong to its span as well.
    std::optional<ContextScope> scope;
    if (detached_ && span_->context().valid()) scope.emplace(span_->context());
    Context here = span_->context().valid() ? span_->context() : current_context();
    bool traced = here.valid() && here.sampled();
    int64_t slow_ns = g_slow_ns.load(std::memory_order_relaxed);
    bool slow = slow_ns > 0 && elapsed >= slow_ns;

    detail::Measured measured{
        elapsed, rows_, failed_, code, traced ? here.trace_id_high() : 0, traced ? here.trace_id_low() : 0};
    detail::LinePermit permit = StatementTable::get().record(found_, measured, slow, now);
    g_duration(system_, s.operation, failed_ && !thrown ? code : std::string_view(),
               failed_ ? code : std::string_view())
        .observe_ns(elapsed);
    double seconds = static_cast<double>(elapsed) * 1e-9;
    if (permit.error && g_log_errors.load(std::memory_order_relaxed)) {
      g_log.warn("database query failed", "db.system.name"_f = system_, "error.type"_f = code,
                 "db.query.summary"_f = s.summary, "db.query.text"_f = s.text,
                 "fingerprint"_f = s.fingerprint_hex, "duration_seconds"_f = seconds,
                 "held_back"_f = permit.held_back);
    } else if (permit.slow) {
      g_log.warn("slow database query", "db.system.name"_f = system_, "db.query.summary"_f = s.summary,
                 "db.query.text"_f = s.text, "fingerprint"_f = s.fingerprint_hex,
                 "duration_seconds"_f = seconds, "rows"_f = rows_, "held_back"_f = permit.held_back);
    }
  } catch (...) {
    // Out of memory: this call is not recorded.
  }
  span_->end();
}

}  // namespace sonde::inline v1::db

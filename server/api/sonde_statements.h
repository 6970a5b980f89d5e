// Database statements: from sonde_db_statement_* metrics, and from spans of services that have none.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/sonde_red.h"

namespace sonde::api {

struct StatementRow {
  std::string fingerprint;
  std::string text;
  std::string system;
  std::string service;
  double calls = 0;
  double errors = 0;
  double rate = 0;
  double mean = 0;
  double p50 = 0;
  double p95 = 0;
  double max = 0;  // 0: unknown
  double total_seconds = 0;
  bool complete = false;  // every counted call left its span: quantiles are exact
  bool sampled = false;
  std::string last_trace_id;
};

struct StatementRows {
  std::vector<StatementRow> list;  // those that took the most time first
  bool truncated = false;
};
// `service` and `fingerprint` empty: all.
struct StatementFilter {
  std::string service;
  std::string fingerprint;
};
Result<StatementRows> collect_statements(const SondeContext& context, const Cancellation& cancel,
                                         const Window& window, const StatementFilter& filter);

void write_statement(wire::JsonWriter& w, const StatementRow& s);

Result<std::string> statements_json(const SondeContext& context, const Cancellation& cancel,
                                    const Window& window, const std::string& service, size_t limit);
// kNotFound when it was not called in the window.
Result<std::string> statement_json(const SondeContext& context, const Cancellation& cancel,
                                   const Window& window, const StatementFilter& filter);

}  // namespace sonde::api

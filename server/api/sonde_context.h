// What sonde's own API reads from: the stores and engines of one server, and what only the process knows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "promql/engine.h"
#include "rules/findings.h"
#include "rules/manager.h"
#include "scrape/manager.h"
#include "state/alert_book.h"
#include "state/mailbox.h"
#include "state/settings.h"
#include "storage/events.h"
#include "storage/querier.h"

namespace sonde::api {

// The name in state::Settings of the time up to which stored data is made up (seconds since the epoch).
inline constexpr std::string_view kSyntheticUntil = "synthetic_until";

// One remark on a rule, as the page shows it.
struct FindingView {
  std::string group;
  std::string rule;
  std::string file;
  int line = 0;
  std::string finding_class;  // "class" in JSON
  bool is_error = false;      // else a warning
  std::string message;
  std::string expr;
  std::string rewrite;  // empty: none
  EventTime since;
};

// As the analyst of rules says it.
FindingView view_of(const rules::Finding& finding);

struct ListenAddress {
  std::string address;
  std::string kind;  // "http", "otlp-grpc", …
};

// What neither store nor engine knows. The totals only grow; the API makes rates of them.
struct StatusFigures {
  EventTime started;
  std::string data_dir;
  Duration retention;
  std::vector<ListenAddress> listen;
  uint64_t wal_bytes = 0;
  uint64_t memory_bytes = 0;
  uint64_t samples_received = 0;
  uint64_t log_records_received = 0;
  uint64_t spans_received = 0;
  std::vector<std::string> warnings;
  bool auth_enabled = false;
  bool demo = false;
};

struct SondeBuildInfo {
  std::string version;
  std::string revision;
  std::string build_date;
};

// Everything must outlive the API that is made from it. Callbacks are called from any thread, answer from
// memory (the overview waits for them), and may be empty: then nothing is known.
struct SondeContext {
  const storage::MetricStore& metrics;
  const promql::Engine& engine;
  const storage::LogStore& logs;
  const storage::SpanStore& spans;
  const rules::Manager& rules;
  const scrape::Manager& scrape;
  state::Mailbox& mailbox;
  const state::AlertBook& alert_book;
  const state::Settings& settings;
  const Clock& clock;
  std::function<StatusFigures()> status;
  std::function<std::vector<FindingView>()> findings;
  SondeBuildInfo build;
};

}  // namespace sonde::api

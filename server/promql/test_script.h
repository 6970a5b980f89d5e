// Runs `.test` scripts in the dialect of Prometheus's promqltest: load series, evaluate, compare.
//
// Pure but for the store that the factory makes. Threads: one per run.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "promql/engine.h"
#include "storage/querier.h"

namespace sonde::promql {

// A fresh, empty store; called at the start and at every `clear`.
using StoreFactory = std::function<std::unique_ptr<storage::MetricStore>()>;

struct ScriptCase {
  int line = 0;  // of the eval command, from 1
  std::string query;
  std::string failure;  // empty: passed
};

struct ScriptResult {
  int passed = 0;
  int failed = 0;
  int total = 0;
  std::vector<ScriptCase> cases;  // in order of the script
};

// How scripts are run upstream: every experiment on, delayed name removal, start timestamps, 10,000 samples.
EngineOptions script_engine_options();

// kInvalid with the line when the script itself cannot be read; failing cases are in the result.
Result<ScriptResult> run_script(std::string_view text, const StoreFactory& make_store,
                                const EngineOptions& options = script_engine_options());

}  // namespace sonde::promql

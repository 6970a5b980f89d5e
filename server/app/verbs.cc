#include "app/verbs.h"

namespace sonde::app {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kVerbs = {
      {"server", "receive, scrape, keep, query, alert and show", run_server},
      {"demo", "a server with the example service, load and a fault, in one command", run_demo},
      {"ship", "push log lines from stdin or files to a server", run_ship_verb},
      {"query", "ask a server for an expression's value", run_query},
      {"check", "check configuration and rule files", run_check},
      {"test", "run promql test scripts and conformance data", run_test},
  };
  return kVerbs;
}

}  // namespace sonde::app

// The verbs of the command line, a row each.
#pragma once

#include <string>
#include <vector>

namespace sonde::app {

// Exit codes: 0 done, 1 failed, 2 misused, 3 findings.
struct Verb {
  const char* name;
  const char* summary;
  int (*run)(const std::vector<std::string>& args);
};

const std::vector<Verb>& verbs();

int run_server(const std::vector<std::string>& args);
int run_demo(const std::vector<std::string>& args);
int run_check(const std::vector<std::string>& args);
int run_test(const std::vector<std::string>& args);
int run_ship_verb(const std::vector<std::string>& args);
int run_query(const std::vector<std::string>& args);

}  // namespace sonde::app

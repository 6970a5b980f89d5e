#include <sys/prctl.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "app/server.h"
#include "app/signals.h"
#include "app/verbs.h"

namespace sonde::app {

int run_server(const std::vector<std::string>& args) {
  if (std::find(args.begin(), args.end(), "--help") != args.end()) {
    std::fputs(flag_help("sonde server [flags]", "Receives, scrapes, keeps, queries, alerts and shows.",
                         server_flags())
                   .c_str(),
               stdout);
    return 0;
  }
  auto values = FlagValues::parse(server_flags(), args);
  if (!values) {
    std::fprintf(stderr, "sonde server: %s\n", values.error().to_string().c_str());
    return 2;
  }
  if (!values->positional().empty()) {
    std::fprintf(stderr, "sonde server: unexpected argument \"%s\"\n", values->positional()[0].c_str());
    return 2;
  }
  for (const std::string& name : values->ignored())
    std::fprintf(stderr, "sonde server: flag --%s is accepted and has no effect\n", name.c_str());
  prctl(PR_SET_DUMPABLE, 0);  // credentials stay out of core dumps
  Signals signals;
  auto server = Server::start(ServerSettings::from(*values));
  if (!server) {
    std::fprintf(stderr, "sonde server: %s\n", server.error().to_string().c_str());
    return 1;
  }
  std::fprintf(stderr, "sonde 0.1.0 listens on %s\n", (*server)->url().c_str());
  for (;;) {
    int signal = signals.wait_ms(200);
    if ((*server)->quit_requested()) break;
    if (signal == SIGHUP) {
      auto reloaded = (*server)->reload();
      if (reloaded) {
        std::fprintf(stderr, "sonde server: configuration reloaded\n");
      } else {
        std::fprintf(stderr, "sonde server: reload: %s; the running configuration is unchanged\n",
                     reloaded.error().to_string().c_str());
      }
    } else if (signal != 0) {
      break;
    }
  }
  (*server)->stop();
  return 0;
}

}  // namespace sonde::app

// all: the three roles as child processes, and load if a rate is given. Ends them all when one ends, or when
// it is told to.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <vector>

#include "shop/service.h"

namespace shop {
namespace {

using Arguments = std::vector<std::string>;

pid_t spawn(const Arguments& arguments) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // whatever ends us, no child is left behind
  if (getppid() != parent) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv("/proc/self/exe", argv.data());
  _exit(127);
}

Arguments role(const Options& o, const std::string& name, Arguments more) {
  Arguments a = {"shop", name, "--host", o.host, "--log", o.log, "--drain-ms", std::to_string(o.drain_ms)};
  if (!o.otlp.empty()) a.insert(a.end(), {"--otlp", o.otlp});
  a.insert(a.end(), more.begin(), more.end());
  return a;
}

}  // namespace

int run_all(const Options& o) {
  sigset_t watched;
  sigemptyset(&watched);
  for (int s : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&watched, s);
  sigprocmask(SIG_BLOCK, &watched, nullptr);

  std::vector<pid_t> children;
  children.push_back(spawn(role(o, "stock", {"--database", o.database})));
  children.push_back(spawn(role(o, "orders", {"--stock-url", o.stock_url})));
  children.push_back(spawn(role(o, "web", {"--orders-url", o.orders_url})));
  if (o.rate > 0) {
    Arguments load = {"shop", "load", "--rate", std::to_string(o.rate)};
    for (const PlannedFault& f : o.faults) {
      load.insert(load.end(), {"--fault", f.kind + ":" + f.role + "@" + std::to_string(f.start_seconds) +
                                              "+" + std::to_string(f.length_seconds)});
    }
    children.push_back(spawn(load));
  }
  std::fprintf(stderr, "shop: web %s, orders %s, stock %s\n", o.web_url.c_str(), o.orders_url.c_str(),
               o.stock_url.c_str());

  int status = 0;
  bool ending = false;
  timespec patience{4, 500'000'000};
  while (!children.empty()) {
    int signal = ending ? sigtimedwait(&watched, nullptr, &patience) : sigwaitinfo(&watched, nullptr);
    if (signal < 0 && errno == EINTR) continue;
    if (signal < 0) {
      for (pid_t p : children) kill(p, SIGKILL);  // they had their time
    }
    int how = 0;
    for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
      std::erase(children, pid);
      if (!ending && (!WIFEXITED(how) || WEXITSTATUS(how) != 0)) status = 1;
      signal = SIGTERM;  // one ended: end all
    }
    if (signal < 0) break;
    if ((signal == SIGTERM || signal == SIGINT) && !ending) {
      ending = true;
      for (pid_t p : children) kill(p, SIGTERM);
    }
  }
  return status;
}

}  // namespace shop

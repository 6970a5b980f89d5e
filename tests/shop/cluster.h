// A throwaway PostgreSQL cluster on a free port of this machine; gone with the object. initdb refuses root,
// so that as root the commands run as the user postgres.
#pragma once

#include <string>

#include "process.h"

class Cluster {
 public:
  Cluster() {
    char name[] = "/tmp/sonde-pg-XXXXXX";
    directory_ = mkdtemp(name);
    port = free_port();
    as_user_ = geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
    if (geteuid() == 0) run("chown postgres:postgres " + directory_);
    made =
        command("initdb -D " + directory_ + "/data -A trust -U shop -E UTF8 --locale=C --no-sync") && start();
  }
  ~Cluster() {
    stop();
    run("rm -rf " + directory_);
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  bool start() {
    return command("pg_ctl -D " + directory_ + "/data -l " + directory_ + "/log -w -o '-p " +
                   std::to_string(port) + " -k " + directory_ +
                   " -c listen_addresses=127.0.0.1 -c fsync=off' start");
  }
  bool stop() { return command("pg_ctl -D " + directory_ + "/data -m immediate -w stop"); }
  std::string url() const { return "postgresql://shop@127.0.0.1:" + std::to_string(port) + "/postgres"; }

  int port = 0;
  bool made = false;

 private:
  static bool run(const std::string& text) { return system((text + " >/dev/null 2>&1").c_str()) == 0; }
  bool command(const std::string& text) { return run("cd / && " + as_user_ + POSTGRES_BIN "/" + text); }

  std::string directory_;
  std::string as_user_;
};

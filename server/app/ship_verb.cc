#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "app/flags.h"
#include "app/ship.h"
#include "app/signals.h"
#include "app/verbs.h"
#include "net/base64.h"

namespace sonde::app {
namespace {

const std::vector<Flag>& ship_flags() {
  static const std::vector<Flag> kFlags = {
      {"service", FlagKind::kText, "", "Name of the service whose lines these are (required)"},
      {"url", FlagKind::kText, "http://127.0.0.1:9090", "The server"},
      {"label", FlagKind::kTexts, "", "key=value, a resource attribute of every line"},
      {"from-start", FlagKind::kBool, "false", "Read files seen for the first time from their start"},
      {"state-dir", FlagKind::kText, "",
       "Where positions in files are kept; ~/.local/state/sonde without it"},
      {"user", FlagKind::kText, "",
       "user:password for the server; SONDE_USER in the environment hides it from ps"},
      {"token-file", FlagKind::kText, "", "File with a bearer token for the server"},
      {"ca-file", FlagKind::kText, "", "Certificates to trust"},
  };
  return kFlags;
}

std::string default_state_dir() {
  if (const char* state = std::getenv("XDG_STATE_HOME")) return std::string(state) + "/sonde";
  if (const char* home = std::getenv("HOME")) return std::string(home) + "/.local/state/sonde";
  return "/var/lib/sonde";
}

int misuse(const std::string& message) {
  std::fprintf(stderr, "sonde ship: %s\n", message.c_str());
  return 2;
}

}  // namespace

int run_ship_verb(const std::vector<std::string>& args) {
  const char* usage = "sonde ship --service=NAME [flags] [FILE…]";
  if (std::find(args.begin(), args.end(), "--help") != args.end()) {
    std::fputs(
        flag_help(usage, "Pushes JSON, logfmt or plain lines from stdin or followed files.", ship_flags())
            .c_str(),
        stdout);
    return 0;
  }
  auto values = FlagValues::parse(ship_flags(), args);
  if (!values) return misuse(values.error().to_string());
  ShipOptions options;
  options.service = values->text("service");
  if (options.service.empty()) return misuse(std::string("--service is missing; usage: ") + usage);
  options.url = values->text("url");
  while (options.url.ends_with('/')) options.url.pop_back();
  options.files = values->positional();
  options.from_start = values->flag("from-start");
  options.state_dir = values->given("state-dir") ? values->text("state-dir") : default_state_dir();
  options.tls.ca_file = values->text("ca-file");
  for (const std::string& label : values->texts("label")) {
    size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0)
      return misuse("--label \"" + label + "\" is not key=value");
    options.labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
  }
  auto fs = make_posix_file_system();
  std::string user = values->text("user");
  if (const char* env = std::getenv("SONDE_USER"); user.empty() && env) user = env;
  if (!user.empty()) options.authorization = "Basic " + net::base64_encode(user);
  if (values->given("token-file")) {
    auto token = fs->read_file(values->text("token-file"));
    if (!token) return misuse(token.error().to_string());
    while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
    options.authorization = "Bearer " + *token;
  }
  if (!options.files.empty()) {
    if (auto made = fs->create_directories(options.state_dir); !made) return misuse(made.error().to_string());
  }
  Signals signals;
  SystemClock clock;
  auto client = net::make_http_client(clock);
  std::atomic<bool> stop{false}, done{false};
  std::thread watcher([&] {
    while (!done) {
      int signal = signals.wait_ms(100);
      if (signal != 0 && signal != SIGHUP) stop = true;
    }
  });
  ShipContext context{*client,
                      *fs,
                      clock,
                      stop,
                      [](std::string_view line) {
                        std::fprintf(stderr, "sonde ship: %.*s\n", static_cast<int>(line.size()),
                                     line.data());
                      },
                      {}};
  int status = run_ship(options, context);
  done = true;
  watcher.join();
  return status;
}

}  // namespace sonde::app

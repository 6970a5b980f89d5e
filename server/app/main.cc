// The command line of sonde: picks the verb.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "app/flags.h"
#include "app/verbs.h"

namespace {

void print_usage(std::FILE* out) {
  std::fputs("usage: sonde VERB [flags]\n\n", out);
  for (const auto& verb : sonde::app::verbs()) std::fprintf(out, "  %-12s %s\n", verb.name, verb.summary);
  std::fputs("\nsonde VERB --help tells a verb's flags.\n", out);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  if (args.empty() || args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
    print_usage(args.empty() ? stderr : stdout);
    return args.empty() ? 2 : 0;
  }
  if (args[0] == "version" || args[0] == "--version") {
    std::puts("sonde 0.1.0");
    return 0;
  }
  std::vector<std::string> names;
  for (const auto& verb : sonde::app::verbs()) {
    names.emplace_back(verb.name);
    if (args[0] == verb.name) return verb.run(std::vector<std::string>(args.begin() + 1, args.end()));
  }
  std::string near = sonde::app::nearest(args[0], names);
  std::fprintf(stderr, "sonde: unknown verb \"%s\"%s\n", args[0].c_str(),
               near.empty() ? "" : ("; did you mean " + near + "?").c_str());
  return 2;
}

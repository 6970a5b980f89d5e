// A counter and the page that Prometheus scrapes.
#include <sonde/expose.h>
#include <sonde/sonde.h>

#include <cstdio>

constinit sonde::Counter<"hello_greetings_total", "language"> greetings{{.help = "Greetings spoken"}};

int main() {
  greetings("en").inc();
  greetings("de").inc(2);
  std::fputs(sonde::expose().body.c_str(), stdout);
}

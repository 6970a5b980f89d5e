// SIGINT, SIGTERM and SIGHUP as values instead of interruptions.
#pragma once

#include <csignal>
#include <ctime>

namespace sonde::app {

// Blocks the signals in the thread that makes it, and so in all threads that it starts later. SIGPIPE is
// ignored.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
  }
  // The next signal, or 0 after so many milliseconds.
  int wait_ms(int milliseconds) const {
    timespec t{milliseconds / 1000, (milliseconds % 1000) * 1'000'000L};
    int signal = sigtimedwait(&set_, nullptr, &t);
    return signal > 0 ? signal : 0;
  }

 private:
  sigset_t set_{};
};

}  // namespace sonde::app

// The I/O thread as the protocol code sees it: somewhere to post to.
#pragma once

#include <functional>

namespace sonde::net {

class EventLoop {
 public:
  virtual ~EventLoop() = default;
  // Runs `task` on the loop's thread, later. Any thread; dropped when the loop has stopped.
  virtual void post(std::function<void()> task) = 0;
  virtual bool on_this_thread() const = 0;
};

}  // namespace sonde::net

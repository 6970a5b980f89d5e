// One thread that runs an Asio context. Includes Asio: for .cc files of net/ only.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "net/event_loop.h"

namespace sonde::net {

class IoThread final : public EventLoop {
 public:
  IoThread() : guard_(boost::asio::make_work_guard(context)), read_buffer(64 << 10) {}
  ~IoThread() override { stop(); }

  void start(const char* name) {
    thread_ = std::thread([this] { context.run(); });
    pthread_setname_np(thread_.native_handle(), name);
  }

  void post(std::function<void()> task) override {
    MutexLock lock(mu_);
    if (!stopped_) boost::asio::post(context, std::move(task));
  }
  bool on_this_thread() const override { return std::this_thread::get_id() == thread_.get_id(); }

  // Joins; what was posted before still runs. Not from the thread itself. Idempotent.
  void stop() {
    {
      MutexLock lock(mu_);
      stopped_ = true;
    }
    guard_.reset();
    context.stop();
    if (thread_.joinable()) thread_.join();
    run_leftovers();
  }
  // After stop(): runs on this thread what closing sockets and timers has left to be told. Such handlers own
  // what owns this context, so that left alone neither would ever go.
  void run_leftovers() {
    context.restart();
    while (context.poll() > 0) {
    }
  }

  boost::asio::io_context context{1};

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread thread_;
  Mutex mu_;
  bool stopped_ SONDE_GUARDED_BY(mu_) = false;

 public:
  std::vector<char> read_buffer;  // what one read of any connection goes through
};

}  // namespace sonde::net

// A few connections, handed out one at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace shop {

template <class Connection>
class Pool {
 public:
  Pool(size_t size, std::function<Connection*()> open, std::function<void(Connection*)> close)
      : size_(size), open_(std::move(open)), close_(std::move(close)) {}
  ~Pool() { close_idle(); }

  // A connection for as long as it lives; null if none could be opened.
  class Lease {
   public:
    Lease(Pool& pool, Connection* connection) : pool_(&pool), connection_(connection) {}
    Lease(Lease&& o) noexcept
        : pool_(std::exchange(o.pool_, nullptr)), connection_(o.connection_), broken_(o.broken_) {}
    ~Lease() {
      if (pool_ != nullptr) pool_->give_back(connection_, broken_);
    }
    Connection* get() const { return connection_; }
    void broken() { broken_ = true; }

   private:
    Pool* pool_;
    Connection* connection_;
    bool broken_ = false;
  };

  Lease lease() {
    std::unique_lock lock(mu_);
    free_.wait(lock, [this] { return !closed_ && out_ < size_; });
    out_++;
    if (!idle_.empty()) {
      Connection* connection = idle_.back();
      idle_.pop_back();
      return Lease(*this, connection);
    }
    lock.unlock();
    return Lease(*this, open_());
  }

  // Waits until all connections are back, closes them, and runs `f` before any is opened again.
  template <class F>
  void with_all_closed(F f) {
    std::unique_lock lock(mu_);
    closed_ = true;
    free_.wait(lock, [this] { return out_ == 0; });
    for (Connection* c : idle_) close_(c);
    idle_.clear();
    f();
    closed_ = false;
    free_.notify_all();
  }

 private:
  void give_back(Connection* connection, bool broken) {
    std::unique_lock lock(mu_);
    out_--;
    if (connection != nullptr) {
      if (broken) {
        close_(connection);
      } else {
        idle_.push_back(connection);
      }
    }
    free_.notify_all();
  }
  void close_idle() {
    for (Connection* c : idle_) close_(c);
    idle_.clear();
  }

  size_t size_;
  std::function<Connection*()> open_;
  std::function<void(Connection*)> close_;
  std::mutex mu_;
  std::condition_variable free_;
  std::vector<Connection*> idle_;
  size_t out_ = 0;
  bool closed_ = false;
};

}  // namespace shop

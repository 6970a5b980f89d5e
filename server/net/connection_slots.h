// Who may hold a connection: the caps of a server, and whom to put out when a new peer finds them reached.
//
// Peers that have sent nothing worth an answer are put out first, oldest first. So a flood of half-open
// connections displaces itself, and whoever sends a request at once is served.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"

namespace sonde::net {

struct SlotLimits {
  size_t connections_max = 4096;
  size_t connections_reserved = 16;
  size_t connections_per_ip_max = 256;
};

// One connection's place. Freed by the destructor.
class ConnectionSlot;

// Threads: any. Outlives its slots (they share it).
class ConnectionSlots : public std::enable_shared_from_this<ConnectionSlots> {
 public:
  explicit ConnectionSlots(SlotLimits limits) : limits_(limits) {}
  // Null when the peer must be refused. `put_out` is called, from any thread and at most once, when the
  // connection has to make room; it must hand over to the connection's own thread.
  std::unique_ptr<ConnectionSlot> take(const std::string& ip, bool loopback, std::function<void()> put_out);
  // Puts out one connection, when one can be. For when the process runs out of file descriptors.
  bool make_room();
  size_t count() const;

 private:
  friend class ConnectionSlot;
  enum State : uint8_t { kFresh, kBusy, kIdle };
  struct Entry {
    std::string ip;
    bool loopback = false;
    bool reserved_only = false;
    bool counted = true;
    State state = kFresh;
    std::function<void()> put_out;
  };
  using Entries = std::list<Entry>;
  void uncount(Entry& e) SONDE_REQUIRES(mu_);
  std::function<void()> choose_victim() SONDE_REQUIRES(mu_);
  void set_state(Entries::iterator it, State state);
  void free(Entries::iterator it);

  const SlotLimits limits_;
  mutable Mutex mu_;
  Entries entries_ SONDE_GUARDED_BY(mu_);  // oldest first
  std::unordered_map<std::string, size_t> per_ip_ SONDE_GUARDED_BY(mu_);
  size_t normal_ SONDE_GUARDED_BY(mu_) = 0;
  size_t reserved_ SONDE_GUARDED_BY(mu_) = 0;
};

class ConnectionSlot {
 public:
  ~ConnectionSlot() { slots_->free(it_); }
  ConnectionSlot(const ConnectionSlot&) = delete;
  ConnectionSlot& operator=(const ConnectionSlot&) = delete;
  // Beyond the normal number: reserved routes only.
  bool reserved_only() const { return reserved_only_; }
  void set_busy() { set(ConnectionSlots::kBusy); }
  void set_idle() { set(ConnectionSlots::kIdle); }  // has been served, may be put out
  void set_fresh() { set(ConnectionSlots::kFresh); }

 private:
  friend class ConnectionSlots;
  ConnectionSlot(std::shared_ptr<ConnectionSlots> slots, ConnectionSlots::Entries::iterator it,
                 bool reserved_only)
      : slots_(std::move(slots)), it_(it), reserved_only_(reserved_only) {}
  void set(ConnectionSlots::State state) {
    if (state == state_) return;
    state_ = state;
    slots_->set_state(it_, state);
  }

  std::shared_ptr<ConnectionSlots> slots_;
  ConnectionSlots::Entries::iterator it_;
  bool reserved_only_;
  ConnectionSlots::State state_ = ConnectionSlots::kFresh;
};

}  // namespace sonde::net

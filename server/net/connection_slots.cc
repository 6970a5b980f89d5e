#include "net/connection_slots.h"

#include <algorithm>

namespace sonde::net {

std::unique_ptr<ConnectionSlot> ConnectionSlots::take(const std::string& ip, bool loopback,
                                                      std::function<void()> put_out) {
  std::function<void()> victim;
  std::unique_ptr<ConnectionSlot> slot;
  {
    MutexLock lock(mu_);
    if (!loopback) {
      auto it = per_ip_.find(ip);
      if (it != per_ip_.end() && it->second >= limits_.connections_per_ip_max) return nullptr;
    }
    size_t normal_max =
        limits_.connections_max - std::min(limits_.connections_max, limits_.connections_reserved);
    if (normal_ >= normal_max && reserved_ >= limits_.connections_reserved) {
      victim = choose_victim();
      if (!victim) return nullptr;
    }
    bool reserved_only = normal_ >= normal_max;
    (reserved_only ? reserved_ : normal_)++;
    if (!loopback) per_ip_[ip]++;
    entries_.push_back({ip, loopback, reserved_only, true, kFresh, std::move(put_out)});
    slot.reset(new ConnectionSlot(shared_from_this(), std::prev(entries_.end()), reserved_only));
  }
  if (victim) victim();
  return slot;
}

bool ConnectionSlots::make_room() {
  std::function<void()> victim;
  {
    MutexLock lock(mu_);
    victim = choose_victim();
  }
  if (!victim) return false;
  victim();
  return true;
}

size_t ConnectionSlots::count() const {
  MutexLock lock(mu_);
  return entries_.size();
}

// A victim no longer counts, though its entry lives until the connection is closed.
std::function<void()> ConnectionSlots::choose_victim() {
  for (State wanted : {kFresh, kIdle}) {
    for (Entry& e : entries_) {
      if (e.state != wanted || !e.counted) continue;
      uncount(e);
      return std::move(e.put_out);
    }
  }
  return {};
}

void ConnectionSlots::uncount(Entry& e) {
  if (!e.counted) return;
  e.counted = false;
  (e.reserved_only ? reserved_ : normal_)--;
  if (e.loopback) return;
  auto it = per_ip_.find(e.ip);
  if (it != per_ip_.end() && --it->second == 0) per_ip_.erase(it);
}

void ConnectionSlots::set_state(Entries::iterator it, State state) {
  MutexLock lock(mu_);
  it->state = state;
}

void ConnectionSlots::free(Entries::iterator it) {
  std::function<void()> drop;  // destroyed outside of the lock
  MutexLock lock(mu_);
  uncount(*it);
  drop = std::move(it->put_out);
  entries_.erase(it);
}

}  // namespace sonde::net

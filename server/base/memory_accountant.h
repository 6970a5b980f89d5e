// One budget for the memory that grows with input: reject before allocating, and know who holds what.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace sonde {

// Threads: any. Must outlive its reservations.
class MemoryAccountant {
 public:
  // 0: unlimited, only counted.
  explicit MemoryAccountant(uint64_t bytes_max = 0) : bytes_max_(bytes_max) {}

  // Gives its bytes back when destroyed. An empty one holds nothing.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& o) noexcept
        : owner_(std::exchange(o.owner_, nullptr)), bytes_(std::exchange(o.bytes_, 0)) {}
    Reservation& operator=(Reservation&& o) noexcept {
      if (this != &o) {
        release();
        owner_ = std::exchange(o.owner_, nullptr);
        bytes_ = std::exchange(o.bytes_, 0);
      }
      return *this;
    }
    ~Reservation() { release(); }
    uint64_t bytes() const { return bytes_; }
    // False, changing nothing, when the budget does not have `more`.
    [[nodiscard]] bool grow(uint64_t more) {
      if (!owner_ || !owner_->take(more)) return false;
      bytes_ += more;
      return true;
    }
    void release() {
      if (owner_) owner_->used_.fetch_sub(bytes_, std::memory_order_relaxed);  // a count; orders nothing
      owner_ = nullptr;
      bytes_ = 0;
    }

   private:
    friend class MemoryAccountant;
    Reservation(MemoryAccountant* owner, uint64_t bytes) : owner_(owner), bytes_(bytes) {}
    MemoryAccountant* owner_ = nullptr;
    uint64_t bytes_ = 0;
  };

  // False when it would exceed the budget; `out` is then unchanged and the refusal counted.
  [[nodiscard]] bool reserve(uint64_t bytes, Reservation& out) {
    if (!take(bytes)) return false;
    out = Reservation(this, bytes);
    return true;
  }
  uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  uint64_t bytes_max() const { return bytes_max_; }
  uint64_t refused_count() const { return refused_.load(std::memory_order_relaxed); }

 private:
  bool take(uint64_t bytes) {
    uint64_t before = used_.load(std::memory_order_relaxed);
    do {
      if (bytes_max_ != 0 && (bytes > bytes_max_ || before > bytes_max_ - bytes)) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
    } while (!used_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
    return true;
  }
  const uint64_t bytes_max_;
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace sonde

// A byte ring from one thread to the backend: one producer, one consumer, neither ever waits.
//
// A record is contiguous; one that does not fit before the end is preceded by padding. Positions only grow,
// the offset is the position modulo the capacity, a power of two.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sonde::inline v1::detail {

enum class RecordType : uint32_t { kPadding, kLog, kSpan };

struct RecordHeader {
  uint32_t size;  // with this header, a multiple of 8
  RecordType type;
};

class Ring {
 public:
  // Null if memory is out. Never destroyed: it belongs to a lane.
  static Ring* make(uint32_t capacity) noexcept;

  // Producer. Room for `size` bytes behind a header, or null if the ring is full; publish() makes it visible.
  char* reserve(uint32_t size, RecordType type) noexcept;
  void publish() noexcept { head_.store(reserved_, std::memory_order_release); }
  bool more_than_half() const noexcept { return reserved_ - cached_tail_ > capacity_ / 2; }
  uint32_t capacity() const noexcept { return capacity_; }
  uint32_t record_max() const noexcept { return capacity_ / 4; }

  // Consumer. The oldest record, or null; pop() frees it.
  const RecordHeader* front() noexcept;
  void pop() noexcept;
  bool empty() const noexcept {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

  // In the child of a fork: forgets what the parent will write.
  void discard() noexcept;

 private:
  explicit Ring(char* data, uint32_t capacity) noexcept : data_(data), capacity_(capacity) {}

  char* const data_;
  const uint32_t capacity_;
  alignas(64) std::atomic<uint64_t> head_{0};  // written by the producer
  uint64_t reserved_ = 0;                      // producer only
  uint64_t cached_tail_ = 0;                   // producer only
  alignas(64) std::atomic<uint64_t> tail_{0};  // written by the consumer
};

// The calling thread's ring; null if there is none to have.
Ring* ring_of_thread() noexcept;

}  // namespace sonde::inline v1::detail

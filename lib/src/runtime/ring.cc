#include "runtime/ring.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#include "runtime/lane.h"
#include "runtime/pipeline.h"

namespace sonde::inline v1::detail {

Ring* Ring::make(uint32_t capacity) noexcept {
  size_t header = (sizeof(Ring) + 63) / 64 * 64;
  void* memory = mmap(nullptr, header + capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  return new (memory) Ring(static_cast<char*>(memory) + header, capacity);
}

char* Ring::reserve(uint32_t size, RecordType type) noexcept {
  uint32_t need = (size + sizeof(RecordHeader) + 7) / 8 * 8;
  uint64_t head = head_.load(std::memory_order_relaxed);
  uint32_t offset = static_cast<uint32_t>(head) & (capacity_ - 1);
  uint32_t padding = offset + need > capacity_ ? capacity_ - offset : 0;
  if (head + padding + need - cached_tail_ > capacity_) {
    // Acquire: the consumer has read what is overwritten now.
    cached_tail_ = tail_.load(std::memory_order_acquire);
    if (head + padding + need - cached_tail_ > capacity_) return nullptr;
  }
  if (padding != 0) {
    RecordHeader pad{padding, RecordType::kPadding};
    std::memcpy(data_ + offset, &pad, sizeof pad);
    offset = 0;
  }
  RecordHeader header{need, type};
  std::memcpy(data_ + offset, &header, sizeof header);
  reserved_ = head + padding + need;
  return data_ + offset + sizeof header;
}

const RecordHeader* Ring::front() noexcept {
  for (;;) {
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return nullptr;
    auto* header = reinterpret_cast<const RecordHeader*>(data_ + (tail & (capacity_ - 1)));
    if (header->type != RecordType::kPadding) return header;
    tail_.store(tail + header->size, std::memory_order_release);
  }
}

void Ring::pop() noexcept {
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  auto* header = reinterpret_cast<const RecordHeader*>(data_ + (tail & (capacity_ - 1)));
  tail_.store(tail + header->size, std::memory_order_release);
}

void Ring::discard() noexcept {
  uint64_t head = head_.load(std::memory_order_relaxed);
  tail_.store(head, std::memory_order_relaxed);
  cached_tail_ = head;
  reserved_ = head;
}

Ring* ring_of_thread() noexcept {
  Lane* lane = lane_of_thread();
  if (lane == nullptr) return nullptr;
  Ring* ring = lane->ring.load(std::memory_order_relaxed);
  if (ring != nullptr) [[likely]]
    return ring;
  ring = Ring::make(ring_capacity());
  // Release: the backend finds the ring complete.
  if (ring != nullptr) lane->ring.store(ring, std::memory_order_release);
  return ring;
}

}  // namespace sonde::inline v1::detail

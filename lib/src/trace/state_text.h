// A tracestate, shared by all contexts of a trace in this process.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <string_view>

#include "sonde/detail/lane.h"

namespace sonde::inline v1::detail {

// The bytes lie behind it.
struct StateText {
  std::atomic<uint32_t> references;
  uint32_t size;
  char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
  std::string_view text() noexcept { return {bytes(), size}; }
};

StateText* make_state_text(std::string_view text) noexcept;
void retain(StateText* state) noexcept;
void release(StateText* state) noexcept;

}  // namespace sonde::inline v1::detail

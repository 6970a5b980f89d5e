// SONDE_ASSERT(cond): a broken invariant of our own stops the process, in every build. Never for input.
#pragma once

namespace sonde {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define SONDE_ASSERT(cond) \
  (__builtin_expect(!!(cond), 1) ? (void)0 : ::sonde::assertion_failed(#cond, __FILE__, __LINE__))

// Random trace and span ids: a generator per thread, seeded by the kernel, anew in the child of a fork.
#pragma once

#include <cstdint>

namespace sonde::inline v1::detail {

uint64_t random_id() noexcept;  // never 0

}  // namespace sonde::inline v1::detail

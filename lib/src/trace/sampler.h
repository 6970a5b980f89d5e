// The sampling decision for a new span.
#pragma once

#include <cstdint>

#include "sonde/init.h"

namespace sonde::inline v1::detail {

void set_sampler(const Sampler& sampler) noexcept;
// `has_parent`: whether there is a valid parent, whose decision is `parent_sampled`.
bool should_sample(bool has_parent, bool parent_sampled, uint64_t trace_low) noexcept;

}  // namespace sonde::inline v1::detail

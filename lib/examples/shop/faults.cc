#include "shop/faults.h"

#include <chrono>
#include <stdexcept>

namespace shop {
namespace {

int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

}  // namespace

bool Faults::active(Fault fault) const { return until_ns_[static_cast<size_t>(fault)] > now_ns(); }

void Faults::set(Fault fault, double seconds) {
  until_ns_[static_cast<size_t>(fault)] = seconds > 0 ? now_ns() + static_cast<int64_t>(seconds * 1e9) : 0;
}

bool Faults::parse(std::string_view name, Fault& fault) {
  for (size_t i = 0; i < kFaults; i++) {
    if (kFaultNames[i] != name) continue;
    fault = static_cast<Fault>(i);
    return true;
  }
  return false;
}

std::string Faults::json() const {
  std::string out = "{";
  for (size_t i = 0; i < kFaults; i++) {
    int64_t left = until_ns_[i] - now_ns();
    if (i > 0) out += ',';
    out.append("\"").append(kFaultNames[i]).append("\":");
    out += std::to_string(left > 0 ? left / 1'000'000'000 + 1 : 0);
  }
  return out + "}\n";
}

void Faults::maybe_throw() {
  if (active(Fault::kErrors) && calls_++ % 3 == 0) throw std::runtime_error("payment provider refused");
}

void Faults::leak_step() {
  constexpr size_t kLeakedMax = 256;
  if (active(Fault::kMemoryLeak)) {
    if (leaked_.size() < kLeakedMax) leaked_.emplace_back(1 << 20, 'x');
  } else if (!leaked_.empty()) {
    leaked_.clear();
    leaked_.shrink_to_fit();
  }
}

}  // namespace shop

// A small, fast, seeded generator: same seed, same numbers, on every machine. Not for secrets.
#pragma once

#include <cstdint>

namespace sonde {

// SplitMix64 (Steele, Lea, Flood 2014). Threads: one.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // In [0, bound); `bound` > 0. The bias is below 2^-32 for the small bounds we use.
  uint64_t below(uint64_t bound) { return next() % bound; }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // in [0, 1)
  bool chance(double p) { return unit() < p; }

 private:
  uint64_t state_;
};

// From the operating system: a seed that nobody can guess.
uint64_t random_seed();

}  // namespace sonde

#include "base/random.h"

#include <sys/random.h>

#include "base/assert.h"

namespace sonde {

uint64_t random_seed() {
  uint64_t seed = 0;
  SONDE_ASSERT(getrandom(&seed, sizeof seed, 0) == sizeof seed);
  return seed;
}

}  // namespace sonde

#include "tsdb/float_chunk.h"

#include <doctest/doctest.h>

#include <bit>
#include <limits>

#include "base/random.h"
#include "model/sample.h"

using namespace sonde;
using namespace sonde::tsdb;

TEST_CASE("float chunk: every double and every timestamp comes back to the bit") {
  for (uint64_t seed = 0; seed < 200; seed++) {
    CAPTURE(seed);
    Random random(seed);
    std::vector<Timestamp> times;
    std::vector<double> values;
    int64_t t = static_cast<int64_t>(random.next() >> random.below(64));
    double v = 0;
    for (int i = 0; i < 240; i++) {
      switch (random.below(6)) {
        case 0:
          t += 15'000;
          v += 1;
          break;
        case 1:
          t += static_cast<int64_t>(random.below(40'000));
          break;
        case 2:
          v = random.unit() * 1e9;
          t += 15'000;
          break;
        case 3:
          v = std::bit_cast<double>(random.next());
          break;
        case 4:
          v = stale_nan();
          t = static_cast<int64_t>(random.next());
          break;
        default:
          v = random.chance(0.5) ? -0.0 : std::numeric_limits<double>::infinity();
      }
      times.push_back({t});
      values.push_back(v);
      t = t > (int64_t{1} << 60) ? 0 : t;
    }
    std::string bytes;
    FloatChunkEncoder encoder;
    for (size_t i = 0; i < times.size(); i++) encoder.append(bytes, times[i], values[i]);
    std::vector<Timestamp> t2;
    std::vector<double> v2;
    REQUIRE(decode_float_chunk(bytes, static_cast<uint32_t>(times.size()), t2, v2));
    REQUIRE(t2 == times);
    for (size_t i = 0; i < values.size(); i++) {
      REQUIRE(std::bit_cast<uint64_t>(v2[i]) == std::bit_cast<uint64_t>(values[i]));
    }
    // Cut off, it says so instead of inventing samples.
    CHECK_FALSE(decode_float_chunk(std::string_view(bytes).substr(0, bytes.size() / 2), 240, t2, v2));
  }
}

TEST_CASE("float chunk: a steady counter takes less than two bytes a sample") {
  std::string bytes;
  FloatChunkEncoder encoder;
  for (int i = 0; i < 120; i++) encoder.append(bytes, {1'700'000'000'000 + i * 15'000}, 1000.0 + (i / 4));
  CHECK(bytes.size() < 240);
}

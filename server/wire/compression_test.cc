#include "wire/compression.h"

#include <doctest/doctest.h>

using namespace sonde;
using namespace sonde::wire;

TEST_CASE("snappy: what was encoded decodes to itself") {
  for (const std::string& raw :
       {std::string(), std::string("a"), std::string(100'000, 'x'), std::string("\0\1", 2)}) {
    auto back = snappy_decode(snappy_encode(raw), 1 << 20);
    REQUIRE(back.has_value());
    CHECK(*back == raw);
  }
}

TEST_CASE("snappy: a block above the limit is refused by its declared length, one at the limit is not") {
  std::string block = snappy_encode(std::string(1000, 'x'));
  CHECK(snappy_decode(block, 1000).has_value());
  auto over = snappy_decode(block, 999);
  REQUIRE_FALSE(over.has_value());
  CHECK(over.error().code == ErrorCode::kLimit);
}

TEST_CASE("snappy: a few bytes that declare a huge block are refused before anything is allocated") {
  auto bomb = snappy_decode("\xff\xff\xff\x1f\x00", size_t{1} << 40);
  REQUIRE_FALSE(bomb.has_value());
  CHECK(bomb.error().message.find("cannot expand") != std::string::npos);
}

TEST_CASE("snappy: garbage, cut blocks and empty input are errors") {
  CHECK_FALSE(snappy_decode("", 100).has_value());
  CHECK_FALSE(snappy_decode("\x05hello", 100).has_value());
  std::string block = snappy_encode("hello hello hello");
  for (size_t n = 0; n < block.size(); n++) CHECK_FALSE(snappy_decode(block.substr(0, n), 100).has_value());
}

#include "base/bytes.h"

#include <doctest/doctest.h>

#include <limits>

#include "base/crc32c.h"
#include "base/memory_accountant.h"
#include "base/random.h"

using namespace sonde;

TEST_CASE("crc32c: the known answers, and the instruction agrees with the table at every length and start") {
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);  // RFC 3720, B.4
  CHECK(crc32c_portable("123456789") == 0xe3069283);
  Random random(1);
  std::string data;
  for (int i = 0; i < 300; i++) data += static_cast<char>(random.next());
  for (size_t from = 0; from < 9; from++) {
    for (size_t n = 0; from + n <= data.size(); n++) {
      std::string_view part = std::string_view(data).substr(from, n);
      REQUIRE(crc32c(part, 7) == crc32c_portable(part, 7));
      REQUIRE(crc32c(part.substr(n / 2), crc32c(part.substr(0, n / 2))) == crc32c(part));
    }
  }
}

TEST_CASE("varint: every length comes back; cut-off and overlong ones are refused") {
  for (int bit = 0; bit < 64; bit++) {
    for (uint64_t n : {(uint64_t{1} << bit) - 1, uint64_t{1} << bit, ~uint64_t{0} >> bit}) {
      std::string out;
      append_varint(out, n);
      REQUIRE(out.size() <= kVarintBytesMax);
      uint64_t back = 1;
      const char* at = out.data();
      REQUIRE(read_varint(at, out.data() + out.size(), back));
      REQUIRE(back == n);
      at = out.data();
      REQUIRE_FALSE(read_varint(at, out.data() + out.size() - 1, back));
    }
  }
  std::string overlong(9, '\x80');
  overlong += '\x02';
  uint64_t n = 0;
  const char* at = overlong.data();
  CHECK_FALSE(read_varint(at, overlong.data() + overlong.size(), n));
  for (int64_t v : {int64_t{0}, int64_t{-1}, int64_t{1}, std::numeric_limits<int64_t>::min(),
                    std::numeric_limits<int64_t>::max()}) {
    CHECK(unzigzag(zigzag(v)) == v);
  }
}

TEST_CASE("bytes: a reader ends at the end, whatever the counts claim") {
  ByteWriter w;
  w.fixed(uint16_t{7}).svarint(-3).text("abc").fixed(1.5).varint(1'000'000);
  std::string bytes = w.take();
  ByteReader r(bytes);
  CHECK(r.fixed<uint16_t>() == 7);
  CHECK(r.svarint() == -3);
  CHECK(r.text() == "abc");
  CHECK(r.fixed<double>() == 1.5);
  CHECK(r.count() == 0);  // a million things in no bytes
  CHECK_FALSE(r.ok());
  CHECK(r.text().empty());
  CHECK(r.fixed<uint64_t>() == 0);
  CHECK(r.left() == 0);
  for (size_t n = 0; n < bytes.size() - 3; n++) {
    ByteReader cut(std::string_view(bytes).substr(0, n));
    cut.fixed<uint16_t>();
    cut.svarint();
    cut.text();
    cut.fixed<double>();
    CHECK_FALSE(cut.ok());
  }
}

TEST_CASE("memory accountant: refuses what does not fit, and gets back what is released") {
  MemoryAccountant budget(100);
  MemoryAccountant::Reservation a, b;
  REQUIRE(budget.reserve(60, a));
  CHECK_FALSE(budget.reserve(50, b));
  CHECK_FALSE(budget.reserve(~uint64_t{0}, b));
  CHECK(budget.refused_count() == 2);
  CHECK(a.grow(40));
  CHECK_FALSE(a.grow(1));
  b = std::move(a);
  CHECK(budget.used_bytes() == 100);
  b.release();
  CHECK(budget.used_bytes() == 0);
}

#include "sonde/observe.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "sonde/expose.h"

using namespace sonde::literals;

TEST_CASE("observation: one scope counts a duration under its low keys, never under its high keys") {
  {
    sonde::Observation o{"test.checkout", sonde::low("channel"_f = "web"), sonde::high("cart_id"_f = 4711)};
    CHECK(sonde::expose().body.find("test_checkout_active 1\n") != std::string::npos);
  }
  std::string page = sonde::expose().body;
  CHECK(page.find(R"(test_checkout_seconds_count{channel="web",error_type=""} 1)") != std::string::npos);
  CHECK(page.find("test_checkout_active 0\n") != std::string::npos);
  CHECK(page.find("4711") == std::string::npos);
}

TEST_CASE("observation: an exception that passes is counted and not caught") {
  auto fails = [] {
    sonde::Observation o{"test.refund"};
    throw std::runtime_error("no money");
  };
  CHECK_THROWS_AS(fails(), std::runtime_error);
  CHECK(sonde::expose().body.find(R"(test_refund_seconds_count{error_type="exception"} 1)") !=
        std::string::npos);
}

TEST_CASE("observation: finish() records once") {
  {
    sonde::Observation o{"test.once"};
    o.error("refused", "card expired");
    o.finish();
    o.finish();
  }
  CHECK(sonde::expose().body.find(R"(test_once_seconds_count{error_type="refused"} 1)") != std::string::npos);
}

#include "sonde/context.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <thread>

using sonde::Context;

namespace {
constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
}

TEST_CASE("context: a traceparent is read and written back") {
  Context c = Context::parse(kParent);
  REQUIRE(c.valid());
  CHECK(c.sampled());
  CHECK(c.remote());
  CHECK(c.trace_id_high() == 0x0af7651916cd43dd);
  CHECK(c.span_id() == 0xb7ad6b7169203331);
  CHECK(c.traceparent().view() == kParent);
  CHECK(c.traceparent().trace_id() == "0af7651916cd43dd8448eb211c80319c");
  CHECK(c.traceparent().span_id() == "b7ad6b7169203331");
  CHECK_FALSE(Context::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00").sampled());
  CHECK(Context::parse("  00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\t").valid());
}

TEST_CASE("context: a later version is read as far as it is known, and only the known flag is passed on") {
  Context c =
      Context::parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09-what-the-future-brings");
  CHECK(c.valid());
  CHECK(c.flags() == 1);
  CHECK(c.traceparent().view() == kParent);
  CHECK_FALSE(Context::parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what").valid());
}

TEST_CASE("context: what is not a traceparent gives no context") {
  for (std::string_view bad : {
           "",
           "00",
           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
           "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
           "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
       }) {
    CHECK_MESSAGE(!Context::parse(bad).valid(), bad);
  }
}

TEST_CASE("context: tracestate is kept if it is well formed, and ignored alone if it is not") {
  CHECK(Context::parse(kParent, "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE").tracestate() ==
        "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE");
  for (std::string_view bad : {"novalue", "a=1,a=2", "=x", "UPPER=1", "k=a=b", "k=\x01", ",,,", "k="}) {
    Context c = Context::parse(kParent, bad);
    CHECK_MESSAGE(c.valid(), bad);
    CHECK_MESSAGE(c.tracestate().empty(), bad);
  }
  CHECK(Context::parse(kParent, "k=" + std::string(600, 'v')).tracestate().empty());
  std::string many;
  for (int i = 0; i < 33; i++) many += "k" + std::to_string(i) + "=1,";
  CHECK(Context::parse(kParent, many).tracestate().empty());
}

TEST_CASE("context: any bytes are either refused or written back in the canonical form") {
  std::mt19937 random(20240229);
  for (int i = 0; i < 200000; i++) {
    std::string text(kParent);
    int changes = static_cast<int>(random() % 4);
    for (int c = 0; c < changes; c++) text[random() % text.size()] = static_cast<char>(random());
    if (random() % 8 == 0) text.resize(random() % 80, '-');
    Context c = Context::parse(text, text);
    if (!c.valid()) continue;
    CHECK(Context::parse(c.traceparent().view()).traceparent().view() == c.traceparent().view());
  }
}

TEST_CASE("context: scopes nest, copies share the tracestate, and bind() carries both to another thread") {
  CHECK_FALSE(sonde::current_context().valid());
  std::string seen_id, seen_state;
  std::thread worker;
  {
    sonde::ContextScope outer(Context::parse(kParent, "a=1"));
    {
      sonde::ContextScope inner(Context(1, 2, 3, 0));
      CHECK(sonde::current_context().span_id() == 3);
    }
    CHECK(sonde::current_context().traceparent().view() == kParent);
    auto job = sonde::bind([&](int x) {
      seen_id = std::string(sonde::current_context().traceparent().view());
      seen_state = std::string(sonde::current_context().tracestate());
      return x + 1;
    });
    worker = std::thread([job]() mutable {
      CHECK_FALSE(sonde::current_context().valid());
      CHECK(job(41) == 42);
      CHECK_FALSE(sonde::current_context().valid());
    });
  }
  CHECK_FALSE(sonde::current_context().valid());
  worker.join();
  CHECK(seen_id == kParent);
  CHECK(seen_state == "a=1");
}

#include "net/server.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <zstd.h>

#include <atomic>
#include <fstream>
#include <future>

#include "base/mutex.h"
#include "net/content_coding.h"
#include "net/test_peer.h"

using namespace sonde;
using namespace sonde::net;
using namespace std::string_literals;
using Writer = std::shared_ptr<ResponseWriter>;

namespace {

Router make_router() {
  Router r;
  r.add("GET", "/-/healthy", Role::kOpen, [](Request&, Writer w) { w->send(200, "text/plain", "ok"); },
        {.reserved = true});
  r.add("GET", "/hello", Role::kRead, [](Request&, Writer w) { w->send(200, "text/plain", "hello"); });
  r.add("POST", "/echo", Role::kIngest,
        [](Request& q, Writer w) {
          auto body = q.read_body();
          if (body) return w->send(200, "application/octet-stream", *body);
          int status = body.error().code == ErrorCode::kLimit     ? 413
                       : body.error().code == ErrorCode::kTimeout ? 408
                                                                  : 400;
          w->send(status, "text/plain", body.error().message);
        },
        {.body_bytes_max = 256 << 10});
  r.add("GET", "/stream", Role::kRead, [](Request&, Writer w) {
    w->header("Content-Type", "application/octet-stream");
    for (int i = 0; i < 3; i++) (void)w->write("part" + std::to_string(i));
  });
  r.add("GET", "/text", Role::kRead,
        [](Request&, Writer w) { w->send(200, "application/json", std::string(100'000, 'x')); });
  r.add("GET", "/label/{name}/values", Role::kRead,
        [](Request& q, Writer w) { w->send(200, "text/plain", q.path_param("name")); });
  r.add("GET", "/throws", Role::kRead, [](Request&, Writer) { throw 1; });
  r.add("DELETE", "/nothing", Role::kAdmin, [](Request&, Writer w) { w->send(204, "", ""); });
  return r;
}

std::string get(const std::string& path, const std::string& more = {}) {
  return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n";
}
std::string post(const std::string& path, const std::string& body, const std::string& more = {}) {
  return "POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         more + "\r\n" + body;
}
std::string body_of(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  in >> total >> resident;
  return resident * 4096;
}

}  // namespace

TEST_CASE("server: answers over one connection, one request after the other") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  for (int i = 0; i < 3; i++) {
    peer.send(get("/hello"));
    std::string answer = peer.answer();
    CHECK(status_of(answer) == 200);
    CHECK(body_of(answer) == "hello");
  }
  CHECK(s.server->stats().accepted == 1);
}

TEST_CASE("server: pipelined requests are answered in order") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  std::string all;
  for (int i = 0; i < 20; i++) all += i % 2 == 0 ? post("/echo", "body" + std::to_string(i)) : get("/hello");
  peer.send(all);
  for (int i = 0; i < 20; i++)
    CHECK(body_of(peer.answer()) == (i % 2 == 0 ? "body" + std::to_string(i) : "hello"s));
}

TEST_CASE(
    "server: a body of unknown length is chunked, and HTTP/1.0 gets it until the end of the connection") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send(get("/stream"));
  std::string answer = peer.receive("part2\r\n0\r\n\r\n", 2000);
  // Written and finished before the head goes out, the length may be known after all.
  if (answer.find("Content-Length: 15") == std::string::npos) {
    CHECK(answer.find("Transfer-Encoding: chunked") != std::string::npos);
  }
  TestPeer old(s.port);
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  std::string all = old.receive();
  CHECK(old.closed());
  CHECK(all.ends_with("part0part1part2"));
  CHECK(all.find("chunked") == std::string::npos);
}

TEST_CASE("server: HEAD has the length and no body, 204 has neither") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" + get("/hello"));
  std::string head = peer.receive("\r\n\r\n");
  CHECK(head.find("Content-Length: 5\r\n") != std::string::npos);
  CHECK(peer.answer().ends_with("hello"));
  peer.send("DELETE /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
  std::string empty = peer.receive("\r\n\r\n");
  CHECK(status_of(empty) == 204);
  CHECK(empty.find("Content-Length") == std::string::npos);
}

TEST_CASE(
    "server: unknown paths are 404, wrong methods 405 with Allow, encoded slashes stay in a parameter") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send(get("/nope"));
  CHECK(status_of(peer.answer()) == 404);
  peer.send("PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  std::string answer = peer.answer();
  CHECK(status_of(answer) == 405);
  CHECK(answer.find("Allow: GET, HEAD\r\n") != std::string::npos);
  peer.send(get("/label/a%2Fb/values"));
  CHECK(body_of(peer.answer()) == "a/b");
}

TEST_CASE("server: an exception in a handler is a 500 without details, and the server goes on") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send(get("/throws"));
  std::string answer = peer.answer();
  CHECK(status_of(answer) == 500);
  CHECK(body_of(answer) == "internal error\n");
  peer.send(get("/hello"));
  CHECK(status_of(peer.answer()) == 200);
}

TEST_CASE("server: chunked, gzip, deflate and zstd bodies arrive decoded, snappy untouched") {
  Router router = make_router();
  TestServer s(router);
  std::string text(50'000, 'a');
  GzipEncoder encoder;
  std::string gzip;
  encoder.encode(text, true, gzip);
  std::string zstd(ZSTD_compressBound(text.size()), '\0');
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), text.data(), text.size(), 3));
  TestPeer peer(s.port);
  peer.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
  CHECK(body_of(peer.answer()) == "abcdefg");
  peer.send(post("/echo", gzip, "Content-Encoding: gzip\r\n"));
  CHECK(body_of(peer.answer()) == text);
  peer.send(post("/echo", zstd, "Content-Encoding: zstd\r\n"));
  CHECK(body_of(peer.answer()) == text);
  peer.send(post("/echo", "\x01\x02", "Content-Encoding: snappy\r\n"));
  CHECK(body_of(peer.answer()) == "\x01\x02");
  peer.send(post("/echo", gzip.substr(0, gzip.size() / 2), "Content-Encoding: gzip\r\n"));
  CHECK(status_of(peer.answer()) == 400);
  peer.send(post("/echo", gzip, "Content-Encoding: gzip, gzip\r\n"));
  CHECK(status_of(peer.answer()) == 415);
  peer.send(post("/echo", gzip, "Content-Encoding: br\r\n"));
  CHECK(status_of(peer.answer()) == 415);
}

TEST_CASE("server: Expect: 100-continue is answered before the body, a refusal instead of it") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(peer.receive("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("abc");
  CHECK(body_of(peer.answer()) == "abc");
  TestPeer big(s.port);
  big.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nExpect: 100-continue\r\n\r\n");
  CHECK(status_of(big.answer()) == 413);
}

TEST_CASE("server: gzip answers for those who accept it, from 1 KiB on") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send(get("/text", "Accept-Encoding: br, gzip;q=0.5\r\nConnection: close\r\n"));
  std::string answer = peer.receive();
  CHECK(answer.find("Content-Encoding: gzip\r\n") != std::string::npos);
  CHECK(answer.find("Vary: Accept-Encoding\r\n") != std::string::npos);
  CHECK(answer.size() < 5000);
  if (answer.find("chunked") == std::string::npos) {
    auto text = decode_all(Coding::kGzip, body_of(answer), 1 << 20);
    REQUIRE(text.has_value());
    CHECK(text->size() == 100'000);
  }
  TestPeer plain(s.port);
  plain.send(get("/text", "Accept-Encoding: gzip;q=0\r\n"));
  CHECK(body_of(plain.answer()).size() == 100'000);
  plain.send(get("/hello", "Accept-Encoding: gzip\r\n"));
  CHECK(body_of(plain.answer()) == "hello");
}

TEST_CASE("server: an answer may be finished on another thread after the handler returned") {
  Router router = make_router();
  std::promise<Writer> kept;
  router.add("GET", "/later", Role::kRead, [&](Request&, Writer w) { kept.set_value(std::move(w)); });
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send(get("/later"));
  Writer w = kept.get_future().get();
  CHECK(peer.receive("x", 50).empty());
  std::thread([w = std::move(w)] { w->send(202, "text/plain", "durable"); }).join();
  std::string answer = peer.answer();
  CHECK(status_of(answer) == 202);
  CHECK(body_of(answer) == "durable");
}

TEST_CASE("server: a full executor answers 503 with Retry-After") {
  Router router = make_router();
  struct Full final : Executor {
    bool submit(Task) override { return false; }
    size_t queue_length() const override { return 0; }
    uint64_t rejected_count() const override { return 0; }
  } full;
  SystemClock clock;
  InlineExecutor inline_executor;
  ServerOptions options;
  options.listeners.push_back({"127.0.0.1:0", {}});
  auto server = Server::start(options, router, full, inline_executor, clock);
  REQUIRE(server.has_value());
  TestPeer peer((*server)->ports()[0]);
  peer.send(get("/hello"));
  std::string answer = peer.answer();
  CHECK(status_of(answer) == 503);
  CHECK(answer.find("Retry-After: 1\r\n") != std::string::npos);
  peer.send(get("/-/healthy"));
  CHECK(status_of(peer.answer()) == 200);
}

TEST_CASE("server: the authenticator stops a request, or names its user") {
  Router router = make_router();
  router.add("GET", "/who", Role::kRead,
             [](Request& q, Writer w) { w->send(200, "text/plain", q.identity.user); });
  TestServer s(router, {}, [](Request& q, Role role) -> std::optional<Refusal> {
    q.identity.user = "ada";
    if (role == Role::kRead) return std::nullopt;
    Refusal r{401, "no\n", {}};
    r.headers.add("WWW-Authenticate", "Basic");
    return r;
  });
  TestPeer peer(s.port);
  peer.send(get("/who"));
  CHECK(body_of(peer.answer()) == "ada");
  peer.send(post("/echo", "x"));
  std::string answer = peer.answer();
  CHECK(status_of(answer) == 401);
  CHECK(answer.find("WWW-Authenticate: Basic\r\n") != std::string::npos);
}

TEST_CASE("server: the observer hears of each request once") {
  Router router = make_router();
  Mutex mu;
  std::vector<RequestRecord> records;
  {
    TestServer s(router, {}, {}, [&](const RequestRecord& r) {
      MutexLock lock(mu);
      records.push_back(r);
    });
    TestPeer peer(s.port);
    peer.send(post("/echo", "12345"));
    peer.answer();
    peer.send(get("/nope"));
    peer.answer();
  }
  MutexLock lock(mu);
  REQUIRE(records.size() == 2);
  CHECK(records[0].route == "/echo");
  CHECK(records[0].status == 200);
  CHECK(records[0].request_bytes == 5);
  CHECK(records[0].response_bytes == 5);
  CHECK(records[1].route == "_unmatched");
  CHECK(records[1].status == 404);
}

TEST_CASE("server: a request that could mean two things is refused") {
  Router router = make_router();
  TestServer s(router);
  std::string line = "POST /echo HTTP/1.1\r\nHost: a\r\n";
  for (const std::string& bad : {
           line + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           line + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
           line + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
           line + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
           line + "Content-Length: +3\r\n\r\nabc",
           line + "Content-Length: 0x3\r\n\r\nabc",
           line + "Content-Length: 99999999999999999999\r\n\r\nabc",
           line + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           line + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
           line + "X: a\r\n folded\r\nContent-Length: 0\r\n\r\n",
           line + "X: a\nContent-Length: 0\r\n\r\n",
           "GET /hello HTTP/1.1\nHost: a\n\n"s,
           "GET /hello HTTP/1.1\r\n\r\n"s,
           "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"s,
           "GET /hello HTTP/2.0\r\nHost: a\r\n\r\n"s,
           "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"s,
           "GET hello HTTP/1.1\r\nHost: a\r\n\r\n"s,
           "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"s,
           "GET /hello?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n"s,
           "\x16\x03\x01\x02\x00garbage\r\n\r\n"s,
       }) {
    INFO(bad);
    TestPeer peer(s.port);
    peer.send(bad);
    CHECK(status_of(peer.receive("\r\n\r\n")) == 400);
  }
  TestPeer bad_chunk(s.port);
  bad_chunk.send(line + "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
  CHECK(status_of(bad_chunk.receive()) == 400);
  CHECK(bad_chunk.closed());
}

TEST_CASE("server: long lines are 414, large or many header fields 431") {
  Router router = make_router();
  TestServer s(router);
  TestPeer line(s.port);
  line.send("GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(status_of(line.receive()) == 414);
  TestPeer endless_line(s.port);
  endless_line.send("GET /" + std::string(40'000, 'a'));
  CHECK(status_of(endless_line.receive()) == 414);
  TestPeer large(s.port);
  large.send("GET /hello HTTP/1.1\r\nHost: a\r\nX: " + std::string(40'000, 'a'));
  CHECK(status_of(large.receive()) == 431);
  std::string many;
  for (int i = 0; i < 10'000; i++) many += "a:\r\n";
  TestPeer fields(s.port);
  fields.send("GET /hello HTTP/1.1\r\nHost: a\r\n" + many + "\r\n");
  CHECK(status_of(fields.receive()) == 431);
  std::string hundred_and_one;
  for (int i = 0; i < 100; i++) hundred_and_one += "a: b\r\n";
  TestPeer just_over(s.port);
  just_over.send(get("/hello", hundred_and_one));
  CHECK(status_of(just_over.receive()) == 431);
}

TEST_CASE(
    "server: bodies over the bound are 413, declared, chunked or decompressed, without growth of memory") {
  Router router = make_router();
  TestServer s(router);
  TestPeer declared(s.port);
  declared.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n");
  CHECK(status_of(declared.receive()) == 413);
  size_t before = resident_bytes();
  TestPeer endless(s.port);
  endless.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  std::thread sender([&] {
    for (int i = 0; i < 2000 && endless.send(chunk); i++) {
    }
  });
  CHECK(status_of(endless.receive("\r\n\r\n")) == 413);
  ::shutdown(endless.fd(), SHUT_RDWR);
  sender.join();
  // 200 MB of zeros in 200 kB.
  GzipEncoder encoder;
  std::string bomb;
  std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 200; i++) encoder.encode(zeros, i == 199, bomb);
  REQUIRE(bomb.size() < (1 << 20));
  TestPeer peer(s.port);
  peer.send(post("/echo", bomb.substr(0, 200 << 10), "Content-Encoding: gzip\r\n"));
  CHECK(status_of(peer.receive("\r\n\r\n")) == 413);
  CHECK(resident_bytes() < before + (48 << 20));
}

TEST_CASE(
    "server: a slow header and a slow body are cut, a lying length is a 408, and none holds a handler") {
  Router router = make_router();
  ServerOptions options;
  options.limits.header_timeout = Duration::milliseconds(300);
  options.limits.body_grace = Duration::milliseconds(300);
  TestServer s(router, options);
  TestPeer silent(s.port);
  TestPeer header(s.port);
  header.send("GET /hello HTTP/1.1\r\nHo");
  std::vector<TestPeer> bodies;
  for (int i = 0; i < 20; i++) {
    bodies.emplace_back(s.port);
    bodies.back().send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n12345");
  }
  TestPeer good(s.port);
  good.send(get("/hello"));
  CHECK(status_of(good.answer()) == 200);
  CHECK(status_of(header.receive()) == 408);
  CHECK(header.closed());
  CHECK(silent.receive().empty());
  CHECK(silent.closed());
  for (TestPeer& b : bodies) CHECK(status_of(b.receive("\r\n\r\n")) == 408);
  CHECK(s.server->stats().timed_out == 22);
  TestPeer half(s.port);
  half.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n12345");
  half.end_sending();
  CHECK(status_of(half.receive("\r\n\r\n")) == 400);
}

TEST_CASE("server: a body that keeps coming at one byte now and then is cut too") {
  Router router = make_router();
  ServerOptions options;
  options.limits.body_grace = Duration::milliseconds(300);
  TestServer s(router, options);
  TestPeer peer(s.port);
  peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  std::string answer;
  for (int i = 0; i < 40 && answer.empty(); i++) {
    peer.send("x");
    answer = peer.receive("\r\n\r\n", 50);
  }
  CHECK(status_of(answer) == 408);
}

TEST_CASE("server: idle connections are closed") {
  Router router = make_router();
  ServerOptions options;
  options.limits.idle_timeout = Duration::milliseconds(200);
  TestServer s(router, options);
  TestPeer peer(s.port);
  peer.send(get("/hello"));
  peer.answer();
  CHECK(peer.receive({}, 3000).empty());
  CHECK(peer.closed());
}

TEST_CASE("server: beyond the normal connections, reserved ones reach health only") {
  Router router = make_router();
  ServerOptions options;
  options.limits.connections_max = 6;
  options.limits.connections_reserved = 2;
  TestServer s(router, options);
  std::vector<TestPeer> peers;
  for (int i = 0; i < 4; i++) {
    peers.emplace_back(s.port);
    peers.back().send(get("/hello"));
    CHECK(status_of(peers.back().answer()) == 200);
  }
  TestPeer fifth(s.port);
  fifth.send(get("/-/healthy"));
  CHECK(status_of(fifth.answer()) == 200);
  fifth.send(get("/hello"));
  CHECK(status_of(fifth.answer()) == 503);
}

TEST_CASE("server: 600 half-open connections do not lock anybody out") {
  Router router = make_router();
  ServerOptions options;
  options.limits.connections_max = 128;
  TestServer s(router, options);
  std::vector<TestPeer> flood;
  for (int i = 0; i < 600; i++) {
    flood.emplace_back(s.port);
    REQUIRE(flood.back().connected());
    if (i % 3 == 0) flood.back().send("GET / HT");
  }
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; i++) {
    TestPeer peer(s.port);
    peer.send(get("/-/healthy"));
    CHECK(status_of(peer.answer()) == 200);
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  CHECK(s.server->stats().connections <= 140);
}

TEST_CASE("server: a reader that takes nothing is cut, and its handler learns of it") {
  Router router = make_router();
  std::promise<ErrorCode> outcome;
  std::atomic<uint64_t> written{0};
  router.add("GET", "/endless", Role::kRead, [&](Request&, Writer w) {
    std::string chunk(64 << 10, 'x');
    for (;;) {
      auto ok = w->write(chunk);
      if (!ok) return outcome.set_value(ok.error().code);
      written += chunk.size();
    }
  });
  ServerOptions options;
  options.limits.write_timeout = Duration::milliseconds(300);
  TestServer s(router, options);
  TestPeer peer(s.port, 4096);
  peer.send(get("/endless"));
  auto future = outcome.get_future();
  REQUIRE(future.wait_for(std::chrono::seconds(5)) == std::future_status::ready);
  CHECK(future.get() == ErrorCode::kTimeout);
  CHECK(written < (16 << 20));  // the kernel's buffers and ours
}

TEST_CASE("server: a peer that goes away cancels its request") {
  Router router = make_router();
  std::promise<bool> cancelled;
  router.add("GET", "/long", Role::kRead, [&](Request& q, Writer w) {
    for (int i = 0; i < 500 && !q.cancel.cancelled(); i++)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    cancelled.set_value(q.cancel.cancelled());
    w->send(200, "text/plain", "");
  });
  TestServer s(router);
  {
    TestPeer peer(s.port);
    peer.send(get("/long"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK(cancelled.get_future().get());
}

TEST_CASE("server: stop lets a running request finish, and cuts what exceeds the grace") {
  Router router = make_router();
  std::promise<void> begun;
  router.add("GET", "/slow", Role::kRead, [&](Request&, Writer w) {
    begun.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    w->send(200, "text/plain", "done");
  });
  TestServer s(router);
  TestPeer peer(s.port);
  TestPeer half_open(s.port);
  half_open.send("GET /");
  peer.send(get("/slow"));
  begun.get_future().wait();
  auto begin = std::chrono::steady_clock::now();
  std::thread stopper([&] { s.server->stop(Duration::seconds(1)); });
  std::string answer = peer.answer();
  CHECK(body_of(answer) == "done");
  CHECK(answer.find("Connection: close\r\n") != std::string::npos);
  stopper.join();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  s.server->stop({0});
}

TEST_CASE("server: a port that is taken is an error that names the address") {
  Router router = make_router();
  TestServer s(router);
  std::string address = "127.0.0.1:" + std::to_string(s.port);
  ServerOptions options;
  options.listeners.push_back({address, {}});
  TestServer second(router, options);
  CHECK(second.server == nullptr);
  CHECK(second.error.find(address) != std::string::npos);
  CHECK(second.error.find("in use") != std::string::npos);
}

TEST_CASE("server: a large upload and a large answer pass while both are bounded in memory") {
  Router router = make_router();
  router.add("POST", "/count", Role::kIngest,
             [](Request& q, Writer w) {
               std::vector<std::byte> buffer(8192);
               size_t total = 0;
               for (;;) {
                 auto n = q.body->read(buffer);
                 if (!n || *n == 0) break;
                 total += *n;
               }
               w->send(200, "text/plain", std::to_string(total));
             },
             {.body_bytes_max = 64 << 20});
  router.add("GET", "/big", Role::kRead, [](Request&, Writer w) {
    w->header("Content-Type", "application/octet-stream");
    w->header("Content-Length", std::to_string(20 << 20));
    for (int i = 0; i < 20; i++) (void)w->write(std::string(1 << 20, 'x'));
  });
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send(post("/count", std::string(20 << 20, 'y')));
  CHECK(body_of(peer.answer()) == std::to_string(20 << 20));
  peer.send(get("/big"));
  CHECK(body_of(peer.answer(10'000)).size() == 20 << 20);
}

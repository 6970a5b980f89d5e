#include <doctest/doctest.h>
#include <nghttp2/nghttp2.h>

#include <atomic>
#include <cstring>
#include <future>
#include <map>

#include "net/content_coding.h"
#include "net/grpc.h"
#include "net/session.h"
#include "net/test_peer.h"

using namespace sonde;
using namespace sonde::net;
using namespace std::string_literals;
using Writer = std::shared_ptr<ResponseWriter>;

namespace {

struct Answer {
  std::map<std::string, std::string> headers;
  std::map<std::string, std::string> trailers;
  std::string body;
  bool closed = false;
  uint32_t error = 0;
  int status() const { return headers.contains(":status") ? std::stoi(headers.at(":status")) : 0; }
};

// A client over nghttp2 with blocking I/O.
class H2Peer {
 public:
  explicit H2Peer(uint16_t port) : peer_(port) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* self) {
          Answer& a = static_cast<H2Peer*>(self)->answers[frame->hd.stream_id];
          auto& fields = frame->headers.cat == NGHTTP2_HCAT_RESPONSE ? a.headers : a.trailers;
          fields[std::string(reinterpret_cast<const char*>(name), name_size)] =
              std::string(reinterpret_cast<const char*>(value), value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* self) {
          static_cast<H2Peer*>(self)->answers[id].body.append(reinterpret_cast<const char*>(data), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t id, uint32_t error, void* self) {
          Answer& a = static_cast<H2Peer*>(self)->answers[id];
          a.closed = true;
          a.error = error;
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          if (frame->hd.type == NGHTTP2_GOAWAY) {
            static_cast<H2Peer*>(self)->goaway = static_cast<int>(frame->goaway.error_code);
          }
          return 0;
        });
    nghttp2_session_client_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry big{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 8 << 20};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &big, 1);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 16 << 20);
  }
  ~H2Peer() { nghttp2_session_del(session); }

  int32_t request(const std::string& method, const std::string& path, std::string body = {},
                  std::vector<std::pair<std::string, std::string>> more = {}, bool ends = true) {
    std::vector<std::pair<std::string, std::string>> fields = {
        {":method", method}, {":scheme", "http"}, {":authority", "a"}, {":path", path}};
    fields.insert(fields.end(), more.begin(), more.end());
    std::vector<nghttp2_nv> nvs;
    for (auto& [n, v] : fields) {
      nvs.push_back({reinterpret_cast<uint8_t*>(n.data()), reinterpret_cast<uint8_t*>(v.data()), n.size(),
                     v.size(), NGHTTP2_NV_FLAG_NONE});
    }
    sources_.push_back(std::make_unique<Source>(Source{std::move(body), 0, ends}));
    nghttp2_data_provider provider{};
    provider.source.ptr = sources_.back().get();
    provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* out, size_t size, uint32_t* flags,
                                nghttp2_data_source* source, void*) -> ssize_t {
      auto& s = *static_cast<Source*>(source->ptr);
      size_t n = std::min(size, s.body.size() - s.at);
      memcpy(out, s.body.data() + s.at, n);
      s.at += n;
      if (s.at == s.body.size() && s.ends) *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (n == 0 && !s.ends) return NGHTTP2_ERR_DEFERRED;
      return static_cast<ssize_t>(n);
    };
    bool has_body = !sources_.back()->body.empty() || !ends;
    return nghttp2_submit_request(session, nullptr, nvs.data(), nvs.size(), has_body ? &provider : nullptr,
                                  nullptr);
  }

  void flush() {
    const uint8_t* data = nullptr;
    for (;;) {
      ssize_t n = nghttp2_session_mem_send(session, &data);
      if (n <= 0 || !peer_.send({reinterpret_cast<const char*>(data), static_cast<size_t>(n)})) return;
    }
  }
  // Exchanges bytes until `done` or the server closes.
  void run(const std::function<bool()>& done, int timeout_ms = 5000) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!done() && !peer_.closed() && std::chrono::steady_clock::now() < end) {
      flush();
      std::string in = peer_.receive("\x01never"s, 10);
      if (nghttp2_session_mem_recv(session, reinterpret_cast<const uint8_t*>(in.data()), in.size()) < 0)
        return;
    }
  }
  Answer& get(int32_t id, int timeout_ms = 5000) {
    run([&] { return answers[id].closed; }, timeout_ms);
    return answers[id];
  }
  bool closed() const { return peer_.closed(); }

  nghttp2_session* session = nullptr;
  std::map<int32_t, Answer> answers;
  int goaway = -1;

 private:
  struct Source {
    std::string body;
    size_t at;
    bool ends;
  };
  TestPeer peer_;
  std::vector<std::unique_ptr<Source>> sources_;
};

Router make_router() {
  Router r;
  r.add("GET", "/hello", Role::kRead, [](Request& q, Writer w) {
    w->send(200, "text/plain", "hello " + std::string(q.headers.get("Host")));
  });
  r.add("POST", "/echo", Role::kIngest,
        [](Request& q, Writer w) {
          auto body = q.read_body();
          w->send(body ? 200 : 413, "application/octet-stream", body ? *body : body.error().message);
        },
        {.body_bytes_max = 1 << 20});
  r.add("GET", "/trailers", Role::kRead, [](Request&, Writer w) {
    (void)w->write("part");
    w->trailer("X-Sum", "42");
  });
  r.add("POST", "/svc/Echo", Role::kIngest,
        grpc_handler(
            [](Request&, std::string message, GrpcRespond respond) {
              if (message == "fail") return respond({GrpcStatus::kUnavailable, {}, "später 100%", 500, {}});
              if (message == "forget") return;
              // Answered after the handler has returned, as after a group commit.
              std::thread([message, respond] {
                respond({GrpcStatus::kOk, "re: " + message, {}, -1, {}});
              }).detach();
            },
            {.message_bytes_max = 10'000}),
        {.body_bytes_max = 20'000});
  return r;
}

const std::vector<std::pair<std::string, std::string>> kGrpc = {{"content-type", "application/grpc"},
                                                                {"te", "trailers"}};

}  // namespace

TEST_CASE("http2: requests on one connection are served at the same time, with prior knowledge") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  std::vector<int32_t> ids;
  for (int i = 0; i < 50; i++) ids.push_back(peer.request("GET", "/hello"));
  int32_t missing = peer.request("GET", "/missing");
  int32_t head = peer.request("HEAD", "/hello");
  for (int32_t id : ids) {
    CHECK(peer.get(id).status() == 200);
    CHECK(peer.get(id).body == "hello a");
  }
  CHECK(peer.get(missing).status() == 404);
  CHECK(peer.get(head).headers["content-length"] == "7");
  CHECK(peer.get(head).body.empty());
}

TEST_CASE("http2: bodies larger than the window pass, those over the bound are 413") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  std::string body(900'000, 'b');
  int32_t id = peer.request("POST", "/echo", body);
  CHECK(peer.get(id).body == body);
  int32_t large = peer.request("POST", "/echo", std::string(2 << 20, 'b'));
  CHECK(peer.get(large).status() == 413);
  // The connection is still good for others: unread bytes were given back.
  for (int i = 0; i < 5; i++) {
    int32_t again = peer.request("POST", "/echo", body);
    CHECK(peer.get(again).body.size() == body.size());
  }
}

TEST_CASE("http2: many bodies that trickle in together do not block one another") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  std::vector<int32_t> ids;
  for (int i = 0; i < 60; i++) ids.push_back(peer.request("POST", "/echo", std::string(60'000, 'c')));
  for (int32_t id : ids) CHECK(peer.get(id).body.size() == 60'000);
}

TEST_CASE("http2: trailers follow the body") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  Answer& a = peer.get(peer.request("GET", "/trailers"));
  CHECK(a.body == "part");
  CHECK(a.trailers["x-sum"] == "42");
}

TEST_CASE("http2: too large a header list is 431, and the connection lives on") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  std::vector<std::pair<std::string, std::string>> fields;
  for (int i = 0; i < 50; i++) fields.emplace_back("x" + std::to_string(i), std::string(1000, 'v'));
  CHECK(peer.get(peer.request("GET", "/hello", {}, fields)).status() == 431);
  CHECK(peer.get(peer.request("GET", "/hello")).status() == 200);
}

TEST_CASE("http2: rapid resets end in GOAWAY") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  for (int i = 0; i < 300 && !peer.closed(); i++) {
    int32_t id = peer.request("GET", "/hello", {}, {}, false);
    peer.flush();
    nghttp2_submit_rst_stream(peer.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    peer.flush();
  }
  peer.run([&] { return peer.goaway >= 0; });
  CHECK(peer.goaway == NGHTTP2_ENHANCE_YOUR_CALM);
  CHECK(s.server->stats().bad_requests >= 1);
}

TEST_CASE("http2: a header block without end is cut") {
  Router router = make_router();
  ServerOptions options;
  options.limits.header_timeout = Duration::milliseconds(300);
  TestServer s(router, options);
  TestPeer peer(s.port);
  auto frame = [](size_t size, int type, int flags, int stream, const std::string& payload) {
    std::string out;
    for (int shift : {16, 8, 0}) out += static_cast<char>(size >> shift & 0xff);
    out += static_cast<char>(type);
    out += static_cast<char>(flags);
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift & 0xff);
    return out + payload;
  };
  peer.send(std::string(kHttp2Preface) + frame(0, 4, 0, 0, ""));
  // HEADERS without END_HEADERS, then CONTINUATION for ever: literal fields "x: vvv…".
  peer.send(frame(1, 1, 1, 1, "\x82"));
  std::string field = "\x00\x01x\x7f\x81\x07"s + std::string(1024 - 6, 'v');
  field = "\x00\x01x\x64"s + std::string(100, 'v');
  bool alive = true;
  for (int i = 0; i < 20'000 && alive; i++) alive = peer.send(frame(field.size(), 9, 0, 1, field));
  peer.receive({}, 3000);
  CHECK(peer.closed());
  TestPeer silent(s.port);
  silent.send(std::string(kHttp2Preface) + frame(0, 4, 0, 0, "") + frame(1, 1, 1, 1, "\x82"));
  silent.receive({}, 3000);
  CHECK(silent.closed());
}

TEST_CASE("http2: a slow body is answered with 408 and takes no handler") {
  Router router = make_router();
  ServerOptions options;
  options.limits.body_grace = Duration::milliseconds(200);
  TestServer s(router, options);
  H2Peer peer(s.port);
  int32_t id = peer.request("POST", "/echo", "abc", {}, false);
  CHECK(peer.get(id).status() == 408);
  CHECK(s.server->stats().timed_out == 1);
}

TEST_CASE("http2: garbage after the preface closes the connection") {
  Router router = make_router();
  TestServer s(router);
  TestPeer peer(s.port);
  peer.send(std::string(kHttp2Preface) + std::string(200, '\xff'));
  peer.receive({}, 3000);
  CHECK(peer.closed());
  TestPeer partial(s.port);
  partial.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
  CHECK(status_of(partial.receive()) == 400);
}

TEST_CASE("http2: stop says GOAWAY and lets the running request finish") {
  Router router = make_router();
  std::promise<void> begun;
  router.add("GET", "/slow", Role::kRead, [&](Request&, Writer w) {
    begun.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    w->send(200, "text/plain", "done");
  });
  TestServer s(router);
  H2Peer peer(s.port);
  int32_t id = peer.request("GET", "/slow");
  peer.flush();
  begun.get_future().wait();
  std::thread stopper([&] { s.server->stop(Duration::seconds(2)); });
  CHECK(peer.get(id).body == "done");
  stopper.join();
}

TEST_CASE("grpc: a unary call is answered after the handler returned") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  Answer& a = peer.get(peer.request("POST", "/svc/Echo", encode_grpc_message("hi"), kGrpc));
  CHECK(a.status() == 200);
  CHECK(a.headers["content-type"] == "application/grpc");
  CHECK(decode_grpc_message(a.body, "", 100).value() == "re: hi");
  CHECK(a.trailers["grpc-status"] == "0");
}

TEST_CASE("grpc: a gzip message is decompressed") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  GzipEncoder encoder;
  std::string packed;
  encoder.encode(std::string(5000, 'z'), true, packed);
  std::string framed = encode_grpc_message(packed);
  framed[0] = 1;
  auto headers = kGrpc;
  headers.emplace_back("grpc-encoding", "gzip");
  Answer& a = peer.get(peer.request("POST", "/svc/Echo", framed, headers));
  CHECK(a.trailers["grpc-status"] == "0");
  CHECK(a.body.size() == 5 + 4 + 5000);
  headers.back().second = "snappy";
  CHECK(peer.get(peer.request("POST", "/svc/Echo", framed, headers)).trailers["grpc-status"] == "12");
}

TEST_CASE("grpc: failures carry their status, text and pushback; a forgotten answer is INTERNAL") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  Answer& a = peer.get(peer.request("POST", "/svc/Echo", encode_grpc_message("fail"), kGrpc));
  CHECK(a.trailers["grpc-status"] == "14");
  CHECK(a.trailers["grpc-message"] == "sp%C3%A4ter 100%25");
  CHECK(a.trailers["grpc-retry-pushback-ms"] == "500");
  Answer& forgotten = peer.get(peer.request("POST", "/svc/Echo", encode_grpc_message("forget"), kGrpc));
  CHECK(forgotten.trailers["grpc-status"] == "13");
}

TEST_CASE("grpc: too large a message is RESOURCE_EXHAUSTED, a damaged one INVALID_ARGUMENT") {
  Router router = make_router();
  TestServer s(router);
  H2Peer peer(s.port);
  auto status = [&](std::string body) {
    return peer.get(peer.request("POST", "/svc/Echo", std::move(body), kGrpc)).trailers["grpc-status"];
  };
  CHECK(status(encode_grpc_message(std::string(15'000, 'x'))) == "8");
  CHECK(status(encode_grpc_message(std::string(50'000, 'x'))) == "8");
  CHECK(status("\0\0"s) == "3");
  CHECK(status("\0\0\0\0\x09short"s) == "3");
  CHECK(status("\x07\0\0\0\0"s) == "3");
  CHECK(peer.get(peer.request("POST", "/svc/Echo", "x", {{"content-type", "text/plain"}})).status() == 415);
}

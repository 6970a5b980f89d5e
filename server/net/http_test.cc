#include "net/http.h"

#include <doctest/doctest.h>
#include <zlib.h>
#include <zstd.h>

#include "net/ascii.h"
#include "net/base64.h"
#include "net/content_coding.h"
#include "net/http1_parser.h"
#include "net/url.h"

using namespace sonde;
using namespace sonde::net;
using namespace std::string_literals;

TEST_CASE("headers: names compare without case, set replaces all of a name") {
  Headers h;
  h.add("X-A", "1");
  h.add("x-a", "2");
  h.add("B", "3");
  CHECK(h.get("X-a") == "1");
  h.set("x-A", "9");
  CHECK(h.fields().size() == 2);
  CHECK(h.get("x-a") == "9");
  h.set("new", "n");
  CHECK(h.has("New"));
  CHECK_FALSE(h.has("absent"));
}

TEST_CASE("params: names repeat, plus is a space, escapes are decoded, bad ones refused") {
  auto p = Params::parse("match[]=up&match%5B%5D=%7Ba%3D%22b%22%7D&q=a+b&empty=&bare&&x=%00");
  REQUIRE(p.has_value());
  CHECK(p->all("match[]") == std::vector<std::string_view>{"up", "{a=\"b\"}"});
  CHECK(p->get("q") == "a b");
  CHECK(p->get("empty") == "");
  CHECK(p->get("bare") == "");
  CHECK(p->get("x") == std::string_view("\0", 1));
  CHECK_FALSE(p->get("absent").has_value());
  CHECK(p->get_or("absent", "f") == "f");
  for (const char* bad : {"a=%", "a=%1", "a=%g1", "%zz=1", "a=%1g"}) {
    CHECK(Params::parse(bad).error().code == ErrorCode::kInvalid);
  }
  std::string many;
  for (int i = 0; i < 10'001; i++) many += "a&";
  CHECK(Params::parse(many).error().code == ErrorCode::kLimit);
}

TEST_CASE("percent coding: round trip of every byte; decoding leaves what is no escape") {
  std::string all;
  for (int i = 0; i < 256; i++) all += static_cast<char>(i);
  CHECK(percent_decode(percent_encode(all)) == all);
  CHECK(percent_decode("100%+%4") == "100%+%4");
  CHECK(percent_encode("a b/ü~") == "a%20b%2F%C3%BC~");
}

TEST_CASE("router: literals win over parameters, and those over the rest, in any order of registration") {
  Router r;
  auto nothing = [](Request&, std::shared_ptr<ResponseWriter>) {};
  r.add("GET", "/{rest...}", Role::kRead, nothing);
  r.add("GET", "/api/{name}/values", Role::kRead, nothing);
  r.add("GET POST", "/api/fixed/values", Role::kRead, nothing);
  r.add("DELETE", "/api/{name}/values", Role::kAdmin, nothing);
  r.add("GET", "/", Role::kRead, nothing);
  auto route = [&](std::string_view method, std::string_view path) {
    auto m = r.match(method, path);
    return m.route == nullptr ? "none " + m.allow : m.route->method + " " + m.route->pattern;
  };
  CHECK(route("GET", "/api/fixed/values") == "GET POST /api/fixed/values");
  CHECK(route("GET", "/api/other/values") == "GET /api/{name}/values");
  CHECK(route("DELETE", "/api/fixed/values") == "DELETE /api/{name}/values");
  CHECK(route("HEAD", "/api/x/values") == "GET /api/{name}/values");
  CHECK(route("GET", "/assets/a/b.js") == "GET /{rest...}");
  CHECK(route("GET", "/") == "GET /");
  CHECK(route("GET", "/api//values") == "GET /{rest...}");
  CHECK(route("PATCH", "/api/x/values") == "none GET, HEAD, DELETE");
  auto m = r.match("GET", "/assets/a%2Fb/c");
  REQUIRE(m.path_params.size() == 1);
  CHECK(m.path_params[0] == std::pair{"rest"s, "assets/a/b/c"s});
  CHECK(r.match("GET", "/api/50%25/values").path_params[0].second == "50%");
}

TEST_CASE("list_has_token: parameters are skipped, q=0 counts as absent") {
  CHECK(list_has_token("br, gzip", "gzip"));
  CHECK(list_has_token("GZIP;q=0.1", "gzip"));
  CHECK_FALSE(list_has_token("gzip;q=0.0", "gzip"));
  CHECK_FALSE(list_has_token("gzipped", "gzip"));
  CHECK_FALSE(list_has_token("", "gzip"));
}

TEST_CASE("base64: round trips, and only its canonical form is taken") {
  for (const char* text : {"", "a", "ab", "abc", "abcd", "user:pass\xff"}) {
    CHECK(base64_decode(base64_encode(text)) == text);
  }
  CHECK(base64_encode("Aladdin:open sesame") == "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  for (const char* bad : {"a", "YQ", "YQ=", "YR==", "Y===", "YQ==YQ==", "Y Q=", "===="}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad).has_value());
  }
}

TEST_CASE("url: parts, defaults, and what is refused") {
  auto u = parse_url("https://us%40er:p%3Aw@Example.COM:8443/a/b?c=d#frag");
  REQUIRE(u.has_value());
  CHECK(u->https);
  CHECK(u->userinfo == "us@er:p:w");
  CHECK(u->host == "example.com");
  CHECK(u->port == 8443);
  CHECK(u->target == "/a/b?c=d");
  CHECK(parse_url("http://h?x")->target == "/?x");
  CHECK(parse_url("http://[::1]:9090/")->authority() == "[::1]:9090");
  CHECK(parse_url("http://h:80")->authority() == "h");
  for (const char* bad : {"ftp://h/", "h:80", "http://", "http://h:0/", "http://h:99999/", "http://h /",
                          "http://[::1", "http://h\r\nX: y/", "http://:80/"}) {
    INFO(bad);
    CHECK_FALSE(parse_url(bad).has_value());
  }
}

TEST_CASE("url: locations are resolved against the base") {
  Url base = *parse_url("http://h:1/a/b?q");
  CHECK(resolve_location(base, "/x")->target == "/x");
  CHECK(resolve_location(base, "x")->target == "/a/x");
  CHECK(resolve_location(base, "?y")->target == "/a/b?y");
  CHECK(resolve_location(base, "//other/x")->host == "other");
  CHECK(resolve_location(base, "https://other/x")->https);
  CHECK(resolve_location(base, "/x?u=http://other")->host == "h");
  CHECK_FALSE(resolve_location(base, "ftp://h/x").has_value());
}

TEST_CASE("decoders: gzip with several members, deflate and zstd; damage and shortness are errors") {
  GzipEncoder a;
  std::string gzip;
  a.encode("hello ", true, gzip);
  GzipEncoder b;
  b.encode("world", true, gzip);
  CHECK(decode_all(Coding::kGzip, gzip, 100).value() == "hello world");
  CHECK(decode_all(Coding::kGzip, gzip, 10).error().code == ErrorCode::kLimit);
  CHECK(decode_all(Coding::kGzip, gzip.substr(0, gzip.size() - 1), 100).error().code == ErrorCode::kInvalid);
  CHECK(decode_all(Coding::kGzip, "", 100).error().code == ErrorCode::kInvalid);
  CHECK(decode_all(Coding::kGzip, gzip + "x", 100).error().code == ErrorCode::kInvalid);
  std::string broken = gzip;
  broken[gzip.size() - 6] = static_cast<char>(broken[gzip.size() - 6] ^ 1);
  CHECK(decode_all(Coding::kGzip, broken, 100).error().code == ErrorCode::kInvalid);
  std::string deflated(200, '\0');
  uLongf size = deflated.size();
  compress(reinterpret_cast<Bytef*>(deflated.data()), &size, reinterpret_cast<const Bytef*>("abcabc"), 6);
  deflated.resize(size);
  CHECK(decode_all(Coding::kDeflate, deflated, 100).value() == "abcabc");
  CHECK(decode_all(Coding::kDeflate, deflated + "x", 100).error().code == ErrorCode::kInvalid);
  std::string text(100'000, 'z');
  std::string zstd(ZSTD_compressBound(text.size()), '\0');
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), text.data(), text.size(), 1));
  CHECK(decode_all(Coding::kZstd, zstd, 100'000).value() == text);
  CHECK(decode_all(Coding::kZstd, zstd, 99'999).error().code == ErrorCode::kLimit);
  CHECK(decode_all(Coding::kZstd, zstd.substr(0, 10), 100'000).error().code == ErrorCode::kInvalid);
  CHECK(decode_all(Coding::kIdentity, "abc", 2).error().code == ErrorCode::kLimit);
}

TEST_CASE("decoders: a zstd window above 8 MiB is refused") {
  std::string text(1000, 'x');
  std::string packed(ZSTD_compressBound(1000), '\0');
  ZSTD_CCtx* c = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 27);
  ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer out{packed.data(), packed.size(), 0};
  // Flushing before the end leaves the encoder ignorant of the size, so that it keeps its window.
  ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush);
  ZSTD_compressStream2(c, &out, &in, ZSTD_e_end);
  ZSTD_freeCCtx(c);
  packed.resize(out.pos);
  CHECK(decode_all(Coding::kZstd, packed, 1 << 20).error().code == ErrorCode::kInvalid);
}

TEST_CASE("http1 parser: the same message in any pieces is the same message") {
  const std::string message =
      "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;e=1\r\n "
      "world\r\n0\r\nT: x\r\n\r\n";
  for (size_t piece = 1; piece <= message.size(); piece++) {
    Http1Parser p(Http1Parser::kRequest, {});
    std::string input;
    std::string body;
    bool head = false;
    for (size_t at = 0; at < message.size(); at += piece) {
      input += message.substr(at, piece);
      std::string_view in = input;
      if (!head) head = p.read_head(in).value();
      if (head) REQUIRE(p.read_body(in, body, 1000).has_value());
      input = std::string(in);
    }
    INFO(piece);
    CHECK(p.complete());
    CHECK(body == "hello world");
    CHECK(input.empty());
  }
}

TEST_CASE("http1: a head that begins with its line feed is refused, wherever its bytes lie") {
  for (std::string_view text : {"\n\r\n\r\n", "\n\n\r\n\r\n", "\n"}) {
    Http1Parser p(Http1Parser::kRequest, {});
    std::string_view in = text;
    CHECK(!p.read_head(in));
  }
}

TEST_CASE("http1 parser: a response without length lasts until the end of the connection") {
  Http1Parser p(Http1Parser::kResponse, {});
  std::string_view in = "HTTP/1.1 200 OK\r\n\r\nabc";
  REQUIRE(p.read_head(in).value());
  std::string body;
  REQUIRE(p.read_body(in, body, 100).has_value());
  CHECK(body == "abc");
  CHECK_FALSE(p.complete());
  CHECK(p.read_end().has_value());
  Http1Parser shorter(Http1Parser::kResponse, {});
  in = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc";
  REQUIRE(shorter.read_head(in).value());
  REQUIRE(shorter.read_body(in, body, 100).has_value());
  CHECK_FALSE(shorter.read_end().has_value());
}

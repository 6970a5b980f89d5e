#include "api/ui_files.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "base/faulty_file_system.h"
#include "net/content_coding.h"
#include "net/test_peer.h"

using namespace sonde;
using namespace sonde::api;

namespace {

struct Answer final : net::ResponseWriter {
  int code = 200;
  std::map<std::string, std::string> headers;
  std::string body;
  void status(int c) override { code = c; }
  void header(std::string name, std::string value) override { headers[std::move(name)] = std::move(value); }
  Result<> write(std::string_view chunk) override {
    body += chunk;
    return {};
  }
  void trailer(std::string, std::string) override {}
  void finish() override {}
};

struct Site {
  explicit Site(UiOptions options = {}, std::span<const EmbeddedFile> files = embedded_ui())
      : ui(files, disk, with_nonce(std::move(options))) {
    ui.add_routes(router);
  }
  UiOptions with_nonce(UiOptions o) {
    o.nonce = [this] { return "nonce" + std::to_string(++nonces); };
    return o;
  }
  // Status 0 when no route matches.
  Answer get(const std::string& path, std::vector<std::pair<std::string, std::string>> headers = {}) {
    auto answer = std::make_shared<Answer>();
    auto match = router.match("GET", path);
    if (!match.route) {
      answer->code = 0;
      return *answer;
    }
    CHECK(match.route->role == net::Role::kRead);
    net::Request request;
    request.method = "GET";
    request.path = path;
    request.path_params = match.path_params;
    for (auto& [n, v] : headers) request.headers.add(n, v);
    match.route->handler(request, answer);
    return *answer;
  }
  int nonces = 0;
  FaultyFileSystem disk;
  net::Router router;
  UiFiles ui;
};

std::string raw_asset() {
  std::string best;
  for (const auto& f : embedded_ui()) {
    if (f.path.starts_with("assets/") && f.path.ends_with(".js")) best = f.path;
  }
  return best;
}

std::string on_disk(const std::string& path) {
  std::ifstream in(std::string(SONDE_SOURCE_DIR) + "/ui/dist/" + path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("ui_files: every file of ui/dist is built in, byte for byte") {
  REQUIRE(embedded_ui().size() > 10);
  for (const auto& f : embedded_ui()) {
    INFO(f.path);
    auto raw = net::decode_all(net::Coding::kGzip, f.gzip, 64 << 20);
    REQUIRE(raw);
    CHECK(raw->size() == f.raw_bytes);
    CHECK((*raw == on_disk(std::string(f.path))));
    CHECK(f.sha256.size() == 64);
  }
}

TEST_CASE("ui_files: a page is index.html with the request's nonce in text and policy, never stored") {
  Site site({.prefix = "/sonde"});
  Answer first = site.get("/sonde/");
  CHECK(first.code == 200);
  CHECK(first.headers["Content-Type"] == "text/html; charset=utf-8");
  CHECK(first.headers["Cache-Control"] == "no-store");
  CHECK(first.headers["X-Content-Type-Options"] == "nosniff");
  CHECK(first.headers["Referrer-Policy"] == "same-origin");
  CHECK(first.headers["Content-Security-Policy"] ==
        "default-src 'self'; style-src 'self' 'nonce-nonce1'; img-src 'self' data:; worker-src 'self'; "
        "object-src 'none'; base-uri 'self'; frame-ancestors 'none'");
  CHECK(first.body.find("content=\"nonce1\"") != std::string::npos);
  CHECK(first.body.find("<base href=\"/sonde/\"") != std::string::npos);
  CHECK(first.body.find("__SONDE_") == std::string::npos);
  Answer second = site.get("/sonde/status");
  CHECK(second.body.find("content=\"nonce2\"") != std::string::npos);
}

TEST_CASE("ui_files: all addresses of the interface are pages, those of the APIs are not") {
  Site site;
  for (const char* path : {"/", "/service/orders", "/service/a%2Fb", "/explore", "/graph", "/logs", "/traces",
                           "/trace/0af7", "/queries", "/queries/9f3a", "/alerts", "/targets", "/status"}) {
    INFO(path);
    Answer a = site.get(path);
    CHECK(a.code == 200);
    CHECK(a.body.starts_with("<!doctype html>"));
  }
  for (const char* path :
       {"/api/v1/query", "/api/sonde/v1/overview", "/metrics", "/-/healthy", "/loki/api/v1/push"})
    CHECK(site.get(path).code == 0);
}

TEST_CASE("ui_files: an asset goes out as it is packed, to be kept for ever, and 304 when it is known") {
  Site site;
  std::string path = "/" + raw_asset();
  Answer packed = site.get(path, {{"Accept-Encoding", "gzip, deflate"}});
  CHECK(packed.code == 200);
  CHECK(packed.headers["Content-Encoding"] == "gzip");
  CHECK(packed.headers["Vary"] == "Accept-Encoding");
  CHECK(packed.headers["Content-Type"] == "text/javascript; charset=utf-8");
  CHECK(packed.headers["Cache-Control"] == "public, max-age=31536000, immutable");
  CHECK((net::decode_all(net::Coding::kGzip, packed.body, 64 << 20).value() == on_disk(path.substr(1))));

  Answer plain = site.get(path, {{"Accept-Encoding", "gzip;q=0"}});
  CHECK(!plain.headers.contains("Content-Encoding"));
  CHECK((plain.body == on_disk(path.substr(1))));

  std::string etag = packed.headers["ETag"];
  CHECK(etag.size() == 34);
  Answer known = site.get(path, {{"If-None-Match", "\"other\", W/" + etag}});
  CHECK(known.code == 304);
  CHECK(known.body.empty());
  CHECK(known.headers["ETag"] == etag);
  CHECK(site.get(path, {{"If-None-Match", "\"other\""}}).code == 200);
}

TEST_CASE("ui_files: what does not exist is 404, and the licences lie at the top") {
  Site site;
  CHECK(site.get("/assets/none.js").code == 404);
  CHECK(site.get("/assets/../index.html").code == 404);
  CHECK(site.get("/licenses.md").code == 200);
  CHECK(site.get("/index.html").code == 0);
}

TEST_CASE("ui_files: a directory on disk takes the place of what is built in, and cannot be left") {
  FaultyFileSystem disk;
  REQUIRE(disk.create_directories("/srv/ui/assets"));
  REQUIRE(disk.write_file_atomically("/srv/ui/index.html", "<base href=\"__SONDE_BASE__\">__SONDE_NONCE__"));
  REQUIRE(disk.write_file_atomically("/srv/ui/assets/a.css", "a{}"));
  REQUIRE(disk.write_file_atomically("/srv/secret.txt", "s"));
  UiFiles ui(embedded_ui(), disk, {.base_path = "/behind/\"a proxy\"", .directory = "/srv/ui", .nonce = [] {
                                     return std::string("n");
                                   }});
  Site site;
  net::Router router;
  ui.add_routes(router);
  std::swap(site.router, router);
  CHECK(site.get("/alerts").body == "<base href=\"/behind/&quot;a proxy&quot;/\">n");
  Answer css = site.get("/assets/a.css", {{"Accept-Encoding", "gzip"}});
  CHECK(css.body == "a{}");
  CHECK(css.headers["Content-Type"] == "text/css; charset=utf-8");
  CHECK(css.headers["Cache-Control"] == "no-cache");
  CHECK(site.get("/assets/..%2F..%2Fsecret.txt").code == 404);
  CHECK(site.get("/" + raw_asset()).code == 404);
}

TEST_CASE("ui_files: a build without the interface says so") {
  Site site({}, {});
  Answer a = site.get("/");
  CHECK(a.code == 404);
  CHECK(a.body.find("/api/sonde/v1/overview") != std::string::npos);
}

TEST_CASE("ui_files: nonces of the operating system differ") {
  FaultyFileSystem disk;
  UiFiles ui(embedded_ui(), disk, {});
  Site site;
  net::Router router;
  ui.add_routes(router);
  std::swap(site.router, router);
  std::set<std::string> policies;
  for (int i = 0; i < 8; i++) policies.insert(site.get("/").headers["Content-Security-Policy"]);
  CHECK(policies.size() == 8);
}

TEST_CASE("ui_files: over the wire an asset stays packed once, and HEAD has no body") {
  Site site;
  net::TestServer server(site.router);
  REQUIRE(server.error == "");
  auto ask = [&](const std::string& method, const std::string& path) {
    net::TestPeer peer(server.port);
    REQUIRE(peer.send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n" +
                      "Connection: close\r\n\r\n"));
    return peer.receive();
  };
  std::string path = raw_asset();
  std::string answer = ask("GET", "/" + path);
  size_t head = answer.find("\r\n\r\n") + 4;
  CHECK(net::status_of(answer) == 200);
  CHECK(answer.find("Content-Encoding: gzip\r\n") < head);
  CHECK((net::decode_all(net::Coding::kGzip, answer.substr(head), 64 << 20).value() == on_disk(path)));
  std::string page = ask("HEAD", "/alerts");
  CHECK(net::status_of(page) == 200);
  CHECK(page.find("Content-Security-Policy: ") != std::string::npos);
  CHECK(page.ends_with("\r\n\r\n"));
}

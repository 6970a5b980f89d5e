#include "net/http_client.h"

#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <fstream>
#include <future>

#include "net/content_coding.h"
#include "net/test_peer.h"

using namespace sonde;
using namespace sonde::net;
using namespace std::string_literals;
using Writer = std::shared_ptr<ResponseWriter>;

namespace {

// Answers each connection by a script, so that a server can misbehave in every way.
class ScriptedServer {
 public:
  using Script = std::function<void(int fd)>;
  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    ::bind(fd_, reinterpret_cast<sockaddr*>(&a), size);
    ::listen(fd_, 16);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &size);
    port = ntohs(a.sin_port);
    thread_ = std::thread([this] {
      for (;;) {
        int c = ::accept(fd_, nullptr, nullptr);
        if (c < 0) return;
        connections++;
        script_(c);
        ::close(c);
      }
    });
  }
  ~ScriptedServer() {
    stopping = true;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  static std::string read_request(int fd) {
    std::string out;
    char b[4096];
    while (out.find("\r\n\r\n") == std::string::npos) {
      ssize_t n = ::recv(fd, b, sizeof b, 0);
      if (n <= 0) break;
      out.append(b, static_cast<size_t>(n));
    }
    return out;
  }
  static bool write(int fd, const std::string& s) {
    return ::send(fd, s.data(), s.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(s.size());
  }
  uint16_t port = 0;
  std::atomic<int> connections{0};
  std::atomic<bool> stopping{false};

 private:
  Script script_;
  int fd_;
  std::thread thread_;
};

std::string url(uint16_t port, const std::string& path = "/") {
  return "http://127.0.0.1:" + std::to_string(port) + path;
}

ClientRequest get(std::string u, Duration timeout = Duration::seconds(5)) {
  ClientRequest r;
  r.url = std::move(u);
  r.timeout = timeout;
  return r;
}

// A self-signed certificate for 127.0.0.1 and localhost, as PEM: certificate, key.
std::pair<std::string, std::string> make_certificate() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x = X509_new();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), static_cast<long>(::getpid()));
  X509_gmtime_adj(X509_getm_notBefore(x), -60);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, key);
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1,
                             0);
  X509_set_issuer_name(x, name);
  X509_EXTENSION* san =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  X509_add_ext(x, san, -1);
  X509_EXTENSION_free(san);
  X509_sign(x, key, EVP_sha256());
  auto text = [](auto write) {
    BIO* bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    long n = BIO_get_mem_data(bio, &data);
    std::string out(data, static_cast<size_t>(n));
    BIO_free(bio);
    return out;
  };
  std::string cert = text([&](BIO* b) { PEM_write_bio_X509(b, x); });
  std::string pem =
      text([&](BIO* b) { PEM_write_bio_PrivateKey(b, key, nullptr, nullptr, 0, nullptr, nullptr); });
  X509_free(x);
  EVP_PKEY_free(key);
  return {cert, pem};
}

struct CertificateFiles {
  CertificateFiles() {
    char pattern[] = "/tmp/sonde-net-test-XXXXXX";
    dir = ::mkdtemp(pattern);
    cert = dir + "/cert.pem";
    key = dir + "/key.pem";
    write();
  }
  ~CertificateFiles() {
    ::unlink(cert.c_str());
    ::unlink(key.c_str());
    ::rmdir(dir.c_str());
  }
  void write() {
    auto [c, k] = make_certificate();
    std::ofstream(cert) << c;
    std::ofstream(key) << k;
  }
  std::string dir;
  std::string cert;
  std::string key;
};

Router make_router() {
  Router r;
  r.add("GET", "/hello", Role::kRead, [](Request& q, Writer w) {
    w->send(200, "text/plain", "hello " + std::string(q.headers.get("Authorization")));
  });
  r.add("POST", "/echo", Role::kIngest,
        [](Request& q, Writer w) { w->send(200, "text/plain", q.read_body().value_or("bad")); },
        {.body_bytes_max = 4 << 20});
  r.add("GET", "/zip", Role::kRead,
        [](Request&, Writer w) { w->send(200, "text/plain", std::string(100'000, 'z')); });
  r.add("GET", "/loop", Role::kRead, [](Request&, Writer w) {
    w->header("Location", "/loop");
    w->send(302, "text/plain", "");
  });
  r.add("GET", "/once", Role::kRead, [](Request&, Writer w) {
    w->header("Location", "/hello");
    w->send(302, "text/plain", "");
  });
  r.add("GET", "/away", Role::kRead, [](Request&, Writer w) {
    w->header("Location", "http://example.invalid/hello");
    w->send(302, "text/plain", "");
  });
  return r;
}

}  // namespace

TEST_CASE("client: fetches, posts, decompresses, and keeps its connection") {
  Router router = make_router();
  TestServer s(router);
  auto client = make_http_client(s.clock);
  auto hello = client->fetch_and_wait(get(url(s.port, "/hello")));
  REQUIRE(hello.has_value());
  CHECK(hello->status == 200);
  CHECK(hello->body == "hello ");
  CHECK(client->fetch_and_wait(get(url(s.port, "/zip")))->body == std::string(100'000, 'z'));
  ClientRequest post = get(url(s.port, "/echo"));
  post.method = "POST";
  post.body = std::string(3 << 20, 'p');
  CHECK(client->fetch_and_wait(post)->body == post.body);
  CHECK(client->fetch_and_wait(get(url(s.port, "/nope")))->status == 404);
  CHECK(s.server->stats().accepted == 1);
  ClientRequest head = get(url(s.port, "/hello"));
  head.method = "HEAD";
  CHECK(client->fetch_and_wait(head)->body.empty());
  CHECK(client->fetch_and_wait(get("http://u:p@127.0.0.1:" + std::to_string(s.port) + "/hello"))->body ==
        "hello Basic dTpw");
  CHECK(client->fetch_and_wait(get("http://localhost:" + std::to_string(s.port) + "/hello"))->status == 200);
}

TEST_CASE("client: many fetches at once") {
  Router router = make_router();
  TestServer s(router);
  auto client = make_http_client(s.clock);
  std::vector<std::promise<int>> all(50);
  for (auto& p : all) {
    client->fetch(get(url(s.port, "/hello")),
                  [&p](Result<ClientResponse> r) { p.set_value(r ? r->status : -1); });
  }
  int good = 0;
  for (auto& p : all) good += p.get_future().get() == 200 ? 1 : 0;
  CHECK(good == 50);
}

TEST_CASE("client: redirects stay with the host, are counted, and are off unless asked for") {
  Router router = make_router();
  TestServer s(router);
  auto client = make_http_client(s.clock);
  ClientRequest r = get(url(s.port, "/once"));
  CHECK(client->fetch_and_wait(r)->status == 302);
  r.redirects_max = 3;
  r.headers.add("Authorization", "Bearer t");
  CHECK(client->fetch_and_wait(r)->body == "hello Bearer t");
  r.url = url(s.port, "/loop");
  CHECK(client->fetch_and_wait(r).error().code == ErrorCode::kLimit);
  r.url = url(s.port, "/away");
  auto away = client->fetch_and_wait(r);
  REQUIRE_FALSE(away.has_value());
  CHECK(away.error().message.find("another host") != std::string::npos);
}

TEST_CASE("client: a refused connection and bad requests are errors that name the target, not the password") {
  SystemClock clock;
  auto client = make_http_client(clock);
  auto refused = client->fetch_and_wait(get("http://user:secret@127.0.0.1:1/"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(refused.error().message.find("127.0.0.1:1") != std::string::npos);
  CHECK(refused.error().message.find("secret") == std::string::npos);
  CHECK(client->fetch_and_wait(get("gopher://x")).error().code == ErrorCode::kInvalid);
  ClientRequest split = get("http://127.0.0.1:1/");
  split.headers.add("X", "a\r\nInjected: b");
  CHECK(client->fetch_and_wait(split).error().code == ErrorCode::kInvalid);
}

TEST_CASE("client: hostile servers cost no more than the timeout and the bound") {
  SystemClock clock;
  auto client = make_http_client(clock);
  auto fetch = [&](const std::string& answer, bool drip = false, bool hang = false,
                   uint64_t bytes_max = 1 << 20) {
    ScriptedServer server([&](int fd) {
      ScriptedServer::read_request(fd);
      ScriptedServer::write(fd, answer);
      while (drip && ScriptedServer::write(fd, "x"))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      char b = 0;
      if (hang) (void)::recv(fd, &b, 1, 0);
    });
    ClientRequest r = get(url(server.port), Duration::milliseconds(400));
    r.response_bytes_max = bytes_max;
    auto begin = std::chrono::steady_clock::now();
    auto result = client->fetch_and_wait(r);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(900));
    return result ? "ok"s : to_string(result.error().code);
  };
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == "ok");
  CHECK(fetch("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == "ok");
  CHECK(fetch("HTTP/1.1 200 OK\r\n\r\nuntil the end") == "ok");
  CHECK(fetch("", false, true) == "timeout");
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", true) == "timeout");
  CHECK(fetch("HTTP/1.1 200 OK\r\nX: ", true) == "timeout");
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort") == "unavailable");
  CHECK(fetch("") == "unavailable");
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-") == "unavailable");
  CHECK(fetch("SSH-2.0-OpenSSH\r\n\r\n") == "invalid");
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n") == "invalid");
  CHECK(fetch("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") == "invalid");
  CHECK(fetch("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'h')) == "invalid");
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx") == "unsupported");
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxxx") == "invalid");
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", false, true, 10) == "limit");
  CHECK(fetch("HTTP/1.1 200 OK\r\n\r\n" + std::string(200'000, 'x'), false, false, 1000) == "limit");
  GzipEncoder encoder;
  std::string bomb;
  encoder.encode(std::string(8 << 20, '\0'), true, bomb);
  CHECK(fetch("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + std::to_string(bomb.size()) +
              "\r\n\r\n" + bomb) == "limit");
}

TEST_CASE("client: a connection that the server closed meanwhile is replaced") {
  SystemClock clock;
  auto client = make_http_client(clock);
  ScriptedServer server([](int fd) {
    ScriptedServer::read_request(fd);
    ScriptedServer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  for (int i = 0; i < 5; i++) CHECK(client->fetch_and_wait(get(url(server.port))).has_value());
  CHECK(server.connections == 5);
}

TEST_CASE("client: its end cancels what is under way") {
  SystemClock clock;
  ScriptedServer server([](int fd) {
    ScriptedServer::read_request(fd);
    char b = 0;
    (void)::recv(fd, &b, 1, 0);
  });
  std::promise<ErrorCode> outcome;
  {
    auto client = make_http_client(clock);
    client->fetch(get(url(server.port)),
                  [&](Result<ClientResponse> r) { outcome.set_value(r.error().code); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK(outcome.get_future().get() == ErrorCode::kCancelled);
}

TEST_CASE("tls: verified, unverified and refused certificates") {
  CertificateFiles files;
  Router router = make_router();
  ServerOptions options;
  options.listeners.push_back({"127.0.0.1:0", TlsServerOptions{}});
  options.listeners[0].tls->cert_file = files.cert;
  options.listeners[0].tls->key_file = files.key;
  TestServer s(router, options);
  REQUIRE(s.error == "");
  auto client = make_http_client(s.clock);
  ClientRequest r = get("https://127.0.0.1:" + std::to_string(s.port) + "/hello");
  auto unknown = client->fetch_and_wait(r);
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().message.find("certificate") != std::string::npos);
  r.tls.ca_file = files.cert;
  auto good = client->fetch_and_wait(r);
  REQUIRE_MESSAGE(good.has_value(), good.error().message);
  CHECK(good->body == "hello ");
  r.method = "POST";
  r.url = "https://127.0.0.1:" + std::to_string(s.port) + "/echo";
  r.body = std::string(1 << 20, 'b');
  CHECK(client->fetch_and_wait(r)->body == r.body);
  r.method = "GET";
  r.body.clear();
  r.tls.server_name = "wrong.example";
  CHECK_FALSE(client->fetch_and_wait(r).has_value());
  r.tls.insecure_skip_verify = true;
  CHECK(client->fetch_and_wait(r).has_value());
  // Plain text to a TLS port is refused, and the port lives on.
  CHECK_FALSE(client->fetch_and_wait(get(url(s.port, "/hello"))).has_value());
  CHECK(client->fetch_and_wait(r).has_value());
}

TEST_CASE("tls: a new certificate is taken up while the server runs") {
  CertificateFiles files;
  Router router = make_router();
  ServerOptions options;
  options.listeners.push_back({"127.0.0.1:0", TlsServerOptions{}});
  options.listeners[0].tls->cert_file = files.cert;
  options.listeners[0].tls->key_file = files.key;
  TestServer s(router, options);
  REQUIRE(s.error == "");
  std::string old_cert = files.cert + ".old";
  REQUIRE(::rename(files.cert.c_str(), old_cert.c_str()) == 0);
  files.write();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  auto client = make_http_client(s.clock);
  ClientRequest r = get("https://127.0.0.1:" + std::to_string(s.port) + "/hello");
  r.tls.ca_file = files.cert;
  CHECK(client->fetch_and_wait(r).has_value());
  r.tls.ca_file = old_cert;
  CHECK_FALSE(client->fetch_and_wait(r).has_value());
  ::unlink(old_cert.c_str());
}

TEST_CASE("tls: clients must show a certificate of the client CA when one is required") {
  CertificateFiles files;
  Router router = make_router();
  ServerOptions options;
  options.listeners.push_back({"127.0.0.1:0", TlsServerOptions{}});
  TlsServerOptions& tls = *options.listeners[0].tls;
  tls.cert_file = files.cert;
  tls.key_file = files.key;
  tls.client_ca_file = files.cert;
  tls.client_auth_required = true;
  tls.client_allowed_sans = {"localhost"};
  auto status = [&](bool with_certificate) {
    TestServer s(router, options);
    auto client = make_http_client(s.clock);
    ClientRequest r = get("https://127.0.0.1:" + std::to_string(s.port) + "/hello");
    r.tls.ca_file = files.cert;
    if (with_certificate) {
      r.tls.cert_file = files.cert;
      r.tls.key_file = files.key;
    }
    auto got = client->fetch_and_wait(r);
    return got ? got->status : 0;
  };
  CHECK(status(false) == 0);
  CHECK(status(true) == 200);
  tls.client_allowed_sans = {"other.example"};
  CHECK(status(true) == 0);
}

TEST_CASE("tls: missing and unfit files are errors that name them") {
  Router router = make_router();
  ServerOptions options;
  options.listeners.push_back({"127.0.0.1:0", TlsServerOptions{}});
  options.listeners[0].tls->cert_file = "/nonexistent/cert.pem";
  options.listeners[0].tls->key_file = "/nonexistent/key.pem";
  TestServer s(router, options);
  CHECK(s.server == nullptr);
  CHECK(s.error.find("/nonexistent/cert.pem") != std::string::npos);
}

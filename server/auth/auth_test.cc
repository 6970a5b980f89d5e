#include <crypt.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "auth/authenticator.h"
#include "auth/password.h"
#include "auth/web_config.h"
#include "net/base64.h"

using namespace sonde;
using namespace sonde::auth;
using net::Role;
using namespace std::string_literals;

namespace {

std::string hash_of(const std::string& password, const std::string& prefix = "$2b$",
                    const char* cost = "04") {
  crypt_data data{};
  return crypt_r(password.c_str(), (prefix + cost + "$abcdefghijklmnopqrstuu").c_str(), &data);
}

struct Fixture {
  explicit Fixture(const std::string& yaml, AuthenticatorOptions options = {}, TokenVerifier tokens = {}) {
    std::string dir = "/tmp/sonde-auth-test-" + std::to_string(::getpid());
    path = dir + "/web.yml";
    fs = make_posix_file_system();
    REQUIRE(fs->create_directories(dir).has_value());
    REQUIRE(fs->write_file_atomically(path, yaml).has_value());
    auto opened = WebConfigFile::open(path, *fs, clock);
    REQUIRE_MESSAGE(opened.has_value(), opened.error().to_string());
    file = *std::move(opened);
    authenticator = std::make_unique<Authenticator>(file.get(), std::move(tokens), clock, std::move(options));
  }
  ~Fixture() { (void)fs->remove_all("/tmp/sonde-auth-test-" + std::to_string(::getpid())); }

  static net::Request request(const std::string& authorization, const std::string& ip = "10.0.0.1") {
    net::Request r;
    r.method = "GET";
    r.headers.add("Host", "metrics.example:9090");
    if (!authorization.empty()) r.headers.add("Authorization", authorization);
    r.peer = ip + ":1234";
    return r;
  }
  int ask(const std::string& authorization, Role role = Role::kRead, const std::string& ip = "10.0.0.1") {
    net::Request r = request(authorization, ip);
    auto refusal = authenticator->check(r, role);
    return refusal ? refusal->status : 200;
  }

  VirtualClock clock;
  std::unique_ptr<FileSystem> fs;
  std::string path;
  std::unique_ptr<WebConfigFile> file;
  std::unique_ptr<Authenticator> authenticator;
};

std::string basic(const std::string& user, const std::string& password) {
  return "Basic " + net::base64_encode(user + ":" + password);
}

std::string users_yaml() {
  return "basic_auth_users:\n  ada: " + hash_of("analytical") + "\n  bob: " + hash_of("builder", "$2y$") +
         "\n  carl: " + hash_of("carl", "$2a$") + "\nroles:\n  bob: [read]\n  carl: [ingest, alert]\n";
}

Error error_of(const std::string& yaml) {
  auto parsed = parse_web_config(yaml, "web.yml");
  REQUIRE_FALSE(parsed.has_value());
  return parsed.error();
}

}  // namespace

TEST_CASE("web config: all of the original's keys are understood") {
  auto c = parse_web_config(
      "tls_server_config:\n"
      "  cert_file: cert.pem\n"
      "  key_file: /abs/key.pem\n"
      "  client_auth_type: RequireAndVerifyClientCert\n"
      "  client_ca_file: ca.pem\n"
      "  client_allowed_sans: [a.example, b.example]\n"
      "  min_version: TLS13\n"
      "  max_version: TLS13\n"
      "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256,\n"
      "                  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305]\n"
      "  prefer_server_cipher_suites: true\n"
      "  curve_preferences: [X25519, CurveP256]\n"
      "http_server_config:\n"
      "  http2: false\n"
      "  headers:\n"
      "    X-Frame-Options: deny\n"
      "rate_limit:\n"
      "  interval: 1m30s\n"
      "  burst: 7\n",
      "/etc/sonde/web.yml");
  REQUIRE_MESSAGE(c.has_value(), c.error().to_string());
  REQUIRE(c->tls.has_value());
  CHECK(c->tls->cert_file == "/etc/sonde/cert.pem");
  CHECK(c->tls->key_file == "/abs/key.pem");
  CHECK(c->tls->client_ca_file == "/etc/sonde/ca.pem");
  CHECK(c->tls->client_auth_required);
  CHECK(c->tls->client_allowed_sans.size() == 2);
  CHECK(c->tls->min_version == "TLS13");
  CHECK(c->tls->cipher_suites == "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305");
  CHECK(c->tls->curves == "X25519:P-256");
  CHECK_FALSE(c->tls->http2);
  CHECK(c->headers.get("X-Frame-Options") == "deny");
  REQUIRE(c->rate_limit.has_value());
  CHECK(c->rate_limit->interval == Duration::seconds(90));
  CHECK(c->rate_limit->burst == 7);
  CHECK(parse_web_config("", "web.yml").has_value());
}

TEST_CASE("web config: mistakes name file and line, and never show a password") {
  CHECK(error_of("a: 1\n").to_string() == "web.yml:1: web configuration: unknown key 'a'");
  CHECK(error_of("http_server_config:\n  http2: true\n  htpt3: true\n").line == 3);
  CHECK(error_of("basic_auth_users:\n  ada: hunter2\n").to_string() ==
        "web.yml:2: basic_auth_users: user 'ada': not a bcrypt hash");
  CHECK(error_of("basic_auth_users:\n  a: " + hash_of("x") + "\n  a: " + hash_of("x") + "\n").line == 3);
  CHECK(error_of("roles:\n  nobody: [read]\n").line == 2);
  CHECK(error_of("basic_auth_users:\n  a: " + hash_of("x") + "\nroles:\n  a: [root]\n").line == 4);
  CHECK(error_of("tls_server_config:\n  cert_file: c\n").message.find("key") != std::string::npos);
  CHECK(error_of("tls_server_config: {cert_file: c, key_file: k, min_version: TLS10}").line == 1);
  CHECK(error_of("tls_server_config: {cert_file: c, key_file: k, client_ca_file: x}").line == 1);
  CHECK(error_of("tls_server_config: {cert_file: c, key_file: k, client_auth_type: Sometimes}").line == 1);
  CHECK(error_of("tls_server_config: {cert_file: c, key_file: k, cipher_suites: [NOPE]}").line == 1);
  CHECK(error_of("rate_limit:\n  interval: soon\n").line == 2);
  CHECK(error_of("a: [\n").line > 0);
  CHECK(error_of("- a\n").line == 1);
}

TEST_CASE("web config file: a change is taken up after a second, a bad one keeps the last good") {
  Fixture f(users_yaml());
  CHECK(f.file->current()->users.size() == 3);
  REQUIRE(f.fs->write_file_atomically(f.path, "nonsense: true\n").has_value());
  f.clock.advance(Duration::seconds(2));
  CHECK(f.file->current()->users.size() == 3);
  CHECK(f.file->last_error()->line == 1);
  REQUIRE(
      f.fs->write_file_atomically(f.path, "basic_auth_users:\n  eve: " + hash_of("e") + "\n").has_value());
  CHECK(f.file->current()->users.size() == 3);
  f.clock.advance(Duration::seconds(2));
  CHECK(f.file->current()->users.size() == 1);
  CHECK_FALSE(f.file->last_error().has_value());
}

TEST_CASE("passwords: all three prefixes verify, long and cut ones do not") {
  for (const char* prefix : {"$2a$", "$2b$", "$2y$"}) {
    CHECK(verify_bcrypt("secret", hash_of("secret", prefix)));
    CHECK_FALSE(verify_bcrypt("Secret", hash_of("secret", prefix)));
  }
  std::string long_one(72, 'x');
  CHECK(verify_bcrypt(long_one, hash_of(long_one)));
  CHECK_FALSE(verify_bcrypt(long_one + "y", hash_of(long_one)));
  CHECK_FALSE(verify_bcrypt("secret\0more"s, hash_of("secret")));
  CHECK(bcrypt_cost(hash_of("x", "$2b$", "06")).value() == 6);
  CHECK_FALSE(bcrypt_cost("$2b$31$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234").has_value());
  CHECK_FALSE(bcrypt_cost("$1$abc$def").has_value());
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hmac_of_parts("k", {"ab", "c"}) != hmac_of_parts("k", {"a", "bc"}));
}

TEST_CASE("authenticator: users get their roles, and nobody else gets in") {
  AuthenticatorOptions options;
  options.attempts_burst = 100;
  Fixture f(users_yaml(), options);
  CHECK(f.ask(basic("ada", "analytical"), Role::kAdmin) == 200);
  CHECK(f.ask(basic("ada", "analytical"), Role::kIngest) == 200);
  CHECK(f.ask(basic("bob", "builder"), Role::kRead) == 200);
  CHECK(f.ask(basic("bob", "builder"), Role::kIngest) == 403);
  CHECK(f.ask(basic("bob", "builder"), Role::kAdmin) == 403);
  CHECK(f.ask(basic("carl", "carl"), Role::kIngest) == 200);
  CHECK(f.ask(basic("carl", "carl"), Role::kAlert) == 200);
  CHECK(f.ask(basic("carl", "carl"), Role::kRead) == 403);
  CHECK(f.ask(basic("ada", "wrong")) == 401);
  CHECK(f.ask(basic("nobody", "analytical")) == 401);
  CHECK(f.ask("") == 401);
  CHECK(f.ask("Basic !!!") == 401);
  CHECK(f.ask("Basic " + net::base64_encode("nocolon")) == 401);
  CHECK(f.ask("Bearer abc") == 401);
  CHECK(f.ask(basic("ada", std::string(73, 'x'))) == 401);
  CHECK(f.ask("", Role::kOpen) == 200);
  net::Request r = Fixture::request(basic("ada", "analytical"));
  CHECK_FALSE(f.authenticator->check(r, Role::kRead).has_value());
  CHECK(r.identity.user == "ada");
}

TEST_CASE("authenticator: guesses are throttled per address, verified credentials are not") {
  Fixture f(users_yaml());
  CHECK(f.ask(basic("ada", "analytical")) == 200);
  for (int i = 0; i < 4; i++) CHECK(f.ask(basic("ada", "guess" + std::to_string(i))) == 401);
  CHECK(f.ask(basic("ada", "guess")) == 429);
  CHECK(f.ask(basic("nobody", "guess")) == 429);
  for (int i = 0; i < 50; i++) CHECK(f.ask(basic("ada", "analytical")) == 200);
  CHECK(f.ask(basic("ada", "guess"), Role::kRead, "10.0.0.2") == 401);
  f.clock.advance(Duration::milliseconds(1100));
  CHECK(f.ask(basic("ada", "guess")) == 401);
  CHECK(f.ask(basic("ada", "guess")) == 429);
  CHECK(f.authenticator->stats().throttled == 3);
}

TEST_CASE("authenticator: a changed password ends what was remembered of the old one") {
  Fixture f(users_yaml());
  CHECK(f.ask(basic("ada", "analytical")) == 200);
  REQUIRE(f.fs->write_file_atomically(f.path, "basic_auth_users:\n  ada: " + hash_of("other") + "\n")
              .has_value());
  f.clock.advance(Duration::seconds(2));
  CHECK(f.ask(basic("ada", "analytical")) == 401);
  CHECK(f.ask(basic("ada", "other")) == 200);
}

TEST_CASE("authenticator: one verification at a time, a bounded queue behind it") {
  AuthenticatorOptions options;
  options.attempts_burst = 1000;
  options.verifications_waiting_max = 2;
  Fixture f("basic_auth_users:\n  ada: " + hash_of("slow", "$2b$", "09") + "\n", options);
  std::atomic<int> refused{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; i++) {
    threads.emplace_back([&, i] {
      int status = f.ask(basic("ada", "guess" + std::to_string(i)));
      (status == 429 ? refused : wrong)++;
    });
  }
  for (auto& t : threads) t.join();
  CHECK(refused + wrong == 8);
  CHECK(refused >= 1);
  CHECK(wrong >= 1);
}

TEST_CASE("authenticator: tokens are looked up by digest and have roles") {
  std::string digest = sha256_hex("t0ken");
  Fixture f("", {}, [digest](const std::string& d) -> std::optional<TokenIdentity> {
    if (d != digest) return std::nullopt;
    return TokenIdentity{"ci", {Role::kIngest}};
  });
  CHECK(f.ask("Bearer t0ken", Role::kIngest) == 200);
  CHECK(f.ask("bearer  t0ken", Role::kIngest) == 200);
  CHECK(f.ask("Bearer t0ken", Role::kRead) == 403);
  CHECK(f.ask("Bearer other", Role::kIngest) == 401);
  CHECK(f.ask("Bearer ", Role::kIngest) == 401);
  CHECK(f.ask("", Role::kIngest) == 401);
}

TEST_CASE("authenticator: the anonymous are admin where that was chosen, but a foreign page is not") {
  VirtualClock clock;
  AuthenticatorOptions options;
  options.anonymous_admin = true;
  options.check_host = true;
  options.external_hosts = {"sonde.example"};
  Authenticator a(nullptr, {}, clock, options);
  auto ask = [&](const std::string& method, const std::string& host, const std::string& origin,
                 const std::string& site = {}) {
    net::Request r;
    r.method = method;
    r.headers.add("Host", host);
    if (!origin.empty()) r.headers.add("Origin", origin);
    if (!site.empty()) r.headers.add("Sec-Fetch-Site", site);
    auto refusal = a.check(r, Role::kAdmin);
    return refusal ? refusal->status : 200;
  };
  CHECK(ask("GET", "localhost:9090", "") == 200);
  CHECK(ask("GET", "127.0.0.1", "") == 200);
  CHECK(ask("GET", "[::1]:9090", "") == 200);
  CHECK(ask("GET", "sonde.example", "") == 200);
  CHECK(ask("GET", "evil.example:9090", "") == 403);
  CHECK(ask("GET", "localhost.evil.example", "") == 403);
  CHECK(ask("GET", "127.0.0.1.evil.example", "") == 403);
  CHECK(ask("GET", "", "") == 403);
  CHECK(ask("POST", "localhost:9090", "") == 200);
  CHECK(ask("POST", "localhost:9090", "http://localhost:9090") == 200);
  CHECK(ask("POST", "localhost:9090", "http://localhost:3000") == 403);
  CHECK(ask("POST", "localhost:9090", "https://sonde.example") == 200);
  CHECK(ask("POST", "localhost:9090", "https://evil.example") == 403);
  CHECK(ask("POST", "localhost:9090", "null") == 403);
  CHECK(ask("POST", "localhost:9090", "", "cross-site") == 403);
  CHECK(ask("DELETE", "localhost:9090", "", "same-site") == 403);
  CHECK(ask("POST", "localhost:9090", "", "same-origin") == 200);
  CHECK(ask("POST", "localhost:9090", "", "none") == 200);
  CHECK(ask("GET", "localhost:9090", "", "cross-site") == 200);
}

TEST_CASE("authenticator: the configured rate limit holds for all") {
  Fixture f("rate_limit: {interval: 1s, burst: 2}\nbasic_auth_users:\n  ada: " + hash_of("a") + "\n");
  CHECK(f.ask(basic("ada", "a")) == 200);
  CHECK(f.ask(basic("ada", "a")) == 200);
  CHECK(f.ask(basic("ada", "a")) == 429);
  CHECK(f.ask("", Role::kOpen) == 200);
  f.clock.advance(Duration::seconds(1));
  CHECK(f.ask(basic("ada", "a")) == 200);
}

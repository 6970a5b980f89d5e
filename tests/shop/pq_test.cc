#include <doctest/doctest.h>
#include <libpq-fe.h>

#include <string>

#include "cluster.h"
#include "http/capture.h"
#include "sonde/expose.h"
#include "sonde/pq.h"
#include "sonde/query.h"

namespace {

sonde::db::StatementStats row(std::string_view statement) {
  for (auto& s : sonde::db::statements()) {
    if (s.statement == statement) return s;
  }
  return {};
}

}  // namespace

TEST_CASE(
    "pq: a quick query, a constraint failure and a syntax error are each recorded, and no data with them") {
  Capture::get();
  Cluster cluster;
  REQUIRE(cluster.made);
  PGconn* c = PQconnectdb(cluster.url().c_str());
  REQUIRE(PQstatus(c) == CONNECTION_OK);
  PQclear(sonde::pq::exec(c, "create table users (id bigserial primary key, name text unique)"));
  for (int i = 0; i < 2; i++)
    PQclear(sonde::pq::exec_params(c, "insert into users (name) values ($1)", {"secret"}));
  for (int i = 0; i < 50; i++) {
    PGresult* r = sonde::pq::exec(c, "select id from users where name = 'secret'");
    CHECK(PQntuples(r) == 1);
    PQclear(r);
  }
  PQclear(sonde::pq::exec(c, "selekt 'secret'"));
  PQclear(sonde::pq::prepare(c, "bad", "select nothing from users where name = 'secret'"));
  PQclear(sonde::pq::prepare(c, "by_id", "select name from users where id = $1"));
  PQclear(sonde::pq::exec_prepared(c, "by_id", {"1"}));
  PQclear(sonde::pq::exec_prepared(c, "unknown", {}));

  auto insert = row("insert into users(name) values (?)");
  CHECK(insert.calls == 2);
  CHECK(insert.errors == 1);
  CHECK(insert.rows == 1);
  REQUIRE(insert.error_codes.size() == 1);
  CHECK(insert.error_codes[0].code == "23505");
  auto select = row("select id from users where name = ?");
  CHECK(select.calls == 50);
  CHECK(select.errors == 0);
  CHECK(select.rows == 50);
  CHECK(select.summary == "SELECT users");
  CHECK(select.total_ns > 50 * 1000);
  CHECK(select.p50_seconds > 0);
  CHECK(row("selekt ?").error_codes.at(0).code == "42601");
  CHECK(row("select nothing from users where name = ?").error_codes.at(0).code == "42703");
  CHECK(row("select name from users where id = ?").calls == 1);
  CHECK(row("EXECUTE unknown").error_codes.at(0).code == "26000");

  std::string page = sonde::expose().body;
  CHECK(page.find("sonde_db_statement_calls_total{fingerprint=\"" + select.fingerprint +
                  "\",system=\"postgresql\"} 50\n") != std::string::npos);
  CHECK(page.find(R"(db_response_status_code="23505",error_type="23505"} 1)") != std::string::npos);
  std::string traces = Capture::get().traces();
  CHECK(Capture::count(traces, "INSERT users") >= 2);
  std::string log = Capture::get().log();
  CHECK(Capture::count(log, "database query failed") >= 3);
  for (const std::string& text : {page, traces, log}) CHECK(text.find("secret") == std::string::npos);

  cluster.stop();
  PQclear(sonde::pq::exec(c, "select 1 as after_the_end"));
  CHECK(row("select ? as after_the_end").error_codes.size() == 1);
  PQfinish(c);
  sonde::db::reset_statements();
}

TEST_CASE("pq: the health check follows the server down and up again") {
  Cluster cluster;
  REQUIRE(cluster.made);
  sonde::health::Check ping = sonde::pq::ping(cluster.url(), std::chrono::milliseconds(2000));
  CHECK(ping().ok);
  CHECK(ping().ok);
  REQUIRE(cluster.stop());
  CHECK_FALSE(ping().ok);
  CHECK_FALSE(ping().ok);
  REQUIRE(cluster.start());
  CHECK(ping().ok);
}

TEST_CASE("pq: the health check gives up on a server that does not answer") {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  listen(fd, 8);
  auto ping = sonde::pq::ping("postgresql://x@127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/x",
                              std::chrono::milliseconds(200));
  auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(ping().ok);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(3));
  close(fd);
}

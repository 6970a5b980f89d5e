#include <doctest/doctest.h>

#include <string>

#include "cluster.h"
#include "fleet.h"

TEST_CASE(
    "shop: with PostgreSQL stopped stock is unready in its configured time, alive, and recovers by itself") {
  Cluster cluster;
  REQUIRE(cluster.made);
  Fleet f(cluster.url());
  REQUIRE(f.ready());
  CHECK(request(f.web_port, "POST", "/checkout", "sku=SKU-3&quantity=2").status == 201);
  CHECK(request(f.web_port, "POST", "/checkout", "sku=SKU-3&quantity=100000").status == 409);
  std::string queries = get(f.stock_port, "/queries").body;
  CHECK(queries.find(R"("error_codes":{"23514":1})") != std::string::npos);

  REQUIRE(cluster.stop());
  // Two failures in a row, one check each 500 ms, each at most 500 ms: 1.5 s, and room for a busy machine.
  int64_t down = milliseconds_until([&] { return get(f.stock_port, "/health/ready").status == 503; });
  CHECK(down >= 0);
  CHECK(down < 4000);
  CHECK(get(f.stock_port, "/health/ready").body == R"({"status":"not ready"})");
  CHECK(get(f.stock_port, "/health/live").body == R"({"status":"alive"})");
  CHECK(get(f.stock_port, "/health/live").status == 200);
  CHECK(get(f.web_port, "/health/ready").status == 200);
  Reply r = get(f.web_port, "/products/SKU-1");
  CHECK(r.status == 503);
  CHECK(r.body == "{\"error\":\"try again later\"}\n");

  REQUIRE(cluster.start());
  CHECK(milliseconds_until([&] { return get(f.stock_port, "/health/ready").status == 200; }) >= 0);
  // A pooled connection that died with the server costs one answer each.
  CHECK(milliseconds_until([&] { return get(f.web_port, "/products/SKU-1").status == 200; }) >= 0);

  CHECK(request(f.stock_port, "POST", "/fault?kind=slow_query&seconds=60").status == 200);
  CHECK(get(f.web_port, "/products/SKU-7").status == 200);
  CHECK(get(f.stock_port, "/queries").body.find("pg_sleep(?)") != std::string::npos);
  CHECK(f.stock->terminate() == 0);
  std::string log = f.log("stock");
  CHECK(log.find("health check fails") != std::string::npos);
  CHECK(log.find("health check passes") != std::string::npos);
}

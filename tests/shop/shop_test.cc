#include <doctest/doctest.h>

#include <string>

#include "fleet.h"

namespace {

bool has(const std::string& text, const std::string& needle) {
  return text.find(needle) != std::string::npos;
}

const char kTraceparent[] = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

}  // namespace

TEST_CASE("shop: an order goes through three processes in one trace, and each of them counts it") {
  Fleet f("");
  REQUIRE(f.ready());
  Reply placed = request(f.web_port, "POST", "/checkout", "sku=SKU-3&quantity=2", kTraceparent);
  CHECK(placed.status == 201);
  CHECK(has(placed.body, "\"total_cents\":1898"));
  CHECK(request(f.web_port, "POST", "/checkout", "sku=SKU-3&quantity=100000").status == 409);
  CHECK(request(f.web_port, "POST", "/checkout", "sku=&quantity=1").status == 400);
  CHECK(get(f.web_port, "/products/SKU-5").status == 200);
  CHECK(get(f.web_port, "/products/SKU-0").status == 404);
  CHECK(has(get(f.web_port, "/products").body, "\"sku\":\"SKU-20\""));

  CHECK(has(get(f.web_port, "/metrics").body,
            R"(http_requests_total{method="POST",endpoint="/checkout",status="201"} 1)"));
  CHECK(has(get(f.orders_port, "/metrics").body,
            R"(http_requests_total{method="POST",endpoint="/orders",status="201"} 1)"));
  std::string metrics = get(f.stock_port, "/metrics").body;
  CHECK(has(metrics, R"(http_requests_total{method="POST",endpoint="/stock/{sku}/reserve",status="200"} 1)"));
  CHECK(has(metrics, R"(http_requests_total{method="POST",endpoint="/stock/{sku}/reserve",status="409"} 1)"));
  CHECK(has(metrics, R"(sonde_health_check_status{group="ready",check="database"} 1)"));
  CHECK(has(metrics, R"(error_type="SQLITE_CONSTRAINT_CHECK"} 1)"));

  std::string queries = get(f.stock_port, "/queries").body;
  CHECK(has(queries, R"("statement":"update stock set quantity = quantity - ? where sku = ?")"));
  CHECK(has(queries, R"("error_codes":{"SQLITE_CONSTRAINT_CHECK":1})"));
  CHECK(has(get(f.stock_port, "/queries", "Accept: text/html\r\n").body, "<!doctype html>"));

  // Ended, they have written all of their lines.
  for (auto* role : {&f.web, &f.orders, &f.stock}) {
    auto start = std::chrono::steady_clock::now();
    CHECK((*role)->terminate() == 0);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
  }
  for (const char* role : {"web", "orders", "stock"}) {
    INFO(role);
    CHECK(has(f.log(role), R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736")"));
    CHECK(has(f.log(role), "\"stopped\""));
  }
}

TEST_CASE("shop: the slow statement shows as itself, in the table, the metrics and the log") {
  Fleet f("");
  REQUIRE(f.ready());
  CHECK(request(f.stock_port, "POST", "/fault?kind=nonsense").status == 400);
  CHECK(request(f.stock_port, "POST", "/fault?kind=slow_query&seconds=60", {}, "Origin: http://evil\r\n")
            .status == 403);
  CHECK(has(request(f.stock_port, "POST", "/fault?kind=slow_query&seconds=60").body, "\"slow_query\":60"));
  for (int i = 0; i < 3; i++) CHECK(get(f.web_port, "/products/SKU-7").status == 200);
  CHECK(request(f.stock_port, "POST", "/fault?kind=slow_query&seconds=0").status == 200);
  std::string queries = get(f.stock_port, "/queries").body;
  // The one that took the most time comes first.
  CHECK(queries.find("with recursive shelf(place) as (select ? union all select place + ? from shelf") <
        queries.find("\"statement\":", queries.find("\"statement\":") + 1));
  CHECK(f.stock->terminate() == 0);
  CHECK(has(f.log("stock"), "slow database query"));
  CHECK(has(f.log("stock"), "with recursive shelf(place)"));
}

TEST_CASE("shop: without its SQLite file stock is unready with a constant body, never dead, and recovers") {
  Fleet f("");
  REQUIRE(f.ready());
  CHECK(request(f.stock_port, "POST", "/fault?kind=dead_database&seconds=4").status == 200);
  int64_t down = milliseconds_until([&] { return get(f.stock_port, "/health/ready").status == 503; });
  CHECK(down >= 0);
  CHECK(down < 3500);
  CHECK(get(f.stock_port, "/health/ready").body == R"({"status":"not ready"})");
  CHECK(get(f.stock_port, "/health/live").status == 200);
  CHECK(get(f.web_port, "/health/ready").status == 200);  // it does not cascade
  Reply r = get(f.web_port, "/products/SKU-1");
  CHECK(r.status == 503);
  CHECK(r.body == "{\"error\":\"try again later\"}\n");
  CHECK(milliseconds_until([&] { return get(f.stock_port, "/health/ready").status == 200; }) >= 0);
  CHECK(get(f.web_port, "/products/SKU-1").status == 200);
  CHECK(has(get(f.stock_port, "/metrics").body, R"(status="503"})"));
}

TEST_CASE("shop: errors on request are counted as 500 and say nothing to the customer") {
  Fleet f("");
  REQUIRE(f.ready());
  CHECK(request(f.orders_port, "POST", "/fault?kind=errors&seconds=60").status == 200);
  int failed = 0;
  for (int i = 0; i < 9; i++) {
    Reply r = get(f.web_port, "/products/SKU-1");
    if (r.status == 500) failed++;
    CHECK_FALSE(has(r.body + r.head, "payment"));
  }
  CHECK(failed == 3);
  CHECK(has(get(f.orders_port, "/metrics").body,
            R"(http_requests_total{method="GET",endpoint="/availability/{sku}",status="500"} 3)"));
}

TEST_CASE("shop: all of it starts and stops as one, under load with a fault on schedule") {
  std::string dir = "/tmp/sonde-shop-all-" + std::to_string(getpid());
  (void)!system(("mkdir -p " + dir).c_str());
  {
    int port = free_port();
    Process stock({SHOP_BINARY, "stock", "--port", std::to_string(port), "--database", dir + "/s.db", "--log",
                   dir + "/stock.log"});
    REQUIRE(milliseconds_until([&] { return get(port, "/health/ready").status == 200; }) >= 0);
    std::string url = "http://127.0.0.1:" + std::to_string(port);
    Process load({SHOP_BINARY, "load", "--url", url, "--stock-url", url, "--rate", "50", "--duration", "2s",
                  "--fault", "errors:stock@500ms+1s"},
                 dir + "/load.out");
    CHECK(load.wait() == 0);
    std::string out = read_file(dir + "/load.out");
    CHECK(has(out, "\"requests\":100,"));
    CHECK(has(out, "fault errors at stock for 1 s: begun"));
    CHECK(stock.terminate() == 0);
  }
  Process usage({SHOP_BINARY, "nothing"}, dir + "/usage.out");
  CHECK(usage.wait() == 2);
  CHECK(has(read_file(dir + "/usage.out"), "no such role: nothing"));
  Process targets({SHOP_BINARY, "targets"}, dir + "/targets.out");
  CHECK(targets.wait() == 0);
  CHECK(has(read_file(dir + "/targets.out"), "- targets: ['127.0.0.1:8083']"));
  (void)!system(("rm -rf " + dir).c_str());
}

// web: what customers talk to. Knows only orders.
#include <httplib.h>

#include "shop/service.h"
#include "sonde/counter.h"

namespace shop {
namespace {

constinit sonde::Counter<"shop_checkouts_total", "result"> g_checkouts{{.help = "Checkouts by result"}};

std::string_view result_of(const httplib::Result& answer) {
  if (!answer) return "unreachable";
  if (answer->status < 300) return "placed";
  return answer->status < 500 ? "refused" : "failed";
}

}  // namespace

int run_web(const Options& options) {
  Service service(options);
  sonde::httplib::Client orders(options.orders_url);
  Faults& faults = service.faults();

  service.router()
      .get("/",
           [](const httplib::Request&, httplib::Response& res) {
             res.set_content(
                 "<!doctype html><title>shop</title><h1>shop</h1><p>GET /products, POST /checkout\n",
                 "text/html; charset=utf-8");
           })
      .get("/products",
           [&](const httplib::Request&, httplib::Response& res) {
             faults.maybe_throw();
             pass_on(res, orders.get("/availability"));
           })
      .get("/products/{sku}",
           [&](const httplib::Request& req, httplib::Response& res) {
             faults.maybe_throw();
             pass_on(res, orders.get("/availability/{sku}", {sonde::httplib::param(req, "sku")}));
           })
      .post("/checkout", [&](const httplib::Request& req, httplib::Response& res) {
        faults.maybe_throw();
        auto answer = orders.post("/orders", {}, req.body, "application/x-www-form-urlencoded");
        g_checkouts(result_of(answer)).inc();
        pass_on(res, answer);
      });
  return service.run();
}

}  // namespace shop

// orders: takes orders and reserves the goods at stock.
#include <httplib.h>

#include <atomic>

#include "shop/json.h"
#include "shop/service.h"
#include "sonde/observe.h"
#include "sonde/sonde.h"

namespace shop {
namespace {

using namespace sonde::literals;

constinit sonde::Counter<"shop_orders_total", "result"> g_orders{{.help = "Orders by result"}};
constinit sonde::Histogram<"shop_order_value_euros"> g_value{
    {.help = "Value of the orders placed", .buckets = sonde::exponential_buckets(1, 2, 12)}};

}  // namespace

int run_orders(const Options& options) {
  Service service(options);
  sonde::httplib::Client stock(options.stock_url);
  Faults& faults = service.faults();
  std::atomic<int64_t> last_order{0};

  service.router()
      .get("/availability",
           [&](const httplib::Request&, httplib::Response& res) {
             faults.maybe_throw();
             pass_on(res, stock.get("/stock"));
           })
      .get("/availability/{sku}",
           [&](const httplib::Request& req, httplib::Response& res) {
             faults.maybe_throw();
             pass_on(res, stock.get("/stock/{sku}", {sonde::httplib::param(req, "sku")}));
           })
      .post("/orders", [&](const httplib::Request& req, httplib::Response& res) {
        std::string sku = req.get_param_value("sku");
        int64_t quantity = std::atoll(req.get_param_value("quantity").c_str());
        if (sku.empty() || sku.size() > 64 || quantity < 1 || quantity > 1'000'000) {
          g_orders("invalid").inc();
          return reply_error(res, 400, "sku and quantity are needed");
        }
        int64_t id = ++last_order;
        // One scope: a span, shop_place_order_seconds, and a log line if it fails.
        sonde::Observation placing("shop.place_order", sonde::high("order_id"_f = id, "sku"_f = sku));
        faults.maybe_throw();

        auto reserved = stock.post("/stock/{sku}/reserve", {sku}, "quantity=" + std::to_string(quantity),
                                   "application/x-www-form-urlencoded");
        if (!reserved || reserved->status != 200) {
          bool refused = reserved && reserved->status < 500;
          g_orders(refused ? "refused" : "failed").inc();
          if (!refused) placing.error("stock");
          return pass_on(res, reserved);
        }
        int64_t cents = number_in(reserved->body, "price_cents") * quantity;
        g_orders("placed").inc();
        g_value.observe(static_cast<double>(cents) / 100);
        sonde::info("order placed", "order_id"_f = id, "sku"_f = sku, "quantity"_f = quantity,
                    "total_cents"_f = cents);
        res.status = 201;
        reply_json(res,
                   "{\"order\":" + std::to_string(id) + ",\"total_cents\":" + std::to_string(cents) + "}\n");
      });
  return service.run();
}

}  // namespace shop

// stock: keeps the goods, in SQLite or PostgreSQL.
#include <httplib.h>

#include <atomic>

#include "shop/json.h"
#include "shop/service.h"
#include "shop/stock_store.h"
#include "sonde/query.h"
#include "sonde/sonde.h"

namespace shop {
namespace {

using namespace sonde::literals;
using namespace std::chrono_literals;

constinit sonde::Counter<"shop_reservations_total", "result"> g_reservations{
    {.help = "Reservations by result"}};

std::string json_of(const Item& item) {
  return "{\"sku\":" + json_text(item.sku) + ",\"name\":" + json_text(item.name) +
         ",\"quantity\":" + std::to_string(item.quantity) +
         ",\"price_cents\":" + std::to_string(item.price_cents) + "}";
}

// Answers 503 if the database fails; why goes to the log.
template <class F>
auto with_database(F f) {
  return [f](const httplib::Request& req, httplib::Response& res) {
    try {
      f(req, res);
    } catch (const StoreError& e) {
      sonde::error("database unavailable", "detail"_f = e.what());
      reply_error(res, 503, "try again later");
    }
  };
}

}  // namespace

int run_stock(const Options& options) {
  Service service(options);
  bool postgres =
      options.database.starts_with("postgresql://") || options.database.starts_with("postgres://");
#ifdef SHOP_HAS_POSTGRES
  std::shared_ptr<StockStore> store =
      postgres ? open_postgres(options.database) : open_sqlite(options.database);
#else
  if (postgres) {
    std::fprintf(stderr, "shop: built without libpq: give --database a file\n");
    return 1;
  }
  std::shared_ptr<StockStore> store = open_sqlite(options.database);
#endif
  sonde::db::configure({.slow_ns = 100'000'000});
  Faults& faults = service.faults();
  service.every_tick([store, &faults] { store->set_dead(faults.active(Fault::kDeadDatabase)); });

  // The database may come up after us: the schema is made by the check that start-up waits for.
  auto made = std::make_shared<std::atomic<bool>>(false);
  sonde::health::add("schema", sonde::health::startup,
                     [store, made] {
                       if (!*made) store->create_schema();
                       *made = true;
                       return true;
                     },
                     {.timeout = 10s, .every = 500ms, .fail_after = 1});
  sonde::health::add("database", sonde::health::ready, [store] { return store->ping(); },
                     {.timeout = 500ms, .every = 500ms, .fail_after = 2, .recover_after = 1});

  service.router()
      .get("/stock", with_database([&, store](const httplib::Request&, httplib::Response& res) {
             faults.maybe_throw();
             std::string body = "[";
             for (const Item& item : store->list()) {
               if (body.size() > 1) body += ',';
               body += json_of(item);
             }
             reply_json(res, body + "]\n");
           }))
      .get("/stock/{sku}", with_database([&, store](const httplib::Request& req, httplib::Response& res) {
             faults.maybe_throw();
             std::string sku = sonde::httplib::param(req, "sku");
             Item item;
             // The fault is a statement that has no index to use, for one product in ten.
             bool slow = faults.active(Fault::kSlowQuery) && sku.ends_with('7');
             bool found = slow ? store->find_slowly(sku, item) : store->find(sku, item);
             if (!found) return reply_error(res, 404, "no such product");
             reply_json(res, json_of(item) + "\n");
           }))
      .post("/stock/{sku}/reserve",
            with_database([&, store](const httplib::Request& req, httplib::Response& res) {
              faults.maybe_throw();
              std::string sku = sonde::httplib::param(req, "sku");
              int64_t quantity = std::atoll(req.get_param_value("quantity").c_str());
              if (quantity < 1) return reply_error(res, 400, "quantity is needed");
              switch (store->reserve(sku, quantity)) {
                case Reservation::kUnknown:
                  g_reservations("unknown").inc();
                  return reply_error(res, 404, "no such product");
                case Reservation::kNotEnough:
                  g_reservations("not_enough").inc();
                  return reply_error(res, 409, "not enough in stock");
                case Reservation::kDone:
                  break;
              }
              g_reservations("done").inc();
              Item item;
              store->find(sku, item);
              reply_json(res, json_of(item) + "\n");
            }));
  int status = service.run();
  sonde::health::remove("database", sonde::health::ready);
  sonde::health::remove("schema", sonde::health::startup);
  store->set_dead(false);
  return status;
}

}  // namespace shop

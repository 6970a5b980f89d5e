#include <libpq-fe.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "shop/pool.h"
#include "shop/stock_store.h"
#include "sonde/pq.h"

namespace shop {
namespace {

constexpr const char* kNowhere = "host=127.0.0.1 port=1 connect_timeout=2";

struct ClearResult {
  void operator()(PGresult* r) const { PQclear(r); }
};
using Result = std::unique_ptr<PGresult, ClearResult>;

std::string value(const Result& r, int row, int column) { return PQgetvalue(r.get(), row, column); }
int64_t number(const Result& r, int row, int column) {
  return std::strtoll(PQgetvalue(r.get(), row, column), nullptr, 10);
}
Item item_of(const Result& r, int row) {
  return {value(r, row, 0), value(r, row, 1), number(r, row, 2), number(r, row, 3)};
}

bool has_state(const Result& r, const char* state) {
  const char* got = PQresultErrorField(r.get(), PG_DIAG_SQLSTATE);
  return got != nullptr && std::strcmp(got, state) == 0;
}

class PostgresStore final : public StockStore {
 public:
  explicit PostgresStore(std::string url)
      : url_(std::move(url)),
        ping_(sonde::pq::ping(url_)),
        ping_nowhere_(sonde::pq::ping(kNowhere)),
        pool_(4, [this] { return connect(); }, [](PGconn* c) { PQfinish(c); }) {}

  void create_schema() override {
    auto lease = connection();
    run(lease,
        "create table if not exists stock (sku text primary key, name text not null, "
        "quantity bigint not null check (quantity >= 0), price_cents bigint not null)");
    run(lease,
        "create table if not exists reservations (id bigserial primary key, sku text not null references "
        "stock, "
        "quantity bigint not null, at timestamptz not null default now())");
    for (int i = 1; i <= kItems; i++) {
      std::string sku = "SKU-" + std::to_string(i);
      std::string name = "Article " + std::to_string(i);
      std::string price = std::to_string(199 + 250 * i);
      run(lease,
          "insert into stock (sku, name, quantity, price_cents) values ($1, $2, 1000, $3) on conflict do "
          "nothing",
          {sku.c_str(), name.c_str(), price.c_str()});
    }
  }

  std::vector<Item> list() override {
    auto lease = connection();
    Result r = run(lease, "select sku, name, quantity, price_cents from stock order by sku");
    std::vector<Item> items;
    for (int i = 0; i < PQntuples(r.get()); i++) items.push_back(item_of(r, i));
    return items;
  }

  bool find(std::string_view sku, Item& item) override {
    return find_with("select sku, name, quantity, price_cents from stock where sku = $1", sku, item);
  }

  bool find_slowly(std::string_view sku, Item& item) override {
    return find_with("select sku, name, quantity, price_cents, pg_sleep(0.4) from stock where sku = $1", sku,
                     item);
  }

  Reservation reserve(std::string_view sku, int64_t quantity) override {
    auto lease = connection();
    std::string s(sku);
    std::string q = std::to_string(quantity);
    run(lease, "begin");
    try {
      Reservation result = reserve_in_transaction(lease, s.c_str(), q.c_str());
      run(lease, result == Reservation::kDone ? "commit" : "rollback");
      return result;
    } catch (...) {
      lease.broken();  // a new connection is simpler than to find out what state this one is in
      throw;
    }
  }

  sonde::health::Outcome ping() override { return dead_ ? ping_nowhere_() : ping_(); }

  void set_dead(bool dead) override {
    if (dead == dead_) return;
    pool_.with_all_closed([&] { dead_ = dead; });
  }

 private:
  using Lease = Pool<PGconn>::Lease;

  PGconn* connect() {
    PGconn* c = PQconnectdb(dead_ ? kNowhere : url_.c_str());
    if (PQstatus(c) == CONNECTION_OK) return c;
    PQfinish(c);
    return nullptr;
  }

  Lease connection() {
    Lease lease = pool_.lease();
    if (lease.get() == nullptr) throw StoreError("postgresql: cannot connect");
    return lease;
  }

  static Result ask(Lease& lease, const char* sql, std::initializer_list<const char*> values) {
    Result r(sonde::pq::exec_params(lease.get(), sql, values));
    if (PQstatus(lease.get()) != CONNECTION_OK) lease.broken();
    return r;
  }

  static Result run(Lease& lease, const char* sql, std::initializer_list<const char*> values = {}) {
    Result r = ask(lease, sql, values);
    ExecStatusType status = PQresultStatus(r.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      throw StoreError(std::string("postgresql: ") + PQerrorMessage(lease.get()));
    }
    return r;
  }

  bool find_with(const char* sql, std::string_view sku, Item& item) {
    auto lease = connection();
    std::string s(sku);
    Result r = run(lease, sql, {s.c_str()});
    if (PQntuples(r.get()) == 0) return false;
    item = item_of(r, 0);
    return true;
  }

  static Reservation reserve_in_transaction(Lease& lease, const char* sku, const char* quantity) {
    Result r = ask(lease, "update stock set quantity = quantity - $2 where sku = $1", {sku, quantity});
    if (has_state(r, "23514")) return Reservation::kNotEnough;  // check_violation
    if (PQresultStatus(r.get()) != PGRES_COMMAND_OK) {
      throw StoreError(std::string("postgresql: ") + PQerrorMessage(lease.get()));
    }
    if (std::strcmp(PQcmdTuples(r.get()), "0") == 0) return Reservation::kUnknown;
    run(lease, "insert into reservations (sku, quantity) values ($1, $2)", {sku, quantity});
    run(lease, "update stock set quantity = quantity + 1000 where sku = $1 and quantity < 100", {sku});
    return Reservation::kDone;
  }

  std::string url_;
  std::atomic<bool> dead_{false};
  sonde::health::Check ping_;
  sonde::health::Check ping_nowhere_;
  Pool<PGconn> pool_;
};

}  // namespace

std::unique_ptr<StockStore> open_postgres(std::string url) {
  return std::make_unique<PostgresStore>(std::move(url));
}

}  // namespace shop

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "shop/pool.h"
#include "shop/stock_store.h"
#include "sonde/sqlite.h"

namespace shop {
namespace {

// A prepared statement for one use. Its steps are watched: errors, SQLITE_BUSY and rows are recorded.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql) : db_(db) {
    if (sonde::sqlite::prepare(db, sql, &statement_) != SQLITE_OK) fail("prepare");
  }
  ~Statement() { sonde::sqlite::finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int index, std::string_view text) {
    sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(int index, int64_t number) {
    sqlite3_bind_int64(statement_, index, number);
    return *this;
  }
  // True while there is a row.
  bool step() {
    int rc = sonde::sqlite::step(statement_);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) fail("step");
    return rc == SQLITE_ROW;
  }
  // A constraint that fails is an answer, not an accident.
  bool step_unless_constraint() {
    int rc = sonde::sqlite::step(statement_);
    if ((rc & 0xff) == SQLITE_CONSTRAINT) return false;
    if (rc != SQLITE_DONE) fail("step");
    return true;
  }
  std::string text(int column) const {
    const unsigned char* s = sqlite3_column_text(statement_, column);
    return s == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(s));
  }
  int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  [[noreturn]] void fail(const char* what) {
    std::string message = std::string("sqlite: ") + what + ": " + sqlite3_errmsg(db_);
    sonde::sqlite::finalize(statement_);
    statement_ = nullptr;
    throw StoreError(message);
  }

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

Item item_of(const Statement& s) { return {s.text(0), s.text(1), s.number(2), s.number(3)}; }

class SqliteStore final : public StockStore {
 public:
  explicit SqliteStore(std::string path)
      : path_(std::move(path)),
        pool_(4, [this] { return connect(); }, [](sqlite3* db) { sqlite3_close(db); }) {
    sonde::sqlite::attach_all();
    // A process that was killed while its database was "dead" left the file aside.
    std::string away = path_ + ".away";
    if (access(path_.c_str(), F_OK) != 0 && access(away.c_str(), F_OK) == 0) {
      (void)rename(away.c_str(), path_.c_str());
    }
  }

  void create_schema() override {
    create_ = true;
    auto lease = connection();
    sqlite3* db = lease.get();
    run(db,
        "create table if not exists stock (sku text primary key, name text not null, "
        "quantity integer not null check (quantity >= 0), price_cents integer not null);"
        "create table if not exists reservations (id integer primary key, sku text not null references "
        "stock, "
        "quantity integer not null, at integer not null)");
    for (int i = 1; i <= kItems; i++) {
      std::string n = std::to_string(i);
      Statement(db, "insert or ignore into stock (sku, name, quantity, price_cents) values (?1, ?2, ?3, ?4)")
          .bind(1, "SKU-" + n)
          .bind(2, "Article " + n)
          .bind(3, int64_t{1000})
          .bind(4, int64_t{199 + 250 * i})
          .step();
    }
  }

  std::vector<Item> list() override {
    auto lease = connection();
    Statement s(lease.get(), "select sku, name, quantity, price_cents from stock order by sku");
    std::vector<Item> items;
    while (s.step()) items.push_back(item_of(s));
    return items;
  }

  bool find(std::string_view sku, Item& item) override {
    auto lease = connection();
    Statement s(lease.get(), "select sku, name, quantity, price_cents from stock where sku = ?1");
    s.bind(1, sku);
    if (!s.step()) return false;
    item = item_of(s);
    return true;
  }

  Reservation reserve(std::string_view sku, int64_t quantity) override {
    auto lease = connection();
    sqlite3* db = lease.get();
    run(db, "begin immediate");
    try {
      Reservation result = reserve_in_transaction(db, sku, quantity);
      run(db, result == Reservation::kDone ? "commit" : "rollback");
      return result;
    } catch (...) {
      if (sqlite3_get_autocommit(db) == 0) sonde::sqlite::exec(db, "rollback");
      throw;
    }
  }

  // Counts, row by row, to a number that the machine reaches in about 400 ms.
  bool find_slowly(std::string_view sku, Item& item) override {
    auto lease = connection();
    auto start = std::chrono::steady_clock::now();
    int64_t rows = slow_rows_;
    Statement s(
        lease.get(),
        "with recursive shelf (place) as (select 1 union all select place + 1 from shelf where place < ?2) "
        "select stock.sku, stock.name, stock.quantity, stock.price_cents, count(shelf.place) "
        "from stock, shelf where stock.sku = ?1 and shelf.place % 7 <> length(stock.name) group by "
        "stock.sku");
    s.bind(1, sku).bind(2, rows);
    bool found = s.step();
    if (found) item = item_of(s);
    double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    // Unknown goods end the statement before it counts: they teach nothing.
    if (found) {
      double next = static_cast<double>(rows) * std::clamp(0.4 / std::max(took, 0.001), 0.5, 3.0);
      slow_rows_ = static_cast<int64_t>(std::clamp(next, 1e4, 2e7));
    }
    return found;
  }

  sonde::health::Outcome ping() override { return sonde::sqlite::ping(path_)(); }

  void set_dead(bool dead) override {
    if (dead == dead_) return;
    pool_.with_all_closed([&] {
      // With all connections closed the file is the whole database; without it nothing can be opened.
      std::string away = path_ + ".away";
      if (dead) {
        (void)rename(path_.c_str(), away.c_str());
      } else {
        (void)rename(away.c_str(), path_.c_str());
      }
      dead_ = dead;
    });
  }

 private:
  sqlite3* connect() {
    sqlite3* db = nullptr;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (create_ && !dead_) flags |= SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(path_.c_str(), &db, flags, nullptr) != SQLITE_OK) {
      sqlite3_close(db);
      return nullptr;
    }
    sqlite3_busy_timeout(db, 2000);
    sqlite3_exec(db, "pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on",
                 nullptr, nullptr, nullptr);
    return db;
  }

  Pool<sqlite3>::Lease connection() {
    auto lease = pool_.lease();
    if (lease.get() == nullptr) throw StoreError("sqlite: cannot open " + path_);
    return lease;
  }

  static void run(sqlite3* db, std::string_view sql) {
    if (sonde::sqlite::exec(db, sql) != SQLITE_OK)
      throw StoreError(std::string("sqlite: ") + sqlite3_errmsg(db));
  }

  static Reservation reserve_in_transaction(sqlite3* db, std::string_view sku, int64_t quantity) {
    Statement take(db, "update stock set quantity = quantity - ?2 where sku = ?1");
    take.bind(1, sku).bind(2, quantity);
    if (!take.step_unless_constraint()) return Reservation::kNotEnough;
    if (sqlite3_changes(db) == 0) return Reservation::kUnknown;
    Statement note(db, "insert into reservations (sku, quantity, at) values (?1, ?2, unixepoch())");
    note.bind(1, sku).bind(2, quantity).step();
    // The warehouse refills a shelf that runs low.
    Statement refill(db, "update stock set quantity = quantity + 1000 where sku = ?1 and quantity < 100");
    refill.bind(1, sku).step();
    return Reservation::kDone;
  }

  std::string path_;
  std::atomic<bool> create_{false};
  std::atomic<bool> dead_{false};
  std::atomic<int64_t> slow_rows_{600'000};
  Pool<sqlite3> pool_;
};

}  // namespace

std::unique_ptr<StockStore> open_sqlite(std::string path) {
  return std::make_unique<SqliteStore>(std::move(path));
}

}  // namespace shop

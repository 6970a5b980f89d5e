// Where stock keeps its goods: SQLite or PostgreSQL.
//
// Threads: any; each call takes a connection from a small pool and gives it back.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sonde/health.h"

namespace shop {

struct Item {
  std::string sku;
  std::string name;
  int64_t quantity = 0;
  int64_t price_cents = 0;
};

enum class Reservation { kDone, kNotEnough, kUnknown };

// The database did not do its work. what() is for the log.
struct StoreError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class StockStore {
 public:
  virtual ~StockStore() = default;

  // All of them throw StoreError.
  virtual void create_schema() = 0;  // and the goods, unless they are there
  virtual std::vector<Item> list() = 0;
  virtual bool find(std::string_view sku, Item& item) = 0;
  virtual Reservation reserve(std::string_view sku, int64_t quantity) = 0;
  // The fault: the same question as find(), asked in a way that takes about 400 ms.
  virtual bool find_slowly(std::string_view sku, Item& item) = 0;

  virtual sonde::health::Outcome ping() = 0;
  // The fault: as long as it is dead, nothing can connect.
  virtual void set_dead(bool dead) = 0;
};

std::unique_ptr<StockStore> open_sqlite(std::string path);
std::unique_ptr<StockStore> open_postgres(std::string url);

inline constexpr int kItems = 20;  // SKU-1 … SKU-20

}  // namespace shop

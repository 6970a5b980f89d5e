// load: steady traffic at a fixed rate, whatever the answers take, and faults when their time has come.
#include <httplib.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <random>
#include <thread>

#include "shop/service.h"
#include "shop/stock_store.h"

namespace shop {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> g_stop{false};

struct Tally {
  std::mutex mu;
  uint64_t requests = 0;
  uint64_t failed = 0;  // no answer, or 5xx
  uint64_t late = 0;    // started more than a second after their time: the generator could not keep up
  std::vector<float> milliseconds;
};

double quantile(std::vector<float>& sorted, double q) {
  if (sorted.empty()) return 0;
  size_t i = static_cast<size_t>(q * static_cast<double>(sorted.size() - 1));
  return sorted[i];
}

int ask(httplib::Client& web, std::mt19937& random) {
  std::string sku = "SKU-" + std::to_string(random() % kItems + 1);
  unsigned dice = random() % 100;
  if (dice < 55) {
    auto r = web.Get("/products/" + sku);
    return r ? r->status : 0;
  }
  if (dice < 70) {
    auto r = web.Get("/products");
    return r ? r->status : 0;
  }
  if (dice < 96) {
    std::string quantity = dice < 95 ? std::to_string(random() % 3 + 1) : "100000";  // more than there is
    auto r =
        web.Post("/checkout", "sku=" + sku + "&quantity=" + quantity, "application/x-www-form-urlencoded");
    return r ? r->status : 0;
  }
  auto r = web.Get(dice < 99 ? "/products/SKU-0" : "/wp-login.php");
  return r ? r->status : 0;
}

void request_fault(const Options& options, const PlannedFault& fault) {
  std::string url = fault.role == "web"      ? options.web_url
                    : fault.role == "orders" ? options.orders_url
                                             : options.stock_url;
  httplib::Client client(url);
  auto r = client.Post("/fault?kind=" + fault.kind +
                           "&seconds=" + std::to_string(std::lround(std::ceil(fault.length_seconds))),
                       "", "text/plain");
  std::fprintf(stderr, "shop load: fault %s at %s for %.0f s: %s\n", fault.kind.c_str(), fault.role.c_str(),
               fault.length_seconds, r && r->status == 200 ? "begun" : "refused");
}

}  // namespace

int run_load(const Options& options) {
  struct sigaction action{};
  action.sa_handler = [](int) { g_stop = true; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);

  Tally tally;
  std::atomic<uint64_t> ticket{0};
  auto start = Clock::now();
  auto seconds_since_start = [start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  uint64_t last_ticket = options.duration_seconds > 0
                             ? static_cast<uint64_t>(options.duration_seconds * options.rate)
                             : UINT64_MAX;

  auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    httplib::Client web(options.web_url);
    web.set_keep_alive(false);
    web.set_connection_timeout(2);
    web.set_read_timeout(15);
    while (!g_stop) {
      uint64_t mine = ticket++;
      if (mine >= last_ticket) return;
      double due = static_cast<double>(mine) / options.rate;
      while (!g_stop && seconds_since_start() < due) {
        double wait = std::min(due - seconds_since_start(), 0.1);
        if (wait > 0) std::this_thread::sleep_for(std::chrono::duration<double>(wait));
      }
      if (g_stop) return;
      auto begin = Clock::now();
      bool late = seconds_since_start() > due + 1;
      int status = ask(web, random);
      float ms = std::chrono::duration<float, std::milli>(Clock::now() - begin).count();
      std::lock_guard lock(tally.mu);
      tally.requests++;
      tally.failed += status == 0 || status >= 500 ? 1 : 0;
      tally.late += late ? 1 : 0;
      if (tally.milliseconds.size() < 1'000'000) tally.milliseconds.push_back(ms);
    }
  };

  std::vector<std::thread> workers;
  for (unsigned i = 0; i < 8; i++) workers.emplace_back(work, 1000 + i);
  std::vector<PlannedFault> faults = options.faults;
  std::thread planner([&] {
    while (!g_stop && ticket < last_ticket) {
      for (auto it = faults.begin(); it != faults.end();) {
        if (seconds_since_start() >= it->start_seconds) {
          request_fault(options, *it);
          it = faults.erase(it);
        } else {
          ++it;
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  for (std::thread& w : workers) w.join();
  planner.join();

  std::sort(tally.milliseconds.begin(), tally.milliseconds.end());
  std::printf(
      "{\"requests\":%llu,\"failed\":%llu,\"late\":%llu,\"seconds\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
      static_cast<unsigned long long>(tally.requests), static_cast<unsigned long long>(tally.failed),
      static_cast<unsigned long long>(tally.late), seconds_since_start(), quantile(tally.milliseconds, 0.5),
      quantile(tally.milliseconds, 0.99));
  return 0;
}

}  // namespace shop

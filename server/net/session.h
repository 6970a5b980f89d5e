// A protocol on one connection, without I/O: bytes in, bytes out. All calls on the connection's I/O thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/time.h"
#include "net/exchange.h"

namespace sonde::net {

class Session {
 public:
  virtual ~Session() = default;
  // Bytes from the peer. Not after on_end() or when !wants_data(), but for what was under way.
  virtual void on_data(std::string_view bytes) = 0;
  // The peer will send no more.
  virtual void on_end() = 0;
  // An exchange has news: an answer to send, or room for more of its body.
  virtual void on_wake() = 0;
  // Called several times a second: timeouts.
  virtual void on_tick(MonotonicTime now) = 0;
  virtual bool wants_data() const = 0;
  // Appends what is to be sent, until `out` has `bytes_max` or nothing is ready.
  virtual void produce(std::string& out, size_t bytes_max) = 0;
  // Close the connection once everything produced has been sent.
  virtual bool done() const = 0;
  // No request is under way: the connection may be closed for one that has more to do.
  virtual bool idle() const = 0;
  // A whole request head has arrived on this connection.
  virtual bool proven() const = 0;
  // Let what is under way finish, then be done.
  virtual void drain() = 0;
  // The connection is gone.
  virtual void abort(const Error& error) = 0;
};

std::unique_ptr<Session> make_http1_session(SessionHost host);
std::unique_ptr<Session> make_http2_session(SessionHost host);

// What an HTTP/2 connection begins with; on cleartext it tells the protocols apart.
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Measures the pace of bytes that we wait for: they may fall behind `bytes_per_second` by `grace`, no more.
class Pace {
 public:
  Pace(uint64_t bytes_per_second, Duration grace)
      : rate_(bytes_per_second), credit_max_ns_(grace.ns), credit_ns_(grace.ns) {}
  void add(size_t bytes) {
    if (rate_ == 0) return;
    credit_ns_ = std::min(credit_max_ns_, credit_ns_ + static_cast<int64_t>(bytes * 1'000'000'000 / rate_));
  }
  // Time in which bytes could have come. False when they are too slow.
  bool wait(Duration d) {
    if (rate_ == 0) return true;
    credit_ns_ -= d.ns;
    return credit_ns_ >= 0;
  }

 private:
  uint64_t rate_;
  int64_t credit_max_ns_;
  int64_t credit_ns_;
};

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(EventTime t);

}  // namespace sonde::net

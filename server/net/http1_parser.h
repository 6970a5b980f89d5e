// HTTP/1 messages from bytes, without I/O. Strict where leniency has been abused for request smuggling:
// Transfer-Encoding together with Content-Length, repeated or folded fields and lone line feeds are errors.
// Source: RFC 9112; the tokenizer is Beast's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/http.h"

namespace sonde::net {

struct Http1Limits {
  size_t request_line_bytes_max = 16 << 10;
  size_t header_bytes_max = 32 << 10;
  size_t header_count_max = 100;
};

struct Http1Head {
  std::string method;  // requests
  std::string target;
  int status = 0;         // responses
  int minor_version = 1;  // of HTTP/1.x
  Headers headers;
  bool keep_alive = false;
  bool chunked = false;
  std::optional<uint64_t> content_length;
};

// One message. Threads: one.
class Http1Parser {
 public:
  enum Kind { kRequest, kResponse };
  Http1Parser(Kind kind, Http1Limits limits);
  ~Http1Parser();
  Http1Parser(const Http1Parser&) = delete;
  Http1Parser& operator=(const Http1Parser&) = delete;

  // A response to HEAD has no body, whatever its fields say. Before the head.
  void expect_no_body();

  // Reads the head from the front of `in`; `in` must hold everything from the message's first byte on, and
  // the consumed bytes are dropped from it only when the head is complete. Returns false when more is needed.
  // kLimit: line or fields too large (414 or 431 by `limit_status`); kInvalid: not HTTP/1.
  Result<bool> read_head(std::string_view& in);
  const Http1Head& head() const;
  Http1Head& head();
  int limit_status() const;  // after kLimit

  // Appends body bytes from the front of `in` to `out`, at most `out_bytes_max`. Drops what it consumed.
  Result<> read_body(std::string_view& in, std::string& out, size_t out_bytes_max);
  // The message is complete.
  bool complete() const;
  // The peer closed: completes a response that is delimited by the end of the connection, else kInvalid.
  Result<> read_end();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::net

// One request and its answer, between a connection's I/O thread and the handler's thread.
//
// The session pushes raw body bytes in and takes the answer out; the handler reads the body (decoded on its
// own thread) and writes. Both directions are bounded: the session stops reading from the peer when
// kBodyWindow bytes wait, the handler blocks when kAnswerWindow bytes wait.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "net/content_coding.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/server.h"

namespace sonde::net {

inline constexpr size_t kBodyWindow = 64 << 10;
inline constexpr size_t kAnswerWindow = 256 << 10;
inline constexpr size_t kCompressFrom = 1 << 10;

// What all connections of a server share. Immutable but for the counters.
struct ServerCore {
  ServerLimits limits;
  Headers response_headers;
  const Router& router;
  Executor& handlers;
  Executor& reserved;
  Clock& clock;
  Authenticator authenticate;
  RequestObserver observe;
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> refused_connections{0};
  std::atomic<uint64_t> timed_out{0};
  std::atomic<uint64_t> bad_requests{0};
};

// The connection as a session sees it. On the loop's thread.
struct SessionHost {
  std::shared_ptr<ServerCore> core;
  std::shared_ptr<EventLoop> loop;
  std::function<void()>
      wake;  // runs the session's on_wake(), then moves bytes; safe after the connection's end
  std::string peer;
  bool tls = false;
  bool reserved_only = false;  // beyond the normal number of connections: health and the like only
};

// A request's head, from any protocol.
struct RequestHead {
  std::string method;
  std::string target;
  Headers headers;
  std::optional<uint64_t> content_length;
};

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  // Routes the request. The exchange may come back answered already: 404, 405, 413, 415, 503, …
  static std::shared_ptr<Exchange> start(const SessionHost& host, RequestHead head);

  // --- The session's side ---
  void push_body(std::string_view bytes);
  void end_body();
  // The body will not come to its end: readers get `error`, or the request is answered with `status` when no
  // handler has it yet.
  void fail_body(Error error, int status);
  size_t body_waiting() const;
  // Body bytes that the handler took since the last call.
  size_t take_consumed();

  // Hands the request to its executor, once; answers 503 when that is full.
  void dispatch();
  bool dispatched() const { return dispatched_; }
  // Answers without a handler. Not after dispatch().
  void refuse(int status, std::string_view body, const Headers& headers = {});

  struct AnswerHead {
    int status = 200;
    Headers headers;                 // without Content-Length
    std::optional<uint64_t> length;  // unknown: chunked, or until the end
    bool bodiless = false;           // HEAD, 204, 304
  };
  // Null until the handler began to answer.
  const AnswerHead* take_head();
  // Appends up to `bytes_max` of the answer's body.
  size_t take_body(std::string& out, size_t bytes_max);
  size_t take_body(char* out, size_t bytes_max);
  bool body_ready() const;
  // Everything was written and taken.
  bool drained() const;
  // The answer cannot be completed (the handler failed in its middle): cut the connection or stream.
  bool broken() const;
  const Headers& trailers() const { return trailers_; }  // after drained()
  MonotonicTime deadline() const { return deadline_; }

  // The peer or the connection is gone: the handler's calls fail with `error` from now on.
  void abort(Error error);
  // Only the cancellation: the answer may still be written.
  void cancel() { cancel_.cancel(); }
  // Reports to the observer, once.
  void finished();
  std::string_view method() const { return method_; }

  // --- The handler's side ---
  Result<size_t> read_raw(std::string& out, size_t bytes_max);
  void status(int code);
  void header(std::string name, std::string value);
  Result<> write(std::string_view chunk);
  void trailer(std::string name, std::string value);
  void finish();

  Exchange(const SessionHost& host, RequestHead head);

 private:
  void run();
  void notify();
  bool begin_answer();
  Result<> append(std::string_view bytes);
  void commit_head(std::optional<uint64_t> length);

  std::shared_ptr<ServerCore> core_;
  std::shared_ptr<EventLoop> loop_;
  std::function<void()> wake_;
  std::atomic<bool> wake_pending_{false};
  MonotonicTime begun_;
  MonotonicTime deadline_;
  Cancellation cancel_;
  std::string method_;
  std::string route_name_ = "_unmatched";
  Request request_;  // until run() takes it
  const Route* route_ = nullptr;
  Coding coding_ = Coding::kIdentity;
  bool dispatched_ = false;
  bool reported_ = false;

  // The handler's thread alone, until the head is committed.
  int status_ = 200;
  Headers headers_;
  Headers trailers_;
  bool accepts_gzip_ = false;
  bool compressible_ = false;
  bool begun_answer_ = false;
  bool head_committed_ = false;
  bool bodiless_ = false;
  uint64_t body_written_ = 0;
  std::optional<uint64_t> declared_;
  std::string held_;
  std::unique_ptr<GzipEncoder> encoder_;

  mutable Mutex mu_;
  CondVar body_changed_;
  CondVar answer_changed_;
  std::string body_ SONDE_GUARDED_BY(mu_);
  size_t body_taken_ SONDE_GUARDED_BY(mu_) = 0;  // prefix of body_ that was read
  size_t consumed_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t body_total_ SONDE_GUARDED_BY(mu_) = 0;
  bool body_ended_ SONDE_GUARDED_BY(mu_) = false;
  std::optional<Error> body_error_ SONDE_GUARDED_BY(mu_);
  std::optional<Error> aborted_ SONDE_GUARDED_BY(mu_);
  std::optional<AnswerHead> head_ SONDE_GUARDED_BY(mu_);
  bool head_taken_ SONDE_GUARDED_BY(mu_) = false;
  std::string answer_ SONDE_GUARDED_BY(mu_);
  size_t answer_taken_ SONDE_GUARDED_BY(mu_) = 0;
  uint64_t answer_total_ SONDE_GUARDED_BY(mu_) = 0;
  bool answer_ended_ SONDE_GUARDED_BY(mu_) = false;
  bool broken_ SONDE_GUARDED_BY(mu_) = false;

  friend class HandlerWriter;
};

// The reason phrase of a status; "Unknown" for one that has none.
const char* reason_phrase(int status);

}  // namespace sonde::net

// HTTP/1.1 on one connection (RFC 9112): requests are served one after the other, in order; what a client
// pipelines waits in a bounded buffer.
#include <ctime>

#include "net/ascii.h"
#include "net/http1_parser.h"
#include "net/session.h"

namespace sonde::net {
namespace {

constexpr size_t kInputMax = 64 << 10;
constexpr Duration kDeadlineSlack = Duration::seconds(5);  // for the handler's own time-out answer

class Http1Session final : public Session {
 public:
  explicit Http1Session(SessionHost host)
      : host_(std::move(host)),
        pace_(host_.core->limits.body_bytes_per_second_min, host_.core->limits.body_grace),
        waiting_since_(host_.core->clock.monotonic()),
        last_tick_(waiting_since_) {}

  ~Http1Session() override { abort({ErrorCode::kCancelled, "connection closed", {}, 0, 0}); }

  void on_data(std::string_view bytes) override {
    if (done_) return;
    if (!exchange_ && input_.empty()) waiting_since_ = host_.core->clock.monotonic();
    if (exchange_) pace_.add(bytes.size());
    input_ += bytes;
    process();
  }

  void on_end() override {
    ended_ = true;
    if (!exchange_) {
      if (!input_.empty()) host_.core->bad_requests++;
      done_ = true;
    } else if (!parser_->complete()) {
      body_failed({ErrorCode::kCancelled, "request body: the peer closed the connection", {}, 0, 0}, 400);
    } else {
      exchange_->cancel();  // as most clients mean it; one that only closed its sending side gets its answer
    }
  }

  void on_wake() override {
    if (exchange_) exchange_->take_consumed();
    process();
  }

  void on_tick(MonotonicTime now) override {
    Duration elapsed = now - last_tick_;
    last_tick_ = now;
    const ServerLimits& limits = host_.core->limits;
    if (done_) return;
    if (!exchange_) {
      bool in_head = !input_.empty() || !proven_;
      if (now - waiting_since_ <= (in_head ? limits.header_timeout : limits.idle_timeout)) return;
      if (in_head) host_.core->timed_out++;
      if (!input_.empty()) {
        answer_and_close(408, "request header: not complete in time\n");
      } else {
        done_ = true;
      }
      return;
    }
    bool waits_for_body = !parser_->complete() && exchange_->body_waiting() < kBodyWindow;
    if (waits_for_body && !body_error_ && !pace_.wait(elapsed)) {
      host_.core->timed_out++;
      body_failed({ErrorCode::kTimeout, "request body: too slow", {}, 0, 0}, 408);
    }
    if (now > exchange_->deadline() + std::min(kDeadlineSlack, limits.request_timeout)) {
      host_.core->timed_out++;
      cut({ErrorCode::kTimeout, "request timed out", {}, 0, 0});
    }
  }

  bool wants_data() const override { return !ended_ && (done_ || input_.size() < kInputMax); }

  void produce(std::string& out, size_t bytes_max) override {
    out += output_;
    output_.clear();
    while (exchange_ && out.size() < bytes_max) {
      if (exchange_->broken()) return cut({ErrorCode::kCancelled, "response broken off", {}, 0, 0});
      if (!head_sent_) {
        const Exchange::AnswerHead* head = exchange_->take_head();
        if (head == nullptr) return;
        write_head(*head, out);
        head_sent_ = true;
      }
      size_t room = out.size() < bytes_max ? bytes_max - out.size() : 0;
      chunk_.clear();
      size_t n = exchange_->take_body(chunk_, room);
      if (n > 0 && chunked_answer_) {
        char size[24];
        snprintf(size, sizeof size, "%zx\r\n", n);
        out += size;
        out += chunk_;
        out += "\r\n";
      } else if (n > 0) {
        out += chunk_;
      }
      if (exchange_->drained()) {
        if (chunked_answer_) out += "0\r\n\r\n";
        end_exchange();
        process();
      } else if (n == 0) {
        return;
      }
    }
    out += output_;
    output_.clear();
  }

  bool done() const override { return done_ && !exchange_; }
  bool idle() const override { return !exchange_; }
  bool proven() const override { return proven_; }

  void drain() override {
    draining_ = true;
    if (!exchange_ && input_.empty()) done_ = true;
  }

  void abort(const Error& error) override {
    done_ = true;
    input_.clear();
    if (!exchange_) return;
    exchange_->abort(error);
    exchange_->finished();
    exchange_.reset();
  }

 private:
  void process() {
    while (!done_ && (exchange_ || !input_.empty())) {
      if (!exchange_ && !begin_request()) return;
      if (!feed_body()) return;
      if (exchange_) return;  // one at a time
    }
  }

  // False when the head is not complete yet, or bad.
  bool begin_request() {
    // Empty lines before a request are to be skipped (RFC 9112, section 2.2).
    while (input_.starts_with("\r\n")) input_.erase(0, 2);
    if (input_.empty()) return false;
    const ServerLimits& limits = host_.core->limits;
    if (!parser_) {
      parser_ = std::make_unique<Http1Parser>(
          Http1Parser::kRequest,
          Http1Limits{limits.request_line_bytes_max, limits.header_bytes_max, limits.header_count_max});
    }
    std::string_view in = input_;
    Result<bool> got = parser_->read_head(in);
    if (!got) {
      host_.core->bad_requests++;
      int status = got.error().code == ErrorCode::kLimit ? parser_->limit_status() : 400;
      answer_and_close(status, got.error().message + "\n");
      return false;
    }
    if (!*got) return false;
    input_.erase(0, input_.size() - in.size());
    proven_ = true;

    Http1Head& head = parser_->head();
    size_t hosts = 0;
    for (const auto& field : head.headers.fields())
      hosts += equals_ignoring_case(field.first, "Host") ? 1 : 0;
    if (hosts > 1 || (hosts == 0 && head.minor_version > 0)) {
      host_.core->bad_requests++;
      answer_and_close(400, "request: needs exactly one Host\n");
      return false;
    }
    keep_alive_ = head.keep_alive;
    minor_version_ = head.minor_version;
    bool expects = equals_ignoring_case(head.headers.get("Expect"), "100-continue");
    pace_ = Pace(limits.body_bytes_per_second_min, limits.body_grace);
    pace_.add(input_.size());
    body_error_ = false;
    head_sent_ = false;
    last_tick_ = host_.core->clock.monotonic();
    exchange_ = Exchange::start(host_, {std::move(head.method), std::move(head.target),
                                        std::move(head.headers), head.content_length});
    if (expects && !parser_->complete() && input_.empty() && exchange_->take_head() == nullptr) {
      output_ += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    return true;
  }

  bool feed_body() {
    while (!parser_->complete() && !input_.empty() && !body_error_) {
      size_t waiting = exchange_->body_waiting();
      if (waiting >= kBodyWindow) break;
      std::string_view in = input_;
      body_.clear();
      Result<> ok = parser_->read_body(in, body_, kBodyWindow - waiting);
      size_t used = input_.size() - in.size();
      input_.erase(0, used);
      exchange_->push_body(body_);
      if (!ok || (used == 0 && input_.size() >= kInputMax)) {
        host_.core->bad_requests++;
        body_failed({ErrorCode::kInvalid, ok ? "malformed body" : ok.error().message, {}, 0, 0}, 400);
        return true;
      }
      if (used == 0) break;
    }
    // A request waits for its body, up to the window, before it takes a handler's thread: slow senders must
    // not occupy them.
    if (parser_->complete()) {
      exchange_->end_body();
      exchange_->dispatch();
    } else if (exchange_->body_waiting() >= kBodyWindow) {
      exchange_->dispatch();
    }
    return true;
  }

  void body_failed(Error error, int status) {
    body_error_ = true;
    keep_alive_ = false;
    exchange_->fail_body(std::move(error), status);
  }

  void write_head(const Exchange::AnswerHead& head, std::string& out) {
    if (!parser_->complete() || draining_ || ended_) keep_alive_ = false;
    if (equals_ignoring_case(head.headers.get("Connection"), "close")) keep_alive_ = false;
    chunked_answer_ = !head.bodiless && !head.length && minor_version_ > 0;
    if (!head.bodiless && !head.length && minor_version_ == 0) keep_alive_ = false;
    out += "HTTP/1.1 " + std::to_string(head.status) + " " + reason_phrase(head.status) + "\r\n";
    for (const auto& [name, value] : head.headers.fields()) {
      if (equals_ignoring_case(name, "Connection")) continue;
      out += name;
      out += ": ";
      out += value;
      out += "\r\n";
    }
    if (!head.headers.has("Date")) out += "Date: " + http_date(host_.core->clock.now()) + "\r\n";
    if (head.length) out += "Content-Length: " + std::to_string(*head.length) + "\r\n";
    if (chunked_answer_) out += "Transfer-Encoding: chunked\r\n";
    if (!keep_alive_) {
      out += "Connection: close\r\n";
    } else if (minor_version_ == 0) {
      out += "Connection: keep-alive\r\n";
    }
    out += "\r\n";
  }

  void end_exchange() {
    exchange_->finished();
    bool whole = parser_->complete();
    exchange_.reset();
    parser_.reset();
    waiting_since_ = host_.core->clock.monotonic();
    if (!keep_alive_ || !whole || draining_ || ended_) {
      done_ = true;
      input_.clear();
    }
  }

  // An answer of the protocol itself, before there is a request.
  void answer_and_close(int status, const std::string& body) {
    output_ += "HTTP/1.1 " + std::to_string(status) + " " + reason_phrase(status) + "\r\n";
    for (const auto& [name, value] : host_.core->response_headers.fields()) {
      output_ += name + ": " + value + "\r\n";
    }
    output_ += "Date: " + http_date(host_.core->clock.now()) +
               "\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
               "Content-Length: " +
               std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
    done_ = true;
    input_.clear();
  }

  void cut(const Error& error) { abort(error); }

  SessionHost host_;
  std::string input_;   // not parsed yet
  std::string output_;  // of the protocol itself: before any answer
  std::string body_;
  std::string chunk_;
  std::unique_ptr<Http1Parser> parser_;
  std::shared_ptr<Exchange> exchange_;
  Pace pace_;
  MonotonicTime waiting_since_;
  MonotonicTime last_tick_;
  int minor_version_ = 1;
  bool keep_alive_ = true;
  bool chunked_answer_ = false;
  bool head_sent_ = false;
  bool body_error_ = false;
  bool proven_ = false;
  bool draining_ = false;
  bool ended_ = false;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<Session> make_http1_session(SessionHost host) {
  return std::make_unique<Http1Session>(std::move(host));
}

std::string http_date(EventTime t) {
  time_t seconds = static_cast<time_t>(t.ns / 1'000'000'000);
  tm parts{};
  gmtime_r(&seconds, &parts);
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  char out[64];
  snprintf(out, sizeof out, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday], parts.tm_mday,
           kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return out;
}

}  // namespace sonde::net

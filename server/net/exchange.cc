#include "net/exchange.h"

#include <array>
#include <cstring>

#include "base/assert.h"
#include "net/ascii.h"

namespace sonde::net {
namespace {

// Waits are cut into slices, so that a missed notification costs a slice and not a thread.
constexpr int64_t kWaitSliceNs = 1'000'000'000;

bool compressible_type(std::string_view type) {
  type = trim(type.substr(0, type.find(';')));
  if (type == "text/event-stream") return false;
  return type.starts_with("text/") || type == "application/json" || type == "application/javascript" ||
         type == "application/openmetrics-text" || type == "application/manifest+json" ||
         type == "image/svg+xml";
}

// Decodes and bounds what the exchange holds, on the handler's thread.
class DecodedBody final : public BodyReader {
 public:
  DecodedBody(std::shared_ptr<Exchange> exchange, Coding coding, uint64_t bytes_max)
      : exchange_(std::move(exchange)), decoder_(make_decoder(coding)), bytes_left_(bytes_max) {
    bytes_max_ = bytes_max;
  }

  Result<size_t> read(std::span<std::byte> out) override {
    if (out.empty()) return 0;
    if (error_) return fail(*error_);
    Result<size_t> n = decoder_ ? read_decoded(out) : read_plain(out);
    if (!n) error_ = n.error();
    return n;
  }

 private:
  Result<size_t> read_plain(std::span<std::byte> out) {
    buffer_.clear();
    SONDE_TRY(size_t n, exchange_->read_raw(buffer_, out.size()));
    std::memcpy(out.data(), buffer_.data(), n);
    return counted(n);
  }

  Result<size_t> read_decoded(std::span<std::byte> out) {
    for (;;) {
      std::string_view in = std::string_view(buffer_).substr(used_);
      SONDE_TRY(Decoder::Step step, decoder_->step(in, out));
      used_ += step.consumed;
      if (step.produced > 0) return counted(step.produced);
      if (step.consumed > 0) continue;
      buffer_.clear();
      used_ = 0;
      SONDE_TRY(size_t n, exchange_->read_raw(buffer_, kBodyWindow));
      if (n > 0) continue;
      if (!decoder_->complete()) return fail(ErrorCode::kInvalid, "compressed body: ends too early");
      return 0;
    }
  }

  Result<size_t> counted(size_t n) {
    if (n > bytes_left_) {
      return fail(ErrorCode::kLimit, "request body: larger than " + std::to_string(bytes_max_) + " bytes");
    }
    bytes_left_ -= n;
    return n;
  }

  std::shared_ptr<Exchange> exchange_;
  std::unique_ptr<Decoder> decoder_;
  uint64_t bytes_left_;
  uint64_t bytes_max_;
  std::string buffer_;
  size_t used_ = 0;
  std::optional<Error> error_;
};

}  // namespace

// What a handler holds. When its last reference goes, the answer is finished.
class HandlerWriter final : public ResponseWriter {
 public:
  explicit HandlerWriter(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  ~HandlerWriter() override { exchange_->finish(); }
  void status(int code) override { exchange_->status(code); }
  void header(std::string name, std::string value) override {
    exchange_->header(std::move(name), std::move(value));
  }
  Result<> write(std::string_view chunk) override { return exchange_->write(chunk); }
  void trailer(std::string name, std::string value) override {
    exchange_->trailer(std::move(name), std::move(value));
  }
  void finish() override { exchange_->finish(); }

 private:
  std::shared_ptr<Exchange> exchange_;
};

Exchange::Exchange(const SessionHost& host, RequestHead head)
    : core_(host.core), loop_(host.loop), wake_(host.wake), begun_(core_->clock.monotonic()) {
  deadline_ = begun_ + core_->limits.request_timeout;
  cancel_ = Cancellation::create(&core_->clock, deadline_);
  method_ = head.method;
  request_.method = std::move(head.method);
  request_.raw_target = std::move(head.target);
  request_.headers = std::move(head.headers);
  request_.peer = host.peer;
  request_.tls = host.tls;
  request_.cancel = cancel_;
  accepts_gzip_ = list_has_token(request_.headers.get("Accept-Encoding"), "gzip");
}

std::shared_ptr<Exchange> Exchange::start(const SessionHost& host, RequestHead head) {
  std::optional<uint64_t> length = head.content_length;
  auto exchange = std::make_shared<Exchange>(host, std::move(head));
  Exchange& x = *exchange;
  Request& r = x.request_;
  auto bad = [&](int status, std::string_view text, const Headers& headers = {}) {
    x.core_->bad_requests += status == 400 ? 1 : 0;
    x.refuse(status, text, headers);
    return exchange;
  };

  // "http://host/path" is what proxies are sent; its host is as good as a Host field.
  std::string_view target = r.raw_target;
  if (size_t scheme = target.find("://"); scheme != std::string_view::npos && !target.starts_with('/')) {
    size_t slash = target.find('/', scheme + 3);
    std::string_view authority = target.substr(scheme + 3, slash - scheme - 3);
    r.headers.set("Host", std::string(authority));
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (!target.starts_with('/')) return bad(400, "bad request target\n");
  size_t question = target.find('?');
  std::string_view path = target.substr(0, question);
  r.path = percent_decode(path);
  if (r.path.find('\0') != std::string::npos) return bad(400, "bad request target\n");

  Router::Match match = x.core_->router.match(r.method, path);
  if (match.route != nullptr) {
    x.route_ = match.route;
    x.route_name_ = match.route->pattern;
    r.route = match.route->pattern;
    r.path_params = std::move(match.path_params);
  }
  bool reserved = match.route != nullptr && match.route->options.reserved;
  if (host.reserved_only && !reserved) {
    Headers headers;
    headers.add("Retry-After", "1");
    headers.add("Connection", "close");
    return bad(503, "too many connections\n", headers);
  }
  if (match.route == nullptr && match.method_mismatch) {
    Headers headers;
    headers.add("Allow", match.allow);
    return bad(405, "method not allowed\n", headers);
  }
  if (match.route == nullptr) return bad(404, "404 page not found\n");

  if (question != std::string_view::npos) {
    auto query = Params::parse(target.substr(question + 1));
    if (!query) return bad(400, query.error().message + "\n");
    r.query = *std::move(query);
  }
  std::optional<Coding> coding = coding_of(r.headers.get("Content-Encoding"));
  if (!coding) {
    Headers headers;
    headers.add("Accept-Encoding", "gzip, deflate, zstd");
    return bad(415, "unsupported Content-Encoding\n", headers);
  }
  x.coding_ = *coding;
  bool grpc = r.headers.get("Content-Type").starts_with("application/grpc");  // says it in its own words
  if (length && *length > match.route->options.body_bytes_max && !grpc) {
    return bad(
        413, "request body: larger than " + std::to_string(match.route->options.body_bytes_max) + " bytes\n");
  }
  return exchange;
}

void Exchange::push_body(std::string_view bytes) {
  if (bytes.empty()) return;
  {
    MutexLock lock(mu_);
    body_total_ += bytes.size();
    if (aborted_ || answer_ended_) {  // nobody will read it
      consumed_ += bytes.size();
      return;
    }
    if (body_taken_ > 0) {
      body_.erase(0, body_taken_);
      body_taken_ = 0;
    }
    body_ += bytes;
  }
  body_changed_.notify_all();
}

void Exchange::end_body() {
  {
    MutexLock lock(mu_);
    body_ended_ = true;
  }
  body_changed_.notify_all();
}

void Exchange::fail_body(Error error, int status) {
  std::string message = error.message + "\n";
  {
    MutexLock lock(mu_);
    body_error_ = std::move(error);
  }
  body_changed_.notify_all();
  if (!dispatched_ && !begun_answer_) refuse(status, message);
}

size_t Exchange::body_waiting() const {
  MutexLock lock(mu_);
  return body_.size() - body_taken_;
}

size_t Exchange::take_consumed() {
  MutexLock lock(mu_);
  if (answer_ended_ || aborted_) {  // what is left unread counts as read
    consumed_ += body_.size() - body_taken_;
    body_taken_ = body_.size();
  }
  return std::exchange(consumed_, 0);
}

void Exchange::dispatch() {
  if (dispatched_ || begun_answer_) return;
  dispatched_ = true;
  Executor& executor = route_->options.reserved ? core_->reserved : core_->handlers;
  if (executor.submit([self = shared_from_this()] { self->run(); })) return;
  Headers headers;
  headers.add("Retry-After", "1");
  refuse(503, "server is busy\n", headers);
}

void Exchange::refuse(int status, std::string_view body, const Headers& headers) {
  status_ = status;
  headers_ = {};
  for (const auto& [name, value] : headers.fields()) headers_.add(name, value);
  headers_.set("Content-Type", "text/plain; charset=utf-8");
  headers_.set("X-Content-Type-Options", "nosniff");
  declared_ = body.size();
  (void)write(body);
  finish();
}

void Exchange::run() {
  auto self = shared_from_this();
  {
    MutexLock lock(mu_);
    if (aborted_) return;
  }
  Request request = std::move(request_);
  request.body = std::make_unique<DecodedBody>(self, coding_, route_->options.body_bytes_max);
  auto writer = std::make_shared<HandlerWriter>(self);
  // Handlers return errors as values; what throws here is a third party's code or memory running out.
  try {
    if (core_->authenticate) {
      if (std::optional<Refusal> refusal = core_->authenticate(request, route_->role)) {
        refuse(refusal->status, refusal->body, refusal->headers);
        return;
      }
    }
    route_->handler(request, writer);
  } catch (...) {
    if (!head_committed_) {
      held_.clear();
      encoder_.reset();
      begun_answer_ = false;
      trailers_ = {};
      refuse(500, "internal error\n");
    } else {
      MutexLock lock(mu_);
      broken_ = !answer_ended_;
    }
    notify();
  }
}

void Exchange::notify() {
  if (wake_pending_.exchange(true)) return;
  loop_->post([self = shared_from_this()] {
    self->wake_pending_ = false;
    self->wake_();
  });
}

Result<size_t> Exchange::read_raw(std::string& out, size_t bytes_max) {
  size_t n = 0;
  {
    MutexLock lock(mu_);
    for (;;) {
      if (aborted_) return fail(*aborted_);
      n = std::min(bytes_max, body_.size() - body_taken_);
      if (n > 0) break;
      if (body_error_) return fail(*body_error_);
      if (body_ended_) return 0;
      if (loop_->on_this_thread()) {
        return fail(ErrorCode::kUnavailable, "request body: has not arrived, and the I/O thread cannot wait");
      }
      SONDE_CHECK(cancel_.check());
      body_changed_.wait_for_ns(mu_, kWaitSliceNs);
    }
    out.append(body_, body_taken_, n);
    body_taken_ += n;
    consumed_ += n;
  }
  notify();
  return n;
}

void Exchange::status(int code) {
  if (!begun_answer_) status_ = code;
}

void Exchange::header(std::string name, std::string value) {
  if (begun_answer_) return;
  // A field that carries a line break would end the header where the sender of some input wants it to end.
  for (char c : value) {
    if (c == '\r' || c == '\n' || c == '\0') return;
  }
  if (equals_ignoring_case(name, "Content-Length")) {
    declared_ = std::strtoull(value.c_str(), nullptr, 10);
    return;
  }
  if (equals_ignoring_case(name, "Transfer-Encoding")) return;
  headers_.add(std::move(name), std::move(value));
}

void Exchange::trailer(std::string name, std::string value) {
  for (char& c : value) {
    if (c == '\r' || c == '\n' || c == '\0') c = ' ';
  }
  MutexLock lock(mu_);
  if (!answer_ended_) trailers_.add(lower_case(name), std::move(value));
}

// Decides what the answer will look like, before its first byte. False when it has ended.
bool Exchange::begin_answer() {
  {
    MutexLock lock(mu_);
    if (answer_ended_) return false;
  }
  if (begun_answer_) return true;
  begun_answer_ = true;
  if (status_ < 200 || status_ > 599) status_ = 500;
  bodiless_ = method_ == "HEAD" || status_ == 204 || status_ == 304;
  bool typed = compressible_type(headers_.get("Content-Type")) && !headers_.has("Content-Encoding");
  if (typed && !bodiless_) headers_.add("Vary", "Accept-Encoding");
  compressible_ = typed && accepts_gzip_ && !bodiless_ && (!declared_ || *declared_ >= kCompressFrom);
  for (const auto& [name, value] : core_->response_headers.fields()) {
    if (!headers_.has(name)) headers_.add(name, value);
  }
  return true;
}

void Exchange::commit_head(std::optional<uint64_t> length) {
  head_committed_ = true;
  MutexLock lock(mu_);
  head_.emplace(AnswerHead{status_, std::move(headers_), length, bodiless_});
}

Result<> Exchange::append(std::string_view bytes) {
  if (!bytes.empty()) {
    MutexLock lock(mu_);
    for (;;) {
      if (aborted_) return fail(*aborted_);
      if (answer_.size() - answer_taken_ < kAnswerWindow || loop_->on_this_thread()) break;
      if (cancel_.expired()) return fail(ErrorCode::kTimeout, "response: the peer does not read it in time");
      answer_changed_.wait_for_ns(mu_, kWaitSliceNs);
    }
    if (answer_taken_ > 0) {
      answer_.erase(0, answer_taken_);
      answer_taken_ = 0;
    }
    answer_ += bytes;
    answer_total_ += bytes.size();
  }
  notify();
  return {};
}

Result<> Exchange::write(std::string_view chunk) {
  if (!begin_answer()) return fail(ErrorCode::kCancelled, "response: written to after its end");
  body_written_ += chunk.size();
  {
    MutexLock lock(mu_);
    if (aborted_) return fail(*aborted_);
  }
  if (bodiless_) return {};
  if (compressible_) {
    if (!encoder_) {
      held_ += chunk;
      if (held_.size() < kCompressFrom) return {};
      encoder_ = std::make_unique<GzipEncoder>();
      headers_.add("Content-Encoding", "gzip");
      declared_.reset();
      commit_head(std::nullopt);
      std::string first = std::exchange(held_, {});
      chunk = {};
      std::string packed;
      encoder_->encode(first, false, packed);
      return append(packed);
    }
    std::string packed;
    encoder_->encode(chunk, false, packed);
    return append(packed);
  }
  if (!head_committed_) commit_head(declared_);
  // Large chunks go in pieces, or one write could hold any amount of memory.
  while (!chunk.empty()) {
    std::string_view piece = chunk.substr(0, kAnswerWindow);
    chunk.remove_prefix(piece.size());
    SONDE_CHECK(append(piece));
  }
  return {};
}

void Exchange::finish() {
  if (!begin_answer()) return;
  std::string last;
  if (encoder_) {
    encoder_->encode({}, true, last);
    encoder_.reset();
  } else if (!held_.empty()) {
    last = std::exchange(held_, {});
  }
  if (!head_committed_) {
    if (bodiless_) {
      bool with_length = method_ == "HEAD" && status_ != 204 && status_ != 304;
      commit_head(with_length ? std::optional(declared_.value_or(body_written_)) : std::nullopt);
    } else {
      commit_head(last.size());
    }
  }
  {
    MutexLock lock(mu_);
    answer_ += last;
    answer_total_ += last.size();
    answer_ended_ = true;
    if (!bodiless_ && !head_taken_) {
      head_->length = answer_total_;
    } else if (!bodiless_ && head_->length && *head_->length != answer_total_) {
      broken_ = true;  // the handler promised another length
    }
  }
  notify();
}

const Exchange::AnswerHead* Exchange::take_head() {
  MutexLock lock(mu_);
  if (!head_) return nullptr;
  head_taken_ = true;
  return &*head_;  // not changed once taken
}

size_t Exchange::take_body(std::string& out, size_t bytes_max) {
  size_t old_size = out.size();
  {
    MutexLock lock(mu_);
    bytes_max = std::min(bytes_max, answer_.size() - answer_taken_);
  }
  out.resize(old_size + bytes_max);
  return take_body(out.data() + old_size, bytes_max);
}

size_t Exchange::take_body(char* out, size_t bytes_max) {
  size_t n = 0;
  {
    MutexLock lock(mu_);
    n = std::min(bytes_max, answer_.size() - answer_taken_);
    std::memcpy(out, answer_.data() + answer_taken_, n);
    answer_taken_ += n;
    if (answer_taken_ == answer_.size()) {
      answer_.clear();
      answer_taken_ = 0;
    }
  }
  if (n > 0) answer_changed_.notify_all();
  return n;
}

bool Exchange::body_ready() const {
  MutexLock lock(mu_);
  return answer_.size() > answer_taken_ || answer_ended_;
}

bool Exchange::drained() const {
  MutexLock lock(mu_);
  return answer_ended_ && answer_.size() == answer_taken_ && !broken_;
}

bool Exchange::broken() const {
  MutexLock lock(mu_);
  return broken_;
}

void Exchange::abort(Error error) {
  cancel_.cancel();
  {
    MutexLock lock(mu_);
    if (!aborted_) aborted_ = std::move(error);
  }
  body_changed_.notify_all();
  answer_changed_.notify_all();
}

void Exchange::finished() {
  if (reported_) return;
  reported_ = true;
  if (!core_->observe) return;
  RequestRecord record;
  record.method = method_;
  record.route = route_name_;
  record.duration = core_->clock.monotonic() - begun_;
  {
    MutexLock lock(mu_);
    record.status = head_ ? head_->status : 499;  // as nginx has it: the client went away first
    record.request_bytes = body_total_;
    record.response_bytes = answer_total_;
  }
  core_->observe(record);
}

const char* reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

}  // namespace sonde::net

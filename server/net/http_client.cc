#include "net/http_client.h"

#include <fcntl.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <future>
#include <list>
#include <map>
#include <set>
#include <thread>

#include "base/mutex.h"
#include "net/ascii.h"
#include "net/base64.h"
#include "net/content_coding.h"
#include "net/http1_parser.h"
#include "net/io_thread.h"
#include "net/tls.h"
#include "net/url.h"

namespace sonde::net {
namespace {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr Http1Limits kResponseLimits{8 << 10, 64 << 10, 200};
constexpr size_t kInputMax = 128 << 10;
constexpr std::chrono::seconds kNameTtl{5};

bool valid_field(std::string_view name, std::string_view value) {
  for (char c : name) {
    if (static_cast<unsigned char>(c) <= ' ' || c == ':' || c == 0x7f) return false;
  }
  for (char c : value) {
    if (c == '\r' || c == '\n' || c == '\0') return false;
  }
  return !name.empty();
}

// An open connection, in use or waiting for use.
struct Link {
  explicit Link(asio::io_context& context) : socket(context) {}
  tcp::socket socket;
  std::unique_ptr<TlsChannel> tls;
  std::string key;
  MonotonicTime idle_since;
};

using Addresses = std::vector<tcp::endpoint>;

// Looks names up on threads of its own, because getaddrinfo cannot be cancelled: a lookup that hangs keeps
// its thread and nothing else. Threads: any.
class NameLookup : public std::enable_shared_from_this<NameLookup> {
 public:
  using Done = std::function<void(Result<Addresses>)>;
  explicit NameLookup(size_t threads_max) : threads_max_(threads_max) {}

  void find(const std::string& host, Done done) {
    std::optional<Addresses> known;
    bool full = false;
    {
      MutexLock lock(mu_);
      if (auto it = known_.find(host); it != known_.end() && now() - it->second.second < kNameTtl) {
        known = it->second.first;
      } else if (auto w = waiting_.find(host); w != waiting_.end()) {
        w->second.push_back(std::move(done));
        return;
      } else if (waiting_.size() >= threads_max_) {
        full = true;
      } else {
        waiting_[host].push_back(std::move(done));
      }
    }
    if (known) return done(*std::move(known));
    if (full) return done(fail(ErrorCode::kUnavailable, "name lookup: too many are under way"));
    try {
      std::thread([self = shared_from_this(), host] { self->run(host); }).detach();
    } catch (const std::system_error&) {
      complete(host, fail(ErrorCode::kUnavailable, "name lookup: no thread"));
    }
  }

 private:
  void run(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    int rc = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (rc != 0) {
      return complete(host, fail(ErrorCode::kUnavailable, "lookup of " + host + ": " + gai_strerror(rc)));
    }
    Addresses out;
    for (addrinfo* a = found; a != nullptr && out.size() < 16; a = a->ai_next) {
      tcp::endpoint e;
      if (a->ai_addrlen > e.capacity()) continue;
      memcpy(e.data(), a->ai_addr, a->ai_addrlen);
      e.resize(a->ai_addrlen);
      out.push_back(e);
    }
    freeaddrinfo(found);
    complete(host, std::move(out));
  }

  void complete(const std::string& host, const Result<Addresses>& result) {
    std::vector<Done> all;
    {
      MutexLock lock(mu_);
      all = std::move(waiting_[host]);
      waiting_.erase(host);
      if (known_.size() > 1000) known_.clear();
      if (result) known_[host] = {*result, now()};
    }
    for (const Done& done : all) done(result);
  }

  // A lookup may outlast the client and whatever clock it was given.
  using Time = std::chrono::steady_clock::time_point;
  static Time now() { return std::chrono::steady_clock::now(); }

  size_t threads_max_;
  Mutex mu_;
  std::map<std::string, std::vector<Done>> waiting_ SONDE_GUARDED_BY(mu_);
  std::map<std::string, std::pair<Addresses, Time>> known_ SONDE_GUARDED_BY(mu_);
};

class ClientImpl;

// One fetch, through its redirects. On the client's thread.
class Fetch : public std::enable_shared_from_this<Fetch> {
 public:
  using Done = std::function<void(Result<ClientResponse>)>;
  Fetch(ClientImpl& client, ClientRequest request, Done done);

  void start();
  void cancel(Error error) { end(fail(std::move(error))); }

 private:
  void attempt(bool fresh);
  void look_up();
  void connect(size_t index);
  void begin_tls();
  void send_request();
  void write();
  void read();
  void on_bytes(std::string_view bytes);
  void on_end();
  void consume();
  Result<> take_body(std::string_view raw);
  void on_response();
  void broke(Error error);
  void end(Result<ClientResponse> result);
  std::string context() const {
    return method_ + " " + (url_.https ? "https://" : "http://") + url_.authority();
  }
  Error error(ErrorCode code, const std::string& what) const {
    return {code, context() + ": " + what, {}, 0, 0};
  }

  ClientImpl& client_;
  ClientRequest request_;
  Done done_;
  Url url_;
  std::string method_;
  std::string body_;
  MonotonicTime begun_;
  asio::steady_timer timer_;
  asio::steady_timer connect_timer_;
  Addresses addresses_;
  std::unique_ptr<Link> link_;
  bool reused_ = false;
  bool got_bytes_ = false;
  bool ended_ = false;
  int redirects_ = 0;
  int interim_ = 0;
  uint64_t generation_ = 0;  // of the connection: what an earlier one completes is not for the next
  std::string output_;
  size_t written_ = 0;
  bool writing_ = false;
  std::string input_;
  std::string plain_;
  std::string raw_;
  std::unique_ptr<Http1Parser> parser_;
  bool head_done_ = false;
  std::unique_ptr<Decoder> decoder_;
  ClientResponse response_;
  std::string phase_ = "name lookup";
};

class ClientImpl final : public HttpClient {
 public:
  ClientImpl(Clock& clock, HttpClientOptions options)
      : clock_(clock),
        options_(options),
        io_(std::make_shared<IoThread>()),
        lookup_(std::make_shared<NameLookup>(options.lookups_max)),
        sweep_(std::make_unique<asio::steady_timer>(io_->context)) {
    schedule_sweep();
    io_->start("net-client");
  }

  ~ClientImpl() override {
    {
      MutexLock lock(mu_);
      stopping_ = true;
    }
    std::promise<void> emptied;
    io_->post([&] {
      auto all = std::exchange(fetches_, {});
      for (const auto& f : all) f->cancel({ErrorCode::kCancelled, "client stops", {}, 0, 0});
      idle_.clear();
      sweep_->cancel();
      emptied.set_value();
    });
    emptied.get_future().wait();
    io_->stop();
    sweep_.reset();
  }

  void fetch(ClientRequest request, std::function<void(Result<ClientResponse>)> done) override {
    {
      MutexLock lock(mu_);
      if (!stopping_ && pending_ < options_.fetches_max) {
        pending_++;
        io_->post([this, request = std::move(request), done = std::move(done)]() mutable {
          auto f = std::make_shared<Fetch>(*this, std::move(request), std::move(done));
          fetches_.insert(f);
          f->start();
        });
        return;
      }
    }
    done(fail(ErrorCode::kUnavailable, "HTTP client: too many requests are under way"));
  }

 private:
  friend class Fetch;

  std::unique_ptr<Link> take_idle(const std::string& key) {
    for (auto it = idle_.begin(); it != idle_.end();) {
      if ((*it)->key != key) {
        ++it;
        continue;
      }
      std::unique_ptr<Link> link = std::move(*it);
      it = idle_.erase(it);
      // A peer that closed meanwhile, or talks out of turn, has something to read.
      char byte = 0;
      error_code ec;
      link->socket.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, ec);
      if (ec == asio::error::would_block) return link;
    }
    return nullptr;
  }

  void give_back(std::unique_ptr<Link> link) {
    link->idle_since = clock_.monotonic();
    auto same = std::count_if(idle_.begin(), idle_.end(), [&](const auto& l) { return l->key == link->key; });
    if (static_cast<size_t>(same) >= options_.idle_per_host_max) return;
    if (idle_.size() >= options_.idle_max) idle_.pop_back();
    idle_.push_front(std::move(link));
  }

  void schedule_sweep() {
    sweep_->expires_after(std::chrono::seconds(1));
    sweep_->async_wait([this](error_code ec) {
      if (ec) return;
      MonotonicTime now = clock_.monotonic();
      idle_.remove_if([&](const auto& l) { return now - l->idle_since > options_.idle_timeout; });
      schedule_sweep();
    });
  }

  Result<TlsContext> tls_context(const TlsClientOptions& o) {
    std::string key = o.ca_file + "\n" + o.cert_file + "\n" + o.key_file +
                      (o.insecure_skip_verify ? "\ni" : "\n") +
                      files_stamp({o.ca_file, o.cert_file, o.key_file});
    if (auto it = contexts_.find(key); it != contexts_.end()) return it->second;
    SONDE_TRY(TlsContext context, make_client_context(o));
    if (contexts_.size() >= 64) contexts_.clear();
    contexts_[key] = context;
    return context;
  }

  Clock& clock_;
  HttpClientOptions options_;
  std::shared_ptr<IoThread> io_;
  std::shared_ptr<NameLookup> lookup_;
  std::unique_ptr<asio::steady_timer> sweep_;
  Mutex mu_;
  bool stopping_ SONDE_GUARDED_BY(mu_) = false;
  size_t pending_ SONDE_GUARDED_BY(mu_) = 0;
  // On the client's thread.
  std::set<std::shared_ptr<Fetch>> fetches_;
  std::list<std::unique_ptr<Link>> idle_;  // newest first
  std::map<std::string, TlsContext> contexts_;
};

Fetch::Fetch(ClientImpl& client, ClientRequest request, Done done)
    : client_(client),
      request_(std::move(request)),
      done_(std::move(done)),
      begun_(client.clock_.monotonic()),
      timer_(client.io_->context),
      connect_timer_(client.io_->context) {}

void Fetch::start() {
  auto url = parse_url(request_.url);
  if (!url) return end(fail(url.error()));
  url_ = *std::move(url);
  method_ = request_.method;
  body_ = std::move(request_.body);
  for (char c : method_) {
    if (c < 'A' || c > 'Z') return end(fail(ErrorCode::kInvalid, "HTTP method: must be upper-case letters"));
  }
  for (const auto& [name, value] : request_.headers.fields()) {
    if (!valid_field(name, value))
      return end(fail(ErrorCode::kInvalid, "header field '" + name + "': bad character"));
  }
  timer_.expires_after(std::chrono::nanoseconds(std::max<int64_t>(request_.timeout.ns, 0)));
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (ec) return;
    self->end(
        fail(self->error(ErrorCode::kTimeout, "timed out in " + self->phase_ + " after " +
                                                  std::to_string(self->request_.timeout.ms()) + " ms")));
  });
  attempt(false);
}

void Fetch::attempt(bool fresh) {
  const TlsClientOptions& tls = request_.tls;
  std::string key = (url_.https ? "s" : "p") + url_.authority();
  if (url_.https) {
    key += "\n" + tls.ca_file + "\n" + tls.cert_file + "\n" + tls.key_file + "\n" + tls.server_name +
           (tls.insecure_skip_verify ? "\ni" : "") + files_stamp({tls.ca_file, tls.cert_file, tls.key_file});
  }
  generation_++;
  writing_ = false;
  response_ = {};
  input_.clear();
  output_.clear();
  written_ = 0;
  got_bytes_ = false;
  head_done_ = false;
  decoder_.reset();
  parser_ = std::make_unique<Http1Parser>(Http1Parser::kResponse, kResponseLimits);
  if (method_ == "HEAD") parser_->expect_no_body();
  link_ = fresh ? nullptr : client_.take_idle(key);
  reused_ = link_ != nullptr;
  if (reused_) return send_request();
  link_ = std::make_unique<Link>(client_.io_->context);
  link_->key = std::move(key);
  look_up();
}

void Fetch::look_up() {
  phase_ = "name lookup";
  error_code ec;
  asio::ip::address address = asio::ip::make_address(url_.host, ec);
  if (!ec) {
    addresses_ = {tcp::endpoint(address, url_.port)};
    return connect(0);
  }
  client_.lookup_->find(url_.host, [weak = weak_from_this(), io = client_.io_](Result<Addresses> found) {
    io->post([weak, found = std::move(found)] {
      auto self = weak.lock();
      if (!self || self->ended_) return;
      if (!found) return self->end(fail(self->error(found.error().code, found.error().message)));
      self->addresses_ = *found;
      for (tcp::endpoint& e : self->addresses_) e.port(self->url_.port);
      self->connect(0);
    });
  });
}

void Fetch::connect(size_t index) {
  phase_ = "connect";
  if (index >= addresses_.size()) return end(fail(error(ErrorCode::kUnavailable, "no address")));
  error_code ec;
  link_->socket.close(ec);
  // No address may use up the time that the following ones need.
  int64_t left = (begun_ + request_.timeout - client_.clock_.monotonic()).ns;
  connect_timer_.expires_after(
      std::chrono::nanoseconds(left / static_cast<int64_t>(addresses_.size() - index)));
  connect_timer_.async_wait([weak = weak_from_this(), index](error_code cancelled) {
    auto self = weak.lock();
    if (cancelled || !self || self->ended_ || index + 1 >= self->addresses_.size()) return;
    error_code ignored;
    self->link_->socket.close(ignored);
  });
  link_->socket.async_connect(addresses_[index], [self = shared_from_this(), index](error_code failed) {
    if (self->ended_) return;
    self->connect_timer_.cancel();
    if (failed && index + 1 < self->addresses_.size()) return self->connect(index + 1);
    if (failed) return self->end(fail(self->error(ErrorCode::kUnavailable, "connect: " + failed.message())));
    error_code ignored;
    ::fcntl(self->link_->socket.native_handle(), F_SETFD, FD_CLOEXEC);
    self->link_->socket.set_option(tcp::no_delay(true), ignored);
    if (self->url_.https) self->begin_tls();
    if (!self->ended_) self->send_request();
  });
}

void Fetch::begin_tls() {
  auto context = client_.tls_context(request_.tls);
  if (!context) return end(fail(error(context.error().code, context.error().message)));
  const std::string& name = request_.tls.server_name.empty() ? url_.host : request_.tls.server_name;
  link_->tls = std::make_unique<TlsChannel>(*context, name);
}

void Fetch::send_request() {
  phase_ = "sending the request";
  std::string head = method_ + " " + url_.target + " HTTP/1.1\r\n";
  bool has_host = request_.headers.has("Host");
  if (!has_host) head += "Host: " + url_.authority() + "\r\n";
  for (const auto& [name, value] : request_.headers.fields()) {
    if (equals_ignoring_case(name, "Content-Length") || equals_ignoring_case(name, "Transfer-Encoding") ||
        equals_ignoring_case(name, "Connection")) {
      continue;
    }
    head += name + ": " + value + "\r\n";
  }
  if (!request_.headers.has("Accept-Encoding")) head += "Accept-Encoding: gzip\r\n";
  if (!request_.headers.has("User-Agent")) head += "User-Agent: sonde\r\n";
  if (!url_.userinfo.empty() && !request_.headers.has("Authorization")) {
    head += "Authorization: Basic " + base64_encode(url_.userinfo) + "\r\n";
  }
  if (!body_.empty() || method_ == "POST" || method_ == "PUT" || method_ == "PATCH") {
    head += "Content-Length: " + std::to_string(body_.size()) + "\r\n";
  }
  head += "\r\n";
  if (link_->tls) {
    Result<> ok = link_->tls->send(head);
    if (ok) ok = link_->tls->send(body_);
    if (!ok) return broke(ok.error());
    link_->tls->take_output(output_);
  } else {
    output_ = head + body_;
  }
  error_code ignored;
  link_->socket.non_blocking(true, ignored);
  write();
  if (!ended_) read();
}

void Fetch::write() {
  if (writing_ || !link_ || written_ == output_.size()) return;
  writing_ = true;
  link_->socket.async_write_some(
      asio::buffer(output_.data() + written_, output_.size() - written_),
      [self = shared_from_this(), generation = generation_](error_code ec, size_t n) {
        if (self->ended_ || self->generation_ != generation || !self->link_) return;
        self->writing_ = false;
        // A server may answer and close before it has read everything: keep reading.
        if (ec) return;
        self->written_ += n;
        if (self->written_ == self->output_.size()) {
          self->output_.clear();
          self->written_ = 0;
          self->phase_ = "waiting for the response";
        }
        self->write();
      });
}

void Fetch::read() {
  link_->socket.async_wait(
      tcp::socket::wait_read, [self = shared_from_this(), generation = generation_](error_code ec) {
        if (self->ended_ || self->generation_ != generation || !self->link_) return;
        std::vector<char>& buffer = self->client_.io_->read_buffer;
        size_t n = ec ? 0 : self->link_->socket.read_some(asio::buffer(buffer), ec);
        if (ec == asio::error::would_block || ec == asio::error::interrupted) return self->read();
        if (ec == asio::error::eof) return self->on_end();
        if (ec) return self->broke(self->error(ErrorCode::kUnavailable, "read: " + ec.message()));
        self->on_bytes({buffer.data(), n});
        if (!self->ended_ && self->generation_ == generation && self->link_) self->read();
      });
}

void Fetch::on_bytes(std::string_view bytes) {
  if (link_->tls) {
    plain_.clear();
    Result<> ok = link_->tls->receive(bytes, plain_);
    if (written_ > 0) {
      output_.erase(0, writing_ ? 0 : written_);
      if (!writing_) written_ = 0;
    }
    if (!writing_) {
      link_->tls->take_output(output_);
      write();
    }
    if (!ok) return broke(error(ok.error().code, ok.error().message));
    got_bytes_ = got_bytes_ || !plain_.empty();
    input_ += plain_;
    consume();
    if (!ended_ && link_ && link_->tls && link_->tls->closed_by_peer()) on_end();
    return;
  }
  got_bytes_ = true;
  input_ += bytes;
  consume();
}

void Fetch::consume() {
  while (!ended_) {
    std::string_view in = input_;
    if (!head_done_) {
      Result<bool> got = parser_->read_head(in);
      if (!got)
        return end(fail(error(ErrorCode::kInvalid, "not a valid HTTP response: " + got.error().message)));
      if (!*got) return;
      input_.erase(0, input_.size() - in.size());
      in = input_;
      Http1Head& head = parser_->head();
      if (head.status >= 100 && head.status < 200 && head.status != 101) {
        // An interim answer; the real one follows.
        if (++interim_ > 100) return end(fail(error(ErrorCode::kInvalid, "endless interim responses")));
        parser_ = std::make_unique<Http1Parser>(Http1Parser::kResponse, kResponseLimits);
        if (method_ == "HEAD") parser_->expect_no_body();
        continue;
      }
      head_done_ = true;
      phase_ = "reading the response";
      response_.status = head.status;
      response_.headers = head.headers;
      std::optional<Coding> coding = coding_of(head.headers.get("Content-Encoding"));
      if (!coding)
        return end(fail(error(ErrorCode::kUnsupported, "response has an unknown Content-Encoding")));
      if (!parser_->complete()) decoder_ = make_decoder(*coding);
      if (*coding == Coding::kIdentity && head.content_length && method_ != "HEAD" &&
          *head.content_length > request_.response_bytes_max) {
        return end(
            fail(error(ErrorCode::kLimit,
                       "response: larger than " + std::to_string(request_.response_bytes_max) + " bytes")));
      }
    }
    raw_.clear();
    Result<> ok = parser_->read_body(in, raw_, kInputMax);
    size_t used = input_.size() - in.size();
    input_.erase(0, used);
    if (!ok) return end(fail(error(ErrorCode::kInvalid, "response: " + ok.error().message)));
    if (Result<> taken = take_body(raw_); !taken) return end(fail(taken.error()));
    if (parser_->complete()) return on_response();
    if (used == 0 || input_.empty()) {
      if (input_.size() > kInputMax)
        return end(fail(error(ErrorCode::kInvalid, "response: malformed chunk")));
      return;
    }
  }
}

Result<> Fetch::take_body(std::string_view raw) {
  auto too_large = [&] {
    return fail(error(ErrorCode::kLimit,
                      "response: larger than " + std::to_string(request_.response_bytes_max) + " bytes"));
  };
  if (!decoder_) {
    if (response_.body.size() + raw.size() > request_.response_bytes_max) return too_large();
    response_.body += raw;
    return {};
  }
  std::array<std::byte, 16 << 10> chunk;
  for (;;) {
    auto step = decoder_->step(raw, chunk);
    if (!step) return fail(error(step.error().code, "response: " + step.error().message));
    raw.remove_prefix(step->consumed);
    if (response_.body.size() + step->produced > request_.response_bytes_max) return too_large();
    response_.body.append(reinterpret_cast<const char*>(chunk.data()), step->produced);
    if (step->consumed == 0 && step->produced == 0) return {};
  }
}

void Fetch::on_end() {
  if (!head_done_) {
    return broke(error(ErrorCode::kUnavailable, got_bytes_ ? "connection closed inside the response header"
                                                           : "connection closed before the response"));
  }
  // Without TLS's closing message the end could be anybody's doing.
  bool cut = link_->tls && !link_->tls->closed_by_peer();
  if (cut || !parser_->read_end()) {
    return end(fail(error(ErrorCode::kUnavailable, "response: connection closed before its end")));
  }
  on_response();
}

void Fetch::on_response() {
  if (decoder_ && !decoder_->complete() && !response_.body.empty()) {
    return end(fail(error(ErrorCode::kInvalid, "response: compressed body ends too early")));
  }
  if (parser_->head().keep_alive && parser_->complete() && input_.empty() && !writing_ && output_.empty() &&
      !(link_->tls && link_->tls->closed_by_peer())) {
    client_.give_back(std::move(link_));
  }
  link_.reset();
  int status = response_.status;
  bool redirect = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  std::string location(response_.headers.get("Location"));
  if (!redirect || location.empty() || request_.redirects_max <= 0) return end(std::move(response_));
  if (++redirects_ > request_.redirects_max) {
    return end(
        fail(error(ErrorCode::kLimit, "more than " + std::to_string(request_.redirects_max) + " redirects")));
  }
  auto next = resolve_location(url_, location);
  if (!next) return end(fail(error(ErrorCode::kInvalid, "bad redirect: " + next.error().message)));
  // The standard ports of http and https belong to one host; any other change of origin is another host.
  bool upgrade =
      !url_.https && next->https && url_.host == next->host && url_.port == 80 && next->port == 443;
  if (!url_.same_origin(*next) && !upgrade) {
    return end(
        fail(error(ErrorCode::kInvalid, "redirect to another host (" + next->authority() + ") refused")));
  }
  std::string userinfo = url_.userinfo;
  url_ = *std::move(next);
  url_.userinfo = std::move(userinfo);
  if (status == 303 || ((status == 301 || status == 302) && method_ == "POST")) {
    if (method_ != "HEAD") method_ = "GET";
    body_.clear();
  }
  attempt(false);
}

// The connection failed. One that was kept from an earlier request may just have been closed by the peer:
// what is safe to repeat is tried once on a new one.
void Fetch::broke(Error error) {
  bool repeatable = method_ == "GET" || method_ == "HEAD";
  if (reused_ && !got_bytes_ && repeatable) {
    return attempt(true);
  }
  end(fail(std::move(error)));
}

void Fetch::end(Result<ClientResponse> result) {
  if (ended_) return;
  ended_ = true;
  auto self = shared_from_this();
  timer_.cancel();
  connect_timer_.cancel();
  if (link_) {
    error_code ignored;
    link_->socket.close(ignored);
  }
  if (result) result->elapsed = client_.clock_.monotonic() - begun_;
  client_.fetches_.erase(self);
  {
    MutexLock lock(client_.mu_);
    client_.pending_--;
  }
  Done done = std::move(done_);
  done(std::move(result));
}

}  // namespace

Result<ClientResponse> HttpClient::fetch_and_wait(ClientRequest request) {
  auto promise = std::make_shared<std::promise<Result<ClientResponse>>>();
  auto future = promise->get_future();
  fetch(std::move(request), [promise](Result<ClientResponse> r) { promise->set_value(std::move(r)); });
  return future.get();
}

std::unique_ptr<HttpClient> make_http_client(Clock& clock, HttpClientOptions options) {
  return std::make_unique<ClientImpl>(clock, options);
}

}  // namespace sonde::net

#include "net/server.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <unordered_set>

#include "base/assert.h"
#include "net/connection_slots.h"
#include "net/io_thread.h"
#include "net/session.h"
#include "net/tls.h"

namespace sonde::net {
namespace {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kOutputMax = 64 << 10;
constexpr Duration kLinger = Duration::seconds(2);
constexpr std::chrono::milliseconds kAcceptPause{50};

class Connection;

struct Loop {
  std::shared_ptr<IoThread> io = std::make_shared<IoThread>();
  std::unordered_set<std::shared_ptr<Connection>> connections;  // on the loop's thread
};

std::string ip_text(asio::ip::address address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return address.to_string();
}

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

// Moves bytes between a socket and a session, through TLS when there is any. On its loop's thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<ServerCore> core, Loop& loop, tcp::socket socket)
      : core_(std::move(core)), loop_(loop), socket_(std::move(socket)) {
    opened_ = core_->clock.monotonic();
  }

  void start(std::unique_ptr<ConnectionSlot> slot, std::string peer, TlsContext tls) {
    slot_ = std::move(slot);
    peer_ = std::move(peer);
    if (tls) channel_ = std::make_unique<TlsChannel>(std::move(tls));
    error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.set_option(asio::socket_base::keep_alive(true), ignored);
    pump();
  }

  void tick(MonotonicTime now) {
    if (closed_) return;
    if (session_) {
      session_->on_tick(now);
    } else if (now - opened_ > core_->limits.header_timeout) {
      core_->timed_out++;
      return close({ErrorCode::kTimeout, "nothing arrived in time", {}, 0, 0});
    }
    if (lingering_ && now - lingering_since_ > kLinger)
      return close({ErrorCode::kCancelled, "closed", {}, 0, 0});
    bool stuck = writing_ && now - write_progress_ > core_->limits.write_timeout;
    if (finishing_ && now - finishing_since_ > core_->limits.write_timeout) stuck = true;
    if (stuck) {
      core_->timed_out++;
      return close({ErrorCode::kTimeout, "response: the peer does not read it", {}, 0, 0});
    }
    pump();
  }

  void drain() {
    if (session_) {
      session_->drain();
      pump();
    } else {
      close({ErrorCode::kCancelled, "server stops", {}, 0, 0});
    }
  }

  void close(const Error& why) {
    if (closed_) return;
    closed_ = true;
    if (session_) session_->abort(why);
    error_code ignored;
    socket_.close(ignored);
    slot_.reset();
    loop_.connections.erase(shared_from_this());  // the caller holds a reference
  }

 private:
  void wake() {
    if (closed_ || !session_) return;
    session_->on_wake();
    pump();
  }

  // Produces and sends what there is, reads when the session wants to, closes when it is done.
  void pump() {
    auto self = shared_from_this();
    if (closed_) return;
    if (!writing_) fill_output();
    if (closed_) return;
    if (!writing_ && !output_.empty()) return write();
    if (!writing_ && session_ && session_->done() && !lingering_) linger();
    note_state();
    if (!reading_ && !closed_ && wants_data()) read();
  }

  bool wants_data() const {
    if (peer_ended_) return false;
    return lingering_ || !session_ || session_->wants_data();
  }

  void note_state() {
    if (!slot_) return;
    if (!session_ || (session_->idle() && !session_->proven())) {
      slot_->set_fresh();
    } else if (session_->idle() || lingering_) {
      slot_->set_idle();
    } else {
      slot_->set_busy();
    }
  }

  void fill_output() {
    if (session_ && !lingering_) {
      if (channel_) {
        plain_.clear();
        session_->produce(plain_, kOutputMax);
        if (Result<> ok = channel_->send(plain_); !ok) return close(ok.error());
      } else {
        session_->produce(output_, kOutputMax);
      }
      if (session_->done() && !finishing_) {
        finishing_ = true;
        finishing_since_ = core_->clock.monotonic();
        if (channel_) channel_->close();
      }
    }
    if (channel_) channel_->take_output(output_);
  }

  void write() {
    note_state();
    writing_ = true;
    write_progress_ = core_->clock.monotonic();
    socket_.async_write_some(
        asio::buffer(output_.data() + written_, output_.size() - written_),
        [self = shared_from_this()](error_code ec, size_t n) { self->on_written(ec, n); });
    if (!reading_ && wants_data()) read();
  }

  void on_written(error_code ec, size_t n) {
    if (closed_) return;
    writing_ = false;
    if (ec) return close({ErrorCode::kCancelled, "response: " + ec.message(), {}, 0, 0});
    written_ += n;
    if (written_ < output_.size()) return write();
    written_ = 0;
    output_.clear();
    if (output_.capacity() > 2 * kOutputMax) output_.shrink_to_fit();
    pump();
  }

  void read() {
    reading_ = true;
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code ec) {
      self->reading_ = false;
      if (!self->closed_) self->on_readable(ec);
    });
  }

  void on_readable(error_code ec) {
    std::vector<char>& buffer = loop_.io->read_buffer;
    size_t n = ec ? 0 : socket_.read_some(asio::buffer(buffer), ec);
    if (ec == asio::error::would_block || ec == asio::error::interrupted) return pump();
    if (ec == asio::error::eof) {
      peer_ended_ = true;
      if (lingering_ || !session_)
        return close({ErrorCode::kCancelled, "the peer closed the connection", {}, 0, 0});
      session_->on_end();
      return pump();
    }
    if (ec) return close({ErrorCode::kCancelled, "the peer closed the connection", {}, 0, 0});
    std::string_view bytes(buffer.data(), n);
    if (lingering_) return pump();
    if (!channel_) {
      deliver(bytes);
      return pump();
    }
    std::string plain;
    if (Result<> ok = channel_->receive(bytes, plain); !ok) {
      core_->bad_requests++;
      output_.clear();
      written_ = 0;
      std::string alert;
      channel_->take_output(alert);  // one attempt: what the alert says is of little use
      error_code ignored;
      if (!writing_ && !alert.empty()) socket_.write_some(asio::buffer(alert), ignored);
      return close(ok.error());
    }
    deliver(plain);
    if (channel_->closed_by_peer() && !peer_ended_) {
      peer_ended_ = true;
      if (!session_) return close({ErrorCode::kCancelled, "the peer closed the connection", {}, 0, 0});
      session_->on_end();
    }
    pump();
  }

  void deliver(std::string_view bytes) {
    if (bytes.empty()) return;
    if (session_) return session_->on_data(bytes);
    // Which protocol is it? ALPN says, or HTTP/2's preface does.
    first_bytes_ += bytes;
    size_t n = std::min(first_bytes_.size(), kHttp2Preface.size());
    bool preface = std::string_view(first_bytes_).substr(0, n) == kHttp2Preface.substr(0, n);
    bool chosen = channel_ && channel_->protocol() == "h2";
    if (preface && !chosen && n < kHttp2Preface.size()) return;
    std::weak_ptr<Connection> weak = weak_from_this();
    SessionHost host{core_,
                     loop_.io,
                     [weak] {
                       if (auto self = weak.lock()) self->wake();
                     },
                     peer_,
                     channel_ != nullptr,
                     slot_->reserved_only()};
    session_ = preface || chosen ? make_http2_session(std::move(host)) : make_http1_session(std::move(host));
    std::string first = std::exchange(first_bytes_, {});
    session_->on_data(first);
  }

  // Everything is sent. Closing at once would reset the connection if the peer still sends, and the reset
  // could overtake our answer; so only our side is closed, and what comes is thrown away for a while.
  void linger() {
    lingering_ = true;
    lingering_since_ = core_->clock.monotonic();
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    if (peer_ended_) close({ErrorCode::kCancelled, "closed", {}, 0, 0});
  }

  std::shared_ptr<ServerCore> core_;
  Loop& loop_;
  tcp::socket socket_;
  std::unique_ptr<ConnectionSlot> slot_;
  std::string peer_;
  std::unique_ptr<TlsChannel> channel_;
  std::unique_ptr<Session> session_;
  std::string first_bytes_;
  std::string plain_;
  std::string output_;
  size_t written_ = 0;
  MonotonicTime opened_;
  MonotonicTime write_progress_;
  MonotonicTime finishing_since_;
  MonotonicTime lingering_since_;
  bool reading_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool lingering_ = false;
  bool peer_ended_ = false;
  bool closed_ = false;
};

Result<tcp::endpoint> parse_address(const std::string& text) {
  size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    return fail(ErrorCode::kInvalid, "listen address '" + text + "': needs host:port");
  }
  std::string host = text.substr(0, colon);
  std::string digits = text.substr(colon + 1);
  uint16_t port = 0;
  auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (bad != std::errc{} || end != digits.data() + digits.size()) {
    return fail(ErrorCode::kInvalid, "listen address '" + text + "': bad port");
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return tcp::endpoint(tcp::v6(), port);
  error_code ec;
  asio::ip::address address = asio::ip::make_address(host, ec);
  if (!ec) return tcp::endpoint(address, port);
  asio::io_context context;
  tcp::resolver resolver(context);
  auto found = resolver.resolve(host, digits, ec);
  if (ec || found.empty()) {
    return fail(ErrorCode::kInvalid, "listen address '" + text + "': " + ec.message());
  }
  for (const auto& entry : found) {
    if (entry.endpoint().address().is_v4()) return entry.endpoint();
  }
  return found.begin()->endpoint();
}

struct Listener {
  Listener(asio::io_context& context) : acceptor(context), pause(context) {}
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::unique_ptr<ReloadingContext> tls;
};

Result<> open_listener(Listener& listener, const std::string& text) {
  SONDE_TRY(tcp::endpoint endpoint, parse_address(text));
  auto attempt = [&](const tcp::endpoint& e) {
    error_code ec;
    listener.acceptor.open(e.protocol(), ec);
    if (ec) return ec;
    listener.acceptor.set_option(asio::socket_base::reuse_address(true), ec);
    bool any = text.starts_with(':');
    if (e.address().is_v6()) listener.acceptor.set_option(asio::ip::v6_only(!any), ec);
    listener.acceptor.bind(e, ec);
    if (!ec) listener.acceptor.listen(asio::socket_base::max_listen_connections, ec);
    return ec;
  };
  error_code ec = attempt(endpoint);
  if (ec && text.starts_with(':') && ec != asio::error::address_in_use && ec != asio::error::access_denied) {
    error_code ignored;
    listener.acceptor.close(ignored);
    ec = attempt(tcp::endpoint(tcp::v4(), endpoint.port()));  // a machine without IPv6
  }
  if (ec) return fail(ErrorCode::kIo, "listen on " + text + ": " + ec.message());
  ::fcntl(listener.acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  listener.acceptor.non_blocking(true, ec);
  return {};
}

class ServerImpl final : public Server {
 public:
  ServerImpl(std::shared_ptr<ServerCore> core, size_t io_threads) : core_(std::move(core)) {
    const ServerLimits& limits = core_->limits;
    slots_ = std::make_shared<ConnectionSlots>(
        SlotLimits{limits.connections_max, limits.connections_reserved, limits.connections_per_ip_max});
    for (size_t i = 0; i < std::max<size_t>(io_threads, 1); i++) loops_.push_back(std::make_unique<Loop>());
    int64_t shortest =
        std::min({limits.header_timeout.ms(), limits.body_grace.ms(), limits.write_timeout.ms(),
                  limits.request_timeout.ms(), limits.idle_timeout.ms()});
    tick_ = std::chrono::milliseconds(std::clamp<int64_t>(shortest / 5, 5, 100));
  }
  ~ServerImpl() override { stop({0}); }

  Result<> open(const std::vector<ListenerOptions>& options) {
    for (const ListenerOptions& o : options) {
      auto listener = std::make_unique<Listener>(loops_[0]->io->context);
      SONDE_CHECK(open_listener(*listener, o.address));
      if (o.tls) {
        SONDE_TRY(listener->tls, ReloadingContext::create(*o.tls, core_->clock));
      }
      error_code ec;
      ports_.push_back(listener->acceptor.local_endpoint(ec).port());
      listeners_.push_back(std::move(listener));
    }
    return {};
  }

  void run() {
    spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (auto& listener : listeners_) accept(*listener);
    for (auto& loop : loops_) {
      timers_.push_back(std::make_unique<asio::steady_timer>(loop->io->context));
      schedule_tick(*loop, *timers_.back());
    }
    for (auto& loop : loops_) loop->io->start("net-io");
  }

  std::vector<uint16_t> ports() const override { return ports_; }

  ServerStats stats() const override {
    ServerStats out;
    out.connections = slots_->count();
    out.accepted = core_->accepted;
    out.refused_connections = core_->refused_connections;
    out.timed_out = core_->timed_out;
    out.bad_requests = core_->bad_requests;
    return out;
  }

  void stop(Duration grace) override {
    MutexLock lock(stop_mu_);
    if (stopped_) return;
    stopped_ = true;
    loops_[0]->io->post([this] {
      error_code ignored;
      for (auto& listener : listeners_) {
        listener->acceptor.close(ignored);
        listener->pause.cancel();
      }
      accepting_ = false;
    });
    for_each_connection([](Connection& c) { c.drain(); });
    auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(grace.ns);
    while (slots_->count() > 0 && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    for_each_connection([](Connection& c) { c.close({ErrorCode::kCancelled, "server stops", {}, 0, 0}); });
    for (auto& loop : loops_) {
      loop->io->post([&t = loop->io->context] { t.stop(); });
    }
    for (auto& loop : loops_) {
      loop->io->stop();
      auto rest = std::exchange(loop->connections, {});
      for (const auto& c : rest) c->close({ErrorCode::kCancelled, "server stops", {}, 0, 0});
    }
    timers_.clear();
    listeners_.clear();
    for (auto& loop : loops_) loop->io->run_leftovers();
    if (spare_fd_ >= 0) ::close(spare_fd_);
  }

 private:
  void for_each_connection(void (*f)(Connection&)) {
    for (auto& loop : loops_) {
      loop->io->post([&loop = *loop, f] {
        auto all = loop.connections;  // f may remove
        for (const auto& c : all) f(*c);
      });
    }
  }

  void schedule_tick(Loop& loop, asio::steady_timer& timer) {
    timer.expires_after(tick_);
    timer.async_wait([this, &loop, &timer](error_code ec) {
      if (ec) return;
      MonotonicTime now = core_->clock.monotonic();
      std::vector<std::shared_ptr<Connection>> all(loop.connections.begin(), loop.connections.end());
      for (const auto& c : all) c->tick(now);
      schedule_tick(loop, timer);
    });
  }

  void accept(Listener& listener) {
    Loop& loop = *loops_[next_loop_++ % loops_.size()];
    listener.acceptor.async_accept(
        loop.io->context, [this, &listener, &loop](error_code ec, tcp::socket socket) {
          if (!accepting_ || ec == asio::error::operation_aborted) return;
          if (!ec) {
            accepted(listener, loop, std::move(socket));
            return accept(listener);
          }
          bool out_of_files = ec == asio::error::no_descriptors || ec.value() == ENFILE;
          if (out_of_files) refuse_with_spare(listener);
          bool transient = ec == asio::error::connection_aborted || ec.value() == EPROTO;
          if (transient) return accept(listener);
          // Without a pause the same error would come back at once, for ever.
          listener.pause.expires_after(kAcceptPause);
          listener.pause.async_wait([this, &listener](error_code cancelled) {
            if (!cancelled && accepting_) accept(listener);
          });
        });
  }

  // No descriptor is left: use the one kept for this to turn the peer away, and make room for the next.
  void refuse_with_spare(Listener& listener) {
    core_->refused_connections++;
    if (spare_fd_ >= 0) {
      ::close(spare_fd_);
      error_code ec;
      tcp::socket socket(loops_[0]->io->context);
      listener.acceptor.accept(socket, ec);
      socket.close(ec);
      spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    slots_->make_room();
  }

  void accepted(Listener& listener, Loop& loop, tcp::socket socket) {
    core_->accepted++;
    error_code ec;
    tcp::endpoint remote = socket.remote_endpoint(ec);
    if (ec) return;
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    std::string ip = ip_text(remote.address());
    auto connection = std::make_shared<Connection>(core_, loop, std::move(socket));
    std::weak_ptr<Connection> weak = connection;
    auto put_out = [weak, io = std::weak_ptr<IoThread>(loop.io)] {
      auto thread = io.lock();
      if (!thread) return;
      thread->post([weak] {
        if (auto c = weak.lock()) c->close({ErrorCode::kCancelled, "too many connections", {}, 0, 0});
      });
    };
    std::unique_ptr<ConnectionSlot> slot = slots_->take(ip, is_loopback(remote.address()), put_out);
    if (!slot) {
      core_->refused_connections++;
      return;  // closes
    }
    std::string peer =
        (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + std::to_string(remote.port());
    TlsContext tls = listener.tls ? listener.tls->get() : nullptr;
    auto begin = [&loop, connection, peer = std::move(peer), tls = std::move(tls),
                  slot = std::make_shared<std::unique_ptr<ConnectionSlot>>(std::move(slot))]() mutable {
      loop.connections.insert(connection);
      connection->start(std::move(*slot), std::move(peer), std::move(tls));
    };
    if (loop.io->on_this_thread()) {
      begin();
    } else {
      loop.io->post(std::move(begin));
    }
  }

  std::shared_ptr<ServerCore> core_;
  std::shared_ptr<ConnectionSlots> slots_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<asio::steady_timer>> timers_;
  std::vector<uint16_t> ports_;
  std::chrono::milliseconds tick_{100};
  size_t next_loop_ = 0;
  int spare_fd_ = -1;
  bool accepting_ = true;  // on the first loop's thread
  Mutex stop_mu_;
  bool stopped_ SONDE_GUARDED_BY(stop_mu_) = false;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, const Router& router, Executor& handlers,
                                              Executor& reserved, Clock& clock, Authenticator authenticate,
                                              RequestObserver observe) {
  std::shared_ptr<ServerCore> core(new ServerCore{.limits = options.limits,
                                                  .response_headers = std::move(options.response_headers),
                                                  .router = router,
                                                  .handlers = handlers,
                                                  .reserved = reserved,
                                                  .clock = clock,
                                                  .authenticate = std::move(authenticate),
                                                  .observe = std::move(observe)});
  auto server = std::make_unique<ServerImpl>(std::move(core), options.io_threads);
  SONDE_CHECK(server->open(options.listeners));
  server->run();
  return server;
}

}  // namespace sonde::net

// For tests: a client that sends exactly the bytes it is told to, and a server around one router.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include "base/executor.h"
#include "net/server.h"

namespace sonde::net {

class TestPeer {
 public:
  explicit TestPeer(uint16_t port, int receive_buffer = 0) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~TestPeer() { close(); }
  TestPeer(const TestPeer&) = delete;
  TestPeer& operator=(const TestPeer&) = delete;
  TestPeer(TestPeer&& o) noexcept : fd_(std::exchange(o.fd_, -1)), connected_(o.connected_) {}

  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }
  // False when the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // What arrives until `until` is seen, the server closes, or the time is over.
  std::string receive(std::string_view until = {}, int timeout_ms = 5000) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    std::string out = std::move(rest_);
    rest_.clear();
    for (;;) {
      if (size_t at = until.empty() ? std::string::npos : out.find(until); at != std::string::npos) {
        rest_ = out.substr(at + until.size());
        return out.substr(0, at + until.size());
      }
      auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      pollfd p{fd_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&p, 1, static_cast<int>(left.count())) <= 0) return out;
      char buffer[16384];
      ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) {
        closed_ = true;
        reset_ = n < 0;
        return out;
      }
      out.append(buffer, static_cast<size_t>(n));
    }
  }
  // Head and body of one answer that has a Content-Length.
  std::string answer(int timeout_ms = 5000) {
    std::string head = receive("\r\n\r\n", timeout_ms);
    size_t at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    size_t size = std::stoull(head.substr(at + 16));
    std::string body = receive_exactly(size, timeout_ms);
    return head + body;
  }
  std::string receive_exactly(size_t size, int timeout_ms) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    std::string out = std::move(rest_);
    rest_.clear();
    while (out.size() < size && !closed_ && std::chrono::steady_clock::now() < end)
      out += receive("\x01never", 20);
    if (out.size() > size) {
      rest_ = out.substr(size);
      out.resize(size);
    }
    return out;
  }
  // The server closed, in order or not.
  bool closed() const { return closed_; }
  bool reset() const { return reset_; }
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  bool connected_ = false;
  bool closed_ = false;
  bool reset_ = false;
  std::string rest_;
};

// Status of the first answer in `bytes`; 0 when there is none.
inline int status_of(std::string_view bytes) {
  if (!bytes.starts_with("HTTP/1.1 ") || bytes.size() < 12) return 0;
  return (bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0');
}

struct TestServer {
  explicit TestServer(Router& router, ServerOptions options = {}, Authenticator authenticate = {},
                      RequestObserver observe = {}) {
    if (options.listeners.empty()) options.listeners.push_back({"127.0.0.1:0", std::nullopt});
    auto started = Server::start(std::move(options), router, handlers, reserved, clock,
                                 std::move(authenticate), std::move(observe));
    if (started) {
      server = *std::move(started);
      port = server->ports().at(0);
    } else {
      error = started.error().to_string();
    }
  }
  ~TestServer() {
    if (server) server->stop({0});
  }

  SystemClock clock;
  ThreadPool handlers{{"handlers", 4, 64}};
  ThreadPool reserved{{"reserved", 1, 64}};
  std::unique_ptr<Server> server;
  uint16_t port = 0;
  std::string error;
};

}  // namespace sonde::net

// A child process and the least of an HTTP client, for tests of whole programs.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

inline int free_port() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Ends with its owner, killed if need be.
class Process {
 public:
  // `output` takes standard output and error.
  explicit Process(const std::vector<std::string>& arguments, const std::string& output = "/dev/null") {
    std::vector<char*> argv;
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      int fd = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      dup2(fd, 1);
      dup2(fd, 2);
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  ~Process() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Exit status, or -1 if it did not end by itself.
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int terminate() {
    kill(pid_, SIGTERM);
    return wait();
  }

 private:
  pid_t pid_ = 0;
};

struct Reply {
  int status = 0;  // 0: no answer
  std::string head;
  std::string body;
};

inline Reply request(int port, const std::string& method, const std::string& path,
                     const std::string& body = {}, const std::string& headers = {}) {
  Reply reply;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval patience{20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    std::string text =
        method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n" +
        (body.empty() ? "" : "Content-Type: application/x-www-form-urlencoded\r\n") + headers + "\r\n" + body;
    (void)!write(fd, text.data(), text.size());
    std::string all;
    char buf[16384];
    for (ssize_t n; (n = read(fd, buf, sizeof buf)) > 0;) all.append(buf, static_cast<size_t>(n));
    size_t end = all.find("\r\n\r\n");
    if (end != std::string::npos && all.size() > 12) {
      reply.status = std::atoi(all.c_str() + 9);
      reply.head = all.substr(0, end);
      reply.body = all.substr(end + 4);
    }
  }
  close(fd);
  return reply;
}
inline Reply get(int port, const std::string& path, const std::string& headers = {}) {
  return request(port, "GET", path, {}, headers);
}

// Polls until f() or the time is over; the milliseconds it took, or -1.
template <class F>
int64_t milliseconds_until(F f, int64_t patience_ms = 20000) {
  auto start = std::chrono::steady_clock::now();
  auto passed = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start)
        .count();
  };
  while (!f()) {
    if (passed() > patience_ms) return -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return passed();
}

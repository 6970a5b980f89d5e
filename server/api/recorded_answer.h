// For tests: requests made by hand against a router, and what the handlers answered. No sockets.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace sonde::api {

// Keeps everything; `peer_gone_after` bytes, writes fail as those to a closed connection do.
class RecordedAnswer final : public net::ResponseWriter {
 public:
  int code = 200;
  net::Headers headers;
  std::string body;
  size_t writes = 0;
  bool finished = false;
  size_t peer_gone_after = SIZE_MAX;

  void status(int c) override { code = c; }
  void header(std::string name, std::string value) override { headers.set(name, std::move(value)); }
  Result<> write(std::string_view chunk) override {
    writes++;
    if (body.size() >= peer_gone_after) return fail(ErrorCode::kCancelled, "the peer is gone");
    body += chunk;
    return {};
  }
  void trailer(std::string, std::string) override {}
  void finish() override { finished = true; }
};

class TextBody final : public net::BodyReader {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    size_t n = std::min(out.size(), text_.size() - at_);
    std::memcpy(out.data(), text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  size_t at_ = 0;
};

// Sends `target` ("/path?query") through the router; a `form` makes it a form body. 404 and 405 come as from
// the server, with an empty body.
inline std::shared_ptr<RecordedAnswer> ask(const net::Router& router, std::string method, std::string target,
                                           std::string form = {}, Cancellation cancel = {},
                                           std::shared_ptr<RecordedAnswer> answer = nullptr) {
  if (!answer) answer = std::make_shared<RecordedAnswer>();
  size_t mark = target.find('?');
  std::string path = target.substr(0, mark);
  auto match = router.match(method, path);
  if (!match.route) {
    answer->code = match.method_mismatch ? 405 : 404;
    return answer;
  }
  net::Request request;
  request.method = std::move(method);
  request.path = net::percent_decode(path);
  request.raw_target = target;
  if (mark != std::string::npos) request.query = net::Params::parse(target.substr(mark + 1)).value();
  if (!form.empty()) request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  request.body = std::make_unique<TextBody>(std::move(form));
  request.path_params = match.path_params;
  request.route = match.route->pattern;
  request.cancel = std::move(cancel);
  match.route->handler(request, answer);
  return answer;
}

}  // namespace sonde::api

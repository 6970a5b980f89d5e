#include "net/http1_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <variant>

#include "net/ascii.h"

namespace sonde::net {
namespace {
namespace http = boost::beast::http;
using RequestParser = http::request_parser<http::buffer_body>;
using ResponseParser = http::response_parser<http::buffer_body>;

std::string_view view(boost::beast::string_view s) { return {s.data(), s.size()}; }

bool all_digits(std::string_view s) {
  for (char c : s) {
    if (c < '0' || c > '9') return false;
  }
  return !s.empty();
}

}  // namespace

struct Http1Parser::State {
  Kind kind;
  Http1Limits limits;
  std::variant<std::monostate, RequestParser, ResponseParser> parser;
  Http1Head head;
  int limit_status = 431;
  bool has_head = false;

  template <class F>
  auto with(F f) {
    return kind == kRequest ? f(std::get<RequestParser>(parser)) : f(std::get<ResponseParser>(parser));
  }

  Result<> check_raw_head(std::string_view block) {
    size_t line = block.find("\r\n");
    if (line > limits.request_line_bytes_max) {
      limit_status = 414;
      return fail(ErrorCode::kLimit,
                  "request line: longer than " + std::to_string(limits.request_line_bytes_max) + " bytes");
    }
    size_t count = 0;
    for (size_t i = block.find('\n'); i != std::string_view::npos; i = block.find('\n', i + 1)) {
      count++;
      bool folded = i + 1 < block.size() && (block[i + 1] == ' ' || block[i + 1] == '\t');
      if (folded || i == 0 || block[i - 1] != '\r') {
        return fail(ErrorCode::kInvalid, "header: folded or badly ended line");
      }
    }
    // One line feed ends the first line, one the empty line.
    if (count > limits.header_count_max + 2) {
      limit_status = 431;
      return fail(ErrorCode::kLimit,
                  "header: more than " + std::to_string(limits.header_count_max) + " fields");
    }
    return {};
  }

  template <class Parser>
  Result<> take_head(Parser& p) {
    auto& message = p.get();
    if (message.version() != 11 && message.version() != 10) {
      return fail(ErrorCode::kInvalid, "not HTTP/1.0 or HTTP/1.1");
    }
    head.minor_version = static_cast<int>(message.version() % 10);
    size_t lengths = 0;
    size_t codings = 0;
    for (const auto& field : message) {
      std::string_view name = view(field.name_string());
      std::string_view value = trim(view(field.value()));
      if (equals_ignoring_case(name, "Content-Length")) {
        lengths++;
        if (!all_digits(value) || value.size() > 18) return fail(ErrorCode::kInvalid, "bad Content-Length");
        head.content_length = std::stoull(std::string(value));
      }
      if (equals_ignoring_case(name, "Transfer-Encoding")) {
        codings++;
        if (!equals_ignoring_case(value, "chunked")) {
          return fail(ErrorCode::kInvalid, "Transfer-Encoding other than chunked");
        }
      }
      head.headers.add(std::string(name), std::string(value));
    }
    if (lengths > 1 || codings > 1 || lengths + codings > 1 || (codings > 0 && head.minor_version == 0)) {
      return fail(ErrorCode::kInvalid, "ambiguous length of the body");
    }
    head.chunked = codings > 0;
    head.keep_alive = p.keep_alive();
    return {};
  }
};

Http1Parser::Http1Parser(Kind kind, Http1Limits limits) : state_(std::make_unique<State>()) {
  state_->kind = kind;
  state_->limits = limits;
  if (kind == kRequest) {
    state_->parser.emplace<RequestParser>();
  } else {
    state_->parser.emplace<ResponseParser>();
  }
  state_->with([&](auto& p) {
    p.body_limit(boost::none);
    p.header_limit(static_cast<uint32_t>(limits.header_bytes_max + limits.request_line_bytes_max + 4));
    p.eager(false);
  });
}

Http1Parser::~Http1Parser() = default;

void Http1Parser::expect_no_body() {
  state_->with([](auto& p) { p.skip(true); });
}

Result<bool> Http1Parser::read_head(std::string_view& in) {
  State& s = *state_;
  size_t end = in.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    size_t line = in.find('\n');
    if (line == std::string_view::npos ? in.size() > s.limits.request_line_bytes_max
                                       : line > s.limits.request_line_bytes_max) {
      s.limit_status = 414;
      return fail(ErrorCode::kLimit,
                  "request line: longer than " + std::to_string(s.limits.request_line_bytes_max) + " bytes");
    }
    size_t fields = line == std::string_view::npos ? 0 : in.size() - line;
    if (fields > s.limits.header_bytes_max) {
      s.limit_status = 431;
      return fail(ErrorCode::kLimit,
                  "header: larger than " + std::to_string(s.limits.header_bytes_max) + " bytes");
    }
    if (line != std::string_view::npos && (line == 0 || in[line - 1] != '\r')) {
      return fail(ErrorCode::kInvalid, "header: badly ended line");
    }
    return false;
  }
  std::string_view block = in.substr(0, end + 4);
  SONDE_CHECK(s.check_raw_head(block));
  if (block.size() - std::min(block.size(), block.find('\n')) > s.limits.header_bytes_max + 4) {
    s.limit_status = 431;
    return fail(ErrorCode::kLimit,
                "header: larger than " + std::to_string(s.limits.header_bytes_max) + " bytes");
  }
  boost::beast::error_code ec;
  size_t used = s.with([&](auto& p) {
    size_t total = 0;
    while (!p.is_header_done() && !ec && total < block.size()) {
      size_t n = p.put(boost::asio::buffer(block.data() + total, block.size() - total), ec);
      if (n == 0 && !ec) break;
      total += n;
    }
    return total;
  });
  bool done = s.with([](auto& p) { return p.is_header_done(); });
  if (ec || !done)
    return fail(ErrorCode::kInvalid, "malformed header: " + (ec ? ec.message() : "incomplete"));
  in.remove_prefix(used);
  if (s.kind == kRequest) {
    auto& p = std::get<RequestParser>(s.parser);
    s.head.method = view(p.get().method_string());
    s.head.target = view(p.get().target());
    SONDE_CHECK(s.take_head(p));
  } else {
    auto& p = std::get<ResponseParser>(s.parser);
    s.head.status = static_cast<int>(p.get().result_int());
    SONDE_CHECK(s.take_head(p));
  }
  s.has_head = true;
  return true;
}

const Http1Head& Http1Parser::head() const { return state_->head; }
Http1Head& Http1Parser::head() { return state_->head; }
int Http1Parser::limit_status() const { return state_->limit_status; }

Result<> Http1Parser::read_body(std::string_view& in, std::string& out, size_t out_bytes_max) {
  State& s = *state_;
  return s.with([&](auto& p) -> Result<> {
    size_t room = out_bytes_max;
    while (!p.is_done() && !in.empty() && room > 0) {
      size_t old_size = out.size();
      out.resize(old_size + std::min(room, in.size()));
      auto& body = p.get().body();
      body.data = out.data() + old_size;
      body.size = out.size() - old_size;
      body.more = true;
      boost::beast::error_code ec;
      size_t used = p.put(boost::asio::buffer(in.data(), in.size()), ec);
      size_t written = out.size() - old_size - body.size;
      out.resize(old_size + written);
      room -= written;
      in.remove_prefix(used);
      if (ec == http::error::need_more) return {};
      if (ec && ec != http::error::need_buffer) {
        return fail(ErrorCode::kInvalid, "malformed body: " + ec.message());
      }
      if (used == 0 && written == 0) return {};
    }
    return {};
  });
}

bool Http1Parser::complete() const {
  return state_->has_head && state_->with([](auto& p) { return p.is_done(); });
}

Result<> Http1Parser::read_end() {
  State& s = *state_;
  if (complete()) return {};
  if (!s.has_head) return fail(ErrorCode::kInvalid, "connection closed inside the header");
  boost::beast::error_code ec;
  s.with([&](auto& p) { p.put_eof(ec); });
  if (ec) return fail(ErrorCode::kInvalid, "connection closed inside the body");
  return {};
}

}  // namespace sonde::net

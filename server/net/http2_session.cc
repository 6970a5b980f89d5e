// HTTP/2 on one connection (RFC 9113) over nghttp2.
//
// A stream's flow control follows its handler: bytes count as consumed when the handler has read them, so an
// unread body holds at most kBodyWindow, and a connection kStreamsMax of those. The connection's own window
// does not: bodies that wait for a handler would keep the rest of those from coming that have one. Bounds
// against abuse: streams, resets in ten seconds (CVE-2023-44487), size and time of a header block
// (CONTINUATION floods, CVE-2024-27316), and nghttp2's own on queued acknowledgements.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/assert.h"
#include "net/ascii.h"
#include "net/session.h"

namespace sonde::net {
namespace {

constexpr uint32_t kStreamsMax = 100;
constexpr int32_t kConnectionWindow = 1 << 20;
constexpr uint32_t kResetsMax = 200;
constexpr Duration kResetPeriod = Duration::seconds(10);
constexpr Duration kDeadlineSlack = Duration::seconds(5);

std::string_view view(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

bool connection_specific(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "transfer-encoding" || name == "upgrade" ||
         name == "proxy-connection";
}

class Http2Session final : public Session {
 public:
  explicit Http2Session(SessionHost host) : host_(std::move(host)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    SONDE_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          return static_cast<Http2Session*>(self)->on_begin_headers(*frame);
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* self) {
          static_cast<Http2Session*>(self)->on_header(frame->hd.stream_id, view(name, name_size),
                                                      view(value, value_size));
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          static_cast<Http2Session*>(self)->on_frame(*frame);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          static_cast<Http2Session*>(self)->on_frame_sent(*frame);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks,
        [](nghttp2_session*, uint8_t, int32_t stream_id, const uint8_t* data, size_t size, void* self) {
          static_cast<Http2Session*>(self)->on_body(stream_id, view(data, size));
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t stream_id, uint32_t, void* self) {
          static_cast<Http2Session*>(self)->on_stream_close(stream_id);
          return 0;
        });
    nghttp2_option* option = nullptr;
    SONDE_ASSERT(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, 256);
    SONDE_ASSERT(nghttp2_session_server_new2(&session_, callbacks, this, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);

    const ServerLimits& limits = host_.core->limits;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreamsMax},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(kBodyWindow)},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.header_bytes_max)},
    };
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
    last_tick_ = idle_since_ = resets_since_ = host_.core->clock.monotonic();
  }

  ~Http2Session() override {
    abort({ErrorCode::kCancelled, "connection closed", {}, 0, 0});
    nghttp2_session_del(session_);
  }

  void on_data(std::string_view bytes) override {
    if (closed_) return;
    if (in_header_block_) header_block_bytes_ += bytes.size();
    auto rc =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    if (rc < 0) {
      host_.core->bad_requests++;
      // nghttp2 has queued a GOAWAY for errors of the protocol; a bad preface or flooding gets none.
      if (rc == NGHTTP2_ERR_BAD_CLIENT_MAGIC || rc == NGHTTP2_ERR_FLOODED) closed_ = true;
      terminating_ = true;
      return;
    }
    if (in_header_block_ && header_block_bytes_ > 4 * host_.core->limits.header_bytes_max) {
      host_.core->bad_requests++;
      terminate(NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }

  void on_end() override {
    abort({ErrorCode::kCancelled, "the peer closed the connection", {}, 0, 0});
    closed_ = true;
  }

  void on_wake() override {
    for (auto& [id, s] : streams_) serve(id, s);
  }

  void on_tick(MonotonicTime now) override {
    const ServerLimits& limits = host_.core->limits;
    Duration elapsed = now - last_tick_;
    last_tick_ = now;
    if (closed_) return;
    if (in_header_block_ && now - header_block_since_ > limits.header_timeout) {
      host_.core->timed_out++;
      closed_ = true;
      return;
    }
    if (streams_.empty()) {
      if (now - idle_since_ <= (proven_ ? limits.idle_timeout : limits.header_timeout)) return;
      if (terminating_) {
        closed_ = true;  // the peer had time to read the GOAWAY
      } else {
        if (!proven_) host_.core->timed_out++;
        terminate(NGHTTP2_NO_ERROR);
        idle_since_ = now;
      }
      return;
    }
    for (auto& [id, s] : streams_) {
      if (!s.exchange) continue;
      bool waits = !s.remote_ended && s.exchange->body_waiting() < kBodyWindow;
      if (waits && !s.body_error && !s.pace.wait(elapsed)) {
        host_.core->timed_out++;
        s.body_error = true;
        s.exchange->fail_body({ErrorCode::kTimeout, "request body: too slow", {}, 0, 0}, 408);
      }
      if (now > s.exchange->deadline() + std::min(kDeadlineSlack, limits.request_timeout)) {
        host_.core->timed_out++;
        s.exchange->abort({ErrorCode::kTimeout, "request timed out", {}, 0, 0});
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      }
    }
  }

  bool wants_data() const override { return !closed_; }

  void produce(std::string& out, size_t bytes_max) override {
    while (!closed_ && out.size() < bytes_max) {
      const uint8_t* data = nullptr;
      auto n = nghttp2_session_mem_send(session_, &data);
      if (n < 0) closed_ = true;
      if (n <= 0) break;
      out.append(view(data, static_cast<size_t>(n)));
    }
  }

  bool done() const override {
    if (closed_) return true;
    if (nghttp2_session_want_write(session_) != 0) return false;
    return nghttp2_session_want_read(session_) == 0 || ((draining_ || terminating_) && streams_.empty());
  }
  bool idle() const override { return streams_.empty(); }
  bool proven() const override { return proven_; }

  void drain() override {
    if (draining_) return;
    draining_ = true;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
  }

  void abort(const Error& error) override {
    closed_ = true;
    for (auto& [id, s] : streams_) {
      if (!s.exchange) continue;
      s.exchange->abort(error);
      s.exchange->finished();
    }
    streams_.clear();
  }

 private:
  struct Stream {
    explicit Stream(const ServerLimits& limits) : pace(limits.body_bytes_per_second_min, limits.body_grace) {}
    RequestHead head;
    std::string authority;
    size_t header_bytes = 0;
    size_t header_count = 0;
    bool too_large = false;
    bool expects_continue = false;
    bool remote_ended = false;
    bool local_ended = false;
    bool submitted = false;
    bool body_error = false;
    Pace pace;
    std::shared_ptr<Exchange> exchange;
  };

  int on_begin_headers(const nghttp2_frame& frame) {
    in_header_block_ = true;
    header_block_bytes_ = 0;
    header_block_since_ = host_.core->clock.monotonic();
    if (frame.headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    std::erase_if(orphans_, [](const std::weak_ptr<Exchange>& w) { return w.expired(); });
    if (draining_ || orphans_.size() >= kStreamsMax) {
      // Requests that were reset still occupy handlers; more of them must wait.
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_REFUSED_STREAM);
      return 0;
    }
    streams_.try_emplace(frame.hd.stream_id, host_.core->limits);
    return 0;
  }

  void on_header(int32_t id, std::string_view name, std::string_view value) {
    auto it = streams_.find(id);
    if (it == streams_.end() || it->second.exchange) return;  // trailers of a request mean nothing to us
    Stream& s = it->second;
    const ServerLimits& limits = host_.core->limits;
    s.header_bytes += name.size() + value.size() + 32;  // as SETTINGS_MAX_HEADER_LIST_SIZE counts
    s.header_count++;
    if (s.header_bytes > limits.header_bytes_max || s.header_count > limits.header_count_max + 4) {
      s.too_large = true;
      return;
    }
    if (name == ":method") {
      s.head.method = value;
    } else if (name == ":path") {
      s.head.target = value;
    } else if (name == ":authority") {
      s.authority = value;
    } else if (name.starts_with(':')) {
      return;
    } else if (name == "cookie" && s.head.headers.has("cookie")) {
      s.head.headers.set("cookie", std::string(s.head.headers.get("cookie")) + "; " + std::string(value));
    } else {
      if (name == "content-length")
        s.head.content_length = std::strtoull(std::string(value).c_str(), nullptr, 10);
      if (name == "expect") s.expects_continue = equals_ignoring_case(value, "100-continue");
      s.head.headers.add(std::string(name), std::string(value));
    }
  }

  void on_frame(const nghttp2_frame& frame) {
    int32_t id = frame.hd.stream_id;
    if (frame.hd.type == NGHTTP2_HEADERS) in_header_block_ = false;
    if (frame.hd.type == NGHTTP2_RST_STREAM) return count_reset();
    if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return;
    auto it = streams_.find(id);
    if (it == streams_.end()) return;
    Stream& s = it->second;
    if (frame.hd.type == NGHTTP2_HEADERS && frame.headers.cat == NGHTTP2_HCAT_REQUEST) begin_request(id, s);
    if (s.exchange && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      s.remote_ended = true;
      s.exchange->end_body();
      s.exchange->dispatch();
    }
    if (s.exchange) serve(id, s);
  }

  void begin_request(int32_t id, Stream& s) {
    proven_ = true;
    if (s.too_large) {
      s.head.target = "/";
      s.head.headers = {};
      s.head.content_length.reset();
    }
    if (!s.authority.empty()) s.head.headers.set("Host", s.authority);
    if (s.too_large) {
      host_.core->bad_requests++;
      s.exchange = std::make_shared<Exchange>(host_, std::move(s.head));
      s.exchange->refuse(431, "request header: too large\n");
    } else {
      s.exchange = Exchange::start(host_, std::move(s.head));
    }
    if (s.expects_continue && s.exchange->take_head() == nullptr) {
      nghttp2_nv nv = field(":status", "100");
      nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, &nv, 1, nullptr);
    }
  }

  void on_body(int32_t id, std::string_view bytes) {
    nghttp2_session_consume_connection(session_, bytes.size());
    auto it = streams_.find(id);
    if (it == streams_.end() || !it->second.exchange) return;
    Stream& s = it->second;
    s.pace.add(bytes.size());
    s.exchange->push_body(bytes);
    if (s.exchange->body_waiting() >= kBodyWindow) s.exchange->dispatch();
  }

  void on_stream_close(int32_t id) {
    auto it = streams_.find(id);
    if (it == streams_.end()) return;
    if (std::shared_ptr<Exchange> exchange = std::move(it->second.exchange)) {
      bool whole = exchange->drained();
      exchange->abort({ErrorCode::kCancelled, "the peer reset the request", {}, 0, 0});
      exchange->finished();
      if (!whole && exchange->dispatched()) orphans_.push_back(exchange);
    }
    streams_.erase(it);
    if (streams_.empty()) idle_since_ = host_.core->clock.monotonic();
  }

  void count_reset() {
    MonotonicTime now = host_.core->clock.monotonic();
    if (now - resets_since_ > kResetPeriod) {
      resets_since_ = now;
      resets_ = 0;
    }
    if (++resets_ > kResetsMax) {
      host_.core->bad_requests++;
      terminate(NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }

  // Moves what an exchange has to nghttp2.
  void serve(int32_t id, Stream& s) {
    if (!s.exchange) return;
    if (size_t n = s.exchange->take_consumed(); n > 0) nghttp2_session_consume_stream(session_, id, n);
    if (s.local_ended) return;
    if (s.exchange->broken()) {
      s.local_ended = true;
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
      return;
    }
    if (s.submitted) {
      if (s.exchange->body_ready()) nghttp2_session_resume_data(session_, id);
      return;
    }
    const Exchange::AnswerHead* head = s.exchange->take_head();
    if (head == nullptr) return;
    s.submitted = true;
    submit(id, s, *head);
  }

  void submit(int32_t id, Stream& s, const Exchange::AnswerHead& head) {
    std::vector<std::pair<std::string, std::string>> fields;
    fields.emplace_back(":status", std::to_string(head.status));
    for (const auto& [name, value] : head.headers.fields()) {
      std::string lower = lower_case(name);
      if (!connection_specific(lower)) fields.emplace_back(std::move(lower), value);
    }
    if (!head.headers.has("Date")) fields.emplace_back("date", http_date(host_.core->clock.now()));
    bool trailers = s.exchange->drained() && !s.exchange->trailers().fields().empty();
    if (head.length && !trailers) fields.emplace_back("content-length", std::to_string(*head.length));
    std::vector<nghttp2_nv> nvs;
    for (const auto& [name, value] : fields) nvs.push_back(field(name, value));
    bool empty = head.bodiless || (s.exchange->drained() && !trailers);
    nghttp2_data_provider provider{};
    provider.source.ptr = this;
    provider.read_callback = [](nghttp2_session*, int32_t stream_id, uint8_t* out, size_t size,
                                uint32_t* flags, nghttp2_data_source* source, void*) {
      return static_cast<Http2Session*>(source->ptr)->read_answer(stream_id, out, size, *flags);
    };
    nghttp2_submit_response(session_, id, nvs.data(), nvs.size(), empty ? nullptr : &provider);
  }

  ssize_t read_answer(int32_t id, uint8_t* out, size_t size, uint32_t& flags) {
    auto it = streams_.find(id);
    if (it == streams_.end() || !it->second.exchange) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    Exchange& x = *it->second.exchange;
    if (x.broken()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t n = x.take_body(reinterpret_cast<char*>(out), size);
    if (!x.drained()) return n > 0 ? static_cast<ssize_t>(n) : static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED);
    flags |= NGHTTP2_DATA_FLAG_EOF;
    const auto& trailers = x.trailers().fields();
    if (!trailers.empty()) {
      flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> nvs;
      for (const auto& [name, value] : trailers) nvs.push_back(field(name, value));
      nghttp2_submit_trailer(session_, id, nvs.data(), nvs.size());
    }
    return static_cast<ssize_t>(n);
  }

  void on_frame_sent(const nghttp2_frame& frame) {
    bool answer = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
    if (!answer || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
    auto it = streams_.find(frame.hd.stream_id);
    if (it == streams_.end()) return;
    it->second.local_ended = true;
    // The answer is complete; the rest of the request is of no interest (RFC 9113, section 8.1).
    if (!it->second.remote_ended) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, frame.hd.stream_id, NGHTTP2_NO_ERROR);
    }
  }

  void terminate(uint32_t code) {
    terminating_ = true;
    nghttp2_session_terminate_session(session_, code);
  }

  static nghttp2_nv field(std::string_view name, std::string_view value) {
    // nghttp2 copies both; its interface predates const.
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }

  SessionHost host_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  std::vector<std::weak_ptr<Exchange>> orphans_;  // reset, but a handler is still at them
  MonotonicTime last_tick_;
  MonotonicTime idle_since_;
  MonotonicTime resets_since_;
  MonotonicTime header_block_since_;
  size_t header_block_bytes_ = 0;
  uint32_t resets_ = 0;
  bool in_header_block_ = false;
  bool proven_ = false;
  bool draining_ = false;
  bool terminating_ = false;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<Session> make_http2_session(SessionHost host) {
  return std::make_unique<Http2Session>(std::move(host));
}

}  // namespace sonde::net

#include "app/ship.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <thread>

#include "base/crc32c.h"
#include "base/random.h"
#include "model/event.h"
#include "wire/log_line.h"
#include "wire/otlp.h"

namespace sonde::app {
namespace {

constexpr std::string_view kStateMagic = "sonde-ship 1\n";
constexpr size_t kJoinedBytesMax = 256 << 10;
constexpr size_t kPollBytesMax = 256 << 10;  // of one file before the next one has its turn
constexpr Duration kPauseMin = Duration::milliseconds(200);
constexpr Duration kPauseMax = Duration::seconds(10);
constexpr Duration kRetryAfterMax = Duration::seconds(60);

bool is_indented(std::string_view line) { return line.starts_with(' ') || line.starts_with('\t'); }
bool begins_traceback(std::string_view line) { return line.starts_with("Traceback (most recent call last)"); }

// Turns the lines of one source into records, and joins those that belong together.
class RecordBuilder {
 public:
  RecordBuilder(const Clock& clock, std::shared_ptr<const Attributes> resource, std::string path)
      : clock_(clock), resource_(std::move(resource)), path_(std::move(path)) {}

  void add(std::string_view line, std::vector<LogRecord>& out) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    if (pending_ && continues(line)) {
      pending_->line += '\n';
      pending_->line += line;
      return;
    }
    flush(out);
    wire::LogLine parsed = parser_.parse(line);
    LogRecord record = record_of(line, parsed);
    if (parsed.kind != wire::LineKind::kPlain) {
      out.push_back(std::move(record));
      return;
    }
    traceback_ = begins_traceback(line) ? Traceback::kHead : Traceback::kNone;
    pending_ = std::move(record);
  }
  void flush(std::vector<LogRecord>& out) {
    if (pending_) out.push_back(*std::move(pending_));
    pending_.reset();
    traceback_ = Traceback::kNone;
  }

 private:
  enum class Traceback : uint8_t { kNone, kHead, kFrames };

  bool continues(std::string_view line) {
    if (pending_->line.size() + line.size() > kJoinedBytesMax) return false;
    if (is_indented(line)) {
      if (traceback_ == Traceback::kHead) traceback_ = Traceback::kFrames;
      return true;
    }
    if (begins_traceback(line)) {
      traceback_ = Traceback::kHead;
      return true;
    }
    if (traceback_ == Traceback::kFrames) {  // "ValueError: …": the last line, which stands at the margin
      traceback_ = Traceback::kNone;
      return true;
    }
    return line.starts_with("Caused by: ");
  }

  LogRecord record_of(std::string_view line, wire::LogLine& parsed) const {
    LogRecord record;
    record.observed = clock_.now();
    record.time = parsed.time.value_or(record.observed);
    record.line = line;
    record.severity_number = parsed.severity_number;
    record.severity_text = parsed.level;
    record.trace_id = parsed.trace_id;
    record.span_id = parsed.span_id;
    record.attributes = std::move(parsed.fields);
    if (!path_.empty() && find_attribute(record.attributes, "log.file.path") == nullptr) {
      record.attributes.emplace_back("log.file.path", path_);
    }
    record.resource = resource_;
    return record;
  }

  const Clock& clock_;
  std::shared_ptr<const Attributes> resource_;
  std::string path_;
  wire::LogLineParser parser_;
  std::optional<LogRecord> pending_;
  Traceback traceback_ = Traceback::kNone;
};

// Where lines come from.
class LineSource {
 public:
  using OnLine = std::function<void(std::string_view)>;
  virtual ~LineSource() = default;
  virtual Result<bool> poll(size_t bytes_max, const OnLine& on_line) = 0;
  virtual bool ended() const { return false; }
  virtual std::optional<FilePosition> position() const { return std::nullopt; }
  virtual std::string path() const { return {}; }
};

class FileSource final : public LineSource {
 public:
  explicit FileSource(std::unique_ptr<LogFollower> follower) : follower_(std::move(follower)) {}
  Result<bool> poll(size_t bytes_max, const OnLine& on_line) override {
    return follower_->poll(bytes_max, on_line);
  }
  std::optional<FilePosition> position() const override { return follower_->position(); }
  std::string path() const override { return follower_->path(); }

 private:
  std::unique_ptr<LogFollower> follower_;
};

class InputSource final : public LineSource {
 public:
  InputSource(int fd, size_t line_bytes_max) : fd_(fd), line_bytes_max_(line_bytes_max) {}

  Result<bool> poll(size_t bytes_max, const OnLine& on_line) override {
    size_t handed = 0;
    while (!ended_ && handed < bytes_max) {
      pollfd ready{fd_, POLLIN, 0};
      if (::poll(&ready, 1, 0) <= 0) break;
      char chunk[64 << 10];
      ssize_t n = ::read(fd_, chunk, sizeof chunk);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) break;
      if (n < 0) {
        ended_ = true;
        return fail(errno_error(errno, "read standard input"));
      }
      if (n == 0) ended_ = true;
      buffer_.append(chunk, static_cast<size_t>(n));
      handed += static_cast<size_t>(n);
      hand_out(on_line);
    }
    return handed > 0;
  }
  bool ended() const override { return ended_; }

 private:
  void hand_out(const OnLine& on_line) {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      size_t end = rest.find('\n');
      if (end == std::string_view::npos || end > line_bytes_max_) {
        if (rest.size() < line_bytes_max_ && !ended_) break;
        end = std::min(rest.size(), line_bytes_max_);
        on_line(rest.substr(0, end));
        rest.remove_prefix(end);
        continue;
      }
      std::string_view line = rest.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      on_line(line);
      rest.remove_prefix(end + 1);
    }
    buffer_.erase(0, buffer_.size() - rest.size());
  }

  int fd_;
  size_t line_bytes_max_;
  bool ended_ = false;
  std::string buffer_;
};

// ExportLogsServiceResponse: how many the server turned away, and why.
std::pair<int64_t, std::string> partial_success(std::string_view body) {
  std::pair<int64_t, std::string> out{0, {}};
  try {
    protozero::pbf_reader response(body.data(), body.size());
    while (response.next(1)) {
      protozero::pbf_reader success = response.get_message();
      while (success.next()) {
        if (success.tag() == 1) {
          out.first = success.get_int64();
        } else if (success.tag() == 2) {
          out.second = success.get_string();
        } else {
          success.skip();
        }
      }
    }
  } catch (const protozero::exception&) {
    return {0, {}};  // what cannot be read says nothing; the records were acknowledged
  }
  return out;
}

enum class Sent : uint8_t { kAcknowledged, kRefused, kFatal, kGivenUp };

class Shipper {
 public:
  Shipper(const ShipOptions& options, const ShipContext& context)
      : options_(options), context_(context), random_(random_seed()) {
    Attributes resource;
    resource.emplace_back("service.name", options.service);
    for (const auto& [key, value] : options.labels) {
      if (find_attribute(resource, key) == nullptr) resource.emplace_back(key, value);
    }
    resource_ = std::make_shared<const Attributes>(std::move(resource));
    std::string_view url = options.url;
    while (url.ends_with('/')) url.remove_suffix(1);
    endpoint_ = std::string(url) + "/v1/logs";
  }

  Result<> open() {
    if (options_.files.empty()) {
      add(std::make_unique<InputSource>(context_.input_fd, options_.batch_bytes_max));
      return {};
    }
    SONDE_CHECK(context_.fs.create_directories(options_.state_dir));
    state_path_ = ship_state_path(options_);
    SONDE_TRY(lock_, context_.fs.lock(state_path_ + ".lock"));
    if (context_.fs.exists(state_path_)) {
      SONDE_TRY(std::string text, context_.fs.read_file(state_path_));
      Result<ShipState> state = decode_ship_state(text);
      if (!state) return fail(state.error().code, state_path_ + ": " + state.error().message);
      state_ = *std::move(state);
    }
    for (const std::string& path : options_.files) {
      std::optional<FilePosition> resume;
      if (auto it = state_.find(path); it != state_.end()) resume = it->second;
      LogFollowerOptions follow;
      follow.path = path;
      follow.from_start = options_.from_start;
      auto source = std::make_unique<FileSource>(
          std::make_unique<LogFollower>(context_.clock, std::move(follow), resume));
      SONDE_CHECK(source->poll(0, [](std::string_view) {}));  // decides where to begin
      add(std::move(source));
    }
    return save_positions();
  }

  int run() {
    for (size_t turn = 0;; turn++) {
      bool stopping = context_.stop.load();
      bool progressed = !stopping && read(turn);
      bool ended = std::all_of(inputs_.begin(), inputs_.end(), [](auto& i) { return i.source->ended(); });
      bool due = stopping || ended || batch_bytes_ >= options_.batch_bytes_max ||
                 (batch_bytes_ > 0 && context_.clock.monotonic() - batch_begin_ >= options_.batch_wait);
      if (due && batch_bytes_ > 0 && !flush()) return 1;
      if (stopping || ended) return lost_ > 0 || broken_ ? 1 : 0;
      if (!progressed) pause(options_.poll_interval);
    }
  }

 private:
  struct Input {
    std::unique_ptr<LineSource> source;
    std::unique_ptr<RecordBuilder> builder;
    std::string last_error;
  };

  void add(std::unique_ptr<LineSource> source) {
    auto builder = std::make_unique<RecordBuilder>(context_.clock, resource_, source->path());
    inputs_.push_back({std::move(source), std::move(builder), {}});
  }

  // Takes what there is, each source in turn, until the batch is full.
  bool read(size_t turn) {
    bool progressed = false;
    for (size_t i = 0; i < inputs_.size() && batch_bytes_ < options_.batch_bytes_max; i++) {
      Input& input = inputs_[(turn + i) % inputs_.size()];
      size_t room = std::min(options_.batch_bytes_max - batch_bytes_, kPollBytesMax);
      Result<bool> any = input.source->poll(room, [&](std::string_view line) {
        if (batch_bytes_ == 0) batch_begin_ = context_.clock.monotonic();
        batch_bytes_ += line.size() + 1;
        input.builder->add(line, batch_);
      });
      if (any) {
        progressed |= *any;
        input.last_error.clear();
      } else if (input.last_error != any.error().message) {
        input.last_error = any.error().message;
        say("ship: " + input.last_error);
        broken_ |= input.source->ended();
      }
    }
    return progressed;
  }

  // False when shipping must end.
  bool flush() {
    for (Input& input : inputs_) input.builder->flush(batch_);
    Sent sent = batch_.empty() ? Sent::kAcknowledged : send();
    if (sent == Sent::kGivenUp || sent == Sent::kFatal) {
      bool kept = !options_.files.empty();
      say("ship: " + std::to_string(batch_.size()) + " records were not acknowledged" +
          (kept ? "; they will be read again" : " and are lost"));
      return false;
    }
    if (sent == Sent::kRefused) lost_ += batch_.size();
    batch_.clear();
    batch_bytes_ = 0;
    if (Result<> saved = save_positions(); !saved) say("ship: " + saved.error().message);
    return true;
  }

  Result<> save_positions() {
    if (options_.files.empty()) return {};
    ShipState next = state_;
    for (const Input& input : inputs_) {
      if (auto position = input.source->position()) next[input.source->path()] = *position;
    }
    if (next == state_ && context_.fs.exists(state_path_)) return {};
    SONDE_CHECK(context_.fs.write_file_atomically(state_path_, encode_ship_state(next)));
    state_ = std::move(next);
    return {};
  }

  Sent send() {
    net::ClientRequest request;
    request.method = "POST";
    request.url = endpoint_;
    request.headers.add("Content-Type", "application/x-protobuf");
    request.headers.add("User-Agent", "sonde-ship/1");
    if (!options_.authorization.empty()) request.headers.add("Authorization", options_.authorization);
    request.body = wire::encode_otlp_logs(batch_);
    request.timeout = Duration::seconds(30);
    request.response_bytes_max = 1 << 20;
    request.tls = options_.tls;

    Duration wait = kPauseMin;
    std::optional<MonotonicTime> give_up;
    bool away = false;
    for (;;) {
      Result<net::ClientResponse> response = context_.client.fetch_and_wait(request);
      if (response && response->status / 100 == 2) {
        if (away) say("ship: " + options_.url + " takes lines again");
        auto [rejected, why] = partial_success(response->body);
        if (rejected > 0) {
          lost_ += static_cast<uint64_t>(rejected);
          say("ship: the server turned away " + std::to_string(rejected) + " records: " + why);
        }
        return Sent::kAcknowledged;
      }
      std::string what =
          response ? "HTTP status " + std::to_string(response->status) : response.error().message;
      bool retry = !response ? response.error().code != ErrorCode::kInvalid
                             : response->status >= 500 || response->status == 429 || response->status == 408;
      if (!retry) {
        bool of_the_batch = response && (response->status == 400 || response->status == 413);
        say("ship: " + endpoint_ + ": " + what +
            (of_the_batch ? "; " + std::to_string(batch_.size()) + " records dropped" : ""));
        return of_the_batch ? Sent::kRefused : Sent::kFatal;
      }
      if (!away) say("ship: " + endpoint_ + ": " + what + "; trying again until it answers");
      away = true;

      MonotonicTime now = context_.clock.monotonic();
      if (context_.stop.load() && !give_up) give_up = now + options_.drain_timeout;
      if (give_up && now >= *give_up) return Sent::kGivenUp;
      // Half of it random, so that many senders do not come back at once.
      Duration this_time{wait.ns / 2 +
                         static_cast<int64_t>(random_.unit() * static_cast<double>(wait.ns / 2))};
      if (response) this_time = std::max(this_time, retry_after(*response));
      if (give_up) this_time = std::min(this_time, *give_up - now);
      pause(this_time);
      wait = std::min(wait * 2, kPauseMax);
    }
  }

  static Duration retry_after(const net::ClientResponse& response) {
    std::string_view text = response.headers.get("Retry-After");
    int64_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return std::clamp(Duration::seconds(std::clamp<int64_t>(seconds, 0, 3600)), Duration{}, kRetryAfterMax);
  }

  void pause(Duration d) {
    if (context_.sleep) return context_.sleep(d);
    // In slices: a stop cuts waiting short, once; afterwards the pauses of the drain are kept.
    bool stopped_before = context_.stop.load();
    for (Duration left = d; left.ns > 0 && context_.stop.load() == stopped_before;) {
      Duration slice = std::min(left, Duration::milliseconds(20));
      std::this_thread::sleep_for(std::chrono::nanoseconds(slice.ns));
      left = left - slice;
    }
  }

  void say(const std::string& line) const {
    if (context_.log) context_.log(line);
  }

  const ShipOptions& options_;
  const ShipContext& context_;
  Random random_;
  std::shared_ptr<const Attributes> resource_;
  std::string endpoint_;
  std::string state_path_;
  std::unique_ptr<FileLock> lock_;
  ShipState state_;
  std::vector<Input> inputs_;
  std::vector<LogRecord> batch_;
  size_t batch_bytes_ = 0;  // of lines read since the last flush
  MonotonicTime batch_begin_;
  uint64_t lost_ = 0;
  bool broken_ = false;  // standard input ended in an error
};

Error damaged(std::string what) {
  return Error{
      ErrorCode::kCorrupt, "ship state: " + std::move(what) + "; remove the file to begin afresh", {}, 0, 0};
}

std::string checksum_line(std::string_view text) {
  char line[32];
  std::snprintf(line, sizeof line, "crc32c %08x\n", crc32c(text));
  return line;
}

template <class T>
bool take_number(std::string_view& line, T& out) {
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), out);
  if (error != std::errc() || end == line.data() + line.size() || *end != ' ') return false;
  line.remove_prefix(static_cast<size_t>(end - line.data()) + 1);
  return true;
}

}  // namespace

std::string ship_state_path(const ShipOptions& options) {
  return options.state_dir + "/ship-" + net::percent_encode(options.service) + ".state";
}

std::string encode_ship_state(const ShipState& state) {
  std::string out(kStateMagic);
  for (const auto& [path, p] : state) {
    for (uint64_t n : {p.device, p.inode, p.offset, uint64_t{p.head_bytes}, p.head_hash,
                       uint64_t{p.tail_bytes}, p.tail_hash}) {
      out += std::to_string(n) + ' ';
    }
    out += net::percent_encode(path) + '\n';
  }
  return out + checksum_line(out);
}

Result<ShipState> decode_ship_state(std::string_view text) {
  size_t end = text.rfind("crc32c ");
  if (!text.starts_with(kStateMagic) || end == std::string_view::npos) return fail(damaged("not complete"));
  if (text.substr(end) != checksum_line(text.substr(0, end))) return fail(damaged("checksum mismatch"));
  ShipState out;
  std::string_view rest = text.substr(kStateMagic.size(), end - kStateMagic.size());
  while (!rest.empty()) {
    size_t newline = rest.find('\n');
    if (newline == std::string_view::npos) return fail(damaged("a line without its end"));
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(newline + 1);
    FilePosition p;
    bool ok = take_number(line, p.device) && take_number(line, p.inode) && take_number(line, p.offset) &&
              take_number(line, p.head_bytes) && take_number(line, p.head_hash) &&
              take_number(line, p.tail_bytes) && take_number(line, p.tail_hash);
    if (!ok || line.empty()) return fail(damaged("a line that is no position"));
    out[net::percent_decode(line)] = p;
  }
  return out;
}

int run_ship(const ShipOptions& options, const ShipContext& context) {
  auto say = [&](const std::string& line) {
    if (context.log) context.log(line);
  };
  if (options.service.empty()) {
    say("ship: --service is missing");
    return 2;
  }
  if (!options.files.empty() && options.state_dir.empty()) {
    say("ship: followed files need a folder for their positions");
    return 2;
  }
  Shipper shipper(options, context);
  if (Result<> opened = shipper.open(); !opened) {
    say("ship: " + opened.error().to_string());
    return 1;
  }
  return shipper.run();
}

}  // namespace sonde::app

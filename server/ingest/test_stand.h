// What the tests of this folder stand on: recording stores, and requests without sockets.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "ingest/all.h"
#include "net/http.h"

namespace sonde::ingest {

// Keeps what it is given. `policy` may take items away or fail; with `hold` nothing is durable until
// release().
template <class Item>
class Recorder {
 public:
  using Policy = std::function<Result<storage::EventOutcome>(std::vector<Item>&)>;
  Policy policy;
  bool hold = false;
  std::vector<Item> stored;
  std::vector<std::string> sources;

  void append(std::vector<Item> items, std::string_view source, storage::OnEventsDurable done) {
    sources.emplace_back(source);
    auto commit = [this, items = std::move(items), done = std::move(done)]() mutable {
      Result<storage::EventOutcome> outcome =
          policy ? policy(items) : storage::EventOutcome{items.size(), 0, {}};
      if (outcome) stored.insert(stored.end(), items.begin(), items.end());
      done(std::move(outcome));
    };
    if (!hold) return commit();
    held_.push_back(std::move(commit));
  }
  void release() {
    for (auto& commit : std::exchange(held_, {})) commit();
  }

 private:
  std::vector<std::function<void()>> held_;
};

class RecordingLogs final : public storage::LogSink, public Recorder<LogRecord> {
 public:
  void append_logs(std::vector<LogRecord> records, std::string_view source,
                   storage::OnEventsDurable done) override {
    append(std::move(records), source, std::move(done));
  }
};

class RecordingSpans final : public storage::SpanSink, public Recorder<Span> {
 public:
  void append_spans(std::vector<Span> spans, std::string_view source,
                    storage::OnEventsDurable done) override {
    append(std::move(spans), source, std::move(done));
  }
};

// Passes on to a real store.
class RecordingMetrics final : public storage::Appender {
 public:
  explicit RecordingMetrics(storage::Appender& store) : store_(store) {}
  std::function<Result<>()> fault;  // before anything is stored
  std::vector<storage::Batch> batches;
  uint64_t stored = 0;

  void commit(storage::Batch batch, storage::OnDurable on_durable) override {
    batches.push_back(batch);
    if (fault) {
      if (Result<> r = fault(); !r) return on_durable(fail(r.error()));
    }
    store_.commit(std::move(batch), [&](Result<storage::CommitOutcome> outcome) {
      stored += outcome->floats_stored + outcome->histograms_stored + outcome->exemplars_stored;
      on_durable(std::move(outcome));
    });
  }

 private:
  storage::Appender& store_;
};

struct Answer {
  int status = 0;
  net::Headers headers;
  net::Headers trailers;
  std::string body;
  bool finished = false;
};

class RecordingWriter final : public net::ResponseWriter {
 public:
  explicit RecordingWriter(std::shared_ptr<Answer> answer) : answer_(std::move(answer)) {}
  void status(int code) override { answer_->status = code; }
  void header(std::string name, std::string value) override {
    answer_->headers.add(std::move(name), std::move(value));
  }
  Result<> write(std::string_view chunk) override {
    answer_->body += chunk;
    return {};
  }
  void trailer(std::string name, std::string value) override {
    answer_->trailers.add(std::move(name), std::move(value));
  }
  void finish() override { answer_->finished = true; }

 private:
  std::shared_ptr<Answer> answer_;
};

class StringBody final : public net::BodyReader {
 public:
  explicit StringBody(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> read(std::span<std::byte> out) override {
    size_t n = std::min(out.size(), bytes_.size() - at_);
    std::memcpy(out.data(), bytes_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

// `Store` takes the metrics: the tests name the one in memory, which is not below this folder.
template <class Store>
struct TestStandOn {
  explicit TestStandOn(IngestLimits limits = {}, uint64_t memory_bytes_max = 0)
      : memory(memory_bytes_max),
        context{metrics, logs, spans, clock, executor, memory, stats, std::move(limits)} {
    add_ingest_routes(router, context);
    add_grpc_routes(router, context);
  }

  std::shared_ptr<Answer> post(std::string path, std::string type, std::string body,
                               std::vector<std::pair<std::string, std::string>> headers = {}) {
    auto answer = std::make_shared<Answer>();
    net::Router::Match match = router.match("POST", path);
    if (!match.route) return answer;
    net::Request request;
    request.method = "POST";
    request.path = path;
    request.raw_target = path;
    if (!type.empty()) request.headers.add("Content-Type", type);
    for (auto& [name, value] : headers) request.headers.add(name, value);
    request.body = std::make_unique<StringBody>(std::move(body));
    match.route->handler(request, std::make_shared<RecordingWriter>(answer));
    return answer;
  }

  VirtualClock clock;
  Store store;
  RecordingMetrics metrics{store};
  RecordingLogs logs;
  RecordingSpans spans;
  InlineExecutor executor;
  MemoryAccountant memory;
  IngestStats stats;
  IngestContext context;
  net::Router router;
};

}  // namespace sonde::ingest

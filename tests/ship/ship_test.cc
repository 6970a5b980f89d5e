#include "app/ship.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <vector>

#include "temporary_folder.h"
#include "wire/otlp.h"

using namespace sonde;
using namespace sonde::app;

namespace {

using Lines = std::vector<std::string>;

// Answers as told, then 200; keeps the records of what it acknowledged.
class FakeServer final : public net::HttpClient {
 public:
  std::deque<int> script;  // statuses of the next answers; 0: cannot be reached
  std::vector<LogRecord> records;
  std::vector<net::ClientRequest> requests;

  void fetch(net::ClientRequest request, std::function<void(Result<net::ClientResponse>)> done) override {
    requests.push_back(request);
    int status = 200;
    if (!script.empty()) {
      status = script.front();
      script.pop_front();
    }
    if (status == 0) return done(fail(ErrorCode::kUnavailable, "connection refused"));
    net::ClientResponse response;
    response.status = status;
    if (status == 200) {
      auto logs = wire::decode_otlp_logs(request.body, wire::OtlpEncoding::kProtobuf, {});
      REQUIRE(logs);
      for (auto& r : logs->records) records.push_back(std::move(r));
    }
    done(std::move(response));
  }
  Lines lines() const {
    Lines out;
    for (const auto& r : records) out.push_back(r.line);
    return out;
  }
};

struct Ship {
  TemporaryFolder folder;
  std::unique_ptr<FileSystem> fs = make_posix_file_system();
  VirtualClock clock;
  FakeServer server;
  std::atomic<bool> stop{false};
  Lines said;
  ShipOptions options;
  // What happens while ship sleeps, one step a sleep; then it is stopped.
  std::deque<std::function<void()>> steps;
  int idle_sleeps = 0;  // before each step: enough for a batch to become due
  int sleeps = 0;

  Ship() {
    options.service = "shop";
    options.state_dir = folder / "state";
  }
  int run(int input_fd = -1) {
    stop = false;
    ShipContext context{server, *fs, clock, stop, {}, {}, input_fd};
    context.log = [&](std::string_view line) { said.emplace_back(line); };
    context.sleep = [&](Duration d) {
      clock.advance(d);
      sleeps++;
      if (idle_sleeps++ < 30) return;  // three seconds of looking in vain
      idle_sleeps = 0;
      if (steps.empty()) {
        stop = true;
      } else {
        auto step = std::move(steps.front());
        steps.pop_front();
        step();
      }
    };
    return run_ship(options, context);
  }
  int run_on(const std::string& input) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    REQUIRE(write(ends[1], input.data(), input.size()) == static_cast<ssize_t>(input.size()));
    close(ends[1]);
    int status = run(ends[0]);
    close(ends[0]);
    return status;
  }
};

}  // namespace

TEST_CASE("ship: standard input is sent as typed records until it ends") {
  Ship ship;
  ship.options.labels = {{"deployment.environment", "test"}};
  ship.options.authorization = "Bearer x";
  CHECK(ship.run_on("{\"level\":\"error\",\"msg\":\"no\",\"status\":503,\"ratio\":0.5,\"ok\":true,"
                    "\"trace_id\":\"0102030405060708090a0b0c0d0e0f10\"}\n"
                    "level=warn took=12 path=/x\n"
                    "plain words") == 0);
  REQUIRE(ship.server.records.size() == 3);
  const LogRecord& json = ship.server.records[0];
  CHECK(json.line.starts_with("{\"level\""));
  CHECK(json.severity_number == 17);
  CHECK(*find_attribute(json.attributes, "status") == AttributeValue(503));
  CHECK(*find_attribute(json.attributes, "ratio") == AttributeValue(0.5));
  CHECK(*find_attribute(json.attributes, "ok") == AttributeValue(true));
  CHECK(json.trace_id.to_hex() == "0102030405060708090a0b0c0d0e0f10");
  CHECK(json.stream.get("service_name") == "shop");
  CHECK(json.stream.get("deployment_environment") == "test");
  CHECK(*find_attribute(ship.server.records[1].attributes, "took") == AttributeValue(12));
  CHECK(ship.server.records[2].line == "plain words");
  CHECK(ship.server.records[2].time == ship.clock.now());
  REQUIRE(ship.server.requests.size() == 1);
  const net::ClientRequest& request = ship.server.requests[0];
  CHECK(request.url == "http://127.0.0.1:9090/v1/logs");
  CHECK(request.headers.get("Content-Type") == "application/x-protobuf");
  CHECK(request.headers.get("User-Agent").starts_with("sonde-ship/"));
  CHECK(request.headers.get("Authorization") == "Bearer x");
}

TEST_CASE("ship: tracebacks of plain text are one record, other lines are not joined") {
  Ship ship;
  std::string python =
      "ERROR it failed\n"
      "Traceback (most recent call last):\n"
      "  File \"a.py\", line 1, in <module>\n"
      "    f(a=1)\n"
      "ValueError: no";
  std::string java =
      "java.lang.Error: x\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException\n\tat a.B.d(B.java:2)";
  CHECK(ship.run_on(python + "\nnext one\n" + java + "\nlast\n{\"msg\":\"a\"}\n  indented\n") == 0);
  CHECK(ship.server.lines() == Lines{python, "next one", java, "last", "{\"msg\":\"a\"}", "  indented"});
}

TEST_CASE("ship: a batch is tried again until it is acknowledged, in order and once") {
  Ship ship;
  ship.options.batch_bytes_max = 4;
  ship.server.script = {0, 503, 429, 500, 200, 0, 200};
  CHECK(ship.run_on("one\ntwo\n") == 0);
  CHECK(ship.server.lines() == Lines{"one", "two"});
  CHECK(ship.said.size() >= 2);  // that it waits, and that it goes on
}

TEST_CASE("ship: what the server refuses for good is told, and fails the run") {
  Ship ship;
  ship.server.script = {400};
  CHECK(ship.run_on("one\n") == 1);
  REQUIRE(ship.said.size() == 1);
  CHECK(ship.said[0].find("400; 1 records dropped") != std::string::npos);
  Ship denied;
  denied.server.script = {401};
  CHECK(denied.run_on("one\n") == 1);
  CHECK(denied.server.requests.size() == 1);
}

TEST_CASE("ship: a followed file survives rotation, truncation and restart without loss or repetition") {
  Ship ship;
  ship.options.files = {ship.folder / "app.log"};
  ship.folder.append("app.log", "before\n");
  ship.steps = {
      [&] { ship.folder.append("app.log", "1\n2\n"); },
      [&] {
        ship.folder.append("app.log", "3\n");
        ship.folder.rename("app.log", "app.log.1");
        ship.folder.append("app.log", "4\n");
      },
      [&] {
        ship.folder.truncate("app.log");
        ship.folder.append("app.log", "five\n6\n");
      },
  };
  CHECK(ship.run() == 0);
  CHECK(ship.server.lines() == Lines{"1", "2", "3", "4", "five", "6"});
  CHECK(string_attribute(ship.server.records[0].attributes, "log.file.path") == ship.folder / "app.log");

  ship.folder.append("app.log", "7\npartial");
  CHECK(ship.run() == 0);
  ship.folder.append("app.log", " line\n");
  ship.steps = {[&] { ship.folder.append("app.log", "9\n"); }};
  CHECK(ship.run() == 0);
  CHECK(ship.server.lines() == Lines{"1", "2", "3", "4", "five", "6", "7", "partial line", "9"});
}

TEST_CASE("ship: lines that were not acknowledged before the stop are sent by the next run") {
  Ship ship;
  ship.options.files = {ship.folder / "app.log"};
  ship.options.from_start = true;
  ship.folder.append("app.log", "1\n2\n");
  ship.server.script.assign(1000, 503);
  CHECK(ship.run() == 1);
  CHECK(ship.server.records.empty());
  CHECK(ship.said.back().find("will be read again") != std::string::npos);
  ship.server.script.clear();
  CHECK(ship.run() == 0);
  CHECK(ship.server.lines() == Lines{"1", "2"});
}

TEST_CASE("ship: while the server is away, nothing more than a batch is read") {
  Ship ship;
  ship.options.files = {ship.folder / "app.log"};
  ship.options.from_start = true;
  ship.options.batch_bytes_max = 1000;
  std::string line(99, 'x');
  for (int i = 0; i < 100; i++) ship.folder.append("app.log", line + "\n");
  ship.server.script.assign(5, 0);
  CHECK(ship.run() == 0);
  CHECK(ship.server.records.size() == 100);
  for (const auto& request : ship.server.requests) {
    auto logs = wire::decode_otlp_logs(request.body, wire::OtlpEncoding::kProtobuf, {});
    REQUIRE(logs);
    CHECK(logs->records.size() <= 11);
  }
}

TEST_CASE("ship: several files keep their own places") {
  Ship ship;
  ship.options.files = {ship.folder / "a.log", ship.folder / "b.log"};
  ship.options.from_start = true;
  ship.folder.append("a.log", "a1\n");
  ship.folder.append("b.log", "b1\n");
  CHECK(ship.run() == 0);
  ship.folder.append("b.log", "b2\n");
  CHECK(ship.run() == 0);
  CHECK(ship.server.lines() == Lines{"a1", "b1", "b2"});
}

TEST_CASE("ship: two with the same name do not share their places") {
  Ship ship;
  ship.options.files = {ship.folder / "app.log"};
  REQUIRE(ship.fs->create_directories(ship.options.state_dir));
  auto lock = ship.fs->lock(ship_state_path(ship.options) + ".lock");
  REQUIRE(lock);
  CHECK(ship.run() == 1);
}

TEST_CASE("ship: a damaged state file is an error that names it, not a fresh start") {
  Ship ship;
  ship.options.files = {ship.folder / "app.log"};
  ship.folder.append("app.log", "1\n");
  CHECK(ship.run() == 0);
  std::string path = ship_state_path(ship.options);
  auto text = ship.fs->read_file(path);
  REQUIRE(text);
  (*text)[20] ^= 1;
  REQUIRE(ship.fs->write_file_atomically(path, *text));
  CHECK(ship.run() == 1);
  CHECK(ship.said.back().find(path) != std::string::npos);
}

TEST_CASE("ship: the state reads back as it was written, and every cut of it is noticed") {
  ShipState state;
  state["/var/log/a b%\n.log"] = {1, 2, 3, 4, ~0ULL, 5, 77};
  state["relative"] = {};
  std::string text = encode_ship_state(state);
  auto back = decode_ship_state(text);
  REQUIRE(back);
  CHECK(*back == state);
  for (size_t i = 0; i < text.size(); i++) CHECK_FALSE(decode_ship_state(text.substr(0, i)));
}

TEST_CASE("ship: options without a service, or files without a folder for their places, are refused") {
  Ship ship;
  ship.options.service.clear();
  CHECK(ship.run() == 2);
  ship.options.service = "x";
  ship.options.files = {"x.log"};
  ship.options.state_dir.clear();
  CHECK(ship.run() == 2);
}

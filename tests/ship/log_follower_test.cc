#include "app/log_follower.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "temporary_folder.h"

using namespace sonde;
using namespace sonde::app;

namespace {

using Lines = std::vector<std::string>;

struct Following {
  TemporaryFolder folder;
  VirtualClock clock;
  std::unique_ptr<LogFollower> follower;

  void start(bool from_start = true, std::optional<FilePosition> resume = {}, size_t line_bytes_max = 1000) {
    LogFollowerOptions options;
    options.path = folder / "app.log";
    options.from_start = from_start;
    options.line_bytes_max = line_bytes_max;
    follower = std::make_unique<LogFollower>(clock, options, resume);
    REQUIRE(follower->poll(0, [](std::string_view) {}));
  }
  void restart() {
    auto position = follower->position();
    start(false, position);
  }
  Lines poll(size_t bytes_max = 1 << 20) {
    Lines out;
    auto result = follower->poll(bytes_max, [&](std::string_view line) { out.emplace_back(line); });
    if (!result) FAIL(result.error().message);
    return out;
  }
  // What comes when rotated files are given the time to become quiet.
  Lines poll_long() {
    Lines out;
    for (int i = 0; i < 6; i++) {
      for (auto& line : poll()) out.push_back(line);
      clock.advance(Duration::seconds(2));
    }
    return out;
  }
};

}  // namespace

TEST_CASE("follower: whole lines are handed out as they come, a partial last line when it is complete") {
  Following f;
  f.folder.append("app.log", "one\ntwo\r\nthr");
  f.start();
  CHECK(f.poll() == Lines{"one", "two"});
  CHECK(f.poll().empty());
  f.folder.append("app.log", "ee\n\nfour\n");
  CHECK(f.poll() == Lines{"three", "", "four"});
}

TEST_CASE("follower: begins at the end of a file that was there, at the start of one that comes later") {
  Following f;
  f.folder.append("app.log", "old\n");
  f.start(false);
  f.folder.append("app.log", "new\n");
  CHECK(f.poll() == Lines{"new"});

  Following later;
  later.start(false);
  CHECK(later.poll().empty());
  CHECK_FALSE(later.follower->position());
  later.folder.append("app.log", "first\n");
  CHECK(later.poll() == Lines{"first"});
}

TEST_CASE("follower: stops after the bytes it was asked for, and goes on there") {
  Following f;
  f.folder.append("app.log", "aaaa\nbbbb\ncccc\n");
  f.start();
  CHECK(f.poll(6) == Lines{"aaaa", "bbbb"});
  CHECK(f.poll(6) == Lines{"cccc"});
}

TEST_CASE("follower: a line over the bound comes in pieces") {
  Following f;
  f.folder.append("app.log", "0123456789abc\nx\n");
  f.start(true, {}, 5);
  CHECK(f.poll() == Lines{"01234", "56789", "abc", "x"});
}

TEST_CASE("follower: a renamed file is read to its end before the new one") {
  Following f;
  f.folder.append("app.log", "1\n");
  f.start();
  CHECK(f.poll() == Lines{"1"});
  f.folder.append("app.log", "2\n");
  f.folder.rename("app.log", "app.log.1");
  f.folder.append("app.log", "4\n");
  CHECK(f.poll() == Lines{"2"});
  // Its writer has it still open.
  f.folder.append("app.log.1", "3\nunended");
  CHECK(f.poll() == Lines{"3"});
  f.clock.advance(Duration::seconds(2));
  CHECK(f.poll() == Lines{"unended", "4"});
  CHECK(f.poll_long().empty());
}

TEST_CASE("follower: two rotations between two looks lose nothing") {
  Following f;
  f.folder.append("app.log.2", "ancient\n");
  TemporaryFolder::tick();
  f.folder.append("app.log", "1\n");
  f.start();
  CHECK(f.poll() == Lines{"1"});
  TemporaryFolder::tick();
  f.folder.rename("app.log.2", "app.log.4");
  f.folder.rename("app.log", "app.log.2");
  f.folder.append("app.log", "2\n");
  f.folder.rename("app.log", "app.log.1");
  TemporaryFolder::tick();
  f.folder.append("app.log", "3\n");
  CHECK(f.poll_long() == Lines{"2", "3"});
}

TEST_CASE("follower: a truncated file is read from its start, also when it has grown beyond the old place") {
  Following f;
  f.folder.append("app.log", "1\n2\n");
  f.start();
  CHECK(f.poll() == Lines{"1", "2"});
  f.folder.truncate("app.log");
  CHECK(f.poll().empty());
  f.folder.append("app.log", "3\n");
  CHECK(f.poll() == Lines{"3"});
  f.folder.truncate("app.log");
  f.folder.append("app.log", "4\n5\n6\n7\n");
  CHECK(f.poll() == Lines{"4", "5", "6", "7"});
}

TEST_CASE("follower: what was copied away before the truncation is read from the copy") {
  Following f;
  f.folder.append("app.log", "1\n");
  f.start();
  CHECK(f.poll() == Lines{"1"});
  f.folder.append("app.log", "2\n");
  f.folder.copy("app.log", "app.log.1");
  f.folder.truncate("app.log");
  f.folder.append("app.log", "3\n4\n5\n");
  CHECK(f.poll_long() == Lines{"2", "3", "4", "5"});
}

TEST_CASE("follower: a restart goes on where it stopped, whatever the name of the file is by then") {
  Following f;
  f.folder.append("app.log", "1\n2\n");
  f.start();
  CHECK(f.poll(1) == Lines{"1"});
  f.restart();
  CHECK(f.poll() == Lines{"2"});
  f.restart();
  CHECK(f.poll().empty());

  f.folder.append("app.log", "3\n");
  f.folder.rename("app.log", "app.log.1");
  TemporaryFolder::tick();
  f.folder.append("app.log", "4\n");
  f.folder.rename("app.log.1", "app.log-20260102");
  f.folder.rename("app.log", "app.log-20260103");
  TemporaryFolder::tick();
  f.folder.append("app.log", "5\n");
  f.restart();
  CHECK(f.poll_long() == Lines{"3", "4", "5"});
}

TEST_CASE(
    "follower: a restart after a truncation reads the rest from the copy, then the file from its start") {
  Following f;
  f.folder.append("app.log", "1\n2\n");
  f.start();
  CHECK(f.poll(1) == Lines{"1"});
  f.folder.copy("app.log", "app.log.1");
  f.folder.truncate("app.log");
  f.folder.append("app.log", "three is longer\n");
  f.restart();
  CHECK(f.poll_long() == Lines{"2", "three is longer"});
}

TEST_CASE("follower: when the old file is gone, the new one is read from its start") {
  Following f;
  f.folder.append("app.log", "1\n");
  f.start();
  CHECK(f.poll() == Lines{"1"});
  std::filesystem::remove(f.folder / "app.log");
  f.folder.append("app.log", "another\n");
  f.restart();
  CHECK(f.poll_long() == Lines{"another"});
}

TEST_CASE("follower: a folder is no log file") {
  Following f;
  std::filesystem::create_directory(f.folder / "app.log");
  LogFollowerOptions options;
  options.path = f.folder / "app.log";
  LogFollower follower(f.clock, options, {});
  auto result = follower.poll(1, [](std::string_view) {});
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kInvalid);
}

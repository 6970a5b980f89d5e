#include "app/log_follower.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "base/random.h"
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
  later.restart();
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

namespace {

// A program that logs, and what rotates its log, at random; remembers the lines that must come out.
class Model {
 public:
  Model(Following& f, uint64_t seed) : f_(f), random_(seed) {
    f_.folder.append("app.log", "first\n");
    expected_.push_back("first");
    f_.start();
  }

  void step(bool copies) {
    switch (random_.below(copies ? 12 : 10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return write();
      case 4:
      case 5:
        return take(f_.poll(1 + random_.below(60)));
      case 6:
      case 7:
        return f_.restart();
      case 8:
        f_.clock.advance(Duration::milliseconds(static_cast<int64_t>(random_.below(3000))));
        return;
      case 9:
        return rotate(false);
      default:
        return rotate(true);
    }
  }
  void finish() {
    end_line();
    settle();
    for (size_t i = 0; i < std::min(got_.size(), expected_.size()); i++) {
      INFO("line " << i << " of " << expected_.size());
      REQUIRE(got_[i] == expected_[i]);
    }
    CHECK(got_.size() == expected_.size());
  }
  size_t lines() const { return expected_.size(); }

 private:
  void write() {
    end_line();
    for (uint64_t i = 1 + random_.below(4); i > 0; i--) {
      std::string line = "line " + std::to_string(++last_) + std::string(random_.below(40), '.');
      size_t cut = random_.chance(0.3) ? random_.below(line.size()) : line.size();
      f_.folder.append("app.log", line.substr(0, cut));  // in two writes, perhaps with a look in between
      if (cut < line.size() && random_.chance(0.5)) take(f_.poll());
      f_.folder.append("app.log", line.substr(cut) + "\n");
      expected_.push_back(line);
    }
    if (random_.chance(0.2)) {
      f_.folder.append("app.log", "half");
      partial_ = true;
    }
    if (partial_ && random_.chance(0.7)) end_line();
  }
  void end_line() {
    if (!partial_) return;
    partial_ = false;
    f_.folder.append("app.log", "\n");
    expected_.push_back("half");
  }
  void rotate(bool copy) {
    end_line();
    if (copy || ++rotations_ % 4 == 0) settle();  // five files are kept, and a copy is known by what was read
    if (copy) write(), end_line();
    TemporaryFolder::tick();
    for (int i = 5; i > 0; i--) {
      std::string from = "app.log." + std::to_string(i);
      if (!std::filesystem::exists(f_.folder / from)) continue;
      f_.folder.rename(from, "app.log." + std::to_string(i + 1));
    }
    std::error_code ignored;
    std::filesystem::remove(f_.folder / "app.log.6", ignored);
    if (copy) {
      f_.folder.copy("app.log", "app.log.1");
      f_.folder.truncate("app.log");
    } else {
      f_.folder.rename("app.log", "app.log.1");
    }
    TemporaryFolder::tick();
    write();
  }
  void settle() { take(f_.poll_long()); }
  void take(const Lines& lines) { got_.insert(got_.end(), lines.begin(), lines.end()); }

  Following& f_;
  Random random_;
  Lines expected_;
  Lines got_;
  uint64_t last_ = 0;
  int rotations_ = 0;
  bool partial_ = false;
};

}  // namespace

TEST_CASE("follower: whatever happens to the file, each line comes once and in order") {
  for (bool copies : {false, true}) {
    for (uint64_t seed = 1; seed <= 2; seed++) {
      INFO("seed " << seed << ", with copies " << copies);
      Following f;
      Model model(f, seed);
      for (int i = 0; i < 150; i++) model.step(copies);
      model.finish();
      CHECK(model.lines() > 50);
    }
  }
}

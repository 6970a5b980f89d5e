#include "base/record_log.h"

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/faulty_file_system.h"

using namespace sonde;

namespace {

const RecordLogOptions kSmall{.dir = "log", .segment_bytes = 256 << 10};

std::vector<std::string> replayed(FaultyFileSystem& fs, RecordLogStats* stats = nullptr) {
  VirtualClock clock;
  std::vector<std::string> out;
  auto log = RecordLog::open(fs, clock, kSmall, [&](const ReplayedRecord& r) { out.emplace_back(r.data); });
  REQUIRE(log.has_value());
  if (stats) *stats = (*log)->stats();
  return out;
}

std::unique_ptr<RecordLog> open_log(FaultyFileSystem& fs, const Clock& clock) {
  auto log = RecordLog::open(fs, clock, kSmall, [](const ReplayedRecord&) {});
  REQUIRE(log.has_value());
  return std::move(*log);
}

// Its own number and a length that varies, so that a replayed record proves itself.
std::string payload(uint64_t n, size_t bytes) {
  std::string s = std::to_string(n) + ":";
  while (s.size() < bytes) s += static_cast<char>('a' + (n + s.size()) % 26);
  return s;
}

std::string payload_of(Random& random, uint64_t n) {
  return payload(n, random.chance(0.02) ? 40'000 + random.below(60'000) : random.below(900));
}

bool intact(const std::string& s) { return s == payload(std::stoull(s), s.size()); }

}  // namespace

TEST_CASE("record log: what was synced is replayed in order, however large the records") {
  FaultyFileSystem fs;
  VirtualClock clock;
  std::vector<std::string> expected;
  {
    auto log = open_log(fs, clock);
    Random random(1);
    for (uint64_t i = 0; i < 3000; i++) {
      expected.push_back(payload_of(random, i));
      REQUIRE(log->append(3, expected.back()));
      if (random.chance(0.1)) REQUIRE(log->sync());
    }
    expected.emplace_back();
    REQUIRE(log->append(3, ""));
    REQUIRE(log->sync());
    CHECK(log->stats().segments > 5);
  }
  fs.crash();
  RecordLogStats stats;
  CHECK(replayed(fs, &stats) == expected);
  CHECK(stats.damaged_pages == 0);
  CHECK(stats.lost_records == 0);
  CHECK(replayed(fs, &stats) == expected);  // opening changes nothing
}

TEST_CASE("record log: a torn tail is cut at open, and appends go on") {
  for (size_t torn = 0; torn < 60; torn += 3) {
    FaultyFileSystem fs;
    VirtualClock clock;
    {
      auto log = open_log(fs, clock);
      REQUIRE(log->append(1, "a"));
      REQUIRE(log->sync());
      REQUIRE(log->append(1, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"));
      REQUIRE(log->flush());
      fs.tear_last_write(torn);
    }
    fs.crash();
    {
      auto log = open_log(fs, clock);
      CHECK(log->stats().damaged_pages == 0);
      REQUIRE(log->append(1, "c"));
      REQUIRE(log->sync());
    }
    fs.crash();
    RecordLogStats stats;
    CHECK(replayed(fs, &stats) == std::vector<std::string>{"a", "c"});
    CHECK(stats.damaged_pages == 0);
    CHECK(stats.lost_records == 0);
  }
}

TEST_CASE("record log: a flipped bit costs no more than a page, is counted, and never changes a record") {
  FaultyFileSystem fs;
  VirtualClock clock;
  std::vector<std::string> expected;
  auto write = [&](FaultyFileSystem& target) {
    auto log = open_log(target, clock);
    Random random(2);
    expected.clear();
    for (uint64_t i = 0; i < 1500; i++) {
      expected.push_back(payload(i, 100 + random.below(500)));
      REQUIRE(log->append(1, expected.back()));
    }
    REQUIRE(log->sync());
  };
  Random random(7);
  for (int round = 0; round < 60; round++) {
    FaultyFileSystem damaged;
    write(damaged);
    auto files = damaged.files();
    const std::string& file = files[random.below(files.size())];
    damaged.flip_bit(file, random.below(damaged.file_size(file) * 8));
    RecordLogStats stats;
    std::vector<std::string> got = replayed(damaged, &stats);
    size_t bytes = 0, at = 0;
    for (const std::string& s : expected) {
      if (at < got.size() && got[at] == s) {
        at++;
      } else {
        bytes += s.size();
      }
    }
    CHECK(at == got.size());  // nothing that was not written
    CHECK(bytes <= (32 << 10) + 2 * 600);
    if (bytes > 0) CHECK(stats.damaged_pages + stats.torn_bytes > 0);
  }
}

TEST_CASE("record log: a page that reads as zero, and one that cannot be read, are damage of one page") {
  FaultyFileSystem fs;
  VirtualClock clock;
  {
    auto log = open_log(fs, clock);
    for (uint64_t i = 0; i < 800; i++) REQUIRE(log->append(1, payload(i, 1000)));
    REQUIRE(log->sync());
  }
  fs.overwrite(fs.files()[0], 2 * (32 << 10), std::string(32 << 10, '\0'));
  RecordLogStats stats;
  auto got = replayed(fs, &stats);
  CHECK(got.size() < 800);
  CHECK(got.size() >= 800 - 34);
  CHECK(stats.damaged_pages == 1);
  CHECK(stats.lost_records == 800 - got.size());
}

TEST_CASE(
    "record log: wherever the power goes, what was synced is there, and nothing else but what was appended") {
  bool fired = true;
  int sweeps = 0;
  for (uint64_t nth = 1; fired; nth++) {
    for (bool reorder : {false, true}) {
      FaultyFileSystem fs;
      VirtualClock clock;
      Random random(nth);
      uint64_t synced = 0, appended = 0;
      auto opened = RecordLog::open(fs, clock, kSmall, [](const ReplayedRecord&) {});
      REQUIRE(opened);
      fs.lose_power_at(nth);
      for (int i = 0; i < 60; i++) {
        bool failed = false;
        for (int k = 0; k < 12; k++) failed |= !(*opened)->append(1, payload(++appended, 1200)).has_value();
        if (failed || !(*opened)->sync()) break;
        synced = appended;
        if (i == 40) (void)(*opened)->rotate();
      }
      fired = fs.fault_fired();
      if (reorder) {
        fs.crash_with_reordering(random);
      } else {
        fs.crash();
      }
      std::vector<std::string> got = replayed(fs);
      std::set<uint64_t> numbers;
      for (const std::string& s : got) {
        REQUIRE(intact(s));
        REQUIRE(numbers.insert(std::stoull(s)).second);
      }
      for (uint64_t n = 1; n <= synced; n++) REQUIRE(numbers.contains(n));
      REQUIRE(numbers.size() <= appended);
      sweeps++;
    }
  }
  CHECK(sweeps > 100);
}

TEST_CASE("record log: a failed write or sync, once or for ever, never becomes a false acknowledgement") {
  for (FileOp op :
       {FileOp::kSync, FileOp::kWrite, FileOp::kSyncDirectory, FileOp::kPreallocate, FileOp::kCreate}) {
    for (bool forever : {false, true}) {
      bool fired = true;
      for (uint64_t nth = 1; fired; nth++) {
        FaultyFileSystem fs;
        VirtualClock clock;
        std::set<uint64_t> acknowledged, refused;
        uint64_t n = 0;
        {
          auto log = open_log(fs, clock);
          fs.fail_at(op, nth, ErrorCode::kIo, forever);
          for (int i = 0; i < 30; i++) {
            if (i == 20) {
              fired = fs.fault_fired();
              fs.clear_faults();  // the disk recovers, without a restart
            }
            uint64_t mark = log->mark();
            for (int k = 0; k < 20; k++) REQUIRE(log->append(1, payload(++n, 1500)));
            bool ok = log->sync().has_value();
            if (!ok) log->rollback(mark);
            for (int k = 0; k < 20; k++) (ok ? acknowledged : refused).insert(n - static_cast<uint64_t>(k));
            if (i >= 20) REQUIRE(ok);
            if (!forever) REQUIRE(ok);  // once is healed by the next segment
          }
        }
        fs.crash();
        RecordLogStats stats;
        std::set<uint64_t> got;
        for (const std::string& s : replayed(fs, &stats)) {
          REQUIRE(intact(s));
          REQUIRE(got.insert(std::stoull(s)).second);
        }
        REQUIRE(got == acknowledged);
        REQUIRE(stats.damaged_pages == 0);
        REQUIRE(stats.lost_records == 0);
      }
    }
  }
}

TEST_CASE("record log: on a full disk it refuses, and goes on by itself when there is space") {
  FaultyFileSystem fs;
  VirtualClock clock;
  uint64_t n = 0;
  std::vector<std::string> acknowledged;
  {
    auto log = open_log(fs, clock);
    fs.limit_space(600 << 10);
    int refused = 0;
    for (int i = 0; i < 80; i++) {
      if (i == 60) fs.limit_space(8 << 20);
      uint64_t mark = log->mark();
      std::string data = payload(++n, 20'000);
      REQUIRE(log->append(1, data));
      if (auto done = log->sync(); done) {
        acknowledged.push_back(data);
      } else {
        CHECK(done.error().code == ErrorCode::kNoSpace);
        log->rollback(mark);
        refused++;
        REQUIRE(i < 60);
      }
    }
    CHECK(refused > 10);
  }
  fs.crash();
  CHECK(replayed(fs) == acknowledged);
}

TEST_CASE("record log: records of the process before us are made durable before we build on them") {
  for (bool sync_fails : {false, true}) {
    FaultyFileSystem fs;
    VirtualClock clock;
    {
      auto log = open_log(fs, clock);
      REQUIRE(log->append(1, "written, not synced"));
      REQUIRE(log->flush());
    }  // kill -9: the page cache stays
    {
      if (sync_fails) fs.fail_at(FileOp::kSync, 1, ErrorCode::kIo);
      auto log = open_log(fs, clock);
      REQUIRE(log->append(1, "builds on it"));
      REQUIRE(log->sync());
    }
    fs.crash();
    CHECK(replayed(fs) == std::vector<std::string>{"written, not synced", "builds on it"});
  }
}

TEST_CASE("record log: old segments are removed, the current one stays, numbers go on") {
  FaultyFileSystem fs;
  VirtualClock clock;
  uint64_t kept = 0;
  {
    auto log = open_log(fs, clock);
    REQUIRE(log->append(1, "old"));
    REQUIRE(log->rotate());
    REQUIRE(log->append(1, "new"));
    REQUIRE(log->sync());
    kept = log->open_segment();
    REQUIRE(log->truncate_before(kept + 5));
    CHECK(log->segments() == std::vector<uint64_t>{kept});
  }
  fs.crash();
  CHECK(replayed(fs) == std::vector<std::string>{"new"});
}

TEST_CASE("record log: prepare promises one segment for what follows") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto log = open_log(fs, clock);
  Random random(3);
  std::vector<std::pair<uint64_t, std::string>> expected;
  for (uint64_t i = 0; i < 400; i++) {
    std::string data = payload(i, 1024 + random.below(9000));
    auto segment = log->prepare(data.size());
    REQUIRE(segment);
    REQUIRE(log->append(1, data));
    expected.emplace_back(*segment, data);
    if (random.chance(0.2)) REQUIRE(log->flush());
  }
  REQUIRE(log->sync());
  log.reset();
  std::vector<std::pair<uint64_t, std::string>> got;
  REQUIRE(RecordLog::open(fs, clock, kSmall,
                          [&](const ReplayedRecord& r) { got.emplace_back(r.segment, r.data); }));
  CHECK(got == expected);
}

TEST_CASE("group commit: many threads append, each is called back once, and all survive") {
  FaultyFileSystem fs;
  SystemClock clock;
  auto log = RecordLog::open(fs, clock, kSmall, [](const ReplayedRecord&) {});
  REQUIRE(log);
  std::atomic<int> acknowledged{0};
  {
    GroupCommit commit(std::move(*log), clock, {});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; i++) {
          std::vector<LogRecordData> records;
          records.push_back({1, payload(static_cast<uint64_t>(t * 1000 + i), 64)});
          commit.append(std::move(records), i % 2 ? Durability::kPowerLoss : Durability::kProcess,
                        [&](Result<LogPosition> r) { acknowledged += r.has_value(); });
        }
      });
    }
    for (auto& t : threads) t.join();
    CHECK(commit.stop());
    commit.append({}, Durability::kPowerLoss,
                  [](Result<LogPosition> r) { CHECK(r.error().code == ErrorCode::kUnavailable); });
  }
  CHECK(acknowledged == 800);
  fs.crash();
  std::set<std::string> got;
  for (std::string& s : replayed(fs)) got.insert(std::move(s));
  CHECK(got.size() == 800);
}

TEST_CASE("group commit: a full queue refuses instead of growing") {
  FaultyFileSystem fs;
  VirtualClock clock;
  GroupCommit commit(open_log(fs, clock), clock, {.queue_bytes_max = 1000, .thread = false});
  int ok = 0, refused = 0;
  for (int i = 0; i < 5; i++) {
    std::vector<LogRecordData> records;
    records.push_back({1, std::string(400, 'x')});
    commit.append(std::move(records), Durability::kPowerLoss,
                  [&](Result<LogPosition> r) { (r ? ok : refused)++; });
  }
  CHECK(ok == 0);
  CHECK(refused == 3);
  CHECK(commit.refused_count() == 3);
  REQUIRE(commit.commit_now());
  CHECK(ok == 2);
}

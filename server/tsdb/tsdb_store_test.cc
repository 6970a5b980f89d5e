#include "tsdb/tsdb_store.h"

#include <doctest/doctest.h>

#include <atomic>
#include <bit>
#include <map>
#include <set>
#include <thread>

#include "base/faulty_file_system.h"
#include "memstore/mem_metric_store.h"

using namespace sonde;
using namespace sonde::storage;
using tsdb::TsdbOptions;
using tsdb::TsdbStore;

namespace {

constexpr int64_t kT0 = 1'700'000'000'000;  // where VirtualClock starts

TsdbOptions small_options() {
  TsdbOptions o;
  o.dir = "data";
  o.wal_segment_bytes = 512 << 10;
  o.background = false;
  return o;
}

std::unique_ptr<TsdbStore> open_store(FaultyFileSystem& fs, const Clock& clock,
                                      TsdbOptions o = small_options()) {
  auto store = TsdbStore::open(fs, clock, std::move(o));
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

LabelSet labels_of(int series) {
  return {{"__name__", "m" + std::to_string(series % 3)}, {"i", std::to_string(series)}};
}

// One sample for each of `series` series at step `step`; the value proves which sample it is.
double value_of(int series, int step) { return series * 1e6 + step + (series % 2 ? 0.5 : 0); }
Batch batch_of(int series, int step, Origin origin = Origin::kPushed, int64_t ms = -1) {
  Batch b;
  b.origin = origin;
  for (int s = 0; s < series; s++) {
    b.add_float(b.add_series(labels_of(s)), {ms >= 0 ? ms : kT0 + step * 1000}, value_of(s, step));
  }
  return b;
}

using Content = std::map<std::string, std::map<int64_t, std::string>>;

Content content_of(const Querier& q, const Matchers& matchers = {}, int64_t from = INT64_MIN,
                   int64_t to = INT64_MAX) {
  SelectHints hints;
  hints.from = {from};
  hints.to = {to};
  auto set = q.select({}, matchers, hints, {});
  REQUIRE(set);
  Content out;
  std::string last;
  LabelSet last_labels;
  bool first = true;
  while (true) {
    auto more = (*set)->next();
    REQUIRE(more);
    if (!*more) break;
    if (!first) CHECK(last_labels < (*set)->labels());
    first = false;
    last_labels = (*set)->labels();
    auto& samples = out[last_labels.to_string()];
    ColumnBlock block;
    while (*(*set)->next_block(block)) {
      for (size_t i = 0; i < block.times.size(); i++) {
        std::string text = block.values.empty() ? "h" + format_value(block.histograms[i]->count)
                                                : std::to_string(std::bit_cast<uint64_t>(block.values[i]));
        if (!block.starts.empty() && block.starts[i].ms != 0)
          text += "@" + std::to_string(block.starts[i].ms);
        REQUIRE(samples.emplace(block.times[i].ms, text).second);
      }
    }
  }
  return out;
}

std::string bits(double v) { return std::to_string(std::bit_cast<uint64_t>(v)); }

// Every sample is one that was sent; returns how many of the `steps` × `series` are there.
size_t count_intact(const Content& content, int series) {
  size_t n = 0;
  std::map<std::string, int> by_name;
  for (int s = 0; s < series; s++) by_name[labels_of(s).to_string()] = s;
  for (const auto& [name, samples] : content) {
    REQUIRE(by_name.contains(name));
    for (const auto& [t, v] : samples)
      REQUIRE(v == bits(value_of(by_name[name], static_cast<int>((t - kT0) / 1000))));
    n += samples.size();
  }
  return n;
}

}  // namespace

TEST_CASE("tsdb: an acknowledged batch of every kind survives a power cut, to the bit") {
  FaultyFileSystem fs;
  VirtualClock clock;
  Content before;
  {
    auto store = open_store(fs, clock);
    Batch b;
    b.origin = Origin::kPushed;
    uint32_t s = b.add_series({{"__name__", "x"}});
    uint32_t m = b.add_series({{"__name__", "mixed"}});
    b.add_float(s, {kT0}, 1.25, {kT0 - 500});
    b.add_float(s, {kT0 + 1}, -0.0, {kT0 - 500});
    b.add_float(s, {kT0 + 2}, stale_nan());
    b.add_float(m, {kT0}, 1);
    NativeHistogram h;
    h.count = 3;
    h.positive_spans = {{0, 2}};
    h.positive_buckets = {1, 2};
    b.histograms.push_back({m, {kT0 + 5}, std::make_shared<NativeHistogram>(h), {kT0 - 9}});
    b.add_float(m, {kT0 + 9}, 2);
    b.exemplars.push_back({s, {{{"trace_id", "t1"}}, 0.5, Timestamp{kT0 + 1}}});
    b.metadata.push_back({"x", {MetricType::kCounter, "An x.", "bytes"}});
    auto outcome = commit_and_wait(*store, std::move(b));
    REQUIRE(outcome);
    CHECK(outcome->floats_stored == 5);
    CHECK(outcome->histograms_stored == 1);
    CHECK(outcome->exemplars_stored == 1);
    CHECK(outcome->series_created == 2);
    before = content_of(*store);
    CHECK(before["x"][kT0] == bits(1.25) + "@" + std::to_string(kT0 - 500));
    CHECK(before["x"][kT0 + 1] == bits(-0.0) + "@" + std::to_string(kT0 - 500));
    CHECK(before["x"][kT0 + 2] == bits(stale_nan()));
    CHECK(before["mixed"].size() == 3);
    fs.crash();
  }
  auto store = open_store(fs, clock);
  CHECK(content_of(*store) == before);
  auto exemplars = store->exemplars({}, {{Matcher::equal("__name__", "x")}}, {kT0}, {kT0 + 10});
  REQUIRE(exemplars->size() == 1);
  CHECK(exemplars->at(0).exemplars.at(0).labels == LabelSet{{"trace_id", "t1"}});
  REQUIRE(store->metadata("x", 0).size() == 1);
  CHECK(store->metadata("x", 0)[0].metadata == Metadata{MetricType::kCounter, "An x.", "bytes"});
}

TEST_CASE("tsdb: received is stored plus rejected, by reason") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto o = small_options();
  o.series_max = 2;
  auto store = open_store(fs, clock, o);
  REQUIRE(commit_and_wait(*store, batch_of(1, 10)));
  Batch b;
  uint32_t s = b.add_series(labels_of(0));
  uint32_t none = b.add_series({});
  uint32_t other = b.add_series({{"__name__", "other"}});
  uint32_t third = b.add_series({{"__name__", "third"}});
  b.add_float(s, {kT0 + 10'000}, value_of(0, 10));     // the same again: stored
  b.add_float(s, {kT0 + 10'000}, 7);                   // duplicate
  b.add_float(s, {kT0 + 9'000}, 7);                    // out of order
  b.add_float(s, {kT0 + 11 * 60'000}, 7);              // future
  b.add_float(s, {kT0 - 20ll * 24 * 3600 * 1000}, 7);  // too old
  b.add_float(none, {kT0}, 7);                         // no labels
  b.add_float(other, {kT0}, 7);                        // stored
  b.add_float(third, {kT0}, 7);                        // series limit
  b.add_float(99, {kT0}, 7);                           // no such series
  auto outcome = commit_and_wait(*store, std::move(b));
  REQUIRE(outcome);
  CHECK(outcome->floats_stored == 2);
  CHECK(outcome->floats_rejected == 7);
  std::vector<RejectReason> reasons;
  for (const auto& r : outcome->rejections) reasons.push_back(r.reason);
  CHECK(reasons == std::vector{RejectReason::kDuplicate, RejectReason::kOutOfOrder,
                               RejectReason::kTooFarInFuture, RejectReason::kTooOld,
                               RejectReason::kInvalidLabels, RejectReason::kSeriesLimit,
                               RejectReason::kInvalidLabels});
  auto stats = store->stats();
  uint64_t rejected = 0;
  for (uint64_t n : stats.rejected) rejected += n;
  CHECK(rejected == 7);
  CHECK(stats.duplicates_same_value == 1);
  CHECK(outcome->refs[0] != 0);
  CHECK(outcome->refs[3] == 0);
}

TEST_CASE("tsdb: selectors of every kind find what the plain store finds") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto store = open_store(fs, clock);
  memstore::MemMetricStore plain;
  for (int step = 0; step < 300; step++) {
    for (Appender* a : {static_cast<Appender*>(store.get()), static_cast<Appender*>(&plain)}) {
      Batch b = batch_of(20, step, Origin::kScraped);
      b.add_float(b.add_series({{"__name__", "extra"}, {"job", step % 2 ? "a" : "b"}}), {kT0 + step * 1000},
                  step);
      REQUIRE(commit_and_wait(*a, std::move(b)));
    }
  }
  auto m = [](MatchOp op, const char* name, const char* value) { return *Matcher::create(op, name, value); };
  std::vector<Matchers> selectors = {
      {},
      {m(MatchOp::kEqual, "__name__", "m1")},
      {m(MatchOp::kEqual, "__name__", "nope")},
      {m(MatchOp::kRegex, "__name__", "m[12]"), m(MatchOp::kNotEqual, "i", "4")},
      {m(MatchOp::kRegex, "i", "1.*"), m(MatchOp::kEqual, "__name__", "m1")},
      {m(MatchOp::kNotRegex, "i", "1.*")},
      {m(MatchOp::kEqual, "job", "")},
      {m(MatchOp::kNotEqual, "job", "")},
      {m(MatchOp::kRegex, "job", "a|")},
      {m(MatchOp::kNotRegex, "job", "")},
      {m(MatchOp::kRegex, "job", ".*"), m(MatchOp::kNotEqual, "job", "a")},
      {m(MatchOp::kEqual, "nolabel", "x")},
  };
  for (const Matchers& s : selectors) {
    CHECK(content_of(*store, s) == content_of(plain, s));
    CHECK(content_of(*store, s, kT0 + 50'500, kT0 + 190'000) ==
          content_of(plain, s, kT0 + 50'500, kT0 + 190'000));
    CHECK(*store->label_names({}, {s}, {kT0}, {kT0 + 1}, 0) ==
          *plain.label_names({}, {s}, {kT0}, {kT0 + 1}, 0));
    CHECK(*store->label_values({s}, "i", {}, {kT0}, {kT0 + 1}, 5) ==
          *plain.label_values({s}, "i", {}, {kT0}, {kT0 + 1}, 5));
  }
  CHECK(*store->label_values({}, "__name__", {}, {kT0}, {kT0 + 1}, 0) ==
        *plain.label_values({}, "__name__", {}, {kT0}, {kT0 + 1}, 0));
  CHECK(store->head_stats(3).samples == plain.head_stats(3).samples);
  CHECK(store->head_stats(3).series_by_metric[0].count == 7);
  // Replayed, it answers the same.
  Content before = content_of(*store);
  REQUIRE(store->close());
  store.reset();
  fs.crash();
  store = open_store(fs, clock);
  CHECK(content_of(*store) == before);
  CHECK(store->stats().samples_replayed == 21 * 300);
}

TEST_CASE(
    "tsdb: wherever the power goes, every acknowledged batch is there after the start, and all of it is "
    "right") {
  bool fired = true;
  for (uint64_t nth = 1; fired; nth += nth < 40 ? 1 : 3) {
    for (bool reorder : {false, true}) {
      FaultyFileSystem fs;
      VirtualClock clock;
      Random random(nth);
      int acknowledged = 0;
      {
        auto store = open_store(fs, clock);
        fs.lose_power_at(nth);
        for (int step = 0; step < 40; step++) {
          if (step == 20) (void)store->apply_retention({kT0});
          if (!commit_and_wait(*store, batch_of(40, step))) break;
          acknowledged++;
        }
        fired = fs.fault_fired();
        if (reorder) {
          fs.crash_with_reordering(random);
        } else {
          fs.crash();
        }
      }
      auto store = open_store(fs, clock);
      Content content = content_of(*store);
      count_intact(content, 40);
      for (int s = 0; s < 40 && acknowledged > 0; s++) {
        const auto& samples = content[labels_of(s).to_string()];
        for (int step = 0; step < acknowledged; step++) REQUIRE(samples.contains(kT0 + step * 1000));
      }
      // And it goes on: the same batches again are accepted as what they are.
      for (int step = acknowledged; step < acknowledged + 2; step++)
        REQUIRE(commit_and_wait(*store, batch_of(40, step)));
    }
  }
}

TEST_CASE("tsdb: a failing disk, once or for ever, never becomes a false acknowledgement") {
  for (FileOp op : {FileOp::kSync, FileOp::kWrite}) {
    for (ErrorCode code : {ErrorCode::kIo, ErrorCode::kNoSpace}) {
      for (bool forever : {false, true}) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
          FaultyFileSystem fs;
          VirtualClock clock;
          std::set<int> acknowledged;
          {
            auto store = open_store(fs, clock);
            fs.fail_at(op, nth, code, forever);
            for (int step = 0; step < 24; step++) {
              if (step == 14) {
                fired = fs.fault_fired();
                fs.clear_faults();
              }
              auto outcome =
                  commit_and_wait(*store, batch_of(12, step, step % 3 ? Origin::kPushed : Origin::kScraped));
              if (outcome) acknowledged.insert(step);
              CHECK(store->stats().read_only == !outcome.has_value());
              if (step >= 14 || !forever) REQUIRE(outcome);  // heals by itself
              REQUIRE(content_of(*store).size() == (acknowledged.empty() ? 0 : 12));
            }
            REQUIRE(store->sync_now());
          }
          fs.crash();
          auto store = open_store(fs, clock);
          Content content = content_of(*store);
          CHECK(count_intact(content, 12) == acknowledged.size() * 12);
        }
      }
    }
  }
}

TEST_CASE("tsdb: a batch that was refused can be sent again, and then lasts") {
  FaultyFileSystem fs;
  VirtualClock clock;
  {
    auto store = open_store(fs, clock);
    REQUIRE(commit_and_wait(*store, batch_of(3, 0)));
    fs.fail_at(FileOp::kSync, 1, ErrorCode::kIo, true);
    CHECK_FALSE(commit_and_wait(*store, batch_of(3, 1)));
    fs.clear_faults();
    auto again = commit_and_wait(*store, batch_of(3, 1));
    REQUIRE(again);
    CHECK(again->floats_stored == 3);
    CHECK(store->stats().duplicates_same_value == 0);
  }
  fs.crash();
  auto store = open_store(fs, clock);
  CHECK(count_intact(content_of(*store), 3) == 6);
}

TEST_CASE("tsdb: on a full disk pushes are refused, reads go on, and it resumes without a restart") {
  FaultyFileSystem fs;
  VirtualClock clock;
  std::set<int> acknowledged;
  int refused = 0;
  {
    auto store = open_store(fs, clock);
    fs.limit_space(1200 << 10);
    for (int step = 0; step < 400; step++) {
      if (step == 350) fs.limit_space(64 << 20);
      auto outcome = commit_and_wait(*store, batch_of(500, step));
      if (outcome) {
        acknowledged.insert(step);
      } else {
        CHECK(outcome.error().code == ErrorCode::kNoSpace);
        refused++;
        REQUIRE(step < 350);
      }
      if (step % 50 == 0) CHECK(count_intact(content_of(*store), 500) == acknowledged.size() * 500);
    }
    CHECK(refused > 20);
    CHECK(acknowledged.size() > 60);
  }
  fs.crash();
  fs.limit_space(fs.used_bytes());  // and it starts on a full disk
  auto store = open_store(fs, clock);
  CHECK(count_intact(content_of(*store), 500) == acknowledged.size() * 500);
}

TEST_CASE(
    "tsdb: a flipped bit anywhere never fails a start, never gives a wrong value, costs a page at most") {
  for (uint64_t round = 0; round < 150; round++) {
    CAPTURE(round);
    FaultyFileSystem fs;
    VirtualClock clock;
    Random random(round);
    const int series = 60, steps = 80;
    {
      auto store = open_store(fs, clock);
      for (int step = 0; step < steps; step++) REQUIRE(commit_and_wait(*store, batch_of(series, step)));
      REQUIRE(store->close());
    }
    auto files = fs.files();
    std::string file = files[random.below(files.size())];
    if (fs.file_size(file) == 0) continue;
    if (round % 5 == 0) {
      uint64_t at = random.below(fs.file_size(file)) / 512 * 512;
      fs.overwrite(file, at, std::string(std::min<uint64_t>(512, fs.file_size(file) - at), '\x5a'));
    } else {
      fs.flip_bit(file, random.below(fs.file_size(file) * 8));
    }
    auto store = open_store(fs, clock);
    size_t intact = count_intact(content_of(*store), series);
    size_t lost = static_cast<size_t>(series * steps) - intact;
    // A sample takes at least 5 bytes of log; a page and the records that touch it hold fewer than this.
    CHECK(lost * 5 <= (32 << 10) + 2 * (9 << 10));
    auto stats = store->stats();
    if (lost > 0) CHECK(stats.wal.damaged_pages + stats.wal.torn_bytes > 0);
  }
}

TEST_CASE("tsdb: the loss of the page with the definitions costs no other page's samples") {
  FaultyFileSystem fs;
  VirtualClock clock;
  {
    auto store = open_store(fs, clock);
    for (int step = 0; step < 200; step++) REQUIRE(commit_and_wait(*store, batch_of(100, step)));
    REQUIRE(store->close());
  }
  for (const std::string& file : fs.files()) {
    if (file.ends_with(".log")) {
      fs.overwrite(file, 64, std::string((32 << 10) - 64, '\x77'));
      break;
    }
  }
  auto store = open_store(fs, clock);
  size_t intact = count_intact(content_of(*store), 100);
  CHECK(intact >= 20'000 - 8'000);
  CHECK(intact < 20'000);
  CHECK(store->stats().samples_unresolved == 0);
  auto set = store->select(
      {}, {}, {.from = {0}, .to = {kT0}, .step = {}, .func = "", .range = {}, .grouping = {}}, {});
  CHECK((*set)->warnings().size() == 1);
}

TEST_CASE("tsdb: retention drops old samples, idle series and log segments, across restarts") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto o = small_options();
  o.retention = Duration::hours(1);
  auto store = open_store(fs, clock, o);
  for (int minute = 0; minute < 240; minute++) {
    int64_t now = kT0 + minute * 60'000;
    Batch b = batch_of(300, minute, Origin::kScraped, now);
    if (minute < 10) b.add_float(b.add_series({{"__name__", "idle"}}), {now}, 1);
    REQUIRE(commit_and_wait(*store, std::move(b)));
    clock.advance(Duration::minutes(1));
    REQUIRE(store->apply_retention(clock.timestamp()));
  }
  auto check = [&] {
    CHECK(store->label_values({}, "__name__", {}, {INT64_MIN}, {INT64_MAX}, 0)->size() == 3);
    auto stats = store->head_stats(1);
    CHECK(stats.series == 300);
    CHECK(stats.min_time.ms > kT0 + (240 - 60 - 125) * 60'000);
    CHECK(content_of(*store, {Matcher::equal("i", "5")}, kT0 + 181 * 60'000)["m2{i=\"5\"}"].size() == 59);
  };
  check();
  auto wal = store->stats().wal;
  CHECK(wal.first_segment > 1);
  REQUIRE(store->close());
  store.reset();
  fs.crash();
  store = open_store(fs, clock, o);
  check();
  // A clock that jumps ahead of the data deletes nothing.
  clock.jump(Duration::hours(24 * 365));
  REQUIRE(store->apply_retention(clock.timestamp()));
  CHECK(store->head_stats(1).series == 300);
}

TEST_CASE("tsdb: deleting is durable, and a series that is gone may come back") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto store = open_store(fs, clock);
  for (int step = 0; step < 300; step++)
    REQUIRE(commit_and_wait(*store, batch_of(4, step, Origin::kScraped)));
  REQUIRE(store->delete_series({{Matcher::equal("i", "1")}}, {INT64_MIN}, {INT64_MAX}));
  REQUIRE(store->delete_series({{Matcher::equal("i", "2")}}, {kT0 + 50'000}, {kT0 + 199'000}));
  CHECK(store->label_values({}, "i", {}, {INT64_MIN}, {INT64_MAX}, 0)->size() == 3);
  REQUIRE(commit_and_wait(*store, batch_of(2, 5)));  // older than what was deleted; out of order for series 0
  Content before = content_of(*store);
  CHECK(before["m1{i=\"1\"}"].size() == 1);
  CHECK(before["m2{i=\"2\"}"].size() == 150);
  CHECK(before["m0{i=\"0\"}"].size() == 300);
  for (int restarts = 0; restarts < 2; restarts++) {
    store.reset();
    fs.crash();
    store = open_store(fs, clock);
    CHECK(content_of(*store) == before);
  }
}

TEST_CASE("tsdb: a second process is refused, by name") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto store = open_store(fs, clock);
  auto second = TsdbStore::open(fs, clock, small_options());
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kConflict);
  CHECK(second.error().message.find("process") != std::string::npos);
  REQUIRE(store->close());
  CHECK(TsdbStore::open(fs, clock, small_options()));
}

TEST_CASE("tsdb: scraped data is durable once the interval is over, pushed at once") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto store = open_store(fs, clock);
  REQUIRE(commit_and_wait(*store, batch_of(2, 0, Origin::kScraped)));
  uint64_t before = fs.syncs();
  REQUIRE(commit_and_wait(*store, batch_of(2, 1, Origin::kScraped)));
  CHECK(fs.syncs() == before);
  clock.advance(Duration::milliseconds(500));
  REQUIRE(commit_and_wait(*store, batch_of(2, 2, Origin::kScraped)));
  CHECK(fs.syncs() == before + 1);
  REQUIRE(commit_and_wait(*store, batch_of(2, 2, Origin::kPushed)));  // nothing new, and all synced already
  REQUIRE(commit_and_wait(*store, batch_of(2, 3, Origin::kPushed)));
  CHECK(fs.syncs() == before + 2);
  store.reset();
  fs.crash();
  store = open_store(fs, clock);
  CHECK(count_intact(content_of(*store), 2) == 8);
}

TEST_CASE("tsdb: exemplars are bounded, oldest out first, and found by series and time") {
  FaultyFileSystem fs;
  VirtualClock clock;
  auto o = small_options();
  o.exemplars_max = 10;
  auto store = open_store(fs, clock, o);
  for (int i = 0; i < 15; i++) {
    Batch b;
    b.exemplars.push_back(
        {b.add_series(labels_of(i % 2)), {{{"n", std::to_string(i)}}, 1.0, Timestamp{kT0 + i}}});
    REQUIRE(commit_and_wait(*store, std::move(b)));
  }
  auto all = store->exemplars({}, {}, {INT64_MIN}, {INT64_MAX});
  size_t n = 0;
  for (const auto& s : *all) n += s.exemplars.size();
  CHECK(n == 10);
  auto one = store->exemplars({}, {{Matcher::equal("i", "0")}}, {kT0 + 8}, {kT0 + 12});
  REQUIRE(one->size() == 1);
  CHECK(one->at(0).exemplars.size() == 3);
  Batch old;
  old.exemplars.push_back({old.add_series(labels_of(0)), {{{"n", "old"}}, 1.0, Timestamp{kT0}}});
  CHECK(commit_and_wait(*store, std::move(old))->exemplars_rejected == 1);
}

TEST_CASE("tsdb: many threads push and read; a batch is seen as a whole, and all of it lasts") {
  FaultyFileSystem fs;
  SystemClock clock;
  auto o = small_options();
  o.background = true;
  o.wal_segment_bytes = 1 << 20;
  o.sync_interval = Duration::milliseconds(5);
  int64_t base = clock.timestamp().ms - 100'000;
  std::atomic<int> acknowledged{0};
  {
    auto store = open_store(fs, clock, o);
    std::atomic<bool> done{false};
    std::vector<std::thread> writers, readers;
    for (int w = 0; w < 3; w++) {
      writers.emplace_back([&, w] {
        for (int i = 0; i < 150; i++) {
          Batch b;
          b.origin = w ? Origin::kPushed : Origin::kScraped;
          for (int s = 0; s < 10; s++) {
            b.add_float(b.add_series({{"__name__", "c"}, {"w", std::to_string(w)}, {"s", std::to_string(s)}}),
                        {base + i * 100}, i);
          }
          if (commit_and_wait(*store, std::move(b))) acknowledged++;
        }
      });
    }
    for (int r = 0; r < 2; r++) {
      readers.emplace_back([&, r] {
        while (!done) {
          for (const char* w : {"0", "1", "2"}) {
            Content c = content_of(*store, {Matcher::equal("w", w)});
            std::set<size_t> lengths;
            for (const auto& [name, samples] : c) lengths.insert(samples.size());
            REQUIRE(lengths.size() <= 1);
          }
          (void)store->head_stats(5);
          (void)store->stats();
          if (r == 0) (void)store->apply_retention(clock.timestamp());
        }
      });
    }
    for (auto& t : writers) t.join();
    done = true;
    for (auto& t : readers) t.join();
    CHECK(store->close());
    bool refused = false;
    store->commit(batch_of(1, 0), [&](Result<CommitOutcome> r) { refused = !r; });
    CHECK(refused);
  }
  CHECK(acknowledged == 450);
  fs.crash();
  auto store = open_store(fs, clock);
  CHECK(store->head_stats(1).samples == 4500);
}

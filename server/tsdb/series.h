// One series in memory: its identity and its chunks.
#pragma once

#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "model/sample.h"
#include "storage/batch.h"
#include "tsdb/float_chunk.h"

namespace sonde::tsdb {

inline constexpr Timestamp kMinTime{std::numeric_limits<int64_t>::min()};
inline constexpr Timestamp kMaxTime{std::numeric_limits<int64_t>::max()};
inline constexpr uint32_t kChunkSamples = 120;

// A run of samples of one kind. Sealed ones are immutable and shared.
struct Chunk {
  Timestamp min_t;
  Timestamp max_t;
  uint32_t count = 0;
  bool is_histogram = false;
  std::string bytes;             // floats
  std::vector<Timestamp> times;  // histograms
  std::vector<std::shared_ptr<const NativeHistogram>> histograms;
  // From that index on, that start timestamp; empty: all unknown.
  std::vector<std::pair<uint32_t, Timestamp>> starts;

  size_t memory_bytes() const;
  // Appends to the columns; `starts` only when any is known, padded with unknown ones up to then.
  void decode(std::vector<Timestamp>& t, std::vector<double>& v,
              std::vector<std::shared_ptr<const NativeHistogram>>& h, std::vector<Timestamp>& s) const;
};

struct Series : std::enable_shared_from_this<Series> {
  storage::SeriesRef ref = 0;
  LabelSet labels;

  // Guarded by the stripe of this series; see Stripes.
  std::vector<std::shared_ptr<const Chunk>> sealed;
  Chunk open;
  FloatChunkEncoder encoder;

  // Range of what readers may see: [first_t, visible_t], empty when first_t > visible_t. Written by the
  // committer, under Head's apply lock; read without it where an approximation will do.
  std::atomic<int64_t> first_t{kMaxTime.ms};
  std::atomic<int64_t> visible_t{kMinTime.ms};

  // The committer's alone: the last sample that was accepted, and the last that was committed.
  struct Last {
    bool known = false;
    bool is_histogram = false;
    Timestamp t;
    uint64_t bits = 0;
    std::shared_ptr<const NativeHistogram> h;
  };
  Last accepted;
  Last committed;
  uint64_t defined_in = 0;    // generation of definitions in the log
  uint64_t logged_round = 0;  // the last one with a sample of this series
  bool touched = false;       // by the group being committed
  std::unique_ptr<Exemplar> last_exemplar;

  bool overlaps(Timestamp from, Timestamp to) const {
    int64_t first = first_t.load(std::memory_order_relaxed), last = visible_t.load(std::memory_order_relaxed);
    return first <= last && first <= to.ms && last >= from.ms;
  }
  // The caller holds the stripe. `t` is later than everything in the series.
  void append_float(Timestamp t, double v, Timestamp start);
  void append_histogram(Timestamp t, std::shared_ptr<const NativeHistogram> h, Timestamp start);
  // Removes samples within [from, to]; returns how many. The caller holds the stripe.
  uint64_t erase(Timestamp from, Timestamp to);
  // Removes whole chunks that end before `cutoff`.
  uint64_t drop_before(Timestamp cutoff);
  uint64_t samples() const;
  size_t memory_bytes() const;

 private:
  void begin(Timestamp t, bool is_histogram, Timestamp start);
  void seal();
  void refresh_first();
};

// Locks of series' chunks, shared by all series with the same remainder of their ref.
struct Stripes {
  std::array<Mutex, 64> mutexes;
  Mutex& of(const Series& s) { return mutexes[s.ref % mutexes.size()]; }
};

}  // namespace sonde::tsdb

// What the metric store writes to its log, and how it reads it back. Format: docs/format/wal.md.
//
// Decoders are total: damaged bytes give an error, never a crash, and never reserve more than they hold.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/sample.h"
#include "storage/batch.h"

namespace sonde::tsdb {

enum WalRecordType : uint8_t {
  kWalSeries = 1,
  kWalFloats = 2,
  kWalHistograms = 3,
  kWalExemplars = 4,
  kWalMetadata = 5,
  kWalTombstones = 6,
};

struct WalSeries {
  storage::SeriesRef ref = 0;
  LabelSet labels;
  bool operator==(const WalSeries&) const = default;
};

struct WalFloat {
  storage::SeriesRef ref = 0;
  Timestamp t;
  double v = 0;
  Timestamp start;
};

struct WalHistogram {
  storage::SeriesRef ref = 0;
  Timestamp t;
  std::shared_ptr<const NativeHistogram> h;
  Timestamp start;
};

struct WalExemplar {
  storage::SeriesRef ref = 0;
  Exemplar exemplar;  // with its time
};

struct WalTombstones {
  Timestamp from;
  Timestamp to;
  std::vector<storage::SeriesRef> refs;
};

// One of each: rows go in, take() gives the record's data and starts over.
class WalRows {
 public:
  void add(const WalSeries& row);
  void add(const WalFloat& row);
  void add(const WalHistogram& row);
  void add(const WalExemplar& row);
  void add(const storage::MetadataRow& row);
  size_t size() const { return out_.size(); }
  std::string take();

 private:
  ByteWriter out_;
  int64_t ref_ = 0;
  int64_t t_ = 0;
};
std::string encode_tombstones(const WalTombstones& tombstones);

Result<std::vector<WalSeries>> decode_series(std::string_view data);
Result<std::vector<WalFloat>> decode_floats(std::string_view data);
Result<std::vector<WalHistogram>> decode_histograms(std::string_view data);
Result<std::vector<WalExemplar>> decode_exemplars(std::string_view data);
Result<std::vector<storage::MetadataRow>> decode_metadata(std::string_view data);
Result<WalTombstones> decode_tombstones(std::string_view data);

}  // namespace sonde::tsdb

// An immutable file of compressed blocks of events, with an index by time, stream and trace. Format:
// docs/format/parts.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "model/event.h"

namespace sonde::parts {

struct StreamCount {
  LabelSet labels;
  uint64_t events = 0;
  uint64_t bytes = 0;  // of text
};

struct BlockInfo {
  uint64_t offset = 0;
  uint32_t stored_bytes = 0;
  uint32_t raw_bytes = 0;
  uint32_t crc = 0;  // of the stored bytes
  uint32_t events = 0;
  EventTime min_time;
  EventTime max_time;
  std::vector<uint32_t> streams;  // indexes into PartIndex::streams, ascending
};

struct TraceEntry {
  TraceId id;
  std::vector<uint32_t> blocks;  // ascending
};

struct PartIndex {
  EventTime min_time;
  EventTime max_time;
  uint64_t events = 0;
  uint64_t flushed_seq = 0;  // of the log: records up to this one are in parts
  std::vector<StreamCount> streams;
  std::vector<BlockInfo> blocks;   // by min_time
  std::vector<TraceEntry> traces;  // by id
};

// Collects blocks in memory, then writes the whole file.
class PartWriter {
 public:
  // `raw` holds `events`; every one's stream and trace (empty: none) and the range of their times are given.
  struct Block {
    std::string raw;
    uint32_t events = 0;
    EventTime min_time;
    EventTime max_time;
    std::vector<StreamCount> streams;
    std::vector<TraceId> traces;
  };
  void add(Block block);
  // Durable when it returns: file synced, then renamed, then the directory synced.
  Result<> write(FileSystem& fs, const std::string& dir, const std::string& name, uint64_t flushed_seq);

 private:
  std::string body_;
  PartIndex index_;
};

// Threads: any.
class PartFile {
 public:
  // kCorrupt when magic, version or the index's checksum do not hold.
  static Result<std::unique_ptr<PartFile>> open(FileSystem& fs, const std::string& dir,
                                                const std::string& name);
  const std::string& name() const { return name_; }
  const PartIndex& index() const { return index_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // The raw block. kCorrupt when its checksum does not hold.
  Result<std::string> read_block(size_t block) const;
  // The blocks that hold spans or lines of the trace; empty when it has none.
  std::vector<uint32_t> blocks_of(const TraceId& id) const;

 private:
  std::string name_;
  std::unique_ptr<File> file_;
  uint64_t file_bytes_ = 0;
  PartIndex index_;
};

// The index's encoding; exposed for its fuzzer.
std::string encode_index(const PartIndex& index);
Result<PartIndex> decode_index(std::string_view bytes, uint64_t body_bytes);

}  // namespace sonde::parts

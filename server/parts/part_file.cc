#include "parts/part_file.h"

#include <zstd.h>

#include <algorithm>
#include <map>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace sonde::parts {
namespace {

constexpr std::string_view kMagic = "SONDEPRT";
constexpr uint32_t kVersion = 0;
constexpr size_t kHeaderBytes = 24;   // magic, version, tenant, zero, crc of what is before it
constexpr size_t kTrailerBytes = 32;  // index offset, index bytes, crc of the index, zero, magic
constexpr uint64_t kIndexBytesMax = 1ull << 30;
constexpr uint32_t kBlockBytesMax = 64u << 20;

}  // namespace

void PartWriter::add(Block block) {
  BlockInfo info;
  size_t bound = ZSTD_compressBound(block.raw.size());
  size_t at = body_.size();
  body_.resize(at + bound);
  size_t n = ZSTD_compress(body_.data() + at, bound, block.raw.data(), block.raw.size(), 1);
  body_.resize(at + n);
  info.offset = kHeaderBytes + at;
  info.stored_bytes = static_cast<uint32_t>(n);
  info.raw_bytes = static_cast<uint32_t>(block.raw.size());
  info.crc = crc32c(std::string_view(body_).substr(at));
  info.events = block.events;
  info.min_time = block.min_time;
  info.max_time = block.max_time;
  for (StreamCount& s : block.streams) {
    auto it = std::find_if(index_.streams.begin(), index_.streams.end(),
                           [&](const StreamCount& k) { return k.labels == s.labels; });
    if (it == index_.streams.end()) it = index_.streams.insert(it, {s.labels, 0, 0});
    it->events += s.events;
    it->bytes += s.bytes;
    info.streams.push_back(static_cast<uint32_t>(it - index_.streams.begin()));
  }
  std::sort(info.streams.begin(), info.streams.end());
  auto number = static_cast<uint32_t>(index_.blocks.size());
  for (const TraceId& id : block.traces) {
    if (!id.empty()) index_.traces.push_back({id, {number}});
  }
  if (index_.events == 0 || info.min_time < index_.min_time) index_.min_time = info.min_time;
  if (index_.events == 0 || info.max_time > index_.max_time) index_.max_time = info.max_time;
  index_.events += info.events;
  index_.blocks.push_back(std::move(info));
}

Result<> PartWriter::write(FileSystem& fs, const std::string& dir, const std::string& name,
                           uint64_t flushed_seq) {
  index_.flushed_seq = flushed_seq;
  std::stable_sort(index_.traces.begin(), index_.traces.end(),
                   [](const TraceEntry& a, const TraceEntry& b) { return a.id < b.id; });
  std::vector<TraceEntry> merged;
  for (TraceEntry& t : index_.traces) {
    if (!merged.empty() && merged.back().id == t.id) {
      if (merged.back().blocks.back() != t.blocks[0]) merged.back().blocks.push_back(t.blocks[0]);
    } else {
      merged.push_back(std::move(t));
    }
  }
  index_.traces = std::move(merged);
  std::string index = encode_index(index_);
  ByteWriter file;
  file.raw(kMagic).fixed(kVersion).fixed(uint32_t{0}).fixed(uint32_t{0});
  file.fixed(crc32c(file.buffer())).raw(body_);
  uint64_t index_offset = file.size();
  file.raw(index)
      .fixed(index_offset)
      .fixed(static_cast<uint64_t>(index.size()))
      .fixed(crc32c(index))
      .fixed(uint32_t{0});
  file.raw(kMagic);
  return fs.write_file_atomically(dir + "/" + name, file.buffer());
}

std::string encode_index(const PartIndex& index) {
  ByteWriter out;
  out.fixed(index.min_time.ns).fixed(index.max_time.ns).varint(index.events).varint(index.flushed_seq);
  out.varint(index.streams.size());
  for (const StreamCount& s : index.streams) out.text(s.labels.encoded()).varint(s.events).varint(s.bytes);
  out.varint(index.blocks.size());
  for (const BlockInfo& b : index.blocks) {
    out.varint(b.offset).varint(b.stored_bytes).varint(b.raw_bytes).fixed(b.crc).varint(b.events);
    out.fixed(b.min_time.ns).fixed(b.max_time.ns).varint(b.streams.size());
    for (uint32_t s : b.streams) out.varint(s);
  }
  out.varint(index.traces.size());
  for (const TraceEntry& t : index.traces) {
    out.raw({reinterpret_cast<const char*>(t.id.bytes.data()), t.id.bytes.size()}).varint(t.blocks.size());
    for (uint32_t b : t.blocks) out.varint(b);
  }
  return out.take();
}

Result<PartIndex> decode_index(std::string_view bytes, uint64_t body_bytes) {
  auto bad = [] { return fail(ErrorCode::kCorrupt, "index does not decode"); };
  ByteReader in(bytes);
  PartIndex out;
  out.min_time.ns = in.fixed<int64_t>();
  out.max_time.ns = in.fixed<int64_t>();
  out.events = in.varint();
  out.flushed_seq = in.varint();
  size_t n = in.count(3);
  for (size_t i = 0; i < n && in.ok(); i++) {
    StreamCount s;
    s.labels = LabelSet::from_encoded(std::string(in.text()));
    s.events = in.varint();
    s.bytes = in.varint();
    out.streams.push_back(std::move(s));
  }
  n = in.count(25);
  for (size_t i = 0; i < n && in.ok(); i++) {
    BlockInfo b;
    b.offset = in.varint();
    b.stored_bytes = static_cast<uint32_t>(in.varint());
    b.raw_bytes = static_cast<uint32_t>(in.varint());
    b.crc = in.fixed<uint32_t>();
    b.events = static_cast<uint32_t>(in.varint());
    b.min_time.ns = in.fixed<int64_t>();
    b.max_time.ns = in.fixed<int64_t>();
    b.streams.resize(in.count());
    for (uint32_t& s : b.streams) {
      s = static_cast<uint32_t>(in.varint());
      if (s >= out.streams.size()) return bad();
    }
    if (b.offset < kHeaderBytes || b.offset > body_bytes || b.stored_bytes > body_bytes - b.offset ||
        b.raw_bytes > kBlockBytesMax) {
      return bad();
    }
    out.blocks.push_back(std::move(b));
  }
  n = in.count(17);
  for (size_t i = 0; i < n && in.ok(); i++) {
    TraceEntry t;
    std::string_view raw = in.raw(t.id.bytes.size());
    if (!in.ok()) return bad();
    std::memcpy(t.id.bytes.data(), raw.data(), raw.size());
    t.blocks.resize(in.count());
    for (uint32_t& b : t.blocks) {
      b = static_cast<uint32_t>(in.varint());
      if (b >= out.blocks.size()) return bad();
    }
    out.traces.push_back(std::move(t));
  }
  if (!in.at_end()) return bad();
  return out;
}

Result<std::unique_ptr<PartFile>> PartFile::open(FileSystem& fs, const std::string& dir,
                                                 const std::string& name) {
  auto bad = [&](const std::string& what) {
    return fail(ErrorCode::kCorrupt, "part " + dir + "/" + name + ": " + what);
  };
  auto part = std::make_unique<PartFile>();
  part->name_ = name;
  SONDE_TRY(part->file_, fs.open(dir + "/" + name, OpenMode::kRead));
  SONDE_TRY(part->file_bytes_, part->file_->size());
  if (part->file_bytes_ < kHeaderBytes + kTrailerBytes)
    return bad("only " + std::to_string(part->file_bytes_) + " bytes");
  std::string header(kHeaderBytes, '\0'), trailer(kTrailerBytes, '\0');
  SONDE_TRY(size_t got, part->file_->read_at(0, as_writable_byte_span(header)));
  if (got != header.size() || !header.starts_with(kMagic)) return bad("no part file");
  std::string_view checked = std::string_view(header).substr(0, kHeaderBytes - 4);
  ByteReader head(std::string_view(header).substr(kMagic.size()));
  auto version = head.fixed<uint32_t>();
  head.raw(8);
  if (head.fixed<uint32_t>() != crc32c(checked)) return bad("checksum mismatch of its header");
  if (version > kVersion) {
    return fail(ErrorCode::kConflict, "part " + dir + "/" + name + ": version " + std::to_string(version) +
                                          " is newer than this release's");
  }
  SONDE_TRY(got, part->file_->read_at(part->file_bytes_ - kTrailerBytes, as_writable_byte_span(trailer)));
  if (got != trailer.size() || !trailer.ends_with(kMagic)) return bad("its end is missing");
  ByteReader tail(trailer);
  auto index_offset = tail.fixed<uint64_t>();
  auto index_bytes = tail.fixed<uint64_t>();
  auto index_crc = tail.fixed<uint32_t>();
  if (index_bytes > kIndexBytesMax || index_offset > part->file_bytes_ ||
      index_bytes != part->file_bytes_ - kTrailerBytes - index_offset) {
    return bad("its index lies outside of the file");
  }
  std::string index(index_bytes, '\0');
  SONDE_TRY(got, part->file_->read_at(index_offset, as_writable_byte_span(index)));
  if (got != index.size() || crc32c(index) != index_crc) return bad("checksum mismatch of its index");
  auto decoded = decode_index(index, index_offset);
  if (!decoded) return bad(decoded.error().message);
  part->index_ = std::move(*decoded);
  return part;
}

Result<std::string> PartFile::read_block(size_t block) const {
  const BlockInfo& info = index_.blocks.at(block);
  auto bad = [&](const char* what) {
    return fail(ErrorCode::kCorrupt, "part " + name_ + ": " + what + " in block " + std::to_string(block) +
                                         " at offset " + std::to_string(info.offset));
  };
  std::string stored(info.stored_bytes, '\0');
  SONDE_TRY(size_t got, file_->read_at(info.offset, as_writable_byte_span(stored)));
  if (got != stored.size() || crc32c(stored) != info.crc) return bad("checksum mismatch");
  std::string raw(info.raw_bytes, '\0');
  size_t n = ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(n) || n != raw.size()) return bad("compression error");
  return raw;
}

std::vector<uint32_t> PartFile::blocks_of(const TraceId& id) const {
  auto it = std::lower_bound(index_.traces.begin(), index_.traces.end(), id,
                             [](const TraceEntry& t, const TraceId& i) { return t.id < i; });
  return it != index_.traces.end() && it->id == id ? it->blocks : std::vector<uint32_t>{};
}

}  // namespace sonde::parts

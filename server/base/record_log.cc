#include "base/record_log.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace sonde {
namespace {

constexpr uint64_t kPageBytes = 32 << 10;
constexpr uint64_t kFileHeaderBytes = 64;
constexpr uint64_t kFragmentHeaderBytes = 16;
constexpr uint32_t kVersion = 1;
constexpr std::string_view kMagic = "SONDELOG";
constexpr std::string_view kSuffix = ".log";
constexpr uint64_t kSmallSegmentBytes = 1 << 20;  // what is tried when the disk has no room for a full one
constexpr uint64_t kReadBytes = 32 * kPageBytes;

enum Kind : uint8_t { kNone = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

struct FileHeader {
  uint64_t epoch = 0;
  uint64_t previous_segment = 0;  // segments between it and this one do not count
  uint64_t previous_bytes = 0;    // of the previous segment, what counts
};

std::string encode_header(const FileHeader& h) {
  ByteWriter w;
  w.raw(kMagic).fixed(kVersion).fixed(uint32_t{0} /* tenant */).fixed(h.epoch);
  w.fixed(h.previous_segment).fixed(h.previous_bytes);
  w.buffer().resize(kFileHeaderBytes - sizeof(uint32_t));
  return w.fixed(crc32c(w.buffer())).take();
}

Result<FileHeader> decode_header(std::string_view bytes, uint64_t segment) {
  if (bytes.size() < kFileHeaderBytes) return fail(ErrorCode::kCorrupt, "header is cut off");
  ByteReader r(bytes);
  FileHeader h;
  if (r.raw(kMagic.size()) != kMagic) return fail(ErrorCode::kCorrupt, "no magic");
  auto version = r.fixed<uint32_t>();
  r.fixed<uint32_t>();
  h.epoch = r.fixed<uint64_t>();
  h.previous_segment = r.fixed<uint64_t>();
  h.previous_bytes = r.fixed<uint64_t>();
  uint32_t crc;
  std::memcpy(&crc, bytes.data() + kFileHeaderBytes - sizeof crc, sizeof crc);
  if (crc != crc32c(bytes.substr(0, kFileHeaderBytes - sizeof crc)) || h.epoch != segment) {
    return fail(ErrorCode::kCorrupt, "header checksum mismatch");
  }
  if (version != kVersion) {
    return fail(ErrorCode::kUnsupported,
                "version " + std::to_string(version) + " is newer than this program");
  }
  return h;
}

uint32_t fragment_crc(uint64_t epoch, std::string_view head, std::string_view data) {
  char raw[sizeof epoch];
  std::memcpy(raw, &epoch, sizeof raw);
  return crc32c(data, crc32c(head, crc32c(std::string_view(raw, sizeof raw))));
}

bool all_zero(std::string_view s) {
  return s.empty() || (s[0] == 0 && std::memcmp(s.data(), s.data() + 1, s.size() - 1) == 0);
}

// No more than this many bytes are needed for `bytes` of data in records of at least a KiB, or in one.
uint64_t encoded_bytes_max(uint64_t bytes) { return bytes + 2 * kFragmentHeaderBytes * (bytes / 1024 + 2); }

}  // namespace

// What reading one segment found.
struct RecordLog::Scan {
  uint64_t end = kFileHeaderBytes;  // of the last whole record
  uint64_t suspect_pages = 0;       // bad ones with nothing good after them yet
  uint64_t records = 0;
  uint64_t size = 0;
};

RecordLog::RecordLog(FileSystem& fs, const Clock& clock, RecordLogOptions options)
    : fs_(fs), clock_(clock), options_(std::move(options)) {}

RecordLog::~RecordLog() = default;

std::string RecordLog::path(uint64_t segment) const {
  std::string number = std::to_string(segment);
  return options_.dir + "/" + std::string(number.size() < 8 ? 8 - number.size() : 0, '0') + number +
         std::string(kSuffix);
}

Result<std::unique_ptr<RecordLog>> RecordLog::open(FileSystem& fs, const Clock& clock,
                                                   RecordLogOptions options, const OnRecord& on_record,
                                                   const OnProgress& on_progress) {
  SONDE_CHECK(fs.create_directories(options.dir));
  std::unique_ptr<RecordLog> log(new RecordLog(fs, clock, std::move(options)));
  SONDE_CHECK(log->replay(on_record, on_progress));
  return log;
}

Result<> RecordLog::replay(const OnRecord& on_record, const OnProgress& on_progress) {
  SONDE_TRY(std::vector<std::string> names, fs_.list(options_.dir));
  for (const std::string& name : names) {
    if (!name.ends_with(kSuffix) || name.size() < 8 + kSuffix.size() || name.size() > 19 + kSuffix.size())
      continue;
    std::string digits = name.substr(0, name.size() - kSuffix.size());
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    uint64_t number = std::stoull(digits);
    if (number > 0) sizes_[number] = 0;
  }
  // What each header says about the segments before it. A damaged header says nothing: then all of the
  // segment before is read, which at worst replays records twice.
  std::map<uint64_t, uint64_t> limits;
  std::vector<uint64_t> is_void;
  for (const auto& [segment, size] : sizes_) {
    std::string head(kFileHeaderBytes, '\0');
    auto file = fs_.open(path(segment), OpenMode::kRead);
    if (!file) continue;
    auto got = (*file)->read_at(0, as_writable_byte_span(head));
    if (!got) continue;
    auto header = decode_header(std::string_view(head).substr(0, *got), segment);
    if (!header) {
      if (header.error().code == ErrorCode::kUnsupported) {
        return fail(ErrorCode::kUnsupported, path(segment) + ": " + header.error().message);
      }
      if (!all_zero(head)) stats_.damaged_pages++;
      continue;
    }
    if (header->previous_segment >= segment) continue;
    if (sizes_.contains(header->previous_segment)) limits[header->previous_segment] = header->previous_bytes;
    for (auto it = sizes_.upper_bound(header->previous_segment); it != sizes_.end() && it->first < segment;
         ++it) {
      is_void.push_back(it->first);
    }
  }
  for (uint64_t segment : is_void) {
    next_segment_ = std::max(next_segment_, segment + 1);
    sizes_.erase(segment);
    (void)fs_.remove(path(segment));  // it does not count, whether it is there or not
  }
  if (sizes_.empty()) return {};

  uint64_t first = sizes_.begin()->first, last = sizes_.rbegin()->first;
  next_segment_ = last + 1;
  uint64_t last_end = kFileHeaderBytes;
  for (auto& [segment, size] : sizes_) {
    if (on_progress) on_progress(first, last, segment);
    auto limit = limits.find(segment);
    bool known = limit != limits.end();
    Scan found;
    SONDE_CHECK(scan(segment, known ? limit->second : 0, known, on_record, found));
    size = found.end;
    if (segment != last) {
      stats_.damaged_pages += found.suspect_pages;
    } else {
      if (found.suspect_pages > 0) stats_.torn_bytes += found.size - std::min(found.size, found.end);
      last_end = found.end;
    }
  }
  return recover_tail(last, last_end);
}

// Makes the tail of the last segment durable before anything builds on it. Records that the process before us
// wrote but did not sync are otherwise in memory only.
Result<> RecordLog::recover_tail(uint64_t last, uint64_t end) {
  good_segment_ = last;
  good_bytes_ = end;
  if (end <= kFileHeaderBytes) {
    good_bytes_ = kFileHeaderBytes;
    if (fs_.remove(path(last))) sizes_.erase(last);
    return {};
  }
  Result<> synced;
  {
    auto file = fs_.open(path(last), OpenMode::kReadWrite);
    if (!file) return {};  // read-only to us: it was read, and is left as it is
    synced = (*file)->sync_data();
    if (synced) {
      (void)(*file)->truncate(end);  // gives preallocated space back; the next header marks the end anyway
      return {};
    }
  }
  // The sync failed, so nothing in the file is known to last: log all of it again.
  stats_.sync_failures++;
  uint64_t replayed = stats_.records_replayed, lost = stats_.lost_records, damaged = stats_.damaged_pages;
  Scan again;
  SONDE_CHECK(scan(
      last, end, true,
      [&](const ReplayedRecord& r) {
        pending_.push_back({r.seq, r.type, std::string(r.data)});
        pending_bytes_ += r.data.size();
      },
      again));
  stats_.records_replayed = replayed;
  stats_.lost_records = lost;
  stats_.damaged_pages = damaged;
  good_bytes_ = kFileHeaderBytes;
  return {};
}

Result<> RecordLog::scan(uint64_t segment, uint64_t limit, bool limit_known, const OnRecord& on_record,
                         Scan& found) {
  auto file = fs_.open(path(segment), OpenMode::kRead);
  if (!file) {
    found.suspect_pages++;
    return {};
  }
  auto size = (*file)->size();
  found.size = size ? *size : 0;
  uint64_t end = limit_known ? std::min(limit, found.size) : found.size;
  if (limit_known && limit > found.size) found.suspect_pages++;  // the end of the file is missing

  std::string buffer(kReadBytes, '\0');
  std::string assembled;
  bool assembling = false;
  uint64_t assembling_seq = 0;
  uint8_t assembling_type = 0;

  auto deliver = [&](uint64_t seq, uint8_t type, std::string_view data, uint64_t record_end) {
    stats_.damaged_pages += std::exchange(found.suspect_pages, 0);
    if (stats_.records_replayed > 0 && seq > next_seq_) stats_.lost_records += seq - next_seq_;
    next_seq_ = std::max(next_seq_, seq + 1);
    stats_.records_replayed++;
    found.records++;
    found.end = record_end;
    on_record({segment, seq, type, data});
  };

  for (uint64_t chunk = 0; chunk < end; chunk += kReadBytes) {
    size_t want = static_cast<size_t>(std::min(kReadBytes, end - chunk));
    auto got = (*file)->read_at(chunk, as_writable_byte_span(buffer).first(want));
    if (!got || *got < want) {
      // Unreadable: page by page, so that one bad sector costs one page.
      for (size_t at = 0; at < want; at += kPageBytes) {
        size_t n = std::min<size_t>(kPageBytes, want - at);
        auto part = (*file)->read_at(chunk + at, as_writable_byte_span(buffer).subspan(at, n));
        if (part && *part == n) continue;
        std::memset(buffer.data() + at, 0xff, n);  // reads as a bad fragment
      }
    }
    for (size_t at = 0; at < want; at += kPageBytes) {
      std::string_view page = std::string_view(buffer).substr(at, std::min<size_t>(kPageBytes, want - at));
      uint64_t base = chunk + at;
      size_t p = base == 0 ? kFileHeaderBytes : 0;
      bool bad = false;
      while (kPageBytes - p > kFragmentHeaderBytes && p + kFragmentHeaderBytes <= page.size()) {
        std::string_view head = page.substr(p, 12);
        uint16_t length;
        uint64_t seq;
        uint32_t crc;
        std::memcpy(&length, head.data(), sizeof length);
        auto kind = static_cast<uint8_t>(head[2]);
        auto type = static_cast<uint8_t>(head[3]);
        std::memcpy(&seq, head.data() + 4, sizeof seq);
        std::memcpy(&crc, page.data() + p + 12, sizeof crc);
        if (kind == kNone) {
          // Nothing more was written here. Before a later record, or before the known end, that is damage.
          bad = limit_known || !all_zero(page.substr(p));
          if (!bad && page.size() - p > kFragmentHeaderBytes) found.suspect_pages++;
          break;
        }
        if (kind > kLast || length > page.size() - p - kFragmentHeaderBytes) {
          bad = true;
          break;
        }
        std::string_view data = page.substr(p + kFragmentHeaderBytes, length);
        if (crc != fragment_crc(segment, head, data)) {
          bad = true;
          break;
        }
        p += kFragmentHeaderBytes + length;
        if (kind == kFull) {
          assembling = false;
          deliver(seq, type, data, base + p);
        } else if (kind == kFirst) {
          assembling = true;
          assembling_seq = seq;
          assembling_type = type;
          assembled.assign(data);
        } else if (assembling && seq == assembling_seq && assembled.size() + data.size() <= kRecordBytesMax) {
          assembled.append(data);
          if (kind == kLast) {
            assembling = false;
            deliver(seq, assembling_type, assembled, base + p);
          }
        } else {
          assembling = false;  // the record's beginning is lost
        }
      }
      if (bad) {
        found.suspect_pages++;
        assembling = false;
      }
    }
  }
  return {};
}

void RecordLog::encode(const Record& record, uint64_t position, std::string& out) const {
  std::string_view rest = record.data;
  bool first = true;
  do {
    uint64_t room = kPageBytes - position % kPageBytes;
    if (room <= kFragmentHeaderBytes) {
      out.append(room, '\0');
      position += room;
      room = kPageBytes;
    }
    size_t n = std::min<size_t>(rest.size(), room - kFragmentHeaderBytes);
    bool last = n == rest.size();
    uint8_t kind = first ? (last ? kFull : kFirst) : (last ? kLast : kMiddle);
    char head[kFragmentHeaderBytes];
    auto length = static_cast<uint16_t>(n);
    std::memcpy(head, &length, 2);
    head[2] = static_cast<char>(kind);
    head[3] = static_cast<char>(record.type);
    std::memcpy(head + 4, &record.seq, 8);
    uint32_t crc = fragment_crc(segment_, std::string_view(head, 12), rest.substr(0, n));
    std::memcpy(head + 12, &crc, 4);
    out.append(head, sizeof head);
    out.append(rest.substr(0, n));
    position += sizeof head + n;
    rest.remove_prefix(n);
    first = false;
  } while (!rest.empty());
}

Result<> RecordLog::open_new_segment(uint64_t bytes_min) {
  SONDE_ASSERT(!file_);
  uint64_t number = next_segment_++;
  std::string name = path(number);
  auto make = [&](uint64_t bytes) -> Result<> {
    SONDE_TRY(auto file, fs_.open(name, OpenMode::kCreateNew));
    SONDE_CHECK(file->preallocate(bytes));
    SONDE_CHECK(file->write_at(0, as_byte_span(encode_header({number, good_segment_, good_bytes_}))));
    SONDE_CHECK(file->sync_data());
    SONDE_CHECK(fs_.sync_directory(options_.dir));
    file_ = std::move(file);
    capacity_ = bytes;
    return {};
  };
  uint64_t bytes = std::max(options_.segment_bytes, bytes_min);
  Result<> made = make(bytes);
  uint64_t small = std::max(kSmallSegmentBytes, bytes_min);
  if (!made && made.error().code == ErrorCode::kNoSpace && small < bytes) {
    (void)fs_.remove(name);
    number = next_segment_++;
    name = path(number);
    made = make(small);
  }
  if (!made) {
    (void)fs_.remove(name);  // if it stays, the next header says that it does not count
    stats_.write_failures++;
    return made;
  }
  segment_ = number;
  position_ = synced_position_ = kFileHeaderBytes;
  sizes_[number] = position_;
  return {};
}

// Gives the current file up: what is not synced goes to the next one, in its order.
void RecordLog::abandon() {
  if (file_) {
    good_segment_ = segment_;
    good_bytes_ = synced_position_;
    sizes_[segment_] = synced_position_;
    file_.reset();
    stats_.segments_abandoned++;
  }
  while (!unsynced_.empty()) {
    pending_.push_front(std::move(unsynced_.back()));
    unsynced_.pop_back();
  }
  pending_bytes_ += std::exchange(unsynced_bytes_, 0);
}

Result<> RecordLog::sync_file() {
  if (!file_ || synced_position_ == position_) return {};
  MonotonicTime begin = clock_.monotonic();
  Result<> done = file_->sync_data();
  auto took = static_cast<uint64_t>(std::max<int64_t>(0, (clock_.monotonic() - begin).ns));
  stats_.syncs++;
  stats_.sync_ns_total += took;
  stats_.sync_ns_max = std::max(stats_.sync_ns_max, took);
  if (!done) {
    stats_.sync_failures++;
    return done;
  }
  synced_position_ = position_;
  if (!unsynced_.empty()) synced_seq_ = unsynced_.back().seq;
  unsynced_.clear();
  unsynced_bytes_ = 0;
  return {};
}

Result<> RecordLog::seal() {
  if (!file_) return {};
  SONDE_CHECK(sync_file());
  good_segment_ = segment_;
  good_bytes_ = position_;
  (void)file_->truncate(position_);  // only gives space back
  file_.reset();
  return {};
}

Result<> RecordLog::write_pending() {
  while (!pending_.empty()) {
    uint64_t need = encoded_bytes_max(pending_.front().data.size());
    if (file_ && position_ + need > capacity_) SONDE_CHECK(seal());
    if (!file_) SONDE_CHECK(open_new_segment(kFileHeaderBytes + need));
    std::string bytes;
    size_t count = 0;
    for (const Record& record : pending_) {
      if (count > 0 && position_ + bytes.size() + encoded_bytes_max(record.data.size()) > capacity_) break;
      encode(record, position_ + bytes.size(), bytes);
      count++;
    }
    if (Result<> done = file_->write_at(position_, as_byte_span(bytes)); !done) {
      stats_.write_failures++;
      return done;
    }
    position_ += bytes.size();
    sizes_[segment_] = position_;
    for (; count > 0; count--) {
      uint64_t size = pending_.front().data.size();
      pending_bytes_ -= size;
      unsynced_bytes_ += size;
      unsynced_.push_back(std::move(pending_.front()));
      pending_.pop_front();
    }
  }
  return {};
}

Result<uint64_t> RecordLog::prepare(size_t bytes) {
  uint64_t waiting = encoded_bytes_max(pending_bytes_) + 2 * kFragmentHeaderBytes * pending_.size();
  if (file_ && position_ + encoded_bytes_max(bytes) + waiting <= capacity_) return segment_;
  uint64_t need = encoded_bytes_max(bytes);
  auto attempt = [&]() -> Result<> {
    SONDE_CHECK(sync());
    if (file_ && position_ + need > capacity_) SONDE_CHECK(rotate());
    return file_ ? Result<>() : open_new_segment(kFileHeaderBytes + need);
  };
  if (!attempt()) {
    // The first failure is the file's or the new segment's; only a second one is the disk's.
    if (Result<> again = attempt(); !again) return fail(again.error());
  }
  return segment_;
}

Result<uint64_t> RecordLog::append(uint8_t type, std::string data) {
  if (data.size() > kRecordBytesMax) {
    return fail(ErrorCode::kLimit, "record of " + std::to_string(data.size()) + " bytes, the limit is " +
                                       std::to_string(kRecordBytesMax));
  }
  pending_bytes_ += data.size();
  stats_.records_appended++;
  pending_.push_back({next_seq_, type, std::move(data)});
  return next_seq_++;
}

Result<> RecordLog::flush() {
  if (Result<> done = write_pending(); done) return done;
  abandon();
  Result<> again = write_pending();
  if (!again) abandon();
  return again;
}

Result<> RecordLog::sync() {
  auto attempt = [&]() -> Result<> {
    SONDE_CHECK(write_pending());
    return sync_file();
  };
  if (Result<> done = attempt(); done) return done;
  abandon();
  Result<> again = attempt();
  if (!again) abandon();
  return again;
}

uint64_t RecordLog::mark() {
  mark_seq_ = next_seq_;
  mark_known_ = pending_.empty();
  mark_segment_ = file_ ? segment_ : good_segment_;
  mark_bytes_ = file_ ? position_ : good_bytes_;
  return mark_seq_;
}

void RecordLog::rollback(uint64_t mark) {
  // Written ones cannot be unwritten: give the file up, which cuts it at its last sync.
  if (!unsynced_.empty() && unsynced_.back().seq >= mark) abandon();
  if (synced_seq_ >= mark && mark == mark_seq_ && mark_known_) {
    // Some were even synced, before a change of segments: cut where the mark was, and drop what came after.
    abandon();
    good_segment_ = mark_segment_;
    good_bytes_ = mark_bytes_;
    for (auto it = sizes_.upper_bound(mark_segment_); it != sizes_.end(); it = sizes_.erase(it)) {
      (void)fs_.remove(path(it->first));  // if it stays, the next header says that it does not count
    }
    if (auto it = sizes_.find(mark_segment_); it != sizes_.end()) it->second = mark_bytes_;
    synced_seq_ = mark - 1;
  }
  while (!pending_.empty() && pending_.back().seq >= mark) {
    pending_bytes_ -= pending_.back().data.size();
    pending_.pop_back();
    stats_.records_appended--;
  }
  next_seq_ = std::min(next_seq_, std::max(mark, synced_seq_ + 1));
}

Result<> RecordLog::rotate() {
  SONDE_CHECK(sync());
  if (file_ && position_ == kFileHeaderBytes) return {};  // empty as it is
  if (Result<> done = seal(); !done) {
    abandon();
    return done;
  }
  return {};
}

Result<> RecordLog::truncate_before(uint64_t segment) {
  bool removed = false;
  while (!sizes_.empty()) {
    uint64_t oldest = sizes_.begin()->first;
    if (oldest >= segment || (file_ && oldest == segment_)) break;
    if (Result<> done = fs_.remove(path(oldest)); !done && done.error().code != ErrorCode::kNotFound)
      return done;
    sizes_.erase(sizes_.begin());
    removed = true;
  }
  if (removed) SONDE_CHECK(fs_.sync_directory(options_.dir));
  return {};
}

std::vector<uint64_t> RecordLog::segments() const {
  std::vector<uint64_t> out;
  for (const auto& [segment, size] : sizes_) out.push_back(segment);
  return out;
}

RecordLogStats RecordLog::stats() const {
  RecordLogStats s = stats_;
  s.segments = sizes_.size();
  for (const auto& [segment, size] : sizes_) s.bytes += size;
  s.first_segment = sizes_.empty() ? 0 : sizes_.begin()->first;
  s.current_segment = open_segment();
  return s;
}

struct GroupCommit::Thread {
  std::thread thread;
};

GroupCommit::GroupCommit(std::unique_ptr<RecordLog> log, const Clock& clock, Options options)
    : clock_(clock), options_(options), log_(std::move(log)), last_sync_(clock.monotonic()) {
  if (options_.thread) {
    thread_ = std::make_unique<Thread>();
    thread_->thread = std::thread([this] { run(); });
  }
}

GroupCommit::~GroupCommit() { (void)stop(); }

void GroupCommit::append(std::vector<LogRecordData> records, Durability durability, OnCommitted done) {
  uint64_t bytes = 0;
  bool too_large = false;
  for (const LogRecordData& r : records) {
    bytes += r.data.size() + sizeof(LogRecordData);
    too_large |= r.data.size() > kRecordBytesMax;
  }
  Result<> refused;
  {
    MutexLock lock(queue_mu_);
    if (too_large) {
      refused =
          fail(ErrorCode::kLimit, "a record is larger than " + std::to_string(kRecordBytesMax) + " bytes");
    } else if (stopping_) {
      refused = fail(ErrorCode::kUnavailable, "log is stopped");
    } else if (!queue_.empty() && queue_bytes_ + bytes > options_.queue_bytes_max) {
      refused =
          fail(ErrorCode::kUnavailable, "log queue is full: " + std::to_string(queue_bytes_) + " bytes wait");
    } else {
      queue_bytes_ += bytes;
      queue_.push_back({std::move(records), bytes, durability, std::move(done)});
      wake_.notify_one();
      return;
    }
    refused_++;
  }
  done(fail(refused.error()));
}

Result<> GroupCommit::commit(bool force_sync) {
  std::vector<Waiting> group;
  std::vector<uint64_t> first_seqs;
  Result<> outcome;
  uint64_t segment = 0;
  {
    MutexLock log_lock(log_mu_);
    {
      MutexLock lock(queue_mu_);
      group.swap(queue_);
      queue_bytes_ = 0;
    }
    uint64_t mark = log_->mark();
    bool sync = force_sync || clock_.monotonic() - last_sync_ >= options_.sync_interval;
    for (Waiting& w : group) {
      sync |= w.durability == Durability::kPowerLoss;
      first_seqs.push_back(log_->next_seq());
      for (LogRecordData& r : w.records) {
        auto appended = log_->append(r.type, std::move(r.data));
        SONDE_ASSERT(appended.has_value());  // sizes were checked on the way in
      }
    }
    outcome = sync ? log_->sync() : log_->flush();
    if (outcome && sync) last_sync_ = clock_.monotonic();
    if (!outcome) log_->rollback(mark);
    segment = log_->open_segment();
    MutexLock lock(queue_mu_);
    unsynced_ = log_->has_unsynced();
  }
  for (size_t i = 0; i < group.size(); i++) {
    if (outcome) {
      group[i].done(LogPosition{segment, first_seqs[i]});
    } else {
      group[i].done(fail(outcome.error()));
    }
  }
  return outcome;
}

Result<> GroupCommit::commit_now() { return commit(false); }
Result<> GroupCommit::sync_now() { return commit(true); }

void GroupCommit::run() {
  while (true) {
    {
      MutexLock lock(queue_mu_);
      while (queue_.empty() && !stopping_) {
        if (!unsynced_) {
          wake_.wait(queue_mu_);
        } else if (!wake_.wait_for_ns(queue_mu_, options_.sync_interval.ns)) {
          break;
        }
      }
      if (stopping_ && queue_.empty()) return;
    }
    (void)commit(false);  // the appenders were told
  }
}

Result<uint64_t> GroupCommit::rotate() {
  SONDE_CHECK(sync_now());
  MutexLock lock(log_mu_);
  if (Result<> done = log_->rotate(); !done) return fail(done.error());
  return log_->open_segment();
}

Result<> GroupCommit::truncate_before(uint64_t segment) {
  MutexLock lock(log_mu_);
  return log_->truncate_before(segment);
}

RecordLogStats GroupCommit::stats() const {
  MutexLock lock(log_mu_);
  return log_->stats();
}

uint64_t GroupCommit::refused_count() const {
  MutexLock lock(queue_mu_);
  return refused_;
}

Result<> GroupCommit::stop() {
  {
    MutexLock lock(queue_mu_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_ && thread_->thread.joinable()) thread_->thread.join();
  return sync_now();
}

}  // namespace sonde

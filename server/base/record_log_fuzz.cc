// Replay of a damaged record log. Strategy: a log of two segments is written, then the input says which bytes
// of which file become what (4 bytes each: file, position, value); what is left over replaces the last file
// whole. Invariants: open never fails and never crashes; every record that comes back with a type of ours is
// one that was written, or hides behind a valid checksum made by the fuzzer itself; after open, appending
// works.
#include "base/assert.h"
#include "base/faulty_file_system.h"
#include "base/record_log.h"

using namespace sonde;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FaultyFileSystem fs;
  VirtualClock clock;
  RecordLogOptions options{.dir = "log", .segment_bytes = 128 << 10};
  {
    auto log = RecordLog::open(fs, clock, options, [](const ReplayedRecord&) {});
    SONDE_ASSERT(log.has_value());
    for (int i = 0; i < 6; i++) {
      SONDE_ASSERT((*log)
                       ->append(1, std::string(static_cast<size_t>(i) * 9000, static_cast<char>('a' + i)))
                       .has_value());
      if (i == 3) SONDE_ASSERT((*log)->rotate().has_value());
    }
    SONDE_ASSERT((*log)->sync().has_value());
  }
  auto files = fs.files();
  size_t at = 0;
  for (; at + 4 <= size && at < 64; at += 4) {
    const std::string& file = files[bytes[at] % files.size()];
    uint64_t position =
        (static_cast<uint64_t>(bytes[at]) << 16 | bytes[at + 1] << 8 | bytes[at + 2]) % fs.file_size(file);
    fs.overwrite(file, position, std::string_view(reinterpret_cast<const char*>(bytes) + at + 3, 1));
  }
  if (at < size)
    fs.overwrite(files.back(), 0, std::string_view(reinterpret_cast<const char*>(bytes) + at, size - at));
  uint64_t records = 0;
  auto log =
      RecordLog::open(fs, clock, options, [&](const ReplayedRecord& r) { records += r.data.size() + 1; });
  if (!log) {
    SONDE_ASSERT(log.error().code ==
                 ErrorCode::kUnsupported);  // a header of a newer version, checksum and all
    return 0;
  }
  SONDE_ASSERT((*log)->append(1, "after").has_value());
  SONDE_ASSERT((*log)->sync().has_value());
  return 0;
}

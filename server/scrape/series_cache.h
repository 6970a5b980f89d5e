// What a target exposed last time: spares relabelling what is known, and tells which series have vanished.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/labels.h"
#include "storage/batch.h"

namespace sonde::scrape {

// Threads: one scrape at a time.
class SeriesCache {
 public:
  struct Entry {
    LabelSet labels;  // after relabelling and with the target's; empty: dropped by relabelling
    storage::SeriesRef ref = 0;
    uint64_t last_scrape = 0;      // number of the scrape that saw it
    uint64_t last_stale_mark = 0;  // scrape in which it counts for staleness; 0: has explicit timestamps
  };

  // Starts a scrape; what is not touched until finish() has vanished.
  void begin() { scrape_++; }
  // Null when the text of the series is new. Touches the entry.
  Entry* find(std::string_view text);
  Entry* insert(std::string_view text, LabelSet labels);
  // Marks the entry as one that gets a stale marker when it vanishes.
  void track(Entry& entry) { entry.last_stale_mark = scrape_; }
  // Series tracked in the last complete scrape and not in this one; the caller writes their stale markers.
  // Also forgets entries that were not seen for `kScrapesKept` scrapes; those returned stay until the next
  // begin().
  std::vector<Entry*> finish();
  // The scrape failed: every tracked series, which are then no longer tracked. Forgets as finish() does: a
  // target that fails for ever with new series each time must not fill the memory.
  std::vector<Entry*> fail();
  size_t size() const { return entries_.size(); }

 private:
  static constexpr uint64_t kScrapesKept = 3;
  void forget_unseen();
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return static_cast<size_t>(hash_bytes(s)); }
  };
  std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> entries_;
  std::vector<Entry*> tracked_;  // of the last complete scrape; entries are stable in the map
  uint64_t scrape_ = 0;
  uint64_t forgot_in_ = 0;  // the scrape in which old entries were last looked for
};

}  // namespace sonde::scrape

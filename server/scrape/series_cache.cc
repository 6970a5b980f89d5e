#include "scrape/series_cache.h"

namespace sonde::scrape {

SeriesCache::Entry* SeriesCache::find(std::string_view text) {
  auto it = entries_.find(text);
  if (it == entries_.end()) return nullptr;
  it->second.last_scrape = scrape_;
  return &it->second;
}

SeriesCache::Entry* SeriesCache::insert(std::string_view text, LabelSet labels) {
  Entry& entry = entries_[std::string(text)];
  entry = Entry{std::move(labels), 0, scrape_, 0};
  return &entry;
}

std::vector<SeriesCache::Entry*> SeriesCache::finish() {
  std::vector<Entry*> vanished;
  // Two texts may name one series ({a="1",b="2"} in another order): it vanished only if no entry of it is
  // tracked.
  std::unordered_map<LabelSet, char, LabelSetHash> present;
  for (Entry* e : tracked_) {
    if (e->last_stale_mark != scrape_) vanished.push_back(e);
  }
  tracked_.clear();
  for (auto& [text, e] : entries_) {
    if (e.last_stale_mark == scrape_) {
      tracked_.push_back(&e);
      if (!vanished.empty()) present.emplace(e.labels, 0);
    }
  }
  std::erase_if(vanished, [&](const Entry* e) { return present.contains(e->labels); });
  forget_unseen();
  return vanished;
}

std::vector<SeriesCache::Entry*> SeriesCache::fail() {
  std::vector<Entry*> all;
  all.swap(tracked_);
  forget_unseen();
  return all;
}

// What was tracked was seen in this scrape or the one before, so it is not touched.
void SeriesCache::forget_unseen() {
  if (scrape_ < forgot_in_ + kScrapesKept) return;
  forgot_in_ = scrape_;
  std::erase_if(entries_, [&](const auto& kv) { return kv.second.last_scrape + kScrapesKept <= scrape_; });
}

}  // namespace sonde::scrape

#include "tsdb/label_index.h"

#include <algorithm>

#include "base/assert.h"

namespace sonde::tsdb {

LabelIndex::SeriesPtr LabelIndex::find(const LabelSet& labels) const {
  auto it = by_labels_.find(labels);
  return it == by_labels_.end() ? nullptr : it->second;
}

LabelIndex::SeriesPtr LabelIndex::find(storage::SeriesRef ref) const {
  auto it = by_ref_.find(ref);
  return it == by_ref_.end() ? nullptr : it->second;
}

void LabelIndex::add(const SeriesPtr& series) {
  bool fresh =
      by_ref_.emplace(series->ref, series).second && by_labels_.emplace(series->labels, series).second;
  SONDE_ASSERT(fresh);
  for (LabelView l : series->labels) {
    auto name = labels_.find(l.name);
    if (name == labels_.end()) name = labels_.try_emplace(std::string(l.name)).first;
    auto value = name->second.find(l.value);
    if (value == name->second.end()) value = name->second.try_emplace(std::string(l.value)).first;
    Postings& postings = value->second;
    if (postings.empty() || postings.back() < series->ref) {
      postings.push_back(series->ref);
    } else {
      postings.insert(std::lower_bound(postings.begin(), postings.end(), series->ref), series->ref);
    }
  }
}

void LabelIndex::remove(const std::vector<SeriesPtr>& gone) {
  std::unordered_set<storage::SeriesRef> refs;
  std::map<std::pair<std::string_view, std::string_view>, bool> affected;  // views into `gone`'s labels
  for (const SeriesPtr& s : gone) {
    if (by_ref_.erase(s->ref) == 0) continue;
    by_labels_.erase(s->labels);
    refs.insert(s->ref);
    for (LabelView l : s->labels) affected.try_emplace({l.name, l.value});
  }
  for (const auto& [pair, unused] : affected) {
    auto name = labels_.find(pair.first);
    if (name == labels_.end()) continue;
    auto value = name->second.find(pair.second);
    if (value == name->second.end()) continue;
    std::erase_if(value->second, [&](storage::SeriesRef r) { return refs.contains(r); });
    if (value->second.empty()) name->second.erase(value);
    if (name->second.empty()) labels_.erase(name);
  }
}

std::vector<LabelIndex::SeriesPtr> LabelIndex::resolve(const Matchers& matchers) const {
  // Matchers that need the label give candidates; those that accept its absence only filter.
  std::vector<const Postings*> lists;
  std::vector<Postings> unions;
  std::vector<const Matcher*> filters;
  unions.reserve(matchers.size());
  for (const Matcher& m : matchers) {
    if (m.matches_empty()) {
      filters.push_back(&m);
      continue;
    }
    auto name = labels_.find(m.name());
    if (name == labels_.end()) return {};
    if (m.op() == MatchOp::kEqual) {
      auto value = name->second.find(m.value());
      if (value == name->second.end()) return {};
      lists.push_back(&value->second);
      continue;
    }
    Postings merged;
    for (const auto& [value, postings] : name->second) {
      if (m.matches(value)) merged.insert(merged.end(), postings.begin(), postings.end());
    }
    if (merged.empty()) return {};
    std::sort(merged.begin(), merged.end());
    unions.push_back(std::move(merged));
    lists.push_back(&unions.back());
  }
  std::vector<SeriesPtr> out;
  std::vector<std::unordered_map<std::string_view, bool>> verdicts(filters.size());
  auto consider = [&](const SeriesPtr& s) {
    for (size_t i = 0; i < filters.size(); i++) {
      std::string_view value = s->labels.get(filters[i]->name());
      auto [it, fresh] = verdicts[i].try_emplace(value, false);
      if (fresh) it->second = filters[i]->matches(value);
      if (!it->second) return;
    }
    out.push_back(s);
  };
  if (lists.empty()) {
    for (const auto& [ref, s] : by_ref_) consider(s);
    return out;
  }
  std::sort(lists.begin(), lists.end(),
            [](const Postings* a, const Postings* b) { return a->size() < b->size(); });
  for (storage::SeriesRef ref : *lists[0]) {
    bool in_all = std::all_of(lists.begin() + 1, lists.end(), [&](const Postings* p) {
      return std::binary_search(p->begin(), p->end(), ref);
    });
    if (in_all) consider(by_ref_.at(ref));
  }
  return out;
}

}  // namespace sonde::tsdb

#include "tsdb/series.h"

#include <algorithm>

namespace sonde::tsdb {

size_t Chunk::memory_bytes() const {
  size_t n = sizeof(Chunk) + bytes.capacity() + times.capacity() * sizeof(Timestamp) +
             starts.capacity() * sizeof(starts[0]);
  for (const auto& h : histograms) {
    n += sizeof(h) + sizeof(NativeHistogram) +
         8 * (h->positive_buckets.size() + h->negative_buckets.size() + h->positive_spans.size() +
              h->negative_spans.size() + h->custom_values.size());
  }
  return n;
}

void Chunk::decode(std::vector<Timestamp>& t, std::vector<double>& v,
                   std::vector<std::shared_ptr<const NativeHistogram>>& h, std::vector<Timestamp>& s) const {
  size_t before = t.size();
  if (is_histogram) {
    t.insert(t.end(), times.begin(), times.end());
    h.insert(h.end(), histograms.begin(), histograms.end());
  } else {
    decode_float_chunk(bytes, count, t, v);
  }
  if (starts.empty() && s.empty()) return;
  s.resize(before);
  Timestamp current;
  auto next = starts.begin();
  for (uint32_t i = 0; before + i < t.size(); i++) {
    if (next != starts.end() && next->first == i) current = (next++)->second;
    s.push_back(current);
  }
}

void Series::begin(Timestamp t, bool is_histogram, Timestamp start) {
  if (open.count > 0 && (open.count >= kChunkSamples || open.is_histogram != is_histogram)) seal();
  if (open.count == 0) {
    open.min_t = t;
    open.is_histogram = is_histogram;
    if (first_t.load(std::memory_order_relaxed) == kMaxTime.ms)
      first_t.store(t.ms, std::memory_order_relaxed);
  }
  Timestamp before = open.starts.empty() ? Timestamp{} : open.starts.back().second;
  if (start != before) open.starts.emplace_back(open.count, start);
  open.max_t = t;
  open.count++;
}

void Series::append_float(Timestamp t, double v, Timestamp start) {
  begin(t, false, start);
  encoder.append(open.bytes, t, v);
}

void Series::append_histogram(Timestamp t, std::shared_ptr<const NativeHistogram> h, Timestamp start) {
  begin(t, true, start);
  open.times.push_back(t);
  open.histograms.push_back(std::move(h));
}

void Series::seal() {
  if (open.count == 0) return;
  open.bytes.shrink_to_fit();
  open.times.shrink_to_fit();
  open.histograms.shrink_to_fit();
  sealed.push_back(std::make_shared<const Chunk>(std::move(open)));
  open = {};
  encoder = {};
}

void Series::refresh_first() {
  Timestamp first = !sealed.empty() ? sealed.front()->min_t : open.count > 0 ? open.min_t : kMaxTime;
  first_t.store(first.ms, std::memory_order_relaxed);
}

uint64_t Series::erase(Timestamp from, Timestamp to) {
  bool hit = open.count > 0 && open.min_t <= to && open.max_t >= from;
  for (const auto& c : sealed) hit |= c->min_t <= to && c->max_t >= from;
  if (!hit) return 0;
  uint64_t before = samples();
  seal();
  auto old = std::exchange(sealed, {});
  for (auto& c : old) {
    if (c->max_t < from || c->min_t > to) {
      seal();
      sealed.push_back(std::move(c));
      continue;
    }
    std::vector<Timestamp> t, s;
    std::vector<double> v;
    std::vector<std::shared_ptr<const NativeHistogram>> h;
    c->decode(t, v, h, s);
    for (size_t i = 0; i < t.size(); i++) {
      if (t[i] >= from && t[i] <= to) continue;
      Timestamp start = s.empty() ? Timestamp{} : s[i];
      if (c->is_histogram) {
        append_histogram(t[i], h[i], start);
      } else {
        append_float(t[i], v[i], start);
      }
    }
  }
  refresh_first();
  return before - samples();
}

uint64_t Series::drop_before(Timestamp cutoff) {
  uint64_t dropped = 0;
  auto keep = sealed.begin();
  while (keep != sealed.end() && (*keep)->max_t < cutoff) dropped += (*keep++)->count;
  sealed.erase(sealed.begin(), keep);
  if (sealed.empty() && open.count > 0 && open.max_t < cutoff) {
    dropped += open.count;
    open = {};
    encoder = {};
  }
  if (dropped > 0) refresh_first();
  return dropped;
}

uint64_t Series::samples() const {
  uint64_t n = open.count;
  for (const auto& c : sealed) n += c->count;
  return n;
}

size_t Series::memory_bytes() const {
  size_t n = sizeof(Series) + labels.encoded().size() + 64 + open.memory_bytes();
  for (const auto& c : sealed) n += sizeof(c) + 16 + c->memory_bytes();
  return n;
}

}  // namespace sonde::tsdb

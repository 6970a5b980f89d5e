#include "scrape/exposition_intake.h"

#include "wire/exposition.h"

namespace sonde::scrape {
namespace {

class Intake final : public wire::ExpositionVisitor {
 public:
  Intake(const ScrapeJob& job, const Target& target, Timestamp now, SeriesCache& cache, storage::Batch& batch,
         IntakeCounts& counts)
      : job_(job), target_(target), now_(now), cache_(cache), batch_(batch), counts_(counts) {}

  std::optional<Error> error;

  bool on_sample(const wire::ExpositionSample& sample) override {
    counts_.scraped++;
    SeriesCache::Entry* entry = cache_.find(sample.series);
    bool added = entry == nullptr;
    if (added) {
      auto labels = final_labels(sample);
      if (!labels) {
        error = std::move(labels).error();
        return false;
      }
      if (over_limit_) {  // counted, but not remembered: the limit bounds memory too
        counts_.after_relabeling += labels->empty() ? 0 : 1;
        return true;
      }
      entry = cache_.insert(sample.series, std::move(*labels));
    }
    if (entry->labels.empty()) return true;  // dropped by relabelling
    counts_.after_relabeling++;
    if (added) counts_.series_added++;
    if (job_.limits.samples_max > 0 && counts_.after_relabeling > job_.limits.samples_max) {
      over_limit_ = true;  // read on: the counts are part of the answer
      return true;
    }
    if (over_limit_) return true;
    bool own_time = sample.t && job_.honor_timestamps;
    if (!own_time || job_.track_timestamps_staleness) cache_.track(*entry);
    uint32_t index = batch_.add_series(entry->labels, entry->ref);
    batch_.add_float(index, own_time ? *sample.t : now_, sample.value, sample.start.value_or(Timestamp{}));
    if (sample.exemplar) take_exemplar(index, *sample.exemplar);
    return true;
  }

  void on_metadata(const wire::ExpositionMetadata& m) override {
    if (batch_.metadata.empty() || batch_.metadata.back().metric != m.family)
      batch_.metadata.push_back({std::string(m.family), {}});
    Metadata& out = batch_.metadata.back().metadata;
    switch (m.field) {
      case wire::MetadataField::kHelp:
        out.help = m.text;
        break;
      case wire::MetadataField::kUnit:
        out.unit = m.text;
        break;
      case wire::MetadataField::kType:
        out.type = m.type;
        break;
    }
  }

  bool over_limit() const { return over_limit_; }

 private:
  Result<> check_label_limits(const LabelSet& labels) const {
    const ScrapeLimits& l = job_.limits;
    if (l.labels_max > 0 && labels.count() > l.labels_max) {
      return fail(ErrorCode::kLimit,
                  "label_limit exceeded (metric: " + quote(labels.metric_name().substr(0, 50)) +
                      ", number of labels: " + std::to_string(labels.count()) +
                      ", limit: " + std::to_string(l.labels_max) + ")");
    }
    if (l.label_name_bytes_max == 0 && l.label_value_bytes_max == 0) return {};
    for (LabelView label : labels) {
      if (l.label_name_bytes_max > 0 && label.name.size() > l.label_name_bytes_max) {
        return fail(ErrorCode::kLimit,
                    "label_name_length_limit exceeded (metric: " + quote(labels.metric_name().substr(0, 50)) +
                        ", label name: " + quote(label.name.substr(0, 50)) +
                        ", length: " + std::to_string(label.name.size()) +
                        ", limit: " + std::to_string(l.label_name_bytes_max) + ")");
      }
      if (l.label_value_bytes_max > 0 && label.value.size() > l.label_value_bytes_max) {
        return fail(ErrorCode::kLimit, "label_value_length_limit exceeded (metric: " +
                                           quote(labels.metric_name().substr(0, 50)) +
                                           ", label name: " + quote(label.name.substr(0, 50)) +
                                           ", value length: " + std::to_string(label.value.size()) +
                                           ", limit: " + std::to_string(l.label_value_bytes_max) + ")");
      }
    }
    return {};
  }

  // Empty when relabelling drops the series.
  Result<LabelSet> final_labels(const wire::ExpositionSample& sample) const {
    SONDE_TRY(LabelSet own, wire::to_label_set(sample));
    SONDE_CHECK(check_label_limits(own));
    LabelBuilder labels(own);
    for (LabelView l : target_.labels) {
      std::string_view theirs = labels.get(l.name);
      if (!theirs.empty()) {
        if (job_.honor_labels) continue;
        std::string renamed = "exported_" + std::string(l.name);
        while (own.has(renamed)) renamed = "exported_" + renamed;
        labels.set(renamed, std::string(theirs));
      }
      labels.set(l.name, l.value);
    }
    if (!relabel(job_.metric_relabel, labels)) return LabelSet{};
    LabelSet out = labels.build();
    if (out.metric_name().empty()) {
      return fail(
          Error{ErrorCode::kInvalid,
                "series " + quote(sample.series.substr(0, 100)) + " has no metric name after relabelling",
                {},
                sample.line,
                0});
    }
    return out;
  }

  void take_exemplar(uint32_t index, const wire::ExpositionExemplar& e) {
    auto labels = wire::to_label_set(e);
    if (!labels) return;  // its sample is sound; only the hint is lost
    batch_.exemplars.push_back({index, {std::move(*labels), e.value, e.t.value_or(now_)}});
  }

  const ScrapeJob& job_;
  const Target& target_;
  const Timestamp now_;
  SeriesCache& cache_;
  storage::Batch& batch_;
  IntakeCounts& counts_;
  bool over_limit_ = false;
};

}  // namespace

Result<ExpositionFormat> exposition_format(std::string_view content_type, const ScrapeJob& job) {
  std::string media(content_type.substr(0, content_type.find(';')));
  while (!media.empty() && media.back() == ' ') media.pop_back();
  for (char& c : media) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (media == "application/openmetrics-text") return ExpositionFormat::kOpenMetrics;
  if (media == "text/plain") return ExpositionFormat::kText;
  if (job.fallback_protocol.starts_with("OpenMetricsText")) return ExpositionFormat::kOpenMetrics;
  if (job.fallback_protocol.starts_with("PrometheusText")) return ExpositionFormat::kText;
  if (content_type.empty()) {
    return fail(ErrorCode::kInvalid,
                "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
                "specified for target");
  }
  return fail(ErrorCode::kInvalid, "received unsupported Content-Type " + quote(content_type.substr(0, 100)) +
                                       " and no fallback_scrape_protocol specified for target");
}

Result<> take_exposition(std::string_view text, ExpositionFormat format, const ScrapeJob& job,
                         const Target& target, Timestamp now, SeriesCache& cache, storage::Batch& batch,
                         IntakeCounts& counts) {
  cache.begin();
  Intake intake(job, target, now, cache, batch, counts);
  wire::ExpositionOptions options;
  auto parsed = format == ExpositionFormat::kOpenMetrics ? wire::parse_open_metrics(text, options, intake)
                                                         : wire::parse_text_format(text, options, intake);
  if (intake.error) return fail(std::move(*intake.error));
  if (!parsed) return fail(std::move(parsed).error());
  if (intake.over_limit())
    return fail(ErrorCode::kLimit,
                "sample limit exceeded (samples: " + std::to_string(counts.after_relabeling) +
                    ", limit: " + std::to_string(job.limits.samples_max) + ")");
  for (const SeriesCache::Entry* e : cache.finish()) {
    batch.add_float(batch.add_series(e->labels, e->ref), now, stale_nan());
  }
  return {};
}

}  // namespace sonde::scrape

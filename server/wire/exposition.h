// Metrics as targets expose them: Prometheus text 0.0.4 and OpenMetrics 1.0, read in one pass.
//
// Sources: prometheus: docs/content of exposition formats, model/textparse; OpenMetrics 1.0 (RFC draft).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "model/labels.h"
#include "model/sample.h"

namespace sonde::wire {

// Reaching one of these ends the parse with kLimit.
struct ExpositionLimits {
  size_t labels_max = 256;  // of one sample or exemplar, not counting the name
  size_t label_name_bytes_max = 4096;
  size_t label_value_bytes_max = 65536;
  size_t help_bytes_max = 65536;
  size_t series_max = 10'000'000;
};

struct ExpositionOptions {
  ExpositionLimits limits;
  // OpenMetrics: `_created` lines become the start timestamp of their family's other samples instead of
  // series of their own. Works where a label set's samples stand together, as the format asks.
  bool created_as_start = false;
};

// Valid during the callback; what is unescaped lives in the parser, all else in the exposition's text.
struct ExpositionExemplar {
  std::span<const LabelView> labels;
  double value = 0;
  std::optional<Timestamp> t;
};

struct ExpositionSample {
  // Name and labels as they stand in the text: equal bytes are equal series, which makes it a key for caches.
  std::string_view series;
  std::string_view name;
  std::span<const LabelView> labels;  // in order of appearance, without the name; neither sorted nor unique
  double value = 0;
  std::optional<Timestamp> t;
  const ExpositionExemplar* exemplar = nullptr;
  std::optional<Timestamp> start;
  int line = 0;
};

enum class MetadataField : uint8_t { kHelp, kType, kUnit };

struct ExpositionMetadata {
  MetadataField field = MetadataField::kHelp;
  std::string_view family;
  std::string_view text;                   // kHelp, kUnit: unescaped
  MetricType type = MetricType::kUnknown;  // kType
  int line = 0;
};

class ExpositionVisitor {
 public:
  virtual ~ExpositionVisitor() = default;
  // False ends the parse (a limit of the caller's): the summary says `stopped`.
  virtual bool on_sample(const ExpositionSample& sample) = 0;
  virtual void on_metadata(const ExpositionMetadata&) {}
};

struct ExpositionSummary {
  size_t samples = 0;
  bool stopped = false;
};

// What was read before an error has been handed to the visitor: a scrape must then discard it. Errors carry
// the line number in `line` and quote at most 64 bytes of the text.
Result<ExpositionSummary> parse_text_format(std::string_view text, const ExpositionOptions& options,
                                            ExpositionVisitor& visitor);
// As lax as Prometheus: grammar and `# EOF`, but neither grouping, nor suffixes, nor value ranges.
Result<ExpositionSummary> parse_open_metrics(std::string_view text, const ExpositionOptions& options,
                                             ExpositionVisitor& visitor);

// Every rule of OpenMetrics 1.0 that the reference parser checks: grammar, metadata, clashing names, suffixes
// and their value ranges, grouping, order of timestamps and buckets.
Result<> verify_open_metrics(std::string_view text);

// The sample's identity. kInvalid for a label name given twice and for values that are not UTF-8.
Result<LabelSet> to_label_set(const ExpositionSample& sample);
Result<LabelSet> to_label_set(const ExpositionExemplar& exemplar);

// As Go's strconv.ParseFloat restricted as Prometheus does: decimal only, no underscores, NaN, Inf and
// infinity in any case with an optional sign; out of range is an error, too small is zero.
std::optional<double> parse_sample_value(std::string_view text);

}  // namespace sonde::wire

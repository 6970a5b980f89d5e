// One exposition being put together: families by name, their lines rendered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "metrics/family.h"
#include "sonde/registry.h"

namespace sonde::inline v1::detail {

class Page final : public MetricSink {
 public:
  explicit Page(bool openmetrics) : openmetrics_(openmetrics) {}

  void family(MetricKind kind, std::string_view name, std::string_view help) noexcept override;
  void value(std::span<const Label> labels, double value) noexcept override;
  void count(std::span<const Label> labels, uint64_t value) noexcept override;
  void seconds(std::span<const Label> labels, int64_t ns) noexcept override;
  void histogram(std::span<const Label> labels, std::span<const double> bounds,
                 std::span<const uint64_t> counts, double sum) noexcept override;
  using MetricSink::count;
  using MetricSink::histogram;
  using MetricSink::seconds;
  using MetricSink::value;

  // Families of the registry; they keep their names against collectors.
  void add_registry();
  // Families sorted by name; ends with `# EOF` in OpenMetrics.
  std::string render();

 private:
  struct Entry {
    MetricKind kind;
    std::string name;
    std::string help;
    const FamilyState* native = nullptr;
    std::string lines;
    std::unordered_set<std::string> seen;  // label sets of a collector's family
  };

  // Renders a collector's labels into `labels_`; false if they are malformed or already there.
  bool take_labels(std::span<const Label> labels);
  void line(std::string_view suffix, std::string_view more_labels);
  void render_native(std::string& out, const FamilyState& family, const uint64_t* totals,
                     uint32_t used) const;
  void append_exemplar(std::string& out, const Series& series, uint32_t slot) const;

  bool openmetrics_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> by_name_;
  size_t current_index_ = 0;
  bool has_current_ = false;
  std::string labels_;
};

}  // namespace sonde::inline v1::detail

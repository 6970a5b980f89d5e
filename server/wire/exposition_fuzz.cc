// Strategy: any bytes through all three readers of expositions, with small limits so that the bounds are
// reached. Invariants: no crash; every view lies in the text or is readable; errors have a line of the text;
// the numbers of samples agree; `_created` as start only leaves samples out; what the strict reader accepts
// the lax one accepts too.
#include <cstdlib>
#include <string>

#include "wire/exposition.h"

namespace {

using namespace sonde;
using namespace sonde::wire;

void require(bool ok) {
  if (!ok) std::abort();
}

class Check : public ExpositionVisitor {
 public:
  bool on_sample(const ExpositionSample& s) override {
    samples++;
    require(!s.series.empty() && !s.name.empty());
    for (const LabelView& l : s.labels) sink += static_cast<size_t>(hash_bytes(l.name) ^ hash_bytes(l.value));
    if (auto set = to_label_set(s)) require(set->metric_name() == s.name);
    if (s.exemplar != nullptr) (void)to_label_set(*s.exemplar);
    return true;
  }
  void on_metadata(const ExpositionMetadata& m) override {
    require(!m.family.empty());
    sink += static_cast<size_t>(hash_bytes(m.text));
  }
  size_t samples = 0;
  size_t sink = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  int lines = 2;
  for (char c : text) lines += c == '\n';
  ExpositionOptions options;
  options.limits = {.labels_max = 8,
                    .label_name_bytes_max = 32,
                    .label_value_bytes_max = 64,
                    .help_bytes_max = 64,
                    .series_max = 100};
  auto checked = [&](auto parse, const ExpositionOptions& o) {
    Check check;
    auto r = parse(text, o, check);
    if (r) {
      require(r->samples >= check.samples);
    } else {
      require(r.error().line >= 1 && r.error().line <= lines && r.error().message.size() < 600);
    }
    return std::pair(r.has_value(), check.samples);
  };
  checked(parse_text_format, options);
  auto plain = checked(parse_open_metrics, options);
  options.created_as_start = true;
  auto with_start = checked(parse_open_metrics, options);
  require(plain.first == with_start.first && with_start.second <= plain.second);
  if (verify_open_metrics(text)) require(checked(parse_open_metrics, {}).first);
  return 0;
}

// Strategy: any bytes as a template, executed on a small tree with tight limits. Invariants: no crash; what
// does not parse has a line; the output never exceeds its bound.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "templates/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde::templates;
  if (size > (1u << 16)) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto t = Template::parse("fuzz", text);
  if (!t) {
    if (t.error().line < 1) std::abort();
    return 0;
  }
  FunctionContext context;
  context.limits = {
      .text_bytes_max = 1 << 16, .output_bytes_max = 1 << 14, .steps_max = 5'000, .depth_max = 16};
  context.query = [](std::string_view) -> sonde::Result<std::vector<QuerySample>> {
    return std::vector<QuerySample>{{sonde::LabelSet{{"a", "b"}}, 1.5}};
  };
  Value tree = Value::map({{"Labels", Value::strings(sonde::LabelSet{{"job", "x"}})}, {"Value", 1.5}});
  auto out = t->execute(tree, context);
  if (out && out->size() > context.limits.output_bytes_max) std::abort();
  return 0;
}

#include <algorithm>

#include "promql/functions/function.h"

namespace sonde::promql {
namespace {

struct Table {
  std::vector<Function> rows;
  std::vector<const Function*> by_name;

  Table() {
    for (auto family : {math_functions, time_functions, rate_functions, over_time_functions,
                        histogram_functions, label_functions, vector_functions, info_functions}) {
      for (Function& f : family()) rows.push_back(std::move(f));
    }
    for (const Function& f : rows) by_name.push_back(&f);
    std::sort(by_name.begin(), by_name.end(),
              [](const Function* a, const Function* b) { return std::string_view(a->name) < b->name; });
  }
};

const Table& table() {
  static const Table kTable;
  return kTable;
}

}  // namespace

std::span<const Function* const> all_functions() { return table().by_name; }

const Function* find_function(std::string_view name) {
  auto all = all_functions();
  auto it = std::lower_bound(all.begin(), all.end(), name, [](const Function* f, std::string_view n) {
    return std::string_view(f->name) < n;
  });
  return it != all.end() && (*it)->name == name ? *it : nullptr;
}

}  // namespace sonde::promql

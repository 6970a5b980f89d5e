#include "sonde/expose.h"

#include "expose/accept.h"
#include "expose/page.h"
#include "expose/process.h"
#include "metrics/collector.h"

namespace sonde::inline v1 {

Exposition expose(std::string_view accept) noexcept try {
  bool openmetrics = detail::prefers_openmetrics(accept);
  std::lock_guard lock(detail::scrape_mutex());
  detail::Page page(openmetrics);
  page.add_registry();
  detail::collect_self(page);
  detail::collect_process(page);
  detail::run_collectors(page);
  return {openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                      : "text/plain; version=0.0.4; charset=utf-8",
          page.render()};
} catch (...) {
  return {};
}

}  // namespace sonde::inline v1

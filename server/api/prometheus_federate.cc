// GET /federate: the newest value of each selected series, in the text format 0.0.4 (prometheus:
// web/federate.go). Native histograms have no text form and are left out.
#include <algorithm>

#include "api/error_codes.h"
#include "api/prometheus_endpoints.h"

namespace sonde::api {
namespace {

constexpr const char* kTextFormat = "text/plain; version=0.0.4; charset=utf-8";
constexpr size_t kPieceBytes = 64 << 10;

struct Newest {
  LabelSet labels;
  Sample sample;
};

// The last float of the current series that is not stale; nothing when the series ended.
Result<std::optional<Sample>> newest_of(storage::SeriesSet& set) {
  std::optional<Sample> out;
  storage::ColumnBlock block;
  for (;;) {
    SONDE_TRY(bool more, set.next_block(block));
    if (!more) break;
    if (block.times.empty()) continue;
    if (block.values.empty()) {
      out.reset();
    } else {
      out = Sample{block.times.back(), block.values.back()};
    }
  }
  if (out && is_stale(out->v)) out.reset();
  return out;
}

Result<std::vector<Newest>> collect(const PrometheusApiContext& context, const net::Request& request,
                                    const std::vector<Matchers>& selectors) {
  storage::Scope scope = context.scope ? context.scope(request) : storage::Scope{};
  storage::SelectHints hints;
  hints.to = context.clock.timestamp();
  // Windows are open at their left end.
  hints.from = Timestamp{hints.to.ms - context.engine.options().lookback.ms() + 1};
  std::vector<Newest> out;
  for (const Matchers& matchers : selectors) {
    SONDE_TRY(auto set, context.store.select(scope, matchers, hints, request.cancel));
    for (;;) {
      SONDE_TRY(bool more, set->next());
      if (!more) break;
      SONDE_TRY(auto sample, newest_of(*set));
      if (sample) out.push_back({set->labels(), *sample});
    }
  }
  std::sort(out.begin(), out.end(), [](const Newest& a, const Newest& b) {
    auto names = a.labels.metric_name() <=> b.labels.metric_name();
    return names != 0 ? names < 0 : a.labels < b.labels;
  });
  auto same = [](const Newest& a, const Newest& b) { return a.labels == b.labels; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

void append_escaped(std::string& out, std::string_view text) {
  for (char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

void append_name(std::string& out, std::string_view name, bool legacy) {
  if (legacy) {
    out += name;
  } else {
    append_quoted(out, name);
  }
}

void append_series(std::string& out, const Newest& s, const LabelSet& external) {
  std::string_view name = s.labels.metric_name();
  bool legacy = is_legacy_metric_name(name);
  LabelBuilder labels(s.labels);
  labels.del(kMetricName);
  for (LabelView l : external) {
    if (labels.get(l.name).empty()) labels.set(l.name, l.value);
  }
  bool instance = !labels.get("instance").empty();
  bool first = true;
  auto separate = [&] {
    out += first ? '{' : ',';
    first = false;
  };
  if (legacy) {
    out += name;
  } else {
    separate();
    append_quoted(out, name);
  }
  labels.for_each([&](std::string_view n, std::string_view v) {
    separate();
    append_name(out, n, is_legacy_label_name(n));
    out += '=';
    append_quoted(out, v);
  });
  // An absent instance must stay absent at the server that federates, which would else add its own.
  if (!instance) {
    separate();
    out += "instance=\"\"";
  }
  out += "} ";
  append_value(out, s.sample.v);
  out += ' ';
  out += std::to_string(s.sample.t.ms);
  out += '\n';
}

}  // namespace

void federate(const PrometheusApiContext& context, net::Request& request, net::ResponseWriter& writer) {
  auto refuse = [&](const Error& error) {
    writer.send(prometheus_code(error.code).status, "text/plain; charset=utf-8", error.message + "\n");
  };
  auto selectors = match_parameters(request.query);
  if (!selectors) return refuse(selectors.error());
  auto series = collect(context, request, *selectors);
  if (!series) return refuse(series.error());
  LabelSet external = context.external_labels ? context.external_labels() : LabelSet{};
  writer.status(200);
  writer.header("Content-Type", kTextFormat);
  std::string out;
  std::string_view family;
  for (const Newest& s : *series) {
    std::string_view name = s.labels.metric_name();
    if (name.empty()) continue;
    if (name != family) {
      family = name;
      out += "# TYPE ";
      append_name(out, name, is_legacy_metric_name(name));
      out += " untyped\n";
    }
    append_series(out, s, external);
    if (out.size() < kPieceBytes) continue;
    if (!writer.write(out)) return;
    out.clear();
  }
  if (!out.empty() && !writer.write(out)) return;
  writer.finish();
}

}  // namespace sonde::api

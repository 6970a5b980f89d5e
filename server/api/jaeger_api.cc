#include "api/jaeger_api.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "api/error_codes.h"
#include "model/labels.h"
#include "wire/jaeger.h"
#include "wire/json_writer.h"

namespace sonde::api {
namespace {

using net::Params;
using WriterPtr = std::shared_ptr<net::ResponseWriter>;

constexpr size_t kPieceBytes = 64 << 10;
constexpr size_t kDefaultLimit = 100;
constexpr Duration kDefaultLookback = Duration::hours(48);
constexpr Duration kDefaultDependencyLookback = Duration::hours(24);
constexpr const char* kJson = "application/json";
using Tags = std::vector<std::pair<std::string, std::string>>;

std::unexpected<Error> invalid(std::string message) { return fail(ErrorCode::kInvalid, std::move(message)); }

Result<int64_t> integer(const Params& params, std::string_view name, int64_t fallback) {
  std::string_view text = params.get_or(name, "");
  if (text.empty()) return fallback;
  int64_t n = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size()) {
    return invalid("unable to parse param '" + std::string(name) + "': strconv.ParseInt: parsing " +
                   quote(text) + ": invalid syntax");
  }
  return n;
}

std::optional<double> unit_ns(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "µs" || unit == "μs") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  if (unit == "m") return 60e9;
  if (unit == "h") return 3600e9;
  if (unit == "d") return 86400e9;  // not Go's, but the interface's lookback has it
  return std::nullopt;
}

// Go's time.ParseDuration without signs: 1.2s, 100ms, 1h30m.
std::optional<Duration> parse_go_duration(std::string_view text) {
  if (text == "0") return Duration{};
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    double n = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + digits, n, std::chars_format::fixed);
    if (digits == 0 || ec != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    size_t letters = std::min(text.find_first_of("0123456789."), text.size());
    auto unit = unit_ns(text.substr(0, letters));
    if (!unit) return std::nullopt;
    total += n * *unit;
    text.remove_prefix(letters);
  }
  if (!(total < 9e18)) return std::nullopt;
  return Duration{std::llround(total)};
}

Result<Duration> duration(const Params& params, std::string_view name) {
  std::string_view text = params.get_or(name, "");
  if (text.empty()) return Duration{};
  if (auto d = parse_go_duration(text)) return *d;
  return invalid("unable to parse param '" + std::string(name) + "': time: invalid duration " + quote(text));
}

Result<> read_tags_json(std::string_view text, Tags& out) {
  boost::system::error_code ec;
  boost::json::value value = boost::json::parse(boost::json::string_view(text.data(), text.size()), ec);
  if (ec || !value.is_object()) {
    return invalid("malformed 'tags' parameter, cannot unmarshal JSON: " +
                   (ec ? ec.message() : std::string("not an object")));
  }
  for (const auto& [key, v] : value.get_object()) {
    if (v.is_string()) {
      out.emplace_back(std::string(key), std::string(v.get_string()));
    } else if (v.is_bool() || v.is_number()) {
      out.emplace_back(std::string(key), boost::json::serialize(v));
    } else {
      return invalid("malformed 'tags' parameter, cannot unmarshal JSON: " + quote(std::string(key)) +
                     " is not a string");
    }
  }
  return {};
}

Result<Tags> read_tags(const Params& params) {
  Tags out;
  for (std::string_view tag : params.all("tag")) {
    size_t colon = tag.find(':');
    if (colon == std::string_view::npos) {
      return invalid("malformed 'tag' parameter, expecting key:value, received: " + std::string(tag));
    }
    out.emplace_back(tag.substr(0, colon), tag.substr(colon + 1));
  }
  for (std::string_view tags : params.all("tags")) SONDE_CHECK(read_tags_json(tags, out));
  return out;
}

// otel.status_code is made up from the status when a span is written as Jaeger's JSON; spans do not have it.
// (`error` may be a real tag as well, so the store looks at both.)
void translate_tags(storage::SpanSearch& search) {
  size_t made_up = std::erase_if(search.tags, [](const std::pair<std::string, std::string>& tag) {
    return tag.first == "otel.status_code" && tag.second == "ERROR";
  });
  if (made_up > 0) search.errors_only = true;
}

Result<EventTime> microseconds(const Params& params, std::string_view name, EventTime fallback) {
  SONDE_TRY(int64_t us, integer(params, name, fallback.ns / 1000));
  if (std::abs(us) > INT64_MAX / 1000) return invalid("param '" + std::string(name) + "' is out of range");
  return EventTime{us * 1000};
}

Result<storage::SpanSearch> read_search(const JaegerApiContext& context, const Params& params) {
  storage::SpanSearch s;
  s.service = params.get_or("service", "");
  if (s.service.empty()) return invalid("parameter 'service' is required");
  s.operation = params.get_or("operation", "");
  SONDE_TRY(s.tags, read_tags(params));
  translate_tags(s);
  SONDE_TRY(s.min_duration, duration(params, "minDuration"));
  SONDE_TRY(s.max_duration, duration(params, "maxDuration"));
  if (s.max_duration.ns != 0 && s.min_duration > s.max_duration) {
    return invalid("'maxDuration' should be greater than 'minDuration'");
  }
  Duration lookback = kDefaultLookback;
  // "custom" is what the interface sends along with a start.
  if (auto text = params.get_or("lookback", ""); !text.empty() && text != "custom") {
    SONDE_TRY(lookback, duration(params, "lookback"));
  }
  SONDE_TRY(s.to, microseconds(params, "end", context.clock.now()));
  SONDE_TRY(s.from, microseconds(params, "start", s.to - lookback));
  s.to = s.to + Duration::microseconds(1);  // theirs is inclusive
  SONDE_TRY(int64_t limit, integer(params, "limit", kDefaultLimit));
  if (limit <= 0) limit = kDefaultLimit;
  s.limit = std::min(static_cast<size_t>(limit), context.traces_max);
  return s;
}

Result<TraceId> read_trace_id(std::string_view text) {
  auto id = TraceId::from_hex(text);
  if (!id || id->empty()) return invalid("malformed trace ID: " + std::string(text));
  return *id;
}

void send_error(net::ResponseWriter& writer, const Error& error) {
  int status = jaeger_status(error.code);
  writer.send(status, kJson, wire::encode_jaeger_error(status, error.message));
}

struct Call {
  const JaegerApiContext& context;
  const net::Request& request;
  storage::Scope scope;
  net::ResponseWriter& writer;
};

// {"data":[traces…],"total":n,…,"errors":…}, streamed: a trace that fails after the first bytes went out
// stands in `errors`.
class TraceList {
 public:
  explicit TraceList(const Call& call) : call_(call) { json_.begin_object().key("data").begin_array(); }

  // Failures that end the answer.
  Result<> add(const TraceId& id) {
    auto spans = call_.context.spans.trace(call_.scope, id, call_.request.cancel);
    if (!spans) {
      if (!streaming_) return fail(spans.error());
      errors_.emplace_back(id, spans.error());
      return {};
    }
    if (spans->empty()) {
      missing_ = true;
      return {};
    }
    spans_ += spans->size();
    if (spans_ > call_.context.spans_max) {
      Error error{ErrorCode::kLimit,
                  "more than " + std::to_string(call_.context.spans_max) + " spans: ask for fewer traces",
                  {},
                  0,
                  0};
      if (!streaming_) return fail(std::move(error));
      errors_.emplace_back(id, std::move(error));
      full_ = true;
      return {};
    }
    wire::write_jaeger_trace(json_, *spans);
    total_++;
    return flush();
  }

  bool full() const { return full_; }
  bool empty() const { return total_ == 0; }
  bool streaming() const { return streaming_; }
  bool missing() const { return missing_; }

  void end() {
    json_.end_array().key("total").unsigned_integer(total_);
    json_.field("limit", int64_t{0}).field("offset", int64_t{0}).key("errors");
    if (errors_.empty()) {
      json_.null();
    } else {
      json_.begin_array();
      for (const auto& [id, error] : errors_) {
        json_.begin_object().field("code", int64_t{jaeger_status(error.code)});
        json_.field("msg", std::string_view(error.message));
        json_.field("traceID", std::string_view(id.to_hex())).end_object();
      }
      json_.end_array();
    }
    json_.end_object();
    if (!streaming_) {
      call_.writer.send(200, kJson, buffer_);
    } else if (call_.writer.write(buffer_)) {
      call_.writer.finish();
    }
  }

 private:
  Result<> flush() {
    if (buffer_.size() < kPieceBytes) return {};
    if (!streaming_) {
      streaming_ = true;
      call_.writer.status(200);
      call_.writer.header("Content-Type", kJson);
    }
    SONDE_CHECK(call_.writer.write(buffer_));
    buffer_.clear();
    return {};
  }

  const Call& call_;
  std::string buffer_;
  wire::JsonWriter json_{buffer_};
  std::vector<std::pair<TraceId, Error>> errors_;
  size_t spans_ = 0;
  uint64_t total_ = 0;
  bool streaming_ = false;
  bool missing_ = false;
  bool full_ = false;
};

Result<> services(const Call& call) {
  SONDE_TRY(auto names, call.context.spans.services(call.scope));
  call.writer.send(200, kJson, wire::encode_jaeger_strings(names));
  return {};
}

Result<> operation_names(const Call& call) {
  SONDE_TRY(auto found, call.context.spans.operations(call.scope, call.request.path_param("service")));
  std::set<std::string> names;
  for (auto& [name, kind] : found) names.insert(std::move(name));
  call.writer.send(200, kJson, wire::encode_jaeger_strings({names.begin(), names.end()}));
  return {};
}

Result<> operations(const Call& call) {
  std::string_view service = call.request.query.get_or("service", "");
  if (service.empty()) return invalid("parameter 'service' is required");
  std::string_view kind = call.request.query.get_or("spanKind", "");
  SONDE_TRY(auto found, call.context.spans.operations(call.scope, service));
  std::vector<wire::JaegerOperation> out;
  for (auto& [name, k] : found) {
    std::string text = k == SpanKind::kUnspecified ? "" : to_string(k);
    if (kind.empty() || kind == text) out.push_back({std::move(name), std::move(text)});
  }
  call.writer.send(200, kJson, wire::encode_jaeger_operations(out));
  return {};
}

Result<> traces(const Call& call) {
  std::vector<TraceId> ids;
  auto wanted = call.request.query.all("traceID");
  if (wanted.size() > call.context.traces_max) {
    return fail(ErrorCode::kLimit, "more than " + std::to_string(call.context.traces_max) + " trace IDs");
  }
  for (std::string_view text : wanted) {
    SONDE_TRY(TraceId id, read_trace_id(text));
    ids.push_back(id);
  }
  if (ids.empty()) {
    SONDE_TRY(auto search, read_search(call.context, call.request.query));
    SONDE_TRY(auto found, call.context.spans.search(call.scope, search, call.request.cancel));
    for (const auto& summary : found) ids.push_back(summary.trace_id);
  }
  TraceList list(call);
  for (const TraceId& id : ids) {
    auto done = list.add(id);
    if (!done && list.streaming()) return {};  // the peer is gone
    SONDE_CHECK(std::move(done));
    if (list.full()) break;
  }
  list.end();
  return {};
}

Result<> trace(const Call& call) {
  SONDE_TRY(TraceId id, read_trace_id(call.request.path_param("id")));
  TraceList list(call);
  auto done = list.add(id);
  if (!done && list.streaming()) return {};
  SONDE_CHECK(std::move(done));
  if (list.missing()) return fail(ErrorCode::kNotFound, "trace not found");
  list.end();
  return {};
}

struct SpanKey {
  TraceId trace;
  SpanId span;
  bool operator==(const SpanKey&) const = default;
};
struct SpanKeyHash {
  size_t operator()(const SpanKey& k) const {
    size_t h = 1469598103934665603ULL;  // FNV-1a
    for (uint8_t b : k.span.bytes) h = (h ^ b) * 1099511628211ULL;
    for (uint8_t b : k.trace.bytes) h = (h ^ b) * 1099511628211ULL;
    return h;
  }
};

// Calls between services: each span whose parent belongs to another service.
class DependencyCounter {
 public:
  void add(const Span& s) {
    uint32_t service = number_of(s.service);
    service_of_.emplace(SpanKey{s.trace_id, s.span_id}, service);
    if (!s.parent_id.empty()) children_.push_back({{s.trace_id, s.parent_id}, service});
  }
  size_t size() const { return service_of_.size(); }
  std::vector<wire::JaegerDependency> result() const {
    std::map<std::pair<uint32_t, uint32_t>, uint64_t> calls;
    for (const Child& c : children_) {
      auto parent = service_of_.find(c.parent);
      if (parent != service_of_.end() && parent->second != c.service) calls[{parent->second, c.service}]++;
    }
    std::vector<wire::JaegerDependency> out;
    for (const auto& [pair, count] : calls) out.push_back({names_[pair.first], names_[pair.second], count});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
      return a.parent != b.parent ? a.parent < b.parent : a.child < b.child;
    });
    return out;
  }

 private:
  struct Child {
    SpanKey parent;
    uint32_t service;
  };
  uint32_t number_of(const std::string& service) {
    auto [it, fresh] = numbers_.emplace(service, static_cast<uint32_t>(names_.size()));
    if (fresh) names_.push_back(service);
    return it->second;
  }

  std::unordered_map<std::string, uint32_t> numbers_;
  std::vector<std::string> names_;
  std::unordered_map<SpanKey, uint32_t, SpanKeyHash> service_of_;
  std::vector<Child> children_;
};

Result<> dependencies(const Call& call) {
  const Params& params = call.request.query;
  constexpr int64_t kMsMax = INT64_MAX / 2'000'000;
  SONDE_TRY(int64_t end_ms, integer(params, "endTs", call.context.clock.timestamp().ms));
  SONDE_TRY(int64_t lookback_ms, integer(params, "lookback", kDefaultDependencyLookback.ms()));
  if (std::abs(end_ms) > kMsMax || lookback_ms < 0 || lookback_ms > kMsMax) {
    return invalid("params 'endTs' and 'lookback' are milliseconds");
  }
  storage::SpanSelect select;
  select.to = EventTime::from_timestamp({end_ms});
  select.from = select.to - Duration::milliseconds(lookback_ms);
  DependencyCounter counter;
  bool full = false;
  SONDE_CHECK(call.context.spans.scan(call.scope, select, call.request.cancel, [&](const Span& s) {
    full = counter.size() >= call.context.dependency_spans_max;
    if (!full) counter.add(s);
    return !full;
  }));
  if (full) {
    return fail(ErrorCode::kLimit, "more than " + std::to_string(call.context.dependency_spans_max) +
                                       " spans in the window: ask for a shorter lookback");
  }
  call.writer.send(200, kJson, wire::encode_jaeger_dependencies(counter.result()));
  return {};
}

}  // namespace

void add_jaeger_routes(net::Router& router, std::shared_ptr<JaegerApiContext> context) {
  using Endpoint = Result<> (*)(const Call&);
  auto get = [&](const char* path, Endpoint endpoint) {
    router.add("GET", path, net::Role::kRead, [context, endpoint](net::Request& request, WriterPtr writer) {
      Call call{*context, request, context->scope ? context->scope(request) : storage::Scope{}, *writer};
      if (auto done = endpoint(call); !done) send_error(*writer, done.error());
    });
  };
  get("/api/services", services);
  get("/api/services/{service}/operations", operation_names);
  get("/api/operations", operations);
  get("/api/traces", traces);
  get("/api/traces/{id}", trace);
  get("/api/dependencies", dependencies);
}

}  // namespace sonde::api

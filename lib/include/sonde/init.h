// Starting and stopping. Metrics need neither; logs and spans do.
#pragma once

#include <cstdint>
#include <string_view>

#include "sonde/log.h"
#include "sonde/transport.h"

namespace sonde::inline v1 {

// Which traces are recorded. Without a parent the rule decides; with one, a parent-based sampler follows it.
struct Sampler {
  enum class Kind : uint8_t { kAlways, kNever, kRatio };

  Kind kind = Kind::kAlways;
  double share = 1;  // of the traces, for kRatio: decided by the trace id, so every service decides alike
  bool parent_based = false;
};

inline constexpr Sampler always_sample{};
inline constexpr Sampler never_sample{Sampler::Kind::kNever, 0, false};
constexpr Sampler sample_ratio(double share) noexcept { return {Sampler::Kind::kRatio, share, false}; }
constexpr Sampler parent_based(Sampler root) noexcept { return {root.kind, root.share, true}; }

enum class SpanExport : uint8_t { kAuto, kNone, kConsole, kOtlp };  // kAuto: OTLP if there is an endpoint

// Text is copied. The variables named on the right override what is given here.
struct Options {
  std::string_view service = {};  // OTEL_SERVICE_NAME; "unknown_service" if neither is set
  std::string_view version = {};  // service.version
  std::string_view resource_attributes =
      {};                          // "key=value,key=value"; OTEL_RESOURCE_ATTRIBUTES wins key by key
  Level level = Level::kInfo;      // SONDE_LOG_LEVEL
  std::string_view log_path = {};  // empty: standard output; appended to
  bool log_lines = true;           // false: lines go to OTLP only
  Sampler sampler = parent_based(always_sample);  // OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG
  SpanExport spans = SpanExport::kAuto;           // OTEL_TRACES_EXPORTER: otlp, console, none
  bool otlp_logs = true;                          // OTEL_LOGS_EXPORTER: otlp, none
  // "http://host:4318"; /v1/traces and /v1/logs are appended. OTEL_EXPORTER_OTLP_ENDPOINT.
  std::string_view otlp_endpoint = {};
  std::string_view otlp_headers = {};  // "key=value,key=value"; OTEL_EXPORTER_OTLP_HEADERS
  Transport* transport = nullptr;      // not owned, outlives the process; needed for OTLP
  int64_t otlp_timeout_ms = 10'000;    // of one request; OTEL_EXPORTER_OTLP_TIMEOUT
  int64_t batch_delay_ms = 1'000;      // how long a span or line waits for others
  uint32_t batch_bytes = 512 << 10;    // a batch is sent when it has grown to this
  uint32_t queue_bytes = 8 << 20;      // batches waiting for a collector; the newest are dropped past it
  uint32_t ring_bytes = 64 << 10;      // per thread, rounded up to a power of two
  uint32_t max_series = 2000;          // of a metric family without a limit of its own
};

// Ends telemetry when it goes out of scope: flushes for at most 5 s and stops the threads of the library.
class [[nodiscard]] Telemetry {
 public:
  Telemetry() noexcept = default;
  explicit Telemetry(bool owner) noexcept : owner_(owner) {}
  Telemetry(Telemetry&& o) noexcept : owner_(o.owner_) { o.owner_ = false; }
  Telemetry& operator=(Telemetry&& o) noexcept;
  ~Telemetry();

  // False if init() was called twice, memory was out, a thread or the log file could not be opened, or the
  // SDK is disabled; what could start has started, and `problem()` says what did not.
  explicit operator bool() const noexcept { return owner_; }

 private:
  bool owner_ = false;
};

// Starts logs, traces and export. OTEL_SDK_DISABLED=true makes it do nothing. A second call while one is
// active does nothing. After shutdown() it may be called again.
Telemetry init(const Options& options) noexcept;

// The first problem that init() met, or empty. Valid until the next init().
std::string_view problem() noexcept;

// Waits until what was logged and ended before the call is written and exported, or the time is over. True if
// everything was handed over. Never waits longer than `timeout_ms` + 50 ms.
bool flush(int64_t timeout_ms) noexcept;
// The same, then stops the threads of the library. Whatever remains is dropped and counted.
bool shutdown(int64_t timeout_ms) noexcept;

}  // namespace sonde::inline v1

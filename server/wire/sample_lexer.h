// Reads one sample line of an exposition. What the text format and OpenMetrics share; internal to wire.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wire/exposition.h"

namespace sonde::wire {

enum class Dialect : uint8_t {
  kText,               // 0.0.4: blanks anywhere between tokens, integer milliseconds, no exemplars
  kOpenMetrics,        // single spaces, seconds, exemplars; names may be quoted
  kOpenMetricsStrict,  // as the standard's grammar has it
};

class SampleLexer {
 public:
  SampleLexer(Dialect dialect, const ExpositionLimits& limits) : dialect_(dialect), limits_(limits) {}

  // `p` at the first byte of the line; afterwards behind its line end. False: `error()` says why, and `p` is
  // at the offending byte.
  bool sample(const char*& p, const char* end);

  const ExpositionSample& current() const { return sample_; }
  ExpositionSample& current() { return sample_; }
  const std::string& error() const { return error_; }
  ErrorCode code() const { return code_; }
  // Line ends inside quoted label values of the last sample.
  int extra_lines() const { return extra_lines_; }
  // The timestamp in its own unit (OpenMetrics: seconds), where precision below a millisecond matters.
  double raw_timestamp() const { return raw_timestamp_; }
  std::string_view value_text() const { return value_text_; }

  // A quoted string at `p` (on the opening quote); afterwards behind the closing one. `escaped` when it needs
  // unescape().
  bool quoted(const char*& p, const char* end, std::string_view& raw, bool& escaped);
  // \\, \" and \n; any other escape stays as it is, as in Prometheus.
  static void unescape(std::string_view raw, std::string& out);
  static bool is_name_start(char c);
  static bool is_name_char(char c);

 private:
  struct LabelSpace {
    std::vector<LabelView> labels;
    std::vector<std::pair<size_t, bool>> escaped;  // index into labels; true: the name, else the value
    std::string text;                              // what was unescaped
  };

  bool labels(const char*& p, const char* end, LabelSpace& space, bool name_allowed);
  void resolve(LabelSpace& space);
  bool token(const char*& p, const char* end, std::string_view& out);
  bool timestamp(std::string_view text, Timestamp& t, double& raw);
  bool exemplar(const char*& p, const char* end);
  void blanks(const char*& p, const char* end) const {
    if (dialect_ == Dialect::kOpenMetricsStrict) return;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
  }
  bool wrong(std::string message, ErrorCode code = ErrorCode::kInvalid) {
    error_ = std::move(message);
    code_ = code;
    return false;
  }

  Dialect dialect_;
  ExpositionLimits limits_;
  ExpositionSample sample_;
  ExpositionExemplar exemplar_;
  LabelSpace space_;
  LabelSpace exemplar_space_;
  std::string quoted_name_;
  std::string error_;
  std::string_view value_text_;
  ErrorCode code_ = ErrorCode::kInvalid;
  double raw_timestamp_ = 0;
  int extra_lines_ = 0;
};

// What an error of an exposition says: "line 7: …", with the offending text bounded.
Error exposition_error(ErrorCode code, int line, std::string message, std::string_view near);

}  // namespace sonde::wire

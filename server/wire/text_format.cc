// Prometheus text 0.0.4, with names quoted as UTF-8 allows them since Prometheus 3.
#include <fmt/format.h>

#include <cstring>

#include "wire/exposition.h"
#include "wire/sample_lexer.h"
#include "wire/utf8.h"

namespace sonde::wire {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

class TextParser {
 public:
  TextParser(std::string_view text, const ExpositionOptions& options, ExpositionVisitor& visitor)
      : p_(text.data()),
        end_(text.data() + text.size()),
        limits_(options.limits),
        lexer_(Dialect::kText, options.limits),
        visitor_(visitor) {}

  Result<ExpositionSummary> run() {
    ExpositionSummary summary;
    while (p_ < end_) {
      while (p_ < end_ && is_blank(*p_)) p_++;
      if (p_ == end_) break;
      if (*p_ == '\n') {
        p_++;
      } else if (*p_ == '#') {
        SONDE_CHECK(comment());
      } else {
        if (!lexer_.sample(p_, end_)) return fail(error(lexer_.code(), lexer_.error()));
        if (++summary.samples > limits_.series_max) {
          return fail(error(ErrorCode::kLimit, fmt::format("more than {} samples", limits_.series_max)));
        }
        lexer_.current().line = line_;
        if (!visitor_.on_sample(lexer_.current())) {
          summary.stopped = true;
          return summary;
        }
        line_ += lexer_.extra_lines();
      }
      line_++;
    }
    return summary;
  }

 private:
  Error error(ErrorCode code, std::string message) const {
    return exposition_error(code, line_, std::move(message), {p_, static_cast<size_t>(end_ - p_)});
  }

  // `p_` on the '#'; afterwards behind the line end. Anything but HELP and TYPE is only a remark.
  Result<> comment() {
    const auto* eol = static_cast<const char*>(std::memchr(p_, '\n', static_cast<size_t>(end_ - p_)));
    const char* line_end = eol != nullptr ? eol : end_;
    const char* next = eol != nullptr ? eol + 1 : end_;
    const char* p = p_ + 1;
    auto skip = [&] {
      while (p < line_end && is_blank(*p)) p++;
    };
    auto word = [&] {
      const char* start = p;
      while (p < line_end && !is_blank(*p)) p++;
      return std::string_view(start, static_cast<size_t>(p - start));
    };
    bool blank = p < line_end && is_blank(*p);
    skip();
    std::string_view keyword = blank ? word() : std::string_view();
    if (keyword != "HELP" && keyword != "TYPE") {
      p_ = next;
      return {};
    }
    skip();
    ExpositionMetadata metadata;
    metadata.line = line_;
    if (p < line_end && *p == '"') {
      bool escaped = false;
      if (!lexer_.quoted(p, line_end, metadata.family, escaped))
        return fail(error(lexer_.code(), lexer_.error()));
      if (escaped) {
        family_.clear();
        SampleLexer::unescape(metadata.family, family_);
        metadata.family = family_;
      }
      if (metadata.family.empty()) return fail(error(ErrorCode::kInvalid, "empty metric name"));
    } else {
      metadata.family = word();
      if (!is_legacy_metric_name(metadata.family)) {
        return fail(error(ErrorCode::kInvalid, fmt::format("no valid metric name after {}", keyword)));
      }
    }
    skip();
    std::string_view rest(p, static_cast<size_t>(line_end - p));
    if (keyword == "TYPE") {
      while (!rest.empty() && is_blank(rest.back())) rest.remove_suffix(1);
      metadata.field = MetadataField::kType;
      if (rest == "untyped" || rest == "unknown") {
        metadata.type = MetricType::kUnknown;
      } else {
        metadata.type = metric_type_from(rest);
        if (metadata.type == MetricType::kUnknown)
          return fail(error(ErrorCode::kInvalid, "unknown metric type"));
      }
    } else {
      if (rest.size() > limits_.help_bytes_max) {
        return fail(
            error(ErrorCode::kLimit, fmt::format("help text longer than {} bytes", limits_.help_bytes_max)));
      }
      if (!is_valid_utf8(rest)) return fail(error(ErrorCode::kInvalid, "help text is not UTF-8"));
      metadata.text = rest;
      if (rest.find('\\') != std::string_view::npos) {
        unescape_help(rest);
        metadata.text = help_;
      }
    }
    p_ = next;
    visitor_.on_metadata(metadata);
    return {};
  }

  // \\ and \n only: quotes have no meaning in help text.
  void unescape_help(std::string_view raw) {
    help_.clear();
    for (size_t i = 0; i < raw.size(); i++) {
      char next = raw[i] == '\\' && i + 1 < raw.size() ? raw[i + 1] : '\0';
      if (next == 'n' || next == '\\') {
        help_ += next == 'n' ? '\n' : '\\';
        i++;
      } else {
        help_ += raw[i];
      }
    }
  }

  const char* p_;
  const char* end_;
  const ExpositionLimits limits_;
  SampleLexer lexer_;
  ExpositionVisitor& visitor_;
  std::string family_;
  std::string help_;
  int line_ = 1;
};

}  // namespace

Result<ExpositionSummary> parse_text_format(std::string_view text, const ExpositionOptions& options,
                                            ExpositionVisitor& visitor) {
  return TextParser(text, options, visitor).run();
}

}  // namespace sonde::wire

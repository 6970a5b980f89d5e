#include "logql/pipeline.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>

#include "logql/quantity.h"

namespace sonde::logql {
namespace {

constexpr std::string_view kLevel = "detected_level";

const std::pair<std::string, std::string>* find(const Fields& fields, std::string_view name) {
  for (const auto& f : fields) {
    if (f.first == name) return &f;
  }
  return nullptr;
}

// OTLP's severity numbers, four a level.
std::string_view level_of(int severity_number) {
  static constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "fatal"};
  return severity_number >= 1 && severity_number <= 24 ? kLevels[(severity_number - 1) / 4] : "";
}

bool passes(const LineFilter& f, const std::string& line) {
  bool any = false;
  for (size_t i = 0; i < f.values.size() && !any; i++) {
    any = f.expressions.empty() ? line.find(f.values[i]) != std::string::npos
                                : re2::RE2::PartialMatch(line, *f.expressions[i]);
  }
  return any == (f.op == LineOp::kContains || f.op == LineOp::kMatches);
}

std::optional<double> quantity_of(std::string_view text, Unit unit) {
  switch (unit) {
    case Unit::kNumber:
      return parse_number(text);
    case Unit::kDuration: {
      auto ns = parse_duration_ns(text);
      return ns ? std::optional(static_cast<double>(*ns) * 1e-9) : std::nullopt;
    }
    case Unit::kBytes:
      break;
  }
  if (auto plain = parse_number(text)) return plain;
  return parse_bytes(text);
}

bool compare(double a, CompareOp op, double b) {
  switch (op) {
    case CompareOp::kEqual:
      return a == b;
    case CompareOp::kNotEqual:
      return a != b;
    case CompareOp::kGreater:
      return a > b;
    case CompareOp::kGreaterEqual:
      return a >= b;
    case CompareOp::kLess:
      return a < b;
    case CompareOp::kLessEqual:
      break;
  }
  return a <= b;
}

// Depth is bounded by the parser.
bool holds(const Predicate& p, RecordLabels& labels) {
  switch (p.kind) {
    case Predicate::Kind::kText:
      return p.matcher.matches(labels.get(p.matcher.name()));
    case Predicate::Kind::kQuantity: {
      std::string_view text = labels.get(p.name);
      if (text.empty()) return false;
      auto v = quantity_of(text, p.quantity.unit);
      if (!v) {
        // As Loki: a value that is no number lets the line pass, marked.
        labels.set_error("LabelFilterErr");
        return true;
      }
      return compare(*v, p.op, p.quantity.value);
    }
    case Predicate::Kind::kAnd:
      return std::all_of(p.parts.begin(), p.parts.end(),
                         [&](const Predicate& q) { return holds(q, labels); });
    case Predicate::Kind::kOr:
      break;
  }
  return std::any_of(p.parts.begin(), p.parts.end(), [&](const Predicate& q) { return holds(q, labels); });
}

bool chosen(const LabelSelection& s, std::string_view name, std::string_view value) {
  return std::any_of(s.labels.begin(), s.labels.end(), [&](const LabelChoice& c) {
    return c.name == name && (!c.matcher || c.matcher->matches(value));
  });
}

}  // namespace

void RecordLabels::reset(const LogRecord& record) {
  record_ = &record;
  metadata_made_ = false;
  stream_changed_ = false;
  metadata_.clear();
  parsed_.clear();
  error_ = {};
}

LabelSet RecordLabels::stream() const { return stream_changed_ ? stream_ : record_->stream; }

bool RecordLabels::has_fields() const {
  return std::any_of(record_->attributes.begin(), record_->attributes.end(),
                     [](const auto& a) { return a.first != kLevel; });
}

void RecordLabels::make_metadata() {
  if (metadata_made_) return;
  metadata_made_ = true;
  Fields all;
  flatten_attributes(record_->attributes, all);
  if (!record_->trace_id.empty()) all.emplace_back("trace_id", record_->trace_id.to_hex());
  if (!record_->span_id.empty()) all.emplace_back("span_id", record_->span_id.to_hex());
  if (std::string_view level = level_of(record_->severity_number); !level.empty())
    all.emplace_back(kLevel, level);
  if (record_->resource) flatten_attributes(*record_->resource, all);
  for (auto& [name, value] : all) {
    if (value.empty() || record_->stream.has(name) || find(metadata_, name)) continue;
    metadata_.emplace_back(std::move(name), std::move(value));
  }
}

std::string_view RecordLabels::get(std::string_view name) {
  if (name == kErrorLabel) return error_;
  if (!parsed_.empty()) {
    if (const auto* f = find(parsed_, name)) return f->second;
  }
  if (std::string_view v = (stream_changed_ ? stream_ : record_->stream).get(name); !v.empty()) return v;
  if (!metadata_made_) {
    // The usual case, without making them all.
    if (std::string_view v = string_attribute(record_->attributes, name);
        !v.empty() && is_legacy_label_name(name)) {
      return v;
    }
    make_metadata();
  }
  const auto* f = find(metadata_, name);
  return f ? std::string_view(f->second) : std::string_view();
}

void RecordLabels::add_parsed(std::string name, std::string value) {
  make_metadata();
  std::string_view present = (stream_changed_ ? stream_ : record_->stream).get(name);
  if (const auto* f = find(metadata_, name)) present = f->second;
  if (!present.empty()) {
    if (present == value) return;
    name += "_extracted";
  }
  for (auto& [n, v] : parsed_) {
    if (n == name) {
      v = std::move(value);
      return;
    }
  }
  parsed_.emplace_back(std::move(name), std::move(value));
}

void RecordLabels::select(const LabelSelection& selection) {
  make_metadata();
  auto goes = [&](std::string_view name, std::string_view value) {
    return chosen(selection, name, value) != selection.keep;
  };
  LabelBuilder left;
  for (LabelView l : stream()) {
    if (!goes(l.name, l.value)) left.set(l.name, l.value);
  }
  stream_ = left.build();
  stream_changed_ = true;
  std::erase_if(metadata_, [&](const auto& f) { return goes(f.first, f.second); });
  std::erase_if(parsed_, [&](const auto& f) { return goes(f.first, f.second); });
  // As in Loki, keep does not lose errors.
  if (!selection.keep && goes(kErrorLabel, error_)) error_ = {};
}

const Fields& RecordLabels::metadata() {
  make_metadata();
  return metadata_;
}

Fields RecordLabels::parsed() const {
  Fields out;
  for (const auto& f : parsed_) {
    if (!f.second.empty()) out.push_back(f);
  }
  if (!error_.empty()) out.emplace_back(kErrorLabel, error_);
  return out;
}

LabelSet RecordLabels::all() {
  make_metadata();
  LabelBuilder out(stream());
  for (const auto& [name, value] : metadata_) out.set(name, value);
  for (const auto& [name, value] : parsed_) {
    if (!value.empty()) out.set(name, value);
  }
  if (!error_.empty()) out.set(kErrorLabel, error_);
  return out.build();
}

bool Pipeline::run(const LogRecord& record, RecordLabels& labels) const {
  for (const Stage& stage : log_.stages) {
    if (const auto* f = std::get_if<LineFilter>(&stage)) {
      if (!passes(*f, record.line)) return false;
    } else if (const auto* l = std::get_if<LabelFilter>(&stage)) {
      if (!holds(l->predicate, labels)) return false;
    } else if (const auto* s = std::get_if<LabelSelection>(&stage)) {
      labels.select(*s);
    } else {
      bool json = std::holds_alternative<JsonStage>(stage);
      Fields fields;
      if (!json) {
        parse_logfmt_fields(record.line, fields);
      } else if (!parse_json_fields(record.line, fields)) {
        fields.clear();
        // A record that was taken apart when it came in has its fields as metadata already.
        if (!labels.has_fields()) labels.set_error("JSONParserErr");
      }
      for (auto& [name, value] : fields) labels.add_parsed(std::move(name), std::move(value));
    }
  }
  return true;
}

}  // namespace sonde::logql

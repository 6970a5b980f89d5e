// Runs one record through the stages of a query.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "logql/ast.h"
#include "logql/field_parsers.h"
#include "model/event.h"

namespace sonde::logql {

inline constexpr std::string_view kErrorLabel = "__error__";

// The labels of one record: those of its stream, its metadata (typed attributes, resource, ids), and what
// stages parsed. Metadata are made when somebody asks for them. Threads: one.
class RecordLabels {
 public:
  void reset(const LogRecord& record);

  // Empty when absent.
  std::string_view get(std::string_view name);
  // A field that a parser stage found. Where stream or metadata have that name with another value, it gets
  // the suffix _extracted.
  void add_parsed(std::string name, std::string value);
  void set_error(std::string_view error) { error_ = error; }
  std::string_view error() const { return error_; }
  void select(const LabelSelection& selection);
  // Whether the record has fields of its own, beyond the level that was found in its text.
  bool has_fields() const;

  LabelSet stream() const;  // what is left of the stream's labels
  const Fields& metadata();
  Fields parsed() const;  // with the error
  LabelSet all();

 private:
  void make_metadata();

  const LogRecord* record_ = nullptr;
  bool metadata_made_ = false;
  bool stream_changed_ = false;
  LabelSet stream_;
  Fields metadata_;  // names unique, none of the stream's
  Fields parsed_;    // names unique
  std::string_view error_;
};

// Borrows the expression. Threads: one.
class Pipeline {
 public:
  explicit Pipeline(const LogExpr& log) : log_(log) {}
  // False: the record is filtered out. `labels` was reset to the record.
  bool run(const LogRecord& record, RecordLabels& labels) const;

 private:
  const LogExpr& log_;
};

}  // namespace sonde::logql

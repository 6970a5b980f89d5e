// Go's text/template: an interpreter without I/O, with the functions that Prometheus adds.
//
// Bounds: text, nesting, steps, output and every intermediate text; reaching one is an error (kLimit). No
// function reads files, the environment or the network; `query` asks the callback.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancellation.h"
#include "base/error.h"
#include "base/time.h"
#include "model/labels.h"
#include "templates/value.h"

namespace sonde::templates {

struct QuerySample {
  LabelSet labels;
  double value = 0;
};
using QueryFunction = std::function<Result<std::vector<QuerySample>>(std::string_view expression)>;
using Function = std::function<Result<Value>(const std::vector<Value>& args)>;

struct Limits {
  size_t text_bytes_max = 1u << 20;    // of the template itself
  size_t output_bytes_max = 1u << 20;  // also of each intermediate text
  int64_t steps_max = 1'000'000;
  int depth_max = 64;  // of nested actions, parentheses and template calls
};

// What the functions of a template may see.
struct FunctionContext {
  QueryFunction query;       // absent: `query` is an error
  std::string external_url;  // for externalURL, pathPrefix
  EventTime now;
  std::map<std::string, Function> extra;  // by the names given to parse
  Cancellation cancellation;              // polled now and then; kTimeout or kCancelled ends the execution
  Limits limits;
};

// Immutable once parsed. Threads: safe to share.
class Template {
 public:
  // `extra_functions` are names beyond the built-in ones that `execute` will be given. Errors read as Go's
  // do, "template: NAME:LINE: …", and carry the line.
  static Result<Template> parse(std::string name, std::string_view text,
                                const std::vector<std::string>& extra_functions = {},
                                const Limits& limits = {});

  // Executes the main template, or the one defined under `define_name`.
  Result<std::string> execute(const Value& data, const FunctionContext& context) const;
  Result<std::string> execute(const std::string& define_name, const Value& data,
                              const FunctionContext& context) const;
  bool defines(const std::string& name) const;

  // Adds the definitions of `other` (a later one replaces an earlier one), so that several files form one
  // set.
  void add(const Template& other);

  struct Tree;  // parsed; defined in the implementation

 private:
  std::string name_;
  std::map<std::string, std::shared_ptr<const Tree>> trees_;
};

struct AlertText {
  std::string_view name;  // of the rule, for messages
  LabelSet labels;
  LabelSet external_labels;
  std::string external_url;
  Value value;
};

// The text of an alert's label or annotation, with $labels, $externalLabels, $externalURL and $value defined.
// A failure never fails the rule: the text says "<error expanding template: …>" instead.
std::string expand_alert_text(std::string_view text, const AlertText& alert, const QueryFunction& query,
                              EventTime now);
std::string expand_alert_text(std::string_view text, const LabelSet& labels, const LabelSet& external_labels,
                              const std::string& external_url, double value, const QueryFunction& query,
                              EventTime now);
// Whether the text parses as such a template, for rule files.
Result<> check_alert_text(std::string_view name, std::string_view text);

// The built-in functions, each with its arguments already evaluated. nullptr for an unknown name.
// `and` and `or` are the interpreter's own, because they do not evaluate all of theirs.
using Builtin = Result<Value> (*)(const std::vector<Value>& args, const FunctionContext& context);
Builtin find_builtin(std::string_view name);

}  // namespace sonde::templates

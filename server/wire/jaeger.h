// Jaeger's UI JSON, version 1: what Jaeger's own interface and Grafana's Jaeger data source read.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/event.h"
#include "wire/json_writer.h"

namespace sonde::wire {

// {"data":["a","b"],"total":2,"limit":0,"offset":0,"errors":null}: services, and a service's operations.
std::string encode_jaeger_strings(const std::vector<std::string>& names);

struct JaegerOperation {
  std::string name;
  std::string span_kind;  // "server", "client", …; empty when unspecified
};
std::string encode_jaeger_operations(const std::vector<JaegerOperation>& operations);

// One element per trace, each with the spans of one trace in any order.
std::string encode_jaeger_traces(std::span<const std::vector<Span>> traces);
// One trace as an element of `data`. Times in microseconds; the parent and the links as references;
// attributes, status, scope and kind as typed tags; resources as processes p1, p2, ….
void write_jaeger_trace(JsonWriter& json, std::span<const Span> spans);

struct JaegerDependency {
  std::string parent;
  std::string child;
  uint64_t call_count = 0;
};
std::string encode_jaeger_dependencies(const std::vector<JaegerDependency>& dependencies);

// {"data":null,…,"errors":[{"code":404,"msg":"trace not found"}]}
std::string encode_jaeger_error(int code, std::string_view message);

}  // namespace sonde::wire

#include <cstdio>

#include "query/statement_table.h"
#include "sonde/query.h"

namespace sonde::inline v1::db {
namespace {

void append_json_text(std::string& out, std::string_view s) {
  out += '"';
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<uint8_t>(c) < 0x20) {
      char buf[8];
      std::snprintf(buf, sizeof buf, "\\u%04x", c);
      out += buf;
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_html(std::string& out, std::string_view s) {
  for (char c : s) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
}

// Nanoseconds as exact seconds, whatever the locale.
std::string seconds(int64_t ns) {
  char buf[40];
  if (ns < 0) ns = 0;
  std::snprintf(buf, sizeof buf, "%lld.%09lld", static_cast<long long>(ns / 1'000'000'000),
                static_cast<long long>(ns % 1'000'000'000));
  return buf;
}
std::string seconds(double s) { return seconds(static_cast<int64_t>(s * 1e9 + 0.5)); }

std::string milliseconds(int64_t ns) {
  char buf[40];
  if (ns < 0) ns = 0;
  std::snprintf(buf, sizeof buf, "%lld.%03lld", static_cast<long long>(ns / 1'000'000),
                static_cast<long long>(ns / 1'000 % 1'000));
  return buf;
}
std::string milliseconds(double s) { return milliseconds(static_cast<int64_t>(s * 1e9 + 0.5)); }

}  // namespace

std::vector<StatementStats> statements(size_t max) noexcept {
  try {
    return detail::StatementTable::get().snapshot(max);
  } catch (...) {
    return {};
  }
}

void reset_statements() noexcept { detail::StatementTable::get().reset(); }

std::string statements_json() noexcept {
  try {
    std::string out = "{\"statements\":[";
    bool first = true;
    for (const StatementStats& s : statements()) {
      if (!first) out += ',';
      first = false;
      out += "{\"fingerprint\":";
      append_json_text(out, s.fingerprint);
      out += ",\"system\":";
      append_json_text(out, s.system);
      out += ",\"summary\":";
      append_json_text(out, s.summary);
      out += ",\"statement\":";
      append_json_text(out, s.statement);
      out += ",\"calls\":" + std::to_string(s.calls) + ",\"errors\":" + std::to_string(s.errors) +
             ",\"rows\":" + std::to_string(s.rows) + ",\"total_seconds\":" + seconds(s.total_ns) +
             ",\"max_seconds\":" + seconds(s.max_ns) + ",\"p50_seconds\":" + seconds(s.p50_seconds) +
             ",\"p95_seconds\":" + seconds(s.p95_seconds) + ",\"p99_seconds\":" + seconds(s.p99_seconds) +
             ",\"max_trace_id\":";
      append_json_text(out, s.max_trace_id);
      out += ",\"error_codes\":{";
      for (size_t i = 0; i < s.error_codes.size(); i++) {
        if (i > 0) out += ',';
        append_json_text(out, s.error_codes[i].code);
        out += ':' + std::to_string(s.error_codes[i].count);
      }
      out += "}}";
    }
    out += "],\"statements_max\":" + std::to_string(kStatementsMax) + "}\n";
    return out;
  } catch (...) {
    return {};
  }
}

std::string statements_html() noexcept {
  try {
    std::string out =
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Queries</title><style>"
        "body{font:14px system-ui,sans-serif;margin:2em;color-scheme:light dark}"
        "table{border-collapse:collapse;width:100%}"
        "th,td{padding:.3em .6em;border-bottom:1px solid #8884;text-align:right;vertical-align:top}"
        "th:first-child,td:first-child{text-align:left;width:50%}code{white-space:pre-wrap}"
        "</style></head><body><h1>Queries</h1><table><thead><tr><th scope=\"col\">Statement</th>"
        "<th scope=\"col\">Calls</th><th scope=\"col\">Errors</th><th scope=\"col\">Rows</th>"
        "<th scope=\"col\">Total ms</th><th scope=\"col\">p50 ms</th><th scope=\"col\">p95 ms</th>"
        "<th scope=\"col\">Max ms</th><th scope=\"col\">Trace of max</th></tr></thead><tbody>\n";
    for (const StatementStats& s : statements()) {
      out += "<tr id=\"";
      append_html(out, s.fingerprint);
      out += "\"><td><code>";
      append_html(out, s.statement.empty() ? s.fingerprint : s.statement);
      out += "</code></td><td>" + std::to_string(s.calls) + "</td><td>" + std::to_string(s.errors);
      for (const ErrorCount& e : s.error_codes) {
        out += "<br>";
        append_html(out, e.code);
        out += " " + std::to_string(e.count);
      }
      out += "</td><td>" + std::to_string(s.rows) + "</td><td>" + milliseconds(s.total_ns) + "</td><td>" +
             milliseconds(s.p50_seconds) + "</td><td>" + milliseconds(s.p95_seconds) + "</td><td>" +
             milliseconds(s.max_ns) + "</td><td><code>";
      append_html(out, s.max_trace_id);
      out += "</code></td></tr>\n";
    }
    out += "</tbody></table></body></html>\n";
    return out;
  } catch (...) {
    return {};
  }
}

}  // namespace sonde::inline v1::db

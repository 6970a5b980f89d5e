#include "config/sonde_config.h"

#include <fmt/format.h>

#include "config/http_client_config.h"
#include "config/yaml_writer.h"
#include "model/labels.h"

namespace sonde::config {

namespace {

Result<> read_webhook(const Node& node, WebhookConfig& out) {
  MappingReader r(node, "webhook");
  std::map<std::string, std::string> headers;
  r.read("url", out.url);
  r.read("headers", headers);
  r.read("timeout", out.timeout);
  if (Result<> ok = check_http_url(out.url); !ok) r.set_error(r.at("url"), "url: " + ok.error().message);
  if (out.timeout.ns <= 0 || out.timeout > Duration::minutes(5)) {
    r.set_error(r.at("timeout"), "timeout must be between 1ms and 5m");
  }
  for (auto& [name, value] : headers) {
    bool legal = !name.empty() && name.find_first_of(" \t\r\n:\"(),/;<=>?@[\\]{}") == std::string::npos;
    if (!legal) r.set_error(r.at("headers"), quote(name) + " is not a header name");
    if (value.find_first_of("\r\n") != std::string::npos) {
      r.set_error(r.at("headers"), "the value of header " + quote(name) + " contains a line break");
    }
    out.headers.emplace(name, Secret(std::move(value)));
  }
  return r.finish();
}

Result<> read_retention(const Node& node, const char* what, RetentionConfig& out) {
  MappingReader outer(node, what);
  outer.with("retention", [&](const Node& n) -> Result<> {
    MappingReader r(n, std::string(what) + ".retention");
    r.read("time", out.time);
    r.read_bytes("size", out.size);
    if (out.time.ns <= 0) r.set_error(r.at("time"), "time must be greater than 0");
    if (out.size < 0) r.set_error(r.at("size"), "size must not be negative");
    return r.finish();
  });
  return outer.finish();
}

}  // namespace

Result<SondeConfig> parse_sonde_config(std::string_view text, const std::string& path) {
  SONDE_TRY(NodePtr root, parse_yaml(text, path));
  SondeConfig c;
  MappingReader r(*root, "the sonde configuration");
  r.each("receivers", "receiver", [&](const Node& n) -> Result<> {
    ReceiverConfig receiver;
    receiver.line = n.line;
    MappingReader m(n, "receiver");
    m.read("name", receiver.name);
    m.with("webhook", [&](const Node& w) { return read_webhook(w, receiver.webhook); });
    if (receiver.name.empty()) m.set_error(m.at("name"), "a receiver needs a name");
    if (receiver.webhook.url.empty()) m.set_error(n, "a receiver needs a webhook");
    for (const ReceiverConfig& other : c.receivers) {
      if (other.name == receiver.name) {
        m.set_error(m.at("name"), fmt::format("receiver {} is already defined at line {}",
                                              quote(receiver.name), other.line));
      }
    }
    SONDE_CHECK(m.finish());
    c.receivers.push_back(std::move(receiver));
    return {};
  });
  r.with("inbox", [&](const Node& n) -> Result<> {
    MappingReader m(n, "inbox");
    m.read("size", c.inbox_size);
    if (c.inbox_size == 0 || c.inbox_size > 1'000'000) {
      m.set_error(m.at("size"), "inbox size must be between 1 and 1000000");
    }
    return m.finish();
  });
  r.with("logs", [&](const Node& n) { return read_retention(n, "logs", c.logs); });
  r.with("traces", [&](const Node& n) { return read_retention(n, "traces", c.traces); });
  r.with("limits", [&](const Node& n) -> Result<> {
    MappingReader m(n, "limits");
    for (const char* missing : {"memory", "active_series_per_job"}) {
      if (const Node* value = m.find(missing))
        m.set_error(*value, fmt::format("limits.{} is not supported yet", missing));
    }
    m.read_bytes("ingest_body", c.limits.ingest_body);
    m.read("active_series", c.limits.active_series);
    m.read("query_samples", c.limits.query_samples);
    m.read("query_timeout", c.limits.query_timeout);
    if (c.limits.ingest_body <= 0) m.set_error(m.at("ingest_body"), "ingest_body must be greater than 0");
    if (c.limits.query_samples == 0)
      m.set_error(m.at("query_samples"), "query_samples must be greater than 0");
    if (c.limits.query_timeout.ns <= 0)
      m.set_error(m.at("query_timeout"), "query_timeout must be greater than 0");
    return m.finish();
  });
  SONDE_CHECK(r.finish());
  return c;
}

Result<SondeConfig> load_sonde_config(FileSystem& fs, const std::string& path) {
  SONDE_TRY(std::string text, read_bounded(fs, path, YamlLimits{}.document_bytes_max));
  return parse_sonde_config(text, path);
}

std::string marshal(const SondeConfig& c) {
  YamlMap m;
  std::vector<YamlMap> receivers;
  for (const ReceiverConfig& r : c.receivers) {
    YamlMap webhook;
    webhook.text("url", redact_url(r.webhook.url));
    if (!r.webhook.headers.empty()) {
      YamlMap headers;
      for (const auto& [name, value] : r.webhook.headers) headers.text(name, value.to_string());
      webhook.map("headers", std::move(headers));
    }
    webhook.raw("timeout", format_duration(r.webhook.timeout));
    YamlMap e;
    e.text("name", r.name).map("webhook", std::move(webhook));
    receivers.push_back(std::move(e));
  }
  if (!receivers.empty()) m.list("receivers", std::move(receivers));
  YamlMap inbox;
  inbox.raw("size", std::to_string(c.inbox_size));
  m.map("inbox", std::move(inbox));
  auto retention = [&](const char* key, const RetentionConfig& r) {
    YamlMap inner;
    inner.raw("time", format_duration(r.time));
    if (r.size > 0) inner.raw("size", format_bytes(r.size));
    YamlMap outer;
    outer.map("retention", std::move(inner));
    m.map(key, std::move(outer));
  };
  retention("logs", c.logs);
  retention("traces", c.traces);
  YamlMap limits;
  limits.raw("ingest_body", format_bytes(c.limits.ingest_body));
  limits.raw("active_series", std::to_string(c.limits.active_series));
  limits.raw("query_samples", std::to_string(c.limits.query_samples));
  limits.raw("query_timeout", format_duration(c.limits.query_timeout));
  m.map("limits", std::move(limits));
  return m.to_string();
}

}  // namespace sonde::config

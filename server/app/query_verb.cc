#include <boost/json.hpp>
#include <cstdio>

#include "app/flags.h"
#include "app/verbs.h"
#include "net/http_client.h"

namespace sonde::app {
namespace {

const std::vector<Flag>& query_flags() {
  static const std::vector<Flag> kFlags = {
      {"url", FlagKind::kText, "http://127.0.0.1:9090", "The server"},
      {"time", FlagKind::kText, "", "Point in time: seconds since the epoch or RFC 3339; now without it"},
      {"output", FlagKind::kText, "table", "table or json"},
  };
  return kFlags;
}

std::string text_of(const boost::json::value& v) {
  return v.is_string() ? std::string(v.as_string()) : boost::json::serialize(v);
}

std::string labels_text(const boost::json::object& metric) {
  std::string name, out;
  for (const auto& [key, value] : metric) {
    if (key == "__name__") {
      name = text_of(value);
      continue;
    }
    out += (out.empty() ? "" : ", ") + std::string(key) + "=\"" + text_of(value) + "\"";
  }
  return name + (out.empty() && !name.empty() ? "" : "{" + out + "}");
}

void print_table(const boost::json::object& data) {
  const auto& type = data.at("resultType").as_string();
  const auto& result = data.at("result");
  if (type == "scalar" || type == "string") {
    std::printf("%s\n", text_of(result.as_array().at(1)).c_str());
    return;
  }
  for (const auto& item : result.as_array()) {
    const auto& o = item.as_object();
    std::string labels = labels_text(o.at("metric").as_object());
    if (const auto* value = o.if_contains("value")) {
      std::printf("%s\t%s\n", labels.c_str(), text_of(value->as_array().at(1)).c_str());
      continue;
    }
    std::printf("%s\n", labels.c_str());
    if (const auto* values = o.if_contains("values")) {
      for (const auto& v : values->as_array()) {
        std::printf("  %s\t%s\n", boost::json::serialize(v.as_array().at(0)).c_str(),
                    text_of(v.as_array().at(1)).c_str());
      }
    }
  }
}

}  // namespace

int run_query(const std::vector<std::string>& args) {
  auto values = FlagValues::parse(query_flags(), args);
  if (!values || values->positional().size() != 1) {
    if (!values) std::fprintf(stderr, "sonde query: %s\n", values.error().to_string().c_str());
    std::fputs(
        flag_help("sonde query [flags] EXPRESSION", "Evaluates a PromQL expression once.", query_flags())
            .c_str(),
        stderr);
    return 2;
  }
  SystemClock clock;
  auto client = net::make_http_client(clock);
  net::ClientRequest request;
  request.method = "POST";
  request.url = values->text("url") + "/api/v1/query";
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.body = "query=" + net::percent_encode(values->positional()[0]);
  if (values->given("time")) request.body += "&time=" + net::percent_encode(values->text("time"));
  auto answer = client->fetch_and_wait(std::move(request));
  if (!answer) {
    std::fprintf(stderr, "sonde query: %s\n", answer.error().to_string().c_str());
    return 1;
  }
  boost::system::error_code ec;
  auto body = boost::json::parse(answer->body, ec);
  if (ec || !body.is_object()) {
    std::fprintf(stderr, "sonde query: status %d: %s\n", answer->status, answer->body.substr(0, 500).c_str());
    return 1;
  }
  const auto& o = body.as_object();
  for (const char* kind : {"warnings", "infos"}) {
    if (const auto* list = o.if_contains(kind); list && list->is_array()) {
      for (const auto& w : list->as_array()) std::fprintf(stderr, "%s\n", text_of(w).c_str());
    }
  }
  const auto* status = o.if_contains("status");
  if (!status || *status != "success") {
    const auto* error = o.if_contains("error");
    std::fprintf(stderr, "sonde query: %s\n",
                 error ? text_of(*error).c_str() : answer->body.substr(0, 500).c_str());
    return 1;
  }
  if (values->text("output") == "json") {
    std::puts(answer->body.c_str());
  } else {
    print_table(o.at("data").as_object());
  }
  return 0;
}

}  // namespace sonde::app

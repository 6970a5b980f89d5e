// Strategy: any bytes as a query string, a path and a URL. Invariants: no crash; what parses, parses to the
// same after being encoded again; a router always answers.
#include <cstdint>
#include <cstdlib>

#include "net/http.h"
#include "net/url.h"

using namespace sonde::net;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto params = Params::parse(text)) {
    std::string again;
    for (const auto& [name, value] : params->fields()) {
      again += percent_encode(name) + "=" + percent_encode(value) + "&";
    }
    auto second = Params::parse(again);
    // A pair with an empty name and value, "=", survives; nothing is lost.
    if (!second || second->fields() != params->fields()) abort();
  }
  if (percent_decode(percent_encode(text)) != text) abort();
  static const Router* router = [] {
    auto* r = new Router;
    auto nothing = [](Request&, std::shared_ptr<ResponseWriter>) {};
    r->add("GET", "/a/{x}/b", Role::kRead, nothing);
    r->add("GET POST", "/a/{rest...}", Role::kRead, nothing);
    return r;
  }();
  (void)router->match("GET", text);
  (void)router->match("POST", "/a/" + std::string(text));
  if (auto url = parse_url(text)) {
    (void)resolve_location(*url, text);
    if (url->port == 0 || url->host.empty() || url->target.empty() || url->target[0] != '/') abort();
  }
  return 0;
}

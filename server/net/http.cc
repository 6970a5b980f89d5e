#include "net/http.h"

#include <array>

#include "net/ascii.h"

namespace sonde::net {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// Appends the decoded form of one name or value of a form.
Result<> decode_form(std::string_view text, std::string& out) {
  out.reserve(out.size() + text.size());
  for (size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    if (c == '+') {
      out += ' ';
    } else if (c != '%') {
      out += c;
    } else {
      int hi = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
      int lo = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (hi < 0 || lo < 0) {
        return fail(ErrorCode::kInvalid,
                    "invalid percent-encoding in parameters at offset " + std::to_string(i));
      }
      out += static_cast<char>(hi * 16 + lo);
      i += 2;
    }
  }
  return {};
}

// The pieces of a path between its slashes; the one before the first slash is left out.
std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> out;
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  for (;;) {
    size_t slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

bool is_parameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool is_rest(std::string_view segment) { return is_parameter(segment) && segment.ends_with("...}"); }

bool serves(std::string_view methods, std::string_view method) {
  for (;;) {
    size_t space = methods.find(' ');
    std::string_view one = methods.substr(0, space);
    if (one == method || (one == "GET" && method == "HEAD")) return true;
    if (space == std::string_view::npos) return false;
    methods.remove_prefix(space + 1);
  }
}

void add_methods(std::string& allow, std::string_view methods) {
  for (;;) {
    size_t space = methods.find(' ');
    std::string one(methods.substr(0, space));
    auto add = [&](const std::string& m) {
      std::string padded = ", " + allow + ",";
      if (padded.find(", " + m + ",") != std::string::npos) return;
      if (!allow.empty()) allow += ", ";
      allow += m;
    };
    add(one);
    if (one == "GET") add("HEAD");
    if (space == std::string_view::npos) return;
    methods.remove_prefix(space + 1);
  }
}

constexpr size_t kParamsMax = 10'000;

}  // namespace

void Headers::set(std::string_view name, std::string value) {
  bool placed = false;
  std::erase_if(fields_, [&](auto& field) {
    if (!equals_ignoring_case(field.first, name)) return false;
    if (placed) return true;
    placed = true;
    field.second = std::move(value);
    return false;
  });
  if (!placed) fields_.emplace_back(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (equals_ignoring_case(key, name)) return value;
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  for (const auto& field : fields_) {
    if (equals_ignoring_case(field.first, name)) return true;
  }
  return false;
}

Result<Params> Params::parse(std::string_view encoded) {
  Params out;
  while (!encoded.empty()) {
    size_t end = encoded.find('&');
    std::string_view pair = encoded.substr(0, end);
    encoded.remove_prefix(end == std::string_view::npos ? encoded.size() : end + 1);
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    std::string name;
    std::string value;
    SONDE_CHECK(decode_form(pair.substr(0, equals), name));
    if (equals != std::string_view::npos) SONDE_CHECK(decode_form(pair.substr(equals + 1), value));
    if (out.fields_.size() >= kParamsMax) {
      return fail(ErrorCode::kLimit, "parameters: more than " + std::to_string(kParamsMax));
    }
    out.add(std::move(name), std::move(value));
  }
  return out;
}

std::optional<std::string_view> Params::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string_view Params::get_or(std::string_view name, std::string_view fallback) const {
  return get(name).value_or(fallback);
}

std::vector<std::string_view> Params::all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : fields_) {
    if (key == name) out.push_back(value);
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    int hi = text[i] == '%' && i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
    int lo = hi >= 0 && i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (lo >= 0) {
      out += static_cast<char>(hi * 16 + lo);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string_view Request::path_param(std::string_view name) const {
  for (const auto& [key, value] : path_params) {
    if (key == name) return value;
  }
  return {};
}

Result<std::string> Request::read_body() {
  std::string out;
  if (!body) return out;
  std::array<std::byte, 16 << 10> chunk;
  for (;;) {
    SONDE_TRY(size_t n, body->read(chunk));
    if (n == 0) return out;
    out.append(reinterpret_cast<const char*>(chunk.data()), n);
  }
}

Result<Params> Request::read_params() {
  Params out = query;
  std::string_view type = headers.get("Content-Type");
  type = trim(type.substr(0, type.find(';')));
  if (method != "POST" || !equals_ignoring_case(type, "application/x-www-form-urlencoded")) return out;
  SONDE_TRY(std::string text, read_body());
  SONDE_TRY(Params form, Params::parse(text));
  for (const auto& [name, value] : form.fields()) out.add(name, value);
  return out;
}

void ResponseWriter::send(int code, std::string_view content_type, std::string_view body) {
  status(code);
  if (!content_type.empty()) header("Content-Type", std::string(content_type));
  // The length is known here and nowhere else; writers that compress replace it.
  if (code >= 200 && code != 204 && code != 304) header("Content-Length", std::to_string(body.size()));
  if (!body.empty()) (void)write(body);  // a peer that is gone needs no answer
  finish();
}

const char* to_string(Role role) {
  switch (role) {
    case Role::kOpen:
      return "open";
    case Role::kRead:
      return "read";
    case Role::kIngest:
      return "ingest";
    case Role::kAlert:
      return "alert";
    case Role::kAdmin:
      return "admin";
  }
  return "admin";
}

void Router::add(std::string method, std::string pattern, Role role, Handler handler, RouteOptions options) {
  std::vector<Segment> segments;
  for (std::string_view piece : split_path(pattern)) {
    Segment s;
    if (is_rest(piece)) {
      s.kind = Segment::kRest;
      s.text = piece.substr(1, piece.size() - 5);
    } else if (is_parameter(piece)) {
      s.kind = Segment::kParameter;
      s.text = piece.substr(1, piece.size() - 2);
    } else {
      s.kind = Segment::kLiteral;
      s.text = piece;
    }
    segments.push_back(std::move(s));
  }
  segments_.push_back(std::move(segments));
  routes_.push_back({std::move(method), std::move(pattern), role, options, std::move(handler)});
}

bool Router::fits(const std::vector<Segment>& segments, const std::vector<std::string>& pieces) {
  for (size_t i = 0; i < segments.size(); i++) {
    if (segments[i].kind == Segment::kRest) return i < pieces.size();
    if (i >= pieces.size()) return false;
    if (segments[i].kind == Segment::kLiteral && segments[i].text != pieces[i]) return false;
    if (segments[i].kind == Segment::kParameter && pieces[i].empty()) return false;
  }
  return segments.size() == pieces.size();
}

// Literal before parameter before rest, at the first segment where two patterns differ in kind.
bool Router::more_specific(const std::vector<Segment>& a, const std::vector<Segment>& b) {
  for (size_t i = 0; i < a.size() && i < b.size(); i++) {
    if (a[i].kind != b[i].kind) return a[i].kind < b[i].kind;
  }
  return a.size() > b.size();
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match out;
  std::vector<std::string> pieces;
  for (std::string_view piece : split_path(path)) pieces.push_back(percent_decode(piece));
  const std::vector<Segment>* best = nullptr;
  for (size_t r = 0; r < routes_.size(); r++) {
    const std::vector<Segment>& segments = segments_[r];
    if (!fits(segments, pieces)) continue;
    add_methods(out.allow, routes_[r].method);
    if (!serves(routes_[r].method, method)) continue;
    if (best != nullptr && !more_specific(segments, *best)) continue;
    best = &segments;
    out.route = &routes_[r];
  }
  if (best == nullptr) {
    out.method_mismatch = !out.allow.empty();
    return out;
  }
  for (size_t i = 0; i < best->size(); i++) {
    const Segment& s = (*best)[i];
    if (s.kind == Segment::kParameter) out.path_params.emplace_back(s.text, pieces[i]);
    if (s.kind != Segment::kRest) continue;
    std::string rest = pieces[i];
    for (size_t k = i + 1; k < pieces.size(); k++) rest += "/" + pieces[k];
    out.path_params.emplace_back(s.text, std::move(rest));
  }
  return out;
}

}  // namespace sonde::net

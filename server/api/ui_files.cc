#include "api/ui_files.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/random.h"
#include "model/labels.h"
#include "net/ascii.h"
#include "net/base64.h"
#include "net/content_coding.h"

namespace sonde::api {

namespace {

constexpr uint64_t kFileBytesMax = 64 << 20;

// Paths that the interface routes itself.
constexpr std::array<std::string_view, 13> kPages = {"/",        "/service/{rest...}",
                                                     "/explore", "/graph",
                                                     "/query",   "/logs",
                                                     "/traces",  "/trace/{rest...}",
                                                     "/queries", "/queries/{rest...}",
                                                     "/alerts",  "/targets",
                                                     "/status"};

std::string_view mime_of(std::string_view path) {
  struct Row {
    std::string_view ending;
    std::string_view mime;
  };
  static constexpr std::array<Row, 12> rows = {{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".md", "text/markdown; charset=utf-8"},
      {".txt", "text/plain; charset=utf-8"},
      {".json", "application/json"},
      {".map", "application/json"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".wasm", "application/wasm"},
  }};
  for (const auto& row : rows) {
    if (path.ends_with(row.ending)) return row.mime;
  }
  return "application/octet-stream";
}

bool none_match(std::string_view header, std::string_view etag) {
  while (!header.empty()) {
    std::string_view item = header.substr(0, header.find(','));
    header.remove_prefix(std::min(item.size() + 1, header.size()));
    item = net::trim(item);
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == etag || item == "*") return false;
  }
  return true;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

std::string system_nonce() {
  uint64_t words[2] = {random_seed(), random_seed()};
  char raw[sizeof words];
  std::memcpy(raw, words, sizeof words);
  return net::base64_encode({raw, sizeof raw});
}

// A relative path that stays below its folder.
bool is_inside(std::string_view path) {
  if (path.empty() || path.find('\0') != std::string_view::npos || path.find('\\') != std::string_view::npos)
    return false;
  while (!path.empty()) {
    std::string_view piece = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(piece.size() + 1, path.size()));
    if (piece.empty() || piece == "." || piece == "..") return false;
  }
  return true;
}

std::string hex(uint64_t v) {
  std::string out(16, '0');
  for (size_t i = 16; i-- > 0; v >>= 4) out[i] = "0123456789abcdef"[v & 15];
  return out;
}

constexpr std::string_view kNoUi =
    "This build has no web interface in it. The same data is served as JSON: see /api/sonde/v1/overview.\n";

}  // namespace

struct UiFiles::State {
  std::span<const EmbeddedFile> files;
  FileSystem& file_system;
  UiOptions options;

  bool on_disk() const { return !options.directory.empty(); }

  const EmbeddedFile* find(std::string_view path) const {
    auto it = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.path == path; });
    return it == files.end() ? nullptr : &*it;
  }

  // The raw content; nullopt when there is no such file.
  std::optional<std::string> read(std::string_view path) const {
    if (on_disk()) {
      if (!is_inside(path)) return std::nullopt;
      auto content = file_system.read_file(options.directory + "/" + std::string(path));
      return content ? std::optional(std::move(*content)) : std::nullopt;
    }
    const EmbeddedFile* file = find(path);
    if (!file) return std::nullopt;
    auto content = net::decode_all(net::Coding::kGzip, file->gzip, kFileBytesMax);
    return content ? std::optional(std::move(*content)) : std::nullopt;
  }

  static void secure(net::ResponseWriter& out) {
    out.header("X-Content-Type-Options", "nosniff");
    out.header("Referrer-Policy", "same-origin");
  }

  void page(net::ResponseWriter& out) const {
    secure(out);
    out.header("Cache-Control", "no-store");
    auto html = read("index.html");
    if (!html) return out.send(404, "text/plain; charset=utf-8", kNoUi);
    std::string nonce = options.nonce ? options.nonce() : system_nonce();
    std::string base = (options.base_path.empty() ? options.prefix : options.base_path) + "/";
    replace_all(*html, "__SONDE_NONCE__", nonce);
    replace_all(*html, "__SONDE_BASE__", escape_html(base));
    out.header("Content-Security-Policy",
               "default-src 'self'; style-src 'self' 'nonce-" + nonce +
                   "'; img-src 'self' data:; worker-src 'self'; object-src 'none'; base-uri 'self'; "
                   "frame-ancestors " +
                   options.frame_ancestors);
    if (options.frame_ancestors == "'none'") out.header("X-Frame-Options", "DENY");
    out.send(200, "text/html; charset=utf-8", *html);
  }

  void file(const net::Request& request, net::ResponseWriter& out, std::string_view path) const {
    secure(out);
    const EmbeddedFile* known = on_disk() ? nullptr : find(path);
    std::optional<std::string> raw;
    if (!known) raw = on_disk() ? read(path) : std::nullopt;
    if (!known && !raw) {
      out.header("Cache-Control", "no-store");
      return out.send(404, "text/plain; charset=utf-8", "no such file\n");
    }
    std::string etag =
        "\"" + (known ? std::string(known->sha256.substr(0, 32)) : hex(hash_bytes(*raw))) + "\"";
    // A name with a hash never changes its content; on disk somebody is at work.
    bool immutable = known && path.starts_with("assets/");
    out.header("Cache-Control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
    out.header("ETag", etag);
    if (!none_match(request.headers.get("If-None-Match"), etag)) {
      out.header("Vary", "Accept-Encoding");
      out.status(304);
      return out.finish();
    }
    if (known && net::list_has_token(request.headers.get("Accept-Encoding"), "gzip")) {
      out.header("Vary", "Accept-Encoding");
      out.header("Content-Encoding", "gzip");
      return out.send(200, mime_of(path), known->gzip);
    }
    if (!raw) raw = read(path);
    if (!raw) return out.send(500, "text/plain; charset=utf-8", "the built-in file is damaged\n");
    out.send(200, mime_of(path), *raw);
  }
};

UiFiles::UiFiles(std::span<const EmbeddedFile> files, FileSystem& file_system, UiOptions options)
    : state_(std::make_unique<State>(State{files, file_system, std::move(options)})) {}
UiFiles::~UiFiles() = default;

void UiFiles::add_routes(net::Router& router) {
  const State* s = state_.get();
  auto page = [s](net::Request&, std::shared_ptr<net::ResponseWriter> out) { s->page(*out); };
  for (std::string_view path : kPages) {
    router.add("GET", s->options.prefix + std::string(path), net::Role::kRead, page);
  }
  router.add("GET", s->options.prefix + "/assets/{rest...}", net::Role::kRead,
             [s](net::Request& r, std::shared_ptr<net::ResponseWriter> out) {
               s->file(r, *out, "assets/" + std::string(r.path_param("rest")));
             });
  // What lies beside index.html: the icon, the licences.
  std::vector<std::string> top;
  if (s->on_disk()) {
    if (auto names = s->file_system.list(s->options.directory)) top = std::move(*names);
  } else {
    for (const auto& f : s->files) top.emplace_back(f.path);
  }
  for (const auto& name : top) {
    bool plain = name.find('/') == std::string::npos && name.find_first_of("{}") == std::string::npos;
    if (!plain || name == "index.html" || name == "assets") continue;
    router.add(
        "GET", s->options.prefix + "/" + name, net::Role::kRead,
        [s, name](net::Request& r, std::shared_ptr<net::ResponseWriter> out) { s->file(r, *out, name); });
  }
}

}  // namespace sonde::api

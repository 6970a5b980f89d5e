// The web interface as the server gives it out: its pages, and the files they are made of.
//
// Every page is index.html, rendered for each request with a nonce and the base address; files under /assets
// carry a hash in their name and may be kept for ever.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "api/embedded_file.h"
#include "base/file_system.h"
#include "net/http.h"

namespace sonde::api {

struct UiOptions {
  std::string prefix;     // route prefix of the server: empty or "/sonde"
  std::string base_path;  // path of the external URL where a proxy cuts the prefix off; empty: `prefix`
  std::string directory;  // serve from disk instead (--web.ui-dir); empty: what is built in
  std::string frame_ancestors = "'none'";
  std::function<std::string()> nonce;  // for tests; empty: 128 bits from the operating system
};

// Threads: any.
class UiFiles {
 public:
  // `files` is the built-in table; it and `file_system` must outlive this.
  UiFiles(std::span<const EmbeddedFile> files, FileSystem& file_system, UiOptions options);
  ~UiFiles();

  // Pages and files, role kRead. This must outlive the router's use.
  void add_routes(net::Router& router);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::api

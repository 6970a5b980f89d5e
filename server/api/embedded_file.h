// Files that the build put into the program.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sonde::api {

// Lives as long as the program.
struct EmbeddedFile {
  std::string_view path;    // "assets/index-1a2b3c.js"
  std::string_view sha256;  // of the raw content, lower-case hex
  std::string_view gzip;    // the content as one gzip member
  size_t raw_bytes = 0;
};

// ui/dist, in order of path; empty when the build had none.
std::span<const EmbeddedFile> embedded_ui();

}  // namespace sonde::api

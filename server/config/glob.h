// File name patterns as Go's path/filepath has them: `*`, `?`, `[a-z]`, `[^a-z]` and `\` escapes; `*` and `?`
// stop at '/'.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"

namespace sonde::config {

// Whether one path component matches; kInvalid for a malformed pattern.
Result<bool> match_component(std::string_view pattern, std::string_view name);

// Existing paths that match, sorted. A pattern without special characters yields itself if it exists. A
// directory that is missing or cannot be listed matches nothing. kLimit beyond `paths_max`.
Result<std::vector<std::string>> glob(const FileSystem& fs, const std::string& pattern,
                                      size_t paths_max = 100'000);

// `path` as seen from `dir`; absolute and empty paths stay.
std::string resolve_path(std::string_view dir, std::string_view path);
// The part before the last '/'; "" when there is none, "/" for a file in the root.
std::string directory_of(std::string_view path);

}  // namespace sonde::config

// SQL text → the shape of the statement: literals become `?`, IN lists and multi-row VALUES collapse,
// comments go, white space is one canonical space. Two calls that differ only in their data give the same
// text.
//
// Pure, bounded, no allocation beyond the two strings it fills; safe on any bytes. The output is valid UTF-8
// without control characters. What is kept verbatim: keywords, names, operators, quoted identifiers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sonde/query.h"

namespace sonde::inline v1::db {

inline constexpr size_t kScannedBytesMax = 64 * 1024;     // input beyond this is not looked at
inline constexpr size_t kNormalisedBytesMax = 16 * 1024;  // output beyond this is cut before a token
inline constexpr size_t kQuotedNameBytesMax = 128;        // a longer quoted name is taken for a literal

struct Normalised {
  std::string text;
  uint64_t fingerprint = 0;  // of `text`, letters A–Z folded; stable across versions and machines
  bool truncated = false;    // one of the bounds above was met
};

// `out` is overwritten; reuse it to save the allocation.
void normalise(std::string_view sql, Dialect dialect, Normalised& out);

// 64 bits over `text` with ASCII letters folded to lower case.
uint64_t fingerprint_of(std::string_view text);

// `db.query.summary` of a normalised text: operations and their targets, "INSERT orders SELECT cart"; names
// of common table expressions are not targets. At most 255 bytes. `operation` gets the first word of it.
std::string summary_of(std::string_view normalised, std::string& operation);

}  // namespace sonde::inline v1::db

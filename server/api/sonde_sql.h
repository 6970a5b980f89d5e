// The shape of a database statement that came in a span, for services that expose no statement metrics.
#pragma once

#include <string>
#include <string_view>

namespace sonde::api {

inline constexpr size_t kStatementTextBytesMax = 2048;

// Literals become `?`, lists of them one `?`, comments go, white space is one space. Simpler than the
// library's: it knows no dialects, so text in double quotes is always a name.
std::string normalise_statement(std::string_view sql);

// 16 hexadecimal digits of a normalised text, letters folded to lower case.
std::string statement_fingerprint(std::string_view normalised);

}  // namespace sonde::api

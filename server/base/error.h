// Errors as values: the server's one error type, and the macros that pass it on.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace sonde {

enum class ErrorCode {
  kInvalid,      // the input is wrong; sending it again will not help
  kNotFound,     // the named thing does not exist
  kConflict,     // the thing exists already, or has another state than the request presumes
  kCorrupt,      // a checksum or an invariant of stored data does not hold
  kIo,           // the operating system refused; the message carries errno's text
  kNoSpace,      // the disk is full
  kLimit,        // a configured bound was reached
  kTimeout,      // the deadline passed
  kCancelled,    // the caller no longer wants the answer
  kUnavailable,  // not now; trying again later may help
  kInternal,     // a defect of our own
  kUnsupported,  // understood, but not built
};

// "invalid", "not_found", … as they appear in messages and metrics labels.
const char* to_string(ErrorCode code);

// What went wrong. `message` names the thing, then what is wrong with it, then the numbers.
// `file`, `line` and `column` (1-based; 0 = unknown) point into a file or a query text.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string file;
  int line = 0;
  int column = 0;

  // "file:line:column: message", leaving out what is unknown.
  std::string to_string() const;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message), {}, 0, 0});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

// errno's text after `what`: code kNoSpace for ENOSPC and EDQUOT, kNotFound for ENOENT, else kIo.
Error errno_error(int err, std::string what);

}  // namespace sonde

#define SONDE_CONCAT_INNER(a, b) a##b
#define SONDE_CONCAT(a, b) SONDE_CONCAT_INNER(a, b)

// SONDE_TRY(auto block, open_block(path));   declares `block`, or returns the error.
#define SONDE_TRY_IMPL(tmp, decl, ...)                          \
  auto tmp = (__VA_ARGS__);                                     \
  if (!tmp) return ::std::unexpected(::std::move(tmp).error()); \
  decl = *::std::move(tmp)
#define SONDE_TRY(decl, ...) SONDE_TRY_IMPL(SONDE_CONCAT(sonde_try_, __COUNTER__), decl, __VA_ARGS__)

// SONDE_CHECK(file.sync());   returns the error of a Result<void>, if there is one.
#define SONDE_CHECK(...)                                           \
  do {                                                             \
    if (auto sonde_check_ = (__VA_ARGS__); !sonde_check_)          \
      return ::std::unexpected(::std::move(sonde_check_).error()); \
  } while (false)

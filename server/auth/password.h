// bcrypt through libxcrypt, and digests.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace sonde::auth {

inline constexpr size_t kPasswordBytesMax = 72;  // bcrypt ignores what is beyond

// The cost of a $2a$, $2b$ or $2y$ hash; kInvalid when it is none, or would take minutes to verify.
Result<int> bcrypt_cost(std::string_view hash);

// Takes some 50 ms at cost 10, twice that with every step. False for passwords longer than kPasswordBytesMax.
bool verify_bcrypt(std::string_view password, const std::string& hash);

// As slow as verify_bcrypt with a hash of that cost, and never true.
void verify_nothing(std::string_view password, int cost);

// Lower-case hex. Tokens have 256 random bits, so one fast hash is enough to store them.
std::string sha256_hex(std::string_view bytes);

// HMAC-SHA256 over parts that cannot run into each other: each is preceded by its length.
std::string hmac_of_parts(std::string_view key, std::initializer_list<std::string_view> parts);

std::string random_bytes(size_t n);

}  // namespace sonde::auth

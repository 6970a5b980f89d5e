#include "auth/password.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstring>
#include <memory>

#include "base/assert.h"

namespace sonde::auth {
namespace {

constexpr int kCostMax = 16;  // some 4 s
constexpr size_t kHashBytes = 60;
constexpr std::string_view kAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// The hash of `password` under the setting at the front of `setting`; empty when libxcrypt refuses.
std::string run_crypt(std::string_view password, const std::string& setting) {
  auto data = std::make_unique<crypt_data>();
  std::string terminated(password);
  char* out = crypt_r(terminated.c_str(), setting.c_str(), data.get());
  std::string result = out != nullptr && out[0] != '*' ? out : "";
  OPENSSL_cleanse(terminated.data(), terminated.size());
  OPENSSL_cleanse(data.get(), sizeof *data);
  return result;
}

}  // namespace

Result<int> bcrypt_cost(std::string_view hash) {
  auto bad = [](const char* why) { return fail(ErrorCode::kInvalid, why); };
  bool prefix = hash.starts_with("$2a$") || hash.starts_with("$2b$") || hash.starts_with("$2y$");
  if (hash.size() != kHashBytes || !prefix || hash[6] != '$') return bad("not a bcrypt hash");
  for (char c : hash.substr(7)) {
    if (kAlphabet.find(c) == std::string_view::npos) return bad("not a bcrypt hash");
  }
  if (hash[4] < '0' || hash[4] > '9' || hash[5] < '0' || hash[5] > '9') return bad("not a bcrypt hash");
  int cost = (hash[4] - '0') * 10 + (hash[5] - '0');
  if (cost < 4) return bad("bcrypt cost below 4");
  if (cost > kCostMax) return bad("bcrypt cost above 16, which takes too long to verify");
  return cost;
}

bool verify_bcrypt(std::string_view password, const std::string& hash) {
  // A NUL byte would end the password early.
  if (password.size() > kPasswordBytesMax || password.find('\0') != std::string_view::npos) return false;
  std::string computed = run_crypt(password, hash);
  return computed.size() == hash.size() && CRYPTO_memcmp(computed.data(), hash.data(), hash.size()) == 0;
}

void verify_nothing(std::string_view password, int cost) {
  std::string setting = "$2b$";
  setting += static_cast<char>('0' + cost / 10);
  setting += static_cast<char>('0' + cost % 10);
  setting += "$abcdefghijklmnopqrstuu";
  (void)run_crypt(password.substr(0, kPasswordBytesMax), setting);
}

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[32];
  unsigned size = 0;
  SONDE_ASSERT(EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) == 1);
  std::string out;
  for (unsigned char b : digest) {
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
  return out;
}

std::string hmac_of_parts(std::string_view key, std::initializer_list<std::string_view> parts) {
  std::string message;
  for (std::string_view part : parts) {
    uint64_t size = part.size();
    message.append(reinterpret_cast<const char*>(&size), sizeof size);
    message += part;
  }
  unsigned char digest[32];
  unsigned size = 0;
  SONDE_ASSERT(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                    reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest,
                    &size) != nullptr);
  OPENSSL_cleanse(message.data(), message.size());
  return {reinterpret_cast<const char*>(digest), sizeof digest};
}

std::string random_bytes(size_t n) {
  std::string out(n, '\0');
  SONDE_ASSERT(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n)) == 1);
  return out;
}

}  // namespace sonde::auth

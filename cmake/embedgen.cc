// Puts a folder into a program: gzips every file of it, and writes an assembler file that includes the bytes
// and a C++ table of them.
//
//   embedgen <folder> <output stem> <function>
//
// writes <stem>.gz (all members, one after the other), <stem>.S and <stem>.cc, which defines
// `std::span<const EmbeddedFile> sonde::api::<function>()`. A missing folder makes an empty table. The same
// input makes the same output: files in order of name, no times, one compression level.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

// FIPS 180-4.
std::string sha256_hex(std::string_view data) {
  static constexpr std::array<uint32_t, 64> k = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::array<uint32_t, 8> h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string m(data);
  m += '\x80';
  while (m.size() % 64 != 56) m += '\0';
  uint64_t bits = static_cast<uint64_t>(data.size()) * 8;
  for (int shift = 56; shift >= 0; shift -= 8) m += static_cast<char>(bits >> shift & 0xff);
  for (size_t at = 0; at < m.size(); at += 64) {
    std::array<uint32_t, 64> w{};
    for (size_t i = 0; i < 16; i++) {
      for (size_t j = 0; j < 4; j++) w[i] = w[i] << 8 | static_cast<unsigned char>(m[at + i * 4 + j]);
    }
    for (size_t i = 16; i < 64; i++) {
      uint32_t a = w[i - 15];
      uint32_t b = w[i - 2];
      w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
             (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
    }
    auto v = h;
    for (size_t i = 0; i < 64; i++) {
      uint32_t t1 = v[7] + (std::rotr(v[4], 6) ^ std::rotr(v[4], 11) ^ std::rotr(v[4], 25)) +
                    ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
      uint32_t t2 = (std::rotr(v[0], 2) ^ std::rotr(v[0], 13) ^ std::rotr(v[0], 22)) +
                    ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      for (size_t j = 7; j > 0; j--) v[j] = v[j - 1];
      v[4] += t1;
      v[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++) h[i] += v[i];
  }
  std::string out;
  for (uint32_t word : h) {
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
  }
  return out;
}

// One gzip member without name and time (zlib writes an mtime of 0). Empty on failure.
std::string gzip(const std::string& data) {
  z_stream z{};
  if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&z, static_cast<uLong>(data.size())) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  z.avail_in = static_cast<uInt>(data.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  int result = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return result == Z_STREAM_END ? out : std::string();
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

bool write(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  if (!out) std::fprintf(stderr, "embedgen: cannot write %s\n", path.c_str());
  return static_cast<bool>(out);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: embedgen <folder> <output stem> <function>\n");
    return 2;
  }
  fs::path root = argv[1];
  std::string stem = argv[2];
  std::string function = argv[3];

  std::vector<std::string> paths;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    if (it->is_regular_file()) paths.push_back(it->path().lexically_relative(root).generic_string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    std::fprintf(stderr, "embedgen: %s: %s\n", argv[1], error.message().c_str());
    return 1;
  }
  std::sort(paths.begin(), paths.end());

  std::string blob;
  std::string table;
  for (const auto& path : paths) {
    std::ifstream in(root / path, std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    std::string packed = gzip(content);
    if (!in || packed.empty()) {
      std::fprintf(stderr, "embedgen: cannot read and pack %s\n", path.c_str());
      return 1;
    }
    table += "    {" + in_quotes(path) + ",\n     \"" + sha256_hex(content) + "\",\n     {" + function +
             "_bytes + " + std::to_string(blob.size()) + ", " + std::to_string(packed.size()) + "},\n     " +
             std::to_string(content.size()) + "},\n";
    blob += packed;
  }

  std::string symbol = function + "_bytes";
  std::string assembler = "  .section .rodata\n  .global " + symbol + "\n  .type " + symbol +
                          ", @object\n  .balign 16\n" + symbol + ":\n  .incbin " + in_quotes(stem + ".gz") +
                          "\n  .size " + symbol + ", . - " + symbol +
                          "\n  .byte 0\n  .section .note.GNU-stack,\"\",@progbits\n";
  std::string code = "// Made by embedgen.\n#include \"api/embedded_file.h\"\n\nextern \"C\" const char " +
                     symbol + "[];\n\nnamespace sonde::api {\n\n";
  if (paths.empty()) {
    code += "std::span<const EmbeddedFile> " + function + "() { return {}; }\n";
  } else {
    code += "std::span<const EmbeddedFile> " + function + "() {\n  static const EmbeddedFile files[] = {\n" +
            table + "  };\n  return files;\n}\n";
  }
  code += "\n}  // namespace sonde::api\n";
  return write(stem + ".gz", blob) && write(stem + ".S", assembler) && write(stem + ".cc", code) ? 0 : 1;
}

#include "export/proto.h"

#include "expose/text.h"

namespace sonde::inline v1::detail {

void ProtoWriter::close(size_t at) {
  uint64_t size = out_.size() - at - 1;
  if (size < 0x80) {
    out_[at] = static_cast<char>(size);
    return;
  }
  std::string length;
  ProtoWriter(length).raw_varint(size);
  out_.replace(at, 1, length);
}

void ProtoWriter::text(uint32_t field, std::string_view v) {
  auto* p = reinterpret_cast<const unsigned char*>(v.data());
  auto* end = p + v.size();
  while (p < end) {
    size_t n = utf8_length(p, end);
    if (n == 0) break;
    p += n;
  }
  if (p == end) {
    bytes(field, v);
    return;
  }
  std::string valid;
  for (p = reinterpret_cast<const unsigned char*>(v.data()); p < end;) {
    size_t n = utf8_length(p, end);
    if (n == 0) {
      valid += "\xef\xbf\xbd";
      n = 1;
    } else {
      valid.append(reinterpret_cast<const char*>(p), n);
    }
    p += n;
  }
  bytes(field, valid);
}

}  // namespace sonde::inline v1::detail

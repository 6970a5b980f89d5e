#include "wire/json_writer.h"

#include <charconv>
#include <cmath>

#include "model/sample.h"
#include "wire/utf8.h"

namespace sonde::wire {
namespace {

// 0: copy; 1: escape; 2: start of a multi-byte sequence.
constexpr auto kClass = [] {
  struct Table {
    unsigned char of[256];
  } t{};
  for (int c = 0; c < 256; c++) {
    t.of[c] = c < 0x20 || c == '"' || c == '\\' ? 1 : c >= 0x80 ? 2 : 0;
  }
  return t;
}();

template <class Int>
void append_integer(std::string& out, Int v) {
  char buf[24];
  auto r = std::to_chars(buf, buf + sizeof buf, v);
  out.append(buf, r.ptr);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t clean = 0;  // start of the run that can be copied as it is
  for (size_t i = 0; i < text.size();) {
    auto c = static_cast<unsigned char>(text[i]);
    unsigned char kind = kClass.of[c];
    if (kind == 0) {
      i++;
      continue;
    }
    if (kind == 2) {
      if (size_t n = utf8_sequence_length(text.substr(i, 4)); n > 0) {
        i += n;
        continue;
      }
    }
    out.append(text, clean, i - clean);
    if (kind == 2) {
      out += "\xef\xbf\xbd";
    } else {
      switch (c) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        default:
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
      }
    }
    clean = ++i;
  }
  out.append(text, clean, text.size() - clean);
  out += '"';
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_json_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::integer(int64_t v) {
  separate();
  append_integer(out_, v);
  return *this;
}

JsonWriter& JsonWriter::unsigned_integer(uint64_t v) {
  separate();
  append_integer(out_, v);
  return *this;
}

JsonWriter& JsonWriter::integer_string(int64_t v) {
  separate();
  out_ += '"';
  append_integer(out_, v);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::number(double v) {
  if (!std::isfinite(v)) return value_string(v);
  separate();
  char buf[32];
  auto r = std::to_chars(buf, buf + sizeof buf, v);
  out_.append(buf, r.ptr);
  return *this;
}

JsonWriter& JsonWriter::value_string(double v) {
  separate();
  out_ += '"';
  append_value(out_, v);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace sonde::wire

// Writes JSON into a string, left to right, without building a document first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sonde::wire {

// Appends `text` quoted and escaped (RFC 8259). Bytes that are not well-formed UTF-8 become U+FFFD, as Go's
// encoding/json does. <, > and & stay as they are.
void append_json_string(std::string& out, std::string_view text);

// Puts the commas; the caller keeps the order: key before value inside objects, as many ends as begins.
// Borrows `out`, which it only appends to. Threads: one.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& integer(int64_t v);
  JsonWriter& unsigned_integer(uint64_t v);
  // Shortest text that reads back as the same double. JSON has no NaN and no infinities: "NaN", "+Inf",
  // "-Inf" as strings.
  JsonWriter& number(double v);
  // As a string in Prometheus's form (model's append_value): "1.5", "NaN", "+Inf", "1e-09".
  JsonWriter& value_string(double v);
  JsonWriter& boolean(bool v) { return raw(v ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  // `json` must be one complete value; it is copied as it stands.
  JsonWriter& raw(std::string_view json);
  // The 64-bit number as a string, as protobuf's JSON mapping wants it.
  JsonWriter& integer_string(int64_t v);

  // Short forms of key() and a value.
  JsonWriter& field(std::string_view name, std::string_view text) { return key(name).string(text); }
  JsonWriter& field(std::string_view name, const char* text) { return key(name).string(text); }
  JsonWriter& field(std::string_view name, int64_t v) { return key(name).integer(v); }
  JsonWriter& field(std::string_view name, bool v) { return key(name).boolean(v); }

  // Room for what the writer cannot say itself; call `separate` first, write one value, and it counts as
  // written.
  std::string& buffer() { return out_; }
  void separate() {
    if (comma_) out_ += ',';
    comma_ = true;
  }

 private:
  JsonWriter& open(char c) {
    separate();
    out_ += c;
    comma_ = false;
    return *this;
  }
  JsonWriter& close(char c) {
    out_ += c;
    comma_ = true;
    return *this;
  }

  std::string& out_;
  bool comma_ = false;  // whether the next value needs a comma before it
};

}  // namespace sonde::wire

#include "wire/conformance.h"

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "wire/exposition.h"

namespace sonde::wire {
namespace {

// Cases where we differ on purpose, with the reason. None at present.
const std::map<std::string_view, std::string_view> kKnownDifferences = {};

class Ignore : public ExpositionVisitor {
 public:
  bool on_sample(const ExpositionSample& sample) override {
    if (auto labels = to_label_set(sample); !labels && !error) error = labels.error().message;
    return true;
  }
  std::optional<std::string> error;
};

Result<std::string> read(const FileSystem& fs, const std::string& path) {
  // Opening for reading changes nothing; the interface is not const because other modes do.
  SONDE_TRY(auto file, const_cast<FileSystem&>(fs).open(path, OpenMode::kRead));
  SONDE_TRY(uint64_t size, file->size());
  std::string content(size, '\0');
  SONDE_TRY(size_t n, file->read_at(0, std::as_writable_bytes(std::span(content.data(), content.size()))));
  content.resize(n);
  return content;
}

// test.json is flat; all that we need of it is one flag.
Result<bool> should_parse(std::string_view json) {
  size_t at = json.find("\"shouldParse\"");
  if (at == std::string_view::npos) return fail(ErrorCode::kInvalid, "test.json has no shouldParse");
  std::string_view rest = json.substr(at + 13);
  size_t value = rest.find_first_not_of(" \t\r\n:");
  if (value == std::string_view::npos)
    return fail(ErrorCode::kInvalid, "test.json: shouldParse has no value");
  return rest.substr(value).starts_with("true");
}

ConformanceVerdict judge(std::string folder, std::string name, bool expected, const Result<>& got) {
  ConformanceVerdict v{std::move(folder), std::move(name), expected == got.has_value(), {}, {}, {}};
  v.expected = expected ? "parses" : "fails";
  v.got = got ? "parses" : "fails: " + got.error().message;
  if (auto known = kKnownDifferences.find(v.name); !v.ok && known != kKnownDifferences.end()) {
    v.ok = true;
    v.known_difference_reason = known->second;
  }
  return v;
}

Result<> parse_exposition(std::string_view name, std::string_view text) {
  Ignore ignore;
  auto parsed = name.find(".om.") != std::string_view::npos ? parse_open_metrics(text, {}, ignore)
                                                            : parse_text_format(text, {}, ignore);
  SONDE_CHECK(parsed);
  if (ignore.error) return fail(ErrorCode::kInvalid, *ignore.error);
  if (parsed->samples == 0) return fail(ErrorCode::kInvalid, "no sample was found");
  return {};
}

}  // namespace

Result<std::vector<ConformanceVerdict>> run_exposition_conformance(const FileSystem& fs,
                                                                   const std::string& directory) {
  std::vector<ConformanceVerdict> verdicts;
  auto expositions = fs.list(directory + "/exposition");
  auto cases = fs.list(directory + "/openmetrics");
  if (!expositions && !cases) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: neither exposition/ nor openmetrics/ is there", directory));
  }
  if (expositions) {
    for (const std::string& name : *expositions) {
      SONDE_TRY(std::string text, read(fs, directory + "/exposition/" + name));
      verdicts.push_back(judge("exposition", name, true, parse_exposition(name, text)));
    }
  }
  if (cases) {
    for (const std::string& name : *cases) {
      std::string path = directory + "/openmetrics/" + name;
      SONDE_TRY(std::string json, read(fs, path + "/test.json"));
      SONDE_TRY(std::string text, read(fs, path + "/metrics"));
      SONDE_TRY(bool expected, should_parse(json));
      verdicts.push_back(judge("openmetrics", name, expected, verify_open_metrics(text)));
    }
  }
  return verdicts;
}

}  // namespace sonde::wire

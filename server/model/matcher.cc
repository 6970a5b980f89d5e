#include "model/matcher.h"

#include <re2/re2.h>

#include <algorithm>

namespace sonde {

const char* to_string(MatchOp op) {
  switch (op) {
    case MatchOp::kEqual:
      return "=";
    case MatchOp::kNotEqual:
      return "!=";
    case MatchOp::kRegex:
      return "=~";
    case MatchOp::kNotRegex:
      return "!~";
  }
  return "=";
}

struct Matcher::Regex {
  std::vector<std::string> literals;  // when the expression is a plain alternation: no engine needed
  bool matches_all = false;           // .*
  bool matches_non_empty = false;     // .+
  std::unique_ptr<re2::RE2> re;
};

namespace {

constexpr size_t kRegexBytesMax = 4096;

// a|b|c without any special character; empty when it is not of that form.
std::vector<std::string> plain_alternation(std::string_view text) {
  std::vector<std::string> out(1);
  for (char c : text) {
    if (c == '|') {
      out.emplace_back();
    } else if (std::string_view("\\.+*?()[]{}^$").find(c) != std::string_view::npos) {
      return {};
    } else {
      out.back() += c;
    }
  }
  return out;
}

}  // namespace

Result<Matcher> Matcher::create(MatchOp op, std::string name, std::string value) {
  Matcher m;
  m.op_ = op;
  m.name_ = std::move(name);
  m.value_ = std::move(value);
  if (op == MatchOp::kEqual || op == MatchOp::kNotEqual) return m;
  if (m.value_.size() > kRegexBytesMax) {
    return fail(ErrorCode::kInvalid, "regular expression for label " + quote(m.name_) + " is " +
                                         std::to_string(m.value_.size()) + " bytes long, the limit is " +
                                         std::to_string(kRegexBytesMax));
  }
  auto regex = std::make_shared<Regex>();
  regex->matches_all = m.value_ == ".*";
  regex->matches_non_empty = m.value_ == ".+";
  regex->literals = plain_alternation(m.value_);
  if (regex->literals.empty() && !regex->matches_all && !regex->matches_non_empty) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_max_mem(8 << 20);
    regex->re = std::make_unique<re2::RE2>(m.value_, options);
    if (!regex->re->ok()) {
      return fail(ErrorCode::kInvalid,
                  "error parsing regexp: " + regex->re->error() + ": `" + m.value_ + "`");
    }
  }
  m.regex_ = std::move(regex);
  return m;
}

Matcher Matcher::equal(std::string name, std::string value) {
  Matcher m;
  m.name_ = std::move(name);
  m.value_ = std::move(value);
  return m;
}

bool Matcher::matches(std::string_view value) const {
  if (!regex_) return (value == value_) == (op_ == MatchOp::kEqual);
  bool hit = false;
  if (regex_->matches_all) {
    hit = true;
  } else if (regex_->matches_non_empty) {
    hit = !value.empty();
  } else if (regex_->re) {
    hit = re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *regex_->re);
  } else {
    hit = std::find(regex_->literals.begin(), regex_->literals.end(), value) != regex_->literals.end();
  }
  return hit == (op_ == MatchOp::kRegex);
}

std::string Matcher::to_string() const {
  return (is_legacy_label_name(name_) ? name_ : quote(name_)) + sonde::to_string(op_) + quote(value_);
}

bool all_match(const Matchers& matchers, const LabelSet& labels) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) { return m.matches(labels); });
}

}  // namespace sonde

#include "query/normalise.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace sonde::inline v1::db {
namespace {

enum Class : uint8_t {
  kSpace,
  kLetter,
  kDigit,
  kQuote,
  kDoubleQuote,
  kBacktick,
  kPunct,
  kOp,
  kDollar,
  kOther
};

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> t{};
  for (int c = 0; c < 256; c++) {
    if (c <= 0x20 || c == 0x7f) {
      t[c] = kSpace;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80) {
      t[c] = kLetter;
    } else if (c >= '0' && c <= '9') {
      t[c] = kDigit;
    } else {
      t[c] = kOther;
    }
  }
  for (char c : std::string_view("+-*/<>=~!@#%^&|")) t[static_cast<uint8_t>(c)] = kOp;
  for (char c : std::string_view("(),.;:[]?")) t[static_cast<uint8_t>(c)] = kPunct;
  t['\''] = kQuote;
  t['"'] = kDoubleQuote;
  t['`'] = kBacktick;
  t['$'] = kDollar;
  return t;
}
constexpr auto kClass = make_classes();

constexpr Class class_of(char c) { return static_cast<Class>(kClass[static_cast<uint8_t>(c)]); }
constexpr bool is_name_start(char c) { return class_of(c) == kLetter; }
constexpr bool is_name(char c) {
  Class k = class_of(c);
  return k == kLetter || k == kDigit || k == kDollar;
}
constexpr bool is_digit(char c) { return class_of(c) == kDigit; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_word(std::string_view word, std::string_view lower_case) {
  if (word.size() != lower_case.size()) return false;
  for (size_t i = 0; i < word.size(); i++) {
    if (lower(word[i]) != lower_case[i]) return false;
  }
  return true;
}

template <size_t N>
bool one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  for (std::string_view w : words) {
    if (same_word(word, w)) return true;
  }
  return false;
}

// A sign after one of these belongs to the number, and a parenthesis after one of these is not a call. In the
// order of their lengths, so that a look-up compares with words of one length only.
constexpr std::array<std::string_view, 41> kOperators = {
    "in",      "or",       "as",       "on",        "by",       "is",     "and",    "not",    "set",
    "all",     "any",      "from",     "over",      "then",     "when",   "else",   "join",   "like",
    "case",    "some",     "with",     "only",      "where",    "using",  "ilike",  "limit",  "union",
    "values",  "exists",   "select",   "offset",    "return",   "having", "except", "filter", "between",
    "default", "distinct", "conflict", "returning", "intersect"};

struct OperatorIndex {
  std::array<uint8_t, 12> begin{};     // by length: the first word of it in kOperators
  std::array<uint32_t, 12> letters{};  // by length: which first letters occur
};
constexpr OperatorIndex make_operator_index() {
  OperatorIndex index{};
  for (size_t i = 0; i < kOperators.size(); i++) {
    index.letters[kOperators[i].size()] |= 1u << (kOperators[i][0] - 'a');
  }
  for (size_t length = 0, i = 0; length < index.begin.size(); length++) {
    while (i < kOperators.size() && kOperators[i].size() < length) i++;
    index.begin[length] = static_cast<uint8_t>(i);
  }
  return index;
}
constexpr OperatorIndex kOperatorIndex = make_operator_index();
static_assert([] {
  for (size_t i = 1; i < kOperators.size(); i++) {
    if (kOperators[i].size() < kOperators[i - 1].size()) return false;
  }
  return kOperators.back().size() + 2 < kOperatorIndex.begin.size() + 1;
}());

bool is_operator_word(std::string_view w) {
  size_t length = w.size();
  if (length < 2 || length + 1 >= kOperatorIndex.begin.size()) return false;
  uint32_t letter = static_cast<uint32_t>(lower(w[0]) - 'a') & 31;
  if ((kOperatorIndex.letters[length] >> letter & 1) == 0) return false;
  for (size_t i = kOperatorIndex.begin[length]; i < kOperatorIndex.begin[length + 1]; i++) {
    if (same_word(w, kOperators[i])) return true;
  }
  return false;
}

// What stood before: it decides on spaces, on signs and on whether NULL is data.
enum class Kind : uint8_t {
  kNothing,
  kName,     // an identifier or a keyword that is none of kOperators
  kKeyword,  // one of kOperators
  kQuoted,
  kLiteral,  // "?"
  kOpen,
  kClose,
  kOpenBracket,
  kCloseBracket,
  kComma,
  kDot,
  kSemicolon,
  kCast,
  kOperator,
};

constexpr bool is_operand(Kind k) {
  return k == Kind::kName || k == Kind::kQuoted || k == Kind::kLiteral || k == Kind::kClose ||
         k == Kind::kCloseBracket;
}

enum class FrameKind : uint8_t { kPlain, kList, kFirstRow, kFurtherRow };

struct Frame {
  FrameKind kind;
  char close;
  bool has_previous;
  bool after_values;        // in this frame a VALUES row has just been closed
  bool values_next;         // in this frame the word VALUES was just seen
  uint32_t element_begin;   // kList: where the current element starts
  uint32_t previous_begin;  // kList: the element before it, in `out`
  uint32_t previous_end;
  uint32_t cut_at;    // kFurtherRow: the length to return to when it closes
  uint32_t rows_end;  // behind the first row of a VALUES in this frame
};

constexpr int kDepthMax = 32;

// Bytes that are not UTF-8 become '_': same length, still a name, and JSON stays valid.
void make_valid_utf8(std::string& s, size_t begin) {
  size_t i = begin;
  size_t n = s.size();
  while (i < n) {
    uint8_t c = static_cast<uint8_t>(s[i]);
    if (c < 0x80) {
      i++;
      continue;
    }
    size_t len = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 0;
    bool ok = len != 0 && i + len <= n;
    for (size_t k = 1; ok && k < len; k++) ok = (static_cast<uint8_t>(s[i + k]) & 0xc0) == 0x80;
    if (ok && len == 3) {
      uint8_t d = static_cast<uint8_t>(s[i + 1]);
      ok = !(c == 0xe0 && d < 0xa0) && !(c == 0xed && d >= 0xa0);
    }
    if (ok && len == 4) {
      uint8_t d = static_cast<uint8_t>(s[i + 1]);
      ok = !(c == 0xf0 && d < 0x90) && !(c == 0xf4 && d >= 0x90);
    }
    if (!ok) {
      s[i] = '_';
      len = 1;
    }
    i += len;
  }
}

bool has_high_bytes(std::string_view s) {
  uint8_t any = 0;
  for (char c : s) any |= static_cast<uint8_t>(c);
  return any >= 0x80;
}

class Scanner {
 public:
  Scanner(std::string_view sql, Dialect dialect, std::string& out)
      : p_(sql.data()), end_(sql.data() + sql.size()), dialect_(dialect), out_(out) {
    frames_[0] = Frame{};
  }

  // False when the output bound cut the text.
  bool run() {
    while (p_ < end_) {
      if (out_.size() > kNormalisedBytesMax) {
        out_.resize(token_begin_);
        trim_end();
        return false;
      }
      token_begin_ = out_.size();
      step();
    }
    trim_end();
    return true;
  }

 private:
  void step() {
    char c = *p_;
    switch (class_of(c)) {
      case kSpace:
        p_++;
        return;
      case kLetter:
        return word();
      case kDigit:
        return number();
      case kQuote:
        return string_literal(dialect_ == Dialect::kMysql);
      case kDoubleQuote:
        return quoted('"');
      case kBacktick:
        return dialect_ == Dialect::kPostgres ? single_operator() : quoted('`');
      case kPunct:
        return punctuation(c);
      case kDollar:
        return dollar();
      case kOp:
        return op();
      case kOther:
        return single_operator();
    }
  }

  char at(size_t i) const { return static_cast<size_t>(end_ - p_) > i ? p_[i] : '\0'; }

  void trim_end() {
    while (!out_.empty() && (out_.back() == ' ' || out_.back() == ';')) out_.pop_back();
  }

  void space(Kind next) {
    switch (prev_) {
      case Kind::kNothing:
      case Kind::kOpen:
      case Kind::kOpenBracket:
      case Kind::kDot:
      case Kind::kCast:
        return;
      default:
        break;
    }
    switch (next) {
      case Kind::kClose:
      case Kind::kCloseBracket:
      case Kind::kComma:
      case Kind::kDot:
      case Kind::kSemicolon:
        return;
      case Kind::kCast:
        if (prev_ != Kind::kOperator) return;  // ": ::" is not "::" ":"
        break;
      case Kind::kOpen:
        if (prev_ == Kind::kName || prev_ == Kind::kQuoted) return;
        break;
      case Kind::kOpenBracket:
        if (is_operand(prev_)) return;
        break;
      default:
        break;
    }
    out_.push_back(' ');
  }

  void put(Kind kind, std::string_view text) {
    if (top().after_values && kind != Kind::kComma && kind != Kind::kClose) {
      if (!(kind == Kind::kOpen && prev_ == Kind::kComma)) top().after_values = false;
    }
    if (kind != Kind::kOpen) top().values_next = false;
    space(kind);
    size_t begin = out_.size();
    out_.append(text);
    if ((kind == Kind::kName || kind == Kind::kQuoted) && has_high_bytes(text)) make_valid_utf8(out_, begin);
    prev_ = kind;
  }
  void literal() { put(Kind::kLiteral, "?"); }

  void word() {
    const char* begin = p_;
    while (p_ < end_ && is_name(*p_)) p_++;
    std::string_view w(begin, static_cast<size_t>(p_ - begin));
    if (p_ < end_ && *p_ == '\'' && w.size() == 1) {
      char prefix = lower(w[0]);
      if (prefix == 'e') return string_literal(true);
      if (prefix == 'b' || prefix == 'x' || prefix == 'n') return string_literal(dialect_ == Dialect::kMysql);
    }
    if (w.size() == 1 && lower(w[0]) == 'u' && at(0) == '&' && (at(1) == '\'' || at(1) == '"')) {
      p_++;
      return *p_ == '\'' ? string_literal(false) : quoted('"');
    }
    if (is_data_word(w)) return literal();
    bool after_dot = prev_ == Kind::kDot;  // t.values is a column
    bool keyword = !after_dot && is_operator_word(w);
    last_word_in_ = keyword && same_word(w, "in");
    last_word_array_ = !after_dot && same_word(w, "array");
    put(keyword ? Kind::kKeyword : Kind::kName, w);
    last_word_end_ = out_.size();
    if (keyword && same_word(w, "values")) {
      top().values_next = true;
      top().after_values = false;
    }
    previous_was_is_or_not_ =
        keyword && (same_word(w, "is") || same_word(w, "not") || same_word(w, "default"));
  }

  // NULL, TRUE and FALSE are data where a value stands, and grammar in IS NULL, NOT NULL, DEFAULT NULL.
  bool is_data_word(std::string_view w) const {
    if (w.size() != 4 && w.size() != 5) return false;
    if (!same_word(w, "null") && !same_word(w, "true") && !same_word(w, "false")) return false;
    switch (prev_) {
      case Kind::kOpen:
      case Kind::kOpenBracket:
      case Kind::kComma:
      case Kind::kOperator:
        return true;
      case Kind::kKeyword:
        return !previous_was_is_or_not_;
      default:
        return false;
    }
  }

  void number() {
    skip_number();
    literal();
  }
  void skip_number() {
    while (p_ < end_) {
      char c = *p_;
      if (is_name(c) || c == '.') {
        p_++;
        if ((c == 'e' || c == 'E') && (at(0) == '+' || at(0) == '-') && is_digit(at(1))) p_++;
      } else {
        return;
      }
    }
  }

  // At the opening quote. A quote that is never closed swallows the rest: nothing of it can leak.
  void string_literal(bool backslash) {
    p_++;
    while (p_ < end_) {
      const char* next = p_;
      if (!backslash) {
        next = static_cast<const char*>(std::memchr(p_, '\'', static_cast<size_t>(end_ - p_)));
        if (next == nullptr) {
          p_ = end_;
          break;
        }
      } else {
        while (next < end_ && *next != '\'' && *next != '\\') next++;
        if (next == end_) {
          p_ = end_;
          break;
        }
        if (*next == '\\') {
          p_ = std::min(next + 2, end_);
          continue;
        }
      }
      p_ = next + 1;
      if (p_ < end_ && *p_ == '\'') {
        p_++;
        continue;
      }
      break;
    }
    literal();
  }

  void quoted(char quote) {
    const char* begin = p_++;
    bool closed = false;
    bool control = false;
    bool plain = true;
    while (p_ < end_) {
      char c = *p_++;
      if (c == quote) {
        if (p_ < end_ && *p_ == quote) {
          p_++;
          plain = false;
          continue;
        }
        closed = true;
        break;
      }
      control |= static_cast<uint8_t>(c) < 0x20 || c == 0x7f;
      plain &= is_name(c) || c == '.';
    }
    std::string_view name(begin, static_cast<size_t>(p_ - begin));
    bool is_name_text = closed && !control && name.size() > 2 && name.size() <= kQuotedNameBytesMax;
    if (quote == '"') {
      if (dialect_ == Dialect::kMysql) is_name_text = false;  // a string, unless ANSI_QUOTES
      // SQLite takes "text" for a string when no column is called so: keep only what looks like a name.
      if (dialect_ != Dialect::kPostgres) is_name_text = is_name_text && plain && is_name_start(name[1]);
    }
    if (!is_name_text) return literal();
    put(Kind::kQuoted, name);
  }

  void bracketed_name() {
    const char* begin = p_;
    const char* close = static_cast<const char*>(std::memchr(p_, ']', static_cast<size_t>(end_ - p_)));
    p_ = close == nullptr ? end_ : close + 1;
    std::string_view name(begin, static_cast<size_t>(p_ - begin));
    bool plain = close != nullptr && name.size() > 2 && name.size() <= kQuotedNameBytesMax &&
                 is_name_start(name[1]) &&
                 std::all_of(name.begin() + 1, name.end() - 1, [](char c) { return is_name(c) || c == '.'; });
    if (plain) return put(Kind::kQuoted, name);
    literal();
  }

  void dollar() {
    if (dialect_ != Dialect::kSqlite && dialect_ != Dialect::kMysql) {
      const char* q = p_ + 1;  // $tag$ … $tag$
      if (q < end_ && is_name_start(*q)) {
        while (q < end_ && (class_of(*q) == kLetter || class_of(*q) == kDigit)) q++;
      }
      if (q < end_ && *q == '$') {
        std::string_view tag(p_, static_cast<size_t>(q + 1 - p_));
        std::string_view rest(q + 1, static_cast<size_t>(end_ - q - 1));
        size_t close = rest.find(tag);
        p_ = close == std::string_view::npos ? end_ : rest.data() + close + tag.size();
        return literal();
      }
    }
    if (is_digit(at(1)) || is_name_start(at(1))) {  // $1, $name
      p_++;
      while (p_ < end_ && is_name(*p_)) p_++;
      return literal();
    }
    single_operator();
  }

  void punctuation(char c) {
    switch (c) {
      case '?':
        p_++;
        while (p_ < end_ && is_digit(*p_)) p_++;  // ?1
        return literal();
      case '(':
        p_++;
        return open('(', ')');
      case ')':
        p_++;
        return close(')');
      case '[':
        if (dialect_ == Dialect::kSqlite) return bracketed_name();
        p_++;
        return open('[', ']');
      case ']':
        p_++;
        return close(']');
      case ',':
        p_++;
        return comma();
      case ';':
        p_++;
        if (prev_ == Kind::kNothing || prev_ == Kind::kSemicolon) return;
        return put(Kind::kSemicolon, ";");
      case '.':
        if (is_digit(at(1)) && !is_operand(prev_)) return number();
        p_++;
        return put(Kind::kDot, ".");
      case ':':
        if (at(1) == ':') {
          p_ += 2;
          return put(Kind::kCast, "::");
        }
        if (is_name_start(at(1))) {
          p_++;
          while (p_ < end_ && is_name(*p_)) p_++;
          return literal();
        }
        if (at(1) == '=') {
          p_ += 2;
          return put(Kind::kOperator, ":=");
        }
        return single_operator();
      default:
        return single_operator();
    }
  }

  uint32_t here() const { return static_cast<uint32_t>(out_.size()); }
  Frame& top() { return frames_[depth_ < kDepthMax ? depth_ : kDepthMax]; }

  void open(char text, char close) {
    Frame frame{};
    frame.close = close;
    bool right_after_word = last_word_end_ == out_.size();
    if (depth_ < kDepthMax) {
      if (close == ')' && top().values_next) {
        frame.kind = FrameKind::kFirstRow;
      } else if (close == ')' && top().after_values && prev_ == Kind::kComma) {
        frame.kind = FrameKind::kFurtherRow;
        frame.cut_at = top().rows_end;
      } else if ((close == ')' && last_word_in_ && right_after_word) ||
                 (close == ']' && last_word_array_ && right_after_word)) {
        frame.kind = FrameKind::kList;
      }
    }
    top().values_next = false;
    put(close == ')' ? Kind::kOpen : Kind::kOpenBracket, std::string_view(&text, 1));
    depth_++;
    frame.element_begin = here();
    if (depth_ < kDepthMax) frames_[depth_] = frame;
    if (depth_ >= kDepthMax) frames_[kDepthMax] = Frame{};
  }

  void close(char text) {
    Frame frame = top();
    bool matches = depth_ > 0 && (depth_ >= kDepthMax || frame.close == text);
    if (matches && frame.kind == FrameKind::kList) finish_element(top());
    if (matches) depth_--;
    put(text == ')' ? Kind::kClose : Kind::kCloseBracket, std::string_view(&text, 1));
    if (!matches) return;
    if (frame.kind == FrameKind::kFurtherRow) out_.resize(frame.cut_at);
    if (frame.kind == FrameKind::kFurtherRow || frame.kind == FrameKind::kFirstRow) {
      top().after_values = true;
      top().rows_end = here();
    }
  }

  void comma() {
    Frame& frame = top();
    if (depth_ > 0 && depth_ < kDepthMax && frame.kind == FrameKind::kList) finish_element(frame);
    if (prev_ == Kind::kComma) frame.after_values = false;
    put(Kind::kComma, ",");
    frame.element_begin = here();
  }

  // Drops the element that just ended when the one before it reads the same.
  void finish_element(Frame& frame) {
    auto trimmed = [this](size_t begin, size_t end) {
      std::string_view s(out_.data() + begin, end - begin);
      while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
      return s;
    };
    uint32_t end = here();
    if (frame.has_previous &&
        trimmed(frame.element_begin, end) == trimmed(frame.previous_begin, frame.previous_end)) {
      out_.resize(frame.previous_end);
      return;
    }
    frame.previous_begin = frame.element_begin;
    frame.previous_end = end;
    frame.has_previous = true;
  }

  void single_operator() {
    put(Kind::kOperator, std::string_view(p_, 1));
    p_++;
  }

  bool skip_comment() {
    if (*p_ == '-' && at(1) == '-') {
      // MySQL wants white space behind the dashes; elsewhere two dashes are enough.
      if (dialect_ == Dialect::kMysql && static_cast<uint8_t>(at(2)) > 0x20) return false;
      skip_line();
      return true;
    }
    if (*p_ == '#' && dialect_ == Dialect::kMysql) {
      skip_line();
      return true;
    }
    if (*p_ == '/' && at(1) == '*') {
      bool nests = dialect_ == Dialect::kPostgres || dialect_ == Dialect::kGeneric;
      int depth = 1;
      p_ += 2;
      while (p_ < end_ && depth > 0) {
        if (*p_ == '*' && at(1) == '/') {
          depth--;
          p_ += 2;
        } else if (nests && *p_ == '/' && at(1) == '*') {
          depth++;
          p_ += 2;
        } else {
          p_++;
        }
      }
      return true;
    }
    return false;
  }
  void skip_line() {
    const char* nl = static_cast<const char*>(std::memchr(p_, '\n', static_cast<size_t>(end_ - p_)));
    p_ = nl == nullptr ? end_ : nl + 1;
  }

  bool at_sign_names_a_parameter() const { return dialect_ != Dialect::kPostgres; }

  void op() {
    if (skip_comment()) return;
    if (*p_ == '@' && at_sign_names_a_parameter() && is_name_start(at(1))) {
      p_++;
      while (p_ < end_ && is_name(*p_)) p_++;
      return literal();
    }
    if ((*p_ == '-' || *p_ == '+') && !is_operand(prev_)) {
      const char* q = p_ + 1;
      while (q < end_ && class_of(*q) == kSpace) q++;
      if (q < end_ && (is_digit(*q) || (*q == '.' && q + 1 < end_ && is_digit(q[1])))) {
        p_ = q;
        return number();
      }
    }
    const char* begin = p_++;
    while (p_ < end_ && class_of(*p_) == kOp) {
      char c = *p_;
      if ((c == '-' && at(1) == '-') || (c == '/' && at(1) == '*')) break;
      if (c == '-' && p_[-1] == '-') break;  // MySQL's "--x" is two signs; two dashes would read as a comment
      if (c == '#' && dialect_ == Dialect::kMysql) break;
      if ((c == '-' || c == '+') && (is_digit(at(1)) || (at(1) == '.' && is_digit(at(2))))) break;
      if (c == '@' && at_sign_names_a_parameter() && is_name_start(at(1))) break;
      p_++;
    }
    put(Kind::kOperator, std::string_view(begin, static_cast<size_t>(p_ - begin)));
  }

  const char* p_;
  const char* end_;
  Dialect dialect_;
  std::string& out_;
  Kind prev_ = Kind::kNothing;
  bool last_word_in_ = false;
  bool last_word_array_ = false;
  bool previous_was_is_or_not_ = false;
  size_t last_word_end_ = static_cast<size_t>(-1);
  size_t token_begin_ = 0;
  int depth_ = 0;
  Frame frames_[kDepthMax + 1];  // set when opened
};

constexpr uint64_t kMul = 0x9e3779b97f4a7c15ull;

uint64_t mix(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  Wide m = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(m) ^ static_cast<uint64_t>(m >> 64);
#else
  uint64_t ah = a >> 32, al = a & 0xffffffffu, bh = b >> 32, bl = b & 0xffffffffu;
  uint64_t ll = al * bl, hl = ah * bl, lh = al * bh, hh = ah * bh;
  uint64_t mid = (ll >> 32) + (hl & 0xffffffffu) + (lh & 0xffffffffu);
  uint64_t low = (mid << 32) | (ll & 0xffffffffu);
  uint64_t high = hh + (hl >> 32) + (lh >> 32) + (mid >> 32);
  return low ^ high;
#endif
}

uint64_t load_folded(const char* p, size_t n) {
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) v |= static_cast<uint64_t>(static_cast<uint8_t>(lower(p[i]))) << (8 * i);
  return v;
}

// Folds A–Z in eight bytes at once: the classic range test per byte, without carries between bytes.
uint64_t fold8(uint64_t v) {
  constexpr uint64_t kOnes = 0x0101010101010101ull;
  uint64_t low7 = v & (kOnes * 0x7f);
  uint64_t ge_a = low7 + kOnes * (0x80 - 'A');
  uint64_t gt_z = low7 + kOnes * (0x80 - 'Z' - 1);
  uint64_t upper = ge_a & ~gt_z & ~v & (kOnes * 0x80);
  return v | (upper >> 2);
}

uint64_t load8(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  v = __builtin_bswap64(v);
#endif
  return v;
}

}  // namespace

uint64_t fingerprint_of(std::string_view text) {
  uint64_t h = 0x736f6e6465ull ^ (text.size() * kMul);
  const char* p = text.data();
  size_t n = text.size();
  while (n >= 8) {
    h = mix(h ^ fold8(load8(p)), kMul);
    p += 8;
    n -= 8;
  }
  if (n > 0) h = mix(h ^ load_folded(p, n), kMul);
  return mix(h ^ 0xe7037ed1a0b428dbull, kMul);
}

void normalise(std::string_view sql, Dialect dialect, Normalised& out) {
  out.text.clear();
  out.truncated = sql.size() > kScannedBytesMax;
  if (out.truncated) sql = sql.substr(0, kScannedBytesMax);
  out.text.reserve(std::min(sql.size() + sql.size() / 4 + 16, kNormalisedBytesMax + 256));
  Scanner scanner(sql, dialect, out.text);
  if (!scanner.run()) out.truncated = true;
  out.fingerprint = fingerprint_of(out.text);
}

// --- summary
// -------------------------------------------------------------------------------------------------

namespace {

constexpr size_t kSummaryBytesMax = 255;
constexpr size_t kSummaryTokensMax = 4096;

bool is_verb(std::string_view w) {
  static constexpr std::array<std::string_view, 24> kVerbs = {
      "select", "insert",   "update", "delete", "merge",    "replace",   "create",  "drop",
      "alter",  "truncate", "begin",  "commit", "rollback", "savepoint", "release", "pragma",
      "vacuum", "analyze",  "copy",   "call",   "explain",  "set",       "show",    "listen"};
  return one_of(w, kVerbs);
}

std::string upper(std::string_view w) {
  std::string s(w);
  for (char& c : s) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return s;
}

// Splits normalised text into words (with their dots) and single other characters.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}
  std::string_view next() {
    while (at_ < text_.size() && text_[at_] == ' ') at_++;
    if (at_ >= text_.size()) return {};
    size_t begin = at_;
    bool first = true;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '"' || c == '`' || (c == '[' && first)) {
        char close = c == '[' ? ']' : c;
        size_t end = text_.find(close, at_ + 1);
        while (end != std::string_view::npos && close != ']' && end + 1 < text_.size() &&
               text_[end + 1] == close) {
          end = text_.find(close, end + 2);
        }
        if (end == std::string_view::npos) {
          at_++;
          break;
        }
        at_ = end + 1;
      } else if (is_name(c)) {
        at_++;
      } else if (c == '.' && !first) {
        at_++;
      } else {
        break;
      }
      first = false;
    }
    if (at_ == begin) at_++;
    return text_.substr(begin, at_ - begin);
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

bool is_between_verb_and_target(std::string_view l) {
  static constexpr std::array<std::string_view, 8> kWords = {"only",    "if",     "exists", "not",
                                                             "lateral", "select", "values", "table"};
  return one_of(l, kWords);
}

// UPDATE in FOR UPDATE, DELETE in ON DELETE and the like are clauses, not operations.
bool starts_operation(std::string_view l, std::string_view previous, bool first) {
  if (l == "update") return previous != "for" && previous != "do" && previous != "on" && previous != "key";
  if (l == "delete") return previous != "on";
  if (l == "replace") return previous != "or" && first;
  if (l == "set" || l == "show" || l == "release" || l == "begin" || l == "analyze") return first;
  return true;
}

bool is_word(std::string_view w) {
  return !w.empty() && (is_name_start(w[0]) || w[0] == '"' || w[0] == '`' || (w[0] == '[' && w.size() > 1));
}

}  // namespace

std::string summary_of(std::string_view normalised, std::string& operation) {
  operation.clear();
  std::string out;
  std::string pending;         // a verb whose target has not come yet
  bool pending_outer = false;  // it stands outside all parentheses, so it shows even without a target
  std::string written;         // the verb that the last targets belong to
  std::vector<std::string_view> expressions;  // names that WITH introduces
  std::vector<std::string_view> targets;
  auto append = [&out](std::string_view w) {
    if (out.size() + 1 + w.size() > kSummaryBytesMax) return;
    if (!out.empty()) out += ' ';
    out += w;
  };
  auto write_pending = [&] {
    if (!pending.empty() && pending != written) {
      append(pending);
      written = pending;
    }
    pending.clear();
  };

  Words words(normalised);
  int depth = 0;
  std::string previous;
  bool target_next = false;
  bool in_with = false;
  bool in_from = false;  // a comma goes on with FROM a, b
  for (size_t n = 0; n < kSummaryTokensMax; n++) {
    std::string_view w = words.next();
    if (w.empty()) break;
    if (!is_word(w)) {
      if (w == "(") depth++;
      if (w == ")" && depth > 0) depth--;
      if (w == ";") {
        if (pending_outer) write_pending();
        pending.clear();
        written.clear();
        targets.clear();
        in_with = false;
      }
      target_next = w == "," && in_from;
      if (w == "(" || w == ";") in_from = false;
      previous.assign(w);
      continue;
    }
    std::string l(w.size() <= 16 ? w : std::string_view());
    for (char& c : l) c = lower(c);
    if (l == "with" && pending.empty() && out.empty()) {
      in_with = true;
    } else if (in_with && depth == 0 && l != "recursive" &&
               (previous == "with" || previous == "recursive" || previous == ",")) {
      expressions.push_back(w);
    } else if (target_next && !is_between_verb_and_target(l)) {
      target_next = false;
      bool known = std::find(expressions.begin(), expressions.end(), w) != expressions.end() ||
                   std::find(targets.begin(), targets.end(), w) != targets.end();
      if (!known) {
        write_pending();
        targets.push_back(w);
        append(w);
      }
    } else if (is_verb(l) && starts_operation(l, previous, pending.empty() && out.empty())) {
      bool outer = depth == 0;
      if (outer) in_with = false;
      std::string verb = upper(w);
      if (!(pending_outer && !outer && pending == verb)) {
        if (pending_outer) write_pending();
        pending = verb;
        pending_outer = outer;
      }
      if (outer && operation.empty()) operation = verb;
      in_from = false;
      target_next = l == "update" || l == "call" || l == "pragma" || l == "truncate" || l == "copy";
    } else if (l == "from" || l == "join" || l == "into" || l == "table" || l == "view" || l == "index") {
      target_next = true;
      in_from = l == "from";
    } else if (l == "where" || l == "set" || l == "order" || l == "group" || l == "limit" || l == "on") {
      in_from = false;
    }
    previous = l;
  }
  if (pending_outer || out.empty()) write_pending();
  if (operation.empty()) operation = out.substr(0, out.find(' '));
  if (operation.size() > 32) operation.resize(32);
  return out;
}

}  // namespace sonde::inline v1::db

#include "templates/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <set>
#include <utility>

namespace sonde::templates {

// A parsed definition: lists of actions. Trees are bounded in depth by the parser, so walking them may
// recurse.
struct Pipeline;
struct Operand {
  enum class Kind { kDot, kNil, kConstant, kVariable, kFunction, kParen } kind = Kind::kDot;
  std::string name;  // variable with '$', or function
  Value constant;
  std::shared_ptr<const Pipeline> paren;
  std::vector<std::string> chain;  // .A.B after it
  std::string source;              // as written, for messages
  size_t offset = 0;
};
struct Command {
  std::vector<Operand> operands;
};
struct Pipeline {
  std::vector<std::string> variables;
  bool declares = false;  // := rather than =
  std::vector<Command> commands;
  size_t offset = 0;
};
struct Action;
using ActionList = std::vector<Action>;
struct Action {
  enum class Kind { kText, kPipeline, kIf, kRange, kWith, kTemplate, kBreak, kContinue } kind = Kind::kText;
  std::string text;  // literal, or the name of a template
  Pipeline pipeline;
  bool has_pipeline = false;
  ActionList body;
  ActionList otherwise;
  size_t offset = 0;
};
struct Template::Tree {
  std::string parse_name;
  std::shared_ptr<const std::string> text;  // whole source, for positions
  ActionList actions;
};

namespace {

struct Token {
  enum class Kind {
    kEnd,       // of the action
    kIdent,     // also keywords
    kField,     // .name
    kVariable,  // $name
    kConstant,  // number, string, character, true, false
    kNil,
    kDot,
    kPipe,
    kOpen,
    kClose,
    kComma,
    kDeclare,
    kAssign,
  } kind = Kind::kEnd;
  std::string text;
  Value constant;
  size_t offset = 0;
  bool space_before = false;
};

bool is_alnum(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

int line_at(std::string_view text, size_t offset) {
  return 1 + static_cast<int>(std::count(
                 text.begin(), text.begin() + static_cast<ptrdiff_t>(std::min(offset, text.size())), '\n'));
}

// One piece of a template: literal text or the tokens of one {{action}}.
struct Piece {
  bool is_action = false;
  std::string text;
  std::vector<Token> tokens;
  size_t offset = 0;
};

class Parser {
 public:
  Parser(std::string name, std::string_view text, const std::vector<std::string>& extra, const Limits& limits)
      : name_(std::move(name)),
        source_(std::make_shared<const std::string>(text)),
        extra_(extra.begin(), extra.end()),
        limits_(limits) {}

  Result<std::map<std::string, std::shared_ptr<const Template::Tree>>> run() {
    if (source_->size() > limits_.text_bytes_max) {
      return fail(ErrorCode::kLimit, fmt::format("template: {}: {} bytes long, the limit is {}", name_,
                                                 source_->size(), limits_.text_bytes_max));
    }
    SONDE_CHECK(split());
    variables_ = {"$"};
    SONDE_TRY(ActionList actions, parse_list(0));
    if (stop_ != "") return error(stop_offset_, "unexpected {{" + stop_ + "}}");
    add(name_, std::move(actions), /*main=*/true);
    return std::move(trees_);
  }

 private:
  std::unexpected<Error> error(size_t offset, const std::string& message) const {
    int line = line_at(*source_, offset);
    return fail(
        Error{ErrorCode::kInvalid, fmt::format("template: {}:{}: {}", name_, line, message), {}, line, 0});
  }

  static bool blank(const ActionList& actions) {
    return std::all_of(actions.begin(), actions.end(), [](const Action& a) {
      return a.kind == Action::Kind::kText && std::all_of(a.text.begin(), a.text.end(), is_space);
    });
  }

  // An empty redefinition does not replace one with content, as in Go.
  void add(const std::string& name, ActionList actions, bool main = false) {
    auto it = trees_.find(name);
    if (it != trees_.end() && blank(actions) && !main) return;
    if (main && it != trees_.end() && blank(actions)) return;
    trees_[name] = std::make_shared<const Template::Tree>(Template::Tree{name_, source_, std::move(actions)});
  }

  // ---- lexing ----

  Result<> split() {
    std::string_view text = *source_;
    size_t at = 0;
    bool trim_next = false;
    while (at <= text.size()) {
      size_t open = text.find("{{", at);
      std::string_view literal = text.substr(at, open == std::string_view::npos ? open : open - at);
      size_t literal_offset = at;
      if (trim_next) {
        while (!literal.empty() && is_space(literal[0])) literal.remove_prefix(1);
      }
      trim_next = false;
      bool trim_before = open != std::string_view::npos && open + 3 < text.size() && text[open + 2] == '-' &&
                         is_space(text[open + 3]);
      if (trim_before) {
        while (!literal.empty() && is_space(literal.back())) literal.remove_suffix(1);
      }
      if (!literal.empty()) pieces_.push_back({false, std::string(literal), {}, literal_offset});
      if (open == std::string_view::npos) break;
      size_t i = open + 2;
      if (trim_before) i += 2;
      if (text.substr(i).starts_with("/*")) {
        size_t end = text.find("*/", i);
        if (end == std::string_view::npos) return error(open, "unclosed comment");
        end += 2;
        if (text.substr(end).starts_with("}}")) {
          at = end + 2;
        } else if (end < text.size() && is_space(text[end]) && text.substr(end + 1).starts_with("-}}")) {
          at = end + 4;
          trim_next = true;
        } else {
          return error(open, "comment ends before closing delimiter");
        }
        continue;
      }
      Piece piece{true, {}, {}, open};
      SONDE_CHECK(lex_action(i, piece, at, trim_next));
      pieces_.push_back(std::move(piece));
    }
    return {};
  }

  Result<> lex_action(size_t i, Piece& piece, size_t& end, bool& trim_next) {
    std::string_view text = *source_;
    int parens = 0;
    bool space = false;
    while (true) {
      if (i >= text.size()) return error(piece.offset, "unclosed action");
      if (is_space(text[i]) && text.substr(i + 1).starts_with("-}}")) {
        end = i + 4;
        trim_next = true;
        break;
      }
      if (text.substr(i).starts_with("}}")) {
        end = i + 2;
        break;
      }
      if (is_space(text[i])) {
        space = true;
        i++;
        continue;
      }
      Token token;
      token.offset = i;
      token.space_before = space;
      space = false;
      char c = text[i];
      auto simple = [&](Token::Kind kind, size_t n) {
        token.kind = kind;
        token.text = std::string(text.substr(i, n));
        i += n;
      };
      if (c == '|') {
        simple(Token::Kind::kPipe, 1);
      } else if (c == '(') {
        simple(Token::Kind::kOpen, 1);
        if (++parens > limits_.depth_max) return error(i, "parentheses nested too deep");
      } else if (c == ')') {
        if (--parens < 0) return error(i, "unexpected right paren");
        simple(Token::Kind::kClose, 1);
      } else if (c == ',') {
        simple(Token::Kind::kComma, 1);
      } else if (text.substr(i).starts_with(":=")) {
        simple(Token::Kind::kDeclare, 2);
      } else if (c == '=') {
        simple(Token::Kind::kAssign, 1);
      } else if (c == '"' || c == '`' || c == '\'') {
        SONDE_CHECK(lex_quoted(i, token));
      } else if (c == '$') {
        size_t n = 1;
        while (i + n < text.size() && is_alnum(text[i + n])) n++;
        simple(Token::Kind::kVariable, n);
      } else if (c == '.' && i + 1 < text.size() && is_alnum(text[i + 1]) &&
                 !(text[i + 1] >= '0' && text[i + 1] <= '9')) {
        size_t n = 1;
        while (i + n < text.size() && is_alnum(text[i + n])) n++;
        simple(Token::Kind::kField, n);
      } else if (c == '.' && !(i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9')) {
        simple(Token::Kind::kDot, 1);
      } else if ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.') {
        SONDE_CHECK(lex_number(i, token));
      } else if (is_alnum(c)) {
        size_t n = 0;
        while (i + n < text.size() && is_alnum(text[i + n])) n++;
        simple(Token::Kind::kIdent, n);
        if (token.text == "true" || token.text == "false") {
          token.kind = Token::Kind::kConstant;
          token.constant = Value(token.text == "true");
        } else if (token.text == "nil") {
          token.kind = Token::Kind::kNil;
        }
      } else {
        return error(i, fmt::format("unexpected {} in command", quote(std::string(1, c))));
      }
      piece.tokens.push_back(std::move(token));
    }
    if (parens != 0) return error(piece.offset, "unclosed left paren");
    Token last;
    last.offset = i;
    piece.tokens.push_back(std::move(last));
    return {};
  }

  Result<> lex_number(size_t& i, Token& token) {
    std::string_view text = *source_;
    size_t n = i;
    if (text[n] == '+' || text[n] == '-') n++;
    bool hex = text.substr(n).starts_with("0x") || text.substr(n).starts_with("0X");
    while (n < text.size()) {
      char c = text[n];
      bool sign = (c == '+' || c == '-') && !hex && (text[n - 1] == 'e' || text[n - 1] == 'E');
      if (!is_alnum(c) && c != '.' && !sign) break;
      n++;
    }
    token.kind = Token::Kind::kConstant;
    token.text = std::string(text.substr(i, n - i));
    std::string digits;
    for (char c : token.text) {
      if (c != '_') digits += c;
    }
    auto bad = [&] { return error(i, "bad number syntax: " + quote(token.text)); };
    bool negative = digits[0] == '-';
    std::string_view rest = digits;
    if (rest[0] == '-' || rest[0] == '+') rest.remove_prefix(1);
    if (rest.empty()) return bad();
    int base = 10;
    std::string_view whole = rest;
    if (whole.starts_with("0x") || whole.starts_with("0X")) {
      base = 16;
      whole.remove_prefix(2);
    } else if (whole.starts_with("0b") || whole.starts_with("0B")) {
      base = 2;
      whole.remove_prefix(2);
    } else if (whole.starts_with("0o") || whole.starts_with("0O")) {
      base = 8;
      whole.remove_prefix(2);
    } else if (whole.size() > 1 && whole[0] == '0' &&
               whole.find_first_not_of("01234567") == std::string_view::npos) {
      base = 8;
      whole.remove_prefix(1);
    }
    uint64_t u = 0;
    auto r = std::from_chars(whole.data(), whole.data() + whole.size(), u, base);
    if (!whole.empty() && r.ec == std::errc() && r.ptr == whole.data() + whole.size()) {
      if (u > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        return error(i, "integer overflow: " + token.text);
      token.constant = Value(negative ? -static_cast<int64_t>(u) : static_cast<int64_t>(u));
    } else {
      double d = 0;
      auto f = std::from_chars(rest.data(), rest.data() + rest.size(), d);
      if (base != 10 || f.ec != std::errc() || f.ptr != rest.data() + rest.size() || is_name(rest))
        return bad();
      token.constant = Value(negative ? -d : d);
    }
    i = n;
    return {};
  }

  // inf and nan are words, not numbers.
  static bool is_name(std::string_view s) { return !(s[0] >= '0' && s[0] <= '9') && s[0] != '.'; }

  Result<> lex_quoted(size_t& i, Token& token) {
    std::string_view text = *source_;
    char q = text[i];
    token.kind = Token::Kind::kConstant;
    if (q == '`') {
      size_t close = text.find('`', i + 1);
      if (close == std::string_view::npos) return error(i, "unterminated raw quoted string");
      token.text = std::string(text.substr(i, close + 1 - i));
      token.constant = Value(text.substr(i + 1, close - i - 1));
      i = close + 1;
      return {};
    }
    std::string out;
    size_t n = i + 1;
    auto append_rune = [&](uint32_t cp) { out += format("%c", {Value(static_cast<int64_t>(cp))}); };
    while (true) {
      if (n >= text.size() || text[n] == '\n') {
        return error(i, q == '"' ? "unterminated quoted string" : "unterminated character constant");
      }
      char c = text[n++];
      if (c == q) break;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (n >= text.size()) continue;
      char e = text[n++];
      static constexpr std::string_view kNames = "abfnrtv\\'\"";
      static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\'\"";
      size_t k = kNames.find(e);
      if (k != std::string_view::npos) {
        out += kValues[k];
        continue;
      }
      size_t digits = e == 'x' ? 2 : e == 'u' ? 4 : e == 'U' ? 8 : e >= '0' && e <= '7' ? 3 : 0;
      int base = 16;
      if (digits == 3) {
        base = 8;
        n--;
      }
      uint32_t v = 0;
      std::string_view hex = text.substr(n, digits);
      auto r = std::from_chars(hex.data(), hex.data() + hex.size(), v, base);
      if (digits == 0 || hex.size() != digits || r.ec != std::errc() || r.ptr != hex.data() + digits) {
        return error(i, "invalid syntax in quoted string");
      }
      n += digits;
      if (digits == 2 || digits == 3) {
        out += static_cast<char>(v);
      } else {
        append_rune(v);
      }
    }
    token.text = std::string(text.substr(i, n - i));
    i = n;
    if (q == '"') {
      token.constant = Value(std::move(out));
      return {};
    }
    // A character constant is its code point.
    uint32_t cp = 0;
    if (out.empty() || !is_valid_utf8(out))
      return error(token.offset, "malformed character constant: " + token.text);
    auto b = [&](size_t k) { return static_cast<unsigned char>(out[k]); };
    size_t length = b(0) < 0x80 ? 1 : b(0) < 0xe0 ? 2 : b(0) < 0xf0 ? 3 : 4;
    if (out.size() != length) return error(token.offset, "malformed character constant: " + token.text);
    cp = length == 1 ? b(0) : b(0) & (0xffu >> (length + 1));
    for (size_t k = 1; k < length; k++) cp = cp << 6 | (b(k) & 0x3fu);
    token.constant = Value(static_cast<int64_t>(cp));
    return {};
  }

  // ---- parsing ----

  // Parses until {{end}} or {{else …}}, which it leaves in stop_ (empty at the end of the text).
  Result<ActionList> parse_list(int depth) {
    ActionList out;
    stop_.clear();
    while (next_ < pieces_.size()) {
      Piece& piece = pieces_[next_++];
      if (!piece.is_action) {
        Action a;
        a.text = std::move(piece.text);
        a.offset = piece.offset;
        out.push_back(std::move(a));
        continue;
      }
      tokens_ = &piece.tokens;
      at_ = 0;
      const Token& first = peek();
      if (first.kind == Token::Kind::kEnd) return error(piece.offset, "missing value for command");
      if (first.kind == Token::Kind::kIdent && (first.text == "end" || first.text == "else")) {
        stop_ = first.text;
        stop_offset_ = first.offset;
        at_++;
        if (stop_ == "end") SONDE_CHECK(expect_end("end"));
        return out;
      }
      if (depth >= limits_.depth_max) return error(piece.offset, "actions nested too deep");
      size_t scope = variables_.size();
      std::string word = first.kind == Token::Kind::kIdent ? first.text : "";
      if (word == "if" || word == "with" || word == "range") {
        at_++;
        SONDE_TRY(Action a, parse_control(word, piece.offset, depth));
        variables_.resize(scope);
        out.push_back(std::move(a));
      } else if (word == "define" || word == "block") {
        at_++;
        if (word == "define" && depth > 0) return error(first.offset, "unexpected {{define}}");
        SONDE_TRY(std::string name, parse_name(word));
        Action a;
        a.kind = Action::Kind::kTemplate;
        a.text = name;
        a.offset = piece.offset;
        if (word == "block") {
          SONDE_TRY(a.pipeline, parse_pipeline("block clause", 0));
          a.has_pipeline = true;
        }
        SONDE_CHECK(expect_end(word + " clause"));
        auto outer = std::exchange(variables_, {"$"});
        int outer_loops = std::exchange(loops_, 0);
        SONDE_TRY(ActionList body, parse_list(depth + 1));
        if (stop_ != "end")
          return error(piece.offset,
                       stop_.empty() ? "unexpected EOF" : "unexpected {{else}} in " + word + " clause");
        stop_.clear();
        variables_ = std::move(outer);
        loops_ = outer_loops;
        if (word == "define" && defined_.contains(name) && !blank(body)) {
          return error(piece.offset, fmt::format("multiple definition of template {}", quote(name)));
        }
        if (word == "define" && !blank(body)) defined_.insert(name);
        add(name, std::move(body));
        if (word == "block") out.push_back(std::move(a));
      } else if (word == "template") {
        at_++;
        Action a;
        a.kind = Action::Kind::kTemplate;
        a.offset = first.offset;
        SONDE_TRY(a.text, parse_name("template"));
        if (peek().kind != Token::Kind::kEnd) {
          SONDE_TRY(a.pipeline, parse_pipeline("template clause", 0));
          a.has_pipeline = true;
        }
        SONDE_CHECK(expect_end("template clause"));
        out.push_back(std::move(a));
      } else if (word == "break" || word == "continue") {
        at_++;
        if (loops_ == 0) return error(first.offset, "{{" + word + "}} outside {{range}}");
        SONDE_CHECK(expect_end(word));
        Action a;
        a.kind = word == "break" ? Action::Kind::kBreak : Action::Kind::kContinue;
        a.offset = first.offset;
        out.push_back(std::move(a));
      } else {
        Action a;
        a.kind = Action::Kind::kPipeline;
        a.offset = first.offset;
        SONDE_TRY(a.pipeline, parse_pipeline("command", 0));
        SONDE_CHECK(expect_end("command"));
        out.push_back(std::move(a));
      }
    }
    if (depth > 0) return error(source_->size(), "unexpected EOF");
    return out;
  }

  Result<Action> parse_control(const std::string& word, size_t offset, int depth) {
    Action a;
    a.kind = word == "if" ? Action::Kind::kIf : word == "with" ? Action::Kind::kWith : Action::Kind::kRange;
    a.offset = offset;
    SONDE_TRY(a.pipeline, parse_pipeline(word, 0));
    SONDE_CHECK(expect_end(word));
    if (word == "range") loops_++;
    SONDE_TRY(a.body, parse_list(depth + 1));
    if (word == "range") loops_--;
    if (stop_ == "else") {
      const Token& t = peek();
      if (t.kind == Token::Kind::kIdent && t.text == word && word != "range") {
        // else if, else with: a control of its own that shares our end.
        if (depth + 1 >= limits_.depth_max) return error(offset, "actions nested too deep");
        at_++;
        SONDE_TRY(Action chained, parse_control(word, t.offset, depth + 1));
        a.otherwise.push_back(std::move(chained));
        return a;
      }
      SONDE_CHECK(expect_end("else"));
      size_t else_offset = stop_offset_;
      SONDE_TRY(a.otherwise, parse_list(depth + 1));
      if (stop_ == "else") return error(else_offset, "expected end; found {{else}}");
    }
    stop_.clear();
    return a;
  }

  Result<std::string> parse_name(const std::string& context) {
    const Token& t = peek();
    const std::string* s = t.kind == Token::Kind::kConstant ? t.constant.as<std::string>() : nullptr;
    if (!s) return error(t.offset, fmt::format("unexpected {} in {} clause", quote(t.text), context));
    at_++;
    return *s;
  }

  const Token& peek(size_t ahead = 0) const { return (*tokens_)[std::min(at_ + ahead, tokens_->size() - 1)]; }

  Result<> expect_end(const std::string& context) {
    if (peek().kind == Token::Kind::kEnd) return {};
    return error(peek().offset, fmt::format("unexpected {} in {}", quote(peek().text), context));
  }

  Result<Pipeline> parse_pipeline(const std::string& context, int depth) {
    if (depth > limits_.depth_max) return error(peek().offset, "parentheses nested too deep");
    Pipeline p;
    p.offset = peek().offset;
    std::vector<std::string> declared;
    if (peek().kind == Token::Kind::kVariable) {
      Token::Kind after = peek(1).kind;
      if (after == Token::Kind::kDeclare || after == Token::Kind::kAssign) {
        p.variables.push_back(peek().text);
        p.declares = after == Token::Kind::kDeclare;
        at_ += 2;
      } else if (after == Token::Kind::kComma && context == "range" &&
                 peek(2).kind == Token::Kind::kVariable) {
        Token::Kind sign = peek(3).kind;
        if (sign != Token::Kind::kDeclare && sign != Token::Kind::kAssign) {
          return error(peek(3).offset, "range can only initialize variables");
        }
        p.variables = {peek().text, peek(2).text};
        p.declares = sign == Token::Kind::kDeclare;
        at_ += 4;
      }
    }
    for (const std::string& v : p.variables) {
      if (v == "$" || (!p.declares && !is_declared(v))) {
        return error(p.offset, fmt::format("undefined variable {}", quote(v)));
      }
    }
    while (true) {
      SONDE_TRY(Command c, parse_command(context, depth));
      if (!p.commands.empty()) {
        // A constant cannot take the value before it.
        const Operand& head = c.operands[0];
        if (c.operands[0].chain.empty() &&
            (head.kind == Operand::Kind::kConstant || head.kind == Operand::Kind::kDot ||
             head.kind == Operand::Kind::kNil)) {
          return error(head.offset,
                       fmt::format("non executable command in pipeline stage {}", p.commands.size() + 1));
        }
      }
      p.commands.push_back(std::move(c));
      if (peek().kind != Token::Kind::kPipe) break;
      at_++;
      if (peek().kind == Token::Kind::kEnd) return error(peek().offset, "missing value for " + context);
    }
    if (p.declares) {
      for (const std::string& v : p.variables) variables_.push_back(v);
    }
    return p;
  }

  bool is_declared(const std::string& v) const {
    return std::find(variables_.begin(), variables_.end(), v) != variables_.end();
  }

  Result<Command> parse_command(const std::string& context, int depth) {
    Command c;
    while (true) {
      const Token& t = peek();
      if (t.kind == Token::Kind::kEnd || t.kind == Token::Kind::kPipe || t.kind == Token::Kind::kClose) break;
      if (!c.operands.empty() && !t.space_before && t.kind != Token::Kind::kOpen) {
        return error(t.offset, fmt::format("unexpected {} in operand", quote(t.text)));
      }
      SONDE_TRY(Operand o, parse_operand(context, depth));
      c.operands.push_back(std::move(o));
    }
    if (c.operands.empty()) return error(peek().offset, "missing value for " + context);
    return c;
  }

  Result<Operand> parse_operand(const std::string& context, int depth) {
    const Token& t = peek();
    Operand o;
    o.offset = t.offset;
    at_++;
    switch (t.kind) {
      case Token::Kind::kIdent:
        if (t.text != "and" && t.text != "or" && !find_builtin(t.text) && !extra_.contains(t.text)) {
          return error(t.offset, fmt::format("function {} not defined", quote(t.text)));
        }
        o.kind = Operand::Kind::kFunction;
        o.name = t.text;
        break;
      case Token::Kind::kField:
        o.kind = Operand::Kind::kDot;
        o.chain.push_back(t.text.substr(1));
        break;
      case Token::Kind::kDot:
        o.kind = Operand::Kind::kDot;
        break;
      case Token::Kind::kVariable:
        if (!is_declared(t.text)) return error(t.offset, fmt::format("undefined variable {}", quote(t.text)));
        o.kind = Operand::Kind::kVariable;
        o.name = t.text;
        break;
      case Token::Kind::kConstant:
        o.kind = Operand::Kind::kConstant;
        o.constant = t.constant;
        break;
      case Token::Kind::kNil:
        o.kind = Operand::Kind::kNil;
        break;
      case Token::Kind::kOpen: {
        SONDE_TRY(Pipeline inner, parse_pipeline("parenthesized pipeline", depth + 1));
        if (peek().kind != Token::Kind::kClose) return error(t.offset, "unclosed left paren");
        at_++;
        o.kind = Operand::Kind::kParen;
        o.paren = std::make_shared<const Pipeline>(std::move(inner));
        break;
      }
      default:
        return error(t.offset, fmt::format("unexpected {} in {}", quote(t.text), context));
    }
    while (peek().kind == Token::Kind::kField && !peek().space_before) {
      if (o.kind == Operand::Kind::kConstant || o.kind == Operand::Kind::kNil ||
          o.kind == Operand::Kind::kFunction) {
        return error(peek().offset, fmt::format("unexpected . after term {}", quote(t.text)));
      }
      o.chain.push_back(peek().text.substr(1));
      at_++;
    }
    size_t end = peek().kind == Token::Kind::kEnd && at_ >= tokens_->size() ? t.offset : peek().offset;
    std::string_view text = *source_;
    std::string_view written = text.substr(o.offset, std::min<size_t>(end - o.offset, 60));
    while (!written.empty() && is_space(written.back())) written.remove_suffix(1);
    o.source = std::string(written);
    return o;
  }

  std::string name_;
  std::shared_ptr<const std::string> source_;
  std::set<std::string> extra_;
  Limits limits_;
  std::vector<Piece> pieces_;
  size_t next_ = 0;
  const std::vector<Token>* tokens_ = nullptr;
  size_t at_ = 0;
  std::vector<std::string> variables_;
  int loops_ = 0;
  std::string stop_;
  size_t stop_offset_ = 0;
  std::set<std::string> defined_;
  std::map<std::string, std::shared_ptr<const Template::Tree>> trees_;
};

class Executor {
 public:
  using Trees = std::map<std::string, std::shared_ptr<const Template::Tree>>;
  Executor(const Trees& trees, const FunctionContext& context) : trees_(trees), context_(context) {}

  Result<std::string> run(const std::string& name, const Value& data) {
    auto it = trees_.find(name);
    if (it == trees_.end()) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("template: no template {} associated with this set", quote(name)));
    }
    tree_ = it->second.get();
    tree_name_ = name;
    variables_.emplace_back("$", data);
    SONDE_CHECK(walk(tree_->actions, data, 0));
    return std::move(out_);
  }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  std::unexpected<Error> error(size_t offset, std::string_view source, const std::string& message,
                               ErrorCode code = ErrorCode::kInvalid) const {
    const std::string& text = *tree_->text;
    int line = line_at(text, offset);
    size_t start = text.rfind('\n', offset == 0 ? 0 : offset - 1);
    size_t column = start == std::string::npos || offset == 0 ? offset : offset - start - 1;
    std::string where = source.empty() ? "" : fmt::format(" at <{}>", source);
    return fail(Error{code,
                      fmt::format("template: {}:{}:{}: executing {}{}: {}", tree_->parse_name, line, column,
                                  quote(tree_name_), where, message),
                      {},
                      line,
                      0});
  }

  Result<> step(size_t offset) {
    if (++steps_ > context_.limits.steps_max) {
      return error(offset, "", fmt::format("more than {} steps", context_.limits.steps_max),
                   ErrorCode::kLimit);
    }
    if (steps_ % 256 == 0) {
      if (Result<> ok = context_.cancellation.check(); !ok)
        return error(offset, "", ok.error().message, ok.error().code);
    }
    return {};
  }

  Result<> emit(std::string_view text, size_t offset) {
    if (out_.size() + text.size() > context_.limits.output_bytes_max) {
      return error(offset, "",
                   fmt::format("the output is longer than {} bytes", context_.limits.output_bytes_max),
                   ErrorCode::kLimit);
    }
    out_ += text;
    return {};
  }

  Result<Flow> walk(const ActionList& actions, const Value& dot, int depth) {
    for (const Action& a : actions) {
      SONDE_CHECK(step(a.offset));
      switch (a.kind) {
        case Action::Kind::kText:
          SONDE_CHECK(emit(a.text, a.offset));
          break;
        case Action::Kind::kPipeline: {
          SONDE_TRY(Value v, evaluate(a.pipeline, dot, depth));
          if (a.pipeline.variables.empty()) SONDE_CHECK(emit(to_text(v, "<no value>"), a.offset));
          break;
        }
        case Action::Kind::kIf:
        case Action::Kind::kWith: {
          size_t scope = variables_.size();
          SONDE_TRY(Value v, evaluate(a.pipeline, dot, depth));
          bool truth = v.truthy();
          const Value& inner = a.kind == Action::Kind::kWith && truth ? v : dot;
          SONDE_TRY(Flow flow, walk(truth ? a.body : a.otherwise, inner, depth + 1));
          variables_.resize(scope);
          if (flow != Flow::kNext) return flow;
          break;
        }
        case Action::Kind::kRange: {
          size_t scope = variables_.size();
          SONDE_CHECK(walk_range(a, dot, depth));
          variables_.resize(scope);
          break;
        }
        case Action::Kind::kTemplate:
          SONDE_CHECK(call_template(a, dot, depth));
          break;
        case Action::Kind::kBreak:
          return Flow::kBreak;
        case Action::Kind::kContinue:
          return Flow::kContinue;
      }
    }
    return Flow::kNext;
  }

  Result<> walk_range(const Action& a, const Value& dot, int depth) {
    // The loop variables are set per element, not by the pipeline itself.
    SONDE_TRY(Value v, evaluate_commands(a.pipeline, dot, depth));
    const std::vector<std::string>& names = a.pipeline.variables;
    if (a.pipeline.declares) {
      for (const std::string& n : names) variables_.emplace_back(n, Value());
    }
    size_t scope = variables_.size();
    bool any = false;
    auto once = [&](const Value& key, const Value& element) -> Result<bool> {
      any = true;
      SONDE_CHECK(step(a.offset));
      if (names.size() == 1) assign(names[0], element);
      if (names.size() == 2) {
        assign(names[0], key);
        assign(names[1], element);
      }
      SONDE_TRY(Flow flow, walk(a.body, element, depth + 1));
      variables_.resize(scope);
      return flow != Flow::kBreak;
    };
    if (const ValueList* list = v.as_list()) {
      for (size_t i = 0; i < list->size(); i++) {
        SONDE_TRY(bool go_on, once(Value(static_cast<int64_t>(i)), (*list)[i]));
        if (!go_on) break;
      }
    } else if (const ValueMap* map = v.as_map(); map && map->kind != MapKind::kStruct) {
      for (const auto& [key, element] : map->fields) {
        SONDE_TRY(bool go_on, once(Value(key), element));
        if (!go_on) break;
      }
    } else if (const int64_t* n = v.as<int64_t>()) {
      for (int64_t i = 0; i < *n; i++) {
        SONDE_TRY(bool go_on, once(Value(i), Value(i)));
        if (!go_on) break;
      }
    } else if (!v.is_nil()) {
      return error(a.pipeline.offset, "",
                   fmt::format("range can't iterate over {}", to_text(v).substr(0, 100)));
    }
    if (!any) SONDE_CHECK(walk(a.otherwise, dot, depth + 1));
    return {};
  }

  Result<> call_template(const Action& a, const Value& dot, int depth) {
    if (depth >= context_.limits.depth_max) {
      return error(a.offset, "", "exceeded maximum template depth", ErrorCode::kLimit);
    }
    auto it = trees_.find(a.text);
    if (it == trees_.end()) {
      return error(a.offset, fmt::format("{{{{template {}}}}}", quote(a.text)),
                   fmt::format("template {} not defined", quote(a.text)));
    }
    Value data;
    if (a.has_pipeline) {
      SONDE_TRY(data, evaluate(a.pipeline, dot, depth));
    }
    auto outer_variables = std::exchange(variables_, {{"$", data}});
    auto outer_tree = std::exchange(tree_, it->second.get());
    auto outer_name = std::exchange(tree_name_, a.text);
    SONDE_CHECK(walk(tree_->actions, data, depth + 1));
    variables_ = std::move(outer_variables);
    tree_ = outer_tree;
    tree_name_ = std::move(outer_name);
    return {};
  }

  void assign(const std::string& name, const Value& value) {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
      if (it->first == name) {
        it->second = value;
        return;
      }
    }
  }

  Result<Value> evaluate(const Pipeline& p, const Value& dot, int depth) {
    SONDE_TRY(Value v, evaluate_commands(p, dot, depth));
    for (const std::string& name : p.variables) {
      if (p.declares) {
        variables_.emplace_back(name, v);
      } else {
        assign(name, v);
      }
    }
    return v;
  }

  Result<Value> evaluate_commands(const Pipeline& p, const Value& dot, int depth) {
    std::optional<Value> piped;
    for (const Command& c : p.commands) {
      SONDE_TRY(Value v, evaluate_command(c, dot, piped, depth));
      piped = std::move(v);
    }
    return *std::move(piped);
  }

  Result<Value> evaluate_command(const Command& c, const Value& dot, const std::optional<Value>& piped,
                                 int depth) {
    const Operand& head = c.operands[0];
    SONDE_CHECK(step(head.offset));
    if (head.kind != Operand::Kind::kFunction) {
      if (c.operands.size() > 1 || piped) {
        return error(head.offset, head.source,
                     fmt::format("can't give argument to non-function {}", head.source));
      }
      return evaluate_operand(head, dot, depth);
    }
    return call(head, c, dot, piped, depth);
  }

  Result<Value> call(const Operand& head, const Command& c, const Value& dot,
                     const std::optional<Value>& piped, int depth) {
    const bool is_and = head.name == "and";
    if (is_and || head.name == "or") {
      size_t count = c.operands.size() - 1 + (piped ? 1 : 0);
      if (count == 0) {
        return error(head.offset, head.source,
                     fmt::format("wrong number of args for {}: want at least 1 got 0", head.name));
      }
      Value v;
      for (size_t i = 1; i < c.operands.size(); i++) {
        SONDE_TRY(v, evaluate_operand(c.operands[i], dot, depth));
        if (v.truthy() != is_and) return v;
      }
      return piped ? *piped : v;
    }
    std::vector<Value> args;
    args.reserve(c.operands.size());
    for (size_t i = 1; i < c.operands.size(); i++) {
      SONDE_TRY(Value v, evaluate_operand(c.operands[i], dot, depth));
      args.push_back(std::move(v));
    }
    if (piped) args.push_back(*piped);
    return invoke(head, args);
  }

  Result<Value> invoke(const Operand& head, const std::vector<Value>& args) {
    Result<Value> result;
    if (auto it = context_.extra.find(head.name); it != context_.extra.end()) {
      result = it->second(args);
    } else if (Builtin f = find_builtin(head.name)) {
      result = f(args, context_);
    } else {
      return error(head.offset, head.source, quote(head.name) + " is not a defined function");
    }
    if (!result) {
      return error(head.offset, head.source,
                   fmt::format("error calling {}: {}", head.name, result.error().message),
                   result.error().code);
    }
    if (const std::string* s = result->as<std::string>(); s && s->size() > context_.limits.output_bytes_max) {
      return error(head.offset, head.source,
                   fmt::format("the result of {} is longer than {} bytes", head.name,
                               context_.limits.output_bytes_max),
                   ErrorCode::kLimit);
    }
    return result;
  }

  Result<Value> evaluate_operand(const Operand& o, const Value& dot, int depth) {
    SONDE_CHECK(step(o.offset));
    Value v;
    switch (o.kind) {
      case Operand::Kind::kDot:
        v = dot;
        break;
      case Operand::Kind::kNil:
        break;
      case Operand::Kind::kConstant:
        return o.constant;
      case Operand::Kind::kVariable:
        for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
          if (it->first == o.name) {
            v = it->second;
            break;
          }
        }
        break;
      case Operand::Kind::kFunction:
        return invoke(o, {});
      case Operand::Kind::kParen: {
        SONDE_TRY(v, evaluate(*o.paren, dot, depth));
        break;
      }
    }
    for (const std::string& field : o.chain) {
      SONDE_TRY(v, field_of(v, field, o));
    }
    return v;
  }

  Result<Value> field_of(const Value& v, const std::string& field, const Operand& o) {
    if (v.is_nil()) {
      return error(o.offset, o.source, fmt::format("nil data; no entry for key {}", quote(field)));
    }
    const ValueMap* map = v.as_map();
    if (!map) {
      return error(o.offset, o.source,
                   fmt::format("can't evaluate field {} in type {}", field, v.type_name()));
    }
    auto it = map->fields.find(field);
    if (it != map->fields.end()) return it->second;
    if (map->kind == MapKind::kStruct) {
      return error(o.offset, o.source,
                   fmt::format("can't evaluate field {} in type {}", field, map->type_name));
    }
    return map->kind == MapKind::kStrings ? Value(std::string()) : Value();
  }

  const Trees& trees_;
  const FunctionContext& context_;
  const Template::Tree* tree_ = nullptr;
  std::string tree_name_;
  std::vector<std::pair<std::string, Value>> variables_;
  std::string out_;
  int64_t steps_ = 0;
};

constexpr std::string_view kAlertPrefix =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := "
    ".Value}}";

}  // namespace

Result<Template> Template::parse(std::string name, std::string_view text,
                                 const std::vector<std::string>& extra_functions, const Limits& limits) {
  Template t;
  t.name_ = name;
  SONDE_TRY(t.trees_, Parser(std::move(name), text, extra_functions, limits).run());
  return t;
}

Result<std::string> Template::execute(const Value& data, const FunctionContext& context) const {
  return execute(name_, data, context);
}

Result<std::string> Template::execute(const std::string& define_name, const Value& data,
                                      const FunctionContext& context) const {
  return Executor(trees_, context).run(define_name, data);
}

bool Template::defines(const std::string& name) const { return trees_.contains(name); }

void Template::add(const Template& other) {
  for (const auto& [name, tree] : other.trees_) trees_[name] = tree;
}

std::string expand_alert_text(std::string_view text, const AlertText& alert, const QueryFunction& query,
                              EventTime now) {
  if (text.find("{{") == std::string_view::npos) return std::string(text);  // most texts
  std::string name = "__alert_" + std::string(alert.name);
  auto failed = [](const std::string& message) { return "<error expanding template: " + message + ">"; };
  auto parsed = Template::parse(name, std::string(kAlertPrefix) + std::string(text));
  if (!parsed) return failed("error parsing template " + name + ": " + parsed.error().message);
  FunctionContext context;
  context.query = query;
  context.external_url = alert.external_url;
  context.now = now;
  Value data =
      Value::object("template.AlertTemplateData", {{"Labels", Value::strings(alert.labels)},
                                                   {"ExternalLabels", Value::strings(alert.external_labels)},
                                                   {"ExternalURL", Value(alert.external_url)},
                                                   {"Value", alert.value}});
  auto out = parsed->execute(data, context);
  if (!out) return failed("error executing template " + name + ": " + out.error().message);
  return *std::move(out);
}

std::string expand_alert_text(std::string_view text, const LabelSet& labels, const LabelSet& external_labels,
                              const std::string& external_url, double value, const QueryFunction& query,
                              EventTime now) {
  std::string name(labels.get("alertname"));
  return expand_alert_text(text, AlertText{name, labels, external_labels, external_url, Value(value)}, query,
                           now);
}

Result<> check_alert_text(std::string_view name, std::string_view text) {
  auto parsed = Template::parse(std::string(name), std::string(kAlertPrefix) + std::string(text));
  if (!parsed) return fail(std::move(parsed).error());
  return {};
}

}  // namespace sonde::templates

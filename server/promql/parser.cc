#include "promql/parser.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "promql/duration.h"
#include "promql/functions/function.h"

namespace sonde::promql {
namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

enum class Word : uint8_t {
  kNone,
  kAnd,
  kOr,
  kUnless,
  kAtan2,
  kAggregate,
  kBy,
  kWithout,
  kOn,
  kIgnoring,
  kGroupLeft,
  kGroupRight,
  kBool,
  kOffset,
  kStart,
  kEnd,
  kStep,
  kRange,
  kInf,
  kNan,
  kAnchored,
  kSmoothed,
  kFill,
  kFillLeft,
  kFillRight,
};

Word word_of(const Token& t) {
  if (t.kind != TokenKind::kIdentifier) return Word::kNone;
  static constexpr std::array<std::pair<std::string_view, Word>, 24> kWords = {{
      {"and", Word::kAnd},
      {"or", Word::kOr},
      {"unless", Word::kUnless},
      {"atan2", Word::kAtan2},
      {"by", Word::kBy},
      {"without", Word::kWithout},
      {"on", Word::kOn},
      {"ignoring", Word::kIgnoring},
      {"group_left", Word::kGroupLeft},
      {"group_right", Word::kGroupRight},
      {"bool", Word::kBool},
      {"offset", Word::kOffset},
      {"start", Word::kStart},
      {"end", Word::kEnd},
      {"step", Word::kStep},
      {"range", Word::kRange},
      {"inf", Word::kInf},
      {"nan", Word::kNan},
      {"anchored", Word::kAnchored},
      {"smoothed", Word::kSmoothed},
      {"fill", Word::kFill},
      {"fill_left", Word::kFillLeft},
      {"fill_right", Word::kFillRight},
      {"", Word::kNone},
  }};
  if (t.text.size() > 12) return Word::kNone;
  std::string name = lower(t.text);
  for (const auto& [text, word] : kWords) {
    if (name == text) return word;
  }
  return aggregate_op_from(name) ? Word::kAggregate : Word::kNone;
}

// What an error calls a token.
std::string describe(const Token& t) {
  switch (t.kind) {
    case TokenKind::kEnd:
      return "end of input";
    case TokenKind::kOperator:
    case TokenKind::kRegexMatch:
    case TokenKind::kRegexNoMatch:
      return "<op:" + std::string(t.text) + ">";
    case TokenKind::kNumber:
    case TokenKind::kDuration:
      return std::string(t.kind == TokenKind::kNumber ? "number " : "duration ") + quote(t.text);
    case TokenKind::kString:
      return "string " + quote(t.text);
    case TokenKind::kMetricIdentifier:
      return "metric identifier " + quote(t.text);
    case TokenKind::kIdentifier: {
      Word w = word_of(t);
      std::string name = lower(t.text);
      if (w == Word::kNone || w == Word::kInf || w == Word::kNan) return "identifier " + quote(t.text);
      if (w == Word::kAggregate) return "<aggr:" + name + ">";
      if (w <= Word::kAtan2) return "<op:" + name + ">";
      return "<" + name + ">";
    }
    default:
      return quote(t.text);
  }
}

using Parsed = ExprPtr;  // null: failed, see error_

class Parser {
 public:
  Parser(std::string_view in, const ParserOptions& options) : in_(in), options_(options) {}

  std::expected<ExprPtr, ParseError> run() {
    if (in_.size() > kQueryBytesMax) {
      return std::unexpected(ParseError{{0, 0}, "query text is longer than 65536 bytes"});
    }
    if (!tokenize(in_, tokens_, error_)) return std::unexpected(error_);
    if (tokens_[0].kind == TokenKind::kEnd)
      return std::unexpected(ParseError{{0, 0}, "no expression found in input"});
    Parsed e = expression(0);
    if (!e) return std::unexpected(error_);
    if (peek().kind != TokenKind::kEnd) {
      unexpected("");
      return std::unexpected(error_);
    }
    if (e->type() == ValueType::kNone) {
      error(e->pos, "expression must have a type");
      return std::unexpected(error_);
    }
    return e;
  }

  std::expected<Matchers, ParseError> run_selector() {
    auto e = run();
    if (!e) return std::unexpected(e.error());
    const auto* s = as<VectorSelector>(e->get());
    if (!s || s->modifiers.has_offset || s->modifiers.at != AtKind::kNone) {
      return std::unexpected(ParseError{(*e)->pos, "expected a series selector"});
    }
    return s->matchers;
  }

 private:
  // ---- tokens ----
  const Token& peek(size_t k = 0) const { return tokens_[std::min(at_ + k, tokens_.size() - 1)]; }
  const Token& take() {
    const Token& t = tokens_[at_];
    if (at_ + 1 < tokens_.size()) at_++;
    return t;
  }
  bool accept(TokenKind k) {
    if (peek().kind != k) return false;
    take();
    return true;
  }
  bool is_op(BinaryOp op) const { return peek().kind == TokenKind::kOperator && peek().op == op; }
  int32_t last_end() const { return at_ == 0 ? 0 : tokens_[at_ - 1].pos.end; }

  // ---- errors ----
  std::nullptr_t error(PositionRange pos, std::string message) {
    if (error_.message.empty()) error_ = {pos, std::move(message)};
    return nullptr;
  }
  std::nullptr_t unexpected(std::string_view context, std::string_view expected = "") {
    std::string m = "unexpected " + describe(peek());
    if (!context.empty()) m += " in " + std::string(context);
    if (!expected.empty()) m += ", expected " + std::string(expected);
    return error(peek().pos, std::move(m));
  }
  bool expect(TokenKind k, std::string_view context, std::string_view what) {
    if (accept(k)) return true;
    unexpected(context, what);
    return false;
  }

  template <class T>
  std::unique_ptr<T> make(int32_t start) {
    nodes_++;
    auto e = std::make_unique<T>();
    e->pos = {start, start};
    return e;
  }
  // Seals a node: its end and its depth.
  Parsed done(ExprPtr e, int32_t end, std::initializer_list<const Expr*> children) {
    e->pos.end = end;
    for (const Expr* c : children) {
      if (c) e->depth = std::max(e->depth, c->depth + 1);
    }
    if (e->depth > kQueryDepthMax) return error(e->pos, "expression is nested more than 500 levels deep");
    if (nodes_ > kQueryNodesMax) return error(e->pos, "expression has more than 10000 nodes");
    return e;
  }

  // ---- expressions ----
  struct Operator {
    BinaryOp op;
    int precedence;
    bool right = false;
  };
  bool binary_operator(Operator& out) const {
    const Token& t = peek();
    if (t.kind == TokenKind::kOperator) {
      out.op = t.op;
    } else {
      switch (word_of(t)) {
        case Word::kAnd:
          out.op = BinaryOp::kAnd;
          break;
        case Word::kOr:
          out.op = BinaryOp::kOr;
          break;
        case Word::kUnless:
          out.op = BinaryOp::kUnless;
          break;
        case Word::kAtan2:
          out.op = BinaryOp::kAtan2;
          break;
        default:
          return false;
      }
    }
    switch (out.op) {
      case BinaryOp::kOr:
        out.precedence = 1;
        break;
      case BinaryOp::kAnd:
      case BinaryOp::kUnless:
        out.precedence = 2;
        break;
      case BinaryOp::kAdd:
      case BinaryOp::kSub:
        out.precedence = 4;
        break;
      case BinaryOp::kMul:
      case BinaryOp::kDiv:
      case BinaryOp::kMod:
      case BinaryOp::kAtan2:
        out.precedence = 5;
        break;
      case BinaryOp::kPow:
        out.precedence = 6;
        out.right = true;
        break;
      default:
        out.precedence = 3;
    }
    return true;
  }
  static constexpr int kUnaryPrecedence = 5;

  Parsed expression(int min_precedence) {
    if (++nesting_ > kQueryDepthMax)
      return error(peek().pos, "expression is nested more than 500 levels deep");
    Parsed lhs = operand();
    Operator o{};
    while (lhs && binary_operator(o) && o.precedence >= min_precedence) {
      lhs = binary(std::move(lhs), o);
    }
    nesting_--;
    return lhs;
  }

  Parsed operand() {
    const Token& t = peek();
    if (is_op(BinaryOp::kAdd) || is_op(BinaryOp::kSub)) {
      bool negative = t.op == BinaryOp::kSub;
      int32_t start = t.pos.start;
      take();
      Parsed e = expression(kUnaryPrecedence + 1);
      if (!e) return nullptr;
      if (e->kind == ExprKind::kNumber) {
        auto* n = static_cast<NumberLiteral*>(e.get());
        if (negative) n->value = -n->value;
        n->pos.start = start;
        return e;
      }
      ValueType type = e->type();
      if (type != ValueType::kScalar && type != ValueType::kVector) {
        return error(e->pos,
                     "unary expression only allowed on expressions of type scalar or instant vector, got " +
                         quote(promql::describe(type)));
      }
      auto u = make<UnaryExpr>(start);
      u->negative = negative;
      int32_t end = e->pos.end;
      u->expr = std::move(e);
      const Expr* child = u->expr.get();
      return done(std::move(u), end, {child});
    }
    return postfix(primary());
  }

  Parsed binary(Parsed lhs, Operator o) {
    take();
    auto b = make<BinaryExpr>(lhs->pos.start);
    b->op = o.op;
    if (is_set_operator(o.op)) b->matching.card = MatchCardinality::kManyToMany;
    bool has_matching = false;
    if (!modifiers(*b, has_matching)) return nullptr;
    Parsed rhs = expression(o.right ? o.precedence : o.precedence + 1);
    if (!rhs) return nullptr;
    b->lhs = std::move(lhs);
    b->rhs = std::move(rhs);
    if (!check(*b, has_matching)) return nullptr;
    int32_t end = b->rhs->pos.end;
    const Expr *l = b->lhs.get(), *r = b->rhs.get();
    return done(std::move(b), end, {l, r});
  }

  // bool, on, ignoring, group_x, fill.
  bool modifiers(BinaryExpr& b, bool& has_matching) {
    if (word_of(peek()) == Word::kBool) {
      PositionRange pos = take().pos;
      b.return_bool = true;
      if (!is_comparison(b.op)) {
        error(pos, "bool modifier can only be used on comparison operators");
        return false;
      }
    }
    Word w = word_of(peek());
    if (w == Word::kOn || w == Word::kIgnoring) {
      take();
      b.matching.on = w == Word::kOn;
      has_matching = true;
      if (!label_list(b.matching.labels)) return false;
      w = word_of(peek());
      if (w == Word::kGroupLeft || w == Word::kGroupRight) {
        PositionRange pos = take().pos;
        if (is_set_operator(b.op)) {
          error(pos, std::string("no grouping allowed for ") + quote(to_string(b.op)) + " operation");
          return false;
        }
        b.matching.card = w == Word::kGroupLeft ? MatchCardinality::kManyToOne : MatchCardinality::kOneToMany;
        if (peek().kind == TokenKind::kLeftParen && !label_list(b.matching.include)) return false;
        for (const auto& l : b.matching.labels) {
          if (b.matching.on && std::find(b.matching.include.begin(), b.matching.include.end(), l) !=
                                   b.matching.include.end()) {
            error(pos, "label " + quote(l) + " must not occur in ON and GROUP clause at once");
            return false;
          }
        }
      }
    }
    while (true) {
      w = word_of(peek());
      if ((w != Word::kFill && w != Word::kFillLeft && w != Word::kFillRight) ||
          peek(1).kind != TokenKind::kLeftParen) {
        return true;
      }
      PositionRange pos = take().pos;
      if (!options_.fill_modifiers) {
        error(pos, "binop fill modifiers are experimental and not enabled");
        return false;
      }
      if (is_set_operator(b.op)) {
        error(pos, "filling in missing series not allowed for set operators");
        return false;
      }
      take();
      bool negative = false;
      if (is_op(BinaryOp::kSub) || is_op(BinaryOp::kAdd)) negative = take().op == BinaryOp::kSub;
      double v = 0;
      if (!number_token(v)) {
        unexpected("fill modifier", "number");
        return false;
      }
      if (negative) v = -v;
      if (!expect(TokenKind::kRightParen, "fill modifier", "\")\"")) return false;
      if (w != Word::kFillRight) b.matching.fill_left = v;
      if (w != Word::kFillLeft) b.matching.fill_right = v;
    }
  }

  bool check(const BinaryExpr& b, bool had_matching) {
    ValueType l = b.lhs->type(), r = b.rhs->type();
    PositionRange all{b.lhs->pos.start, b.rhs->pos.end};
    auto ok = [](ValueType t) { return t == ValueType::kScalar || t == ValueType::kVector; };
    if (is_comparison(b.op) && !b.return_bool && l == ValueType::kScalar && r == ValueType::kScalar) {
      error(all, "comparisons between scalars must use BOOL modifier");
      return false;
    }
    if (!ok(l) || !ok(r)) {
      error(ok(l) ? b.rhs->pos : b.lhs->pos,
            "binary expression must contain only scalar and instant vector types");
      return false;
    }
    if (l == ValueType::kVector && r == ValueType::kVector) return true;
    if (is_set_operator(b.op)) {
      error(all, std::string("set operator ") + quote(to_string(b.op)) +
                     " not allowed in binary scalar expression");
      return false;
    }
    if (had_matching || b.matching.fill_left || b.matching.fill_right) {
      bool fill = (b.matching.fill_left || b.matching.fill_right) && b.matching.labels.empty();
      error(all, fill ? "filling in missing series only allowed between instant vectors"
                      : "vector matching only allowed between instant vectors");
      return false;
    }
    return true;
  }

  // ( label, "quoted", … )
  bool label_list(std::vector<std::string>& out) {
    if (!expect(TokenKind::kLeftParen, "grouping opts", "\"(\"")) return false;
    while (peek().kind != TokenKind::kRightParen) {
      const Token& t = peek();
      if (t.kind == TokenKind::kIdentifier) {
        out.emplace_back(t.text);
      } else if (t.kind == TokenKind::kString) {
        std::string name;
        if (!string_token(t, name)) return false;
        if (name.empty() || !is_valid_utf8(name)) {
          error(t.pos, "invalid label name " + quote(name));
          return false;
        }
        out.push_back(std::move(name));
      } else {
        unexpected("grouping opts", "label");
        return false;
      }
      take();
      if (peek().kind == TokenKind::kRightParen) break;
      if (!accept(TokenKind::kComma)) {
        unexpected("grouping opts", "\",\" or \")\"");
        return false;
      }
    }
    take();
    return true;
  }

  bool string_token(const Token& t, std::string& out) {
    if (unquote(t.text, out)) return true;
    error(t.pos, "error unquoting string " + quote(t.text) + ": invalid syntax");
    return false;
  }

  // Takes a number or duration token; false (and nothing taken) when the next is neither.
  bool number_token(double& v, bool* is_duration = nullptr) {
    const Token& t = peek();
    if (is_duration) *is_duration = t.kind == TokenKind::kDuration;
    if (t.kind == TokenKind::kDuration) {
      v = static_cast<double>(*parse_duration_ms(t.text)) / 1000;
    } else if (t.kind == TokenKind::kNumber) {
      std::string text;
      for (char c : t.text) {
        if (c != '_') text += c;
      }
      if (text.size() > 1 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        uint64_t n = 0;
        auto r = std::from_chars(text.data() + 2, text.data() + text.size(), n, 16);
        if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return false;
        v = static_cast<double>(n);
      } else {
        bool octal = text.size() > 1 && text[0] == '0' &&
                     std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
        if (octal) {
          uint64_t n = 0;
          std::from_chars(text.data(), text.data() + text.size(), n, 8);
          v = static_cast<double>(n);
        } else {
          auto r = std::from_chars(text.data(), text.data() + text.size(), v);
          if (r.ec == std::errc::result_out_of_range) {
            size_t e = text.find_first_of("eE");
            bool tiny = e != std::string::npos && e + 1 < text.size() && text[e + 1] == '-';
            v = tiny ? 0 : std::numeric_limits<double>::infinity();
          }
        }
      }
    } else if (word_of(t) == Word::kInf) {
      v = std::numeric_limits<double>::infinity();
    } else if (word_of(t) == Word::kNan) {
      v = std::bit_cast<double>(kNormalNan);
    } else {
      return false;
    }
    take();
    return true;
  }
  static constexpr uint64_t kNormalNan = 0x7ff8000000000001;

  Parsed primary() {
    const Token& t = peek();
    switch (t.kind) {
      case TokenKind::kLeftParen: {
        int32_t start = take().pos.start;
        Parsed e = expression(0);
        if (!e) return nullptr;
        if (!expect(TokenKind::kRightParen, "paren expression", "\")\"")) return nullptr;
        auto p = make<ParenExpr>(start);
        p->expr = std::move(e);
        const Expr* child = p->expr.get();
        return done(std::move(p), last_end(), {child});
      }
      case TokenKind::kString: {
        auto s = make<StringLiteral>(t.pos.start);
        if (!string_token(t, s->value)) return nullptr;
        take();
        return done(std::move(s), last_end(), {});
      }
      case TokenKind::kNumber:
      case TokenKind::kDuration:
        return number_literal();
      case TokenKind::kLeftBrace:
      case TokenKind::kMetricIdentifier:
        return vector_selector();
      case TokenKind::kIdentifier:
        return name();
      default:
        return unexpected("");
    }
  }

  Parsed number_literal() {
    auto n = make<NumberLiteral>(peek().pos.start);
    if (!number_token(n->value, &n->is_duration)) {
      return error(peek().pos, "error parsing number: " + std::string(peek().text));
    }
    return done(std::move(n), last_end(), {});
  }

  Parsed name() {
    const Token& t = peek();
    Word w = word_of(t);
    TokenKind after = peek(1).kind;
    if (w == Word::kAggregate) {
      Word next = word_of(peek(1));
      if (after == TokenKind::kLeftParen || next == Word::kBy || next == Word::kWithout) return aggregate();
      return vector_selector();
    }
    if (w == Word::kInf || w == Word::kNan) return number_literal();
    bool function_word = w == Word::kNone || w == Word::kStart || w == Word::kEnd || w == Word::kStep ||
                         w == Word::kRange || w == Word::kAnchored || w == Word::kSmoothed;
    if (after == TokenKind::kLeftParen && function_word) return call();
    switch (w) {
      case Word::kOn:
      case Word::kIgnoring:
      case Word::kGroupLeft:
      case Word::kGroupRight:
      case Word::kAtan2:
        return unexpected("");
      default:
        return vector_selector();
    }
  }

  // ---- selectors ----
  Parsed vector_selector() {
    auto s = make<VectorSelector>(peek().pos.start);
    if (peek().kind != TokenKind::kLeftBrace) s->name = std::string(take().text);
    PositionRange name_pos = s->pos;
    if (peek().kind == TokenKind::kLeftBrace && !label_matchers(*s)) return nullptr;
    if (!s->name.empty()) {
      for (const Matcher& m : s->matchers) {
        if (m.name() == kMetricName) {
          return error({name_pos.start, last_end()},
                       "metric name must not be set twice: " + quote(s->name) + " or " + quote(m.value()));
        }
      }
      s->matchers.push_back(Matcher::equal(std::string(kMetricName), s->name));
    }
    PositionRange pos{s->pos.start, last_end()};
    if (!allow_empty_selector_ && std::all_of(s->matchers.begin(), s->matchers.end(),
                                              [](const Matcher& m) { return m.matches_empty(); })) {
      return error(pos, "vector selector must contain at least one non-empty matcher");
    }
    return done(std::move(s), pos.end, {});
  }

  bool label_matchers(VectorSelector& s) {
    take();
    while (peek().kind != TokenKind::kRightBrace) {
      const Token& t = peek();
      std::string label;
      bool quoted = t.kind == TokenKind::kString;
      if (quoted) {
        if (!string_token(t, label)) return false;
      } else if (t.kind == TokenKind::kIdentifier) {
        label = std::string(t.text);
      } else {
        unexpected("label matching", "identifier or \"}\"");
        return false;
      }
      take();
      MatchOp op{};
      const Token& o = peek();
      if (o.kind == TokenKind::kAssign) {
        op = MatchOp::kEqual;
      } else if (o.kind == TokenKind::kRegexMatch) {
        op = MatchOp::kRegex;
      } else if (o.kind == TokenKind::kRegexNoMatch) {
        op = MatchOp::kNotRegex;
      } else if (o.kind == TokenKind::kOperator && o.op == BinaryOp::kNotEqual) {
        op = MatchOp::kNotEqual;
      } else if (quoted && (o.kind == TokenKind::kComma || o.kind == TokenKind::kRightBrace)) {
        if (!s.name.empty()) {
          error(t.pos, "metric name must not be set twice: " + quote(s.name) + " or " + quote(label));
          return false;
        }
        s.name = std::move(label);
        if (o.kind == TokenKind::kComma) take();
        continue;
      } else {
        unexpected("label matching", "label matching operator");
        return false;
      }
      take();
      const Token& v = peek();
      if (v.kind != TokenKind::kString) {
        unexpected("label matching", "string");
        return false;
      }
      std::string value;
      if (!string_token(v, value)) return false;
      if (quoted && !is_valid_utf8(label)) {
        error(t.pos, "invalid label name " + quote(label));
        return false;
      }
      auto m = Matcher::create(op, std::move(label), std::move(value));
      if (!m) {
        error({t.pos.start, v.pos.end}, m.error().message);
        return false;
      }
      s.matchers.push_back(std::move(*m));
      take();
      if (peek().kind == TokenKind::kRightBrace) break;
      if (!accept(TokenKind::kComma)) {
        unexpected("label matching", "\",\" or \"}\"");
        return false;
      }
    }
    take();
    return true;
  }

  // [..], offset, @, anchored, smoothed, in any number and order.
  Parsed postfix(Parsed e) {
    while (e) {
      const Token& t = peek();
      Word w = word_of(t);
      if (t.kind == TokenKind::kLeftBracket) {
        e = bracket(std::move(e));
      } else if (t.kind == TokenKind::kAt) {
        e = at(std::move(e));
      } else if (w == Word::kOffset) {
        e = offset(std::move(e));
      } else if (w == Word::kAnchored || w == Word::kSmoothed) {
        e = extended(std::move(e), w == Word::kAnchored);
      } else {
        break;
      }
    }
    return e;
  }

  Parsed bracket(Parsed e) {
    PositionRange open = take().pos;
    int64_t range_ms = 0;
    ExprPtr range_expr;
    if (peek().kind == TokenKind::kRightBracket || peek().kind == TokenKind::kColon) {
      return error(peek().pos, std::string(peek().kind == TokenKind::kColon
                                               ? "unexpected \":\" in subquery selector, expected duration"
                                               : "missing unit character in duration"));
    }
    if (!duration(range_ms, range_expr, true)) return nullptr;
    if (accept(TokenKind::kColon)) return subquery(std::move(e), range_ms, std::move(range_expr));
    if (!expect(TokenKind::kRightBracket, "subquery or range selector", "\":\" or \"]\"")) return nullptr;
    if (e->kind != ExprKind::kVectorSelector)
      return error(e->pos, "ranges only allowed for vector selectors");
    auto* s = static_cast<VectorSelector*>(e.get());
    if (s->modifiers.has_offset)
      return error({open.start, last_end()}, "no offset modifiers allowed before range");
    if (s->modifiers.at != AtKind::kNone)
      return error({open.start, last_end()}, "no @ modifiers allowed before range");
    auto m = make<MatrixSelector>(e->pos.start);
    e.release();
    m->selector.reset(s);
    m->range_ms = range_ms;
    m->range_expr = std::move(range_expr);
    return done(std::move(m), last_end(), {s});
  }

  Parsed subquery(Parsed e, int64_t range_ms, ExprPtr range_expr) {
    auto s = make<SubqueryExpr>(e->pos.start);
    s->range_ms = range_ms;
    s->range_expr = std::move(range_expr);
    if (peek().kind != TokenKind::kRightBracket && !duration(s->step_ms, s->step_expr, true)) return nullptr;
    if (!expect(TokenKind::kRightBracket, "subquery selector", "\"]\"")) return nullptr;
    if (e->type() != ValueType::kVector) {
      return error({e->pos.start, last_end()},
                   std::string("subquery is only allowed on instant vector, got ") + to_string(e->type()) +
                       " instead");
    }
    s->expr = std::move(e);
    const Expr* child = s->expr.get();
    return done(std::move(s), last_end(), {child});
  }

  TimeModifiers* modifiers_of(Expr& e) {
    if (e.kind == ExprKind::kVectorSelector) return &static_cast<VectorSelector&>(e).modifiers;
    if (e.kind == ExprKind::kMatrixSelector) return &static_cast<MatrixSelector&>(e).selector->modifiers;
    if (e.kind == ExprKind::kSubquery) return &static_cast<SubqueryExpr&>(e).modifiers;
    return nullptr;
  }
  void extend(Expr& e) {
    e.pos.end = last_end();
    if (e.kind == ExprKind::kMatrixSelector) static_cast<MatrixSelector&>(e).selector->pos.end = last_end();
  }

  Parsed at(Parsed e) {
    take();
    TimeModifiers* m = modifiers_of(*e);
    if (!m) {
      return error(
          e->pos,
          "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    }
    Word w = word_of(peek());
    AtKind kind = AtKind::kTimestamp;
    int64_t ms = 0;
    if ((w == Word::kStart || w == Word::kEnd) && peek(1).kind == TokenKind::kLeftParen) {
      take();
      take();
      if (!expect(TokenKind::kRightParen, "@", "\")\"")) return nullptr;
      kind = w == Word::kStart ? AtKind::kStart : AtKind::kEnd;
    } else {
      bool negative = false;
      if (is_op(BinaryOp::kSub) || is_op(BinaryOp::kAdd)) negative = take().op == BinaryOp::kSub;
      double v = 0;
      PositionRange pos = peek().pos;
      if (!number_token(v)) return unexpected("@", "timestamp");
      if (negative) v = -v;
      if (std::isnan(v) || std::isinf(v) || std::fabs(v) >= 9223372036854775.0) {
        return error(pos, "timestamp out of bounds for @ modifier: " + std::to_string(v));
      }
      ms = std::llround(v * 1000);
    }
    if (m->at != AtKind::kNone)
      return error({e->pos.start, last_end()}, "@ <timestamp> may not be set multiple times");
    m->at = kind;
    m->at_ms = ms;
    extend(*e);
    return e;
  }

  Parsed offset(Parsed e) {
    take();
    TimeModifiers* m = modifiers_of(*e);
    if (!m) {
      return error(
          e->pos,
          "offset modifier must be preceded by an instant vector selector or range vector selector or a "
          "subquery");
    }
    int64_t ms = 0;
    ExprPtr expr;
    if (!duration(ms, expr, false)) return nullptr;
    if (m->has_offset) return error({e->pos.start, last_end()}, "offset may not be set multiple times");
    m->has_offset = true;
    m->offset_ms = ms;
    m->offset_expr = std::move(expr);
    extend(*e);
    return e;
  }

  Parsed extended(Parsed e, bool anchored) {
    const char* name = anchored ? "anchored" : "smoothed";
    PositionRange pos = take().pos;
    if (!options_.extended_range_selectors) {
      return error(pos, std::string(name) + " modifier is experimental and not enabled");
    }
    VectorSelector* s = nullptr;
    if (e->kind == ExprKind::kVectorSelector) s = static_cast<VectorSelector*>(e.get());
    if (e->kind == ExprKind::kMatrixSelector) s = static_cast<MatrixSelector*>(e.get())->selector.get();
    if (!s) {
      return error(e->pos, e->kind == ExprKind::kSubquery
                               ? std::string(name) + " modifier is not supported for subqueries"
                               : std::string(name) + " modifier not implemented");
    }
    if (anchored && e->kind == ExprKind::kVectorSelector) {
      return error(e->pos, "anchored modifier can only be used with range vector selectors");
    }
    if (s->anchored || s->smoothed) {
      return error(e->pos, s->anchored == anchored
                               ? std::string(name) + " modifier may not be set multiple times"
                               : "anchored and smoothed modifiers cannot be used together");
    }
    (anchored ? s->anchored : s->smoothed) = true;
    extend(*e);
    return e;
  }

  // ---- durations ----
  // A plain duration goes to `ms`; one with arithmetic, step() or range() to `expr`. In brackets the whole
  // arithmetic grammar is open; after offset only signed terms are, so that `x offset 5m + 2` adds to the
  // samples.
  bool duration(int64_t& ms, ExprPtr& expr, bool bracket) {
    PositionRange start = peek().pos;
    Parsed e = bracket ? duration_expression(0) : offset_duration();
    if (!e) return false;
    if (const auto* n = as<NumberLiteral>(e.get())) {
      double v = n->value * 1000;
      if (std::isnan(v) || std::fabs(v) >= 9.2e15) {
        error(start, "duration out of range");
        return false;
      }
      ms = std::llround(v);
      if (bracket && ms <= 0) {
        error(e->pos, "duration must be greater than 0");
        return false;
      }
      return true;
    }
    if (!options_.duration_expressions) {
      error(start, "experimental duration expression is not enabled");
      return false;
    }
    expr = std::move(e);
    return true;
  }

  Parsed offset_duration() {
    const Token& t = peek();
    if (is_op(BinaryOp::kAdd) || is_op(BinaryOp::kSub)) {
      bool negative = take().op == BinaryOp::kSub;
      return signed_duration(duration_primary("offset", "number, duration, step(), or range()"), negative,
                             t.pos.start);
    }
    return duration_primary("offset", "number, duration, step(), or range()");
  }

  Parsed signed_duration(Parsed e, bool negative, int32_t start) {
    if (!e) return nullptr;
    if (e->kind == ExprKind::kNumber) {
      auto* n = static_cast<NumberLiteral*>(e.get());
      if (negative) n->value = -n->value;
      n->pos.start = start;
      return e;
    }
    auto d = make<DurationExpr>(start);
    d->op = negative ? DurationOp::kNegate : DurationOp::kPlus;
    int32_t end = e->pos.end;
    d->rhs = std::move(e);
    const Expr* child = d->rhs.get();
    return done(std::move(d), end, {child});
  }

  static int duration_precedence(const Token& t) {
    if (t.kind != TokenKind::kOperator) return 0;
    switch (t.op) {
      case BinaryOp::kAdd:
      case BinaryOp::kSub:
        return 4;
      case BinaryOp::kMul:
      case BinaryOp::kDiv:
      case BinaryOp::kMod:
        return 5;
      case BinaryOp::kPow:
        return 6;
      default:
        return 0;
    }
  }

  Parsed duration_expression(int min_precedence) {
    if (++nesting_ > kQueryDepthMax)
      return error(peek().pos, "expression is nested more than 500 levels deep");
    Parsed lhs;
    if (is_op(BinaryOp::kAdd) || is_op(BinaryOp::kSub)) {
      int32_t start = peek().pos.start;
      bool negative = take().op == BinaryOp::kSub;
      lhs = signed_duration(duration_expression(kUnaryPrecedence + 1), negative, start);
    } else {
      lhs = duration_primary("duration expression", "number, duration, step(), or range()");
    }
    while (lhs) {
      int p = duration_precedence(peek());
      if (p == 0 || p < min_precedence) break;
      static constexpr std::array<DurationOp, 6> kOps = {DurationOp::kAdd, DurationOp::kSub,
                                                         DurationOp::kMul, DurationOp::kDiv,
                                                         DurationOp::kMod, DurationOp::kPow};
      DurationOp op = kOps[static_cast<size_t>(take().op)];
      Parsed rhs = duration_expression(op == DurationOp::kPow ? p : p + 1);
      if (!rhs) return nullptr;
      const auto* zero = as<NumberLiteral>(rhs.get());
      if (zero && zero->value == 0 && (op == DurationOp::kDiv || op == DurationOp::kMod)) {
        return error(rhs->pos, op == DurationOp::kDiv ? "division by zero" : "modulo by zero");
      }
      auto d = make<DurationExpr>(lhs->pos.start);
      d->op = op;
      int32_t end = rhs->pos.end;
      d->lhs = std::move(lhs);
      d->rhs = std::move(rhs);
      const Expr *l = d->lhs.get(), *r = d->rhs.get();
      lhs = done(std::move(d), end, {l, r});
    }
    nesting_--;
    return lhs;
  }

  Parsed duration_primary(std::string_view context, std::string_view expected) {
    const Token& t = peek();
    if (t.kind == TokenKind::kNumber || t.kind == TokenKind::kDuration) return number_literal();
    if (t.kind == TokenKind::kLeftParen) {
      int32_t start = take().pos.start;
      Parsed e = duration_expression(0);
      if (!e || !expect(TokenKind::kRightParen, "duration expression", "\")\"")) return nullptr;
      if (e->kind == ExprKind::kDuration) static_cast<DurationExpr*>(e.get())->wrapped = true;
      e->pos = {start, last_end()};
      return e;
    }
    std::string name = t.kind == TokenKind::kIdentifier ? lower(t.text) : "";
    bool no_args = name == "step" || name == "range";
    bool two_args = name == "min_of" || name == "max_of";
    if ((!no_args && !two_args) || peek(1).kind != TokenKind::kLeftParen)
      return unexpected(context, expected);
    auto d = make<DurationExpr>(t.pos.start);
    take();
    take();
    d->op = name == "step"     ? DurationOp::kStep
            : name == "range"  ? DurationOp::kRange
            : name == "min_of" ? DurationOp::kMinOf
                               : DurationOp::kMaxOf;
    if (two_args) {
      if (!(d->lhs = duration_expression(0))) return nullptr;
      if (!expect(TokenKind::kComma, "duration expression", "\",\"")) return nullptr;
      if (!(d->rhs = duration_expression(0))) return nullptr;
    }
    if (!expect(TokenKind::kRightParen, "duration expression", "\")\"")) return nullptr;
    const Expr *l = d->lhs.get(), *r = d->rhs.get();
    return done(std::move(d), last_end(), {l, r});
  }

  // ---- calls and aggregations ----
  bool arguments(std::vector<ExprPtr>& out, bool info_call) {
    take();  // (
    while (peek().kind != TokenKind::kRightParen) {
      allow_empty_selector_ = info_call && out.size() == 1;
      Parsed e = expression(0);
      allow_empty_selector_ = false;
      if (!e) return false;
      out.push_back(std::move(e));
      if (peek().kind == TokenKind::kRightParen) break;
      PositionRange comma = peek().pos;
      if (!accept(TokenKind::kComma)) {
        unexpected("");
        return false;
      }
      if (peek().kind == TokenKind::kRightParen) {
        error(comma, "trailing commas not allowed in function call args");
        return false;
      }
    }
    take();
    return true;
  }

  Parsed call() {
    const Token& t = take();
    std::string name(t.text);
    const Function* f = find_function(name);
    if (!f) return error(t.pos, "unknown function with name " + quote(name));
    if (f->experimental && !options_.experimental_functions) {
      return error(t.pos, "function " + quote(name) + " is not enabled");
    }
    auto c = make<Call>(t.pos.start);
    c->function = f;
    bool info_call = name == "info";
    if (!arguments(c->args, info_call)) return nullptr;
    PositionRange pos{t.pos.start, last_end()};
    size_t n = c->args.size(), want = f->arg_types.size();
    auto count_error = [&](const char* bound, size_t expected) {
      return error(pos, "expected " + std::string(bound) + std::to_string(expected) +
                            " argument(s) in call to " + quote(name) + ", got " + std::to_string(n));
    };
    if (f->variadic == 0 && n != want) return count_error("", want);
    if (f->variadic != 0) {
      size_t least = f->variadic < 0 ? want - 1 : want - static_cast<size_t>(f->variadic);
      if (n < least) return count_error("at least ", least);
      if (f->variadic > 0 && n > want) return count_error("at most ", want);
    }
    for (size_t i = 0; i < n; i++) {
      ValueType need = f->arg_types[std::min(i, want - 1)];
      if (info_call && i == 1) {
        if (c->args[i]->kind != ExprKind::kVectorSelector) {
          return error(c->args[i]->pos, "expected label selectors only, got " +
                                            std::string(promql::describe(c->args[i]->type())) + " instead");
        }
        const auto& s = static_cast<const VectorSelector&>(*c->args[i]);
        if (!s.name.empty())
          return error(s.pos, "expected label selectors only, got vector selector instead");
      }
      if (!expect_type(*c->args[i], need, "call to function " + quote(name))) return nullptr;
    }
    int32_t depth = 0;
    for (const auto& a : c->args) depth = std::max(depth, a->depth);
    c->depth = depth + 1;
    return done(std::move(c), pos.end, {});
  }

  bool expect_type(const Expr& e, ValueType want, const std::string& context) {
    if (e.type() == want) return true;
    error(e.pos, std::string("expected type ") + promql::describe(want) + " in " + context + ", got " +
                     promql::describe(e.type()));
    return false;
  }

  Parsed aggregate() {
    const Token& t = take();
    auto a = make<AggregateExpr>(t.pos.start);
    a->op = *aggregate_op_from(lower(t.text));
    bool experimental = a->op == AggregateOp::kLimitk || a->op == AggregateOp::kLimitRatio;
    if (experimental && !options_.experimental_functions) {
      return error(
          t.pos,
          std::string(to_string(a->op)) +
              "() is experimental and must be enabled with --enable-feature=promql-experimental-functions");
    }
    bool grouped = false;
    auto grouping = [&] {
      Word w = word_of(peek());
      if (w != Word::kBy && w != Word::kWithout) return true;
      take();
      a->without = w == Word::kWithout;
      grouped = true;
      return label_list(a->grouping);
    };
    if (!grouping()) return nullptr;
    if (peek().kind != TokenKind::kLeftParen) return unexpected("aggregation");
    std::vector<ExprPtr> args;
    if (!arguments(args, false)) return nullptr;
    if (!grouped && !grouping()) return nullptr;
    PositionRange pos{t.pos.start, last_end()};
    size_t want = takes_parameter(a->op) ? 2 : 1;
    if (args.empty()) return error(pos, "no arguments for aggregate expression provided");
    if (args.size() != want) {
      return error(pos, "wrong number of arguments for aggregate expression provided, expected " +
                            std::to_string(want) + ", got " + std::to_string(args.size()));
    }
    a->expr = std::move(args.back());
    if (want == 2) a->param = std::move(args.front());
    if (!expect_type(*a->expr, ValueType::kVector, "aggregation expression")) return nullptr;
    if (a->param) {
      ValueType type = a->op == AggregateOp::kCountValues ? ValueType::kString : ValueType::kScalar;
      if (!expect_type(*a->param, type, "aggregation parameter")) return nullptr;
    }
    const Expr *e = a->expr.get(), *p = a->param.get();
    return done(std::move(a), pos.end, {e, p});
  }

  std::string_view in_;
  const ParserOptions& options_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  ParseError error_;
  int32_t nodes_ = 0;
  int32_t nesting_ = 0;
  bool allow_empty_selector_ = false;
};

}  // namespace

std::expected<ExprPtr, ParseError> parse_located(std::string_view query, const ParserOptions& options) {
  return Parser(query, options).run();
}

Result<ExprPtr> parse(std::string_view query, const ParserOptions& options) {
  auto e = parse_located(query, options);
  if (e) return std::move(*e);
  return fail(ErrorCode::kInvalid,
              line_and_column(query, e.error().pos.start) + ": parse error: " + e.error().message);
}

Result<Matchers> parse_selector(std::string_view text) {
  ParserOptions options;
  auto m = Parser(text, options).run_selector();
  if (m) return std::move(*m);
  return fail(ErrorCode::kInvalid,
              line_and_column(text, m.error().pos.start) + ": parse error: " + m.error().message);
}

}  // namespace sonde::promql

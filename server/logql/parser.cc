#include "logql/parser.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "logql/lexer.h"
#include "logql/quantity.h"

namespace sonde::logql {
namespace {

constexpr size_t kRegexBytesMax = 4 << 10;
constexpr int64_t kRegexMemory = 2 << 20;

constexpr std::array<std::string_view, 9> kOtherStages = {"line_format", "label_format", "unwrap",
                                                          "regexp",      "pattern",      "unpack",
                                                          "decolorize",  "distinct",     "variants"};
constexpr std::array<std::string_view, 14> kOtherRangeOps = {
    "sum_over_time",          "avg_over_time",        "min_over_time",      "max_over_time",
    "stddev_over_time",       "stdvar_over_time",     "quantile_over_time", "first_over_time",
    "last_over_time",         "absent_over_time",     "rate_counter",       "__count_min_sketch__",
    "__first_over_time_ts__", "__last_over_time_ts__"};
constexpr std::array<std::string_view, 7> kOtherFunctions = {
    "stddev", "stdvar", "sort", "sort_desc", "label_replace", "approx_topk", "variants"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

template <class Op>
std::optional<Op> op_named(std::string_view name, Op last) {
  for (int i = 0; i <= static_cast<int>(last); i++) {
    if (name == to_string(static_cast<Op>(i))) return static_cast<Op>(i);
  }
  return std::nullopt;
}

class Parser {
 public:
  Parser(std::string_view query, std::vector<Token> tokens) : query_(query), tokens_(std::move(tokens)) {}

  Result<ExprPtr> whole() {
    SONDE_TRY(ExprPtr e, expression(0));
    if (peek().kind != TokenKind::kEnd) return unexpected("");
    return e;
  }

  Result<Matchers> whole_selector() {
    SONDE_TRY(Matchers m, selector());
    if (peek().kind != TokenKind::kEnd) return unexpected("");
    return m;
  }

 private:
  const Token& peek(size_t n = 0) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  const Token& take() {
    const Token& t = peek();
    at_++;
    return t;
  }
  bool is(std::string_view symbol, size_t n = 0) const {
    return peek(n).kind == TokenKind::kSymbol && peek(n).text == symbol;
  }
  bool is_word(std::string_view word) const {
    return peek().kind == TokenKind::kIdentifier && peek().text == word;
  }
  bool accept(std::string_view symbol) {
    if (!is(symbol)) return false;
    at_++;
    return true;
  }
  bool accept_word(std::string_view word) {
    if (!is_word(word)) return false;
    at_++;
    return true;
  }
  Result<> expect(std::string_view symbol) {
    if (accept(symbol)) return {};
    return unexpected(fmt::format("expected {}", symbol));
  }
  std::unexpected<Error> fail_here(ErrorCode code, std::string_view message) const {
    return fail(error_at(code, query_, peek().offset, message));
  }
  std::unexpected<Error> unexpected(std::string_view expected) const {
    std::string what = peek().kind == TokenKind::kEnd ? "end of the query" : quote(peek().text.substr(0, 64));
    return fail_here(ErrorCode::kInvalid, fmt::format("syntax error: unexpected {}{}{}", what,
                                                      expected.empty() ? "" : ", ", expected));
  }
  std::unexpected<Error> not_built(std::string_view what) const {
    return fail_here(ErrorCode::kUnsupported, fmt::format("{} is not supported yet", what));
  }
  // Of an error that names no place yet.
  Error placed(Error e, size_t offset) const { return error_at(e.code, query_, offset, e.message); }

  class Depth {
   public:
    explicit Depth(int& depth) : depth_(depth) { depth_++; }
    ~Depth() { depth_--; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    int& depth_;
  };
  Result<> check_depth() const {
    if (depth_ <= kDepthMax) return {};
    return fail_here(ErrorCode::kLimit, fmt::format("nested deeper than {} levels", kDepthMax));
  }

  // --- Metric expressions ---

  std::optional<BinaryOp> peek_operator() const {
    if (peek().kind != TokenKind::kSymbol) return std::nullopt;
    return op_named(peek().text, BinaryOp::kLessEqual);
  }

  Result<ExprPtr> expression(int min_precedence) {
    Depth guard(depth_);
    SONDE_CHECK(check_depth());
    size_t start = peek().offset;
    SONDE_TRY(ExprPtr left, primary());
    for (;;) {
      if (is_word("and") || is_word("or") || is_word("unless")) {
        return not_built(fmt::format("the set operator {}", quote(peek().text)));
      }
      auto op = peek_operator();
      if (!op || precedence(*op) < min_precedence) return left;
      if (left->is_log()) {
        return fail(error_at(ErrorCode::kInvalid, query_, start,
                             fmt::format("unexpected log query on the left of {}", to_string(*op))));
      }
      if (++operators_ > kOperatorsMax) {
        return fail_here(ErrorCode::kLimit, fmt::format("more than {} operators", kOperatorsMax));
      }
      at_++;
      BinaryExpr e;
      e.op = *op;
      if (accept_word("bool")) {
        if (!is_comparison(*op)) return unexpected("bool belongs to comparisons");
        e.returns_bool = true;
      }
      for (std::string_view word : {"on", "ignoring", "group_left", "group_right"}) {
        if (is_word(word)) return not_built(quote(word));
      }
      size_t right_start = peek().offset;
      SONDE_TRY(e.right, expression(precedence(*op) + (*op == BinaryOp::kPower ? 0 : 1)));
      if (e.right->is_log()) {
        return fail(error_at(ErrorCode::kInvalid, query_, right_start,
                             fmt::format("unexpected log query on the right of {}", to_string(*op))));
      }
      e.left = std::move(left);
      left = std::make_unique<Expr>();
      left->node = std::move(e);
    }
  }

  Result<double> number() {
    bool negative = false;
    if (is("-") || is("+")) negative = take().text == "-";
    if (peek().kind != TokenKind::kNumber) return unexpected("expected a number");
    auto v = parse_number(peek().text);
    if (!v) return unexpected("expected a number");
    at_++;
    return negative ? -*v : *v;
  }

  template <class Node>
  static ExprPtr make(Node node) {
    auto e = std::make_unique<Expr>();
    e->node = std::move(node);
    return e;
  }

  Result<ExprPtr> primary() {
    if (accept("(")) {
      SONDE_TRY(ExprPtr e, expression(0));
      SONDE_CHECK(expect(")"));
      return e;
    }
    if (is("{")) {
      SONDE_TRY(LogExpr log, log_expression(nullptr));
      return make(std::move(log));
    }
    if (is("-") || is("+") || peek().kind == TokenKind::kNumber) {
      SONDE_TRY(double v, number());
      return make(NumberExpr{v});
    }
    if (peek().kind != TokenKind::kIdentifier)
      return unexpected("expected a selector, a function or a number");
    std::string_view name = peek().text;
    if (name == "vector") {
      at_++;
      SONDE_CHECK(expect("("));
      SONDE_TRY(double v, number());
      SONDE_CHECK(expect(")"));
      return make(VectorExpr{v});
    }
    if (auto op = op_named(name, RangeOp::kBytesOverTime)) return range_aggregation(*op);
    if (auto op = op_named(name, AggregateOp::kBottomk)) return aggregation(*op);
    if (contains(kOtherRangeOps, name) || contains(kOtherFunctions, name)) {
      return not_built(fmt::format("the function {}", quote(name)));
    }
    return unexpected("expected a selector, a function or a number");
  }

  Result<ExprPtr> range_aggregation(RangeOp op) {
    at_++;
    RangeExpr e;
    e.op = op;
    SONDE_CHECK(expect("("));
    SONDE_TRY(e.log, log_expression(&e));
    if (e.range.ns == 0) return unexpected("expected a range such as [5m]");
    SONDE_CHECK(expect(")"));
    if (is_word("by") || is_word("without")) return not_built("grouping of a range aggregation");
    return make(std::move(e));
  }

  Result<> grouping(AggregateExpr& e) {
    if (!is_word("by") && !is_word("without")) return {};
    if (e.grouped) return unexpected("it is grouped already");
    e.grouped = true;
    e.without = take().text == "without";
    SONDE_CHECK(expect("("));
    while (!accept(")")) {
      SONDE_TRY(std::string name, label_name());
      e.grouping.push_back(std::move(name));
      if (!is(")")) SONDE_CHECK(expect(","));
    }
    return {};
  }

  Result<ExprPtr> aggregation(AggregateOp op) {
    at_++;
    AggregateExpr e;
    e.op = op;
    SONDE_CHECK(grouping(e));
    SONDE_CHECK(expect("("));
    if (op == AggregateOp::kTopk || op == AggregateOp::kBottomk) {
      std::string_view text = peek().text;
      auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), e.k);
      if (peek().kind != TokenKind::kNumber || error != std::errc() || end != text.data() + text.size() ||
          e.k < 1) {
        return unexpected("expected a whole number above 0");
      }
      at_++;
      SONDE_CHECK(expect(","));
    }
    size_t start = peek().offset;
    SONDE_TRY(e.inner, expression(0));
    if (e.inner->is_log()) {
      return fail(error_at(
          ErrorCode::kInvalid, query_, start,
          fmt::format("{} needs a metric query, such as count_over_time({{…}}[5m])", to_string(op))));
    }
    SONDE_CHECK(expect(")"));
    SONDE_CHECK(grouping(e));
    return make(std::move(e));
  }

  // --- Log expressions ---

  Result<std::string> label_name() {
    if (peek().kind != TokenKind::kIdentifier &&
        !(peek().kind == TokenKind::kString && !peek().value.empty())) {
      return unexpected("expected a label name");
    }
    const Token& t = take();
    return t.kind == TokenKind::kString ? t.value : std::string(t.text);
  }

  std::optional<MatchOp> peek_match_op() const {
    if (peek().kind != TokenKind::kSymbol) return std::nullopt;
    return op_named(peek().text, MatchOp::kNotRegex);
  }

  Result<Matcher> matcher(std::string name, MatchOp op) {
    size_t offset = peek().offset;
    if (peek().kind != TokenKind::kString) return unexpected("expected a string");
    auto m = Matcher::create(op, std::move(name), take().value);
    if (!m) return fail(placed(std::move(m).error(), offset));
    return m;
  }

  Result<Matchers> selector() {
    Matchers out;
    SONDE_CHECK(expect("{"));
    while (!accept("}")) {
      SONDE_TRY(std::string name, label_name());
      auto op = peek_match_op();
      if (!op) return unexpected("expected =, !=, =~ or !~");
      at_++;
      SONDE_TRY(Matcher m, matcher(std::move(name), *op));
      out.push_back(std::move(m));
      if (!is("}")) SONDE_CHECK(expect(","));
    }
    return out;
  }

  Result<> range_and_offset(RangeExpr& e) {
    SONDE_CHECK(expect("["));
    SONDE_TRY(e.range, duration());
    if (e.range.ns <= 0) return unexpected("the range must be above 0");
    SONDE_CHECK(expect("]"));
    if (accept_word("offset")) {
      bool negative = accept("-");
      SONDE_TRY(e.offset, duration());
      if (negative) e.offset.ns = -e.offset.ns;
    }
    return {};
  }

  Result<Duration> duration() {
    auto ns = peek().kind == TokenKind::kNumber ? parse_duration_ns(peek().text) : std::nullopt;
    // A tenth of what nanoseconds can say, so that sums of times do not overflow.
    if (!ns || *ns > INT64_MAX / 10) return unexpected("expected a duration such as 5m");
    at_++;
    return Duration{*ns};
  }

  // With `range`, a range is taken too, wherever it stands.
  Result<LogExpr> log_expression(RangeExpr* range) {
    LogExpr log;
    size_t start = peek().offset;
    SONDE_TRY(log.selector, selector());
    if (std::all_of(log.selector.begin(), log.selector.end(),
                    [](const Matcher& m) { return m.matches_empty(); })) {
      return fail(
          error_at(ErrorCode::kInvalid, query_, start,
                   "queries require at least one regexp or equality matcher that does not have an "
                   "empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but "
                   "app=~\".+\" will"));
    }
    for (;;) {
      if (range && range->range.ns == 0 && is("[")) {
        SONDE_CHECK(range_and_offset(*range));
      } else if (is("|=") || is("|~") || is("!=") || is("!~")) {
        // Behind a whole range, != is a comparison; it cannot stand here, inside of the parentheses.
        SONDE_TRY(LineFilter f, line_filter());
        log.stages.emplace_back(std::move(f));
      } else if (is("|>") || is("!>")) {
        return not_built(fmt::format("the pattern filter {}", peek().text));
      } else if (is("|")) {
        at_++;
        SONDE_TRY(Stage s, stage());
        log.stages.push_back(std::move(s));
      } else {
        return log;
      }
      if (log.stages.size() > kStagesMax) {
        return fail_here(ErrorCode::kLimit, fmt::format("more than {} stages", kStagesMax));
      }
    }
  }

  Result<LineFilter> line_filter() {
    LineFilter f;
    f.op = *op_named(take().text, LineOp::kNotMatches);
    do {
      if (is_word("ip")) return not_built("the line filter ip()");
      if (peek().kind != TokenKind::kString) return unexpected("expected a string");
      const Token& t = take();
      if (f.op == LineOp::kMatches || f.op == LineOp::kNotMatches) {
        if (t.value.size() > kRegexBytesMax) {
          return fail(error_at(ErrorCode::kInvalid, query_, t.offset,
                               fmt::format("the expression is longer than {} bytes", kRegexBytesMax)));
        }
        re2::RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(kRegexMemory);
        auto re = std::make_shared<re2::RE2>(t.value, options);
        if (!re->ok()) {
          return fail(
              error_at(ErrorCode::kInvalid, query_, t.offset, "error parsing regexp: " + re->error()));
        }
        f.expressions.push_back(std::move(re));
      }
      f.values.push_back(t.value);
    } while (accept_word("or"));
    return f;
  }

  bool comparison_follows() const {
    for (std::string_view s : {"=", "==", "!=", "=~", "!~", ">", ">=", "<", "<="}) {
      if (is(s, 1)) return true;
    }
    return false;
  }

  Result<Stage> stage() {
    if (peek().kind == TokenKind::kIdentifier && !comparison_follows()) {
      std::string_view name = peek().text;
      if (name == "json" || name == "logfmt") {
        at_++;
        if (peek().kind == TokenKind::kIdentifier && !is_word("offset")) {
          return not_built(fmt::format("the stage {} with expressions", name));
        }
        if (is("-")) return not_built(fmt::format("the stage {} with flags", name));
        if (name == "json") return JsonStage{};
        return LogfmtStage{};
      }
      if (name == "drop" || name == "keep") return label_selection();
      if (contains(kOtherStages, name)) return not_built(fmt::format("the stage {}", quote(name)));
      return unexpected("expected a stage: json, logfmt, drop, keep or a label filter");
    }
    SONDE_TRY(Predicate p, predicate());
    return LabelFilter{std::move(p)};
  }

  Result<Stage> label_selection() {
    LabelSelection out;
    out.keep = take().text == "keep";
    do {
      LabelChoice choice;
      SONDE_TRY(choice.name, label_name());
      if (auto op = peek_match_op(); op && peek(1).kind == TokenKind::kString) {
        // `| drop a != "x"` means the label, as in Loki: a line filter there needs a stage in between.
        at_++;
        SONDE_TRY(Matcher m, matcher(choice.name, *op));
        choice.matcher = std::make_shared<const Matcher>(std::move(m));
      }
      out.labels.push_back(std::move(choice));
    } while (accept(","));
    return out;
  }

  Result<Predicate> predicate() {
    Depth guard(depth_);
    SONDE_CHECK(check_depth());
    std::vector<Predicate> alternatives;
    do {
      std::vector<Predicate> all;
      do {
        SONDE_TRY(Predicate p, condition());
        all.push_back(std::move(p));
      } while (accept(",") || accept_word("and"));
      alternatives.push_back(combined(Predicate::Kind::kAnd, std::move(all)));
    } while (accept_word("or"));
    return combined(Predicate::Kind::kOr, std::move(alternatives));
  }

  static Predicate combined(Predicate::Kind kind, std::vector<Predicate> parts) {
    if (parts.size() == 1) return std::move(parts[0]);
    Predicate p;
    p.kind = kind;
    p.parts = std::move(parts);
    return p;
  }

  Result<Predicate> condition() {
    if (accept("(")) {
      SONDE_TRY(Predicate p, predicate());
      SONDE_CHECK(expect(")"));
      return p;
    }
    Predicate p;
    SONDE_TRY(std::string name, label_name());
    std::string_view op = peek().kind == TokenKind::kSymbol ? peek().text : std::string_view();
    if (peek(1).kind == TokenKind::kString) {
      auto match = peek_match_op();
      if (op == "==") match = MatchOp::kEqual;
      if (!match) return unexpected("expected =, !=, =~ or !~");
      at_++;
      SONDE_TRY(p.matcher, matcher(std::move(name), *match));
      return p;
    }
    if (op == "=") op = "==";
    auto compare = op_named(op, CompareOp::kLessEqual);
    if (!compare) return unexpected("expected a comparison");
    at_++;
    if (is_word("ip")) return not_built("the label filter ip()");
    p.kind = Predicate::Kind::kQuantity;
    p.name = std::move(name);
    p.op = *compare;
    bool negative = accept("-");
    if (peek().kind != TokenKind::kNumber)
      return unexpected("expected a string, a number, a duration or bytes");
    std::string_view text = peek().text;
    if (auto v = parse_number(text)) {
      p.quantity = {*v, 0, Unit::kNumber};
    } else if (auto ns = parse_duration_ns(text)) {
      p.quantity = {static_cast<double>(*ns) * 1e-9, *ns, Unit::kDuration};
    } else if (auto bytes = parse_bytes(text); bytes && !negative) {
      p.quantity = {std::round(*bytes), 0, Unit::kBytes};
    } else {
      return unexpected("expected a number, a duration or bytes");
    }
    at_++;
    if (negative) {
      p.quantity.value = -p.quantity.value;
      p.quantity.ns = -p.quantity.ns;
    }
    return p;
  }

  std::string_view query_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int operators_ = 0;
};

Result<Parser> parser_of(std::string_view text) {
  if (text.size() > kQueryBytesMax) {
    return fail(ErrorCode::kLimit,
                fmt::format("the query is {} bytes long, the limit is {}", text.size(), kQueryBytesMax));
  }
  SONDE_TRY(std::vector<Token> tokens, tokenize(text));
  return Parser(text, std::move(tokens));
}

}  // namespace

Result<ExprPtr> parse(std::string_view query) {
  SONDE_TRY(Parser parser, parser_of(query));
  return parser.whole();
}

Result<Matchers> parse_selector(std::string_view text) {
  SONDE_TRY(Parser parser, parser_of(text));
  return parser.whole_selector();
}

}  // namespace sonde::logql

#include "vmm/jail/policy_parser.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "vmm/jail/policy_constants.h"
#include "vmm/jail/syscall_names.h"

namespace touchstone {
namespace {

using Operator = ArgumentCheck::Operator;

constexpr size_t kMaxNesting = 32;  // Parentheses and ~ of a value.
constexpr uint64_t kMaxErrno = 4095;

absl::Status Wrong(absl::string_view what, absl::string_view accepted) {
  return absl::InvalidArgumentError(absl::StrCat(what, "; ", accepted, " is accepted"));
}

std::string Quote(absl::string_view text) { return absl::StrCat("'", text.substr(0, 60), "'"); }

bool IsWord(char c) { return absl::ascii_isalnum(c) || c == '_'; }

// The words and signs of one line.
class Tokens {
 public:
  explicit Tokens(absl::string_view text) : rest_(text) { Advance(); }

  // Empty at the end of the line.
  [[nodiscard]] absl::string_view next() const { return next_; }
  [[nodiscard]] bool at_end() const { return next_.empty(); }
  // What is not read yet.
  [[nodiscard]] absl::string_view left() const {
    return next_.empty() ? rest_ : absl::string_view(next_.data(), next_.size() + rest_.size());
  }

  absl::string_view Take() {
    const absl::string_view token = next_;
    Advance();
    return token;
  }
  bool Skip(absl::string_view token) {
    if (next_ != token) return false;
    Advance();
    return true;
  }

 private:
  void Advance() {
    rest_ = absl::StripLeadingAsciiWhitespace(rest_);
    next_ = rest_.substr(0, Length());
    rest_.remove_prefix(next_.size());
  }
  [[nodiscard]] size_t Length() const {
    if (rest_.empty()) return 0;
    for (const absl::string_view sign : {"==", "!=", "<=", ">=", "&&", "||"}) {
      if (absl::StartsWith(rest_, sign)) return sign.size();
    }
    size_t length = 0;
    while (length < rest_.size() && IsWord(rest_[length])) ++length;
    // kill-process and the like, which nothing else looks like.
    while (length > 0 && length + 1 < rest_.size() && rest_[length] == '-' &&
           absl::ascii_isalpha(rest_[length + 1])) {
      ++length;
      while (length < rest_.size() && IsWord(rest_[length])) ++length;
    }
    return length == 0 ? 1 : length;
  }

  absl::string_view rest_;
  absl::string_view next_;
};

std::optional<uint64_t> Number(absl::string_view text) {
  uint64_t value = 0;
  if (absl::StartsWith(text, "0x") || absl::StartsWith(text, "0X")) {
    if (text.size() > 2 && absl::SimpleHexAtoi(text, &value)) return value;
    return std::nullopt;
  }
  if (text.size() > 1 && text[0] == '0') {
    for (const char c : text) {
      if (c < '0' || c > '7' || value >> 61 != 0) return std::nullopt;
      value = value << 3 | static_cast<uint64_t>(c - '0');
    }
    return value;
  }
  if (absl::SimpleAtoi(text, &value)) return value;
  return std::nullopt;
}

absl::StatusOr<uint64_t> ParseValue(Tokens& tokens, size_t depth);

absl::StatusOr<uint64_t> ParseOperand(Tokens& tokens, size_t depth) {
  if (depth > kMaxNesting) return Wrong("too many ( and ~", absl::StrCat(kMaxNesting, " of them"));
  if (tokens.Skip("~")) {
    ASSIGN_OR_RETURN(const uint64_t value, ParseOperand(tokens, depth + 1));
    return ~value;
  }
  if (tokens.Skip("(")) {
    ASSIGN_OR_RETURN(const uint64_t value, ParseValue(tokens, depth + 1));
    if (!tokens.Skip(")")) return Wrong(absl::StrCat("no ) before ", Quote(tokens.left())), ")");
    return value;
  }
  if (tokens.Skip("-")) {
    ASSIGN_OR_RETURN(const uint64_t value, ParseOperand(tokens, depth + 1));
    return uint64_t{0} - value;
  }
  const absl::string_view word = tokens.Take();
  if (const std::optional<uint64_t> number = Number(word)) return *number;
  if (const std::optional<uint64_t> constant = PolicyConstant(word)) return *constant;
  return Wrong(absl::StrCat(Quote(word), " is no value"),
               "a number (12, 0x1f, 017) or a name of the kernel's headers such as PROT_READ");
}

absl::StatusOr<uint64_t> ParseValue(Tokens& tokens, size_t depth) {
  uint64_t value = 0;
  do {
    ASSIGN_OR_RETURN(const uint64_t operand, ParseOperand(tokens, depth));
    value |= operand;
  } while (tokens.Skip("|"));
  return value;
}

absl::StatusOr<ArgumentCheck> ParseCheck(Tokens& tokens) {
  static constexpr std::pair<absl::string_view, Operator> kOperators[] = {
      {"==", Operator::kEqual},  {"!=", Operator::kNotEqual},
      {"<", Operator::kLess},    {"<=", Operator::kLessOrEqual},
      {">", Operator::kGreater}, {">=", Operator::kGreaterOrEqual},
      {"&", Operator::kAnyBit},  {"in", Operator::kNoOthers},
  };
  const absl::string_view argument = tokens.Take();
  if (argument.size() != 4 || !absl::StartsWith(argument, "arg") || argument[3] < '0' ||
      argument[3] > '5') {
    return Wrong(absl::StrCat(Quote(argument), " is no argument"), "arg0 to arg5");
  }
  const absl::string_view sign = tokens.Take();
  for (const auto& [name, op] : kOperators) {
    if (sign != name) continue;
    ASSIGN_OR_RETURN(const uint64_t value, ParseValue(tokens, 0));
    return ArgumentCheck{.argument = argument[3] - '0', .op = op, .value = value};
  }
  return Wrong(absl::StrCat(Quote(sign), " is no comparison"), "==, !=, <, <=, >, >=, & or in");
}

absl::StatusOr<SyscallAction> ParseAction(Tokens& tokens) {
  using Kind = SyscallAction::Kind;
  static constexpr std::pair<absl::string_view, Kind> kActions[] = {
      {"allow", Kind::kAllow}, {"1", Kind::kAllow},
      {"kill", Kind::kForbid}, {"kill-process", Kind::kForbid},
      {"trap", Kind::kForbid}, {"kill-thread", Kind::kKillThread},
      {"log", Kind::kLog},
  };
  const absl::string_view word = tokens.Take();
  if (word == "return") {
    const absl::string_view error = tokens.Take();
    if (const int number = ErrorNumber(error); number != 0) {
      return SyscallAction{.kind = Kind::kErrno, .error = static_cast<uint16_t>(number)};
    }
    const std::optional<uint64_t> number = Number(error);
    if (!number.has_value() || *number > kMaxErrno) {
      return Wrong(absl::StrCat(Quote(error), " is no error"), "EPERM and the like, or 0 to 4095");
    }
    return SyscallAction{.kind = Kind::kErrno, .error = static_cast<uint16_t>(*number)};
  }
  for (const auto& [name, kind] : kActions) {
    if (word == name) return SyscallAction{.kind = kind};
  }
  return Wrong(absl::StrCat(Quote(word), " is no action"),
               "allow, 1, return ERROR, kill, kill-process, kill-thread, trap or log");
}

absl::Status ParseAlternatives(Tokens& tokens, SyscallRule& rule) {
  do {
    std::vector<ArgumentCheck> checks;
    do {
      ASSIGN_OR_RETURN(const ArgumentCheck check, ParseCheck(tokens));
      checks.push_back(check);
      if (checks.size() > kMaxChecks) {
        return Wrong("too many && in a row", absl::StrCat(kMaxChecks, " checks"));
      }
    } while (tokens.Skip("&&"));
    rule.any_of.push_back(std::move(checks));
    if (rule.any_of.size() > kMaxAlternatives) {
      return Wrong("too many ||", absl::StrCat(kMaxAlternatives, " alternatives"));
    }
  } while (tokens.Skip("||"));
  return absl::OkStatus();
}

// What follows the colon.
absl::StatusOr<SyscallRule> ParseFilter(Tokens& tokens) {
  SyscallRule rule;
  if (absl::StartsWith(tokens.next(), "arg")) {
    RETURN_IF_ERROR(ParseAlternatives(tokens, rule));
    if (tokens.Skip(";") && !tokens.at_end()) {
      ASSIGN_OR_RETURN(rule.otherwise, ParseAction(tokens));
    }
  } else {
    ASSIGN_OR_RETURN(rule.then, ParseAction(tokens));
  }
  if (!tokens.at_end()) {
    return Wrong(absl::StrCat(Quote(tokens.left()), " after the end of the rule"),
                 "||, &&, or one ; with an action");
  }
  return rule;
}

class Parser {
 public:
  explicit Parser(const PolicyInclude& include) : include_(include) {}

  absl::Status Parse(absl::string_view text, absl::string_view file, int depth) {
    bytes_ += text.size();
    if (bytes_ > kMaxPolicyBytes) {
      return Annotate(Wrong("the policy is too long", absl::StrCat(kMaxPolicyBytes, " bytes")),
                      file);
    }
    int number = 0;
    int first = 0;
    std::string statement;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      ++number;
      line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
      if (statement.empty()) first = number;
      const bool goes_on = absl::ConsumeSuffix(&line, "\\");
      absl::StrAppend(&statement, line, " ");
      if (goes_on) continue;
      RETURN_IF_ERROR(ParseStatement(statement, absl::StrCat(file, ":", first), depth));
      statement.clear();
    }
    return ParseStatement(statement, absl::StrCat(file, ":", first), depth);
  }

  Policy Take() && {
    for (SyscallRule& rule : policy_.rules) {
      // Where no @default came, or came later.
      if (rule.otherwise == SyscallAction()) rule.otherwise = policy_.fallback;
    }
    return std::move(policy_);
  }

 private:
  absl::Status ParseStatement(absl::string_view statement, const std::string& place, int depth) {
    statement = absl::StripAsciiWhitespace(statement);
    if (statement.empty()) return absl::OkStatus();
    if (statement[0] == '@') return ParseDirective(statement, place, depth);
    return Annotate(ParseRule(statement, place), place);
  }

  absl::Status ParseDirective(absl::string_view statement, const std::string& place, int depth) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(statement, absl::MaxSplits(absl::ByAnyChar(" \t"), 1));
    const absl::string_view operand = absl::StripAsciiWhitespace(parts.second);
    if (operand.empty())
      return Annotate(Wrong(absl::StrCat(parts.first, " alone"), "a word after it"), place);
    if (parts.first == "@frequency") return absl::OkStatus();
    if (parts.first == "@default") {
      Tokens tokens(operand);
      absl::StatusOr<SyscallAction> action = ParseAction(tokens);
      if (!action.ok()) return Annotate(action.status(), place);
      if (!tokens.at_end()) return Annotate(Wrong(Quote(tokens.left()), "one action"), place);
      if (action->kind == SyscallAction::Kind::kAllow) {
        return Annotate(Wrong("a default that allows all", "log"), place);
      }
      if (default_seen_) return Annotate(Wrong("a second @default", "one"), place);
      default_seen_ = true;
      policy_.fallback = *action;
      return absl::OkStatus();
    }
    if (parts.first == "@include") {
      if (depth == kMaxIncludeDepth) {
        return Annotate(Wrong("too many files within files", absl::StrCat(kMaxIncludeDepth)),
                        place);
      }
      const absl::StatusOr<std::string> text = include_(std::string(operand));
      if (!text.ok()) return Annotate(text.status(), place);
      return Parse(*text, operand, depth + 1);
    }
    return Annotate(Wrong(absl::StrCat(Quote(parts.first), " is no directive"),
                          "@include, @default or @frequency"),
                    place);
  }

  absl::Status ParseRule(absl::string_view statement, const std::string& place) {
    Tokens tokens(statement);
    std::vector<std::string> names;
    const bool braces = tokens.Skip("{");
    do {
      const absl::string_view name = tokens.Take();
      ASSIGN_OR_RETURN(const bool here, ParseArchitectures(tokens));
      if (here) names.emplace_back(name);
    } while (braces && tokens.Skip(","));
    if (braces && !tokens.Skip("}")) {
      return Wrong(absl::StrCat("no } before ", Quote(tokens.left())), "{call, call}: FILTER");
    }
    if (!tokens.Skip(":")) {
      return Wrong(absl::StrCat("no : before ", Quote(tokens.left())), "CALL: FILTER");
    }
    ASSIGN_OR_RETURN(const SyscallRule rule, ParseFilter(tokens));
    for (const std::string& name : names) RETURN_IF_ERROR(Add(name, rule, place));
    return absl::OkStatus();
  }

  // [arch=x86_64,arm] or nothing: whether the call is meant here.
  static absl::StatusOr<bool> ParseArchitectures(Tokens& tokens) {
    if (!tokens.Skip("[")) return true;
    bool here = false;
    if (!tokens.Skip("arch") || !tokens.Skip("=")) {
      return Wrong(absl::StrCat("[", tokens.left()), "[arch=x86_64]");
    }
    do {
      here |= tokens.Take() == "x86_64";
    } while (tokens.Skip(","));
    if (!tokens.Skip("]")) return Wrong(absl::StrCat("no ] before ", Quote(tokens.left())), "]");
    return here;
  }

  absl::Status Add(const std::string& name, SyscallRule rule, const std::string& place) {
    const std::optional<int> number = SyscallNumber(name);
    if (!number.has_value()) {
      return Wrong(absl::StrCat(Quote(name), " is no system call"), "a name such as read");
    }
    const auto [it, is_new] = places_.emplace(*number, place);
    if (!is_new) {
      return Wrong(absl::StrCat(Quote(name), " has a rule at ", it->second, " already"),
                   "one rule for a call");
    }
    rule.number = *number;
    policy_.rules.push_back(std::move(rule));
    return absl::OkStatus();
  }

  const PolicyInclude& include_;
  size_t bytes_ = 0;
  bool default_seen_ = false;
  std::map<int, std::string> places_;
  Policy policy_;
};

}  // namespace

absl::StatusOr<Policy> ParsePolicy(absl::string_view text, absl::string_view file,
                                   const PolicyInclude& include) {
  Parser parser(include);
  RETURN_IF_ERROR(parser.Parse(text, file, 0));
  return std::move(parser).Take();
}

}  // namespace touchstone

#include "vmm/config/command_line.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/status.h"
#include "vmm/config/colons.h"
#include "vmm/config/key_value.h"
#include "vmm/config/schema.h"
#include "vmm/config/text.h"
#include "vmm/config/value.h"

namespace touchstone {
namespace {

std::string OptionName(const FieldDescriptor* field) { return absl::StrCat("--", NameOf(field)); }

bool IsSwitch(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL &&
         OptionOf(field).grammar() != GRAMMAR_BOOL_VALUE;
}

// What an argument means, and how the user knows it ("--mem").
struct FoundOption {
  const FieldDescriptor* field = nullptr;
  std::optional<OlderOption> older;  // Nothing for the option itself.
  std::string name;
};

const FieldDescriptor* FindShortOption(const Descriptor* type, absl::string_view letter) {
  for (int i = 0; i < type->field_count(); ++i) {
    if (OptionOf(type->field(i)).short_flag() == letter) return type->field(i);
  }
  return nullptr;
}

FoundOption FindOlderOption(const Descriptor* type, absl::string_view name) {
  for (int i = 0; i < type->field_count(); ++i) {
    for (const OlderOption older : OptionOf(type->field(i)).older()) {
      if (name != absl::StrCat("--", older.name()) &&
          (!older.has_short_flag() || name != absl::StrCat("-", older.short_flag()))) {
        continue;
      }
      return {type->field(i), older, absl::StrCat("--", older.name())};
    }
  }
  return {};
}

// `name` is "--mem" or "-m". Without a field when there is no such option.
FoundOption FindOption(const Descriptor* type, absl::string_view name) {
  const FieldDescriptor* field = nullptr;
  if (absl::StartsWith(name, "--")) {
    field = FindField(type, name.substr(2));
  } else if (name.size() == 2) {
    field = FindShortOption(type, name.substr(1));
  }
  if (field == nullptr || OptionOf(field).positional()) return FindOlderOption(type, name);
  return {field, std::nullopt, OptionName(field)};
}

void AppendOptionNames(const Descriptor* type, std::vector<std::string>& names) {
  for (int i = 0; i < type->field_count(); ++i) {
    if (!OptionOf(type->field(i)).positional()) names.push_back(NameOf(type->field(i)));
    for (const OlderOption older : OptionOf(type->field(i)).older())
      names.emplace_back(older.name());
  }
}

absl::Status UnknownOption(const std::vector<std::string>& names, absl::string_view name) {
  const absl::string_view bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
  const std::string guess = DidYouMean(bare, names, "--");
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown option ", Quote(name), guess.empty() ? "; --help lists the options" : guess));
}

// A list of ranges is one value, though the field is repeated.
bool IsList(const FieldDescriptor* field) { return OptionOf(field).grammar() == GRAMMAR_RANGES; }

bool IsSet(const DynamicMessage& config, const FieldDescriptor* field) {
  return (IsList(field) || !field->is_repeated()) && config.HasField(field);
}

absl::Status SetOption(DynamicMessage& config, const FieldDescriptor* field,
                       absl::string_view text) {
  if (IsList(field)) {
    for (const absl::string_view element : absl::StrSplit(text, ',')) {
      RETURN_IF_ERROR(SetValue(config, field, element));
    }
    return absl::OkStatus();
  }
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return SetValue(config, field, text);
  DynamicMessage& value = config.PutMessage(field);
  const Grammar grammar = OptionOf(field).grammar();
  if (grammar == GRAMMAR_COLONS) return ParseColons(text, /*keyed=*/true, value);
  if (grammar == GRAMMAR_KEYS_OR_COLONS && text.find(':') != absl::string_view::npos &&
      text.find_first_of("=,") == absl::string_view::npos) {
    return ParseColons(text, /*keyed=*/false, value);
  }
  return ParseKeyValue(text, value);
}

// Makes the last entry of the list what the older option says.
absl::Status SetKeys(DynamicMessage& config, const FieldDescriptor* field,
                     const OlderOption& older) {
  DynamicMessage& entry = config.MutableMessage(field, config.FieldSize(field) - 1);
  for (const absl::string_view pair : older.sets()) {
    const size_t equals = pair.find('=');
    const FieldDescriptor* key = FindField(field->message_type(), pair.substr(0, equals));
    CHECK(key != nullptr && equals != absl::string_view::npos);
    RETURN_IF_ERROR(SetValue(entry, key, pair.substr(equals + 1)));
  }
  return absl::OkStatus();
}

class CommandLineParser {
 public:
  CommandLineParser(Arguments arguments, DynamicMessage& config,
                    const CommandLineSettings& settings)
      : arguments_(arguments),
        config_(config),
        type_(config.GetDescriptor()),
        settings_(settings) {}

  // Returns the index of the first argument that it did not read.
  absl::StatusOr<size_t> Parse(bool stop_at_operand) {
    bool only_operands = false;
    while (next_ < arguments_.size()) {
      const absl::string_view argument = arguments_[next_];
      // crosvm.md 1.1: a lone "-" is a value.
      const bool is_option = !only_operands && argument.size() > 1 && argument[0] == '-';
      if (!is_option && stop_at_operand) return next_;
      ++next_;
      if (!is_option) {
        RETURN_IF_ERROR(TakeOperand(argument));
      } else if (argument == "--") {
        only_operands = true;
      } else {
        RETURN_IF_ERROR(TakeOption(argument));
      }
    }
    return next_;
  }

 private:
  absl::Status TakeOption(absl::string_view argument) {
    const size_t equals = argument.find('=');
    const absl::string_view name = argument.substr(0, equals);
    FoundOption option = FindOption(type_, name);
    if (option.field == nullptr && settings_.refused != nullptr) {
      option = FindOption(RefusedOptions::type(), name);
      if (option.field != nullptr) return TakeValue(option, argument, settings_.refused->message());
    }
    if (option.field == nullptr) return UnknownOption(OptionNames(), name);
    RETURN_IF_ERROR(TakeValue(option, argument, config_));
    if (!settings_.after_option) return absl::OkStatus();
    return Annotate(settings_.after_option(*option.field), option.name);
  }

  // Puts the option's value into its field of `config`.
  absl::Status TakeValue(const FoundOption& option, absl::string_view argument,
                         DynamicMessage& config) {
    const FieldDescriptor* const field = option.field;
    const size_t equals = argument.find('=');
    std::optional<absl::string_view> value;
    if (equals != absl::string_view::npos) value = argument.substr(equals + 1);
    if (IsSet(config, field)) {
      return absl::InvalidArgumentError(
          absl::StrCat(OptionName(field), " is given twice, but accepted once"));
    }
    if (IsSwitch(field)) return TakeSwitch(field, value, config);
    if (!value.has_value()) {
      if (next_ == arguments_.size()) {
        return absl::InvalidArgumentError(
            absl::StrCat(option.name, " needs a value: ", option.name, " ", ValueNameOf(field)));
      }
      value = arguments_[next_++];
    }
    absl::Status status = Annotate(SetOption(config, field, *value), option.name);
    if (!option.older.has_value() || !status.ok()) return status;
    if (settings_.warnings != nullptr) {
      settings_.warnings->push_back(
          absl::StrCat(option.name, " is deprecated: use ", option.older->instead()));
    }
    return SetKeys(config, field, *option.older);
  }

  [[nodiscard]] std::vector<std::string> OptionNames() const {
    std::vector<std::string> names = {"help"};
    AppendOptionNames(type_, names);
    if (settings_.refused != nullptr) AppendOptionNames(RefusedOptions::type(), names);
    return names;
  }

  static absl::Status TakeSwitch(const FieldDescriptor* field,
                                 std::optional<absl::string_view> value, DynamicMessage& config) {
    if (value.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          OptionName(field), " is a switch and takes no value, but ", Quote(*value), " is given"));
    }
    config.PutNumber(field, 1);
    return absl::OkStatus();
  }

  absl::Status TakeOperand(absl::string_view argument) {
    std::string taken;
    for (int i = 0; i < type_->field_count(); ++i) {
      const FieldDescriptor* field = type_->field(i);
      if (!OptionOf(field).positional()) continue;
      if (!IsSet(config_, field)) {
        return Annotate(SetOption(config_, field, argument), ValueNameOf(field));
      }
      taken = absl::StrCat("; ", ValueNameOf(field), " is already ", Quote(config_.GetText(field)));
    }
    return absl::InvalidArgumentError(absl::StrCat("unexpected argument ", Quote(argument), taken));
  }

  const Arguments arguments_;
  DynamicMessage& config_;
  const Descriptor* const type_;
  const CommandLineSettings& settings_;
  size_t next_ = 0;
};

}  // namespace

bool AsksForHelp(Arguments arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::any_of(arguments.begin(), end, [](absl::string_view argument) {
    return argument == "-h" || argument == "--help";
  });
}

absl::Status ParseCommandLine(Arguments arguments, DynamicMessage& config,
                              const CommandLineSettings& settings) {
  return CommandLineParser(arguments, config, settings).Parse(/*stop_at_operand=*/false).status();
}

absl::StatusOr<size_t> ParseLeadingOptions(Arguments arguments, DynamicMessage& config) {
  const CommandLineSettings settings;
  return CommandLineParser(arguments, config, settings).Parse(/*stop_at_operand=*/true);
}

}  // namespace touchstone

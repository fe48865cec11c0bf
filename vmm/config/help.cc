#include "vmm/config/help.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kOptionIndent = 2;
constexpr size_t kHelpIndent = 6;
constexpr size_t kKeyIndent = 8;
// Relative to its key.
constexpr size_t kKeyHelpIndent = 4;

// "; required", "; default 256" and the like behind the help of a field.
std::string Remarks(const FieldDescriptor* field, bool may_repeat) {
  std::string remarks;
  const std::string default_text = DefaultText(field);
  if (OptionOf(field).required()) absl::StrAppend(&remarks, " (required)");
  const absl::string_view unit = OptionOf(field).unit();
  if (!default_text.empty()) {
    const bool with_unit = !unit.empty() && !OptionOf(field).has_default_text();
    absl::StrAppend(&remarks, " (default ", default_text, with_unit ? " " : "",
                    with_unit ? unit : absl::string_view(), ")");
  }
  if (may_repeat) absl::StrAppend(&remarks, " (may be given again)");
  for (const OlderOption older : OptionOf(field).older()) {
    absl::StrAppend(&remarks, "; --", older.name(),
                    older.has_short_flag() ? absl::StrCat(" or -", older.short_flag()) : "",
                    " is an older spelling of ", older.instead());
  }
  const std::string refusal = RefusalOf(field);
  if (!refusal.empty()) absl::StrAppend(&remarks, " (", refusal, ")");
  return remarks;
}

// "stdout: standard output; sink: nowhere", or empty when the names say it all.
std::string ValueHelp(const FieldDescriptor* field) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return "";
  std::vector<std::string> parts;
  const EnumDescriptor* type = field->enum_type();
  for (int i = 0; i < type->value_count(); ++i) {
    const EnumValueOption info = OptionOf(type->value(i));
    const std::string refusal = RefusalOf(type->value(i));
    if (!refusal.empty()) {
      parts.push_back(absl::StrCat(NameOf(type->value(i)), ": ", refusal));
    } else if (info.has_help()) {
      parts.push_back(absl::StrCat(NameOf(type->value(i)), ": ", info.help()));
    }
  }
  return parts.empty() ? "" : absl::StrCat(": ", absl::StrJoin(parts, "; "));
}

std::string HelpText(const FieldDescriptor* field, bool may_repeat) {
  return absl::StrCat(OptionOf(field).help(), ValueHelp(field), Remarks(field, may_repeat));
}

// A key of a struct: "path=PATH", "ro" for a flag; a variant: "off", "uring[depth=N]".
std::string KeyUsage(const FieldDescriptor* field) {
  const std::string name = NameOf(field);
  const std::string value =
      IsPlainStruct(field) ? absl::StrCat("[", ValueNameOf(field), "]") : ValueNameOf(field);
  if (StructureOf(field->containing_type()).variant()) {
    return IsPlainVariant(field) ? name : absl::StrCat(name, value);
  }
  if (field->is_repeated()) return absl::StrCat(name, "=[", value, ",...]");
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return name;
  return absl::StrCat(name, "=", value);
}

void AppendKeys(const FieldDescriptor* field, size_t indent, std::string& out) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return;
  const Descriptor* type = field->message_type();
  if (!IsPlainStruct(field) && !StructureOf(type).variant()) return;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* key = type->field(i);
    absl::StrAppend(&out, Wrap(KeyUsage(key), indent),
                    Wrap(HelpText(key, /*may_repeat=*/false), indent + kKeyHelpIndent));
    AppendKeys(key, indent + kKeyHelpIndent, out);
  }
}

std::string OptionUsage(const FieldDescriptor* field) {
  const FieldOption info = OptionOf(field);
  if (info.positional()) return ValueNameOf(field);
  std::string usage = info.has_short_flag() ? absl::StrCat("-", info.short_flag(), ", ") : "";
  absl::StrAppend(&usage, "--", NameOf(field));
  const bool is_switch =
      field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL && info.grammar() != GRAMMAR_BOOL_VALUE;
  if (!is_switch) absl::StrAppend(&usage, " ", ValueNameOf(field));
  return usage;
}

std::string OptionParagraph(const FieldDescriptor* field, bool with_keys) {
  std::string out = absl::StrCat(Wrap(OptionUsage(field), kOptionIndent),
                                 Wrap(HelpText(field, field->is_repeated()), kHelpIndent));
  if (with_keys) AppendKeys(field, kKeyIndent, out);
  return out;
}

std::vector<const FieldDescriptor*> AllOptions(OptionTypes types) {
  std::vector<const FieldDescriptor*> options;
  for (const Descriptor* type : types) {
    for (int i = 0; i < type->field_count(); ++i) options.push_back(type->field(i));
  }
  return options;
}

// Headings in the order in which the schema first names them.
std::vector<absl::string_view> Groups(const std::vector<const FieldDescriptor*>& options) {
  std::vector<absl::string_view> groups;
  for (const FieldDescriptor* option : options) {
    const absl::string_view group = OptionOf(option).group();
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  return groups;
}

bool IsNamed(const FieldDescriptor* option, absl::string_view name) {
  const FieldOption info = OptionOf(option);
  if (info.positional()) return name == ValueNameOf(option) || name == NameOf(option);
  if (name == NameOf(option) || name == info.short_flag()) return true;
  for (const absl::string_view alias : info.alias()) {
    if (name == alias) return true;
  }
  for (const OlderOption older : info.older()) {
    if (name == older.name() || name == older.short_flag()) return true;
  }
  return false;
}

}  // namespace

std::string Wrap(absl::string_view text, size_t indent) {
  const std::string margin(indent, ' ');
  std::string out;
  std::string line;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (!line.empty() && line.size() + 1 + word.size() > kColumns) {
      absl::StrAppend(&out, line, "\n");
      line.clear();
    }
    absl::StrAppend(&line, line.empty() ? margin : " ", word);
  }
  if (!line.empty()) absl::StrAppend(&out, line, "\n");
  return out;
}

std::string OptionsHelp(OptionTypes types) {
  const std::vector<const FieldDescriptor*> options = AllOptions(types);
  std::string out;
  for (const absl::string_view group : Groups(options)) {
    absl::StrAppend(&out, out.empty() ? "" : "\n", group.empty() ? "Options" : group, ":\n");
    for (const FieldDescriptor* option : options) {
      if (OptionOf(option).group() != group) continue;
      absl::StrAppend(&out, OptionParagraph(option, RefusalOf(option).empty()));
    }
  }
  return out;
}

std::string OptionHelp(OptionTypes types, absl::string_view name) {
  while (absl::ConsumePrefix(&name, "-")) {
  }
  if (name.empty()) return "";
  for (const FieldDescriptor* option : AllOptions(types)) {
    if (IsNamed(option, name)) return OptionParagraph(option, /*with_keys=*/true);
  }
  return "";
}

std::vector<std::string> OptionNames(OptionTypes types) {
  std::vector<std::string> names;
  for (const FieldDescriptor* option : AllOptions(types)) {
    names.push_back(OptionOf(option).positional() ? ValueNameOf(option) : NameOf(option));
    for (const OlderOption older : OptionOf(option).older()) names.emplace_back(older.name());
  }
  return names;
}

}  // namespace touchstone

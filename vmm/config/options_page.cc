#include "vmm/config/options_page.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

// For a cell of a table.
std::string Cell(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"<", "&lt;"}});
}

std::string Code(absl::string_view text) {
  return absl::StrCat("`", absl::StrReplaceAll(text, {{"|", "\\|"}}), "`");
}

bool IsSwitch(const FieldDescriptor* option) {
  return option->cpp_type() == FieldDescriptor::CPPTYPE_BOOL &&
         OptionOf(option).grammar() != GRAMMAR_BOOL_VALUE;
}

std::string Usage(const FieldDescriptor* option) {
  const FieldOption info = OptionOf(option);
  if (info.positional()) return Code(ValueNameOf(option));
  std::string usage = info.has_short_flag() ? absl::StrCat("-", info.short_flag(), ", ") : "";
  absl::StrAppend(&usage, "--", NameOf(option));
  if (!IsSwitch(option)) absl::StrAppend(&usage, " ", ValueNameOf(option));
  return Code(usage);
}

std::string FateText(const FieldDescriptor* option) {
  const FieldOption info = OptionOf(option);
  if (info.has_works()) return absl::StrCat("works: ", Code(info.works()));
  return Cell(RefusalOf(option));
}

std::string HelpCell(const FieldDescriptor* field) {
  const FieldOption info = OptionOf(field);
  std::string text = Cell(info.help());
  if (info.required()) absl::StrAppend(&text, "; required");
  const std::string default_text = DefaultText(field);
  if (!default_text.empty()) absl::StrAppend(&text, "; default ", Code(default_text));
  if (info.has_unit()) absl::StrAppend(&text, " (", info.unit(), ")");
  if (!info.alias().empty()) {
    absl::StrAppend(&text, "; also ", Code(absl::StrJoin(info.alias(), ", ")));
  }
  for (const OlderOption older : info.older()) {
    absl::StrAppend(
        &text, "; ",
        Code(absl::StrCat("--", older.name(),
                          older.has_short_flag() ? absl::StrCat(", -", older.short_flag()) : "")),
        " is an older spelling of ", Code(older.instead()));
  }
  return text;
}

void AppendKeys(const FieldDescriptor* field, const std::string& path, std::string& out) {
  const Descriptor* type = field->message_type();
  if (type == nullptr || StructureOf(type).tuple() || StructureOf(type).wrapper()) return;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* key = type->field(i);
    const std::string name = absl::StrCat(path, NameOf(key));
    const std::string refusal = RefusalOf(key);
    absl::StrAppend(&out, "| ", Code(name), " | ", Code(ValueNameOf(key)), " | ", HelpCell(key),
                    refusal.empty() ? "" : "; **", Cell(refusal), refusal.empty() ? "" : "**",
                    " |\n");
    AppendKeys(key, absl::StrCat(name, "."), out);
  }
}

struct Counts {
  int works = 0;
  int planned = 0;
  int unavailable = 0;
};

Counts Count(const std::vector<const FieldDescriptor*>& options) {
  Counts counts;
  for (const FieldDescriptor* option : options) {
    const int names = 1 + static_cast<int>(OptionOf(option).older().size());
    counts.works += OptionOf(option).has_works() ? names : 0;
    counts.planned += OptionOf(option).has_planned() ? names : 0;
    counts.unavailable += OptionOf(option).has_unavailable() ? names : 0;
  }
  return counts;
}

}  // namespace

std::string OptionsPage(OptionTypes types) {
  std::vector<const FieldDescriptor*> options;
  for (const Descriptor* type : types) {
    for (int i = 0; i < type->field_count(); ++i) options.push_back(type->field(i));
  }
  const Counts counts = Count(options);
  std::string out = absl::StrCat(
      "# Options of `touchstone run`\n\n", "Made from the schema (`vmm/config/config.proto`) by ",
      "`ci/bazel run //vmm/config:generate -- page > docs/options.md`.\n\n", "Of ",
      counts.works + counts.planned + counts.unavailable, " options ", counts.works, " work, ",
      counts.planned, " are not implemented yet and ", counts.unavailable,
      " cannot be on this platform; giving one of those is refused with that reason. The test ",
      "beside an option that works proves it. Defaults, keys and values are those of crosvm.\n");
  std::vector<absl::string_view> groups;
  for (const FieldDescriptor* option : options) {
    const absl::string_view group = OptionOf(option).group();
    if (std::find(groups.begin(), groups.end(), group) == groups.end()) groups.push_back(group);
  }
  for (const absl::string_view group : groups) {
    absl::StrAppend(&out, "\n## ", group, "\n\n| option | what it does | fate |\n|---|---|---|\n");
    std::string keys;
    for (const FieldDescriptor* option : options) {
      if (OptionOf(option).group() != group) continue;
      absl::StrAppend(&out, "| ", Usage(option), " | ", HelpCell(option), " | ", FateText(option),
                      " |\n");
      if (option->message_type() == nullptr) continue;
      absl::StrAppend(&keys, "\n### `--", NameOf(option), "`\n\n",
                      "| key | value | what it does |\n|---|---|---|\n");
      AppendKeys(option, "", keys);
    }
    absl::StrAppend(&out, keys);
  }
  return out;
}

}  // namespace touchstone

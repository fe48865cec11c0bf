#include "vmm/config/completion.h"

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "vmm/config/schema.h"

namespace touchstone {
namespace {

std::vector<const FieldDescriptor*> WorkingOptions(OptionTypes types) {
  std::vector<const FieldDescriptor*> options;
  for (const Descriptor* type : types) {
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* option = type->field(i);
      if (RefusalOf(option).empty() && !OptionOf(option).positional()) options.push_back(option);
    }
  }
  return options;
}

bool HasValue(const FieldDescriptor* option) {
  return option->cpp_type() != FieldDescriptor::CPPTYPE_BOOL ||
         OptionOf(option).grammar() == GRAMMAR_BOOL_VALUE;
}

bool IsFile(const FieldDescriptor* option) {
  const std::string name = ValueNameOf(option);
  return name == "PATH" || name == "FILE";
}

// The words that a value can begin with: values of an enum, keys of a struct.
std::vector<std::string> Words(const FieldDescriptor* option) {
  switch (option->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return {"true", "false"};
    case FieldDescriptor::CPPTYPE_ENUM:
      return ValueNames(option->enum_type());
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Descriptor* type = option->message_type();
      std::vector<std::string> words;
      for (int i = 0; i < type->field_count(); ++i) {
        const FieldDescriptor* key = type->field(i);
        if (!RefusalOf(key).empty()) continue;
        const bool alone =
            StructureOf(type).variant() || key->cpp_type() == FieldDescriptor::CPPTYPE_BOOL;
        words.push_back(absl::StrCat(NameOf(key), alone ? "" : "="));
      }
      return words;
    }
    default:
      return {};
  }
}

// "--block -b".
std::string Spellings(const FieldDescriptor* option, absl::string_view separator) {
  const FieldOption info = OptionOf(option);
  return absl::StrCat("--", NameOf(option), info.has_short_flag() ? separator : "",
                      info.has_short_flag() ? absl::StrCat("-", info.short_flag()) : "");
}

// The first sentence: up to a full stop before a capital.
absl::string_view Brief(const FieldDescriptor* option) {
  const absl::string_view help = OptionOf(option).help();
  for (size_t i = 0; i + 2 < help.size(); ++i) {
    if (help[i] == '.' && help[i + 1] == ' ' && absl::ascii_isupper(help[i + 2]))
      return help.substr(0, i);
  }
  return help;
}

// Within single quotes.
std::string ShellText(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"'", "'\\''"}});
}

std::string Names(const std::vector<CompletedCommand>& commands) {
  return absl::StrJoin(commands, " ", [](std::string* out, const CompletedCommand& command) {
    absl::StrAppend(out, command.name);
  });
}

}  // namespace

std::string BashCompletion(OptionTypes types, const std::vector<CompletedCommand>& commands) {
  std::string cases;
  std::string files;
  std::string names = "--help";
  for (const FieldDescriptor* option : WorkingOptions(types)) {
    absl::StrAppend(&names, " --", NameOf(option));
    if (!HasValue(option)) continue;
    if (IsFile(option)) {
      absl::StrAppend(&files, files.empty() ? "" : " | ", Spellings(option, " | "));
      continue;
    }
    absl::StrAppend(&cases, "    ", Spellings(option, " | "), ")\n      COMPREPLY=($(compgen -W '",
                    absl::StrJoin(Words(option), " "),
                    "' -- \"$current\"))\n      [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace "
                    "2> /dev/null\n      return 0\n      ;;\n");
  }
  return absl::StrCat(
      "# Completion of touchstone for bash: source this file.\n\n_touchstone() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
      "  COMPREPLY=()\n  case $previous in\n    ",
      files, ")\n      COMPREPLY=($(compgen -f -- \"$current\"))\n      return 0\n      ;;\n",
      cases, "  esac\n  if [[ $COMP_CWORD -eq 1 ]]; then\n    COMPREPLY=($(compgen -W '",
      Names(commands),
      "' -- \"$current\"))\n  elif [[ $current == -* ]]; then\n    COMPREPLY=($(compgen -W '",
      names,
      "' -- \"$current\"))\n  else\n    COMPREPLY=($(compgen -f -- \"$current\"))\n  fi\n}\n",
      "complete -F _touchstone touchstone\n");
}

std::string ZshCompletion(OptionTypes types, const std::vector<CompletedCommand>& commands) {
  std::string out =
      "#compdef touchstone\n# Completion of touchstone for zsh: a file _touchstone in the "
      "fpath.\n\n"
      "_touchstone() {\n  if (( CURRENT == 2 )); then\n    local -a commands=(\n";
  for (const CompletedCommand& command : commands) {
    absl::StrAppend(&out, "      '", command.name, ":", ShellText(command.help), "'\n");
  }
  absl::StrAppend(&out,
                  "    )\n    _describe command commands\n    return\n  fi\n  _arguments -s \\\n");
  for (const FieldDescriptor* option : WorkingOptions(types)) {
    const std::string brief =
        absl::StrReplaceAll(ShellText(Brief(option)), {{"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
    std::string value;
    if (HasValue(option)) {
      const std::string words = absl::StrJoin(Words(option), " ");
      value = absl::StrCat(":value:", IsFile(option)  ? "_files"
                                      : words.empty() ? ""
                                                      : absl::StrCat("(", words, ")"));
    }
    const char* again = option->is_repeated() ? "*" : "";
    absl::StrAppend(&out, "    '", again, "--", NameOf(option), "[", brief, "]", value, "' \\\n");
    if (!OptionOf(option).has_short_flag()) continue;
    absl::StrAppend(&out, "    '", again, "-", OptionOf(option).short_flag(), "[", brief, "]",
                    value, "' \\\n");
  }
  return absl::StrCat(out, "    '1:kernel:_files'\n}\n_touchstone \"$@\"\n");
}

std::string FishCompletion(OptionTypes types, const std::vector<CompletedCommand>& commands) {
  std::string out =
      "# Completion of touchstone for fish: a file touchstone.fish among the completions.\n\n";
  for (const CompletedCommand& command : commands) {
    absl::StrAppend(&out, "complete -c touchstone -n __fish_use_subcommand -f -a ", command.name,
                    " -d '", absl::StrReplaceAll(command.help, {{"'", "\\'"}}), "'\n");
  }
  for (const FieldDescriptor* option : WorkingOptions(types)) {
    absl::StrAppend(&out, "complete -c touchstone -n '__fish_seen_subcommand_from run' -l ",
                    NameOf(option));
    if (OptionOf(option).has_short_flag())
      absl::StrAppend(&out, " -s ", OptionOf(option).short_flag());
    if (HasValue(option)) {
      absl::StrAppend(&out, IsFile(option) ? " -r -F" : " -x");
      const std::vector<std::string> words = Words(option);
      if (!words.empty()) absl::StrAppend(&out, " -a '", absl::StrJoin(words, " "), "'");
    }
    absl::StrAppend(&out, " -d '",
                    absl::StrReplaceAll(Brief(option), {{"\\", "\\\\"}, {"'", "\\'"}}), "'\n");
  }
  return out;
}

}  // namespace touchstone

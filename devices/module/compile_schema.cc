// Compiles the schema in .proto files to constant tables (schema_tables.h); run by schema.bzl.
//
//   compile_schema CC HEADER HEADER_PATH {--set DESCRIPTOR_SET | --include HEADER | PROTO}...

#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "devices/module/options.pb.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"

namespace touchstone {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;

[[noreturn]] void Fail(const std::string& message) {
  std::cerr << "compile_schema: " << message << "\n";
  exit(1);
}

// The name of its C++ class: Outer_Inner.
template <typename Type>
std::string ClassOf(const Type* type) {
  std::string name = type->full_name();
  const std::string package = "touchstone.";
  if (name.rfind(package, 0) != 0) Fail(name + " is not in package touchstone");
  name.erase(0, package.size());
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
}

template <typename Type>
std::string TableOf(const Type* type) {
  return "k" + ClassOf(type) + "Schema";
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20) Fail("a control character in: " + text);
    quoted += c;
  }
  return quoted + "\"";
}

std::string Negative(int64_t number) {
  return number == INT64_MIN ? "INT64_MIN" : std::to_string(number);
}

// Every text once, and lists of them.
class Texts {
 public:
  std::string Add(const std::string& text) {
    const auto [place, added] = offsets_.try_emplace(text, size_);
    if (added) {
      lines_.push_back(text);
      size_ += text.size();
    }
    // An empty text may stand anywhere but at 0, which is no text.
    if (text.size() >= 1 << 12 || size_ >= 1 << 20) Fail("too much text for SchemaText");
    return "{" + std::to_string(place->second) + ", " + std::to_string(text.size()) + "}";
  }

  template <typename List>
  std::string AddList(const List& texts) {
    const size_t first = lists_.size();
    for (const std::string& text : texts) lists_.push_back(Add(text));
    return "{" + std::to_string(first) + ", " + std::to_string(texts.size()) + "}";
  }

  [[nodiscard]] const std::vector<std::string>& lists() const { return lists_; }

  void Print(std::ostream& out) const {
    out << "constexpr char kText[] =\n    \" \"";
    for (const std::string& line : lines_) out << "\n    " << Quoted(line);
    out << ";\n";
  }

 private:
  std::map<std::string, size_t> offsets_;
  std::vector<std::string> lines_;
  std::vector<std::string> lists_;
  size_t size_ = 1;
};

class Compiler {
 public:
  void Compile(const FileDescriptor* file) {
    if (file == nullptr) Fail("a file is missing from the descriptor sets");
    for (int i = 0; i < file->enum_type_count(); ++i) AddEnum(file->enum_type(i));
    for (int i = 0; i < file->message_type_count(); ++i) AddMessage(file->message_type(i));
  }

  void PrintHeader(std::ostream& out, const std::string& path,
                   const std::vector<std::string>& includes) const {
    std::string guard = "TOUCHSTONE_";
    for (const char c : path) guard += isalnum(c) != 0 ? static_cast<char>(toupper(c)) : '_';
    out << "// Made by compile_schema.\n\n#ifndef " << guard << "_\n#define " << guard << "_\n\n"
        << "#include \"devices/module/descriptor.h\"\n";
    for (const std::string& include : includes) out << "#include \"" << include << "\"\n";
    out << "\nnamespace touchstone {\n\n" << declarations_.str();
    out << "\n}  // namespace touchstone\n\n#endif\n";
  }

  void PrintTables(std::ostream& out, const std::string& header) const {
    out << "// Made by compile_schema.\n\n#include \"" << header << "\"\n\n"
        << "namespace touchstone {\nnamespace {\n\n";
    texts_.Print(out);
    out << "constexpr SchemaText kLists[] = {{}";
    for (const std::string& text : texts_.lists()) out << ", " << text;
    out << "};\nconstexpr OlderEntry kOlder[] = {{}";
    for (const std::string& older : older_) out << ",\n    " << older;
    out << "};\nconstexpr SchemaFile kFile = {kText, kLists + 1, kOlder + 1};\n\n"
        << tables_.str() << "\n}  // namespace\n\n"
        << definitions_.str() << "\n}  // namespace touchstone\n";
  }

 private:
  // The members that FieldOptionProto and EnumValueOptionProto share.
  template <typename Option>
  void PrintFate(const Option& info) {
    if (info.has_help()) tables_ << ", .help = " << texts_.Add(info.help());
    if (info.has_planned()) tables_ << ", .planned = " << texts_.Add(info.planned());
    if (info.has_unavailable()) tables_ << ", .unavailable = " << texts_.Add(info.unavailable());
    if (info.alias_size() > 0) tables_ << ", .aliases = " << texts_.AddList(info.alias());
  }

  void AddEnum(const EnumDescriptor* type) {
    const std::string name = TableOf(type);
    declarations_ << "enum " << ClassOf(type) << " : int;\nextern const EnumDescriptor " << name
                  << ";\ntemplate <>\ninline const EnumDescriptor* EnumSchemaOf<" << ClassOf(type)
                  << ">() {\n  return &" << name << ";\n}\n";
    tables_ << "constexpr EnumValueDescriptor " << name << "Values[] = {\n";
    for (int i = 0; i < type->value_count(); ++i) {
      const EnumValueDescriptor* entry = type->value(i);
      const EnumValueOptionProto& info = entry->options().GetExtension(value);
      tables_ << "    EnumValueDescriptor({.type = &" << name << ", .number = " << entry->number()
              << ", .name = " << texts_.Add(entry->name());
      if (info.has_name()) tables_ << ", .spelling = " << texts_.Add(info.name());
      PrintFate(info);
      tables_ << "}),\n";
    }
    tables_ << "};\n";
    definitions_ << "constinit const EnumDescriptor " << name
                 << "({.file = &kFile, .values = " << name
                 << "Values, .value_count = " << type->value_count()
                 << ", .full_name = " << texts_.Add(type->full_name()) << "});\n";
  }

  void AddMessage(const Descriptor* type) {
    for (int i = 0; i < type->enum_type_count(); ++i) AddEnum(type->enum_type(i));
    for (int i = 0; i < type->nested_type_count(); ++i) AddMessage(type->nested_type(i));
    const std::string name = TableOf(type);
    declarations_ << "class " << ClassOf(type) << ";\nextern const Descriptor " << name
                  << ";\ntemplate <>\ninline const Descriptor* SchemaOf<" << ClassOf(type)
                  << ">() {\n  return &" << name << ";\n}\n";
    if (type->field_count() > 0) {
      tables_ << "constexpr FieldDescriptor " << name << "Fields[] = {\n";
      for (int i = 0; i < type->field_count(); ++i) AddField(type->field(i));
      tables_ << "};\n";
    }
    const MessageOptionProto& info = type->options().GetExtension(structure);
    definitions_ << "constinit const Descriptor " << name << "({.file = &kFile, .fields = "
                 << (type->field_count() > 0 ? name + "Fields" : "nullptr")
                 << ", .field_count = " << type->field_count()
                 << ", .full_name = " << texts_.Add(type->full_name());
    if (info.tuple()) definitions_ << ", .tuple = true";
    if (info.variant()) definitions_ << ", .variant = true";
    if (info.no_positional()) definitions_ << ", .no_positional = true";
    if (info.wrapper()) definitions_ << ", .wrapper = true";
    definitions_ << "});\n";
  }

  static std::string DefaultNumber(const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return field->default_value_bool() ? "1" : "0";
      case FieldDescriptor::CPPTYPE_INT32:
        return "static_cast<uint64_t>(" + Negative(field->default_value_int32()) + ")";
      case FieldDescriptor::CPPTYPE_INT64:
        return "static_cast<uint64_t>(" + Negative(field->default_value_int64()) + ")";
      case FieldDescriptor::CPPTYPE_UINT32:
        return std::to_string(field->default_value_uint32());
      case FieldDescriptor::CPPTYPE_UINT64:
        return std::to_string(field->default_value_uint64()) + "u";
      case FieldDescriptor::CPPTYPE_ENUM:
        return "static_cast<uint64_t>(" + std::to_string(field->default_value_enum()->number()) +
               ")";
      default:
        return "0";
    }
  }

  static std::string CppType(const FieldDescriptor* field) {
    switch (field->type()) {
      case FieldDescriptor::TYPE_BOOL:
        return "CPPTYPE_BOOL";
      case FieldDescriptor::TYPE_INT32:
        return "CPPTYPE_INT32";
      case FieldDescriptor::TYPE_INT64:
        return "CPPTYPE_INT64";
      case FieldDescriptor::TYPE_UINT32:
        return "CPPTYPE_UINT32";
      case FieldDescriptor::TYPE_UINT64:
        return "CPPTYPE_UINT64";
      case FieldDescriptor::TYPE_ENUM:
        return "CPPTYPE_ENUM";
      case FieldDescriptor::TYPE_STRING:
        return "CPPTYPE_STRING";
      case FieldDescriptor::TYPE_MESSAGE:
        return "CPPTYPE_MESSAGE";
      default:
        Fail(field->full_name() + " has a type without a text form");
    }
  }

  void AddField(const FieldDescriptor* field) {
    const FieldOptionProto& info = field->options().GetExtension(option);
    tables_ << "    FieldDescriptor({.containing_type = &" << TableOf(field->containing_type());
    if (field->message_type() != nullptr) {
      tables_ << ", .message_type = &" << TableOf(field->message_type());
    }
    if (field->enum_type() != nullptr) tables_ << ", .enum_type = &" << TableOf(field->enum_type());
    tables_ << ", .default_number = " << DefaultNumber(field);
    if (info.has_min()) tables_ << ", .min = " << Negative(info.min());
    if (info.has_max()) tables_ << ", .max = " << info.max() << "u";
    tables_ << ", .number = " << field->number() << ", .name = " << texts_.Add(field->name())
            << ", .json_name = " << texts_.Add(field->json_name());
    if (field->has_default_value() && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      tables_ << ", .default_string = " << texts_.Add(field->default_value_string());
    }
    PrintText("group", info.has_group(), info.group());
    PrintText("short_flag", info.has_short_flag(), info.short_flag());
    PrintText("value_name", info.has_value_name(), info.value_name());
    PrintText("default_text", info.has_default_text(), info.default_text());
    PrintText("unit", info.has_unit(), info.unit());
    PrintText("works", info.has_works(), info.works());
    PrintFate(info);
    if (info.older_size() > 0) {
      tables_ << ", .older = {" << older_.size() << ", " << info.older_size() << "}";
      for (const OlderOptionProto& older : info.older()) AddOlder(older);
    }
    tables_ << ", .cpp_type = FieldDescriptor::" << CppType(field);
    if (info.has_grammar()) {
      tables_ << ", .grammar = " << FieldOptionProto::Grammar_Name(info.grammar());
    }
    if (field->is_repeated()) tables_ << ", .repeated = true";
    if (field->has_default_value()) tables_ << ", .has_default = true";
    if (info.has_min()) tables_ << ", .has_min = true";
    if (info.has_max()) tables_ << ", .has_max = true";
    if (info.positional()) tables_ << ", .positional = true";
    if (info.required()) tables_ << ", .required = true";
    tables_ << "}),\n";
  }

  void PrintText(const char* member, bool present, const std::string& text) {
    if (present) tables_ << ", ." << member << " = " << texts_.Add(text);
  }

  void AddOlder(const OlderOptionProto& older) {
    std::string entry = "{.name = " + texts_.Add(older.name());
    if (older.has_short_flag()) entry += ", .short_flag = " + texts_.Add(older.short_flag());
    entry += ", .sets = " + texts_.AddList(older.sets());
    older_.push_back(entry + ", .instead = " + texts_.Add(older.instead()) + "}");
  }

  Texts texts_;
  std::vector<std::string> older_;
  std::ostringstream declarations_;
  std::ostringstream tables_;
  std::ostringstream definitions_;
};

// All files of the sets, built on demand in the order of their imports.
class Files {
 public:
  void Load(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    FileDescriptorSet set;
    if (!set.ParseFromIstream(&in)) Fail("cannot read " + path);
    for (const FileDescriptorProto& file : set.file()) protos_[file.name()] = file;
  }

  const FileDescriptor* Build(const std::string& name) {
    if (const FileDescriptor* built = pool_.FindFileByName(name)) return built;
    const auto found = protos_.find(name);
    if (found == protos_.end()) Fail("no descriptor of " + name);
    for (const std::string& import : found->second.dependency()) Build(import);
    return pool_.BuildFile(found->second);
  }

 private:
  std::map<std::string, FileDescriptorProto> protos_;
  DescriptorPool pool_;
};

void Run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) Fail("too few arguments");
  Files files;
  std::vector<std::string> includes;
  std::vector<std::string> protos;
  for (size_t i = 3; i < arguments.size(); ++i) {
    if (arguments[i] == "--set" && i + 1 < arguments.size()) {
      files.Load(arguments[++i]);
    } else if (arguments[i] == "--include" && i + 1 < arguments.size()) {
      includes.push_back(arguments[++i]);
    } else {
      protos.push_back(arguments[i]);
    }
  }
  Compiler compiler;
  for (const std::string& proto : protos) compiler.Compile(files.Build(proto));
  std::ofstream cc(arguments[0]);
  compiler.PrintTables(cc, arguments[2]);
  std::ofstream header(arguments[1]);
  compiler.PrintHeader(header, arguments[2], includes);
  cc.close();
  header.close();
  if (!cc || !header) Fail("cannot write");
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) { touchstone::Run({argv + 1, argv + argc}); }

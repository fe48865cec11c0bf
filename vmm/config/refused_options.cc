#include "vmm/config/refused_options.h"

#include <map>
#include <string>

#include "base/log.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/refused_descriptors.h"
#include "vmm/config/schema_check.h"

namespace touchstone {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DynamicMessageFactory;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::Message;

// The descriptors of the files that are not compiled in, on top of those that are.
class Schema {
 public:
  Schema() : pool_(RunConfig::descriptor()->file()->pool()), factory_(&pool_) {
    FileDescriptorSet set;
    CHECK(set.ParseFromArray(kRefusedDescriptors, static_cast<int>(kRefusedDescriptorsSize)));
    for (const FileDescriptorProto& file : set.file()) files_[file.name()] = &file;
    for (const FileDescriptorProto& file : set.file()) Build(file);
    type_ = pool_.FindMessageTypeByName("touchstone.RefusedConfig");
    CHECK(type_ != nullptr);
    prototype_ = factory_.GetPrototype(type_);
    files_.clear();
  }

  [[nodiscard]] const Descriptor* type() const { return type_; }
  [[nodiscard]] const Message* prototype() const { return prototype_; }

 private:
  // Files after those that they import.
  void Build(const FileDescriptorProto& file) {
    if (pool_.FindFileByName(file.name()) != nullptr) return;
    for (const std::string& import : file.dependency()) {
      const auto found = files_.find(import);
      if (found != files_.end()) Build(*found->second);
    }
    CHECK(pool_.BuildFile(file) != nullptr);
  }

  DescriptorPool pool_;
  DynamicMessageFactory factory_;
  std::map<std::string, const FileDescriptorProto*> files_;
  const Descriptor* type_ = nullptr;
  const Message* prototype_ = nullptr;
};

const Schema& GetSchema() {
  static const Schema* const schema = new Schema;
  return *schema;
}

}  // namespace

const Descriptor* RefusedOptions::type() { return GetSchema().type(); }

Message& RefusedOptions::message() {
  if (message_ == nullptr) message_.reset(GetSchema().prototype()->New());
  return *message_;
}

void RefusedOptions::AppendErrors(std::vector<std::string>& errors) const {
  if (message_ != nullptr) CheckSchema(*message_, errors);
}

}  // namespace touchstone

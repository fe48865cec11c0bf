#include "vmm/config/prototypes.h"

#include "absl/strings/string_view.h"
#include "vmm/config/config.pb.h"

namespace touchstone {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const Message* PrototypeOf(const Descriptor* type) {
  // By name: asking the prototypes for their descriptors would build all of them.
  static const struct {
    absl::string_view name;
    const Message& prototype;
  } kPrototypes[] = {
      {"touchstone.BlockConfig", BlockConfig::default_instance()},
      {"touchstone.CpuConfig", CpuConfig::default_instance()},
      {"touchstone.FileBackedMappingConfig", FileBackedMappingConfig::default_instance()},
      {"touchstone.FwCfgConfig", FwCfgConfig::default_instance()},
      {"touchstone.HypervisorConfig", HypervisorConfig::default_instance()},
      {"touchstone.MemoryConfig", MemoryConfig::default_instance()},
      {"touchstone.NetConfig", NetConfig::default_instance()},
      {"touchstone.PstoreConfig", PstoreConfig::default_instance()},
      {"touchstone.SerialConfig", SerialConfig::default_instance()},
      {"touchstone.SmbiosConfig", SmbiosConfig::default_instance()},
      {"touchstone.StubPciDeviceConfig", StubPciDeviceConfig::default_instance()},
      {"touchstone.VsockConfig", VsockConfig::default_instance()},
  };
  for (const auto& each : kPrototypes) {
    if (each.name == type->full_name()) return &each.prototype;
  }
  return nullptr;
}

Message* MutableValue(Message& config, const FieldDescriptor* option) {
  const Reflection* reflection = config.GetReflection();
  // A descriptor of another pool has messages of its own.
  const bool is_run = config.GetDescriptor() == RunConfig::descriptor();
  const Message* prototype = is_run ? PrototypeOf(option->message_type()) : nullptr;
  if (prototype == nullptr) {
    return option->is_repeated() ? reflection->AddMessage(&config, option)
                                 : reflection->MutableMessage(&config, option);
  }
  Message* value = prototype->New();
  if (option->is_repeated()) {
    reflection->AddAllocatedMessage(&config, option, value);
  } else {
    reflection->SetAllocatedMessage(&config, value, option);
  }
  return value;
}

}  // namespace touchstone

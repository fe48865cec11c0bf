#include "vmm/config/prototypes.h"

#include <string>

#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/refused_options.h"

namespace touchstone {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;

TEST(Prototypes, AreThereForEveryOption) {
  const Descriptor* run = RunConfig::descriptor();
  for (int i = 0; i < run->field_count(); ++i) {
    const Descriptor* type = run->field(i)->message_type();
    if (type == nullptr) continue;
    SCOPED_TRACE(type->full_name());

    const Message* prototype = PrototypeOf(type);

    ASSERT_NE(prototype, nullptr);
    EXPECT_EQ(prototype->GetDescriptor(), type);
  }
}

TEST(Prototypes, MakeTheValuesOfOptions) {
  RunConfig config;
  const Descriptor* run = RunConfig::descriptor();

  MutableValue(config, run->FindFieldByName("mem"));
  MutableValue(config, run->FindFieldByName("serial"));
  MutableValue(config, run->FindFieldByName("serial"));

  EXPECT_TRUE(config.has_mem());
  EXPECT_EQ(config.serial_size(), 2);
  config.mutable_serial(1)->set_num(4);
  EXPECT_EQ(config.ShortDebugString(), "mem { } serial { } serial { num: 4 }");
}

TEST(Prototypes, LeaveOtherMessagesToTheFactory) {
  RefusedOptions refused;
  const FieldDescriptor* vfio = RefusedOptions::type()->FindFieldByName("vfio");
  ASSERT_NE(vfio, nullptr);

  const Message* value = MutableValue(refused.message(), vfio);

  EXPECT_EQ(value->GetDescriptor(), vfio->message_type());
  EXPECT_EQ(PrototypeOf(vfio->message_type()), nullptr);
}

}  // namespace
}  // namespace touchstone

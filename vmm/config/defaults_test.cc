#include "vmm/config/defaults.h"

#include "devices/module/text_proto.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"
#include "vmm/config/host_limits.h"

namespace touchstone {
namespace {

using ::testing::Values;

struct Case {
  const char* before;
  const char* after;
};

class SerialDefaults : public testing::TestWithParam<Case> {};

TEST_P(SerialDefaults, AreComputedAndStable) {
  RunConfig config;
  RunConfig expected;
  ASSERT_TRUE(ReadTextProto(GetParam().before, config).ok());
  ASSERT_TRUE(ReadTextProto(GetParam().after, expected).ok());

  ApplyDefaults(config);
  EXPECT_EQ(WriteTextProto(config), WriteTextProto(expected));
  ApplyDefaults(config);
  EXPECT_EQ(WriteTextProto(config), WriteTextProto(expected));
}

// crosvm.md 1.4.
INSTANTIATE_TEST_SUITE_P(
    Consoles, SerialDefaults,
    Values(Case{"",
                "serial { type: STDOUT hardware: SERIAL num: 1 console: true stdin: true }"
                "serial { type: SINK hardware: SERIAL num: 2 }"
                "serial { type: SINK hardware: SERIAL num: 3 }"
                "serial { type: SINK hardware: SERIAL num: 4 }"},
           Case{"serial { num: 2 stdin: true }",
                "serial { num: 2 stdin: true }"
                "serial { type: STDOUT hardware: SERIAL num: 1 console: true stdin: false }"
                "serial { type: SINK hardware: SERIAL num: 3 }"
                "serial { type: SINK hardware: SERIAL num: 4 }"},
           Case{"serial { num: 3 console: true }",
                "serial { num: 3 console: true }"
                "serial { type: SINK hardware: SERIAL num: 1 }"
                "serial { type: SINK hardware: SERIAL num: 2 }"
                "serial { type: SINK hardware: SERIAL num: 4 }"},
           Case{"serial {}",
                "serial {}"
                "serial { type: SINK hardware: SERIAL num: 2 }"
                "serial { type: SINK hardware: SERIAL num: 3 }"
                "serial { type: SINK hardware: SERIAL num: 4 }"},
           Case{"serial { hardware: DEBUGCON }",
                "serial { hardware: DEBUGCON }"
                "serial { type: STDOUT hardware: SERIAL num: 1 console: true stdin: true }"
                "serial { type: SINK hardware: SERIAL num: 2 }"
                "serial { type: SINK hardware: SERIAL num: 3 }"
                "serial { type: SINK hardware: SERIAL num: 4 }"}));

TEST(LegacyVsock, BecomesTheNewOption) {
  RunConfig by_device;
  RunConfig by_descriptor;
  ASSERT_TRUE(ReadTextProto("cid: 3 vhost_vsock_device: '/d'", by_device).ok());
  ASSERT_TRUE(ReadTextProto("cid: 4 vhost_vsock_fd: 5", by_descriptor).ok());

  ApplyDefaults(by_device);
  ApplyDefaults(by_descriptor);

  EXPECT_EQ(WriteTextProto(by_device.vsock()), "cid: 3 device: \"/d\"");
  EXPECT_EQ(WriteTextProto(by_descriptor.vsock()), "cid: 4 device: \"/proc/self/fd/5\"");
  EXPECT_FALSE(by_device.has_cid() || by_device.has_vhost_vsock_device());
}

TEST(SplitIrqchip, IsAnAlias) {
  RunConfig config;
  config.set_split_irqchip(true);

  ApplyDefaults(config);

  EXPECT_EQ(config.irqchip(), IRQCHIP_SPLIT);
  EXPECT_FALSE(config.has_split_irqchip());
}

TEST(PlainDefaults, AreThoseOfTheSchema) {
  const RunConfig config;

  EXPECT_EQ(config.mem().size(), 256u);
  EXPECT_EQ(config.cpus().num_cores(), 1u);
  EXPECT_EQ(config.kvm_device(), "/dev/kvm");
  EXPECT_EQ(config.log_level(), "info");
}

TEST(Defaults, HostTopologyHasAsManyVcpusAsTheHost) {
  RunConfig config;
  config.set_host_cpu_topology(true);

  ApplyDefaults(config);

  EXPECT_EQ(config.cpus().num_cores(), OnlineCpus());
}

TEST(Defaults, GivenNumberOfVcpusStays) {
  RunConfig config;
  config.set_host_cpu_topology(true);
  config.mutable_cpus()->set_num_cores(77);

  ApplyDefaults(config);

  EXPECT_EQ(config.cpus().num_cores(), 77u);
}

}  // namespace
}  // namespace touchstone

#include "vmm/config/kernel_command_line.h"

#include "devices/module/text_proto.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::Values;

struct Case {
  const char* config;
  const char* line;
};

class KernelLine : public testing::TestWithParam<Case> {};

TEST_P(KernelLine, IsAssembledInOrder) {
  RunConfig config;
  ASSERT_TRUE(ReadTextProto(GetParam().config, config).ok());

  EXPECT_EQ(KernelCommandLine(config).value(), GetParam().line);
}

// crosvm.md 7.5.
INSTANTIATE_TEST_SUITE_P(
    Cases, KernelLine,
    Values(Case{"", "panic=-1"}, Case{"serial { console: true }", "panic=-1 console=ttyS0"},
           Case{"params: ['quiet', 'init=/bin/sh -c'] serial { num: 2 console: true } serial { "
                "console: true }",
                "panic=-1 console=ttyS1 console=ttyS0 quiet init=/bin/sh -c"},
           Case{"serial { earlycon: true }", "panic=-1 earlycon=uart8250,io,0x3f8"},
           Case{"serial { num: 2 earlycon: true console: true }",
                "panic=-1 console=ttyS1 earlycon=uart8250,io,0x2f8"},
           Case{"serial { num: 3 earlycon: true }", "panic=-1 earlycon=uart8250,io,0x3e8"},
           Case{"serial { num: 4 earlycon: true }", "panic=-1 earlycon=uart8250,io,0x2e8"},
           Case{"serial { hardware: VIRTIO_CONSOLE } "
                "serial { hardware: VIRTIO_CONSOLE num: 2 console: true }",
                "panic=-1 console=hvc1"},
           // Channels have no number, legacy consoles come last.
           Case{"serial { hardware: LEGACY_VIRTIO_CONSOLE console: true } "
                "serial { hardware: VIRTIO_CONSOLE name: 'agent' } "
                "serial { hardware: VIRTIO_CONSOLE num: 7 name: 'login' console: true }",
                "panic=-1 console=hvc1 console=hvc0"},
           Case{"params: 'quiet' swiotlb: 8", "panic=-1 quiet swiotlb=4096,force"},
           Case{"serial { hardware: DEBUGCON console: true }", "panic=-1"},
           Case{"params: 'quiet' block {} block { path: 'b' root: true ro: true }",
                "panic=-1 quiet root=/dev/vdb ro"},
           // Numbers that validation refuses must not be looked up.
           Case{"serial { num: 0 console: true earlycon: true }", "panic=-1"},
           Case{"serial { num: 5 earlycon: true }", "panic=-1"}));

TEST(KernelLine, AcceptsExactly2047Bytes) {
  RunConfig config;
  config.add_params(std::string(2047 - std::string("panic=-1 ").size(), 'x'));

  EXPECT_EQ(KernelCommandLine(config).value().size(), 2047u);
  config.mutable_params(0)->push_back('x');
  EXPECT_EQ(KernelCommandLine(config).status().message(),
            "--params: the kernel command line has 2048 bytes, at most 2047 are accepted");
}

TEST(KernelLine, RefusesBytesOutsidePrintableAscii) {
  RunConfig config;
  config.add_params("caf\xc3\xa9");

  EXPECT_EQ(KernelCommandLine(config).status().message(),
            "--params: 'caf\xc3\xa9' has bytes that are not printable ASCII");
}

TEST(KernelCommandLineTest, PstoreComesLast) {
  RunConfig config;
  config.add_params("quiet");
  config.mutable_pstore()->set_size(0x100000);

  EXPECT_EQ(KernelCommandLine(config, uint64_t{1} << 32).value(),
            "panic=-1 quiet ramoops.mem_address=0x100000000 ramoops.mem_size=0x100000");
}

TEST(KernelCommandLineTest, PstoreThatIsAnywhereCountsWithItsLongestAddress) {
  RunConfig config;
  config.mutable_pstore()->set_size(4096);

  EXPECT_EQ(KernelCommandLine(config).value(),
            "panic=-1 ramoops.mem_address=0xffffffffff000 ramoops.mem_size=0x1000");
}

}  // namespace
}  // namespace touchstone

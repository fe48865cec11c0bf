#include "vmm/config/conflict_checks.h"

#include <string>
#include <vector>

#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Conflicts(const std::string& text_proto) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text_proto, config).ok()) << text_proto;
  std::vector<std::string> errors;
  CheckConflicts(config, errors);
  return errors;
}

TEST(CheckConflicts, FindsAPciAddressTakenTwice) {
  EXPECT_THAT(Conflicts("net { pci_address: '00:05.0' } net { pci_address: '0000:00:05.0' } "
                        "stub_pci_device { address: '00:05.0' } net { pci_address: '00:06.0' }"),
              ElementsAre("--net: pci-address=0000:00:05.0 is taken by --net: pci-address= already",
                          "--stub-pci-device: address=00:05.0 is taken by --net: pci-address= "
                          "already"));
  EXPECT_THAT(
      Conflicts("stub_pci_device { address: '00:05.0' } stub_pci_device { address: '0:5.0' }"),
      ElementsAre("--stub-pci-device: address=0:5.0 is given twice"));
  EXPECT_THAT(Conflicts("net { pci_address: '00:05.0' } net { pci_address: '00:05.1' } net {} "
                        "net {} net { pci_address: 'x' } net { pci_address: 'x' }"),
              IsEmpty());
}

TEST(CheckConflicts, FindsPciAddressesOfDisksAndConsoles) {
  EXPECT_THAT(
      Conflicts("block { pci_address: '00:05.0' } block { pci_address: '00:05.0' } block {} "
                "serial { hardware: LEGACY_VIRTIO_CONSOLE pci_address: '0:5.0' }"),
      ElementsAre("--block: pci-address=00:05.0 is taken by --serial: pci-address= already",
                  "--block: pci-address=00:05.0 is taken by --serial: pci-address= "
                  "already"));
  // The ports of the one virtio console.
  EXPECT_THAT(Conflicts("serial { hardware: VIRTIO_CONSOLE pci_address: '00:05.0' } "
                        "serial { hardware: VIRTIO_CONSOLE pci_address: '00:05.0' } "
                        "serial { hardware: VIRTIO_CONSOLE }"),
              IsEmpty());
  EXPECT_THAT(Conflicts("serial { hardware: VIRTIO_CONSOLE pci_address: '00:05.0' } "
                        "serial { hardware: VIRTIO_CONSOLE pci_address: '00:06.0' }"),
              ElementsAre("--serial: pci-address=00:06.0: the ports of the virtio console have one "
                          "address, 00:05.0 is given too"));
}

TEST(CheckConflicts, FindsMappingsThatOverlap) {
  EXPECT_THAT(
      Conflicts("file_backed_mapping { path: 'b' addr: 0x2000 size: 0x1000 } "
                "file_backed_mapping { path: 'a' addr: 0x1000 size: 0x1001 } "
                "file_backed_mapping { path: 'c' addr: 0x2fff size: 1 align: true }"),
      ElementsAre("--file-backed-mapping: path=b overlaps --file-backed-mapping: path=a at 0x2000",
                  "--file-backed-mapping: path=c overlaps --file-backed-mapping: path=b at "
                  "0x2000"));
  EXPECT_THAT(Conflicts("file_backed_mapping { path: 'a' addr: 0x1000 size: 0x1000 } "
                        "file_backed_mapping { path: 'b' addr: 0x2000 size: 0x1000 } "
                        "file_backed_mapping { path: 'c' addr: 0xffffffffffffffff size: 2 }"),
              IsEmpty());
}

TEST(CheckConflicts, FindsReservedRangesThatOverlap) {
  EXPECT_THAT(Conflicts("mmio_address_range: '0x1000-0x1fff,0x3000-0x3fff,0x1fff-0x2000'"),
              ElementsAre("--mmio-address-range: 0x1fff-0x2000 overlaps --mmio-address-range: "
                          "0x1000-0x1fff at 0x1fff"));
  EXPECT_THAT(Conflicts("mmio_address_range: '0x1000-0x1fff,0x2000-0x2fff'"), IsEmpty());
  EXPECT_THAT(Conflicts("mmio_address_range: 'x'"), IsEmpty());
}

TEST(CheckConflicts, FindsTwoPlacesForTheInterruptControllers) {
  EXPECT_THAT(Conflicts("split_irqchip: true irqchip: IRQCHIP_SPLIT"),
              ElementsAre("--split-irqchip and --irqchip exclude each other"));
  EXPECT_THAT(Conflicts("split_irqchip: true"), IsEmpty());
  EXPECT_THAT(Conflicts("irqchip: IRQCHIP_SPLIT"), IsEmpty());
}

TEST(CheckConflicts, FindsVirtualCpusThatAreNotThere) {
  EXPECT_THAT(Conflicts("cpus { num_cores: 2 } rt_cpus: [1, 2] cpu_affinity: '0=0:5=1-2'"),
              ElementsAre("--rt-cpus: there is no virtual CPU 2, --cpus makes 2",
                          "--cpu-affinity: there is no virtual CPU 5, --cpus makes 2"));
  EXPECT_THAT(Conflicts("cpus { num_cores: 2 } rt_cpus: [0, 1] cpu_affinity: '7,9'"), IsEmpty());
  EXPECT_THAT(Conflicts("rt_cpus: 0 cpu_affinity: '0=3'"), IsEmpty());
}

}  // namespace
}  // namespace touchstone

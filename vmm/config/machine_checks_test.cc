#include "vmm/config/machine_checks.h"

#include "absl/strings/str_cat.h"
#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Values;

std::vector<std::string> Check(const RunConfig& config) {
  std::vector<std::string> errors;
  CheckMachineOptions(config, {.cpus = 2, .hwp = true, .performance = true, .hybrid = true},
                      errors);
  return errors;
}

RunConfig Config(const std::string& text) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text, config).ok()) << text;
  return config;
}

class Good : public testing::TestWithParam<const char*> {};

TEST_P(Good, IsAccepted) { EXPECT_THAT(Check(Config(GetParam())), IsEmpty()); }

INSTANTIATE_TEST_SUITE_P(
    Options, Good,
    Values("", "smbios {}",
           "smbios { uuid: '00112233-4455-6677-8899-aabbccddeeff' oem_strings: 'a' }",
           "smbios { manufacturer: '' } oem_strings: 'a'", "fw_cfg { name: 'a' string: '' }",
           "pstore { path: 'p' size: 4096 }", "cpu_affinity: '0-3'", "cpu_affinity: '0=1:1=0'",
           "file_backed_mapping { path: 'p' addr: 0x100000000 size: 4096 offset: 8192 }",
           "file_backed_mapping { path: 'p' addr: 5 size: 7 align: true }",
           "pcie_ecam: '0x80000000,0x10000000'", "mmio_address_range: '1-2,3-4'",
           "stub_pci_device { address: '00:05.0' } stub_pci_device { address: '00:05.1' }",
           "hypervisor { kvm {} }", "kvm_device: '/dev/kvm'", "host_cpu_topology: true",
           "host_cpu_topology: true enable_hwp: true",
           "host_cpu_topology: true enable_hwp: true itmt: true",
           "host_cpu_topology: true cpus { num_cores: 2 }",
           "cpus { num_cores: 3 core_types { atom: 2 core: [ 0, 1 ] } }",
           "cpus { num_cores: 4 clusters { cpu: [ 0, 1 ] } clusters { cpu: [ 2, 3 ] } }",
           "cpus { num_cores: 4 } cpu_cluster: '0-1' cpu_cluster: '3'",
           "cpus { num_cores: 2 boot_cpu: 9 }"));

struct Mistake {
  const char* config;
  const char* error;
};

class Bad : public testing::TestWithParam<Mistake> {};

TEST_P(Bad, HasItsOneLine) {
  EXPECT_THAT(Check(Config(GetParam().config)), ElementsAre(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Tables, Bad,
    Values(Mistake{"smbios { uuid: '7' }",
                   "--smbios: uuid=: '7' is no UUID such as 00112233-4455-6677-8899-aabbccddeeff"},
           Mistake{"smbios { oem_strings: '' }",
                   "--smbios: oem-strings=: an empty string cannot be an OEM string"},
           Mistake{"oem_strings: ''", "--oem-strings: an empty string cannot be an OEM string"},
           Mistake{"fw_cfg { name: 'a' }",
                   "--fw-cfg: name=a: one of path= and string= is needed, none is given"},
           Mistake{"pstore { path: 'p' size: 0 }",
                   "--pstore: size=0 is not a multiple of 4096 bytes"},
           Mistake{"pstore { path: 'p' size: 5000 }",
                   "--pstore: size=5000 is not a multiple of 4096 bytes"}));

INSTANTIATE_TEST_SUITE_P(
    ProcessorsAndMemory, Bad,
    Values(Mistake{"cpu_affinity: '3-1'",
                   "--cpu-affinity: '3-1' is no set of CPUs such as 0,2-3, each from 0 to 1023"},
           Mistake{"file_backed_mapping { path: 'p' addr: 5 size: 4096 }",
                   "--file-backed-mapping: path=p: addr=5 is not a multiple of 4096; align rounds "
                   "it"},
           Mistake{"file_backed_mapping { path: 'p' addr: 4096 size: 5 }",
                   "--file-backed-mapping: path=p: size=5 is not a multiple of 4096; align rounds "
                   "it"},
           Mistake{"enable_hwp: true",
                   "--enable-hwp: needs --host-cpu-topology, which keeps each virtual CPU on its "
                   "own host CPU"},
           Mistake{"host_cpu_topology: true itmt: true",
                   "--itmt: needs --enable-hwp, for it is the guest that gives its fastest CPUs "
                   "their work"},
           Mistake{"cpu_affinity: '0=0:1=1' enable_hwp: true itmt: true",
                   "--enable-hwp: needs --host-cpu-topology, which keeps each virtual CPU on its "
                   "own host CPU"},
           Mistake{"file_backed_mapping { path: 'p' addr: 4096 size: 4096 ram: true }",
                   "--file-backed-mapping: path=p: ram needs rw: a guest writes to its memory"},
           Mistake{"file_backed_mapping { path: 'p' addr: 4096 size: 0 }",
                   "--file-backed-mapping: path=p: size=0 maps nothing"},
           Mistake{"file_backed_mapping { path: 'p' addr: 4096 size: 4096 offset: 1 align: true }",
                   "--file-backed-mapping: path=p: offset=1 is not a multiple of 4096"},
           Mistake{"file_backed_mapping { path: 'p' addr: 0xffffffffffffffff size: 2 align: true }",
                   "--file-backed-mapping: path=p: addr=18446744073709551615 and size= pass the "
                   "end of all addresses"}));

INSTANTIATE_TEST_SUITE_P(
    Pci, Bad,
    Values(Mistake{"pcie_ecam: '1'",
                   "--pcie-ecam: '1' is no BASE,LENGTH such as 0x80000000,0x10000000"},
           Mistake{"mmio_address_range: '9'",
                   "--mmio-address-range: '9' is no START-END such as 0xd0000000-0xd0ffffff"},
           Mistake{"stub_pci_device { address: 'x' }",
                   "--stub-pci-device: address=: \"x\" is not a PCI address: expected "
                   "[DDDD:]BB:DD.F in hexadecimal"},
           Mistake{"hypervisor { kvm {} } kvm_device: '/dev/kvm'",
                   "--kvm-device: --hypervisor is given too; its kvm[device=] says the same"}));

INSTANTIATE_TEST_SUITE_P(
    HostTopology, Bad,
    Values(Mistake{"host_cpu_topology: true no_smt: true",
                   "--no-smt and --host-cpu-topology, which gives each virtual CPU the place of a "
                   "host CPU, exclude each other"},
           Mistake{"host_cpu_topology: true cpu_affinity: '0'",
                   "--cpu-affinity and --host-cpu-topology, which gives each virtual CPU the place "
                   "of a host CPU, exclude each other"},
           Mistake{"host_cpu_topology: true cpus { num_cores: 3 }",
                   "--cpus: num-cores=3: with --host-cpu-topology it is the number of the host's "
                   "CPUs, 2"},
           Mistake{"cpus { num_cores: 2 core_types { atom: 0 } }",
                   "--cpus: core-types=: atom= and core= name each of the virtual CPUs 0 to 1 "
                   "once"},
           Mistake{"cpus { num_cores: 2 core_types { atom: [ 0, 1 ] core: 1 } }",
                   "--cpus: core-types=: virtual CPU 1 is given twice"},
           Mistake{"cpus { num_cores: 2 core_types { atom: 0 core: 2 } }",
                   "--cpus: core-types=: atom= and core= name each of the virtual CPUs 0 to 1 "
                   "once"}));

INSTANTIATE_TEST_SUITE_P(
    Clusters, Bad,
    Values(Mistake{"cpus { num_cores: 2 clusters { cpu: 0 } } cpu_cluster: '1'",
                   "--cpu-cluster: --cpus clusters= is given too, which says the same"},
           Mistake{"cpus { num_cores: 2 clusters { cpu: [ 0, 2 ] } }",
                   "--cpus: clusters=: there is no virtual CPU 2, --cpus makes 2"},
           Mistake{"cpus { num_cores: 2 clusters { cpu: 0 } clusters { cpu: [ 1, 0 ] } }",
                   "--cpus: clusters=: virtual CPU 0 is given twice"},
           Mistake{"cpus { clusters {} }", "--cpus: clusters=: a cluster has no virtual CPU"},
           Mistake{"cpu_cluster: '0' cpu_cluster: '0'",
                   "--cpu-cluster: virtual CPU 0 is given twice"},
           Mistake{"cpu_cluster: 'x'",
                   "--cpu-cluster: 'x' is no set of CPUs such as 0,2-3, each from 0 to 1023"},
           Mistake{"host_cpu_topology: true cpu_cluster: '0'",
                   "--cpu-cluster and --host-cpu-topology, which gives each virtual CPU the place "
                   "of a host CPU, exclude each other"},
           Mistake{"host_cpu_topology: true cpus { clusters { cpu: 0 } }",
                   "--cpus: clusters= and --host-cpu-topology, which gives each virtual CPU the "
                   "place of a host CPU, exclude each other"}));

TEST(MachineChecksTest, CoreTypesNeedAHybridHost) {
  const RunConfig config = Config("cpus { core_types { atom: 0 } }");
  std::vector<std::string> errors;

  CheckMachineOptions(config, {.hybrid = false}, errors);

  EXPECT_THAT(errors, ElementsAre("--cpus: core-types=: this host's processor has cores of one "
                                  "type only"));
}

TEST(MachineChecksTest, OemStringsOfBothOptionsCount) {
  RunConfig config;
  for (int i = 0; i < 200; ++i) config.add_oem_strings("a");
  for (int i = 0; i < 56; ++i) config.mutable_smbios()->add_oem_strings("b");

  EXPECT_THAT(Check(config), ElementsAre("--oem-strings: 256 strings, at most 255 are accepted"));
}

TEST(MachineChecksTest, StringsThatDoNotFitAreRefused) {
  RunConfig config;
  config.mutable_smbios()->set_serial_number(std::string(40000, 's'));
  config.add_oem_strings(std::string(40000, 'o'));

  EXPECT_THAT(Check(config),
              ElementsAre("--smbios: its strings and those of --oem-strings have 80037 bytes, at "
                          "most 65000 are accepted"));
}

TEST(CheckMachineOptions, HardwarePStatesAreTheHosts) {
  std::vector<std::string> errors;

  CheckMachineOptions(Config("enable_hwp: true host_cpu_topology: true"), {.hwp = false}, errors);

  EXPECT_THAT(errors, ElementsAre("--enable-hwp: this host's processor shows no hardware P-states "
                                  "(CPUID leaf 6, EAX bit 7)"));
}

TEST(CheckMachineOptions, PerformanceIsTheHosts) {
  std::vector<std::string> errors;

  CheckMachineOptions(Config("itmt: true enable_hwp: true host_cpu_topology: true"), {.hwp = true},
                      errors);

  EXPECT_THAT(errors, ElementsAre("--itmt: this host does not say what its CPUs can do (there is "
                                  "no /sys/devices/system/cpu/cpu0/acpi_cppc)"));
}

}  // namespace
}  // namespace touchstone

#include "vmm/machine/acpi/acpi_config.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"

namespace touchstone {
namespace {

using ::testing::HasSubstr;

TEST(AcpiConfigTest, TypicalMachinesAreGood) {
  EXPECT_TRUE(ValidateAcpiConfig(TypicalAcpiConfig(1, 0)).ok());
  EXPECT_TRUE(ValidateAcpiConfig(TypicalAcpiConfig(254, 32)).ok());
}

TEST(AcpiConfigTest, EcamMayLieAbove4GiB) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.pci.ecam = AcpiEcam{.base = uint64_t{1} << 40, .bus_count = 256};

  EXPECT_TRUE(ValidateAcpiConfig(config).ok());
}

struct BadConfig {
  std::string name;
  std::function<void(AcpiConfig&)> spoil;
  std::string message;
};

class BadAcpiConfigTest : public testing::TestWithParam<BadConfig> {};

TEST_P(BadAcpiConfigTest, IsInvalidArgument) {
  AcpiConfig config = TypicalAcpiConfig(2, 2);
  GetParam().spoil(config);

  const absl::Status status = ValidateAcpiConfig(config);

  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadAcpiConfigTest,
    testing::Values(
        BadConfig{"NoProcessor", [](AcpiConfig& c) { c.apic_ids.clear(); }, "0 processors"},
        BadConfig{"TooManyProcessors", [](AcpiConfig& c) { c.apic_ids.resize(0x1001); }, "4097"},
        BadConfig{"SameApicId", [](AcpiConfig& c) { c.apic_ids = {3, 3}; }, "share an APIC id"},
        BadConfig{"Performance", [](AcpiConfig& c) { c.performance.resize(3); },
                  "performance of 3 processors; there are 2"},
        BadConfig{"SciNotIsa", [](AcpiConfig& c) { c.power.sci = 16; }, "SCI 16"},
        BadConfig{"SciIsTimer", [](AcpiConfig& c) { c.power.sci = 0; }, "SCI 0"},
        BadConfig{"OddGpe", [](AcpiConfig& c) { c.power.gpe0_length = 3; }, "GPE0 length 3"},
        BadConfig{"SleepType", [](AcpiConfig& c) { c.power.soft_off_sleep_type = 8; }, "above 7"},
        BadConfig{"StandbyType", [](AcpiConfig& c) { c.power.standby_sleep_type = 8; }, "above 7"},
        BadConfig{"EcamBuses", [](AcpiConfig& c) { c.pci.ecam->bus_count = 257; }, "257 buses"},
        BadConfig{"EcamNoBus", [](AcpiConfig& c) { c.pci.ecam->bus_count = 0; }, "0 buses"},
        BadConfig{"EcamUnaligned", [](AcpiConfig& c) { c.pci.ecam->base += 4096; }, "1 MiB"},
        BadConfig{"EcamWraps", [](AcpiConfig& c) { c.pci.ecam->base = ~uint64_t{0} << 20; },
                  "too high"},
        BadConfig{"EcamInWindow", [](AcpiConfig& c) { c.pci.ecam->base = 0xE0000000; },
                  "overlaps ECAM"},
        BadConfig{"NoBus",
                  [](AcpiConfig& c) {
                    c.pci.ecam.reset();
                    c.pci.bus_count = 0;
                  },
                  "0 PCI buses"},
        BadConfig{"IoWindowEmpty", [](AcpiConfig& c) { c.pci.io_windows = {{0x1000, 0}}; },
                  "port window"},
        BadConfig{"IoWindowHigh", [](AcpiConfig& c) { c.pci.io_windows = {{0xFFFF, 2}}; },
                  "port window"},
        BadConfig{"IoWindowWhole", [](AcpiConfig& c) { c.pci.io_windows = {{0, 0x10000}}; },
                  "port window"},
        BadConfig{"MemoryWindowEmpty", [](AcpiConfig& c) { c.pci.memory_windows = {{4096, 0}}; },
                  "memory window"},
        BadConfig{"MemoryWindowCrosses",
                  [](AcpiConfig& c) { c.pci.memory_windows = {{0xF8000000, 0x10000000}}; },
                  "crosses 4 GiB"},
        BadConfig{"MemoryWindowWraps",
                  [](AcpiConfig& c) { c.pci.memory_windows = {{~uint64_t{0}, 2}}; }, "wraps"},
        BadConfig{"RouteSlot", [](AcpiConfig& c) { c.pci.routes = {{32, 0, 16}}; }, "slot 32"},
        BadConfig{"RoutePin", [](AcpiConfig& c) { c.pci.routes = {{1, 4, 16}}; }, "pin 4"},
        BadConfig{"RouteGsi", [](AcpiConfig& c) { c.pci.routes = {{1, 0, 24}}; }, "GSI 24"},
        BadConfig{"RouteToTimer", [](AcpiConfig& c) { c.pci.routes = {{1, 0, 0}}; }, "GSI 0"},
        BadConfig{"Routes", [](AcpiConfig& c) { c.pci.routes.resize(256); }, "256 PCI routes"},
        BadConfig{"ComPorts", [](AcpiConfig& c) { c.com_ports.resize(10); }, "10 COM ports"},
        BadConfig{"ComIrq", [](AcpiConfig& c) { c.com_ports[0].irq = 16; }, "interrupt 16"},
        BadConfig{"ComPort", [](AcpiConfig& c) { c.com_ports[0].port = 0xFFF9; }, "0xfff9"},
        BadConfig{"Rtc", [](AcpiConfig& c) { c.rtc->port = 0xFFFF; }, "RTC"},
        BadConfig{"Aml", [](AcpiConfig& c) { c.system_bus_aml.resize((1 << 20) + 1); },
                  "bytes of AML"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace touchstone

// What iasl_test cannot tell: which of the configured things are there. It tells that they are well
// formed.

#include "vmm/machine/acpi/dsdt.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/aml.h"
#include "vmm/machine/acpi/processor_performance.h"
#include "vmm/machine/acpi/resource_template.h"
#include "vmm/machine/acpi/sdt.h"

namespace touchstone {
namespace {

using Bytes = std::vector<uint8_t>;

// Whether the table for `config` has the bytes of `term` somewhere.
bool Has(const AcpiConfig& config, const Aml& term) {
  const Bytes dsdt = BuildDsdt(config);
  return std::search(dsdt.begin(), dsdt.end(), term.bytes().begin(), term.bytes().end()) !=
         dsdt.end();
}

// A _CRS without what comes before and after the descriptors in the buffer.
Aml Descriptors(const ResourceTemplate& resources) {
  const Bytes buffer = resources.Build().bytes();
  return Aml::Raw(Bytes(buffer.begin() + 4, buffer.end() - 2));
}

TEST(DsdtTest, IsOf64BitRevision) {
  const Bytes dsdt = BuildDsdt(TypicalAcpiConfig(1, 1));

  EXPECT_TRUE(ValidateSdt(dsdt).ok());
  EXPECT_EQ(dsdt[8], 2);
}

TEST(DsdtTest, OneDevicePerProcessor) {
  const AcpiConfig config = TypicalAcpiConfig(20, 1);
  const auto processor = [](const char* name, uint64_t uid) {
    return Aml::Device(
        name, {Aml::Name("_HID", Aml::String("ACPI0007")), Aml::Name("_UID", Aml::Integer(uid))});
  };

  EXPECT_TRUE(Has(config, processor("C000", 0)));
  EXPECT_TRUE(Has(config, processor("C013", 19)));
  EXPECT_FALSE(Has(config, Aml::Path("C014")));
}

TEST(DsdtTest, PerformanceOfEachProcessor) {
  AcpiConfig config = TypicalAcpiConfig(2, 1);
  const AcpiPerformance slow = {.highest = 40, .nominal = 24}, fast = {.highest = 44};

  EXPECT_FALSE(Has(config, Aml::Path("_CPC")));
  EXPECT_FALSE(Has(config, PlatformCapabilities()));
  config.performance = {slow, fast};
  EXPECT_TRUE(Has(
      config, Aml::Device("C000", {Aml::Name("_HID", Aml::String("ACPI0007")),
                                   Aml::Name("_UID", Aml::Integer(0)), PerformanceControl(slow)})));
  EXPECT_TRUE(Has(config, PerformanceControl(fast)));
  EXPECT_TRUE(Has(config, PlatformCapabilities()));
}

TEST(DsdtTest, SleepStates) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  const Aml s1 = Aml::Name(
      "\\_S1", Aml::Package({Aml::Integer(1), Aml::Integer(1), Aml::Integer(0), Aml::Integer(0)}));
  const Aml s5 = Aml::Name(
      "\\_S5", Aml::Package({Aml::Integer(5), Aml::Integer(5), Aml::Integer(0), Aml::Integer(0)}));

  EXPECT_TRUE(Has(config, s1));
  EXPECT_TRUE(Has(config, s5));
  config.power.standby_sleep_type.reset();
  EXPECT_FALSE(Has(config, Aml::Path("\\_S1")));
}

TEST(DsdtTest, RoutesOfEachPin) {
  AcpiConfig config = TypicalAcpiConfig(1, 0);
  config.pci.routes = {{0, 0, 16}, {31, 3, 23}};

  EXPECT_TRUE(
      Has(config, Aml::Name("_PRT", Aml::Package({
                                        Aml::Package({Aml::Integer(0x0000FFFF), Aml::Integer(0),
                                                      Aml::Integer(0), Aml::Integer(16)}),
                                        Aml::Package({Aml::Integer(0x001FFFFF), Aml::Integer(3),
                                                      Aml::Integer(0), Aml::Integer(23)}),
                                    }))));
}

TEST(DsdtTest, BridgeDecodesBusesOfEcam) {
  ResourceTemplate expected;
  expected.AddBusNumbers(0, 64);
  expected.AddIo(0xCF8, 8);
  expected.AddIoWindow(0xC000, 0x4000);
  const Aml descriptors = Descriptors(expected);

  EXPECT_TRUE(Has(TypicalAcpiConfig(1, 1), descriptors));
}

TEST(DsdtTest, BridgeWithoutEcamDecodesItsOwnBuses) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.pci.ecam.reset();
  config.pci.bus_count = 1;
  ResourceTemplate expected;
  expected.AddBusNumbers(0, 1);

  EXPECT_TRUE(Has(config, Descriptors(expected)));
  EXPECT_FALSE(Has(config, Aml::Path("MRES")));
}

// PCI Firmware 3.3, 4.5.1: native and SHPC hot plug, PME, AER, the capability structure, LTR, DPC.
TEST(DsdtTest, GuestMayControlAllPciFeatures) {
  const Aml control = Aml::Path("CDWX");

  EXPECT_TRUE(Has(TypicalAcpiConfig(1, 1), Aml::And(control, Aml::Integer(0xBF), Aml::Local(0))));
}

TEST(DsdtTest, EcamIsReserved) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  ResourceTemplate low, high;
  low.AddFixedMemory32(0xF4000000, 0x4000000);
  high.AddMemory64(uint64_t{1} << 40, 1 << 20, ResourceUse::kConsumer);

  EXPECT_TRUE(Has(config, Descriptors(low)));
  config.pci.ecam = AcpiEcam{.base = uint64_t{1} << 40, .bus_count = 1};
  EXPECT_TRUE(Has(config, Descriptors(high)));
}

TEST(DsdtTest, ComPortsShareOnlyWhatTheyMust) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  config.com_ports = {{0x3F8, 4}, {0x2F8, 3}, {0x3E8, 4}};
  ResourceTemplate first, second;
  first.AddIo(0x3F8, 8);
  first.AddIrq(4, IrqSharing::kShared);
  second.AddIo(0x2F8, 8);
  second.AddIrq(3, IrqSharing::kExclusive);

  EXPECT_TRUE(Has(config, Descriptors(first)));
  EXPECT_TRUE(Has(config, Descriptors(second)));
  EXPECT_TRUE(Has(config, Aml::Path("COM3")));
  EXPECT_FALSE(Has(config, Aml::Path("COM4")));
}

TEST(DsdtTest, NoRtcWhenThereIsNone) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);

  EXPECT_TRUE(Has(config, Aml::EisaId("PNP0B00")));
  config.rtc.reset();
  EXPECT_FALSE(Has(config, Aml::EisaId("PNP0B00")));
}

TEST(DsdtTest, GivenTermsAreAddedToTheSystemBus) {
  AcpiConfig config = TypicalAcpiConfig(1, 1);
  const Aml device = Aml::Device("BAT0", {Aml::Name("_HID", Aml::String("GFSH0001"))});
  config.system_bus_aml = device.bytes();

  EXPECT_TRUE(Has(config, device));
}

}  // namespace
}  // namespace touchstone

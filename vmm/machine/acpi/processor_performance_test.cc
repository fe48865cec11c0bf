// What iasl_test cannot tell: which register and which number is where. It tells that the terms are
// well formed.

#include "vmm/machine/acpi/processor_performance.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/machine/acpi/resource_template.h"

namespace touchstone {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr AcpiPerformance kFast = {.highest = 44,
                                   .nominal = 24,
                                   .lowest_nonlinear = 11,
                                   .lowest = 1,
                                   .reference = 25,
                                   .lowest_mhz = 400,
                                   .nominal_mhz = 2600};

Aml Msr(uint32_t msr, uint8_t first_bit, uint8_t bits) {
  ResourceTemplate resources;
  resources.AddMsr(msr, first_bit, bits);
  return resources.Build();
}

// ACPI 6.4, table 8.16: the order of the elements. Intel SDM volume 3, 15.4: the registers' bits.
TEST(PerformanceControlTest, NumbersAndRegistersInTheirOrder) {
  ResourceTemplate no_register;
  no_register.AddNoRegister();
  const Aml none = no_register.Build();

  EXPECT_EQ(PerformanceControl(kFast).bytes(), Aml::Name("_CPC", Aml::Package({Aml::Integer(23),
                                                                               Aml::Integer(3),
                                                                               Aml::Integer(44),
                                                                               Aml::Integer(24),
                                                                               Aml::Integer(11),
                                                                               Aml::Integer(1),
                                                                               Msr(0x771, 8, 8),
                                                                               Msr(0x774, 16, 8),
                                                                               Msr(0x774, 0, 8),
                                                                               Msr(0x774, 8, 8),
                                                                               none,
                                                                               none,
                                                                               none,
                                                                               Msr(0xE7, 0, 64),
                                                                               Msr(0xE8, 0, 64),
                                                                               Msr(0x777, 1, 2),
                                                                               Msr(0x770, 0, 1),
                                                                               Aml::Integer(1),
                                                                               none,
                                                                               none,
                                                                               Aml::Integer(25),
                                                                               Aml::Integer(400),
                                                                               Aml::Integer(2600)}))
                                                   .bytes());
}

// ACPI 6.4, table 6.13: CPPC, CPPC 2 and diverse highest performance, of the second dword.
TEST(PlatformCapabilitiesTest, GrantsPerformanceControlOnly) {
  const Bytes osc = PlatformCapabilities().bytes();
  const auto has = [&](const Aml& term) {
    return std::search(osc.begin(), osc.end(), term.bytes().begin(), term.bytes().end()) !=
           osc.end();
  };

  EXPECT_TRUE(has(Aml::Uuid("0811B06E-4A27-44F9-8D60-3CBBC22E7B48")));
  EXPECT_TRUE(has(Aml::CreateDWordField(Aml::Arg(3), 4, "CDWX")));
  EXPECT_TRUE(has(Aml::And(Aml::Path("CDWX"), Aml::Integer(0x1060), Aml::Local(0))));
}

}  // namespace
}  // namespace touchstone

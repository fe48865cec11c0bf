#include "vmm/machine/acpi/processor_performance.h"

#include "base/bits.h"
#include "vmm/machine/acpi/osc_method.h"
#include "vmm/machine/acpi/resource_template.h"

namespace touchstone {
namespace {

// Intel SDM volume 4.
constexpr uint32_t kMperf = 0xE7;
constexpr uint32_t kAperf = 0xE8;
constexpr uint32_t kPmEnable = 0x770;
constexpr uint32_t kHwpCapabilities = 0x771;
constexpr uint32_t kHwpRequest = 0x774;
constexpr uint32_t kHwpStatus = 0x777;

constexpr uint8_t kRevision = 3;

Aml Msr(uint32_t msr, uint8_t first_bit, uint8_t bits) {
  ResourceTemplate resources;
  resources.AddMsr(msr, first_bit, bits);
  return resources.Build();
}

Aml NoRegister() {
  ResourceTemplate resources;
  resources.AddNoRegister();
  return resources.Build();
}

}  // namespace

Aml PlatformCapabilities() {
  // 6.2.11.2, table 6.13.
  constexpr uint32_t kPerformanceControl = Bit(5), kPerformanceControl2 = Bit(6),
                     kDiverseHighest = Bit(12);
  return OscMethod("0811B06E-4A27-44F9-8D60-3CBBC22E7B48", 4,
                   kPerformanceControl | kPerformanceControl2 | kDiverseHighest);
}

Aml PerformanceControl(const AcpiPerformance& performance) {
  // The energy preference and the activity window are processors' options, and a guest that has
  // them finds them by CPUID.
  const std::vector<Aml> values = {
      Aml::Integer(performance.highest),
      Aml::Integer(performance.nominal),
      Aml::Integer(performance.lowest_nonlinear),
      Aml::Integer(performance.lowest),
      Msr(kHwpCapabilities, 8, 8),  // guaranteed
      Msr(kHwpRequest, 16, 8),      // desired
      Msr(kHwpRequest, 0, 8),       // minimum
      Msr(kHwpRequest, 8, 8),       // maximum
      NoRegister(),                 // reduction tolerance
      NoRegister(),                 // time window
      NoRegister(),                 // counter wraparound
      Msr(kMperf, 0, 64),           // reference counter
      Msr(kAperf, 0, 64),           // delivered counter
      Msr(kHwpStatus, 1, 2),        // limited
      Msr(kPmEnable, 0, 1),         // enable
      Aml::Integer(1),              // autonomous selection: always
      NoRegister(),                 // activity window
      NoRegister(),                 // energy preference
      Aml::Integer(performance.reference),
      Aml::Integer(performance.lowest_mhz),
      Aml::Integer(performance.nominal_mhz),
  };
  std::vector<Aml> package = {Aml::Integer(values.size() + 2), Aml::Integer(kRevision)};
  package.insert(package.end(), values.begin(), values.end());
  return Aml::Name("_CPC", Aml::Package(package));
}

}  // namespace touchstone

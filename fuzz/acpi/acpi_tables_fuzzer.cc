// ACPI tables from any configuration and any extra tables: an error, or an area whose every table
// is well formed.
//
// Input: a configuration (ReadConfig), then extra tables (ReadTable).

#include <stdint.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "base/endian.h"
#include "base/log.h"
#include "vmm/machine/acpi/acpi_testing.h"
#include "vmm/machine/acpi/sdt.h"
#include "vmm/machine/acpi/tables.h"

namespace touchstone {
namespace {

constexpr GuestAddress kArea{0xE0000};
constexpr uint64_t kAreaSize = 0x10000;

// Takes bytes from the front of the input; zeros after its end.
class Input {
 public:
  explicit Input(absl::Span<const uint8_t> bytes) : bytes_(bytes) {}

  absl::Span<const uint8_t> Take(size_t size) {
    const absl::Span<const uint8_t> taken = bytes_.subspan(0, std::min(size, bytes_.size()));
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  template <typename T>
  T Number() {
    return static_cast<T>(LoadLe(Take(sizeof(T))));
  }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  absl::Span<const uint8_t> bytes_;
};

AcpiConfig ReadConfig(Input& input) {
  const auto cpus = input.Number<uint8_t>();
  const auto slots = static_cast<uint8_t>(input.Number<uint8_t>() % 40);
  AcpiConfig config = TypicalAcpiConfig(cpus, slots);
  const auto choices = input.Number<uint16_t>();
  if ((choices & 1) != 0) config.apic_ids.push_back(input.Number<uint32_t>());
  if ((choices & 2) != 0) config.pci.ecam.reset();
  if ((choices & 4) != 0) {
    config.pci.ecam = AcpiEcam{input.Number<uint64_t>(), input.Number<uint32_t>()};
  }
  if ((choices & 8) != 0) {
    config.pci.memory_windows.push_back({input.Number<uint64_t>(), input.Number<uint64_t>()});
  }
  if ((choices & 16) != 0) {
    config.pci.io_windows.push_back({input.Number<uint64_t>(), input.Number<uint64_t>()});
  }
  if ((choices & 32) != 0) {
    config.pci.routes.push_back(
        {input.Number<uint8_t>(), input.Number<uint8_t>(), input.Number<uint32_t>()});
  }
  if ((choices & 64) != 0) {
    config.com_ports.push_back({input.Number<uint16_t>(), input.Number<uint8_t>()});
  }
  if ((choices & 128) != 0) config.rtc.reset();
  if ((choices & 256) != 0) config.rtc = AcpiRtc{.port = input.Number<uint16_t>()};
  if ((choices & 512) != 0) config.power.sci = input.Number<uint8_t>();
  if ((choices & 1024) != 0) config.power.gpe0_length = input.Number<uint8_t>();
  if ((choices & 2048) != 0) config.power.standby_sleep_type = input.Number<uint8_t>();
  if ((choices & 4096) != 0) config.interrupts.timer_pin = input.Number<uint32_t>();
  if ((choices & 8192) != 0) config.pci.bus_count = input.Number<uint32_t>();
  return config;
}

// A 15-bit length and the bytes. The top bit asks for the right length field and checksum, so that
// the fuzzer need not find those.
std::vector<uint8_t> ReadTable(Input& input) {
  const auto size = input.Number<uint16_t>();
  const bool mend = (size & 0x8000) != 0;
  const absl::Span<const uint8_t> bytes = input.Take(size & 0x7FFF);
  std::vector<uint8_t> table(bytes.begin(), bytes.end());
  if (mend && table.size() >= sizeof(SdtHeader)) FinishSdt(absl::MakeSpan(table));
  return table;
}

void CheckTables(absl::Span<const uint8_t> bytes) {
  CHECK(AcpiChecksum(bytes.subspan(0, 20)) == 0);
  CHECK(AcpiChecksum(bytes.subspan(0, 36)) == 0);
  for (const auto& [signature, table] : ReadAcpiTables(bytes, kArea)) {
    if (signature != "FACS") CHECK(ValidateSdt(table).ok());
  }
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace touchstone;  // NOLINT: one function
  Input input(absl::MakeConstSpan(data, size));
  AcpiConfig config = ReadConfig(input);
  while (!input.empty()) config.extra_tables.push_back({"table", ReadTable(input)});

  const absl::StatusOr<std::vector<uint8_t>> bytes = EncodeAcpiTables(config, kArea, kAreaSize);
  if (bytes.ok()) {
    CHECK(bytes->size() <= kAreaSize);
    CheckTables(*bytes);
  }
  return 0;
}

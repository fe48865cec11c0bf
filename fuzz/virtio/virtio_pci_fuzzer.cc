// A hostile guest against the registers of VirtioPci, with the echo device behind it.
//
// The language is that of fuzz/support/virtio_program.h, which drives the device through the
// registers as a driver does. Operation 15 is an access of any place and width:
//
//   arg % 4   operands                       effect
//   0         offset 1, size 1, the bytes    written to the common configuration or behind it
//   1         offset 2, size 1, the bytes    written to BAR 0
//   2         offset 2, size 1               read from BAR 0
//   3         offset 1, 4 bytes              of the configuration space, read and written
//
// Bit 3 of the first byte makes the driver use MSI-X.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/log.h"
#include "devices/virtio/pci/virtio_pci_registers.h"
#include "devices/virtio/testing/echo_device.h"
#include "devices/virtio/testing/pci_host.h"
#include "fuzz/support/virtio_fuzzer.h"

namespace touchstone {
namespace {

constexpr uint8_t kMsix = 1 << 3;

// Up to 8 bytes; what is missing at the end of the input is 0.
class Operand {
 public:
  Operand(FuzzInput& input, size_t size) : size_(size) {
    const absl::Span<const uint8_t> bytes = input.Bytes(size);
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
  }
  [[nodiscard]] absl::Span<const uint8_t> bytes() const {
    return absl::MakeConstSpan(bytes_).first(size_);
  }

 private:
  const size_t size_;
  std::array<uint8_t, 8> bytes_ = {};
};

void Access(VirtioHost& host, uint8_t arg, FuzzInput& input) {
  VirtioPci& pci = static_cast<PciHost&>(host).function();
  if (arg % 4 == 3) {
    const uint32_t offset = input.U8() & ~3u;
    std::array<uint8_t, 4> data;
    pci.ReadConfig(offset, absl::MakeSpan(data));
    return pci.WriteConfig(offset, Operand(input, 4).bytes());
  }
  const uint64_t offset = arg % 4 == 0 ? input.U8() % 64 : input.U16() % (kVirtioBarSize - 8);
  const size_t size = input.U8() % 8 + 1;
  if (arg % 4 != 2) return pci.Write(offset, Operand(input, size).bytes());
  std::array<uint8_t, 8> data;
  pci.Read(offset, absl::MakeSpan(data).first(size));
}

// Whatever happened, a reset makes all registers fresh and leaves nothing behind that signals.
void CheckReset(VirtioHost& host) {
  PciHost& pci = static_cast<PciHost&>(host);
  pci.Reset();
  CHECK(pci.Get<uint8_t>(kVirtioStatus) == 0);
  for (uint16_t queue = 0; queue < host.max_queue_sizes().size(); ++queue) {
    pci.Put(kVirtioQueueSelect, queue);
    CHECK(pci.Get<uint16_t>(kVirtioQueueSize) == host.max_queue_sizes()[queue]);
    CHECK(pci.Get<uint16_t>(kVirtioQueueEnable) == 0);
  }
  CHECK(!pci.line().level());
}

}  // namespace

const std::vector<DeviceKit>& FuzzedKits() {
  static const std::vector<DeviceKit>& kits = *new std::vector<DeviceKit>({EchoKit()});
  return kits;
}

}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const touchstone::VirtioProgramOptions& options = *new touchstone::VirtioProgramOptions{
      .make_host =
          [](touchstone::VirtioDevice& device, const touchstone::GuestMemory& memory,
             uint8_t first) {
            const touchstone::PciHost::Options options = {.msix = (first & touchstone::kMsix) != 0};
            return std::make_unique<touchstone::PciHost>(device, memory, options);
          },
      .extra = touchstone::Access,
      .at_end = touchstone::CheckReset};
  const touchstone::FuzzInput program(data, size);
  touchstone::RunVirtioProgram(touchstone::FuzzedKit(program), program, options);
  return 0;
}

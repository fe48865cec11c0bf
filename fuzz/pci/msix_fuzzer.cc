// A guest that programs MSI-X and MSI while the device signals.
//
// Input: one byte for the number of vectors and of routes that the machine has, then operations: an
// opcode byte, then its operands.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/log.h"
#include "devices/irq/recording_msi_target.h"
#include "devices/pci/config_space.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

void Run(FuzzInput input) {
  const uint8_t sizes = input.U8();
  const uint16_t vectors = static_cast<uint16_t>(sizes % 16 + 1);
  const size_t routes = sizes / 16;
  RecordingMsiTarget target(routes);
  ConfigSpace config(ConfigSpace::Header::kEndpoint, {.vendor = 1, .device = 2});
  Msix msix(vectors, target);
  Msi msi(4, target);
  CHECK(msix.AddCapability(config, {0, 0}, {0, 0x8000}).ok());
  CHECK(msi.AddCapability(config).ok());

  while (!input.empty()) {
    const uint8_t opcode = input.U8();
    const size_t size = opcode / 8 % 8 + 1;
    switch (opcode % 8) {
      case 0:
        config.Write(kPciFirstCapability + input.U8() % 32, input.Bytes(size));
        msix.ConfigWritten(config);
        msi.ConfigWritten(config);
        break;
      case 1:
        msix.WriteTable(input.U8(), input.Bytes(size));
        break;
      case 2:
        msix.WriteTable(input.U64(), input.Bytes(size));
        break;
      case 3: {
        std::vector<uint8_t> data(size);
        msix.ReadTable(input.U16(), absl::MakeSpan(data));
        msix.ReadPending(input.U16(), absl::MakeSpan(data));
        break;
      }
      case 4:
        msix.Signal(input.U8() % 20);
        break;
      case 5:
        msix.Signal(input.U16());
        break;
      case 6:
        msi.Signal(input.U8());
        break;
      case 7: {
        const Msix::State state = msix.Save();
        CHECK(msix.Restore(state).ok());
        break;
      }
    }
    CHECK(target.route_count() <= std::min<size_t>(routes, vectors + 4u));
    const Msix::State state = msix.Save();
    for (size_t vector = 0; vector < state.pending.size() * 8; ++vector) {
      const bool pending = (state.pending[vector / 8] & (1 << vector % 8)) != 0;
      CHECK(!pending || vector < vectors);
    }
    for (size_t i = 0; i < state.table.size(); i += 16) {
      CHECK((state.table[i] & 3) == 0 && (state.table[i + 12] & ~1) == 0);
    }
  }
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::Run(touchstone::FuzzInput(data, size));
  return 0;
}

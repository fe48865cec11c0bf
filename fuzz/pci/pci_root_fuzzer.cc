// A guest that reconfigures a bus of several functions through both access mechanisms. After each
// step the buses must hold exactly what the functions' registers say and the places allow.
//
// Input: operations: an opcode byte, then its operands.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "base/log.h"
#include "devices/bus/bus.h"
#include "devices/pci/fake_pci_function.h"
#include "devices/pci/pci_cam.h"
#include "devices/pci/pci_ecam.h"
#include "devices/pci/pci_root.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr AddressRange kIo{0xC000, 0x100};
constexpr AddressRange kLow{0xD0000000, 0x100000};
constexpr AddressRange kHigh{0x4000000000, 0x100000};
constexpr uint64_t kEcamStart = 0xE0000000;
constexpr AddressRange kFixed{kLow.start + 0x8000, 0x800};

class NullDevice final : public BusDevice {
 public:
  void Read(uint64_t, absl::Span<uint8_t> data) override { std::fill(data.begin(), data.end(), 0); }
  void Write(uint64_t, absl::Span<const uint8_t>) override {}
};

class Machine {
 public:
  Machine() {
    CHECK(ports_.Insert({PciCam::kFirstPort, PciCam::kPortCount}, "cam", &cam_).ok());
    CHECK(mmio_.Insert({kEcamStart, ecam_.size()}, "ecam", &ecam_).ok());
    CHECK(root_.Add(memory_).ok());
    CHECK(root_.Add(mixed_).ok());
    CHECK(root_.Add(second_, PciAddress{.device = 2, .function = 1}).ok());
    CHECK(mmio_.Insert(kFixed, "fixed", &null_).ok());
    Check();
  }

  void Step(FuzzInput& input) {
    const uint8_t opcode = input.U8();
    const size_t size = opcode / 8 % 8 + 1;
    switch (opcode % 8) {
      case 0:
        ports_.Write(PciCam::kFirstPort, {0, static_cast<uint8_t>(input.U8() & 0x1B),
                                          static_cast<uint8_t>(input.U8() & 1), 0x80});
        break;
      case 1:
        ports_.Write(PciCam::kFirstPort + input.U8() % 8, input.Bytes(size));
        break;
      case 2:
        Read(ports_, PciCam::kFirstPort + input.U8() % 8, size);
        break;
      case 3:
        mmio_.Write(kEcamStart + (input.U16() | uint64_t{input.U8()} << 16), input.Bytes(size));
        break;
      case 4:
        Read(mmio_, kEcamStart + (input.U16() | uint64_t{input.U8()} << 16), size);
        break;
      case 5:
        WriteBar(Function(input), kPciBar0 + 4 * (opcode / 8 % 6), Place(input));
        break;
      case 6:
        root_.WriteConfig(Function(input), kPciCommand, {static_cast<uint8_t>(opcode / 8), 0});
        break;
      case 7:
        mmio_.Write(Place(input), input.Bytes(size));
        break;
    }
    Check();
  }

 private:
  static PciAddress Function(FuzzInput& input) {
    constexpr PciAddress kFunctions[] = {
        {.device = 1}, {.device = 2}, {.device = 2, .function = 1}, {}};
    return kFunctions[input.U8() % std::size(kFunctions)];
  }

  // Places where BARs meet each other, the fixed range and the ends of the windows.
  static uint64_t Place(FuzzInput& input) {
    const uint8_t byte = input.U8();
    switch (byte >> 6) {
      case 0:
        return kLow.start + (byte & 0x3Fu) * 0x800;
      case 1:
        return kHigh.start + (byte & 0x3Fu) * 0x4000;
      case 2:
        return kIo.start + (byte & 0x3Fu) * 4;
      default:
        return byte & 1 ? ~uint64_t{0} << (byte & 0x3F) : input.U64();
    }
  }

  void WriteBar(PciAddress address, uint32_t offset, uint64_t value) {
    uint8_t data[8];
    StoreLe(value, absl::MakeSpan(data));
    root_.WriteConfig(address, offset, absl::MakeConstSpan(data));
  }

  static void Read(Bus& bus, uint64_t address, size_t size) {
    uint8_t data[8];
    bus.Read(address, absl::MakeSpan(data, size));
  }

  static bool MayDecode(const PciBar& bar, uint64_t address) {
    const AddressRange range{address, bar.size};
    if (!range.valid()) return false;
    if (bar.kind == PciBarKind::kIo) return kIo.Contains(range);
    return kLow.Contains(range) || kHigh.Contains(range);
  }

  void Check() {
    const std::vector<Bus::Mapping> ports = ports_.Mappings();
    const std::vector<Bus::Mapping> mmio = mmio_.Mappings();
    size_t ports_used = 1;  // The CAM.
    size_t mmio_used = 2;   // The ECAM and the fixed range.
    for (const auto& [function, address] : functions_) {
      for (const PciFunctionBar& spec : function->bars()) {
        const bool io = spec.bar.kind == PciBarKind::kIo;
        const bool decoded = CheckBar(*function, address, spec.bar, io ? ports : mmio);
        (io ? ports_used : mmio_used) += decoded ? 1 : 0;
      }
    }
    // Nothing else is on the buses, and what is there overlaps nothing.
    CHECK(ports.size() == ports_used && mmio.size() == mmio_used);
    for (const std::vector<Bus::Mapping>& mappings : {ports, mmio}) {
      for (size_t i = 1; i < mappings.size(); ++i) {
        CHECK(mappings[i - 1].range.last() < mappings[i].range.start);
      }
    }
  }

  // True when the BAR is decoded.
  bool CheckBar(const FakePciFunction& function, PciAddress address, const PciBar& bar,
                const std::vector<Bus::Mapping>& mappings) {
    const uint16_t bit = bar.kind == PciBarKind::kIo ? kPciCommandIo : kPciCommandMemory;
    const AddressRange range{function.config().BarAddress(bar.index), bar.size};
    const bool wanted = (function.config().command() & bit) != 0 && MayDecode(bar, range.start);
    const std::optional<uint64_t> decoded = root_.DecodedAt(address, bar.index);
    CHECK(function.moved_to(bar.index) == decoded);
    if (!wanted) {
      CHECK(!decoded);
      return false;
    }
    const auto there =
        std::find_if(mappings.begin(), mappings.end(),
                     [&](const Bus::Mapping& mapping) { return mapping.range.Overlaps(range); });
    CHECK(there != mappings.end());
    if (!decoded) return false;  // Its place is taken by another.
    CHECK(*decoded == range.start && there->range == range);
    return true;
  }

  NullDevice null_;
  Bus ports_{"ports", Bus::kLastPort, 8};
  Bus mmio_{"mmio", Bus::kLastMmioAddress, 8};
  FakePciFunction memory_{
      "memory",
      {{{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x1000}, &null_},
       {{.index = 2, .kind = PciBarKind::kMemory64, .prefetchable = true, .size = 0x10000},
        nullptr}}};
  FakePciFunction mixed_{"mixed",
                         {{{.index = 0, .kind = PciBarKind::kIo, .size = 32}, &null_},
                          {{.index = 1, .kind = PciBarKind::kMemory32, .size = 16}, &null_},
                          {{.index = 4, .kind = PciBarKind::kMemory64, .size = 0x4000}, &null_}}};
  FakePciFunction second_{"second",
                          {{{.index = 5, .kind = PciBarKind::kIo, .size = 4}, &null_},
                           {{.index = 0, .kind = PciBarKind::kMemory32, .size = 0x800}, &null_}}};
  const std::vector<std::pair<FakePciFunction*, PciAddress>> functions_{
      {&memory_, {.device = 1}},
      {&mixed_, {.device = 2}},
      {&second_, {.device = 2, .function = 1}}};
  PciRoot root_{{&ports_, &mmio_, {kIo}, {kLow}, {kHigh}, {}}};
  PciCam cam_{root_, {}};
  PciEcam ecam_{root_, 2 * PciEcam::kBusSize};
};

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzInput input(data, size);
  touchstone::Machine machine;
  while (!input.empty()) machine.Step(input);
  return 0;
}

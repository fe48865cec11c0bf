#include "hypervisor/kvm/kvm_irqchip_state.h"

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "hypervisor/kvm/kvm_abi.h"
#include "hypervisor/kvm/kvm_ioctl.h"

namespace touchstone {
namespace {

template <typename T>
std::vector<uint8_t> Pack(const T& part) {
  std::vector<uint8_t> bytes(1 + sizeof(T));
  bytes[0] = kKvmIrqChipVersion;
  std::memcpy(bytes.data() + 1, &part, sizeof(T));
  return bytes;
}

template <typename T>
absl::Status Unpack(const std::vector<uint8_t>& bytes, const char* name, T& part) {
  if (bytes.size() != 1 + sizeof(T) || bytes[0] != kKvmIrqChipVersion) {
    return absl::InvalidArgumentError(absl::StrCat("state of the ", name, ": not version ",
                                                   static_cast<int>(kKvmIrqChipVersion), " of ",
                                                   1 + sizeof(T), " bytes"));
  }
  std::memcpy(&part, bytes.data() + 1, sizeof(T));
  return absl::OkStatus();
}

absl::StatusOr<kvm_irqchip> GetChip(int vm_fd, uint32_t id) {
  kvm_irqchip chip = {};
  chip.chip_id = id;
  RETURN_IF_ERROR(KVM_IOCTL(vm_fd, KVM_GET_IRQCHIP, &chip).status());
  return chip;
}

// When a count was loaded is a time of the host's monotonic clock, which another host or boot does
// not know; how long ago it was, is the same everywhere. The inverse of itself.
void SwapLoadTimesAndAges(kvm_pit_state2& pit) {
  const auto now = static_cast<uint64_t>(absl::ToInt64Nanoseconds(SystemClock().Monotonic()));
  for (kvm_pit_channel_state& channel : pit.channels) {
    channel.count_load_time =
        static_cast<int64_t>(now - static_cast<uint64_t>(channel.count_load_time));
  }
}

}  // namespace

absl::StatusOr<IrqChipState> GetKvmIrqChip(int vm_fd) {
  ASSIGN_OR_RETURN(const kvm_irqchip primary, GetChip(vm_fd, KVM_IRQCHIP_PIC_MASTER));
  ASSIGN_OR_RETURN(const kvm_irqchip secondary, GetChip(vm_fd, KVM_IRQCHIP_PIC_SLAVE));
  ASSIGN_OR_RETURN(const kvm_irqchip ioapic, GetChip(vm_fd, KVM_IRQCHIP_IOAPIC));
  kvm_pit_state2 pit = {};
  RETURN_IF_ERROR(KVM_IOCTL(vm_fd, KVM_GET_PIT2, &pit).status());
  SwapLoadTimesAndAges(pit);
  return IrqChipState{.pic_primary = Pack(primary.chip.pic),
                      .pic_secondary = Pack(secondary.chip.pic),
                      .ioapic = Pack(ioapic.chip.ioapic),
                      .pit = Pack(pit)};
}

absl::Status SetKvmIrqChip(int vm_fd, const IrqChipState& state) {
  kvm_irqchip primary = {};
  primary.chip_id = KVM_IRQCHIP_PIC_MASTER;
  kvm_irqchip secondary = {};
  secondary.chip_id = KVM_IRQCHIP_PIC_SLAVE;
  kvm_irqchip ioapic = {};
  ioapic.chip_id = KVM_IRQCHIP_IOAPIC;
  kvm_pit_state2 pit = {};
  RETURN_IF_ERROR(Unpack(state.pic_primary, "primary PIC", primary.chip.pic));
  RETURN_IF_ERROR(Unpack(state.pic_secondary, "secondary PIC", secondary.chip.pic));
  RETURN_IF_ERROR(Unpack(state.ioapic, "IOAPIC", ioapic.chip.ioapic));
  RETURN_IF_ERROR(Unpack(state.pit, "PIT", pit));
  SwapLoadTimesAndAges(pit);
  for (const kvm_irqchip* chip : {&primary, &secondary, &ioapic}) {
    RETURN_IF_ERROR(KVM_IOCTL(vm_fd, KVM_SET_IRQCHIP, chip).status());
  }
  return KVM_IOCTL(vm_fd, KVM_SET_PIT2, &pit).status();
}

}  // namespace touchstone

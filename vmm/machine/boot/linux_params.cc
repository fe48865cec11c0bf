#include "vmm/machine/boot/linux_params.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/endian.h"
#include "base/status.h"

namespace touchstone {
namespace {

// "Zero Page": the offsets that the kernel reads.
static_assert(sizeof(boot_params) == 4096);
static_assert(offsetof(boot_params, acpi_rsdp_addr) == 0x070);
static_assert(offsetof(boot_params, ext_ramdisk_image) == 0x0C0);
static_assert(offsetof(boot_params, ext_cmd_line_ptr) == 0x0C8);
static_assert(offsetof(boot_params, e820_entries) == 0x1E8);
static_assert(offsetof(boot_params, hdr) == 0x1F1);
static_assert(offsetof(boot_params, hdr.setup_data) == 0x250);
static_assert(offsetof(boot_params, e820_table) == 0x2D0);
static_assert(kMostE820Entries == E820_MAX_ENTRIES_ZEROPAGE);

// "The Real-Mode Kernel Header", type_of_loader: 0xFF is a loader without an assigned number.
constexpr uint8_t kUndefinedLoader = 0xFF;
// asm/setup_data.h: the kernel credits and wipes it. Not in every version of the user headers.
constexpr uint32_t kSetupRngSeed = 9;

// struct setup_data, without its bytes.
struct SetupDataHeader {
  Le64 next;
  Le32 type;
  Le32 length;
};
static_assert(sizeof(SetupDataHeader) == 16);
static_assert(offsetof(setup_data, data) == sizeof(SetupDataHeader));

constexpr uint64_t kSetupDataRoom = kSetupDataEnd - kSetupDataAddress - sizeof(SetupDataHeader);

}  // namespace

absl::Status WriteLinuxParams(const GuestMemory& memory, const setup_header& header,
                              const BootInfo& info) {
  if (info.e820.size() > kMostE820Entries) {
    return absl::InvalidArgumentError(absl::StrCat("the memory map has ", info.e820.size(),
                                                   " entries; the most is ", kMostE820Entries));
  }
  if (info.rng_seed.size() > kSetupDataRoom) {
    return absl::InvalidArgumentError(absl::StrCat("the random seed has ", info.rng_seed.size(),
                                                   " bytes; the most is ", kSetupDataRoom));
  }

  boot_params params = {};
  params.hdr = header;
  params.hdr.type_of_loader = kUndefinedLoader;
  params.hdr.cmd_line_ptr = static_cast<uint32_t>(Raw(kCommandLineAddress));
  // Initrds lie below 4 GiB, and so do their sizes: ext_ramdisk_* stay 0.
  params.hdr.ramdisk_image = static_cast<uint32_t>(Raw(info.initrd.start));
  params.hdr.ramdisk_size = static_cast<uint32_t>(info.initrd.size);
  params.hdr.setup_data = info.rng_seed.empty() ? 0 : Raw(kSetupDataAddress);
  params.acpi_rsdp_addr = Raw(info.rsdp);
  params.e820_entries = static_cast<uint8_t>(info.e820.size());
  for (size_t i = 0; i < info.e820.size(); ++i) {
    params.e820_table[i] = {.addr = Raw(info.e820[i].range.start),
                            .size = info.e820[i].range.size,
                            .type = static_cast<uint32_t>(info.e820[i].type)};
  }
  RETURN_IF_ERROR(memory.WriteObject(kZeroPageAddress, params));
  if (info.rng_seed.empty()) return absl::OkStatus();

  const SetupDataHeader seed = {
      .next = 0, .type = kSetupRngSeed, .length = static_cast<uint32_t>(info.rng_seed.size())};
  RETURN_IF_ERROR(memory.WriteObject(kSetupDataAddress, seed));
  return memory.Write(kSetupDataAddress + sizeof(seed), info.rng_seed);
}

}  // namespace touchstone

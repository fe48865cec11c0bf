// What firmware boots from, in which order: the file "bootorder" of the firmware configuration
// device (QEMU, docs/specs/fw_cfg and docs/bootindex), as SeaBIOS and OVMF read it.
//
// A line for each disk, its Open Firmware path: /pci@i0cf8/scsi@2/disk@0,0 (crosvm.md 5.3). A
// function other than 0 follows the device: scsi@2,1. Numbers are hexadecimal. A NUL ends the file.

#ifndef TOUCHSTONE_VMM_MACHINE_BOOT_ORDER_H_
#define TOUCHSTONE_VMM_MACHINE_BOOT_ORDER_H_

#include "absl/types/span.h"
#include "devices/pci/pci_address.h"
#include "devices/platform/fw_cfg/fw_cfg.h"

namespace touchstone {

// `disks` are virtio-blk devices on bus 0, the first to boot from first.
FwCfg::File BootOrderFile(absl::Span<const PciAddress> disks);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_MACHINE_BOOT_ORDER_H_

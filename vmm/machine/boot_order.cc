#include "vmm/machine/boot_order.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace touchstone {

FwCfg::File BootOrderFile(absl::Span<const PciAddress> disks) {
  std::string text = absl::StrJoin(disks, "\n", [](std::string* line, const PciAddress& address) {
    absl::StrAppend(line, "/pci@i0cf8/scsi@", absl::Hex(address.device));
    if (address.function != 0) absl::StrAppend(line, ",", absl::Hex(address.function));
    absl::StrAppend(line, "/disk@0,0");
  });
  text.push_back('\0');
  return {"bootorder", {text.begin(), text.end()}};
}

}  // namespace touchstone

#include "vmm/machine/boot/command_line.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"

namespace touchstone {

absl::Status CheckCommandLine(absl::string_view line, uint32_t limit) {
  limit = std::min(limit, kLongestCommandLine);
  if (line.size() > limit) {
    return absl::InvalidArgumentError(absl::StrCat("--params: the kernel command line has ",
                                                   line.size(), " bytes; the most is ", limit));
  }
  const auto bad = std::find_if_not(line.begin(), line.end(),
                                    [](unsigned char c) { return absl::ascii_isprint(c); });
  if (bad != line.end()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("--params: byte 0x%02x at %u of the kernel command line is not printable "
                        "ASCII",
                        static_cast<unsigned char>(*bad), bad - line.begin()));
  }
  return absl::OkStatus();
}

absl::Status WriteCommandLine(const GuestMemory& memory, absl::string_view line, uint32_t limit) {
  RETURN_IF_ERROR(CheckCommandLine(line, limit));
  std::vector<uint8_t> bytes(line.begin(), line.end());
  bytes.push_back(0);
  return memory.Write(kCommandLineAddress, bytes);
}

}  // namespace touchstone

#include "devices/pci/pci_address.h"

#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace touchstone {
namespace {

// 1 to `max_digits` hexadecimal digits, nothing else: no sign, no space, no 0x.
std::optional<uint32_t> ParseHex(absl::string_view text, size_t max_digits, uint32_t max) {
  if (text.empty() || text.size() > max_digits) return std::nullopt;
  uint32_t value = 0;
  for (const char c : text) {
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) return std::nullopt;
    const int digit = absl::ascii_isdigit(static_cast<unsigned char>(c))
                          ? c - '0'
                          : absl::ascii_tolower(static_cast<unsigned char>(c)) - 'a' + 10;
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  if (value > max) return std::nullopt;
  return value;
}

}  // namespace

absl::StatusOr<PciAddress> PciAddress::Parse(absl::string_view text) {
  const absl::Status error = absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not a PCI address: expected [DDDD:]BB:DD.F in hexadecimal"));
  std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() == 2) parts.insert(parts.begin(), "0");
  if (parts.size() != 3) return error;
  const std::vector<absl::string_view> slot = absl::StrSplit(parts[2], '.');
  if (slot.size() != 2) return error;
  const std::optional<uint32_t> domain = ParseHex(parts[0], 4, 0xFFFF);
  const std::optional<uint32_t> bus = ParseHex(parts[1], 2, 0xFF);
  const std::optional<uint32_t> device = ParseHex(slot[0], 2, 31);
  const std::optional<uint32_t> function = ParseHex(slot[1], 1, 7);
  if (!domain || !bus || !device || !function) return error;
  return PciAddress{static_cast<uint16_t>(*domain), static_cast<uint8_t>(*bus),
                    static_cast<uint8_t>(*device), static_cast<uint8_t>(*function)};
}

std::string PciAddress::ToString() const {
  const std::string slot = absl::StrFormat("%02x:%02x.%x", bus, device, function);
  return domain == 0 ? slot : absl::StrFormat("%04x:%s", domain, slot);
}

}  // namespace touchstone

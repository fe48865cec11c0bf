#include "vmm/machine/cpu/host_brand.h"

#include <cpuid.h>
#include <string.h>

#include <cstdint>

#include "absl/strings/ascii.h"

namespace touchstone {

std::string HostBrand() {
  char text[48] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    uint32_t words[4] = {};
    if (__get_cpuid(0x80000002 + i, &words[0], &words[1], &words[2], &words[3]) == 0) return "";
    memcpy(text + sizeof(words) * i, words, sizeof(words));
  }
  const std::string brand(text, strnlen(text, sizeof(text)));
  return std::string(absl::StripAsciiWhitespace(brand));
}

}  // namespace touchstone

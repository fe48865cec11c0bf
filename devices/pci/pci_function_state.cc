#include "devices/pci/pci_function_state.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace touchstone {
namespace {

constexpr uint32_t kVersion = 1;

}  // namespace

PciFunctionState StateWith(const ConfigSpace& config) {
  PciFunctionState state;
  state.set_version(kVersion);
  state.set_config(std::string(config.bytes().begin(), config.bytes().end()));
  return state;
}

absl::Status RestoreConfig(const PciFunctionState& state, ConfigSpace& config) {
  if (state.version() != kVersion) {
    return absl::InvalidArgumentError(absl::StrCat("the state of a PCI function of version ",
                                                   state.version(), ", not of ", kVersion));
  }
  return config.Restore(absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(state.config().data()),
                                            state.config().size()));
}

}  // namespace touchstone

// A fuzzer of a virtio device, from its kit:
//
//   VIRTIO_FUZZER(touchstone::RngKit());
//
// or from several, of which the upper half of a program's first byte chooses one:
//
//   VIRTIO_FUZZER(touchstone::BlockKit(), touchstone::BlockReadOnlyKit());
//
// Its seeds come from the kit too: the target NAME_seeds of virtio_fuzz_test (virtio_fuzzer.bzl)
// writes them.

#ifndef TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_FUZZER_H_
#define TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "devices/virtio/testing/device_kit.h"
#include "fuzz/support/fuzz_input.h"
#include "fuzz/support/virtio_program.h"

namespace touchstone {

// Of the fuzzer that is linked.
const std::vector<DeviceKit>& FuzzedKits();

// The one that the program chooses.
inline const DeviceKit& FuzzedKit(FuzzInput program) {
  const std::vector<DeviceKit>& kits = FuzzedKits();
  return kits[(program.U8() >> 4) % kits.size()];
}

}  // namespace touchstone

#define VIRTIO_FUZZER(...)                                                                  \
  const std::vector<touchstone::DeviceKit>& touchstone::FuzzedKits() {                      \
    static const std::vector<DeviceKit>& kits = *new std::vector<DeviceKit>({__VA_ARGS__}); \
    return kits;                                                                            \
  }                                                                                         \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {                 \
    const touchstone::FuzzInput program(data, size);                                        \
    touchstone::RunVirtioProgram(touchstone::FuzzedKit(program), program);                  \
    return 0;                                                                               \
  }                                                                                         \
  static_assert(true, "a semicolon follows")

#endif  // TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_FUZZER_H_

// A fuzzer of a virtio device, from its kit:
//
//   VIRTIO_FUZZER(touchstone::RngKit());
//
// Its seeds come from the kit too: the target NAME_seeds of virtio_fuzz_test (virtio_fuzzer.bzl)
// writes them.

#ifndef TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_FUZZER_H_
#define TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_FUZZER_H_

#include <cstddef>
#include <cstdint>

#include "devices/virtio/testing/device_kit.h"
#include "fuzz/support/fuzz_input.h"
#include "fuzz/support/virtio_program.h"

namespace touchstone {

// Of the fuzzer that is linked.
const DeviceKit& FuzzedKit();

}  // namespace touchstone

#define VIRTIO_FUZZER(kit)                                                                    \
  const touchstone::DeviceKit& touchstone::FuzzedKit() {                                      \
    static const DeviceKit& fuzzed = *new DeviceKit(kit);                                     \
    return fuzzed;                                                                            \
  }                                                                                           \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {                   \
    touchstone::RunVirtioProgram(touchstone::FuzzedKit(), touchstone::FuzzInput(data, size)); \
    return 0;                                                                                 \
  }                                                                                           \
  static_assert(true, "a semicolon follows")

#endif  // TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_FUZZER_H_

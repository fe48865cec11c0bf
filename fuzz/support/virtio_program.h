// The interpreter that the fuzzers of virtio devices share: a program of what a guest, well-behaved
// or hostile, and the host may do to one device, on a loop that is turned by hand.
//
// Program: ring 1, features 2, size 1; then operations, each a byte and its operands. The byte's
// low half is the operation, its high half the `arg`. What is missing at the end of the program is
// 0. What follows byte 512 is not read, and nothing is once the operations have cost 32: each costs
// 1, or what the table says, and a chain 1 more for each KiB.
//
//   ring      bit 0 EVENT_IDX, 1 INDIRECT_DESC, 2 PACKED, where the device offers them; the first
//             one chooses host and kit too
//   features  bit n: the n-th of the device's own features is left out
//   size      of the queues: 2^(size % 7), or 1 + size % 64 for packed ones
//
//   op            operands                         effect
//   0 request     number, patches, 2 a patch       a request of the kit, with readable bytes
//     (2)                                          patched (offset, value); kicked and served
//                                                  unless arg is odd
//   1 chain       count, then buffers              a chain on queue arg: count % 8 + 1 buffers,
//                                                  indirect if count >= 128 (buffer: TakeBuffer)
//   2 descriptor  index, address 4, length 4,      written as it is into queue arg's table
//                 flags 2, next 1
//   3 available   head                             made available on queue arg; from 0xF0 on the
//                                                  index becomes the next 2 bytes instead
//   4 kick                                         of queue arg
//   5 turn                                         the loop runs until it is idle
//   6 read        offset 2, size 1                 of the configuration
//   7 write       offset 1, arg + 1 bytes          of the configuration
//   8 restart (4)                                  queue arg stops and starts where it was
//   9 reset (4)   ring, features, size             and a driver that negotiates these
//  10 state (8)   size, bytes                      saved and restored; bytes restored (arg odd)
//  11 time        exponent                         2^(exponent % 36) ns pass
//  12 host        size, bytes                      TestDevice::HostEvent of kind arg
//  13 poke        address 2, arg + 1 bytes         memory at 4 * address
//  14 suppress    value 2, flags 1                 the driver's event suppression of queue arg
//  15 extra       the fuzzer's own
//
// A queue starts when the program uses it first; all do before the first operation where the host
// wants that (VirtioHost::keeps_positions is false).
//
// Always checked: what the device returns was sent and says no more than there was room; a queue
// that stops has nothing in flight; a state is restored whole or refused without effect.
//
// A program runs on static memory that is wiped only where it was touched, and on descriptors that
// are lent and need no system calls (quick_descriptors.cc), so that the device's own work is most
// of what an execution costs.

#ifndef TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_PROGRAM_H_
#define TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>

#include "devices/virtio/testing/device_kit.h"
#include "devices/virtio/testing/virtio_host.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {

struct VirtioProgramOptions {
  // Makes the host, given the first byte of the program; a DirectHost if there is none.
  std::function<std::unique_ptr<VirtioHost>(VirtioDevice&, const GuestMemory&, uint8_t)> make_host;
  // Operation 15, with its arg. Whatever it does to the driver's side is taken to be hostile.
  std::function<void(VirtioHost&, uint8_t, FuzzInput&)> extra;
  // Called after the last operation.
  std::function<void(VirtioHost&)> at_end;
};

// Runs the program to its end.
void RunVirtioProgram(const DeviceKit& kit, FuzzInput input,
                      const VirtioProgramOptions& options = {});

}  // namespace touchstone

#endif  // TOUCHSTONE_FUZZ_SUPPORT_VIRTIO_PROGRAM_H_

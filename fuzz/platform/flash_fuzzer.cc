// The flash chip under a guest that does anything, and its state from outside.
//
// Input: a byte of how many blocks of 16 bytes there are, then a program
// (support/device_program.h). Operation 3 takes a state from the input when its number is odd, and
// saves and restores when it is even. The file always has what the guest would read.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/log.h"
#include "devices/platform/flash/flash.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr uint32_t kBlock = 16;

void FuzzFlash(FuzzInput input) {
  const size_t size = (input.U8() % 8 + size_t{1}) * kBlock;
  ScopedFd file(memfd_create("flash", MFD_CLOEXEC));
  CHECK(ftruncate(file.get(), static_cast<off_t>(size)) == 0);
  const ScopedFd reader(dup(file.get()));
  Flash device(std::move(file), std::vector<uint8_t>(size), kBlock);
  Flash other(ScopedFd(dup(reader.get())), std::vector<uint8_t>(size), kBlock);
  ManualLoop loop;
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    if (number % 2 == 0) return CheckSaveRestore(device, other);
    Flash::State state;
    state.mode = static_cast<Flash::Mode>(operands.U8());
    state.status = operands.U8();
    const Flash::State before = device.Save();
    const bool accepted = device.Restore(state).ok();
    CHECK(device.Save() == (accepted ? state : before));
  };
  const auto check = [&] {
    const Flash::State state = device.Save();
    CHECK(device.Restore({.mode = Flash::Mode::kArray, .status = state.status}).ok());
    std::vector<uint8_t> seen(size), stored(size);
    device.Read(0, absl::MakeSpan(seen));
    CHECK(pread(reader.get(), stored.data(), size, 0) == static_cast<ssize_t>(size));
    CHECK(seen == stored);
    CHECK(device.Restore(state).ok());
  };
  RunDeviceProgram(input, {device, size, loop, operation, check});
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzFlash(touchstone::FuzzInput(data, size));
  return 0;
}

// The firmware configuration device under a guest that does anything, and its state from outside.
//
// Input: a byte of how many files and their names and contents, then a program
// (support/device_program.h). Operation 3 takes a state from the input when its number is odd, and
// saves and restores when it is even.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "devices/platform/fw_cfg/fw_cfg.h"
#include "fuzz/platform/support/device_program.h"
#include "fuzz/support/fuzz_input.h"

namespace touchstone {
namespace {

constexpr uint8_t kMostFiles = 8;

std::vector<FwCfg::File> TakeFiles(FuzzInput& input) {
  std::vector<FwCfg::File> files(input.U8() % (kMostFiles + 1));
  for (size_t i = 0; i < files.size(); ++i) {
    files[i].name = absl::StrCat("opt/", i);
    const auto contents = input.Bytes(input.U8());
    files[i].contents.assign(contents.begin(), contents.end());
  }
  return files;
}

void FuzzFwCfg(FuzzInput input) {
  const std::vector<FwCfg::File> files = TakeFiles(input);
  FwCfg device(files);
  FwCfg other(files);
  ManualLoop loop;
  const auto operation = [&](uint8_t number, FuzzInput& operands) {
    if (number % 2 == 0) return CheckSaveRestore(device, other);
    FwCfg::State state;
    state.selector = operands.U8();
    state.position = operands.U8();
    const FwCfg::State before = device.Save();
    const bool accepted = device.Restore(state).ok();
    CHECK(device.Save() == (accepted ? state : before));
  };
  const auto check = [&] {
    const FwCfg::State state = device.Save();
    CHECK(state.position <= 4 + kMostFiles * FwCfg::kDirectoryEntrySize);
  };
  RunDeviceProgram(input, {device, FwCfg::kPortCount, loop, operation, check});
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  touchstone::FuzzFwCfg(touchstone::FuzzInput(data, size));
  return 0;
}

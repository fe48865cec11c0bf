// Runs a bare-metal guest (integration/guests) in a machine inside the test's own process.
//
//   ASSERT_OK_AND_ASSIGN(BareMetalRun run, RunBareMetal("exits_guest", {.cpus = 2}));
//   EXPECT_EQ(run.end, EndOfRun::kPowerOff);
//   EXPECT_THAT(run.output, Not(HasSubstr("FAIL")));

#ifndef TOUCHSTONE_INTEGRATION_MACHINE_BARE_METAL_H_
#define TOUCHSTONE_INTEGRATION_MACHINE_BARE_METAL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "vmm/machine/lifecycle.h"

namespace touchstone {

struct BareMetalOptions {
  uint32_t cpus = 1;
  uint64_t memory_mib = 64;
  std::string command_line;
  // The guest is a ROM for --bios, not a kernel.
  bool rom = false;
  // The file of --pflash, if there is one.
  std::string flash;
  // The interrupt controllers are those of --irqchip split.
  bool split_irqchip = false;
  // Whether there is a debug port.
  bool debugcon = false;
  // The run is stopped (kStopped) after that time.
  absl::Duration limit = absl::Seconds(60);
};

struct BareMetalRun {
  EndOfRun end;
  // What came out of COM1, and of the debug port.
  std::string output;
  std::string debug_output;
};

// Builds the machine on /dev/kvm, runs `guest` (a file of integration/guests) to its end and takes
// the machine apart again. Whenever the guest prints "send ADDRESS DATA", that message is signalled
// as an MSI.
absl::StatusOr<BareMetalRun> RunBareMetal(const std::string& guest,
                                          const BareMetalOptions& options);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_MACHINE_BARE_METAL_H_

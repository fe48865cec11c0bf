// The program's own pages of code and constants, as the host counts them.

#ifndef TOUCHSTONE_BASE_PROGRAM_PAGES_H_
#define TOUCHSTONE_BASE_PROGRAM_PAGES_H_

#include <cstdint>

namespace touchstone {

// Unmaps every page of the executable that is only ever read, its code and constants; shared
// libraries stay as they are. What is used again comes back from the page cache at a minor fault
// for each 64 KiB. Worth it once, when a long quiet time follows a busy start. Returns how many
// bytes of address space that was; 0 when the host refuses, or a debugger, whose breakpoints would
// be lost, is attached.
//
// Thread-safe; other threads may execute the code meanwhile.
uint64_t ReleaseProgramPages();

}  // namespace touchstone

#endif  // TOUCHSTONE_BASE_PROGRAM_PAGES_H_

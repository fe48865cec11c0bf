// The version of the program.

#ifndef TOUCHSTONE_VMM_CLI_VERSION_H_
#define TOUCHSTONE_VMM_CLI_VERSION_H_

namespace touchstone {

// What --version prints.
inline constexpr char kVersionLine[] = "touchstone 0.1.0\n";

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CLI_VERSION_H_

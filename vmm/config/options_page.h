// The page about all options: docs/options.md.

#ifndef TOUCHSTONE_VMM_CONFIG_OPTIONS_PAGE_H_
#define TOUCHSTONE_VMM_CONFIG_OPTIONS_PAGE_H_

#include <string>

#include "vmm/config/help.h"

namespace touchstone {

// Markdown: each option with its value, what it does, its fate and, when it works, the test that
// proves it; then the keys of each that has some.
std::string OptionsPage(OptionTypes types);

}  // namespace touchstone

#endif  // TOUCHSTONE_VMM_CONFIG_OPTIONS_PAGE_H_

// What a guest test was told on its own command line, beside what GoogleTest takes from there:
//
//   --full                  volumes are those of the figures, not of the presubmit
//   --machine-option=OPTION one more option of every `touchstone run` of the test, such as
//                           --machine-option=--disable-sandbox (the ways of kvm_test.bzl)
//
// Read from the process itself, so that a test needs no main function of its own.

#ifndef TOUCHSTONE_INTEGRATION_TESTING_TEST_ARGUMENTS_H_
#define TOUCHSTONE_INTEGRATION_TESTING_TEST_ARGUMENTS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace touchstone {

// This process's arguments that begin with `prefix`, without it.
std::vector<std::string> TestArguments(absl::string_view prefix);

// The values of --machine-option.
std::vector<std::string> MachineOptions();

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_TESTING_TEST_ARGUMENTS_H_

// Paths of a test's data files.

#ifndef TOUCHSTONE_INTEGRATION_TESTING_RUNFILES_H_
#define TOUCHSTONE_INTEGRATION_TESTING_RUNFILES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace touchstone {

// The absolute path of a data file of the running test, given as $(rootpath) gives it:
// "vmm/touchstone", "external/debian_cloud_kernel/vmlinux". Outside of `bazel test` the path is
// taken from the working directory.
std::string Runfile(absl::string_view path);

}  // namespace touchstone

#endif  // TOUCHSTONE_INTEGRATION_TESTING_RUNFILES_H_

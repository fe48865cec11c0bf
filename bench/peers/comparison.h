// What the comparisons under load share: their command line, the guest, and the table.

#ifndef TOUCHSTONE_BENCH_PEERS_COMPARISON_H_
#define TOUCHSTONE_BENCH_PEERS_COMPARISON_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace touchstone {

struct Peer {
  std::string name;
  std::vector<std::string> command;
};

class Comparison {
 public:
  // Of [--trace] [--only NAME] [--operations N] [--loads NAMES] TOUCHSTONE KERNEL INITRAMFS.
  static absl::StatusOr<Comparison> Parse(int argc, char** argv, absl::string_view loads);

  // "OPERATIONS NAME..."
  [[nodiscard]] std::string load() const { return operations_ + " " + loads_; }

  // Commands that boot the guest with `load`, which its init finds in load= with commas for spaces.
  [[nodiscard]] std::vector<std::string> Touchstone(absl::string_view load,
                                                    const std::vector<std::string>& options) const;
  [[nodiscard]] std::vector<std::string> Qemu(absl::string_view load,
                                              const std::vector<std::string>& options) const;

  // Runs those peers whose name contains --only's, calling `prepare` before each, and prints the
  // table. Returns what main() does.
  [[nodiscard]] int Run(
      const std::vector<Peer>& peers, const std::string& reference,
      const std::function<absl::Status()>& prepare = [] { return absl::OkStatus(); }) const;

 private:
  Comparison() = default;

  bool trace_ = false;
  std::string only_;
  std::string operations_ = "500";
  std::string loads_;
  std::string touchstone_;
  std::string kernel_;
  std::string initramfs_;
};

// Prints it; returns what main() does.
int PrintError(const absl::Status& status);

}  // namespace touchstone

#endif  // TOUCHSTONE_BENCH_PEERS_COMPARISON_H_

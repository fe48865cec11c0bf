#include "bench/peers/comparison.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "bench/peers/kvm_counters.h"
#include "bench/peers/load_run.h"
#include "bench/peers/monitor_process.h"

namespace touchstone {
namespace {

constexpr uint64_t kGuestMib = 256;

std::string KernelCommandLine(absl::string_view load) {
  return absl::StrCat("console=ttyS0 quiet nokaslr panic=-1 load=",
                      absl::StrReplaceAll(load, {{" ", ","}}));
}

}  // namespace

absl::StatusOr<Comparison> Comparison::Parse(int argc, char** argv, absl::string_view loads) {
  Comparison comparison;
  comparison.loads_ = std::string(loads);
  int next = 1;
  for (; next < argc && absl::StartsWith(argv[next], "--"); ++next) {
    const absl::string_view option = argv[next];
    if (option == "--trace") {
      comparison.trace_ = true;
    } else if (option == "--only" && next + 1 < argc) {
      comparison.only_ = argv[++next];
    } else if (option == "--operations" && next + 1 < argc) {
      comparison.operations_ = argv[++next];
    } else if (option == "--loads" && next + 1 < argc) {
      comparison.loads_ = argv[++next];
    } else {
      next = argc;
    }
  }
  if (argc - next != 3) {
    return absl::InvalidArgumentError(
        "usage: [--trace] [--only NAME] [--operations N] [--loads NAMES] TOUCHSTONE KERNEL "
        "INITRAMFS");
  }
  comparison.touchstone_ = argv[next];
  comparison.kernel_ = argv[next + 1];
  comparison.initramfs_ = argv[next + 2];
  return comparison;
}

std::vector<std::string> Comparison::Touchstone(absl::string_view load,
                                                const std::vector<std::string>& options) const {
  std::vector<std::string> command = {touchstone_, "run",      "--mem",    absl::StrCat(kGuestMib),
                                      "--initrd",  initramfs_, "--params", KernelCommandLine(load)};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(kernel_);
  return command;
}

std::vector<std::string> Comparison::Qemu(absl::string_view load,
                                          const std::vector<std::string>& options) const {
  std::vector<std::string> command =
      QemuCommand("pc", kGuestMib, kernel_, initramfs_, KernelCommandLine(load));
  command.insert(command.end(), options.begin(), options.end());
  return command;
}

int Comparison::Run(const std::vector<Peer>& peers, const std::string& reference,
                    const std::function<absl::Status()>& prepare) const {
  StopHaltPolling();
  LoadTable table(reference);
  int status = 0;
  for (const Peer& peer : peers) {
    if (!absl::StrContains(peer.name, only_)) continue;
    if (trace_) std::printf("\n%s\n", peer.name.c_str());
    absl::Status ready = prepare();
    const absl::StatusOr<std::vector<LoadCost>> costs =
        ready.ok() ? RunLoads(peer.command, trace_) : ready;
    if (costs.ok()) {
      table.Add(peer.name, *costs);
    } else {
      std::fprintf(stderr, "%s: ", peer.name.c_str());
      status = PrintError(costs.status());
    }
  }
  std::printf("%s", table.Format().c_str());
  return status;
}

int PrintError(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace touchstone

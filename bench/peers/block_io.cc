// Reads and writes of a guest's disk under Touchstone and under QEMU, one after the other in one
// KVM lab, with the same image, kernel and load. Runs as root; in_lab.sh starts it in the lab.
//
//   block_io_main [--trace] [--only NAME] [--operations N] [--loads NAMES] TOUCHSTONE KERNEL
//   INITRAMFS
//
// The image is a file of 64 MiB in the lab's memory, with data everywhere. Loads are
// block_load.cc's, N (500) operations each. Times are the guest's, in virtual microseconds under
// `ci/lab --icount`; ratios are to QEMU with an iothread and io_uring. "device us" is CPU time of
// the monitor's other threads than the vCPU's. Exits come with those among them that went to user
// space, and halts of an idle guest. --trace prints exit reasons and the host's system calls as
// well; it slows everything down, so its times do not count.

#include <errno.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bench/peers/comparison.h"

namespace touchstone {
namespace {

constexpr char kReference[] = "QEMU pc, iothread, io_uring";
constexpr char kImage[] = "/tmp/block_io.img";
constexpr uint64_t kImageMib = 64;

std::vector<Peer> Peers(const Comparison& comparison) {
  const auto touchstone = [&](const std::string& keys) {
    return comparison.Touchstone(comparison.load(),
                                 {"--block", absl::StrCat("path=", kImage, ",", keys)});
  };
  const auto qemu = [&](const std::string& aio, const std::string& device) {
    return comparison.Qemu(comparison.load(),
                           {"-object", "iothread,id=io", "-drive",
                            absl::StrCat("file=", kImage, ",format=raw,if=none,id=disk,aio=", aio),
                            "-device", absl::StrCat("virtio-blk-pci,drive=disk", device)});
  };
  return {
      {"Touchstone, threads", touchstone("async-executor=epoll")},
      {"Touchstone, io_uring", touchstone("async-executor=uring")},
      {kReference, qemu("io_uring", ",iothread=io")},
      {"QEMU pc, threads", qemu("threads", "")},
  };
}

absl::Status MakeImage() {
  std::FILE* const file = std::fopen(kImage, "we");
  if (file == nullptr) return ErrnoStatus(errno, kImage);
  const std::string piece(1 << 20, 'a');
  bool good = true;
  for (uint64_t i = 0; i < kImageMib; ++i) {
    good = std::fwrite(piece.data(), piece.size(), 1, file) == 1 && good;
  }
  if (std::fclose(file) == 0 && good) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(kImage, " cannot be written"));
}

}  // namespace

int Main(int argc, char** argv) {
  const absl::StatusOr<Comparison> comparison = Comparison::Parse(
      argc, argv, "nothing read-4-1 write-4-1 read-4-32 write-4-32 read-128-1 read-128-32");
  if (!comparison.ok()) return PrintError(comparison.status());
  return comparison->Run(Peers(*comparison), kReference, MakeImage);
}

}  // namespace touchstone

int main(int argc, char** argv) { return touchstone::Main(argc, argv); }

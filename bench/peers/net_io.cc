// Traffic of a guest through a tap under Touchstone and under QEMU, one after the other in one KVM
// lab, with the same kernel and load. Runs as root; in_lab.sh starts it in the lab.
//
//   net_io_main [--trace] [--only NAME] [--operations N] [--loads NAMES] TOUCHSTONE KERNEL
//   INITRAMFS
//
// Loads are net_load.h's, N (500) operations each: tcp-out and tcp-in (64 KiB from and to the
// guest), udp-out and udp-in (datagrams of 64 bytes, 64 for an answer), udp-rr (round trips). The
// columns are block_io.cc's. Ratios are to QEMU without vhost.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/peers/comparison.h"
#include "bench/peers/net_host.h"

namespace touchstone {
namespace {

constexpr char kReference[] = "QEMU pc";
constexpr char kTap[] = "tap0";
constexpr char kHost[] = "192.168.77.1";
constexpr char kGuest[] = "192.168.77.2";

std::vector<Peer> Peers(const Comparison& comparison) {
  const std::string load = absl::StrCat(kHost, " ", kGuest, " ", comparison.load());
  const auto touchstone = [&](const std::string& keys) {
    return comparison.Touchstone(load, {"--net", absl::StrCat("tap-name=", kTap, keys)});
  };
  const auto qemu = [&](const std::string& vhost) {
    return comparison.Qemu(
        load, {"-netdev",
               absl::StrCat("tap,id=net,ifname=", kTap, ",script=no,downscript=no,vhost=", vhost),
               "-device", "virtio-net-pci,netdev=net,romfile="});
  };
  return {
      {"Touchstone", touchstone("")},
      {"Touchstone, vhost", touchstone(",vhost-net")},
      {kReference, qemu("off")},
      {"QEMU pc, vhost", qemu("on")},
  };
}

}  // namespace

int Main(int argc, char** argv) {
  const absl::StatusOr<Comparison> comparison =
      Comparison::Parse(argc, argv, "nothing tcp-out tcp-in udp-out udp-in udp-rr");
  if (!comparison.ok()) return PrintError(comparison.status());
  if (absl::Status status = MakeTap(kTap, kHost); !status.ok()) return PrintError(status);
  const auto server = NetLoadServer::Start(kHost, kGuest);
  if (!server.ok()) return PrintError(server.status());
  return comparison->Run(Peers(*comparison), kReference);
}

}  // namespace touchstone

int main(int argc, char** argv) { return touchstone::Main(argc, argv); }

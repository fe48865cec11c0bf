#include "devices/virtio/net/net_plan.h"

#include <arpa/inet.h>

#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace touchstone {
namespace {

absl::StatusOr<uint32_t> ParseIpv4(absl::string_view key, const std::string& text) {
  in_addr address;
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, "=", text, " is no IPv4 address such as 192.168.10.1"));
  }
  return ntohl(address.s_addr);
}

absl::StatusOr<TapAddress> PlanAddress(const NetConfig& config) {
  for (const auto& [key, given] :
       {std::pair("host-ip", config.has_host_ip()), std::pair("netmask", config.has_netmask()),
        std::pair("mac", config.has_mac())}) {
    if (!given) {
      return absl::InvalidArgumentError(
          absl::StrCat(key, "= is missing: host-ip=, netmask= and mac= belong together"));
    }
  }
  TapAddress address;
  ASSIGN_OR_RETURN(address.ip, ParseIpv4("host-ip", config.host_ip()));
  ASSIGN_OR_RETURN(address.netmask, ParseIpv4("netmask", config.netmask()));
  // Ones, then zeros.
  if ((~address.netmask & (~address.netmask + 1)) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("netmask=", config.netmask(), " is no netmask such as 255.255.255.0"));
  }
  ASSIGN_OR_RETURN(address.mac, ParseMac(config.mac()));
  return address;
}

PasstCommand PlanPasst(const PasstConfig& config) {
  PasstCommand command = {.path = config.path()};
  if (config.tcp_ports_size() > 0) {
    command.arguments.insert(command.arguments.end(),
                             {"--tcp-ports", absl::StrJoin(config.tcp_ports(), ",")});
  }
  if (config.udp_ports_size() > 0) {
    command.arguments.insert(command.arguments.end(),
                             {"--udp-ports", absl::StrJoin(config.udp_ports(), ",")});
  }
  command.arguments.insert(command.arguments.end(), config.args().begin(), config.args().end());
  return command;
}

// What there is only with a tap.
absl::Status CheckTapKeys(const NetConfig& config) {
  if (config.has_vhost_net()) {
    return absl::InvalidArgumentError("vhost-net needs a tap: tap-name=, tap-fd= or host-ip=");
  }
  if (config.vq_pairs() > 1) {
    return absl::InvalidArgumentError(
        "vq-pairs= needs a tap: passt and sockets have one pair of queues");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MacAddress> ParseMac(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  MacAddress mac;
  bool good = parts.size() == mac.size();
  for (size_t i = 0; good && i < mac.size(); ++i) {
    uint32_t byte = 0;
    good = parts[i].size() == 2 && parts[i][0] != '+' && parts[i][0] != '-' &&
           absl::SimpleHexAtoi(parts[i], &byte);
    mac[i] = static_cast<uint8_t>(byte);
  }
  if (!good) {
    return absl::InvalidArgumentError(
        absl::StrCat("mac=", text, " is no address such as 52:54:00:12:34:56"));
  }
  if ((mac[0] & 1) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("mac=", text, " is a multicast address, which no interface can have"));
  }
  return mac;
}

absl::StatusOr<NetPlan> PlanNet(const NetConfig& config) {
  const bool triple = config.has_host_ip() || config.has_netmask();
  const bool tap = triple || config.has_tap_name() || config.has_tap_fd();
  const std::vector<bool> given = {triple,
                                   config.has_tap_name(),
                                   config.has_tap_fd(),
                                   config.has_passt(),
                                   config.has_socket(),
                                   config.has_socket_fd()};
  const auto sources = absl::c_count(given, true);
  if (sources != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "one of tap-name=, tap-fd=, host-ip=, passt, socket= and socket-fd= is needed, ",
        sources == 0 ? "none is given" : "several are given"));
  }
  if (!tap) RETURN_IF_ERROR(CheckTapKeys(config));
  NetPlan plan = {
      .pairs = config.vq_pairs(), .mergeable = config.mrg_rxbuf(), .packed = config.packed_queue()};
  if (triple) {
    ASSIGN_OR_RETURN(plan.source, PlanAddress(config));
  } else {
    if (config.has_tap_name()) {
      // linux/if.h: IFNAMSIZ.
      if (config.tap_name().size() > 15) {
        return absl::InvalidArgumentError(
            absl::StrCat("tap-name=", config.tap_name(),
                         ": the name of an interface has at most 15 characters"));
      }
      plan.source = NetPlan::TapName{config.tap_name()};
    } else if (config.has_tap_fd()) {
      plan.source = NetPlan::TapFd{config.tap_fd()};
    } else if (config.has_passt()) {
      plan.source = PlanPasst(config.passt());
    } else if (config.has_socket()) {
      plan.source = NetPlan::SocketPath{config.socket()};
    } else {
      plan.source = NetPlan::SocketFd{config.socket_fd()};
    }
    // crosvm.md 5.5: with host-ip= the address is the host's.
    if (config.has_mac()) {
      ASSIGN_OR_RETURN(plan.mac, ParseMac(config.mac()));
    }
  }
  if (config.has_vhost_net()) {
    plan.vhost_device = config.vhost_net().device();
    if (plan.pairs > 1) {
      return absl::InvalidArgumentError("vq-pairs= with vhost-net: it has one pair of queues");
    }
    if (plan.packed) {
      return absl::InvalidArgumentError(
          "packed-queue with vhost-net: the kernel has no such queues");
    }
  }
  return plan;
}

}  // namespace touchstone

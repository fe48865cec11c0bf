#include "vmm/cli/status_text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "vmm/config/text.h"

namespace touchstone {
namespace {

using Numbers = google::protobuf::RepeatedField<uint64_t>;
using Names = google::protobuf::RepeatedPtrField<std::string>;

// Virtio 1.2, 2.1.
constexpr uint32_t kDriverOk = 4;
constexpr uint32_t kNeedsReset = 64;
constexpr uint32_t kFailed = 128;

const char* NameOf(MachineStatus::State state) {
  switch (state) {
    case MachineStatus::RUNNING:
      return "running";
    case MachineStatus::SUSPENDED:
      return "suspended";
    case MachineStatus::SUSPENDED_FULLY:
      return "suspended fully";
    case MachineStatus::SLEEPING:
      return "sleeping";
  }
  return "unknown";
}

const char* NameOf(MachineStatus::VcpuState state) {
  switch (state) {
    case MachineStatus::NOT_STARTED:
      return "not started";
    case MachineStatus::VCPU_RUNNING:
      return "running";
    case MachineStatus::WAITING:
      return "waiting";
    case MachineStatus::ENDED:
      return "ended";
  }
  return "unknown";
}

std::string DriverOf(const MachineStatus::Device& device) {
  if ((device.status() & kNeedsReset) != 0) return "needs reset";
  if ((device.status() & kFailed) != 0) return "gave up";
  if ((device.status() & kDriverOk) != 0) return "works";
  return device.status() == 0 ? "none" : "starts";
}

std::string CountsJson(const Names& names, const Numbers& values) {
  std::vector<std::string> pairs;
  for (int i = 0; i < std::min(names.size(), values.size()); ++i) {
    pairs.push_back(absl::StrCat(QuoteJson(names[i]), ": ", values[i]));
  }
  return absl::StrCat("{", absl::StrJoin(pairs, ", "), "}");
}

std::string QueueJson(const MachineStatus::Queue& queue) {
  std::string out = absl::StrCat("{\"size\": ", queue.size(),
                                 ", \"running\": ", queue.running() ? "true" : "false");
  if (queue.has_available()) absl::StrAppend(&out, ", \"available\": ", queue.available());
  if (queue.has_used()) absl::StrAppend(&out, ", \"used\": ", queue.used());
  return out + "}";
}

std::string VcpuJson(const MachineStatus& status, const MachineStatus::Vcpu& vcpu) {
  return absl::StrCat(
      "    {\n      \"id\": ", vcpu.id(), ",\n      \"state\": ", QuoteJson(NameOf(vcpu.state())),
      ",\n      \"exits\": ", CountsJson(status.exit_names(), vcpu.exits()),
      ",\n      \"hypervisor\": ", CountsJson(status.counter_names(), vcpu.counters()), "\n    }");
}

std::string DeviceJson(const MachineStatus::Device& device) {
  std::string out = absl::StrCat("    {\n      \"address\": ", QuoteJson(device.address()),
                                 ",\n      \"name\": ", QuoteJson(device.name()));
  if (device.has_device_id()) {
    std::vector<std::string> queues;
    for (const MachineStatus::Queue& queue : device.queues()) queues.push_back(QueueJson(queue));
    absl::StrAppend(&out, ",\n      \"virtio_id\": ", device.device_id(),
                    ",\n      \"status\": ", device.status(), ",\n      \"features\": \"0x",
                    absl::Hex(device.features()),
                    "\",\n      \"jailed\": ", device.jailed() ? "true" : "false",
                    ",\n      \"queues\": [", absl::StrJoin(queues, ", "), "]");
  }
  return out + "\n    }";
}

// A rate a second.
uint64_t Rate(uint64_t earlier, uint64_t later, uint64_t microseconds) {
  if (later < earlier || microseconds == 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(later - earlier) * 1e6 /
                               static_cast<double>(microseconds));
}

// "io 12  mmio 3"
std::string RatesText(const Names& names, const Numbers& earlier, const Numbers& later,
                      uint64_t microseconds) {
  std::vector<std::string> rates;
  for (int i = 0; i < std::min({names.size(), earlier.size(), later.size()}); ++i) {
    if (later[i] == 0) continue;
    rates.push_back(absl::StrCat(names[i], " ", Rate(earlier[i], later[i], microseconds)));
  }
  return rates.empty() ? "none" : absl::StrJoin(rates, "  ");
}

std::string QueueText(const MachineStatus::Queue& queue, int index) {
  if (!queue.running()) return absl::StrCat(index, ": off");
  std::string out = absl::StrCat(index, ": ", queue.size());
  if (!queue.has_available() || !queue.has_used()) return out;
  const uint32_t waiting = (queue.available() - queue.used()) & 0xFFFF;
  absl::StrAppend(&out, " entries, ", waiting, " with the device");
  return out;
}

std::string Summary(const MachineStatus& status) {
  std::string out = absl::StrFormat(
      "pid %d, %s, up %.1f s, %d MiB of memory", status.pid(), NameOf(status.state()),
      static_cast<double>(status.uptime_us()) / 1e6, status.memory() >> 20);
  if (status.has_balloon()) {
    absl::StrAppend(&out, ", ", status.balloon() >> 20, " MiB of it in the balloon");
  }
  return out + "\n";
}

}  // namespace

std::string StatusJson(const MachineStatus& status) {
  std::vector<std::string> vcpus;
  for (const MachineStatus::Vcpu& vcpu : status.vcpus()) vcpus.push_back(VcpuJson(status, vcpu));
  std::vector<std::string> devices;
  for (const MachineStatus::Device& device : status.devices()) {
    devices.push_back(DeviceJson(device));
  }
  std::string out = absl::StrCat(
      "{\n  \"pid\": ", status.pid(), ",\n  \"state\": ", QuoteJson(NameOf(status.state())),
      ",\n  \"uptime_us\": ", status.uptime_us(), ",\n  \"memory\": ", status.memory());
  if (status.has_balloon()) absl::StrAppend(&out, ",\n  \"balloon\": ", status.balloon());
  absl::StrAppend(&out, ",\n  \"vcpus\": [\n", absl::StrJoin(vcpus, ",\n"),
                  "\n  ],\n  \"devices\": [\n", absl::StrJoin(devices, ",\n"), "\n  ]\n}\n");
  return out;
}

std::string StatusTable(const MachineStatus& earlier, const MachineStatus& later) {
  std::string out = Summary(later);
  const uint64_t time = later.uptime_us() - std::min(earlier.uptime_us(), later.uptime_us());
  absl::StrAppend(&out, "\nvCPU  state        events a second\n");
  for (int i = 0; i < std::min(earlier.vcpus_size(), later.vcpus_size()); ++i) {
    const MachineStatus::Vcpu& before = earlier.vcpus(i);
    const MachineStatus::Vcpu& now = later.vcpus(i);
    absl::StrAppendFormat(&out, "%4d  %-11s  exits to touchstone: %s\n", now.id(),
                          NameOf(now.state()),
                          RatesText(later.exit_names(), before.exits(), now.exits(), time));
    if (later.counter_names_size() == 0) continue;
    absl::StrAppendFormat(
        &out, "%19shypervisor: %s\n", "",
        RatesText(later.counter_names(), before.counters(), now.counters(), time));
  }
  absl::StrAppend(&out, "\naddress  driver       device\n");
  for (const MachineStatus::Device& device : later.devices()) {
    absl::StrAppendFormat(&out, "%-7s  %-11s  %s%s\n", device.address(),
                          device.has_device_id() ? DriverOf(device) : "-", device.name(),
                          device.jailed() ? " (jailed)" : "");
    for (int i = 0; i < device.queues_size(); ++i) {
      absl::StrAppendFormat(&out, "%22s queue %s\n", "", QueueText(device.queues(i), i));
    }
  }
  return out;
}

std::string MachineListHeading() {
  return absl::StrFormat("%-8s  %-15s  %5s  %9s  %10s  %s\n", "PID", "STATE", "VCPUS", "MEMORY",
                         "UP", "SOCKET");
}

std::string MachineListLine(absl::string_view socket, const MachineStatus& status) {
  return absl::StrFormat("%-8d  %-15s  %5d  %5d MiB  %8.1f s  %s\n", status.pid(),
                         NameOf(status.state()), status.vcpus_size(), status.memory() >> 20,
                         static_cast<double>(status.uptime_us()) / 1e6, socket);
}

}  // namespace touchstone

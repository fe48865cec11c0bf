// A vhost device without a kernel: remembers what it was told, and fails what it is told to fail.
//
//   auto owned = std::make_unique<FakeVhostControl>();
//   FakeVhostControl& kernel = *owned;
//   ...                                   // The device under test takes `owned`.
//   kernel.ring(0).call.Signal();         // The kernel has returned chains of queue 0.
//
// Thread-compatible.

#ifndef TOUCHSTONE_DEVICES_VIRTIO_VHOST_FAKE_VHOST_CONTROL_H_
#define TOUCHSTONE_DEVICES_VIRTIO_VHOST_FAKE_VHOST_CONTROL_H_

#include <fcntl.h>
#include <stdint.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/event_fd.h"
#include "base/scoped_fd.h"
#include "devices/virtio/vhost/vhost_abi.h"
#include "devices/virtio/vhost/vhost_control.h"

namespace touchstone {

class FakeVhostControl final : public VhostControl {
 public:
  // What the kernel knows of one queue; descriptors are its own duplicates, -1 when taken away.
  struct Ring {
    uint32_t size = 0;
    uint32_t base = 0;
    vhost_vring_addr address = {};
    EventFd kick{ScopedFd()};
    EventFd call{ScopedFd()};
    EventFd error{ScopedFd()};
    int backend = -1;  // VHOST_NET_SET_BACKEND: the number as it was given.
  };

  absl::Status Call(unsigned long request, const char* name, void* argument) override {
    calls.push_back(name);
    if (const auto failure = failures.find(request); failure != failures.end()) {
      return absl::InternalError(absl::StrCat(name, ": ", failure->second));
    }
    switch (request) {
      case VHOST_SET_OWNER:
        owned = true;
        break;
      case VHOST_GET_FEATURES:
        memcpy(argument, &available_features, sizeof(uint64_t));
        break;
      case VHOST_SET_FEATURES:
        memcpy(&features, argument, sizeof(uint64_t));
        break;
      case VHOST_SET_MEM_TABLE:
        SetMemory(static_cast<const uint8_t*>(argument));
        break;
      case VHOST_SET_VRING_NUM:
        rings[State(argument).index].size = State(argument).num;
        break;
      case VHOST_SET_VRING_BASE:
        rings[State(argument).index].base = State(argument).num;
        break;
      case VHOST_SET_VRING_ADDR: {
        vhost_vring_addr address;
        memcpy(&address, argument, sizeof(address));
        rings[address.index].address = address;
        break;
      }
      case VHOST_GET_VRING_BASE: {
        vhost_vring_state state = State(argument);
        state.num = rings[state.index].base;
        memcpy(argument, &state, sizeof(state));
        break;
      }
      case VHOST_SET_VRING_KICK:
        rings[File(argument).index].kick = Duplicate(File(argument).fd);
        break;
      case VHOST_SET_VRING_CALL:
        rings[File(argument).index].call = Duplicate(File(argument).fd);
        break;
      case VHOST_SET_VRING_ERR:
        rings[File(argument).index].error = Duplicate(File(argument).fd);
        break;
      case VHOST_NET_SET_BACKEND:
        rings[File(argument).index].backend = File(argument).fd;
        break;
      case VHOST_VSOCK_SET_GUEST_CID:
        memcpy(&guest_cid, argument, sizeof(guest_cid));
        break;
      case VHOST_VSOCK_SET_RUNNING:
        memcpy(&vsock_running, argument, sizeof(vsock_running));
        break;
      default:
        return absl::UnimplementedError(absl::StrCat(name, ": not in the fake"));
    }
    return absl::OkStatus();
  }

  Ring& ring(uint32_t index) { return rings[index]; }

  // --- To be set by the test.
  uint64_t available_features = UINT64_C(1) << 32 | UINT64_C(1) << 29;
  std::map<unsigned long, std::string> failures;  // Request to what it says.

  // --- What was called.
  std::vector<std::string> calls;
  bool owned = false;
  uint64_t features = 0;
  std::vector<vhost_memory_region> memory;
  std::map<uint32_t, Ring> rings;
  uint64_t guest_cid = 0;
  int vsock_running = 0;

 private:
  static vhost_vring_state State(const void* argument) {
    vhost_vring_state state;
    memcpy(&state, argument, sizeof(state));
    return state;
  }
  static vhost_vring_file File(const void* argument) {
    vhost_vring_file file;
    memcpy(&file, argument, sizeof(file));
    return file;
  }
  static EventFd Duplicate(int fd) {
    return EventFd(ScopedFd(fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0)));
  }
  void SetMemory(const uint8_t* table) {
    vhost_memory header;
    memcpy(&header, table, sizeof(header));
    memory.resize(header.nregions);
    memcpy(memory.data(), table + sizeof(header), memory.size() * sizeof(vhost_memory_region));
  }
};

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_VHOST_FAKE_VHOST_CONTROL_H_

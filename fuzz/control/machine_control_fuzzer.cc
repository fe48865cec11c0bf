// Requests to a machine on the fake hypervisor, whatever they say and whatever comes with them:
// each has one answer, and the machine still tells its status afterwards. One machine serves all
// inputs, as one does all clients.
//
// The input is a list of packets, each a byte of how it comes and a byte of its length before it:
// bit 0, the client is gone; bit 1, two empty files come along; bit 2, a socket; bit 3, what is no
// socket; the rest is how long it is until the next one, in units of 50 ms.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/event/manual_loop.h"
#include "base/fd_socket.h"
#include "base/log.h"
#include "base/scoped_fd.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/defaults.h"
#include "vmm/control/control_message.h"
#include "vmm/control/machine_control.h"
#include "vmm/machine/boot/boot_testing.h"
#include "vmm/machine/build_machine.h"

namespace touchstone {
namespace {

constexpr size_t kMostPackets = 16;
constexpr off_t kDiskSize = 1 << 20;

ScopedFd FileWith(absl::string_view bytes) {
  ScopedFd file(memfd_create("file", MFD_CLOEXEC));
  CHECK(write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return file;
}

std::string PathOf(const ScopedFd& file) { return absl::StrCat("/proc/self/fd/", file.get()); }

class Rig {
 public:
  Rig() {
    CHECK(SetLogLevels("off").ok());
    const std::vector<uint8_t> image = BuildBzImage({});
    kernel_ = FileWith({reinterpret_cast<const char*>(image.data()), image.size()});
    disk_ = FileWith("");
    CHECK(ftruncate(disk_.get(), kDiskSize) == 0);
    RunConfig config;
    config.set_kernel(PathOf(kernel_));
    config.set_disable_sandbox(true);
    config.mutable_mem()->set_size(32);
    config.set_socket("/s");
    config.add_serial()->set_type(SerialConfig::SINK);
    for (const bool read_only : {false, true}) {
      BlockConfig& disk = *config.add_block();
      disk.set_path(PathOf(disk_));
      disk.set_lock(false);
      disk.set_ro(read_only);
    }
    ApplyDefaults(config);
    machine_ = BuildMachine(config, {&hypervisor_, &loop_, &SystemClock()}, [] {}).value();
    control_.emplace(*machine_, loop_, false,
                     [](Machine&) -> absl::StatusOr<std::string> { return "state"; });
    machine_->Start();
  }

  void Send(uint8_t how, absl::string_view packet) {
    ControlRequest request;
    if (!request.ParseFromArray(packet.data(), static_cast<int>(packet.size()))) return;
    Obey(request, how);
    loop_.RunReady();
    loop_.Advance((how >> 4) * absl::Milliseconds(50));
  }

  // Answers come, the machine goes on, and says how it is.
  void Settle() {
    Command(ControlRequest::RESUME);
    // What is left waits for a thread at most.
    for (int i = 0; i < 10'000 && waiting_ > 0; ++i) {
      loop_.Advance(absl::Seconds(1));
      if (waiting_ > 0) usleep(100);
    }
    CHECK(waiting_ == 0);
    Command(ControlRequest::RESUME);
    CHECK(Command(ControlRequest::STATUS).has_status());
    CHECK(!machine_->suspended());
    clients_.clear();
    loop_.RunReady();
  }

 private:
  ControlResponse Command(ControlRequest::Command command) {
    ControlRequest request;
    request.set_command(command);
    request.set_full(true);
    last_ = {};
    Obey(request, 0);
    loop_.RunReady();
    return last_;
  }

  void Obey(const ControlRequest& request, uint8_t how) {
    ControlServer::Caller caller;
    if ((how & 1) != 0) caller.waits = [] { return false; };
    if ((how & 2) != 0) {
      caller.files.push_back(FileWith(""));
      caller.files.push_back(FileWith(""));
    }
    if ((how & 4) != 0) {
      auto pair = FdSocket::CreatePair(FdSocket::Kind::kStream).value();
      caller.files.push_back(std::move(pair.first).Release());
      clients_.push_back(std::move(pair.second));
    }
    if ((how & 8) != 0) caller.files.emplace_back(dup(kernel_.get()));
    ++waiting_;
    control_->Obey(request, std::move(caller),
                   [this, answered = false](const ControlResponse& response) mutable {
                     if (response.more()) return;
                     CHECK(!std::exchange(answered, true));
                     CHECK(response.error() >= 0);
                     CHECK(response.ByteSizeLong() <= kMaxControlResponse);
                     --waiting_;
                     last_ = response;
                   });
  }

  ManualLoop loop_;
  FakeHypervisor hypervisor_;
  ScopedFd kernel_;
  ScopedFd disk_;
  std::unique_ptr<Machine> machine_;
  std::optional<MachineControl> control_;
  std::vector<FdSocket> clients_;
  int waiting_ = 0;
  ControlResponse last_;
};

void RunProgram(Rig& rig, absl::string_view input) {
  for (size_t i = 0; i < kMostPackets && input.size() >= 2; ++i) {
    const uint8_t how = static_cast<uint8_t>(input[0]);
    const size_t length = static_cast<uint8_t>(input[1]);
    rig.Send(how, input.substr(2, length));
    input.remove_prefix(std::min(input.size(), length + 2));
  }
  rig.Settle();
}

}  // namespace
}  // namespace touchstone

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto& rig = *new touchstone::Rig;
  touchstone::RunProgram(rig, {reinterpret_cast<const char*>(data), size});
  return 0;
}

#include "integration/machine/bare_metal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_hypervisor.h"
#include "vmm/config/config.pb.h"
#include "vmm/config/defaults.h"
#include "vmm/machine/build_machine.h"
#include "vmm/machine/machine.h"

namespace touchstone {
namespace {

// Gathers the output of a pipe, and answers the guest's "send" lines.
class Console {
 public:
  Console(EventLoop& loop, ScopedFd reader)
      : reader_(std::move(reader)), watch_(loop.OnReadable(reader_.get(), [this] { Read(); })) {}

  // Null ends the messages, which must not outlive the machine.
  void set_msi(MsiTarget* msi) {
    msi_ = msi;
    routes_.clear();
  }
  const std::string& output() const { return output_; }

  void Read() {
    char buffer[4096];
    ssize_t size;
    while ((size = read(reader_.get(), buffer, sizeof(buffer))) > 0) {
      output_.append(buffer, static_cast<size_t>(size));
    }
    for (size_t end; (end = output_.find('\n', line_)) != std::string::npos; line_ = end + 1) {
      Answer(absl::string_view(output_).substr(line_, end - line_));
    }
  }

 private:
  void Answer(absl::string_view line) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    uint64_t address;
    uint32_t data;
    if (msi_ == nullptr || words.size() != 3 || words[0] != "send" ||
        !absl::SimpleHexAtoi(words[1], &address) || !absl::SimpleHexAtoi(words[2], &data)) {
      return;
    }
    absl::StatusOr<std::unique_ptr<MsiRoute>> route = msi_->Route(address, data);
    if (!route.ok()) {
      absl::StrAppend(&output_, "FAIL ", route.status().message(), "\n");
      return;
    }
    (*route)->trigger().Signal();
    routes_.push_back(*std::move(route));
  }

  ScopedFd reader_;
  Watch watch_;
  MsiTarget* msi_ = nullptr;
  std::vector<std::unique_ptr<MsiRoute>> routes_;
  std::string output_;
  size_t line_ = 0;
};

struct Pipe {
  ScopedFd reader;
  ScopedFd writer;
};

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  return Pipe{ScopedFd(ends[0]), ScopedFd(ends[1])};
}

// A port whose output goes to `writer`.
void AddPort(SerialConfig::Hardware hardware, const ScopedFd& writer, RunConfig& config) {
  SerialConfig& port = *config.add_serial();
  port.set_hardware(hardware);
  port.set_type(SerialConfig::FILE);
  port.set_path(absl::StrCat("/proc/self/fd/", writer.get()));
}

std::string GuestPath(const std::string& guest) {
  const char* const runfiles = std::getenv("TEST_SRCDIR");
  const std::string relative = absl::StrCat("integration/guests/", guest);
  return runfiles == nullptr ? relative : absl::StrCat(runfiles, "/touchstone/", relative);
}

}  // namespace

absl::StatusOr<BareMetalRun> RunBareMetal(const std::string& guest,
                                          const BareMetalOptions& options) {
  ASSIGN_OR_RETURN(Pipe com1, MakePipe());
  ASSIGN_OR_RETURN(Pipe debug_port, MakePipe());
  ASSIGN_OR_RETURN(const std::unique_ptr<EpollLoop> loop, EpollLoop::Create());
  ASSIGN_OR_RETURN(const std::unique_ptr<Hypervisor> hypervisor, OpenKvm("/dev/kvm"));

  RunConfig config;
  if (options.rom) {
    config.set_bios(GuestPath(guest));
  } else {
    config.set_kernel(GuestPath(guest));
  }
  if (!options.flash.empty()) config.mutable_pflash()->set_path(options.flash);
  config.mutable_cpus()->set_num_cores(options.cpus);
  config.set_disable_sandbox(true);
  config.mutable_mem()->set_size(options.memory_mib);
  if (!options.command_line.empty()) config.add_params(options.command_line);
  if (options.split_irqchip) config.set_split_irqchip(true);
  AddPort(SerialConfig::SERIAL, com1.writer, config);
  config.mutable_serial(0)->set_console(true);
  if (options.debugcon) AddPort(SerialConfig::DEBUGCON, debug_port.writer, config);
  ApplyDefaults(config);

  Console console(*loop, std::move(com1.reader));
  Console debug_console(*loop, std::move(debug_port.reader));
  ASSIGN_OR_RETURN(const std::unique_ptr<Machine> machine,
                   BuildMachine(config, {hypervisor.get(), loop.get(), &SystemClock()},
                                [raw = loop.get()] { raw->Stop(); }));
  console.set_msi(&machine->msi());
  const Watch limit =
      loop->After(options.limit, [&machine] { machine->lifecycle().End(EndOfRun::kStopped); });
  machine->Start();
  loop->Run();
  machine->Stop();
  console.Read();
  debug_console.Read();
  console.set_msi(nullptr);
  return BareMetalRun{*machine->lifecycle().end(), console.output(), debug_console.output()};
}

}  // namespace touchstone

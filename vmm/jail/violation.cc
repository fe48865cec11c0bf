#include "vmm/jail/violation.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/string_view.h"
#include "vmm/jail/jail_report.h"
#include "vmm/jail/syscall_names.h"

namespace touchstone {
namespace {

int g_report_fd = -1;
struct sigaction g_former = {};

[[noreturn]] void Die() {
  syscall(kFatalSystemCall);
  // Where no filter was in force.
  _exit(1);
}

void Report(int /*signal*/, siginfo_t* info, void* /*context*/) {
  SendJailReport(g_report_fd, JailReport::Kind::kViolation, info->si_syscall, "");
  Die();
}

// A line in room that is there: the call may have come from within the allocator.
class Line {
 public:
  void Append(absl::string_view text) {
    const size_t size = text.size() < sizeof(text_) - size_ ? text.size() : sizeof(text_) - size_;
    std::memcpy(text_ + size_, text.data(), size);
    size_ += size;
  }
  void Append(int number) {
    char digits[12];
    size_t at = sizeof(digits);
    for (unsigned int left = number < 0 ? 0 : static_cast<unsigned int>(number);;) {
      digits[--at] = static_cast<char>('0' + left % 10);
      left /= 10;
      if (left == 0) break;
    }
    Append({digits + at, sizeof(digits) - at});
  }
  [[nodiscard]] absl::string_view text() const { return {text_, size_}; }

 private:
  char text_[160];
  size_t size_ = 0;
};

void Announce(int signal, siginfo_t* info, void* context) {
  Line line;
  line.Append("touchstone: error: jail: the main process is killed: its policy does not allow ");
  line.Append("system call ");
  line.Append(SyscallName(info->si_syscall));
  line.Append(" (");
  line.Append(info->si_syscall);
  line.Append(")\n");
  if (write(STDERR_FILENO, line.text().data(), line.text().size()) < 0) {
    // Nobody is there to hear it.
  }
  if ((g_former.sa_flags & SA_SIGINFO) != 0) {
    g_former.sa_sigaction(signal, info, context);
  } else if (g_former.sa_handler != SIG_DFL && g_former.sa_handler != SIG_IGN) {
    g_former.sa_handler(signal);
  }
  Die();
}

bool Handle(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  return sigaction(SIGSYS, &action, &g_former) == 0;
}

}  // namespace

bool HandleViolations(int report_fd) {
  g_report_fd = report_fd;
  return Handle(Report);
}

bool AnnounceViolations() { return Handle(Announce); }

}  // namespace touchstone

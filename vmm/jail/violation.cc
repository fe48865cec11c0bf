#include "vmm/jail/violation.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/jail/jail_report.h"

namespace touchstone {
namespace {

int g_report_fd = -1;

void Report(int /*signal*/, siginfo_t* info, void* /*context*/) {
  SendJailReport(g_report_fd, JailReport::Kind::kViolation, info->si_syscall, "");
  syscall(kFatalSystemCall);
  // Where no filter was in force.
  _exit(1);
}

}  // namespace

bool HandleViolations(int report_fd) {
  g_report_fd = report_fd;
  struct sigaction action = {};
  action.sa_sigaction = Report;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  return sigaction(SIGSYS, &action, nullptr) == 0;
}

}  // namespace touchstone

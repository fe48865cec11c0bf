// Each case confines a process of its own, a child of the test's.

#include "vmm/jail/own_threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

enum class Who { kMain, kVcpu };

OwnThreads Prepared(OwnThreads::Options options = {}) {
  absl::StatusOr<OwnThreads> threads = OwnThreads::Prepare(options);
  CHECK(threads.ok());
  return *std::move(threads);
}

// Ends the process with 0 when `holds` does once it is confined.
[[noreturn]] void ExitConfined(Who who, const std::function<bool()>& holds,
                               OwnThreads::Options options = {}) {
  const OwnThreads threads = Prepared(options);
  const absl::Status confined = who == Who::kMain ? threads.ConfineMain() : threads.ConfineVcpu();
  if (!confined.ok()) {
    fprintf(stderr, "%s\n", std::string(confined.message()).c_str());
    _exit(2);
  }
  _exit(holds() ? 0 : 1);
}

class OwnThreadsTest : public testing::TestWithParam<Who> {};

INSTANTIATE_TEST_SUITE_P(Both, OwnThreadsTest, testing::Values(Who::kMain, Who::kVcpu),
                         [](const auto& info) {
                           return info.param == Who::kMain ? "Main" : "Vcpu";
                         });

TEST_P(OwnThreadsTest, HasNoCapabilitiesAndNoWayToAny) {
  const auto confined = [] {
    const int file = open("/proc/self/status", O_RDONLY);
    ExitConfined(GetParam(), [file] {
      std::string status(4096, '\0');
      status.resize(static_cast<size_t>(std::max<ssize_t>(read(file, status.data(), 4096), 0)));
      for (const char* line : {"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                               "NoNewPrivs:\t1", "Seccomp:\t2"}) {
        if (!absl::StrContains(status, line)) return false;
      }
      return true;
    });
  };
  EXPECT_EXIT(confined(), testing::ExitedWithCode(0), "");
}

TEST_P(OwnThreadsTest, FindsNoFiles) {
  const auto holds = [] { return open("/etc/passwd", O_RDONLY) < 0 && errno == ENOENT; };
  EXPECT_EXIT(ExitConfined(GetParam(), holds), testing::ExitedWithCode(0), "");
}

// Known escapes, 90.
TEST_P(OwnThreadsTest, AbortDiesOfItself) {
  const auto dies = []() -> bool { abort(); };
  EXPECT_EXIT(ExitConfined(GetParam(), dies), testing::KilledBySignal(SIGABRT), "");
}

TEST(OwnThreads, TheBrokersAbortDiesOfItself) {
  const auto confined = [] {
    if (!Prepared().ConfineBroker().ok()) _exit(2);
    abort();
  };
  EXPECT_EXIT(confined(), testing::KilledBySignal(SIGABRT), "");
}

TEST_P(OwnThreadsTest, GoesOnWithWhatItHolds) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const auto holds = [&] {
    char byte = 'a';
    void* const memory =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // No VM is behind the descriptor; the filter would have answered ENOTTY only for what it does
    // not know, and the kernel does so for a pipe.
    return write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1 && memory != MAP_FAILED &&
           munmap(memory, 4096) == 0 && ioctl(ends[0], KVM_RUN, 0) < 0;
  };
  EXPECT_EXIT(ExitConfined(GetParam(), holds), testing::ExitedWithCode(0), "");
}

struct Attempt {
  const char* call;
  std::function<void()> make;
};

void PrintTo(const Attempt& attempt, std::ostream* stream) { *stream << attempt.call; }

class OwnThreadsForbid : public testing::TestWithParam<Attempt> {};

TEST_P(OwnThreadsForbid, TheCallAndNameIt) {
  const std::string message =
      absl::StrCat("jail: the main process is killed: its policy does not allow system call ",
                   GetParam().call, " \\([0-9]+\\)");
  for (const Who who : {Who::kMain, Who::kVcpu}) {
    const auto holds = [] {
      GetParam().make();
      return true;
    };
    EXPECT_EXIT(ExitConfined(who, holds), testing::KilledBySignal(SIGSYS), message);
  }
}

char g_byte;
iovec g_bytes = {.iov_base = &g_byte, .iov_len = 1};
char* g_no_arguments[] = {nullptr};

INSTANTIATE_TEST_SUITE_P(
    Attempts, OwnThreadsForbid,
    testing::Values(Attempt{"execve", [] { execve("/bin/true", g_no_arguments, g_no_arguments); }},
                    Attempt{"fork", [] { syscall(SYS_fork); }},
                    Attempt{"ptrace", [] { ptrace(PTRACE_ATTACH, 1, nullptr, nullptr); }},
                    Attempt{"process_vm_readv",
                            [] { process_vm_readv(1, &g_bytes, 1, &g_bytes, 1, 0); }},
                    Attempt{"socket", [] { socket(AF_INET, SOCK_STREAM, 0); }},
                    Attempt{"mount", [] { syscall(SYS_mount, "none", "/", "tmpfs", 0, nullptr); }},
                    Attempt{"setresuid", [] { syscall(SYS_setresuid, 0, 0, 0); }},
                    Attempt{"bpf", [] { syscall(SYS_bpf, 0, nullptr, 0); }},
                    Attempt{"init_module", [] { syscall(SYS_init_module, nullptr, 0, ""); }}));

TEST(OwnThreads, OnlyTheMainThreadStartsThreads) {
  const auto holds = [] {
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    return ran;
  };
  EXPECT_EXIT(ExitConfined(Who::kMain, holds), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(ExitConfined(Who::kVcpu, [] { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0; }),
              testing::KilledBySignal(SIGSYS), "clone \\(");
}

TEST(OwnThreads, NothingBecomesCode) {
  const auto attempt = [] {
    return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
  };
  EXPECT_EXIT(ExitConfined(Who::kMain, attempt), testing::KilledBySignal(SIGSYS), "mmap");
  EXPECT_EXIT(ExitConfined(Who::kVcpu, attempt), testing::KilledBySignal(SIGSYS), "mmap");
}

TEST(OwnThreads, FailuresThatAreLoggedGoThrough) {
  const auto holds = [] {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return fd >= 0;
  };
  EXPECT_EXIT(ExitConfined(Who::kMain, holds, {.log_failures = true}), testing::ExitedWithCode(0),
              "");
}

// A terminal that is raw is put back by the handler that was there.
void SayFormer(int /*signal*/) {
  const char text[] = "the former handler\n";
  if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) _exit(3);
}

TEST(OwnThreads, TheFormerHandlerDoesItsPart) {
  const auto attempt = [] {
    if (signal(SIGSYS, SayFormer) == SIG_ERR) _exit(3);
    ExitConfined(Who::kMain, [] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; });
  };
  EXPECT_EXIT(attempt(), testing::KilledBySignal(SIGSYS), "system call socket.*\n.*the former");
}

TEST(OwnThreads, SchedulingIsKeptOnlyWhenAsked) {
  const auto realtime = [] {
    const sched_param parameter = {.sched_priority = 1};
    return sched_setscheduler(0, SCHED_RR, &parameter) == 0;
  };
  int possible = -1;
  std::thread([&] { possible = realtime() ? 1 : 0; }).join();
  if (possible == 0) GTEST_SKIP() << "there is no capability to keep here";
  EXPECT_EXIT(ExitConfined(Who::kMain, realtime, {.keep_scheduling = true}),
              testing::ExitedWithCode(0), "");
  EXPECT_EXIT(ExitConfined(Who::kMain, realtime), testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace touchstone

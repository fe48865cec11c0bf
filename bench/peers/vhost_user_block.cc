// `touchstone device block` beside qemu-storage-daemon: two vhost-user back ends, one after the
// other driven by the same client over the same file. No KVM.
//
//   ci/bazel run --config=opt //bench/peers:vhost_user_block -- [--rounds N] [--seconds S]
//       [--only NAME] [--callgrind N]
//
// Prints for each load requests a second of both, the ratio of the pairs of runs (median, and 95 %
// interval), CPU time of the back end and kicks, each a request. With --callgrind, instructions in
// user space instead: N and 3N requests each in a process of its own, and the difference.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/scoped_fd.h"
#include "base/status.h"
#include "bench/peers/block_backend.h"
#include "bench/peers/block_client.h"
#include "bench/peers/paired_ratio.h"

namespace touchstone {
namespace {

constexpr uint64_t kDiskSize = 64 << 20;
constexpr uint32_t kDepths[] = {1, 32};
constexpr uint16_t kQueueCounts[] = {1, 4};

struct Settings {
  std::string touchstone;
  int rounds = 10;
  double seconds = 0.2;
  std::string only;
  uint64_t callgrind = 0;
};

using Command = std::vector<std::string>;

// What both serve, and how.
struct Backing {
  std::string name;
  // --block's keys behind the path.
  std::string touchstone;
  // --blockdev's keys but the node's name; %s is the file.
  std::string qemu;
  bool in_memory = false;  // The file of touchstone is on a tmpfs.
  bool times = true;       // Requests a second can be compared.
};

const Backing kBackings[] = {
    {.name = "io_uring",
     .touchstone = "async-executor=uring",
     .qemu = "driver=file,aio=io_uring,locking=off,filename="},
    {.name = "threads",
     .touchstone = "async-executor=epoll",
     .qemu = "driver=file,aio=threads,locking=off,filename="},
    // Touchstone has no disk without a file: the nearest is a system call on the device's thread,
    // which costs user space next to nothing.
    {.name = "null",
     .touchstone = "async-executor=epoll",
     .qemu = "",
     .in_memory = true,
     .times = false},
};

class Directory {
 public:
  static absl::StatusOr<Directory> Create(std::string path) {
    if (mkdtemp(path.data()) == nullptr) return ErrnoStatus(errno, absl::StrCat("mkdtemp ", path));
    return Directory(std::move(path));
  }
  ~Directory() {
    if (path_.empty()) return;
    for (const char* name : {"disk", "ours.sock", "theirs.sock", "callgrind.out"}) {
      unlink(File(name).c_str());
    }
    rmdir(path_.c_str());
  }
  Directory(Directory&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Directory& operator=(Directory&&) = delete;

  [[nodiscard]] std::string File(absl::string_view name) const {
    return absl::StrCat(path_, "/", name);
  }

 private:
  explicit Directory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// All blocks are there, and different.
absl::Status MakeDisk(const std::string& path) {
  ASSIGN_OR_RETURN(const ScopedFd fd, OpenFile(path, O_RDWR | O_CREAT | O_TRUNC));
  std::vector<uint64_t> block(4096 / sizeof(uint64_t));
  for (uint64_t offset = 0; offset < kDiskSize; offset += 4096) {
    std::fill(block.begin(), block.end(), offset);
    if (pwrite(fd.get(), block.data(), 4096, static_cast<off_t>(offset)) != 4096) {
      return ErrnoStatus(errno, absl::StrCat("write ", path));
    }
  }
  // What is to be written back does not fall into the measurement.
  if (fsync(fd.get()) != 0) return ErrnoStatus(errno, absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

Command OurCommand(const Settings& settings, const Backing& backing, const std::string& socket,
                   const std::string& disk) {
  return {settings.touchstone,
          "device",
          "block",
          "--socket-path",
          socket,
          "--block",
          absl::StrCat("path=", disk, ",lock=false,", backing.touchstone)};
}

// Its best: a thread of its own for the export, which looks at rings for a while before it sleeps.
Command TheirCommand(const Backing& backing, const std::string& socket, const std::string& disk) {
  const std::string node = backing.qemu.empty()
                               ? absl::StrCat("driver=null-co,read-zeroes=off,size=", kDiskSize)
                               : absl::StrCat(backing.qemu, disk);
  return {"qemu-storage-daemon",
          "--blockdev",
          absl::StrCat(node, ",node-name=disk"),
          "--object",
          "iothread,id=thread",
          "--export",
          absl::StrCat("type=vhost-user-blk,id=export,node-name=disk,writable=on,num-queues=4,"
                       "iothread=thread,addr.type=unix,addr.path=",
                       socket)};
}

// A back end with a client.
struct Contender {
  std::unique_ptr<BlockBackend> backend;
  std::unique_ptr<BlockClient> client;

  static absl::StatusOr<Contender> Start(const Command& command, const std::string& socket_path,
                                         uint16_t queues) {
    Contender contender;
    ASSIGN_OR_RETURN(contender.backend, BlockBackend::Start(command, socket_path));
    ASSIGN_OR_RETURN(ScopedFd socket, contender.backend->Connect());
    ASSIGN_OR_RETURN(contender.client, BlockClient::Create(std::move(socket), queues));
    return contender;
  }
};

struct Samples {
  std::vector<double> iops, cpu, kicks;
};

absl::Status Measure(Contender& contender, const BlockClient::Load& load, Samples& samples) {
  const absl::Duration before = contender.backend->CpuTime();
  ASSIGN_OR_RETURN(const BlockClient::Result result, contender.client->Run(load));
  const absl::Duration cpu = contender.backend->CpuTime() - before;
  const auto operations = static_cast<double>(result.operations);
  samples.iops.push_back(operations / absl::ToDoubleSeconds(result.elapsed));
  samples.cpu.push_back(absl::ToDoubleMicroseconds(cpu) / operations);
  samples.kicks.push_back(static_cast<double>(result.kicks) / operations);
  return absl::OkStatus();
}

absl::Status CompareTimes(const Settings& settings, const Backing& backing, const std::string& name,
                          const BlockClient::Load& load, Contender& ours, Contender& theirs) {
  Samples our_samples, their_samples, unused;
  // Once for what is only done the first time.
  RETURN_IF_ERROR(Measure(ours, load, unused));
  RETURN_IF_ERROR(Measure(theirs, load, unused));
  for (int round = 0; round < settings.rounds; ++round) {
    RETURN_IF_ERROR(Measure(ours, load, our_samples));
    RETURN_IF_ERROR(Measure(theirs, load, their_samples));
  }
  const PairedRatio ratio = RatioOf(our_samples.iops, their_samples.iops);
  std::printf("%-9s %-26s %9.1f %9.1f  %5.2f [%5.2f, %5.2f]  %6.2f %6.2f  %5.2f %5.2f\n",
              backing.name.c_str(), name.c_str(), MedianOf(our_samples.iops) / 1000,
              MedianOf(their_samples.iops) / 1000, ratio.median, ratio.low, ratio.high,
              MedianOf(our_samples.cpu), MedianOf(their_samples.cpu), MedianOf(our_samples.kicks),
              MedianOf(their_samples.kicks));
  std::fflush(stdout);
  return absl::OkStatus();
}

// Calls visit(name, load, queues) for each load that --only names.
absl::Status ForEachLoad(
    const Settings& settings, const Backing& backing,
    const std::function<absl::Status(const std::string&, const BlockClient::Load&)>& visit,
    uint16_t queues) {
  for (const bool write : {false, true}) {
    for (const uint32_t depth : kDepths) {
      for (const auto wait : {BlockClient::Wait::kEvent, BlockClient::Wait::kPoll}) {
        const std::string name =
            absl::StrCat(write ? "write" : "read", " depth ", depth, " x ", queues,
                         wait == BlockClient::Wait::kPoll ? " poll" : " event");
        if (!absl::StrContains(absl::StrCat(backing.name, " ", name), settings.only)) continue;
        RETURN_IF_ERROR(visit(name, {.write = write, .depth = depth, .wait = wait}));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CompareAllTimes(const Settings& settings, const Directory& directory,
                             const std::string& disk) {
  std::printf("4 KiB at random places of a file of 64 MiB; %d pairs of %.2f s.\n", settings.rounds,
              settings.seconds);
  std::printf("%-9s %-26s %19s  %20s  %13s  %11s\n", "", "", "thousand IOPS", "ratio", "CPU us",
              "kicks");
  std::printf("%-9s %-26s %9s %9s  %20s  %6s %6s  %5s %5s\n", "", "", "ours", "QEMU", "", "ours",
              "QEMU", "ours", "QEMU");
  for (const Backing& backing : kBackings) {
    if (!backing.times) continue;
    for (const uint16_t queues : kQueueCounts) {
      ASSIGN_OR_RETURN(
          Contender ours,
          Contender::Start(OurCommand(settings, backing, directory.File("ours.sock"), disk),
                           directory.File("ours.sock"), queues));
      ASSIGN_OR_RETURN(Contender theirs,
                       Contender::Start(TheirCommand(backing, directory.File("theirs.sock"), disk),
                                        directory.File("theirs.sock"), queues));
      RETURN_IF_ERROR(ForEachLoad(
          settings, backing,
          [&](const std::string& name, BlockClient::Load load) {
            load.duration = absl::Seconds(settings.seconds);
            return CompareTimes(settings, backing, name, load, ours, theirs);
          },
          queues));
    }
  }
  return absl::OkStatus();
}

// Of a file that callgrind wrote.
absl::StatusOr<uint64_t> ReadTotal(const std::string& path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t total = 0;
    if (words.size() == 2 && words[0] == "totals:" && absl::SimpleAtoi(words[1], &total)) {
      return total;
    }
  }
  return absl::DataLossError(absl::StrCat("no totals in ", path));
}

struct Counted {
  uint64_t operations = 0;
  uint64_t instructions = 0;
};

absl::StatusOr<Counted> CountOnce(Command command, const Directory& directory, uint16_t queues,
                                  const BlockClient::Load& load) {
  const std::string output = directory.File("callgrind.out");
  unlink(output.c_str());
  const Command tool = {"valgrind", "--quiet", "--tool=callgrind",
                        absl::StrCat("--callgrind-out-file=", output)};
  command.insert(command.begin(), tool.begin(), tool.end());
  ASSIGN_OR_RETURN(Contender contender,
                   Contender::Start(command, directory.File("ours.sock"), queues));
  ASSIGN_OR_RETURN(const BlockClient::Result result, contender.client->Run(load));
  contender.client.reset();
  // qemu-storage-daemon 7.2 often hangs when it is told to end while it notices that the client is
  // gone.
  absl::SleepFor(absl::Seconds(1));
  RETURN_IF_ERROR(contender.backend->Stop());
  ASSIGN_OR_RETURN(const uint64_t total, ReadTotal(output));
  return Counted{.operations = result.operations, .instructions = total};
}

absl::StatusOr<double> Count(const Command& command, const Directory& directory, uint16_t queues,
                             BlockClient::Load load, uint64_t operations) {
  load.operations = operations;
  ASSIGN_OR_RETURN(const Counted once, CountOnce(command, directory, queues, load));
  load.operations = 3 * operations;
  ASSIGN_OR_RETURN(const Counted thrice, CountOnce(command, directory, queues, load));
  return static_cast<double>(thrice.instructions - once.instructions) /
         static_cast<double>(thrice.operations - once.operations);
}

absl::Status CompareInstructions(const Settings& settings, const Directory& directory,
                                 const std::string& disk, const std::string& memory_disk) {
  std::printf("Instructions in user space, a request of 4 KiB (callgrind, %u against %u).\n",
              static_cast<unsigned>(settings.callgrind),
              static_cast<unsigned>(3 * settings.callgrind));
  std::printf("%-9s %-26s %9s %9s  %5s\n", "", "", "ours", "QEMU", "ratio");
  const std::string socket = directory.File("ours.sock");
  for (const Backing& backing : kBackings) {
    const Command our_command =
        OurCommand(settings, backing, socket, backing.in_memory ? memory_disk : disk);
    const Command their_command = TheirCommand(backing, socket, disk);
    RETURN_IF_ERROR(ForEachLoad(
        settings, backing,
        [&](const std::string& name, const BlockClient::Load& load) -> absl::Status {
          ASSIGN_OR_RETURN(const double ours,
                           Count(our_command, directory, 1, load, settings.callgrind));
          ASSIGN_OR_RETURN(const double theirs,
                           Count(their_command, directory, 1, load, settings.callgrind));
          std::printf("%-9s %-26s %9.0f %9.0f  %5.2f\n", backing.name.c_str(), name.c_str(), ours,
                      theirs, ours / theirs);
          std::fflush(stdout);
          return absl::OkStatus();
        },
        1));
  }
  return absl::OkStatus();
}

bool IsInstalled(const std::string& program) {
  const char* const path = std::getenv("PATH");
  const std::string directories = path == nullptr ? "" : path;
  for (const absl::string_view directory : absl::StrSplit(directories, ':')) {
    if (access(absl::StrCat(directory, "/", program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

absl::Status CheckTools(const Settings& settings) {
  if (!IsInstalled("qemu-storage-daemon")) {
    return absl::NotFoundError("qemu-storage-daemon is not installed: Debian's package qemu-utils");
  }
  if (settings.callgrind > 0 && !IsInstalled("valgrind")) {
    return absl::NotFoundError("valgrind is not installed: Debian's package of that name");
  }
  return absl::OkStatus();
}

absl::StatusOr<Settings> Parse(int argc, char** argv) {
  Settings settings;
  bool good = argc >= 2;
  if (good) settings.touchstone = argv[1];
  for (int next = 2; good && next < argc; next += 2) {
    const absl::string_view option = argv[next];
    const char* const value = next + 1 < argc ? argv[next + 1] : "";
    if (option == "--rounds") {
      good = absl::SimpleAtoi(value, &settings.rounds) && settings.rounds >= 1;
    } else if (option == "--seconds") {
      good = absl::SimpleAtod(value, &settings.seconds) && settings.seconds > 0;
    } else if (option == "--only") {
      settings.only = value;
    } else if (option == "--callgrind") {
      good = absl::SimpleAtoi(value, &settings.callgrind) && settings.callgrind >= 1;
    } else {
      good = false;
    }
  }
  if (good) return settings;
  return absl::InvalidArgumentError(
      "usage: vhost_user_block TOUCHSTONE [--rounds N] [--seconds S] [--only NAME] [--callgrind "
      "N]");
}

absl::Status Run(int argc, char** argv) {
  ASSIGN_OR_RETURN(const Settings settings, Parse(argc, argv));
  RETURN_IF_ERROR(CheckTools(settings));
  ASSIGN_OR_RETURN(const Directory directory, Directory::Create("/tmp/vhost_user_block.XXXXXX"));
  RETURN_IF_ERROR(MakeDisk(directory.File("disk")));
  if (settings.callgrind == 0) {
    return CompareAllTimes(settings, directory, directory.File("disk"));
  }
  ASSIGN_OR_RETURN(const Directory in_memory,
                   Directory::Create("/dev/shm/vhost_user_block.XXXXXX"));
  RETURN_IF_ERROR(MakeDisk(in_memory.File("disk")));
  return CompareInstructions(settings, directory, directory.File("disk"), in_memory.File("disk"));
}

}  // namespace
}  // namespace touchstone

int main(int argc, char** argv) {
  const absl::Status status = touchstone::Run(argc, argv);
  if (status.ok()) return 0;
  std::fprintf(stderr, "vhost_user_block: %s\n", std::string(status.message()).c_str());
  return 1;
}

// The guest of block_io.cc: reads and writes a disk past the page cache, in phases, and says so as
// load_report.h has it.
//
//   block_load DEVICE OPERATIONS NAME...
//
// A NAME is "nothing", or read or write, the KiB of an operation, and the queue depth: read-4-32.
// Offsets are random, the same in every run. Depth 1 is pread and pwrite, others are Linux's
// asynchronous operations, of which as many are submitted at a time as have finished.

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bench/peers/load_report.h"

namespace {

using touchstone::LoadFailed;

constexpr uint64_t kMaxDepth = 256;

struct Load {
  std::string name;
  bool write = false;
  uint64_t size = 0;
  uint64_t depth = 0;
  uint64_t operations = 0;
};

class Disk {
 public:
  explicit Disk(const char* path) : fd_(open(path, O_RDWR | O_DIRECT)) {
    if (fd_ < 0) LoadFailed(path);
    if (ioctl(fd_, BLKGETSIZE64, &size_) != 0) LoadFailed("BLKGETSIZE64");
  }

  [[nodiscard]] int fd() const { return fd_; }

  // A multiple of `size`, as xorshift has it.
  uint64_t NextOffset(uint64_t size) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % (size_ / size) * size;
  }

 private:
  const int fd_;
  uint64_t size_ = 0;
  uint64_t state_ = 88172645463325252;
};

void RunOneByOne(Disk& disk, const Load& load, void* buffer) {
  for (uint64_t i = 0; i < load.operations; ++i) {
    const auto offset = static_cast<off_t>(disk.NextOffset(load.size));
    const ssize_t done = load.write ? pwrite(disk.fd(), buffer, load.size, offset)
                                    : pread(disk.fd(), buffer, load.size, offset);
    if (done != static_cast<ssize_t>(load.size)) LoadFailed("transfer");
  }
}

void RunInDepth(Disk& disk, const Load& load, aio_context_t context, uint8_t* buffers) {
  std::vector<iocb> blocks(load.depth);
  std::vector<iocb*> ready;
  for (uint64_t i = 0; i < load.depth; ++i) {
    blocks[i].aio_lio_opcode = load.write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    blocks[i].aio_fildes = static_cast<uint32_t>(disk.fd());
    blocks[i].aio_buf = reinterpret_cast<uintptr_t>(buffers + i * load.size);
    blocks[i].aio_nbytes = load.size;
    blocks[i].aio_data = reinterpret_cast<uintptr_t>(&blocks[i]);
    ready.push_back(&blocks[i]);
  }
  std::vector<io_event> events(load.depth);
  uint64_t started = 0;
  uint64_t finished = 0;
  while (finished < load.operations) {
    ready.resize(std::min<uint64_t>(ready.size(), load.operations - started));
    for (iocb* block : ready) {
      block->aio_offset = static_cast<int64_t>(disk.NextOffset(load.size));
    }
    if (!ready.empty() && syscall(SYS_io_submit, context, ready.size(), ready.data()) !=
                              static_cast<long>(ready.size())) {
      LoadFailed("io_submit");
    }
    started += ready.size();
    ready.clear();
    const long count = syscall(SYS_io_getevents, context, 1, events.size(), events.data(), nullptr);
    if (count < 1) LoadFailed("io_getevents");
    for (long i = 0; i < count; ++i) {
      if (events[i].res != static_cast<int64_t>(load.size)) LoadFailed("transfer");
      ready.push_back(reinterpret_cast<iocb*>(events[i].data));
    }
    finished += static_cast<uint64_t>(count);
  }
}

void Run(Disk& disk, const Load& load) {
  // The same memory for all loads, of which each page is there.
  constexpr size_t kMemory = 8 << 20;
  static auto* const memory = static_cast<uint8_t*>(mmap(
      nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
  if (memory == MAP_FAILED) LoadFailed("mmap");
  if (load.depth > kMaxDepth || load.size * load.depth > kMemory)
    LoadFailed("the load is too large");
  memset(memory, 0x5a, kMemory);
  // Never destroyed, which would take the kernel milliseconds.
  static aio_context_t context = 0;
  if (context == 0 && syscall(SYS_io_setup, kMaxDepth, &context) != 0) LoadFailed("io_setup");
  touchstone::ReportLoad(load.name.c_str(), load.operations, [&] {
    if (load.depth == 1) RunOneByOne(disk, load, memory);
    if (load.depth > 1) RunInDepth(disk, load, context, memory);
  });
}

Load Parse(const char* name, uint64_t operations) {
  Load load = {.name = name};
  if (load.name == "nothing") return load;
  char kind[8] = {};
  unsigned kib = 0;
  unsigned depth = 0;
  if (sscanf(name, "%5[a-z]-%u-%u", kind, &kib, &depth) != 3 || kib == 0 || depth == 0) {
    errno = EINVAL;
    LoadFailed(name);
  }
  load.write = strcmp(kind, "write") == 0;
  load.size = uint64_t{kib} * 1024;
  load.depth = depth;
  load.operations = operations;
  return load;
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc < 4) {
    fprintf(stderr, "usage: block_load DEVICE OPERATIONS NAME...\n");
    return 2;
  }
  Disk disk(argv[1]);
  const uint64_t operations = strtoull(argv[2], nullptr, 10);
  for (int i = 3; i < argc; ++i) Run(disk, Parse(argv[i], operations));
  printf("load done\n");
  return 0;
}

#include "base/program_pages.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/scoped_fd.h"

namespace touchstone {
namespace {

// proc(5), /proc/pid/status: the field is within the first lines.
bool IsTraced() {
  const ScopedFd status(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  char text[1024] = {};
  if (!status.valid() || read(status.get(), text, sizeof(text) - 1) <= 0) return true;
  constexpr char kField[] = "\nTracerPid:\t";
  const char* const field = strstr(text, kField);
  return field == nullptr || field[sizeof(kField) - 1] != '0';
}

// The first object that dl_iterate_phdr visits is the executable itself.
int ReleaseSegments(dl_phdr_info* object, size_t /*size*/, void* released) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    // Pages of a writable segment may differ from the file: relocations are in them.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uint64_t start = object->dlpi_addr + segment.p_vaddr;
    const uint64_t first = start / page * page;
    const uint64_t last = (start + segment.p_memsz + page - 1) / page * page;
    if (madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED) == 0) {
      *static_cast<uint64_t*>(released) += last - first;
    }
  }
  return 1;
}

}  // namespace

uint64_t ReleaseProgramPages() {
  if (IsTraced()) return 0;
  uint64_t released = 0;
  dl_iterate_phdr(&ReleaseSegments, &released);
  return released;
}

}  // namespace touchstone

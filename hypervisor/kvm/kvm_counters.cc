#include "hypervisor/kvm/kvm_counters.h"

#include <errno.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "base/status.h"
#include "hypervisor/kvm/kvm_abi.h"

namespace touchstone {
namespace {

// Linux 6.1 has some forty counters of a vCPU, in 2.5 KiB.
constexpr uint32_t kMaxCounters = 1024;
constexpr uint32_t kMaxNameSize = 256;

// A kvm_stats_desc without its name, which follows.
struct Descriptor {
  uint32_t flags;
  int16_t exponent;
  uint16_t size;  // Numbers that it has.
  uint32_t offset;
  uint32_t bucket_size;
};
static_assert(sizeof(Descriptor) == 16);

absl::Status ReadAt(int fd, uint64_t offset, absl::Span<uint8_t> bytes) {
  const ssize_t count = pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (count < 0) return ErrnoStatus(errno, "the counters of a vCPU");
  if (static_cast<size_t>(count) == bytes.size()) return absl::OkStatus();
  return absl::DataLossError("the counters of a vCPU end early");
}

}  // namespace

absl::StatusOr<std::vector<VcpuCounter>> KvmCounters::Read() const {
  std::vector<VcpuCounter> counters;
  if (!fd_.valid()) return counters;
  kvm_stats_header header = {};
  RETURN_IF_ERROR(ReadAt(fd_.get(), 0, {reinterpret_cast<uint8_t*>(&header), sizeof(header)}));
  if (header.num_desc > kMaxCounters || header.name_size == 0 || header.name_size > kMaxNameSize) {
    return absl::DataLossError("the counters of a vCPU have another form");
  }
  const size_t step = sizeof(Descriptor) + header.name_size;
  std::vector<uint8_t> descriptors(header.num_desc * step);
  RETURN_IF_ERROR(ReadAt(fd_.get(), header.desc_offset, absl::MakeSpan(descriptors)));
  for (size_t at = 0; at < descriptors.size(); at += step) {
    Descriptor descriptor;
    std::memcpy(&descriptor, &descriptors[at], sizeof(descriptor));
    if ((descriptor.flags & KVM_STATS_TYPE_MASK) != KVM_STATS_TYPE_CUMULATIVE) continue;
    if (descriptor.size != 1) continue;
    uint64_t value = 0;
    RETURN_IF_ERROR(ReadAt(fd_.get(), uint64_t{header.data_offset} + descriptor.offset,
                           {reinterpret_cast<uint8_t*>(&value), sizeof(value)}));
    const char* const name = reinterpret_cast<const char*>(&descriptors[at + sizeof(descriptor)]);
    counters.push_back({std::string(name, strnlen(name, header.name_size)), value});
  }
  return counters;
}

}  // namespace touchstone

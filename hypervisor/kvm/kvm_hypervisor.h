// The hypervisor behind /dev/kvm, x86-64.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Hypervisor> hypervisor, OpenKvm("/dev/kvm"));
//   ASSIGN_OR_RETURN(std::unique_ptr<Vm> vm, hypervisor->CreateVm());
//
// VMs and vCPUs hold descriptors of their own and may outlive the hypervisor.

#ifndef TOUCHSTONE_HYPERVISOR_KVM_KVM_HYPERVISOR_H_
#define TOUCHSTONE_HYPERVISOR_KVM_KVM_HYPERVISOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/scoped_fd.h"
#include "hypervisor/hypervisor.h"
#include "hypervisor/kvm/kvm_capabilities.h"

namespace touchstone {

// Opens the device at `path` and checks its API version and capabilities; the error names the path
// and every capability that is missing. Installs the handler of the kick signal (kick_signal.h) for
// the process.
absl::StatusOr<std::unique_ptr<Hypervisor>> OpenKvm(absl::string_view path);

class KvmHypervisor final : public Hypervisor {
 public:
  KvmHypervisor(std::string path, ScopedFd fd, size_t run_area_size,
                const KvmCapabilities& capabilities)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        run_area_size_(run_area_size),
        capabilities_(capabilities) {}

  absl::StatusOr<std::unique_ptr<Vm>> CreateVm() override;
  absl::StatusOr<std::vector<CpuidEntry>> SupportedCpuid() override;
  absl::StatusOr<std::vector<uint32_t>> StateMsrs() override;
  [[nodiscard]] uint32_t max_vcpus() const override { return capabilities_.max_vcpus; }

 private:
  const std::string path_;
  const ScopedFd fd_;
  const size_t run_area_size_;
  const KvmCapabilities capabilities_;
};

}  // namespace touchstone

#endif  // TOUCHSTONE_HYPERVISOR_KVM_KVM_HYPERVISOR_H_

#include "hypervisor/fake/fake_hypervisor.h"

#include <variant>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(FakeHypervisorTest, HookScriptsVcpusBeforeTheirOwnerSeesThem) {
  FakeHypervisor hypervisor;
  hypervisor.OnVcpu([](FakeVcpu& vcpu) { vcpu.Script(FakeExit::Other(ShutdownExit{})); });
  const absl::StatusOr<std::unique_ptr<Vm>> vm = hypervisor.CreateVm();
  ASSERT_TRUE(vm.ok());
  const absl::StatusOr<std::unique_ptr<Vcpu>> vcpu =
      (*vm)->CreateVcpu(0, *hypervisor.SupportedCpuid());
  ASSERT_TRUE(vcpu.ok());

  const absl::StatusOr<VcpuExit> exit = (*vcpu)->Run();

  ASSERT_TRUE(exit.ok());
  EXPECT_TRUE(std::holds_alternative<ShutdownExit>(*exit));
}

TEST(FakeHypervisorTest, LastVmIsAtHand) {
  FakeHypervisor hypervisor;
  EXPECT_EQ(hypervisor.vm(), nullptr);

  const absl::StatusOr<std::unique_ptr<Vm>> vm = hypervisor.CreateVm();

  EXPECT_EQ(hypervisor.vm(), vm->get());
}

TEST(FakeHypervisorTest, LimitsAreThoseThatWereSet) {
  FakeHypervisor hypervisor;
  hypervisor.set_max_vcpus(2);
  hypervisor.set_state_msrs({0x10});
  hypervisor.set_supported_cpuid({{.function = 0x40000000}});
  const absl::StatusOr<std::unique_ptr<Vm>> vm = hypervisor.CreateVm();

  EXPECT_EQ(hypervisor.max_vcpus(), 2);
  EXPECT_EQ(hypervisor.StateMsrs()->front(), 0x10);
  EXPECT_EQ(hypervisor.SupportedCpuid()->front().function, 0x40000000);
  EXPECT_FALSE((*vm)->CreateVcpu(2, {}).ok());
}

}  // namespace
}  // namespace touchstone

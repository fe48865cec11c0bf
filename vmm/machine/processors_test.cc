#include "vmm/machine/processors.h"

#include <string>

#include "devices/module/text_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hypervisor/fake/fake_hypervisor.h"
#include "vmm/config/config_schema.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<Processors> Plan(const std::string& text) {
  RunConfig config;
  EXPECT_TRUE(ReadTextProto(text, config).ok()) << text;
  FakeHypervisor hypervisor;
  return PlanProcessors(config, hypervisor);
}

TEST(ProcessorsTest, FirstBootsByDefault) {
  const auto processors = Plan("cpus { num_cores: 3 }");

  ASSERT_TRUE(processors.ok()) << processors.status();
  EXPECT_EQ(processors->boot, 0u);
  EXPECT_THAT(processors->apic_ids, ElementsAre(0, 1, 2));
  EXPECT_THAT(processors->InBootOrder(), ElementsAre(0, 1, 2));
  EXPECT_EQ(processors->cpuid.size(), 3u);
  EXPECT_EQ(processors->physical_bits, 40);
}

TEST(ProcessorsTest, BootProcessorComesFirstInTables) {
  const auto processors = Plan("cpus { num_cores: 4 boot_cpu: 2 }");

  ASSERT_TRUE(processors.ok()) << processors.status();
  EXPECT_EQ(processors->boot, 2u);
  EXPECT_THAT(processors->apic_ids, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(processors->InBootOrder(), ElementsAre(2, 0, 1, 3));
  EXPECT_THAT(processors->InBootOrder(std::vector<char>{'a', 'b', 'c', 'd'}),
              ElementsAre('c', 'a', 'b', 'd'));
}

TEST(ProcessorsTest, BootProcessorThatIsNotThereIsTheFirst) {
  testing::internal::CaptureStderr();

  const auto processors = Plan("cpus { num_cores: 2 boot_cpu: 2 }");

  ASSERT_TRUE(processors.ok()) << processors.status();
  EXPECT_EQ(processors->boot, 0u);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("--cpus: boot-cpu=2: there are virtual CPUs 0 to 1; 0 starts first"));
}

TEST(ProcessorsTest, BothOptionsMakeClusters) {
  const auto by_key =
      Plan("no_smt: true cpus { num_cores: 5 clusters { cpu: [ 0, 1, 2 ] } clusters { cpu: 3 } }");
  const auto by_option =
      Plan("no_smt: true cpus { num_cores: 5 } cpu_cluster: '0-2' cpu_cluster: '3'");

  ASSERT_TRUE(by_key.ok()) << by_key.status();
  ASSERT_TRUE(by_option.ok()) << by_option.status();
  EXPECT_THAT(by_key->apic_ids, ElementsAre(0, 1, 2, 4, 5));
  EXPECT_EQ(by_option->apic_ids, by_key->apic_ids);
}

TEST(ProcessorsTest, ClusterThatCannotBeNamesItsOption) {
  EXPECT_THAT(std::string(Plan("cpus { num_cores: 2 clusters { cpu: 0 } }").status().message()),
              HasSubstr("--cpus: clusters=: virtual CPUs 0 and 1 are threads of one core"));
  EXPECT_THAT(std::string(Plan("cpus { num_cores: 2 } cpu_cluster: '1'").status().message()),
              HasSubstr("--cpu-cluster: virtual CPUs 0 and 1"));
}

TEST(ProcessorsTest, MoreThanTheHypervisorHasAreRefused) {
  RunConfig config;
  config.mutable_cpus()->set_num_cores(3);
  FakeHypervisor hypervisor;
  hypervisor.set_max_vcpus(2);

  EXPECT_THAT(std::string(PlanProcessors(config, hypervisor).status().message()),
              HasSubstr("--cpus 3: the hypervisor has no more than 2"));
}

}  // namespace
}  // namespace touchstone

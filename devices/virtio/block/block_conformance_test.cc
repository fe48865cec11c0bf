#include "devices/virtio/block/block_testing.h"
#include "devices/virtio/testing/conformance.h"

namespace touchstone {
namespace {

// To save time: what differs between disks has nothing to do with rings.
std::vector<ConformanceCase> OneCase(const DeviceKit& kit) { return {ConformanceCases(kit)[0]}; }

}  // namespace

INSTANTIATE_VIRTIO_CONFORMANCE(Block, BlockKit());
INSTANTIATE_TEST_SUITE_P(BlockSlow, VirtioConformance, testing::ValuesIn(OneCase(BlockSlowKit())),
                         ConformanceName);
INSTANTIATE_TEST_SUITE_P(BlockAligned, VirtioConformance,
                         testing::ValuesIn(OneCase(BlockAlignedKit())), ConformanceName);
INSTANTIATE_TEST_SUITE_P(BlockReadOnly, VirtioConformance,
                         testing::ValuesIn(OneCase(BlockReadOnlyKit())), ConformanceName);

}  // namespace touchstone

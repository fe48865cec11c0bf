#include "base/crc32c.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

using Function = uint32_t (*)(absl::Span<const uint8_t>, uint32_t);

class Crc32cTest : public testing::TestWithParam<Function> {
 protected:
  static uint32_t Of(absl::Span<const uint8_t> bytes, uint32_t before = 0) {
    return GetParam()(bytes, before);
  }
};

// RFC 3720, B.4.
TEST_P(Crc32cTest, VectorsOfTheRfc) {
  std::vector<uint8_t> ascending(32);
  std::iota(ascending.begin(), ascending.end(), 0);
  const std::vector<uint8_t> descending(ascending.rbegin(), ascending.rend());
  // An iSCSI SCSI Read (10) command PDU.
  const std::vector<uint8_t> pdu = {
      0x01, 0xC0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
      0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0,    0};

  EXPECT_EQ(Of(std::vector<uint8_t>(32, 0)), 0x8A9136AAu);
  EXPECT_EQ(Of(std::vector<uint8_t>(32, 0xFF)), 0x62A8AB43u);
  EXPECT_EQ(Of(ascending), 0x46DD794Eu);
  EXPECT_EQ(Of(descending), 0x113FDB5Cu);
  EXPECT_EQ(Of(pdu), 0xD9963A56u);
}

TEST_P(Crc32cTest, NothingIsNought) {
  EXPECT_EQ(Of({}), 0u);
  EXPECT_EQ(Of({}, 0x12345678), 0x12345678u);
}

TEST_P(Crc32cTest, PiecesAreAsTheWhole) {
  std::vector<uint8_t> bytes(100);
  std::iota(bytes.begin(), bytes.end(), 7);
  const absl::Span<const uint8_t> all(bytes);

  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    EXPECT_EQ(Of(all.subspan(cut), Of(all.first(cut))), Of(all)) << cut;
  }
}

TEST_P(Crc32cTest, BothWaysAgreeWhereverTheBytesLie) {
  std::vector<uint8_t> bytes(64);
  std::iota(bytes.begin(), bytes.end(), 3);
  for (size_t start = 0; start < 16; ++start) {
    const auto part = absl::MakeConstSpan(bytes).subspan(start, 41);
    EXPECT_EQ(Of(part), internal::PortableCrc32c(part, 0)) << start;
  }
}

INSTANTIATE_TEST_SUITE_P(BothWays, Crc32cTest, testing::Values(&Crc32c, &internal::PortableCrc32c));

}  // namespace
}  // namespace touchstone

#include "vmm/snapshot/pages.h"

#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/memory/guest_memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "vmm/snapshot/memory_map.h"

namespace touchstone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr uint64_t kPage = kGuestPageSize;

// 'x' makes a page with one byte that is not 0, at its end.
std::vector<std::pair<uint64_t, uint64_t>> RunsOf(absl::string_view pages) {
  std::vector<uint8_t> bytes(pages.size() * kPage);
  for (size_t i = 0; i < pages.size(); ++i) bytes[(i + 1) * kPage - 1] = pages[i] == 'x' ? 1 : 0;
  std::vector<std::pair<uint64_t, uint64_t>> runs;
  EXPECT_TRUE(ForEachDataRun(bytes, [&runs](uint64_t offset, uint64_t size) {
                runs.emplace_back(offset / kPage, size / kPage);
                return absl::OkStatus();
              }).ok());
  return runs;
}

TEST(PagesTest, RunsOfData) {
  EXPECT_THAT(RunsOf(""), IsEmpty());
  EXPECT_THAT(RunsOf("..."), IsEmpty());
  EXPECT_THAT(RunsOf("xxx"), ElementsAre(Pair(0, 3)));
  EXPECT_THAT(RunsOf(".xx.x"), ElementsAre(Pair(1, 2), Pair(4, 1)));
  EXPECT_THAT(RunsOf("x..x."), ElementsAre(Pair(0, 1), Pair(3, 1)));
}

TEST(PagesTest, TheFirstErrorEndsIt) {
  int calls = 0;
  std::vector<uint8_t> bytes(3 * kPage);
  bytes[0] = bytes[2 * kPage] = 1;

  const absl::Status status = ForEachDataRun(bytes, [&calls](uint64_t, uint64_t) {
    ++calls;
    return absl::InternalError("no");
  });

  EXPECT_EQ(status.message(), "no");
  EXPECT_EQ(calls, 1);
}

TEST(PagesTest, ZerosHaveTheirChecksum) {
  for (const uint64_t size : {uint64_t{0}, uint64_t{5}, kPage + 7, MemoryMap::kChunkSize}) {
    EXPECT_EQ(ChecksumOfZeros(size), Crc32c(std::vector<uint8_t>(size))) << size;
  }
}

TEST(PagesTest, OneByteIsEnough) {
  std::vector<uint8_t> bytes(100);
  EXPECT_TRUE(AllZeros(bytes));
  EXPECT_TRUE(AllZeros({}));
  for (uint8_t& byte : bytes) {
    byte = 1;
    EXPECT_FALSE(AllZeros(bytes));
    byte = 0;
  }
}

}  // namespace
}  // namespace touchstone

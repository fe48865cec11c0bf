#include "devices/virtio/block/transfer.h"

#include <errno.h>
#include <limits.h>

#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace touchstone {
namespace {

// `count` buffers of `size` bytes each, next to each other from `memory` on.
BlockOperation Write(uint8_t* memory, size_t count, size_t size) {
  BlockOperation operation = {
      .kind = BlockOperation::Kind::kWrite, .token = 3, .offset = 4096, .size = count * size};
  for (size_t i = 0; i < count; ++i) operation.slices.push_back({memory + i * size, size});
  return operation;
}

TEST(TransferTest, AllAtOnce) {
  uint8_t memory[64];
  Transfer transfer(Write(memory, 2, 32));

  EXPECT_EQ(transfer.slices().size(), 2u);
  EXPECT_EQ(transfer.offset(), 4096u);
  EXPECT_EQ(transfer.Advance(64), 0);
}

TEST(TransferTest, GoesOnInTheMiddleOfABuffer) {
  uint8_t memory[96];
  Transfer transfer(Write(memory, 3, 32));

  EXPECT_EQ(transfer.Advance(40), std::nullopt);

  ASSERT_EQ(transfer.slices().size(), 2u);
  EXPECT_EQ(transfer.offset(), 4136u);
  EXPECT_EQ(transfer.slices()[0].iov_base, memory + 40);
  EXPECT_EQ(transfer.slices()[0].iov_len, 24u);
  EXPECT_EQ(transfer.Advance(24), std::nullopt);
  EXPECT_EQ(transfer.slices()[0].iov_base, memory + 64);
  EXPECT_EQ(transfer.Advance(32), 0);
}

TEST(TransferTest, RestIsAnOperation) {
  uint8_t memory[96];
  Transfer transfer(Write(memory, 3, 32));
  EXPECT_EQ(transfer.Advance(40), std::nullopt);

  const BlockOperation rest = std::move(transfer).TakeRest();

  EXPECT_EQ(rest.token, 3u);
  EXPECT_EQ(rest.offset, 4136u);
  EXPECT_EQ(rest.size, 56u);
  ASSERT_EQ(rest.slices.size(), 2u);
  EXPECT_EQ(rest.slices[0].iov_base, memory + 40);
}

TEST(TransferTest, NoMoreBuffersThanTheSystemTakes) {
  std::vector<uint8_t> memory(IOV_MAX + 10);
  Transfer transfer(Write(memory.data(), memory.size(), 1));

  EXPECT_EQ(transfer.slices().size(), static_cast<size_t>(IOV_MAX));
  EXPECT_EQ(transfer.Advance(IOV_MAX), std::nullopt);
  EXPECT_EQ(transfer.slices().size(), 10u);
  EXPECT_EQ(transfer.Advance(10), 0);
}

TEST(TransferTest, Failures) {
  uint8_t memory[8];
  Transfer transfer(Write(memory, 1, 8));

  EXPECT_EQ(transfer.Advance(-EINTR), std::nullopt);
  EXPECT_EQ(transfer.Advance(-ENOSPC), ENOSPC);
  EXPECT_EQ(transfer.Advance(0), EIO);
}

}  // namespace
}  // namespace touchstone

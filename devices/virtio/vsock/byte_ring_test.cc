#include "devices/virtio/vsock/byte_ring.h"

#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

void Append(ByteRing& ring, absl::string_view bytes) {
  for (const absl::Span<uint8_t> piece : ring.Extend(bytes.size())) {
    if (!piece.empty()) memcpy(piece.data(), bytes.data(), piece.size());
    bytes.remove_prefix(piece.size());
  }
}

std::string Content(const ByteRing& ring) {
  std::string content;
  for (const iovec& piece : ring.Front()) {
    content.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  }
  return content;
}

TEST(ByteRingTest, IsEmptyAndWithoutMemoryAtFirst) {
  const ByteRing ring(100);

  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.capacity(), 0u);
  EXPECT_EQ(Content(ring), "");
}

TEST(ByteRingTest, KeepsTheOrderAcrossTheEnd) {
  ByteRing ring(8);
  Append(ring, "abcdef");
  ring.Consume(4);

  Append(ring, "ghijkl");

  EXPECT_EQ(Content(ring), "efghijkl");
  EXPECT_GT(ring.Front()[1].iov_len, 0u);
}

TEST(ByteRingTest, GrowsWithItsContentWrapped) {
  ByteRing ring(20000);
  Append(ring, std::string(4096, 'a'));
  ring.Consume(4000);
  Append(ring, std::string(1000, 'b'));
  ASSERT_EQ(ring.capacity(), 4096u);

  Append(ring, std::string(5000, 'c'));

  EXPECT_EQ(Content(ring), std::string(96, 'a') + std::string(1000, 'b') + std::string(5000, 'c'));
}

TEST(ByteRingTest, NeverTakesMoreThanItsLimit) {
  ByteRing ring(5000);

  Append(ring, std::string(4097, 'a'));
  Append(ring, std::string(903, 'b'));

  EXPECT_EQ(ring.capacity(), 5000u);
  EXPECT_EQ(ring.size(), 5000u);
}

TEST(ByteRingTest, GivesItsMemoryBackWhenEmpty) {
  ByteRing ring(100);
  Append(ring, "abc");

  ring.Consume(3);

  EXPECT_EQ(ring.capacity(), 0u);
  Append(ring, "d");
  EXPECT_EQ(Content(ring), "d");
}

}  // namespace
}  // namespace touchstone

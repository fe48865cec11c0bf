// Configuration space, and state that is saved and restored.

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "devices/virtio/testing/conformance.h"

namespace touchstone {
namespace {

constexpr uint32_t kConfigSize = 0x1000;
constexpr uint32_t kFarOffsets[] = {0xFF8, 0xFFF, 0x1000, 0x7FFF'FFFF, 0xFFFF'FFFC, 0xFFFF'FFFF};

// Ways in which a state may have been damaged.
std::vector<std::string> Damaged(const std::string& state) {
  std::vector<std::string> damaged = {std::string(1, '\0'), std::string(100, '\xFF'),
                                      std::string(1 << 16, 'x'), state + "\xFF",
                                      state + state + "\x07"};
  if (state.empty()) return damaged;
  damaged.push_back("");
  for (size_t cut = 1; cut < state.size(); cut = cut * 2) damaged.push_back(state.substr(0, cut));
  damaged.push_back(state.substr(0, state.size() - 1));
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string flipped = state;
    flipped[random() % flipped.size()] ^= static_cast<char>(1 << random() % 8);
    damaged.push_back(std::move(flipped));
  }
  return damaged;
}

}  // namespace

// KE-06. Where there is nothing a read gives 0.
TEST_P(VirtioConformance, ConfigurationIsReadAnyhow) {
  guest_->Start();
  std::vector<uint8_t> whole(kConfigSize);
  for (uint32_t i = 0; i < kConfigSize; ++i)
    host_->ReadConfig(i, absl::MakeSpan(whole).subspan(i, 1));
  for (uint32_t offset = 0; offset < 256; ++offset) {
    for (const size_t size : {2, 3, 4, 7, 8, 64}) {
      std::vector<uint8_t> part(size, 0xEE);
      host_->ReadConfig(offset, absl::MakeSpan(part));
      ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + offset))
          << size << " bytes at " << offset;
    }
  }
  for (const uint32_t offset : kFarOffsets) {
    std::vector<uint8_t> part(9, 0xEE);
    host_->ReadConfig(offset, absl::MakeSpan(part));
    EXPECT_EQ(part, std::vector<uint8_t>(9)) << offset;
  }
}

TEST_P(VirtioConformance, ConfigurationIsWrittenAnyhow) {
  guest_->Start();
  for (const uint8_t value : {0x00, 0xFF, 0x01}) {
    const std::vector<uint8_t> bytes(64, value);
    for (uint32_t offset = 0; offset < 256; ++offset) {
      for (const size_t size : {1, 2, 3, 4, 8, 64}) {
        host_->WriteConfig(offset, absl::MakeConstSpan(bytes).first(size));
      }
    }
    for (const uint32_t offset : kFarOffsets) host_->WriteConfig(offset, bytes);
    Turn();
  }
  guest_->Restart();
  Turn();

  EXPECT_TRUE(AnswersFirst());
}

TEST_P(VirtioConformance, SavedStateIsRestoredWhole) {
  guest_->Start();
  for (const TestRequest& request : Requests()) Answers(request);
  for (uint16_t i = 0; i < queue_count(); ++i) ASSERT_TRUE(host_->StopQueue(i).has_value());
  const absl::StatusOr<std::string> state = device().Save();
  ASSERT_TRUE(state.ok()) << state.status();
  const std::vector<uint8_t> before = [this] {
    std::vector<uint8_t> config(256);
    host_->ReadConfig(0, absl::MakeSpan(config));
    return config;
  }();
  Make({});
  ASSERT_TRUE(device().Restore(*state).ok());
  std::vector<uint8_t> after(256);
  host_->ReadConfig(0, absl::MakeSpan(after));

  EXPECT_EQ(*device().Save(), *state);
  EXPECT_EQ(after, before);
  guest_->Start();
  EXPECT_TRUE(AnswersFirst());
}

// KE-87: a device that was never used.
TEST_P(VirtioConformance, FreshStateIsRestoredWhole) {
  const absl::StatusOr<std::string> state = device().Save();
  ASSERT_TRUE(state.ok()) << state.status();
  Make({});

  ASSERT_TRUE(device().Restore(*state).ok());
  EXPECT_EQ(*device().Save(), *state);
}

// KE-85, KE-86. A damaged state may still be one that some device has; what is refused changes
// nothing, and what is accepted leaves a device that works.
TEST_P(VirtioConformance, DamagedStateIsRefusedOrWorks) {
  const std::string state = device().Save().value();
  for (const std::string& damaged : Damaged(state)) {
    const std::string before = device().Save().value();
    if (device().Restore(damaged).ok()) {
      EXPECT_EQ(*device().Save(), damaged);
      guest_->Restart();
      AnswersFirst();
      Make({});
    } else {
      EXPECT_EQ(*device().Save(), before);
    }
  }
  EXPECT_EQ(device().Restore(std::string(1 << 16, 'x')).code(), absl::StatusCode::kInvalidArgument);
  guest_->Start();

  EXPECT_TRUE(AnswersFirst());
}

}  // namespace touchstone

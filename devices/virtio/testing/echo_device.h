// A device of no type, for proving what lies around devices: two queues, every kind of ring, a
// configuration and a state.
//
// A chain's writable bytes are answered with its readable ones, as far as both go. Queue 0 answers
// at once; queue 1 keeps chains until HostEvent says that the host is done with the oldest.
//
//   configuration   0  4 bytes of the driver's, read and written
//                   4  1 byte that HostEvent changes
//   state           those 5 bytes
//   HostEvent       kind 0: the oldest chain kept is answered; 1: the byte at 4 becomes bytes[0],
//                   and the driver is told

#ifndef TOUCHSTONE_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_
#define TOUCHSTONE_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>

#include "base/event/manual_loop.h"
#include "devices/virtio/core/queue_device.h"
#include "devices/virtio/testing/device_kit.h"

namespace touchstone {

// Mistakes that the suite for all devices has to find.
enum class EchoDefect {
  kNone,
  kWrongByte,            // In each answer.
  kWrongLength,          // The driver is told of a byte that was not written.
  kAnswersTooLate,       // Only when the next request comes.
  kNoLateInterrupt,      // For what completes outside of Handle.
  kKeepsChains,          // When the queue stops.
  kLosesEmptyChains,     // Never returns a chain with nothing to read.
  kConfigBeyondEnd,      // Bytes where there are none.
  kConfigIgnoresOffset,  // Of a read.
  kRestoresPart,         // Of a state that it accepts.
  kRestoresAndRefuses,   // A state that it does not.
};

class EchoDevice : public QueueDevice {
 public:
  static constexpr uint32_t kDeviceId = 42;
  static constexpr uint64_t kOwnFeature = 1 << 5;  // Changes nothing.

  explicit EchoDevice(EventLoop& loop, EchoDefect defect = EchoDefect::kNone);

  void ReadConfig(uint32_t offset, absl::Span<uint8_t> data) override;
  void WriteConfig(uint32_t offset, absl::Span<const uint8_t> data) override;
  absl::StatusOr<std::string> Save() override;
  absl::Status Restore(absl::string_view state) override;

  // What HostEvent does, on the loop's thread.
  void AnswerOldest();
  void ChangeConfig(uint8_t value);

 private:
  static constexpr uint16_t kLateQueue = 1;
  static constexpr size_t kDriverBytes = 4;

  void Handle(uint16_t queue, ReadableChain chain) override;
  void Drain(uint16_t queue) override;
  void Echo(ReadableChain chain) const;

  const EchoDefect defect_;
  std::array<uint8_t, 5> config_ = {1, 2, 3, 4, 5};
  std::deque<ReadableChain> kept_;
};

class EchoUnderTest final : public TestDevice {
 public:
  EchoUnderTest(ManualLoop& loop, EchoDefect defect) : echo_(loop, defect) {}

  [[nodiscard]] VirtioDevice& device() override { return echo_; }
  void HostEvent(uint8_t kind, absl::Span<const uint8_t> bytes) override;

 private:
  EchoDevice echo_;
};

DeviceKit EchoKit(EchoDefect defect = EchoDefect::kNone);

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_VIRTIO_TESTING_ECHO_DEVICE_H_

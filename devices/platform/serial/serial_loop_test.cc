// A UART with its real queues and a real loop on a thread of its own, as in a machine: the guest
// echoes what the host sends, by interrupts and by polling.

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/event/epoll_loop.h"
#include "base/scoped_fd.h"
#include "devices/irq/recording_irq_line.h"
#include "devices/platform/serial/fd_sink.h"
#include "devices/platform/serial/fd_source.h"
#include "devices/platform/serial/input_buffer.h"
#include "devices/platform/serial/nonblocking.h"
#include "devices/platform/serial/output_queue.h"
#include "devices/platform/serial/serial.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

class SerialLoopTest : public ::testing::TestWithParam<uint8_t> {
 protected:
  SerialLoopTest() : loop_(EpollLoop::Create().value()) {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    from_host_.Reset(fds[0]);
    host_out_.Reset(fds[1]);
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    host_in_.Reset(fds[0]);
    to_host_.Reset(fds[1]);
    output_ = std::make_unique<OutputQueue>(
        *loop_, SystemClock(),
        std::make_unique<FdSink>(NonBlocking(to_host_, O_WRONLY).value(), "pipe"), "test");
    input_ = std::make_unique<InputBuffer>(
        *loop_, std::make_unique<FdSource>(NonBlocking(from_host_, O_RDONLY).value()));
    serial_ = std::make_unique<Serial>(*output_, *input_, irq_);
    thread_ = std::thread([this] { loop_->Run(); });
  }
  ~SerialLoopTest() override {
    loop_->Stop();
    thread_.join();
  }

  uint8_t In(uint64_t offset) {
    uint8_t value = 0xff;
    serial_->Read(offset, absl::MakeSpan(&value, 1));
    return value;
  }
  void Out(uint64_t offset, uint8_t value) {
    serial_->Write(offset, absl::MakeConstSpan(&value, 1));
  }
  // The guest: sends back `count` bytes.
  void Echo(size_t count) {
    while (count > 0) {
      const uint8_t status = In(kSerialLsr);
      if ((status & kLsrDataReady) == 0 || (status & kLsrTransmitEmpty) == 0) continue;
      Out(kSerialThr, In(kSerialRbr));
      --count;
    }
  }

  std::unique_ptr<EpollLoop> loop_;
  RecordingIrqLine irq_;
  ScopedFd from_host_, host_out_, host_in_, to_host_;
  std::unique_ptr<OutputQueue> output_;
  std::unique_ptr<InputBuffer> input_;
  std::unique_ptr<Serial> serial_;
  std::thread thread_;
};

TEST_P(SerialLoopTest, EchoesEverythingInOrder) {
  std::string text;
  for (int i = 0; i < 30000; ++i) text.append(std::to_string(i));
  Out(kSerialFcr, kFcrEnable);
  Out(kSerialIer, GetParam());

  std::thread host([this, &text] {
    for (size_t at = 0; at < text.size();) {
      const ssize_t count = write(host_out_.get(), text.data() + at, text.size() - at);
      at += count > 0 ? static_cast<size_t>(count) : 0;
    }
  });
  std::thread guest([this, &text] { Echo(text.size()); });
  std::string echo;
  char buffer[4096];
  while (echo.size() < text.size()) {
    const ssize_t count = read(host_in_.get(), buffer, sizeof(buffer));
    ASSERT_GT(count, 0);
    echo.append(buffer, static_cast<size_t>(count));
  }
  host.join();
  guest.join();

  EXPECT_EQ(echo, text);
  EXPECT_EQ(output_->dropped(), 0);
}

INSTANTIATE_TEST_SUITE_P(Guests, SerialLoopTest,
                         ::testing::Values(0, kIerReceive, kIerReceive | kIerTransmit));

}  // namespace
}  // namespace touchstone
